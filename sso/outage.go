package sso

import (
	"sync"
	"time"
)

// maxOutages bounds the memory of auth centres that do not answer; a full one starts anew.
const maxOutages = 4096

// outages remembers which auth centres did not answer a moment ago.
type outages struct {
	mu    sync.Mutex
	until map[string]time.Time // under mu; by domain
}

// last reports whether the auth centre at domain is better not asked now.
func (o *outages) last(domain string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return now.Before(o.until[domain])
}

// begin notes that an auth centre did not answer, and reports whether that is news.
func (o *outages) begin(domain string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	news := !now.Before(o.until[domain])
	if o.until == nil || len(o.until) >= maxOutages {
		o.until = map[string]time.Time{}
	}
	o.until[domain] = now.Add(outagePause)
	return news
}
