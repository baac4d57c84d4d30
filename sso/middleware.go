package sso

import (
	"context"
	"net/http"
)

type contextKey struct{}

// FromContext returns the identity of a request that came through [RelyingParty.Require].
func FromContext(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(contextKey{}).(Identity)
	return id, ok
}

// Require lets through to next what the rules allow: without rules, whoever is signed in. next sees the identity in its
// context ([FromContext]; none for a public request without a session) and in the identity headers, all of them set; the
// client's own copies of those headers, in whatever spelling, and our cookies are removed, so next may also be a reverse
// proxy. The rules are applied to the path of r.URL, which is what next sees. Without a session a page load is sent to sign
// in and comes back to where it was going, and everything else gets a 401 as JSON; what the rules do not allow is a 403. If
// the state cannot be read the answer is 503.
func (rp *RelyingParty) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := rp.askedDirectly(r)
		d, err := rp.judge(r, a)
		if err != nil {
			rp.deny(w, r, a, err)
			return
		}
		next.ServeHTTP(w, rp.admitted(r, d))
	})
}

// admitted returns the request as the product sees it.
func (rp *RelyingParty) admitted(r *http.Request, d *decision) *http.Request {
	ctx := r.Context()
	if d.identity != (Identity{}) {
		ctx = context.WithValue(ctx, contextKey{}, d.identity)
	}
	in := r.WithContext(ctx)
	in.Header = r.Header.Clone()
	stripIdentity(in)
	rp.cookies.strip(in.Header)
	for _, header := range d.headers {
		in.Header[header.name] = []string{header.value[0]} // next may change it
	}
	return in
}
