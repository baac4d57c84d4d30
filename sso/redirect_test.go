package sso_test

import (
	"bufio"
	"html"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// redirectSample is one address that an attacker would like somebody to be sent to.
type redirectSample struct{ class, target string }

// redirectSamples reads testdata/redirects.txt, for a product at origin, and adds those that are only long.
func redirectSamples(tb testing.TB, origin string) []redirectSample {
	tb.Helper()
	file, err := os.Open("testdata/redirects.txt")
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // only read
	scheme, host, _ := strings.Cut(origin, "://")
	own := strings.NewReplacer("{origin}", origin, "{host}", host, "{scheme}", scheme)
	class := ""
	var samples []redirectSample
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if comment, ok := strings.CutPrefix(line, "# "); ok {
			class = comment
		}
		if !strings.HasPrefix(line, `"`) {
			continue
		}
		text, err := strconv.Unquote(line)
		if err != nil {
			tb.Fatalf("%s: %v", line, err)
		}
		samples = append(samples, redirectSample{class, own.Replace(text)})
	}
	if len(samples) < 130 {
		tb.Fatalf("%d samples, want all of them", len(samples))
	}
	return append(samples,
		redirectSample{"A. size", "/" + strings.Repeat("a", 9<<10)}, redirectSample{"A. size", "/?" + strings.Repeat("a=1&", 3000)})
}

// leaves reports whether a browser at origin would go to another one, or run something. It reads the address as browsers do: white
// space and control characters around it, tabs and line ends within do not count, and a backslash is a slash (WHATWG URL,
// section 4.4). What this believes is checked against a browser's own parser by the tests of the built program.
func leaves(origin, location string) bool {
	seen := strings.TrimFunc(location, func(c rune) bool { return c <= ' ' })
	seen = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(seen)
	if seen == origin || strings.HasPrefix(seen, origin+"/") || strings.HasPrefix(seen, origin+"?") {
		return false
	}
	return !strings.HasPrefix(seen, "/") || strings.HasPrefix(seen, "//")
}

var links = regexp.MustCompile(`(?:href|action|src|content)="([^"]*)"`)

// wantLinks checks every address on a page: all of them are ours, or one of also.
func (h *house) wantLinks(page string, sample redirectSample, also ...string) {
	h.t.Helper()
	for _, found := range links.FindAllStringSubmatch(page, -1) {
		link := html.UnescapeString(found[1])
		plain := strings.HasPrefix(link, "width=") || link == "light dark" || link == "noindex"
		for _, known := range also {
			plain = plain || link == known
		}
		u, err := url.Parse(link)
		if err != nil {
			h.t.Errorf("%s: %.80q: the page has the link %q", sample.class, sample.target, link)
			continue
		}
		if !plain && (leaves(h.url, link) || u.Query().Has("return")) {
			h.t.Errorf("%s: %.80q: the page leads to %q", sample.class, sample.target, link)
		}
	}
	if strings.Contains(page, "evil") || strings.Contains(page, "alert(") {
		h.t.Errorf("%s: %.80q: the page shows it:\n%s", sample.class, sample.target, page)
	}
}

// TestRedirectTargets takes every sample to every place where an address is asked for, or where some other gateway would take one from.
func TestRedirectTargets(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.TrustedProxies = loopback() })
	unified := strings.ReplaceAll(h.centre.UnifiedLoginURL(), "{appId}", appID)
	issuer := h.centre.Domain(tenantA) + "/api/v1/oauth2"
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	home := func(where string, s redirectSample, got reply) {
		t.Helper()
		if location := got.header.Get("Location"); got.status != http.StatusSeeOther || location != "/" {
			t.Errorf("%s of %s: %.80q ended in %d to %q, want 303 to /", where, s.class, s.target, got.status, location)
		}
	}
	for _, s := range redirectSamples(t, h.url) {
		value := url.QueryEscape(s.target)
		// The sign-in that a link begins.
		for _, link := range []string{
			"/sso/login?tenant=" + tenantA + "&return=" + value,
			"/sso/login?iss=" + url.QueryEscape(issuer) + "&target_link_uri=" + value,
			"/sso/login?tenant=" + tenantA + "&rd=" + value + "&redirect_uri=" + value + "&next=" + value + "&url=" + value,
		} {
			started := h.get(browser, link)
			if started.status == http.StatusBadRequest && s.class == "A. size" {
				continue
			}
			if !strings.HasPrefix(started.header.Get("Location"), issuer+"/authorize?") || strings.Contains(started.header.Get("Location"), "evil") {
				t.Fatalf("login of %s: %.80q = %d to %q", s.class, s.target, started.status, started.header.Get("Location"))
			}
			home("login", s, h.get(browser, h.authorize(browser, started.location.String(), "zhang.san", "pw1")))
		}
		// A code that arrives brings no address of its own.
		launched := h.get(ssotest.Browser(t), "/sso/callback?tenant="+tenantA+"&return="+value+"&target_link_uri="+value)
		if s.class != "A. size" && launched.header.Get("Location") != h.url+"/sso/login?tenant="+tenantA {
			t.Errorf("launch of %s: %.80q leads to %q", s.class, s.target, launched.header.Get("Location"))
		}
		// Pages with links.
		stranger := ssotest.Browser(t)
		for _, page := range []string{"/sso/login?return=" + value, "/sso/login?tenant=nobody&return=" + value, "/sso/login?q=" + value, "/sso/signed-out?return=" + value + "&sign_in=" + value} {
			got := h.get(stranger, page)
			if strings.Contains(page, "?q=") { // a search is shown again, as text
				got.body = regexp.MustCompile(`<input id="q"[^>]*>`).ReplaceAllString(got.body, "")
			}
			h.wantLinks(got.body, s, unified)
		}
		// Leaving.
		out := h.get(ssotest.Browser(t), "/sso/logout?return="+value+"&redirect_url="+value+"&post_logout_redirect_uri="+value+"&rd="+value+"&service="+value)
		if out.header.Get("Location") != h.url+"/sso/signed-out" {
			t.Errorf("logout of %s: %.80q leads to %q", s.class, s.target, out.header.Get("Location"))
		}
	}
}

// headerText reports whether a proxy can send text as a header's value.
func headerText(text string) bool {
	return text != "" && text == strings.TrimSpace(text) && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7F })
}

// TestRedirectsThroughFaces: a page load without a session leads to our own sign-in, and nowhere else afterwards, whatever address
// it was for and by whatever other header or parameter somebody asks for another.
func TestRedirectsThroughFaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.TrustedProxies = loopback() })
	page := []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	for _, f := range faces() {
		t.Run(f.name, func(t *testing.T) {
			for _, s := range redirectSamples(t, h.url) {
				value := url.QueryEscape(s.target)
				headers := page
				if headerText(s.target) && len(s.target) < 4096 {
					headers = append(append([]string{}, page...), "X-Auth-Request-Redirect", s.target, "X-Forwarded-Prefix", s.target, "Referer", s.target)
				}
				// As the address itself, where a request line and a header can hold it.
				if s.class != "A. loop" && strings.HasPrefix(s.target, "/") && headerText(s.target) && !strings.ContainsAny(s.target, " ") {
					got, _ := f.ask(h, asks{"GET", s.target, "", headers})
					said, want := h.outcome(got, nil), "login /sso/login"
					if !f.redirects {
						want = "401"
					}
					if said != want && said != "403" && said != "404" { // net/http or the prefix of our own pages
						t.Errorf("%s: %.80q = %s, want %s", s.class, s.target, said, want)
					}
				}
				// As a parameter, which stays the product's.
				if len(value) > 1000 {
					continue
				}
				got, _ := f.ask(h, asks{"GET", "/desk?rd=" + value, "", headers})
				said, want := h.outcome(got, nil), "login /sso/login?return="+url.QueryEscape("/desk?rd="+value)
				if !f.redirects {
					want = "401"
				}
				if said != want {
					t.Errorf("%s: /desk?rd=%.80q = %s, want %s", s.class, value, said, want)
				}
			}
		})
	}
}

// TestOwnHostInEverySpelling: CVE-2026-27588 and its like. A proxy's word about the host decides nothing but whether the sign-in
// comes back, which it does for our own host only.
func TestOwnHostInEverySpelling(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.TrustedProxies = loopback(); c.PublicURL = "https://app.example" })
	for host, comesBack := range map[string]bool{
		"app.example": true, "ApP.ExAmPlE": true, "app.example:443": true, "app.example.": false, "app.example:8443": false, "app.example:": false,
		"app.example.evil.example": false, "evilapp.example": false, "app.example@evil.example": false, "evil.example": false, "app.example,evil.example": false,
		"app.example%00": false, "xn--pp-6kc.example": false, "[::ffff:127.0.0.1]": false, "app.example/x": false, "app.example#": false,
	} {
		for _, face := range []string{"forward-auth", "ext-authz/desk"} {
			headers := []string{"Accept", "text/html", "X-Forwarded-Method", "GET", "X-Forwarded-Proto", "https", "X-Forwarded-Uri", "/desk", "X-Forwarded-Host", host}
			got := h.raw("GET", "/sso/authz/"+face, headers...)
			want := "https://app.example/sso/login"
			if comesBack && face == "forward-auth" {
				want += "?return=%2Fdesk"
			}
			if got.status != http.StatusFound || got.header.Get("Location") != want {
				t.Errorf("%s, host %q = %d to %q, want %q", face, host, got.status, got.header.Get("Location"), want)
			}
		}
	}
}
