//go:build integration

package integration_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// refusedReturns are targets that would leave the product, or that some parser
// would misread, or that would loop: the ways in which comparable gateways were
// open to redirects.
func refusedReturns() []string {
	return []string{
		// scheme-relative
		"//evil.example", "///evil.example", "////evil.example/a", "//app.example@evil.example", `//evil.example\@app.example`,
		"//[2001:db8::1]/", "//%65vil.example/",
		// backslash
		`/\evil.example`, `\\evil.example`, `\/evil.example`, `/\/evil.example`, `https:\\evil.example`,
		// control characters and blanks
		"/\t/evil.example", "/\n/evil.example", "/\r\n/evil.example", " //evil.example", "\x00//evil.example", "\v//evil.example",
		"//\tevil.example", "ht\ntps://evil.example", "/a b", "/ü",
		// schemes
		"https://evil.example", "HTTPS://evil.example", "https:evil.example", "https:/evil.example", "http:///evil.example",
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
		"blob:x", "intent:x", "wss://evil.example",
		// host tricks; {host} is our own
		"http://{host}.evil.example", "http://evil{host}", "http://{host}@evil.example", "http://evil.example#@{host}",
		`http://evil.example\.{host}`, "http://{host}.", "https://{host}/", "http://{host}0/", "http://0x7f000001/", "http://2130706433/",
		"http://[::ffff:127.0.0.1]/", "http://аpp.example/", "http://app。example/",
		// dot segments, and what cleaning after the check would make
		`/x/../\evil.example`, `/./\evil.example`, "/..//evil.example", "/%2e%2e//evil.example", "/x/..//evil.example",
		// percent-encoding
		"/%2fevil.example", "/%5cevil.example", "/%09/evil.example", "/%0d%0aSet-Cookie:x=1", "/%zz", "/%00",
		// loops
		"/sso/callback", "/sso/login?return=/", "/sso/logout", "/%73so/logout", "/sso",
		// no target at all
		"", "desk", "?x", "#f",
		"/" + strings.Repeat("a", 9<<10), "/?" + strings.Repeat("a=1&", 3000),
	}
}

// leaves reports whether a browser that is at origin would go elsewhere. It
// reads the address as browsers do: tabs and line ends do not count, a
// backslash is a slash (WHATWG URL, section 4.4).
func leaves(origin, location string) bool {
	seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.Trim(location, "\x00\x01\x0b\x0c "))
	if seen == origin || strings.HasPrefix(seen, origin+"/") {
		return false
	}
	return !strings.HasPrefix(seen, "/") || strings.HasPrefix(seen, "//")
}

// TestSignInReturn: whatever return target a link asks for, the sign-in that it
// begins ends at the product.
func TestSignInReturn(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "t1", "zhangsan")
	host := strings.TrimPrefix(s.publicURL, "http://")
	for _, parameter := range []string{"return", "target_link_uri"} {
		for _, target := range refusedReturns() {
			target = strings.ReplaceAll(target, "{host}", host)
			v := s.visitor(t, "zhangsan")
			started := v.get("/sso/login?" + url.Values{"tenant": {"t1"}, parameter: {target}}.Encode())
			if started.status != http.StatusFound {
				if started.status != http.StatusBadRequest { // far too long
					t.Errorf("login with %s=%.80q = %d", parameter, target, started.status)
				}
				continue
			}
			got := v.get(v.get(started.location).location)
			if got.status != http.StatusSeeOther || got.location != "/" {
				t.Errorf("%s=%.80q ended in %d to %q, want 303 to /", parameter, target, got.status, got.location)
			}
			if leaves(s.publicURL, got.location) {
				t.Errorf("%s=%.80q leads away, to %q", parameter, target, got.location)
			}
		}
	}
	for _, target := range []string{"/", "/desk?a=1&b=%2F#part", "/a/b.c/~d", "/desk?next=//evil.example", "/%E4%BA%A7%E5%93%81"} {
		for _, asked := range []string{target, s.publicURL + target} {
			v := s.visitor(t, "zhangsan")
			if got := v.get(v.callback("t1", asked)); got.location != target {
				t.Errorf("return=%q ended at %q, want %q", asked, got.location, target)
			}
		}
	}
}

// TestSignInReturnOnPages: the chooser carries the target only if it is good.
func TestSignInReturnOnPages(t *testing.T) {
	t.Parallel()
	s := startSignIn(t, "  chooser: list")
	s.bind(t, "t1", "zhangsan")
	v := s.visitor(t, "zhangsan")
	v.signedIn("t1") // so that the log has a sign-in
	v.get("/sso/logout")
	for _, target := range refusedReturns() {
		got := v.get("/sso/login?" + url.Values{"return": {target}}.Encode())
		if got.status == http.StatusOK && (strings.Contains(got.body, "evil") || strings.Contains(got.body, "alert")) {
			t.Errorf("the chooser for return=%.80q carries it:\n%s", target, got.body)
		}
	}
	if got := v.get("/sso/login?return=/desk"); !strings.Contains(got.body, "tenant=t1&amp;return=%2fdesk") {
		t.Errorf("the chooser loses the target:\n%s", got.body)
	}
}
