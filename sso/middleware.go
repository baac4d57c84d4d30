package sso

import (
	"context"
	"errors"
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
// in and comes back to where it was going, and everything else gets a 401 as JSON; a small form that a page of ours sent is given
// back after the sign-in, to be sent again by a click. What the rules do not allow is a 403. If
// the state cannot be read the answer is 503.
//
// The session is looked at again every half second while next runs: once it is over, or its rights are, the request's context
// is cancelled, and a connection that next took over from a request with an Upgrade header is closed, also after next
// returned.
func (rp *RelyingParty) Require(next http.Handler) http.Handler {
	return rp.require(FaceMiddleware, next)
}

// require is Require for a face.
func (rp *RelyingParty) require(face Face, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := rp.askedDirectly(r)
		d, err := rp.judgeFor(face, r, a)
		if errors.Is(err, ErrNoSession) && rp.keepForm(w, r) {
			return
		}
		if err != nil {
			rp.deny(w, r, a, err)
			return
		}
		if d.identity == (Identity{}) {
			next.ServeHTTP(w, rp.admitted(r.Context(), r, d))
			return
		}
		ctx, cancel := context.WithCancelCause(context.WithValue(r.Context(), contextKey{}, d.identity))
		g := rp.watch(r, a, d, cancel)
		defer g.returned()
		if g.upgraded {
			w = guardedWriter{w, g}
		}
		next.ServeHTTP(w, rp.admitted(ctx, r, d))
	})
}

// admitted returns the request as the product sees it.
func (rp *RelyingParty) admitted(ctx context.Context, r *http.Request, d *decision) *http.Request {
	in := r.WithContext(ctx)
	in.Header = r.Header.Clone()
	stripIdentity(in)
	rp.cookies.strip(in.Header)
	for _, header := range d.headers {
		in.Header[header.name] = []string{header.value[0]} // next may change it
	}
	return in
}
