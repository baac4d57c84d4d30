package sso_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

func identityNames() []string {
	return []string{
		"X-Auth-Subject", "X-Auth-User", "X-Auth-Tenant", "X-Auth-Name", "X-Auth-Role", "X-Auth-Org", "X-Auth-Email", "X-Auth-Mobile",
		"X-Auth-Session", "X-Auth-Assertion", "X-Auth-Test",
	}
}

// spoofed are a client's own identity headers, in many spellings.
func spoofed() []string {
	return []string{
		"X-Auth-Subject", "evil/admin", "X-Auth-Role", "admin", "x-auth-user", "evil", "X_Auth_User", "evil", "X_AUTH_ROLE", "admin",
		"X-Auth_Role", "admin", "X.Auth.Role", "admin", "X-Auth-Test", "1", "Connection", "X-Auth-Role, keep-alive",
	}
}

func TestAuthRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	if got := h.get(browser, "/sso/authz/auth-request", spoofed()...); got.status != http.StatusUnauthorized || got.header.Get("X-Auth-Subject") != "" {
		t.Errorf("without a session = %d, subject %q, want 401", got.status, got.header.Get("X-Auth-Subject"))
	}
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	h.put(tenantA, "zhang.san", sso.AccountActive, sso.RoleUser)
	h.clock.advance(time.Second)
	got := h.get(browser, "/sso/authz/auth-request", spoofed()...)
	if got.status != http.StatusOK || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("with a session = %d, %v", got.status, got.header)
	}
	want := map[string]string{
		"X-Auth-Subject": tenantA + "/zhang.san", "X-Auth-User": "zhang.san", "X-Auth-Tenant": tenantA, "X-Auth-Name": "synced%20zhang.san",
		"X-Auth-Role": "user", "X-Auth-Org": "10000", "X-Auth-Email": "zhang.san@example.com", "X-Auth-Mobile": "13800000000", "X-Auth-Test": "",
	}
	for _, name := range identityNames() {
		values := got.header[name]
		if w, fixed := want[name]; len(values) != 1 || fixed && values[0] != w || !fixed && values[0] == "" {
			t.Errorf("%s = %q, want once %q", name, values, w)
		}
	}
}

func TestForwardAuth(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	})
	u, _ := url.Parse(h.url)
	forwarded := func(host, uri string, more ...string) []string {
		return append([]string{"X-Forwarded-Method", "GET", "X-Forwarded-Proto", "http", "X-Forwarded-Host", host, "X-Forwarded-Uri", uri}, more...)
	}
	for _, tt := range []struct {
		name     string
		headers  []string
		status   int
		location string
	}{
		{"page load", forwarded(u.Host, "/desk?a=1"), 302, "/sso/login?return=%2Fdesk%3Fa%3D1"},
		{"another host", forwarded("evil.example", "/desk"), 302, "/sso/login"},
		{"open redirect", forwarded(u.Host, "//evil.example"), 302, "/sso/login"},
		{"host twice", forwarded(u.Host, "/desk", "X-Forwarded-Host", "evil.example"), 302, "/sso/login"},
		{"post", append([]string{"X-Forwarded-Method", "POST"}, "X-Forwarded-Uri", "/desk"), 401, ""},
		{"script", forwarded(u.Host, "/api", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"), 401, ""},
		{"image", forwarded(u.Host, "/i.png", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"), 401, ""},
		{"frame", forwarded(u.Host, "/", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"), 401, ""},
		{"old script", forwarded(u.Host, "/api", "X-Requested-With", "XMLHttpRequest"), 401, ""},
		{"websocket", forwarded(u.Host, "/ws", "Upgrade", "websocket"), 401, ""},
		{"prefetch", forwarded(u.Host, "/", "Sec-Purpose", "prefetch"), 401, ""},
	} {
		got := h.get(ssotest.Browser(t), "/sso/authz/forward-auth", tt.headers...)
		location := strings.TrimPrefix(got.header.Get("Location"), h.url)
		if got.status != tt.status || location != tt.location {
			t.Errorf("%s = %d to %q, want %d to %q", tt.name, got.status, location, tt.status, tt.location)
		}
		if got.status == http.StatusUnauthorized && !strings.Contains(got.body, `"login_url"`) {
			t.Errorf("%s: body %s, want a login_url", tt.name, got.body)
		}
	}
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	if got := h.get(browser, "/sso/authz/forward-auth"); got.status != http.StatusOK || len(got.header["X-Auth-Test"]) != 1 {
		t.Errorf("with a session = %d", got.status)
	}
}

func TestForwardedHeadersOfStrangersAreIgnored(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	u, _ := url.Parse(h.url)
	got := h.get(ssotest.Browser(t), "/sso/authz/forward-auth",
		"X-Forwarded-Method", "POST", "X-Forwarded-Proto", "http", "X-Forwarded-Host", u.Host, "X-Forwarded-Uri", "/desk")
	if got.status != http.StatusFound || got.header.Get("Location") != h.url+"/sso/login" {
		t.Errorf("forward-auth = %d to %q, want /sso/login without a target", got.status, got.header.Get("Location"))
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	if got := h.get(browser, "/desk?a=1&b=2"); got.header.Get("Location") != h.url+"/sso/login?return=%2Fdesk%3Fa%3D1%26b%3D2" {
		t.Errorf("page load = %d to %v", got.status, got.location)
	}
	if got := h.do(browser, http.MethodPost, "/desk", url.Values{}, "Accept", "text/html"); got.status != http.StatusUnauthorized {
		t.Errorf("post = %d, want 401", got.status)
	}
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	got := h.get(browser, "/desk", append(spoofed(), "Cookie", "JSESSIONID=1; theme=dark")...)
	var seen struct {
		Header  http.Header
		Trailer http.Header
		Subject string
		OK      bool
	}
	if err := json.Unmarshal([]byte(got.body), &seen); err != nil {
		t.Fatalf("%v\n%s", err, got.body)
	}
	if !seen.OK || seen.Subject != tenantA+"/zhang.san" {
		t.Errorf("identity in the context = %q, %v", seen.Subject, seen.OK)
	}
	for name, values := range seen.Header {
		if sso.IsIdentityName(name) && !slices.Contains(identityNames(), name) {
			t.Errorf("%s reached the product", name)
		}
		if strings.Contains(strings.Join(values, ","), "evil") {
			t.Errorf("%s = %q reached the product", name, values)
		}
	}
	for _, name := range identityNames() {
		if len(seen.Header[name]) != 1 {
			t.Errorf("%s = %q, want one value", name, seen.Header[name])
		}
	}
	if got := seen.Header.Get("Cookie"); got != "JSESSIONID=1; theme=dark" {
		t.Errorf("Cookie = %q, want the product's own only", got)
	}
	if got := seen.Header.Get("Connection"); strings.Contains(strings.ToLower(got), "x-auth") {
		t.Errorf("Connection = %q", got)
	}
}

func TestStoreDownIsNeverASignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	h.wantSubject(browser, tenantA+"/zhang.san")
	h.setFault(errors.New("connection refused"))
	h.clock.advance(500 * time.Millisecond)
	for _, path := range []string{"/sso/authz/auth-request", "/sso/authz/forward-auth", "/sso/me", "/desk", "/sso/logout"} {
		if got := h.get(browser, path); got.status != http.StatusServiceUnavailable || got.header.Get("X-Auth-Subject") != "" {
			t.Errorf("%s = %d, want 503", path, got.status)
		}
	}
	h.setFault(nil)
	h.wantSubject(browser, tenantA+"/zhang.san")
}

func TestBadCookiesAreNoSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	u, _ := url.Parse(h.url)
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	name := "kitbridge-" + u.Port()
	good := ""
	for _, c := range browser.Jar.Cookies(u) {
		if c.Name == name {
			good = c.Value
		}
	}
	for _, value := range []string{"", "x", good[:42], good + "A", strings.ToLower(good), strings.Repeat("%", 43), strings.Repeat("A", 1<<13), good[1:] + good[:1]} {
		if got := h.do(ssotest.Browser(t), http.MethodGet, "/sso/authz/auth-request", nil, "Cookie", name+"="+value); got.status != http.StatusUnauthorized {
			t.Errorf("cookie %.50q = %d, want 401", value, got.status)
		}
	}
	two := name + "=" + strings.Repeat("A", 43) + "; " + name + "=" + good
	if got := h.do(ssotest.Browser(t), http.MethodGet, "/sso/authz/auth-request", nil, "Cookie", two); got.status != http.StatusUnauthorized {
		t.Errorf("two session cookies = %d, want 401", got.status)
	}
	if got := h.do(ssotest.Browser(t), http.MethodGet, "/sso/authz/auth-request", nil, "Cookie", name+"="+good); got.status != http.StatusOK {
		t.Errorf("the good cookie = %d, want 200", got.status)
	}
}

func TestDecisionsAreSharedForHalfASecond(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	h.clock.advance(time.Second)
	count := func() int { h.mu.Lock(); defer h.mu.Unlock(); return h.decides }
	before := count()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { h.wantSubject(browser, tenantA+"/zhang.san") })
	}
	wg.Wait()
	if asked := count() - before; asked != 1 {
		t.Errorf("%d queries for 16 requests, want 1", asked)
	}
	h.clock.advance(499 * time.Millisecond)
	h.wantSubject(browser, tenantA+"/zhang.san")
	if asked := count() - before; asked != 1 {
		t.Errorf("%d queries after 499 ms, want 1", asked)
	}
	h.clock.advance(time.Millisecond)
	h.wantSubject(browser, tenantA+"/zhang.san")
	if asked := count() - before; asked != 2 {
		t.Errorf("%d queries after 500 ms, want 2", asked)
	}
}

func TestIdleTimeIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.Settings.SessionIdle = 10 * time.Minute })
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	for range 60 * 3 {
		h.clock.advance(time.Second)
		h.wantSubject(browser, tenantA+"/zhang.san")
	}
	if h.touches != 3 {
		t.Errorf("%d touches in three minutes, want 3", h.touches)
	}
	h.clock.advance(9 * time.Minute)
	h.wantSubject(browser, tenantA+"/zhang.san")
	h.clock.advance(10 * time.Minute)
	h.wantSubject(browser, "")
}

func TestTestTenants(t *testing.T) {
	t.Parallel()
	for _, allow := range []bool{false, true} {
		h := newHouse(t, func(c *sso.Config) { c.Settings.AllowTestTenants = allow })
		tenant := h.tenants[tenantA]
		tenant.Test = true
		h.PutTenant(t, tenant)
		browser := ssotest.Browser(t)
		if !allow {
			if got := h.get(browser, "/sso/login?tenant="+tenantA); got.status != http.StatusForbidden {
				t.Errorf("login of a test tenant = %d, want 403", got.status)
			}
			continue
		}
		h.signIn(browser, tenantA, "zhang.san", "pw1")
		if got := h.get(browser, "/sso/authz/auth-request"); got.header.Get("X-Auth-Test") != "1" {
			t.Errorf("X-Auth-Test = %q, want 1", got.header.Get("X-Auth-Test"))
		}
	}
}

func TestEncodeHeader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"zhang.san", "zhang.san"},
		{"%61dmin", "%2561dmin"},
		{"a+b,c", "a%2Bb%2Cc"},
		{"张", "%E5%BC%A0"},
		{"a b\r\nX: y", "a%20b%0D%0AX:%20y"},
		{"\x7f", "%7F"},
		{"a/b", "a/b"},
	} {
		if got := sso.EncodeHeader(tt.in); got != tt.want {
			t.Errorf("encodeHeader(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestSubjectsNeverMix(t *testing.T) {
	t.Parallel()
	seen := map[string][2]string{}
	for _, tenant := range []string{"a", "a/b", "a%2Fb", "a%", "a%25", ""} {
		for _, name := range []string{"x", "b/x", "/x", "%2Fx", ""} {
			subject := sso.Subject(sso.TenantID(tenant), sso.UserName(name))
			if other, twice := seen[subject]; twice {
				t.Errorf("Subject(%q, %q) = %q = Subject(%q)", tenant, name, subject, other)
			}
			seen[subject] = [2]string{tenant, name}
		}
	}
	if diff := cmp.Diff("a%2Fb/c/d", sso.Subject("a/b", "c/d")); diff != "" {
		t.Error(diff)
	}
}

// TestTrailersDoNotReachTheProduct: net/http adds trailers to the request after the headers were judged.
func TestTrailersDoNotReachTheProduct(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	var trailer http.Header
	server := httptest.NewServer(h.rp.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		trailer = r.Trailer
	})))
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, io.MultiReader(strings.NewReader("body")))
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(h.url)
	for _, c := range browser.Jar.Cookies(u) {
		r.AddCookie(c)
	}
	r.Trailer = http.Header{"X-Auth-Role": {"admin"}, "X_auth_role": {"admin"}}
	resp, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(trailer) != 0 {
		t.Errorf("status %d, trailer %v, want 200 and none", resp.StatusCode, trailer)
	}
}

// TestScriptsComeBackToTheirPage: a sign-in that a script asks for ends at the page that the script is on.
func TestScriptsComeBackToTheirPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.TrustedProxies = loopback() })
	script := func(referer string) []string {
		return []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Referer", referer}
	}
	for _, tt := range []struct {
		name, referer string
		want          string // where it comes back to; the address of the data where nothing better is known
	}{
		{"a page", h.url + "/desk?a=1", "/desk?a=1"},
		{"the home page", h.url + "/", "/"},
		{"no page", "", "/api?b=2"},
		{"another site's", "https://evil.example/desk", "/api?b=2"},
		{"a host like ours", h.url + ".evil.example/desk", "/api?b=2"},
		{"no address", "/desk", "/api?b=2"},
		{"two readings", h.url + "/x/..//evil.example", "/api?b=2"},
		{"a page of ours", h.url + "/sso/pending", "/api?b=2"},
	} {
		for _, f := range faces() {
			if !f.redirects {
				continue // nginx asks again, by forward-auth
			}
			got, _ := f.ask(h, asks{method: http.MethodGet, target: "/api?b=2", headers: script(tt.referer)})
			var said struct {
				LoginURL string `json:"login_url"`
			}
			if err := json.Unmarshal([]byte(got.body), &said); err != nil || got.status != http.StatusUnauthorized {
				t.Errorf("%s, %s: %d %s (%v)", f.name, tt.name, got.status, got.body, err)
			}
			want := h.url + "/sso/login"
			if tt.want != "/" {
				want += "?return=" + url.QueryEscape(tt.want)
			}
			if said.LoginURL != want {
				t.Errorf("%s, %s: login_url %q, want %q", f.name, tt.name, said.LoginURL, want)
			}
		}
	}
	// A peer that nobody listed is not believed, whatever it says.
	h = newHouse(t, nil)
	got := h.raw(http.MethodGet, "/sso/authz/forward-auth", script(h.url+"/desk")...)
	if want := `"login_url":"` + h.url + `/sso/login"`; !strings.Contains(got.body, want) {
		t.Errorf("a stranger is told %s, want %s", got.body, want)
	}
	got = h.raw(http.MethodGet, "/sso/me", script(h.url+"/desk")...)
	if want := `"login_url":"` + h.url + `/sso/login?return=%2Fdesk"`; !strings.Contains(got.body, want) {
		t.Errorf("/sso/me tells %s, want %s", got.body, want)
	}
}
