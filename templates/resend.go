package templates

import "net/http"

// ResendPage gives a form back that was sent without a session. The person
// sends it again with one click: what it does happens in the name of whoever
// is signed in now.
type ResendPage struct {
	// Action is the path and query that the form was sent to, on our own origin.
	Action string
	// Fields are the form's, in its order.
	Fields []FormField
	// Cancel is where a no leads: a link.
	Cancel string
	// Name, UserName and TenantName say who is signed in.
	Name, UserName, TenantName string
}

// FormField is one field of a form.
type FormField struct{ Name, Value string }

// Resend writes the page with status 200. If it returns an error before the
// page was sent, nothing has been written.
//
// Unlike other pages it sends its address along to our own origin: products
// refuse forms whose origin they cannot see.
func (p *Pages) Resend(w http.ResponseWriter, lang Lang, page ResendPage) error {
	return p.render(w, http.StatusOK, p.resend, view{Lang: lang, Page: page, referrer: "same-origin"})
}
