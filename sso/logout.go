package sso

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"

	"github.com/kitbridge/kitbridge/templates"
)

// serveLogout ends the session here first, so that an auth centre that is down leaves nobody signed in, and then sends the
// browser to end the auth centre's own. Another site's page cannot force it: its POST is refused, and its link only leads to
// a question. Nor can a picture, whose address somebody may have put on a page of the product's.
func (rp *RelyingParty) serveLogout(w http.ResponseWriter, r *http.Request, e *record) error {
	switch r.Method {
	case http.MethodHead:
		w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodPost:
		if !fromHere(r, e.site) {
			return fmt.Errorf("logout from elsewhere: %w", ErrBadRequest)
		}
	default:
		if isPrefetch(r.Header) {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		if isForeign(r, e.site.origin.Host) || isPart(r.Header) {
			return rp.pages.Confirm(w, templates.Locale(r), templates.ConfirmPage{
				Purpose: templates.ConfirmSignOut, Action: ssoPrefix + "/logout", Cancel: "/",
			})
		}
	}
	e.event, e.result, e.solicited = "logout", "signed_out", true
	session, err := rp.sessions.Get(r, rp.cookies.base)
	if err != nil {
		return err //nolint:wrapcheck // it is our own store's
	}
	live, wasLive := session.Values[liveValue].(LiveSession)
	key, _ := sessionKey(session.ID)
	if !wasLive {
		session.ID = "" // there is nothing to end: a stranger's cookie costs no write
	}
	session.Options.MaxAge = -1
	if err := rp.sessions.Save(r, w, session); err != nil {
		return err //nolint:wrapcheck // it is our own store's
	}
	rp.decider.forget(key, nil)
	rp.cookies.expireProduct(w, rp.settings.ProductCookies)
	for _, suffix := range []string{"last", "loop", "wait", "bounce"} {
		rp.cookies.clear(w, rp.cookies.name(suffix))
	}
	landing := e.site.address(ssoPrefix+"/signed-out", nil)
	if wasLive {
		e.about(live.Tenant, live.User)
		state := randomHex()
		if there := rp.wayOf(live.Tenant).profile.logoutURL(r.Context(), rp.leaving(r.Context(), live), landing, state); there != "" {
			landing = there
		}
		if strings.Contains(landing, state) {
			rp.remember(w, r, "out", state, attemptAge)
		}
	}
	redirect(w, http.StatusSeeOther, landing)
	return nil
}

// leaving returns the auth centre to leave: the one that signed the user in, with what is known of its tenant now. The own
// session is over already, so what cannot be read is left out.
func (rp *RelyingParty) leaving(ctx context.Context, live LiveSession) target {
	to := target{origin: origin{domain: live.Domain}}
	t, err := rp.tenants.Tenant(ctx, live.Tenant)
	if err != nil {
		return to
	}
	if now, err := rp.targetOf(ctx, t); err == nil {
		to.credential, to.issuer = now.credential, now.issuer
	}
	return to
}

// serveSignedOut is where a logout ends. It starts no sign-in by itself: the auth centre may still be signed in, and would
// answer at once. Where a logout brings its state back (OpenID Connect RP-Initiated Logout 1.0, section 3), another one or none
// did not come from there, and nothing is said about who is signed out of what.
func (rp *RelyingParty) serveSignedOut(w http.ResponseWriter, r *http.Request, e *record) error {
	name, want := rp.cookies.name("out"), ""
	if rp.open(r, name, &want) {
		rp.cookies.clear(w, name)
		q, err := query(r)
		if err != nil {
			return err
		}
		got, err := single(q, "state")
		if err != nil || subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
			e.event = "logout_return"
			return fmt.Errorf("return from logout: state: %w", ErrBadRequest)
		}
	}
	return rp.pages.SignedOut(w, templates.Locale(r), templates.SignedOutPage{SignIn: e.site.loginURL("", "/")})
}
