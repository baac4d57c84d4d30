package templates

import "net/http"

// ChooserPage asks a person which organisation they sign in for.
type ChooserPage struct {
	// Action is the path that both the search form and the results lead to.
	Action string
	// Return is where to go after signing in; it is carried along unchanged
	// as the parameter "return". Empty = not carried.
	Return string
	// Query is what was searched for, and stays in the field. The form sends
	// it as the parameter "q". With a query and no results the page says that
	// nothing was found.
	Query string
	// Results are the organisations to choose from.
	Results []ChooserTenant
	// More says that there are more results than shown.
	More bool
	// UnifiedLogin is the address of the marketplace's own sign-in page,
	// offered to those who do not find their organisation. Empty = not offered.
	UnifiedLogin string
}

// ChooserTenant is one organisation on a [ChooserPage].
type ChooserTenant struct {
	// Tenant is sent as the parameter "tenant" when this one is chosen.
	Tenant string
	// Name and Code are shown.
	Name, Code string
}

// Chooser writes the page with status 200. If it returns an error before the
// page was sent, nothing has been written.
func (p *Pages) Chooser(w http.ResponseWriter, lang Lang, page ChooserPage) error {
	return p.render(w, http.StatusOK, p.chooser, view{Lang: lang, Page: page})
}
