package templates

import "net/http"

// ProblemPage tells a person that it did not work, why, and what they can do.
// It never shows a text that came from outside, such as an auth centre's
// error_description.
type ProblemPage struct {
	// Reason chooses the texts.
	Reason Reason
	// Check names the check that the auth centre's answer did not pass, such as "id_token.iat". Empty = not shown.
	Check string
	// TenantName is the organisation concerned. Empty = not shown.
	TenantName string
	// RequestID helps support to find this attempt in the log. Empty = not shown.
	RequestID string
	// Retry is the link that starts again. Empty = none is shown.
	Retry string
	// Other is the link that starts again with another organisation. Empty = none is shown.
	Other string
}

// problemView is a ProblemPage with the texts of its reason.
type problemView struct {
	ProblemPage
	problemText
}

// Problem writes the page with the given status. A reason that is not one of
// the constants is shown as [Internal]. If it returns an error before the
// page was sent, nothing has been written.
func (p *Pages) Problem(w http.ResponseWriter, status int, lang Lang, page ProblemPage) error {
	if page.Reason <= 0 || page.Reason >= reasons {
		page.Reason = Internal
	}
	if _, ok := p.texts[lang]; !ok {
		lang = Chinese
	}
	v := problemView{ProblemPage: page, problemText: p.texts[lang].problem(page.Reason)}
	return p.render(w, status, p.problem, view{Lang: lang, Page: v})
}
