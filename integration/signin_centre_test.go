//go:build integration

package integration_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// authCentre plays the auth centres of any number of tenants on one host, by
// its own reading of the access guide ("OAuth2.0 protocol API", "token",
// "userinfo"). Each tenant has a path of its own, so that domainName has one.
// It is safe for concurrent use.
type authCentre struct {
	url string

	mu      sync.Mutex
	tenants map[string]*centreTenant // under mu, by tenantId
	grants  map[string]centreGrant   // under mu, by code and by access token
	issued  []string                 // under mu: every code and token
}

// centreTenant is one tenant's auth centre. All of it is under the centre's mu.
type centreTenant struct {
	clientID, secret string
	// users are the answers of userinfo, by user name.
	users map[string]map[string]any
	// token and userinfo replace the usual answers.
	token, userinfo http.HandlerFunc
	// answer changes what the browser brings back to the callback.
	answer func(url.Values)

	tokenCalls, userinfoCalls []*http.Request // forms are parsed
}

type centreGrant struct{ tenant, user string }

// startAuthCentre starts one without tenants.
func startAuthCentre(t *testing.T) *authCentre {
	t.Helper()
	c := &authCentre{tenants: map[string]*centreTenant{}, grants: map[string]centreGrant{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/api/v1/oauth2/authorize", c.authorize)
	mux.HandleFunc("POST /{tenant}/api/v1/oauth2/token", c.serveToken)
	mux.HandleFunc("GET /{tenant}/api/v1/oauth2/userinfo", c.serveUserinfo)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// domain is what tenantSync announces.
func (c *authCentre) domain(tenant string) string { return c.url + "/" + tenant }

// with reads or changes a tenant.
func (c *authCentre) with(tenant string, do func(*centreTenant)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tenants[tenant] == nil {
		c.tenants[tenant] = &centreTenant{users: map[string]map[string]any{}}
	}
	do(c.tenants[tenant])
}

// calls counts the calls that kitbridge made for a tenant.
func (c *authCentre) calls(tenant string) (token, userinfo int) {
	c.with(tenant, func(t *centreTenant) { token, userinfo = len(t.tokenCalls), len(t.userinfoCalls) })
	return token, userinfo
}

func (c *authCentre) issue(g centreGrant) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	secret := rand.Text()
	c.grants[secret] = g
	c.issued = append(c.issued, secret)
	return secret
}

// take returns what a code or token stands for. A code is used up by it.
func (c *authCentre) take(secret string, once bool) (centreGrant, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g, ok := c.grants[secret]
	if once {
		delete(c.grants, secret)
	}
	return g, ok
}

// who is the header in which a visitor brings the session that they have at the
// auth centre: a cookie would reach every port of the host.
const who = "Test-Signed-In-As"

// authorize sends a signed-in browser back with a code.
func (c *authCentre) authorize(w http.ResponseWriter, r *http.Request) {
	q, tenant := r.URL.Query(), r.PathValue("tenant")
	var client string
	var change func(url.Values)
	c.with(tenant, func(t *centreTenant) { client, change = t.clientID, t.answer })
	if q.Get("client_id") != client || q.Get("response_type") != "code" || q.Get("scope") != "get_user_info" {
		http.Error(w, "unknown client or response_type or scope", http.StatusBadRequest)
		return
	}
	answer := url.Values{"code": {c.issue(centreGrant{tenant, r.Header.Get(who)})}, "state": {q.Get("state")}}
	if change != nil {
		change(answer)
	}
	w.Header().Set("Location", q.Get("redirect_uri")+"?"+answer.Encode())
	w.WriteHeader(http.StatusFound)
}

func (c *authCentre) serveToken(w http.ResponseWriter, r *http.Request) {
	var custom http.HandlerFunc
	var client, secret string
	err := r.ParseForm()
	c.with(r.PathValue("tenant"), func(t *centreTenant) {
		t.tokenCalls = append(t.tokenCalls, r)
		custom, client, secret = t.token, t.clientID, t.secret
	})
	if custom != nil {
		custom(w, r)
		return
	}
	g, ok := c.take(r.PostForm.Get("code"), true)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case r.PostForm.Get("client_id") != client || r.PostForm.Get("client_secret") != secret:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "Bad client credentials"})
	case !ok || g.tenant != r.PathValue("tenant"):
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "Invalid authorization code"})
	default:
		writeJSON(w, http.StatusOK, c.tokenFor(g))
	}
}

// tokenFor is the answer of the token endpoint.
func (c *authCentre) tokenFor(g centreGrant) map[string]any {
	return map[string]any{
		"access_token": c.issue(g), "token_type": "Bearer", "expires_in": 7200, "scope": "get_user_info", "refresh_token": c.issue(g),
	}
}

func (c *authCentre) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	g, ok := c.take(token, false)
	var custom http.HandlerFunc
	var user map[string]any
	c.with(r.PathValue("tenant"), func(t *centreTenant) {
		t.userinfoCalls = append(t.userinfoCalls, r)
		custom, user = t.userinfo, t.users[g.user]
	})
	switch {
	case custom != nil:
		custom(w, r)
	case !ok || g.tenant != r.PathValue("tenant") || user == nil:
		writeJSON(w, http.StatusUnauthorized, map[string]any{
			"error": "unauthorized", "error_description": "Full authentication is required to access this resource",
		})
	default:
		writeJSON(w, http.StatusOK, user)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) //nolint:errcheck // the other end went away
}

// says is an answer that ignores the question.
func says(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body) //nolint:errcheck // the other end went away
	}
}

// silent never answers.
func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// lost sends the caller to another host, with whatever it carries.
func lost(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "http://127.0.0.1:1/")
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// huge answers far more than anybody needs.
func huge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"a","token_type":"Bearer","userName":"zhangsan","x":"%s"}`, strings.Repeat("x", 8<<20))
}
