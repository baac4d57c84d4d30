//go:build integration

package integration_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// spoofs are identity headers that a client sends, in every spelling that some
// server behind us may read as ours. They are pairs for visitor.get.
func spoofs() []string {
	var pairs []string
	for name := range spoofed() {
		if name != "Accept" {
			pairs = append(pairs, name, "evil", strings.ToUpper(strings.ReplaceAll(name, "-", "_")), "evil")
		}
	}
	return append(pairs, "Connection", "X-Auth-Role, X-Auth-Subject", "X-Auth-Role", "admin", "X-Auth-Role", "admin,user")
}

// TestSignInAuthRequest: nobody without a session; with one, every identity
// header once, and none of the client's.
func TestSignInAuthRequest(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "t1", "zhangsan")
	v := s.visitor(t, "zhangsan")
	for _, address := range []string{"/sso/authz/auth-request", "/sso/authz/forward-auth", "/sso/me"} {
		got := v.get(address, spoofs()...)
		if got.status != http.StatusUnauthorized || strings.Contains(got.body, "evil") || got.header.Get("X-Auth-Subject") != "" {
			t.Errorf("%s without a session = %d, subject %q\n%s", address, got.status, got.header.Get("X-Auth-Subject"), got.body)
		}
	}
	planted := "kitbridge-" + s.publicURL[strings.LastIndex(s.publicURL, ":")+1:]
	if got := v.get("/sso/me", "Cookie", planted+"="+strings.Repeat("a", 64)); got.status != http.StatusUnauthorized {
		t.Errorf("with a session id of their own = %d, want 401", got.status)
	}

	v.signedIn("t1")
	want := map[string]string{
		"X-Auth-Subject": "t1/zhangsan", "X-Auth-User": "zhangsan", "X-Auth-Tenant": "t1", "X-Auth-Name": "张三", "X-Auth-Role": "user",
		"X-Auth-Org": "20000", "X-Auth-Email": "zhang.san@example.org", "X-Auth-Mobile": "19900000001", "X-Auth-Test": "",
	}
	for _, address := range []string{"/sso/authz/auth-request", "/sso/authz/forward-auth"} {
		got := v.get(address, spoofs()...)
		if got.status != http.StatusOK || got.body != "" {
			t.Errorf("%s with a session = %d %q", address, got.status, got.body)
		}
		for _, name := range identityHeaders() {
			values := got.header.Values(name)
			if len(values) != 1 {
				t.Errorf("%s: %s = %q, want it once", address, name, values)
				continue
			}
			value, err := url.PathUnescape(values[0])
			if w, known := want[name]; err != nil || known && value != w || !known && value == "" {
				t.Errorf("%s: %s = %q (%v), want %q", address, name, value, err, w)
			}
		}
	}
	checkUnknownAreEmpty(t, s)
}

// checkUnknownAreEmpty: what is not known is sent empty, as a header that is
// left out would let a client's own through.
func checkUnknownAreEmpty(t *testing.T, s *signIn) {
	t.Helper()
	s.bind(t, "t2", "lisi")
	s.authorise(t, "t2", "lisi", 2, map[string]any{"email": "", "mobile": "", "orgCode": ""})
	s.centre.with("t2", func(c *centreTenant) { c.users["lisi"] = map[string]any{"userName": "lisi"} })
	got := s.visitor(t, "lisi").signedIn("t2").get("/sso/authz/auth-request", spoofs()...)
	for _, name := range []string{"X-Auth-Email", "X-Auth-Mobile"} {
		if values := got.header.Values(name); !slices.Equal(values, []string{""}) {
			t.Errorf("%s = %q, want it once and empty", name, values)
		}
	}
}

// TestSignInUserNames: a user name arrives as exactly what was pushed, by
// decoding once.
func TestSignInUserNames(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	names := []string{"%61dmin", "a/b", ",admin", "管理员", "a+b", "a b", "%2561", `"q"`, "<b>", "../x", "A", "a"}
	s.bind(t, "t1", names...)
	for _, name := range names {
		v := s.visitor(t, name).signedIn("t1")
		v.is("t1/" + name)
		got := v.get("/sso/authz/auth-request").header
		for header, want := range map[string]string{"X-Auth-Subject": "t1/" + name, "X-Auth-User": name} {
			sent := got.Get(header)
			if decoded, err := url.PathUnescape(sent); err != nil || decoded != want || strings.ContainsAny(sent, ", +") {
				t.Errorf("%s = %q, which decodes to %q (%v), want %q", header, sent, decoded, err, want)
			}
			if decoded, err := url.QueryUnescape(sent); err != nil || decoded != want {
				t.Errorf("%s = %q, which a form's decoder reads as %q (%v), want %q", header, sent, decoded, err, want)
			}
		}
	}
}

// TestSignInForwardAuth: a page load is sent to sign in and back again, a script
// is told where to.
func TestSignInForwardAuth(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "t1", "zhangsan")
	host := strings.TrimPrefix(s.publicURL, "http://")
	asked := func(uri string, more ...string) []string {
		return append([]string{
			"X-Forwarded-Method", "GET", "X-Forwarded-Proto", "http", "X-Forwarded-Host", host, "X-Forwarded-Uri", uri,
		}, more...)
	}
	v := s.visitor(t, "zhangsan")
	page := v.get("/sso/authz/forward-auth", asked("/desk?a=1&b=2", "Accept", "text/html")...)
	if page.status != http.StatusFound || page.location != s.publicURL+"/sso/login?return="+url.QueryEscape("/desk?a=1&b=2") {
		t.Errorf("page load = %d to %q", page.status, page.location)
	}
	for name, headers := range map[string][]string{
		"old script": asked("/api", "Accept", "text/html", "X-Requested-With", "XMLHttpRequest"),
		"script":     asked("/api", "Accept", "*/*", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"),
		"form":       {"X-Forwarded-Method", "POST", "Accept", "text/html"},
	} {
		got := v.get("/sso/authz/forward-auth", headers...)
		var told struct {
			Error    string `json:"error"`
			LoginURL string `json:"login_url"`
		}
		if err := json.Unmarshal([]byte(got.body), &told); err != nil || got.status != http.StatusUnauthorized ||
			told.Error != "unauthenticated" || !strings.HasPrefix(told.LoginURL, s.publicURL+"/sso/login") {
			t.Errorf("%s = %d %s (%v)", name, got.status, got.body, err)
		}
	}
	for _, uri := range refusedReturns() {
		if !plainHeader(uri) {
			continue // no proxy can send it
		}
		got := v.get("/sso/authz/forward-auth", asked(uri, "Accept", "text/html")...)
		if got.status != http.StatusFound || got.location != s.publicURL+"/sso/login" {
			t.Errorf("page load of %q = %d to %q, want sign-in without a target", uri, got.status, got.location)
		}
	}
	if got := v.signedIn("t1").get("/sso/authz/forward-auth", asked("/desk")...); got.status != http.StatusOK {
		t.Errorf("with a session = %d, want 200", got.status)
	}
}

func plainHeader(value string) bool {
	return value == strings.TrimSpace(value) && !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7F })
}
