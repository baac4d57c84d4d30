package sso_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// loopback is trusted where a test plays the proxy.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

func faceRules() []sso.Rule {
	return []sso.Rule{
		{Path: "/public", Allow: sso.Allow{Public: true}},
		{Path: "/admin", Allow: sso.Allow{Role: sso.RoleAdmin}},
		{Path: "/ours", Allow: sso.Allow{Tenants: []string{tenantA}}},
		{Path: "/coded", Allow: sso.Allow{Tenants: []string{"yuanhang"}}},
		{Path: "/org", Allow: sso.Allow{Role: sso.RoleUser, Orgs: []string{"10000", "x"}}},
		{Path: "/other-org", Allow: sso.Allow{Orgs: []string{"20000"}}},
		{Path: "/notes", Methods: []string{"GET"}, Allow: sso.Allow{SignedIn: true}},
		{Path: "/notes", Allow: sso.Allow{Role: sso.RoleAdmin}},
	}
}

// asks is one request of a browser, whatever way it takes to us.
type asks struct {
	method, target string
	cookie         string
	headers        []string // pairs, in the browser's spelling
}

// face asks by one kind of proxy, and returns the answer and the identity headers that the product gets.
type face struct {
	name string
	ask  func(h *house, a asks) (reply, http.Header)
	// redirects is false where a page load cannot be redirected.
	redirects bool
}

func faces() []face {
	authz := func(h *house, method, target string, a asks, more ...string) (reply, http.Header) {
		got := h.raw(method, target, append(append([]string{"Cookie", a.cookie}, a.headers...), more...)...)
		return got, got.header
	}
	before := func(h *house, address string, a asks) (reply, http.Header) {
		got := h.rawTo(address, a.method, a.target, append([]string{"Cookie", a.cookie}, a.headers...)...)
		var seen struct {
			Header http.Header
			URI    string
		}
		if got.status == http.StatusOK && a.method != http.MethodHead {
			if err := json.Unmarshal([]byte(got.body), &seen); err != nil || seen.URI != a.target {
				h.t.Errorf("%s arrived as %q, %v\n%s", a.target, seen.URI, err, got.body)
			}
		}
		return got, seen.Header
	}
	return []face{
		{"middleware", func(h *house, a asks) (reply, http.Header) { return before(h, h.url, a) }, true},
		{"proxy", func(h *house, a asks) (reply, http.Header) { return before(h, h.proxied(), a) }, true},
		{"auth-request", func(h *house, a asks) (reply, http.Header) {
			return authz(h, "GET", "/sso/authz/auth-request", a, "X-Original-Method", a.method, "X-Original-Host", h.host(), "X-Original-URI", a.target)
		}, false},
		{"auth-request by URL", func(h *house, a asks) (reply, http.Header) {
			return authz(h, "GET", "/sso/authz/auth-request", a, "X-Original-Method", a.method, "X-Original-URL", h.url+a.target)
		}, false},
		{"forward-auth", func(h *house, a asks) (reply, http.Header) {
			return authz(h, "GET", "/sso/authz/forward-auth", a, "X-Forwarded-Method", a.method, "X-Forwarded-Host", h.host(), "X-Forwarded-Proto", "http", "X-Forwarded-Uri", a.target)
		}, true},
		{"ext-authz", func(h *house, a asks) (reply, http.Header) {
			return authz(h, a.method, "/sso/authz/ext-authz"+a.target, a)
		}, true},
	}
}

func (h *house) host() string { return strings.TrimPrefix(h.url, "http://") }

// raw sends a request line and headers exactly as they are written here.
func (h *house) raw(method, target string, headers ...string) reply {
	h.t.Helper()
	return h.rawTo(h.url, method, target, headers...)
}

func (h *house) rawTo(address, method, target string, headers ...string) reply {
	h.t.Helper()
	return h.rawAs(address, h.host(), method, target, headers...)
}

// rawHost is raw for another Host.
func (h *house) rawHost(host, method, target string, headers ...string) reply {
	h.t.Helper()
	return h.rawAs(h.url, host, method, target, headers...)
}

func (h *house) rawAs(address, host, method, target string, headers ...string) reply {
	h.t.Helper()
	conn, err := new(net.Dialer).DialContext(h.t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // read to the end
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nConnection: close\r\n", method, target)
	if !slices.Contains(headers, "Host") {
		fmt.Fprintf(&text, "Host: %s\r\n", host)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] != "" {
			fmt.Fprintf(&text, "%s: %s\r\n", headers[i], headers[i+1])
		}
	}
	if _, err := io.WriteString(conn, text.String()+"\r\n"); err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		h.t.Fatalf("%s %q: %v", method, target, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	h.hideAnswer(resp)
	return reply{status: resp.StatusCode, header: resp.Header, body: string(body)}
}

// sessionCookie signs in and returns the Cookie header of the browser.
func (h *house) sessionCookie(tenant, name, password string) string {
	h.t.Helper()
	browser := ssotest.Browser(h.t)
	h.signIn(browser, tenant, name, password)
	return h.cookieOf(browser)
}

// outcome puts an answer into a word: pass, public, login, 401, 403 or 503.
func (h *house) outcome(got reply, identity http.Header) string {
	h.t.Helper()
	switch got.status {
	case http.StatusOK:
		for _, name := range identityNames() {
			if len(identity[name]) != 1 {
				h.t.Errorf("%s = %q, want it once", name, identity[name])
			}
		}
		if identity.Get("X-Auth-Subject") == "" {
			for _, name := range identityNames() {
				if identity.Get(name) != "" {
					h.t.Errorf("nobody has %s = %q", name, identity.Get(name))
				}
			}
			return "public"
		}
		return "pass " + identity.Get("X-Auth-Subject")
	case http.StatusFound:
		return "login " + strings.TrimPrefix(got.header.Get("Location"), h.url)
	case http.StatusBadRequest:
		return "403" // net/http itself refuses it
	default:
		if got.header.Get("X-Auth-Subject") != "" {
			h.t.Errorf("%d with a subject", got.status)
		}
		return fmt.Sprint(got.status)
	}
}

// TestFaces is the one table of cases for every way to ask.
func TestFaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) {
		c.TrustedProxies = loopback()
		c.Settings.Rules = faceRules()
	})
	h.put(tenantB, "zhang.san", sso.AccountActive, sso.RoleUser)
	people := map[string]string{
		"nobody": "", "boss": h.sessionCookie(tenantA, "zhang.san", "pw1"), "li.si": h.sessionCookie(tenantA, "li.si", "pw2"), "b": h.sessionCookie(tenantB, "zhang.san", "pw9"),
	}
	page := []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	script := []string{"Accept", "text/html", "X-Requested-With", "XMLHttpRequest"}
	liSi, boss, other := "pass "+tenantA+"/li.si", "pass "+tenantA+"/zhang.san", "pass "+tenantB+"/zhang.san"
	type row struct {
		who, method, target string
		headers             []string
		want                string
	}
	rows := []row{
		{"nobody", "GET", "/public/x?a=1", page, "public"},
		{"nobody", "DELETE", "/public", nil, "public"},
		{"li.si", "GET", "/public/x", page, liSi},
		{"nobody", "GET", "/desk?a=1", page, "login /sso/login?return=%2Fdesk%3Fa%3D1"},
		{"nobody", "GET", "/admin/", page, "login /sso/login?return=%2Fadmin%2F"},
		{"nobody", "GET", "/desk", script, "401"},
		{"nobody", "GET", "/desk", []string{"Accept", "text/html", "Sec-Fetch-Mode", "cors"}, "401"},
		{"nobody", "POST", "/admin", page, "401"},
		{"nobody", "HEAD", "/desk", page, "401"},
		{"nobody", "OPTIONS", "/admin", nil, "401"},
		{"li.si", "GET", "/desk", page, liSi},
		{"li.si", "POST", "/unnamed/x?y=/public", nil, liSi},
		{"li.si", "GET", "/admin/users?x=/public", page, "403"},
		{"li.si", "GET", "/%61dmin", page, "403"},
		{"boss", "GET", "/%61dmin/users", page, boss},
		{"boss", "GET", "/admin/users", page, boss},
		{"b", "GET", "/admin", nil, "403"},
		{"li.si", "GET", "/ours/x", nil, liSi},
		{"b", "GET", "/ours/x", nil, "403"},
		{"b", "GET", "/coded/x", nil, other},
		{"boss", "GET", "/coded/x", nil, "403"},
		{"boss", "GET", "/org", nil, boss},
		{"boss", "GET", "/other-org", nil, "403"},
		{"li.si", "GET", "/notes/1", nil, liSi},
		{"li.si", "HEAD", "/notes/1", nil, liSi},
		{"li.si", "POST", "/notes/1", nil, "403"},
		{"boss", "POST", "/notes/1", nil, boss},
		{"li.si", "GET", "/notes/1", []string{"X-HTTP-Method-Override", "POST"}, "403"},
		{"li.si", "GET", "/notes/1", []string{"X_Http_Method_Override", "DELETE"}, "403"},
		{"li.si", "GET", "/notes/1", []string{"X-HTTP-Method", "POST"}, "403"},
		{"li.si", "GET", "/notes/1", []string{"X-Method-Override", "POST"}, "403"},
		{"li.si", "GET", "/notes/1", []string{"x_method.override", "POST"}, "403"},
		{"li.si", "GET", "/desk", []string{"X-HTTP-Method-Override", "POST"}, liSi},
		{"li.si", "get", "/notes/1", nil, "403"},
		{"li.si", "GET", "/ADMIN/users", page, "403"},
		{"nobody", "GET", "/Public/x", page, "403"},
		{"li.si", "GET", "/admin;x=/public", page, "403"},
		{"nobody", "GET", "/public;x", page, "403"},
		{"li.si", "GET", "/desk;jsessionid=1", page, liSi},
		{"nobody", "GET", "/public/x", []string{"User-Agent", "health-check", "X-Original-URL", "/admin", "X-Rewrite-URL", "/admin"}, "public"},
	}
	for _, in := range ambiguousPaths() {
		if strings.HasPrefix(in, "/") && !strings.ContainsAny(in, "\x00\t ?#") {
			rows = append(rows, row{"boss", "GET", in, page, "403"}, row{"nobody", "GET", in, nil, "403"})
		}
	}
	for _, f := range faces() {
		t.Run(f.name, func(t *testing.T) {
			for _, tt := range rows {
				want := tt.want
				if strings.HasPrefix(want, "login") && !f.redirects {
					want = "401"
				}
				if strings.Contains(f.name, "auth-request") && len(tt.headers) == 6 && tt.headers[2] == "X-Original-URL" {
					continue // in this face that header is nginx's to set or to clear
				}
				if (f.name == "middleware" || f.name == "proxy") && strings.ContainsFunc(tt.target, func(c rune) bool { return c > '~' }) {
					continue // what next sees, and would pass on, is encoded
				}
				headers := tt.headers
				if tt.method == "HEAD" && (f.name == "middleware" || f.name == "proxy") {
					continue // the echo of a HEAD has no body to look at
				}
				got, identity := f.ask(h, asks{tt.method, tt.target, people[tt.who], append(headers, spoofed()...)})
				if said := h.outcome(got, identity); said != want {
					t.Errorf("%s: %s %s %q = %s, want %s", tt.who, tt.method, tt.target, tt.headers, said, want)
				}
			}
		})
	}
	h.setFault(errors.New("gone"))
	h.clock.advance(sso.DecisionAge)
	for _, f := range faces() {
		for _, target := range []string{"/desk", "/public/x"} {
			got, identity := f.ask(h, asks{"GET", target, people["li.si"], page})
			if said := h.outcome(got, identity); said != "503" {
				t.Errorf("%s: %s while the store is down = %s, want 503", f.name, target, said)
			}
		}
		got, identity := f.ask(h, asks{"GET", "/public/x", "", page})
		if said := h.outcome(got, identity); said != "public" {
			t.Errorf("%s: a public page while the store is down = %s, want it without a session all the same", f.name, said)
		}
	}
}

// TestAuthzWithRulesWantsTheWholeQuestion: a decision by path needs to know the path, from somebody who is believed, and each
// face from its own headers only.
func TestAuthzWithRulesWantsTheWholeQuestion(t *testing.T) {
	t.Parallel()
	rules := []sso.Rule{{Path: "/", Allow: sso.Allow{Public: true}}}
	trusting := newHouse(t, func(c *sso.Config) { c.TrustedProxies, c.Settings.Rules = loopback(), rules })
	wary := newHouse(t, func(c *sso.Config) { c.Settings.Rules = rules })
	original := []string{"X-Original-Method", "GET", "X-Original-Host", "app.example", "X-Original-URI", "/x"}
	forwarded := []string{"X-Forwarded-Method", "GET", "X-Forwarded-Host", "app.example:8443", "X-Forwarded-Uri", "/x"}
	without := func(pairs []string, i int) []string { return append(append([]string{}, pairs[:i]...), pairs[i+2:]...) }
	for _, tt := range []struct {
		endpoint string
		headers  []string
		want     int
	}{
		{"auth-request", original, 200},
		{"auth-request", append(original, forwarded...), 200},
		{"auth-request", forwarded, 403},
		{"auth-request", nil, 403},
		{"auth-request", without(original, 0), 403},
		{"auth-request", without(original, 2), 403},
		{"auth-request", without(original, 4), 403},
		{"auth-request", append(original, "X-Original-URI", "/x"), 403},
		{"auth-request", append(original, "x-original-method", "GET"), 403},
		{"auth-request", append(original, "X-Original-URL", "https://app.example/x"), 403},
		{"auth-request", []string{"X-Original-Method", "GET", "X-Original-URL", "https://app.example/x?y"}, 200},
		{"auth-request", []string{"X-Original-Method", "GET", "X-Original-URL", "https://app.example/x", "X-Original-URL", "https://app.example/x"}, 403},
		{"auth-request", []string{"X-Original-Method", "GET", "X-Original-URL", "/x"}, 403},
		{"auth-request", []string{"X-Original-Method", "GET", "X-Original-URL", "https:///x"}, 403},
		{"auth-request", []string{"X-Original-URL", "https://app.example/x"}, 403},
		{"forward-auth", forwarded, 200},
		{"forward-auth", original, 403},
		{"forward-auth", without(forwarded, 0), 403},
		{"forward-auth", without(forwarded, 2), 403},
		{"forward-auth", without(forwarded, 4), 403},
		{"forward-auth", append(forwarded, "X-Forwarded-Uri", "/x"), 403},
		{"forward-auth", append(forwarded, "X-Forwarded-Host", "app.example"), 403},
		{"forward-auth", append(without(forwarded, 2), "X-Forwarded-Host", "app.example, evil.example"), 403},
		{"forward-auth", append(without(forwarded, 2), "X-Forwarded-Host", "app.example%00.evil.example"), 403},
		{"forward-auth", append(without(forwarded, 2), "X-Forwarded-Host", "user@app.example"), 403},
		{"forward-auth", append(without(forwarded, 4), "X-Forwarded-Uri", "https://app.example/x"), 403},
		{"forward-auth", append(without(forwarded, 4), "X-Forwarded-Uri", "x"), 403},
		{"forward-auth", append(without(forwarded, 0), "X-Forwarded-Method", "GET, POST"), 403},
		{"ext-authz/x", nil, 200},
		{"ext-authz", forwarded, 200},
		{"ext-authz/x/../y", forwarded, 403},
		{"ext-authz//x", append(original, forwarded...), 403},
		{"ext-authzx", forwarded, 404},
	} {
		for _, h := range []*house{trusting, wary} {
			want := tt.want
			if h == wary && want == 200 {
				want = 403
			}
			if got := h.raw("GET", "/sso/authz/"+tt.endpoint, tt.headers...); got.status != want {
				t.Errorf("%s %q, trusted %v = %d, want %d", tt.endpoint, tt.headers, h == trusting, got.status, want)
			}
		}
	}
}

// TestAuthzWithoutRulesIgnoresStrangers: the session alone decides, whatever a stranger says about the request.
func TestAuthzWithoutRulesIgnoresStrangers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	for _, f := range faces()[2:] {
		got, identity := f.ask(h, asks{"GET", "/a/../b", cookie, nil})
		if said := h.outcome(got, identity); said != "pass "+tenantA+"/li.si" {
			t.Errorf("%s with a session = %s", f.name, said)
		}
		want := "401"
		if f.redirects {
			want = "login /sso/login"
		}
		got, identity = f.ask(h, asks{"GET", "/desk", "", []string{"Accept", "text/html"}})
		if said := h.outcome(got, identity); said != want {
			t.Errorf("%s without = %s, want %s", f.name, said, want)
		}
	}
}

// TestForbiddenPage: a person is shown a page, a script gets JSON.
func TestForbiddenPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.Settings.Rules = faceRules() })
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	if got := h.raw("GET", "/admin", "Cookie", cookie, "Accept", "text/html"); got.status != 403 || !strings.Contains(got.body, "forbidden") || !strings.Contains(got.header.Get("Content-Type"), "text/html") {
		t.Errorf("page = %d %s", got.status, got.body)
	}
	if got := h.raw("GET", "/admin", "Cookie", cookie); got.status != 403 || got.body != `{"error":"forbidden"}`+"\n" {
		t.Errorf("script = %d %s", got.status, got.body)
	}
	if got := h.raw("GET", "/a//b", "Cookie", cookie, "Accept", "text/html"); got.status != 403 || !strings.Contains(got.body, "bad_request") {
		t.Errorf("ambiguous = %d %s", got.status, got.body)
	}
}

func TestOwnHost(t *testing.T) {
	t.Parallel()
	for public, hosts := range map[string]map[string]bool{
		"https://app.example": {
			"app.example": true, "App.Example": true, "app.example:443": true, "app.example:80": false, "app.example:8443": false, "app.example.": false,
			"evil.example": false, "app.example.evil.example": false, "": false, "app.example:": false, "app.example\x00": false, "[::1]": false,
		},
		"https://app.example:8443": {"app.example:8443": true, "app.example": false, "app.example:443": false},
		"http://[::1]:8080":        {"[::1]:8080": true, "[::1]": false, "::1": false, "[::1%25eth0]:8080": false},
	} {
		c := config(t, newMemory(), time.Now)
		c.PublicURL = public
		rp := newRP(t, c)
		for host, want := range hosts {
			if got := sso.OwnHost(rp, host); got != want {
				t.Errorf("%s: host %q is ours: %v, want %v", public, host, got, want)
			}
		}
	}
}
