package sso

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/kitbridge/kitbridge/templates"
)

// decide answers who a request of some method comes from that was sent to a site. Any fault is ErrNoSession or ErrUnavailable, and
// never a decision.
func (rp *RelyingParty) decide(r *http.Request, method string, to *site) (*decision, error) {
	if rp.settings.Embedded && isReached(method, r.Header, to) {
		return nil, ErrNoSession
	}
	key, ok := sessionKey(rp.cookies.value(r, rp.cookies.base))
	if !ok {
		return nil, ErrNoSession
	}
	d, err := rp.decider.get(r.Context(), key)
	if err != nil {
		return nil, err
	}
	if d.live.Test && !rp.settings.AllowTestTenants || !to.admits(d.live.Tenant, d.live.TenantCode) {
		return nil, ErrNoSession
	}
	return d, nil
}

// judge answers whether a request may pass, and as whom: the one decision of all faces. A public request without a session
// passes as nobody. Any fault is ErrNoSession, ErrForbidden or ErrUnavailable, and never a decision. Where the auth centre is to be
// asked about the person again, one request waits for that.
func (rp *RelyingParty) judge(r *http.Request, a asked) (*decision, error) {
	d, err := rp.judgeNow(r, a)
	if err == nil && rp.renewed(r.Context(), d) {
		return rp.judgeNow(r, a)
	}
	return d, err
}

// judgeNow is judge by what is known.
func (rp *RelyingParty) judgeNow(r *http.Request, a asked) (*decision, error) {
	if len(rp.rules) == 0 {
		return rp.decide(r, a.told(), a.site)
	}
	if !a.known {
		return nil, ErrForbidden
	}
	allow, err := rp.rules.choose(methodsOf(a.method, r.Header), a.path)
	if err != nil {
		return nil, err
	}
	d, err := rp.decide(r, a.told(), a.site)
	switch {
	case allow.Public && errors.Is(err, ErrNoSession):
		return nobody(), nil
	case err != nil:
		return nil, err
	case !allow.Public && !allow.admits(d.identity):
		return nil, ErrForbidden
	}
	return d, nil
}

// nobody is the decision about a public request without a session: all headers, all of them empty.
func nobody() *decision { return &decision{headers: identityHeaders(Identity{}, "")} }

// authz is the decision endpoint of a face: 200 with the identity headers, or a denial. pages says whether the face passes
// answers on to browsers, so that page loads may be redirected; nginx's auth_request does not.
func (rp *RelyingParty) authz(face Face, read func(*http.Request) asked, pages bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := read(r)
		d, err := rp.judgeFor(face, r, a)
		switch {
		case err == nil:
			rp.allow(w, d)
		case pages:
			rp.deny(w, r, a, err)
		default:
			denyJSON(w, err, a)
		}
	})
}

// allow answers 200 with all identity headers, and nothing else: so net/http needs least for it.
func (rp *RelyingParty) allow(w http.ResponseWriter, d *decision) {
	h := w.Header()
	for _, header := range d.headers {
		h[header.name] = header.value
	}
	h["Cache-Control"] = rp.uncached
}

// deny answers a request that may not pass: of a page load the browser is sent to sign in, or shown why not; a script gets
// JSON.
func (rp *RelyingParty) deny(w http.ResponseWriter, r *http.Request, a asked, err error) {
	if !isPageLoad(a.method, r.Header, rp.settings.Embedded) {
		denyJSON(w, err, backToPage(a, r.Header))
		return
	}
	if errors.Is(err, ErrNoSession) {
		noStore(w.Header())
		redirect(w, http.StatusFound, a.site.loginURL("", a.target))
		return
	}
	out := outcomeOf(err)
	page := templates.ProblemPage{Reason: out.reason}
	if errors.Is(err, errReadings) {
		page.Reason = templates.BadRequest
	}
	if out.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
		page.Retry = a.site.address(a.target, nil)
	}
	_ = rp.pages.Problem(w, out.status, templates.Locale(r), page) // the browser is gone
}

// backToPage lets a sign-in that a script's request was denied for come back to the page that the script is on, if the browser names
// one of this site: nobody wants to land at the address of the data.
func backToPage(a asked, h http.Header) asked {
	from, once := only(h, "Referer")
	if path, ours := returnPath(from, a.site.origin); a.known && once && ours && from[0] != '/' {
		a.target = path
	}
	return a
}

// denyJSON answers 401, 403, or 503 if nothing is known.
func denyJSON(w http.ResponseWriter, err error, a asked) {
	switch {
	case errors.Is(err, ErrNoSession):
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "unauthenticated", "login_url": a.site.loginURL("", a.target)})
	case errors.Is(err, ErrForbidden):
		writeJSON(w, http.StatusForbidden, map[string]string{"error": "forbidden"})
	default:
		w.Header().Set("Retry-After", "1")
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "unavailable"})
	}
}

// serveMe tells a page's scripts who is signed in.
func (rp *RelyingParty) serveMe(w http.ResponseWriter, r *http.Request) {
	here := rp.site(r)
	d, err := rp.decide(r, r.Method, here)
	if err == nil && rp.renewed(r.Context(), d) {
		d, err = rp.decide(r, r.Method, here)
	}
	if err != nil {
		denyJSON(w, err, backToPage(asked{site: here, target: "/", known: true}, r.Header))
		return
	}
	id := d.identity
	writeJSON(w, http.StatusOK, struct {
		Sub      string   `json:"sub"`
		Tenant   TenantID `json:"tenant"`
		UserName UserName `json:"userName"`
		Name     string   `json:"name"`
		Role     Role     `json:"role"`
		OrgCode  string   `json:"organizationCode"`
		Email    string   `json:"email"`
		Mobile   string   `json:"mobile"`
	}{id.Subject(), id.Tenant, id.User, id.Name, id.Role, id.OrgCode, id.Email, id.Mobile})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"internal"}`)
	}
	h := w.Header()
	noStore(h)
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
