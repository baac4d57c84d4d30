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

// Require lets only signed-in requests through to next. next sees the identity in its context ([FromContext]) and in the
// identity headers, all of them set; the client's own copies of those headers, in whatever spelling, and our cookies are
// removed, so next may also be a reverse proxy. Without a session a page load is sent to sign in and comes back to where it
// was going, and everything else gets a 401 as JSON. If the state cannot be read the answer is 503.
func (rp *RelyingParty) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := rp.decide(r)
		if err != nil {
			returnTo := "/"
			if r.Method == http.MethodGet {
				returnTo = rp.returnOr(r.RequestURI)
			}
			rp.deny(w, r.Method, r.Header, err, returnTo)
			return
		}
		in := r.WithContext(context.WithValue(r.Context(), contextKey{}, d.identity))
		in.Header = r.Header.Clone()
		stripIdentity(in)
		rp.cookies.strip(in.Header)
		for _, header := range d.headers {
			in.Header[header.name] = []string{header.value[0]} // next may change it
		}
		next.ServeHTTP(w, in)
	})
}
