package sso

import (
	"encoding/json"
	"errors"
	"net/http"
)

// decide answers who a request comes from. Any fault is ErrNoSession or ErrUnavailable, and never a decision.
func (rp *RelyingParty) decide(r *http.Request) (*decision, error) {
	key, ok := sessionKey(rp.cookies.value(r, rp.cookies.base))
	if !ok {
		return nil, ErrNoSession
	}
	d, err := rp.decider.get(r.Context(), key)
	if err != nil {
		return nil, err
	}
	if d.live.Test && !rp.settings.AllowTestTenants {
		return nil, ErrNoSession
	}
	return d, nil
}

// serveAuthRequest is nginx's auth_request: 200 with the identity headers, 401, or 503; never a redirect.
func (rp *RelyingParty) serveAuthRequest(w http.ResponseWriter, r *http.Request) {
	d, err := rp.decide(r)
	if err != nil {
		rp.denyJSON(w, err, "/")
		return
	}
	allow(w, d)
}

// serveForwardAuth is the form of Traefik, Caddy and HAProxy: 200 with the identity headers, a redirect to sign in for page
// loads, and a 401 for everything else.
func (rp *RelyingParty) serveForwardAuth(w http.ResponseWriter, r *http.Request) {
	d, err := rp.decide(r)
	if err == nil {
		allow(w, d)
		return
	}
	method, returnTo := rp.forwarded(r)
	rp.deny(w, method, r.Header, err, returnTo)
}

// allow answers 200 with all identity headers.
func allow(w http.ResponseWriter, d *decision) {
	h := w.Header()
	for _, header := range d.headers {
		h[header.name] = header.value
	}
	noStore(h)
	h["Content-Length"] = []string{"0"}
	w.WriteHeader(http.StatusOK)
}

// deny answers a request without a session: a page load is sent to sign in, a script is told where.
func (rp *RelyingParty) deny(w http.ResponseWriter, method string, h http.Header, err error, returnTo string) {
	if errors.Is(err, ErrNoSession) && isPageLoad(method, h) {
		noStore(w.Header())
		w.Header().Set("Location", rp.loginURL("", returnTo))
		w.WriteHeader(http.StatusFound)
		return
	}
	rp.denyJSON(w, err, returnTo)
}

// denyJSON answers 401, or 503 if nothing is known.
func (rp *RelyingParty) denyJSON(w http.ResponseWriter, err error, returnTo string) {
	if errors.Is(err, ErrNoSession) {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "unauthenticated", "login_url": rp.loginURL("", returnTo)})
		return
	}
	w.Header().Set("Retry-After", "1")
	writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "unavailable"})
}

// serveMe tells a page's scripts who is signed in.
func (rp *RelyingParty) serveMe(w http.ResponseWriter, r *http.Request) {
	d, err := rp.decide(r)
	if err != nil {
		rp.denyJSON(w, err, "/")
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
