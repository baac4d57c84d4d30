package templates

import "net/http"

// CSRFField is the name of the form field that carries [ConfirmPage.CSRF].
const CSRFField = "csrf"

// Purpose is what a [ConfirmPage] asks about.
type Purpose int

// What may be asked.
const (
	// ConfirmSignIn: an unexpected sign-in arrived; was it you?
	ConfirmSignIn Purpose = iota
	// ConfirmSwitch: as ConfirmSignIn, while somebody else is signed in.
	ConfirmSwitch
	// ConfirmSignOut: really sign out?
	ConfirmSignOut
)

// ConfirmPage asks a person for a yes before something happens that a foreign
// page could have started.
type ConfirmPage struct {
	Purpose Purpose
	// Action is the path the yes is posted to.
	Action string
	// CSRF is the token the post must carry, as field [CSRFField].
	CSRF string
	// Return is carried along as the field "return". Empty = not carried.
	Return string
	// Cancel is where a no leads: a link. Empty = none is shown.
	Cancel string
	// Name and UserName say who would be signed in (or out).
	Name, UserName string
	// TenantName is that user's organisation.
	TenantName string
	// Current is the name of who is signed in now, for ConfirmSwitch. The other two tell apart those of one name.
	Current, CurrentUserName, CurrentTenantName string
}

// IsSignOut reports whether the page asks about signing out.
func (c ConfirmPage) IsSignOut() bool { return c.Purpose == ConfirmSignOut }

// IsSwitch reports whether the page asks about replacing another user.
func (c ConfirmPage) IsSwitch() bool { return c.Purpose == ConfirmSwitch }

// Confirm writes the page with status 200. If it returns an error before the
// page was sent, nothing has been written.
func (p *Pages) Confirm(w http.ResponseWriter, lang Lang, page ConfirmPage) error {
	// The form's Origin must be readable: browsers that do not say Sec-Fetch-Site, as on plain http, send "null" under
	// no-referrer.
	return p.render(w, http.StatusOK, p.confirm, view{Lang: lang, Page: page, referrer: "same-origin"})
}
