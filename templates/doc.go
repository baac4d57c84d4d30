// Package templates holds every HTML page a person can meet on the sign-in
// path, together with the Go type that fills it.
//
//	Pages.Chooser    which organisation are you from?
//	Pages.Confirm    sign in as this user? sign out?
//	Pages.Pending    signed in, but your account has not been synchronised yet
//	Pages.Problem    it did not work: why, and what to do (see Reason)
//	Pages.Resend     you are signed in again: send your form now?
//	Pages.SignedOut  goodbye
//
// There is one method and one struct per page, and no other way to write
// HTML. A page is rendered into memory first, so a fault in a template never
// leaves half a page behind, and is sent with headers that forbid scripts,
// frames (but those of [New]'s ancestors), caching and everything loaded from elsewhere: the one style sheet
// stands in the page and is named in the Content-Security-Policy by its hash.
//
// Every text exists in Chinese and in English; [Locale] chooses by
// Accept-Language. What buyers supply (names, codes) is escaped by
// html/template and isolated from the direction of the text around it.
//
// The package decides nothing: which page, which status and which links are
// its caller's business.
package templates
