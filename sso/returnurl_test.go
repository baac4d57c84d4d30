package sso_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
)

func appURL() *url.URL { return &url.URL{Scheme: "https", Host: "app.example"} }

func TestReturnPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/": "/", "/desk": "/desk", "/desk/?a=1&b=%20": "/desk/?a=1&b=%20", "/a%2Fb": "/a%2Fb", "/x?next=//evil.example": "/x?next=//evil.example",
		"https://app.example/desk": "/desk", "https://app.example": "/", "/#/spa/route": "/#/spa/route", "/ssology": "/ssology",
	} {
		if got, ok := sso.ReturnPath(in, appURL()); !ok || got != want {
			t.Errorf("returnPath(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range refusedTargets() {
		if got, ok := sso.ReturnPath(in, appURL()); ok {
			t.Errorf("returnPath(%q) = %q, want a refusal", in, got)
		}
	}
}

// refusedTargets are the inputs of published open redirects against comparable gateways, and our own addresses.
func refusedTargets() []string {
	return []string{
		"", "desk", "?x", "#f", ".", "..",
		"//evil.example", "///evil.example", "////evil.example/a", "//app.example@evil.example", `//evil.example\@app.example`,
		"//[2001:db8::1]/", "//%65vil.example/",
		`/\evil.example`, `\\evil.example`, `\/evil.example`, `/\/evil.example`, `https:\\evil.example`,
		"/\t/evil.example", "/\n/evil.example", "/\r\n/evil.example", " //evil.example", "\x00//evil.example", "\v//evil.example",
		"//\tevil.example", "ht\ntps://evil.example", "/a b", "/ü",
		"HTTPS://evil.example", "https:evil.example", "https:/evil.example", "http:///evil.example", "javascript:alert(1)",
		"JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:x", "intent:x",
		"wss://app.example/", "http://app.example/",
		"https://app.example.evil.example", "https://evilapp.example", "https://app.example@evil.example", "https://evil.example#@app.example",
		`https://evil.example\.app.example`, "https://app.example./", "https://app.example:8443/", "https://аpp.example/",
		"https://app。example/", "https://0x7f000001/", "https://2130706433/", "https://[::ffff:127.0.0.1]/", "https://app.example?x",
		`/x/../\evil.example`, `/./\evil.example`, "/..//evil.example", "/%2e%2e//evil.example", "/x/..", "/./x", "/%2e%2e/x", "/x/%2e",
		"/%2fevil.example", "/%5cevil.example", "/%09/evil.example", "/%0d%0aSet-Cookie:x=1", "/%zz", "/%00",
		"/sso/callback", "/sso/login", "/sso/logout?x", "/sso", "/%73so/login", "/sso#x",
		"/" + strings.Repeat("a", 9<<10),
	}
}

// FuzzReturnURL holds the rule against two parsers: what is accepted must be a path on our own origin for both.
func FuzzReturnURL(f *testing.F) {
	for _, in := range append(refusedTargets(), "/desk?a=1", "https://app.example/desk") {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, ok := sso.ReturnPath(in, appURL())
		if !ok {
			return
		}
		u, err := appURL().Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != "app.example" || u.User != nil {
			t.Fatalf("returnPath(%q) = %q, which leads to %v (%v)", in, got, u, err)
		}
		// A browser drops tab and line ends and reads a backslash as a slash (WHATWG URL, section 4.4).
		browser := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimSpace(got))
		if !strings.HasPrefix(browser, "/") || strings.HasPrefix(browser, "//") || browser != got {
			t.Fatalf("returnPath(%q) = %q, which a browser reads as %q", in, got, browser)
		}
		if strings.HasPrefix(u.Path, "/sso/") || u.Path == "/sso" {
			t.Fatalf("returnPath(%q) = %q, which loops", in, got)
		}
		if again, ok := sso.ReturnPath(got, appURL()); !ok || again != got {
			t.Fatalf("returnPath(%q) = %q, %v, want it unchanged", got, again, ok)
		}
	})
}
