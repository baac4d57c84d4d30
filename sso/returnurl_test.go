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
	for _, in := range refusedTargets(t) {
		if got, ok := sso.ReturnPath(in, appURL()); ok {
			t.Errorf("returnPath(%q) = %q, want a refusal", in, got)
		}
	}
}

// refusedTargets are the samples of open redirects, and what only this address is not to be sent to: itself without TLS.
func refusedTargets(tb testing.TB) []string {
	tb.Helper()
	targets := []string{"http://app.example/", "http://app.example/desk", "https://app.example:8443/"}
	for _, s := range redirectSamples(tb, "https://app.example") {
		targets = append(targets, s.target)
	}
	return targets
}

// FuzzReturnURL holds the rule against two parsers: what is accepted must be a path on our own origin for both.
func FuzzReturnURL(f *testing.F) {
	for _, in := range append(refusedTargets(f), "/desk?a=1", "https://app.example/desk") {
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
