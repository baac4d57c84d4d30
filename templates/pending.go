package templates

import (
	"net/http"
	"time"
)

// PendingPage tells a person whom the auth centre knows, but whose account
// has not reached us yet, that it is on its way.
type PendingPage struct {
	// Name and TenantName say whose account is awaited.
	Name, TenantName string
	// Refresh is how long the browser waits before it asks again, rounded up
	// to seconds. 0 = it does not ask by itself any more.
	Refresh time.Duration
	// RequestID helps support to find this attempt in the log.
	RequestID string
}

// Pending writes the page with status 200. If it returns an error before the
// page was sent, nothing has been written.
func (p *Pages) Pending(w http.ResponseWriter, lang Lang, page PendingPage) error {
	seconds := int((max(page.Refresh, 0) + time.Second - 1) / time.Second)
	return p.render(w, http.StatusOK, p.pending, view{Lang: lang, Page: page, Refresh: seconds})
}
