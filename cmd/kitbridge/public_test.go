package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRulesOfTheConfiguration: sso.rules reach the decision of every face, about the path as it was sent.
func TestRulesOfTheConfiguration(t *testing.T) {
	t.Parallel()
	product := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Saw", r.URL.EscapedPath()) })
	b, _ := openBridgeOf(t, `trusted_proxies: ["192.0.2.0/24"]
sso:
  rules:
    - {path: /public, methods: [GET], allow: public}
    - {path: /public, allow: {role: admin, tenant: t1, org: [a, b]}}
`, product)
	forwarded := func(method, uri string) map[string]string {
		return map[string]string{"X-Forwarded-Method": method, "X-Forwarded-Host": "app.example.com", "X-Forwarded-Uri": uri}
	}
	tests := []struct {
		method, target string
		peer           string
		headers        map[string]string
		want           int
	}{
		{"GET", "/public/a%20b", "", nil, 200},
		{"POST", "/public/a", "", nil, 401},
		{"GET", "/desk", "", nil, 401},
		{"GET", "//public/a", "", nil, 403},
		{"GET", "/public/../desk", "", nil, 403},
		{"GET", "/public/..%2fsso/me", "", nil, 403},
		{"GET", "/sso/authz/forward-auth", "192.0.2.7:1", forwarded("GET", "/public/x"), 200},
		{"GET", "/sso/authz/forward-auth", "192.0.2.7:1", forwarded("PUT", "/public/x"), 401},
		{"GET", "/sso/authz/forward-auth", "198.51.100.1:1", forwarded("GET", "/public/x"), 403},
		{"GET", "/sso/authz/ext-authz/public/x", "192.0.2.7:1", nil, 200},
		{"GET", "/sso/authz/ext-authz//public/x", "192.0.2.7:1", nil, 403},
		{"GET", "/sso/authz/ext-authz/public/./x", "192.0.2.7:1", nil, 403},
		{"GET", "/healthz", "", nil, 200},
		{"POST", "/healthz", "", nil, 405},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, "https://app.example.com"+tt.target, nil)
		r.RequestURI = tt.target
		if tt.peer != "" {
			r.RemoteAddr = tt.peer
		}
		for name, value := range tt.headers {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		b.public.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s %s from %q = %d, want %d\n%s", tt.method, tt.target, tt.peer, w.Code, tt.want, w.Body)
		}
		if saw := w.Header().Get("X-Saw"); tt.want == http.StatusOK && strings.HasPrefix(tt.target, "/public") && saw != tt.target {
			t.Errorf("%s was forwarded as %q", tt.target, saw)
		}
	}
}

// TestRulesWithoutProxies: rules nobody could ask by deserve a word.
func TestRulesWithoutProxies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"sso: {rules: [{path: /, allow: public}]}\n":                                               true,
		"sso: {rules: [{path: /, allow: public}]}\ntrusted_proxies: [127.0.0.1]\n":                 false,
		"sso: {rules: [{path: /, allow: public}]}\nproxy: {upstream: \"http://127.0.0.1:9000\"}\n": false,
	} {
		_, warnings, err := readConfig(configName, []byte(ok+text), lookup())
		if err != nil {
			t.Fatal(err)
		}
		warned := false
		for _, w := range warnings {
			warned = warned || w.Key == "sso.rules" && strings.Contains(w.Text, "trusted_proxies")
		}
		if warned != want {
			t.Errorf("%s: warnings %v, want one about trusted_proxies: %v", text, warnings, want)
		}
	}
}

// TestProxyUpstream: what is not ours goes to the product, after the same decision.
func TestProxyUpstream(t *testing.T) {
	t.Parallel()
	product := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Saw", r.Host+r.RequestURI)
	}))
	t.Cleanup(product.Close)
	b, warnings := openBridgeOf(t, "sso: {rules: [{path: /public, allow: public}]}\nproxy: {upstream: \""+product.URL+"\"}\n", nil)
	for _, w := range warnings {
		if strings.HasPrefix(w.Key, "proxy") || strings.HasPrefix(w.Key, "sso") {
			t.Errorf("warning %v", w)
		}
	}
	for target, want := range map[string]int{"/public/a%20b?c": 200, "/": 401, "/desk": 401, "/public//a": 403, "/sso/me": 401, "/healthz": 200} {
		answer := b.ask("GET", target, "*/*")
		if answer.Code != want {
			t.Errorf("GET %s = %d, want %d", target, answer.Code, want)
		}
		saw := ""
		if strings.HasPrefix(target, "/public/a") {
			saw = "app.example.com" + target
		}
		if got := answer.Header().Get("X-Saw"); got != saw {
			t.Errorf("GET %s: the product was asked for %q, want %q", target, got, saw)
		}
	}
}

// TestProfileCAS: with sso.profile cas the sign-in answers, and a ticket nobody asked for opens nothing.
func TestProfileCAS(t *testing.T) {
	t.Parallel()
	b, warnings := openBridgeOf(t, "sso: {profile: cas}\n", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the product was reached") }))
	for _, w := range warnings {
		if strings.HasPrefix(w.Key, "sso") {
			t.Errorf("warning %v", w)
		}
	}
	for target, want := range map[string]int{
		"/sso/login": 200, "/sso/callback?ticket=ST-1": 400, "/sso/callback?ticket=ST-1&tenant=nobody": 403, "/sso/callback&tenant=nobody?ticket=ST-1": 403,
		"/sso/me": 401, "/desk": 302,
	} {
		if answer := b.ask("GET", target, "text/html"); answer.Code != want {
			t.Errorf("GET %s = %d, want %d", target, answer.Code, want)
		}
	}
}

// TestAssertionAlgorithm: sso.assertion.alg reaches the relying party.
func TestAssertionAlgorithm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "ES256", "sso: {assertion: {alg: RS256}}\n": "RS256"} {
		c, _, err := readConfig(configName, []byte(ok+text), lookup())
		if err != nil {
			t.Fatal(err)
		}
		if got := ssoSettings(c.SSO).AssertionAlg; got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
