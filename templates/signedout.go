package templates

import "net/http"

// SignedOutPage says goodbye.
type SignedOutPage struct {
	// SignIn is the link that starts a new sign-in. Empty = none is shown.
	SignIn string
}

// SignedOut writes the page with status 200. If it returns an error before
// the page was sent, nothing has been written.
func (p *Pages) SignedOut(w http.ResponseWriter, lang Lang, page SignedOutPage) error {
	return p.render(w, http.StatusOK, p.signedOut, view{Lang: lang, Page: page})
}
