package sso_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// advisory is what a published advisory about a comparable gateway lets an attacker send, and what has to come of it here.
type advisory struct {
	name string
	try  func(t *testing.T, h *house)
}

// ruled is a house with the rules of faceRules and a proxy on this machine that is believed.
func ruled(c *sso.Config) {
	c.TrustedProxies = loopback()
	c.Settings.Rules = faceRules()
}

// TestAdvisories has one case for each advisory that concerns what a gateway decides. Those that concern what an OpenID provider
// sends are cases of TestTokens, TestKeySets and TestBackchannelLogoutTokens; those of addresses to go to are also in TestRedirectTargets.
func TestAdvisories(t *testing.T) {
	t.Parallel()
	for _, a := range slices.Concat(decisionAdvisories(), headerAdvisories(), pathAdvisories(), sessionAdvisories(), signInAdvisories()) {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, ruled)
			a.try(t, h)
		})
	}
}

// want asks through every face and compares the outcome. "login" stands for wherever a page load without a session leads.
func (h *house) wantFaces(t *testing.T, a asks, want string) {
	t.Helper()
	for _, f := range faces() {
		got, identity := f.ask(h, a)
		said := h.outcome(got, identity)
		if login, ok := strings.CutPrefix(said, "login "); ok && strings.HasPrefix(login, "/sso/login") && want == "login" {
			said = "login"
		}
		if !f.redirects && want == "login" && said == "401" {
			said = "login"
		}
		if said != want {
			t.Errorf("%s: %s %s %q = %s, want %s", f.name, a.method, a.target, a.headers, said, want)
		}
	}
}

// decisionAdvisories are about who may pass.
func decisionAdvisories() []advisory {
	page := []string{"Accept", "text/html"}
	return []advisory{
		{"GHSA-7x63-xv5r-3p2x: forwarded URI of a stranger", func(t *testing.T, h *house) {
			wary := newHouse(t, func(c *sso.Config) { c.Settings.Rules = faceRules() })
			for _, endpoint := range []string{"forward-auth", "auth-request", "ext-authz/public"} {
				got := wary.raw("GET", "/sso/authz/"+endpoint, "X-Forwarded-Method", "GET", "X-Forwarded-Host", wary.host(), "X-Forwarded-Proto", "http",
					"X-Forwarded-Uri", "/public", "X-Original-Method", "GET", "X-Original-Host", wary.host(), "X-Original-URI", "/public")
				if got.status != http.StatusForbidden {
					t.Errorf("%s for a stranger = %d, want 403", endpoint, got.status)
				}
			}
			// What reaches the product through us is judged by its own path, also where the peer is believed.
			for _, address := range []string{h.url, h.proxied()} {
				got := h.rawTo(address, "GET", "/admin", "X-Forwarded-Uri", "/public", "X-Original-URL", "/public", "X-Original-URI", "/public", "X-Rewrite-URL", "/public")
				if got.status != http.StatusUnauthorized {
					t.Errorf("/admin called /public = %d, want 401", got.status)
				}
			}
		}},
		{"GHSA-5hvv-m4w4-gf6v: User-Agent of a health check", func(t *testing.T, h *house) {
			for _, agent := range []string{"GoogleHC/1.0", "kube-probe/1.31", "ELB-HealthChecker/2.0", "kitbridge", "", "Mozilla/5.0"} {
				h.wantFaces(t, asks{"GET", "/desk", "", []string{"User-Agent", agent}}, "401")
				h.wantFaces(t, asks{"GET", "/admin", "", append([]string{"User-Agent", agent}, page...)}, "login")
			}
		}},
		{"GHSA-7rh7-c77v-6434: public path in the query", func(t *testing.T, h *house) {
			h.wantFaces(t, asks{"GET", "/private?x=/public", "", nil}, "401")
			h.wantFaces(t, asks{"GET", "/private?/public/", "", nil}, "401")
		}},
		{"GHSA-c5c4-8r6x-56w3: two at signs in a name", func(t *testing.T, h *house) {
			for _, name := range []string{"a@evil.test@yuanhang", "a@yuanhang@evil.test", "yuanhang", tenantB, tenantB + "/boss"} {
				h.centre.PutUser(tenantA, ssotest.User{UserName: name, Password: "pw", Email: name})
				h.put(tenantA, sso.UserName(name), sso.AccountActive, sso.RoleUser)
				cookie := h.sessionCookie(tenantA, name, "pw")
				h.wantFaces(t, asks{"GET", "/coded/x", cookie, nil}, "403") // for tenant yuanhang only
				h.wantFaces(t, asks{"GET", "/ours/x", cookie, nil}, "pass "+tenantA+"/"+encodeSubject(name))
			}
		}},
		{"GHSA-652x-m2gr-hppm: group rule that nothing applies", func(t *testing.T, h *house) {
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			h.wantFaces(t, asks{"GET", "/org/x", cookie, nil}, "pass "+tenantA+"/li.si")
			h.PutAccount(t, tenantA, appID, "li.si", sso.Account{Status: sso.AccountActive, Role: sso.RoleUser}) // in no department
			h.clock.advance(sso.DecisionAge)
			for _, path := range []string{"/other-org", "/admin"} {
				h.wantFaces(t, asks{"GET", path, cookie, nil}, "403")
			}
		}},
		{"CVE-2021-32701: decision kept for one request and used for another", func(t *testing.T, h *house) {
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			asked := h.queries()
			for _, target := range []string{"/public", "/desk", "/admin", "/public", "/admin/x"} {
				want := "pass " + tenantA + "/li.si"
				if strings.HasPrefix(target, "/admin") {
					want = "403"
				}
				h.wantFaces(t, asks{"GET", target, cookie, nil}, want)
			}
			if more := h.queries() - asked; more != 1 {
				t.Errorf("%d queries: the decision was not kept, and this shows nothing", more)
			}
		}},
		{"CVE-2025-31492: protected body beside the login form", func(t *testing.T, h *house) {
			var reached atomic.Int32
			product := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				reached.Add(1)
				_, _ = w.Write([]byte("salaries"))
			})
			behind := httptest.NewServer(product)
			t.Cleanup(behind.Close)
			before := httptest.NewServer(h.rp.Require(product))
			t.Cleanup(before.Close)
			li := h.sessionCookie(tenantA, "li.si", "pw2")
			for _, address := range []string{before.URL, h.proxyTo(behind.URL)} {
				for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PROPFIND"} {
					for _, cookie := range []string{"", li, "kitbridge=x"} {
						got := h.rawTo(address, method, "/admin", "Cookie", cookie, "Accept", "text/html", "Content-Length", "0")
						if got.status == http.StatusOK || strings.Contains(got.body, "salaries") {
							t.Errorf("%s with cookie %q = %d\n%s", method, cookie, got.status, got.body)
						}
					}
				}
			}
			if reached.Load() != 0 {
				t.Errorf("the product was asked %d times", reached.Load())
			}
		}},
		{"CVE-2021-41230: what changed after the sign-in", func(t *testing.T, h *house) {
			cookie := h.sessionCookie(tenantA, "zhang.san", "pw1")
			h.wantFaces(t, asks{"GET", "/admin", cookie, nil}, "pass "+tenantA+"/zhang.san")
			h.put(tenantA, "zhang.san", sso.AccountActive, sso.RoleUser)
			h.clock.advance(sso.DecisionAge)
			h.wantFaces(t, asks{"GET", "/admin", cookie, nil}, "403")
		}},
		{"GHSA-wcvh-g65p-v576: access token in place of a session", func(t *testing.T, h *house) {
			for _, header := range []string{"Bearer " + strings.Repeat("a", 40), "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", "Basic eDp5", "Negotiate x"} {
				h.wantFaces(t, asks{"GET", "/desk", "", []string{"Authorization", header}}, "401")
			}
			assertion := h.get(signedInBrowser(t, h), "/sso/authz/forward-auth", "X-Forwarded-Method", "GET", "X-Forwarded-Host", h.host(), "X-Forwarded-Uri", "/").header.Get("X-Auth-Assertion")
			h.wantFaces(t, asks{"GET", "/desk", "", []string{"Authorization", "Bearer " + assertion, "X-Auth-Assertion", assertion}}, "401")
		}},
	}
}

// queries counts the questions about sessions so far.
func (h *house) queries() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.decides
}

func signedInBrowser(t *testing.T, h *house) *http.Client {
	t.Helper()
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	return browser
}

// encodeSubject is how a user name stands in X-Auth-Subject.
func encodeSubject(name string) string { return sso.EncodeHeader(name) }

// headerAdvisories are about headers that an authentication service and a product read differently.
func headerAdvisories() []advisory {
	return []advisory{
		{"GHSA-vjrc-mh2v-45x6: X_Forwarded_User in every spelling", func(t *testing.T, h *house) {
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			seen := decodeSeen(t, h.rawTo(h.proxied(), "GET", "/desk", "Cookie", cookie, "X_Forwarded_User", "evil", "x-Forwarded_user", "evil", "X-Forwarded-User", "evil",
				"X_Forwarded-Email", "evil", "x_auth_subject", "evil", "X_Auth-Subject", "evil", "X.Auth.Subject", "evil", "X-AUTH_SUBJECT", "evil", "x-auth-subject", "evil"))
			for name, values := range seen.Header {
				if strings.Contains(strings.Join(values, ","), "evil") {
					t.Errorf("%s = %q reached the product", name, values)
				}
			}
			if got := seen.Header["X-Auth-Subject"]; !slices.Equal(got, []string{tenantA + "/li.si"}) {
				t.Errorf("X-Auth-Subject = %q", got)
			}
		}},
		{"CVE-2024-45410: Connection lists a trusted header", func(t *testing.T, h *house) {
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			for _, listed := range []string{"X-Forwarded-Host", "close, X-Forwarded-Host, X-Forwarded-Proto, X-Forwarded-For, X-Real-IP", "X-Auth-Subject, X-Auth-Role", "x_auth_role", "Cookie"} {
				seen := decodeSeen(t, h.rawTo(h.proxied(), "GET", "/desk", "Cookie", cookie, "Connection", listed))
				for _, name := range append(identityNames(), "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "X-Real-Ip") {
					if len(seen.Header[name]) != 1 {
						t.Errorf("Connection: %s takes %s away from the product", listed, name)
					}
				}
			}
		}},
		{"GHSA-5m6w-wvh7-57vm: underscore aliases to the authentication service", func(t *testing.T, h *house) {
			alias := []string{"X_Forwarded_Method", "GET", "X_Forwarded_Host", h.host(), "X_Forwarded_Uri", "/public", "X_Original_Method", "GET", "X_Original_Host", h.host(), "X_Original_URI", "/public"}
			for _, endpoint := range []string{"forward-auth", "auth-request"} {
				if got := h.raw("GET", "/sso/authz/"+endpoint, alias...); got.status != http.StatusForbidden {
					t.Errorf("%s with aliases only = %d, want 403", endpoint, got.status)
				}
			}
			h.wantFaces(t, asks{"GET", "/desk", "", alias}, "401")
		}},
		{"GHSA-6384-m2mw-rf54: X-Forwarded-Prefix", func(t *testing.T, h *house) {
			h.wantFaces(t, asks{"GET", "/desk", "", []string{"X-Forwarded-Prefix", "/public", "X_Forwarded_Prefix", "/public"}}, "401")
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			seen := decodeSeen(t, h.rawTo(h.proxied(), "GET", "/desk", "Cookie", cookie, "X-Forwarded-Prefix", "/evil", "X_Forwarded_Prefix", "/evil"))
			for name := range seen.Header {
				if strings.Contains(strings.ToLower(name), "prefix") {
					t.Errorf("%s reached the product", name)
				}
			}
		}},
		{"GHSA-7r4p-vjf4-gxv4: 200 without a header", func(t *testing.T, h *house) {
			// Nobody on a public page, and somebody of whom nothing but the name is known.
			h.wantFaces(t, asks{"GET", "/public/x", "", spoofed()}, "public")
			h.PutAccount(t, tenantA, appID, "li.si", sso.Account{Status: sso.AccountActive})
			h.centre.PutUser(tenantA, ssotest.User{UserName: "li.si", Password: "pw2"})
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			for _, f := range faces() {
				got, identity := f.ask(h, asks{"GET", "/desk", cookie, spoofed()})
				h.outcome(got, identity) // each of them once
				for _, name := range []string{"X-Auth-Email", "X-Auth-Mobile", "X-Auth-Org", "X-Auth-Test"} {
					if values := identity[name]; len(values) != 1 || values[0] != "" {
						t.Errorf("%s: %s = %q, want it once and empty", f.name, name, values)
					}
				}
			}
		}},
		{"GHSA-f59h-q822-g45g: names that become one CGI variable", func(t *testing.T, h *house) {
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			var sent []string
			for _, name := range identityNames() {
				for _, spelling := range []string{strings.ReplaceAll(name, "-", "_"), strings.Replace(name, "-", "_", 1), strings.ReplaceAll(name, "-", "."), strings.ToUpper(name), strings.ReplaceAll(name, "-", "~")} {
					sent = append(sent, spelling, "evil")
				}
			}
			for _, f := range faces()[:2] {
				_, identity := f.ask(h, asks{"GET", "/desk", cookie, sent})
				variables := map[string]string{}
				for name, values := range identity {
					variable := regexp.MustCompile(`[^A-Z0-9]`).ReplaceAllString(strings.ToUpper(name), "_")
					if _, twice := variables[variable]; twice || strings.Contains(strings.Join(values, ","), "evil") {
						t.Errorf("%s: HTTP_%s = %q", f.name, variable, values)
					}
					variables[variable] = values[0]
				}
			}
		}},
		{"CVE-2023-36456: forged X-Forwarded-For", func(t *testing.T, h *house) {
			wary := newHouse(t, nil)
			stranger := ssotest.Browser(t)
			for range 60 {
				wary.get(stranger, "/sso/callback?code=x")
			}
			if got := wary.get(stranger, "/sso/callback?code=x", "X-Forwarded-For", "203.0.113.9"); got.status != http.StatusTooManyRequests {
				t.Errorf("the 61st, from elsewhere by its own word = %d, want 429", got.status)
			}
			cookie := wary.sessionCookie(tenantA, "li.si", "pw2")
			seen := decodeSeen(t, wary.rawTo(wary.proxied(), "GET", "/desk", "Cookie", cookie, "X-Forwarded-For", "127.0.0.1, 203.0.113.9", "X-Real-IP", "203.0.113.9", "True-Client-IP", "203.0.113.9"))
			for name, values := range seen.Header {
				if strings.Contains(strings.Join(values, ","), "203.0.113.9") {
					t.Errorf("%s = %q reached the product", name, values)
				}
			}
		}},
		{"CVE-2021-32637: NUL in the forwarded host", func(t *testing.T, h *house) {
			for _, host := range []string{h.host() + "\x00", "\x00", h.host() + "\x00.evil.example", h.host() + "%00", "evil.example%00." + h.host()} {
				got := h.raw("GET", "/sso/authz/forward-auth", "X-Forwarded-Method", "GET", "X-Forwarded-Proto", "http", "X-Forwarded-Uri", "/public", "X-Forwarded-Host", host)
				if got.status != http.StatusForbidden && got.status != http.StatusBadRequest {
					t.Errorf("host %q = %d, want a refusal", host, got.status)
				}
			}
		}},
	}
}

// pathAdvisories are about paths that are decided as one thing and served as another.
func pathAdvisories() []advisory {
	refused := func(targets ...string) func(*testing.T, *house) {
		return func(t *testing.T, h *house) {
			boss := h.sessionCookie(tenantA, "zhang.san", "pw1")
			for _, target := range targets {
				h.wantFaces(t, asks{"GET", target, "", nil}, "403")
				h.wantFaces(t, asks{"GET", target, boss, nil}, "403")
			}
		}
	}
	return []advisory{
		{"GHSA-pxq7-h93f-9jrg: number sign", refused("/admin#/public", "/admin%23/public", "/admin%23/../public", "/public%23/../admin")},
		{"GHSA-6jwx-7vp4-9847: decoded path and raw path", refused(
			"/public/%2e%2e/admin", "/public/%2e%2e%2fadmin", "/public%2f..%2fadmin", "/public/..;/admin", "/public/;/../admin", "/%2e/admin", "/public/.%2e/admin",
		)},
		{"CVE-2026-95811: rules on another spelling than the one that is served", refused(
			"//admin", "/./admin", "/public/../admin", "/admin/.", "/ADMIN", "/%2561dmin", "/admin%2fx", "/admin%00", "/admin;x=/public", "/public\\..\\admin", "/%EF%BC%8Fadmin", "/admin%20",
		)},
		{"what is let through arrives as it was sent", func(t *testing.T, h *house) {
			boss := h.sessionCookie(tenantA, "zhang.san", "pw1")
			for _, target := range []string{"/%61dmin", "/admin/%7Euser", "/a%20b/c;d=1?x=%2f..%2f&y", "/%E7%AE%A1%E7%90%86", "/desk?/../admin#x"} {
				h.wantFaces(t, asks{"GET", target, boss, nil}, "pass "+tenantA+"/zhang.san") // faces compare what the product got
			}
		}},
		{"F. methods with odd characters", func(t *testing.T, h *house) {
			boss := h.sessionCookie(tenantA, "zhang.san", "pw1")
			for _, method := range []string{"get", "GeT", "P\u00d6ST", "GET,POST", "GET/1.1", "(GET)", "G\x00ET", "GET;x", "<script>", strings.Repeat("A", 64)} {
				h.wantFaces(t, asks{method, "/public/x", boss, nil}, "403")
			}
			for _, method := range []string{"PROPFIND", "M-SEARCH", "X_Y", "BREW"} {
				h.wantFaces(t, asks{method, "/public/x", "", nil}, "public")
				h.wantFaces(t, asks{method, "/desk", "", []string{"Accept", "text/html"}}, "401")
			}
		}},
		{"F. OPTIONS of what is not public", func(t *testing.T, h *house) {
			h.wantFaces(t, asks{"OPTIONS", "/desk", "", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}}, "401")
			got := h.raw("OPTIONS", "/desk", "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT")
			for name := range got.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("the answer has %s", name)
				}
			}
		}},
		{"CVE-2022-24797: pages that are not for strangers", func(t *testing.T, h *house) {
			for _, path := range []string{"/sso/debug", "/sso/metrics", "/sso/authz", "/sso/authz/", "/sso/", "/sso/.pomerium", "/sso/../admin", "/sso/%2e%2e/admin", "/sso/keys", "/sso/sessions"} {
				if got := h.raw("GET", path, "Accept", "text/html"); got.status == http.StatusOK || got.header.Get("X-Auth-Subject") != "" {
					t.Errorf("%s = %d", path, got.status)
				}
			}
		}},
	}
}
