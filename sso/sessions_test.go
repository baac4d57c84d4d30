package sso_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestSessions goes through the inputs of class G that are not cases of other tests: planted, old, foreign and damaged cookies, clocks,
// and a store that fails in the middle.
func TestSessions(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]func(t *testing.T, h *house){
		"G. planted by a sibling host, beside the right one": func(t *testing.T, h *house) {
			good := h.sessionCookie(tenantA, "li.si", "pw2")
			name, _, _ := strings.Cut(good, "=")
			other := h.sessionCookie(tenantB, "zhang.san", "pw9")
			for _, cookie := range []string{good + "; " + other, other + "; " + good, name + "=; " + good, good + "; " + name + "=" + strings.Repeat("A", 43)} {
				h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "401") // neither of two, whichever came first
			}
			h.wantFaces(t, asks{"GET", "/desk", good + "; " + good, nil}, "pass "+tenantA+"/li.si")
		},
		"G. under another name": func(t *testing.T, h *house) {
			name, id, _ := strings.Cut(h.sessionCookie(tenantA, "li.si", "pw2"), "=")
			for _, other := range []string{"__Host-kitbridge", "kitbridge", name + "-last", name + "-wait", name + "-a-" + strings.Repeat("0", 16), strings.ToUpper(name), "kitbridge-1"} {
				h.wantFaces(t, asks{"GET", "/desk", other + "=" + id, nil}, "401")
			}
		},
		"G. what we sealed under one name is nothing under another": func(t *testing.T, h *house) {
			browser := ssotest.Browser(t)
			h.put(tenantA, "li.si", sso.AccountUnknown, "")
			h.signIn(browser, tenantA, "li.si", "pw2") // waits for its account
			u, _ := url.Parse(h.url)
			base := "kitbridge-" + u.Port()
			for _, c := range browser.Jar.Cookies(u) {
				for _, other := range []string{base, base + "-wait", base + "-form", base + "-out", base + "-last", base + "-loop", base + "-bounce"} {
					if c.Name == other {
						continue
					}
					cookie := other + "=" + c.Value
					for _, path := range []string{"/sso/pending", "/sso/confirm", "/sso/me", "/sso/authz/auth-request"} {
						if got := h.raw("GET", path, "Cookie", cookie); got.status == http.StatusOK || got.status == http.StatusSeeOther {
							t.Errorf("%s as %s at %s = %d", c.Name, other, path, got.status)
						}
					}
				}
			}
		},
		"G. one bit changed": func(t *testing.T, h *house) {
			name, id, _ := strings.Cut(h.sessionCookie(tenantA, "li.si", "pw2"), "=")
			for i := range id {
				bent := []byte(id)
				bent[i] ^= 1
				if got := h.raw("GET", "/sso/authz/auth-request", "Cookie", name+"="+string(bent)); got.status != http.StatusUnauthorized && got.status != http.StatusBadRequest {
					t.Errorf("with byte %d changed = %d", i, got.status)
				}
			}
		},
		"G. of another house": func(t *testing.T, h *house) {
			_, id, _ := strings.Cut(newHouse(t, nil).sessionCookie(tenantA, "li.si", "pw2"), "=")
			h.wantFaces(t, asks{"GET", "/desk", "kitbridge-" + strings.Split(h.host(), ":")[1] + "=" + id, nil}, "401")
		},
		"G. idle": func(t *testing.T, h *house) {
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			h.clock.advance(8*time.Hour - time.Second)
			h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "pass "+tenantA+"/li.si")
			h.clock.advance(8*time.Hour + time.Second)
			h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "401")
		},
		"G. absolute": func(t *testing.T, h *house) {
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			for range 5 {
				h.clock.advance(4*time.Hour + 47*time.Minute)
				h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "pass "+tenantA+"/li.si")
			}
			h.clock.advance(time.Hour + 5*time.Minute)
			h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "401")
		},
		"G. clock set back during a sign-in": func(t *testing.T, h *house) {
			browser := ssotest.Browser(t)
			back := h.authorize(browser, h.start(browser, tenantA, "/"), "li.si", "pw2")
			h.clock.advance(-time.Hour)
			if got := h.get(browser, back); got.status != http.StatusBadRequest {
				t.Errorf("an attempt of the future = %d, want 400", got.status)
			}
			h.wantSubject(browser, "")
		},
		"G. clock set back with a session": func(t *testing.T, h *house) {
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			h.clock.advance(-30 * 24 * time.Hour)
			h.put(tenantA, "li.si", sso.AccountRemoved, "")
			h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "401")
		},
		"G. removed between two requests": func(t *testing.T, h *house) {
			cookie := h.sessionCookie(tenantA, "li.si", "pw2")
			h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "pass "+tenantA+"/li.si")
			h.put(tenantA, "li.si", sso.AccountRemoved, "")
			h.clock.advance(sso.DecisionAge)
			h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "401")
			h.put(tenantA, "li.si", sso.AccountActive, "")
			h.clock.advance(sso.DecisionAge)
			h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "401") // for good
		},
		"G. the store fails after the auth centre said yes": func(t *testing.T, h *house) {
			browser := ssotest.Browser(t)
			back := h.authorize(browser, h.start(browser, tenantA, "/"), "li.si", "pw2")
			h.set(func() { h.creating = func() { h.setFault(errors.New("disk on fire")) } })
			got := h.get(browser, back)
			if got.status != http.StatusServiceUnavailable || slices.ContainsFunc(got.header["Set-Cookie"], func(line string) bool {
				return strings.HasPrefix(line, "kitbridge-"+strings.Split(h.host(), ":")[1]+"=")
			}) {
				t.Errorf("callback = %d, cookies %q, want 503 and no session", got.status, got.header["Set-Cookie"])
			}
			h.setFault(nil)
			h.wantSubject(browser, "")
		},
		"G. of the other tenant after a switch": func(t *testing.T, h *house) {
			browser := ssotest.Browser(t)
			h.signIn(browser, tenantA, "zhang.san", "pw1")
			first := h.cookieOf(browser)
			h.signIn(browser, tenantB, "zhang.san", "pw9")
			second := h.cookieOf(browser)
			if first == second {
				t.Error("both tenants have one session id")
			}
			h.clock.advance(sso.DecisionAge)
			h.wantFaces(t, asks{"GET", "/desk", first, nil}, "401")
			h.wantFaces(t, asks{"GET", "/desk", second, nil}, "pass "+tenantB+"/zhang.san")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try(t, newHouse(t, func(c *sso.Config) { c.TrustedProxies = loopback() }))
		})
	}
}

// TestSealedByAnotherKey: after a key left the ring nothing that it sealed is opened, and nobody is signed in by it.
func TestSealedByAnotherKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	other := newHouse(t, func(c *sso.Config) { c.Keys = [][]byte{bytes.Repeat([]byte{8}, 32)} })
	browser := ssotest.Browser(t)
	h.put(tenantA, "li.si", sso.AccountUnknown, "")
	h.signIn(browser, tenantA, "li.si", "pw2")
	h.start(browser, tenantA, "/")
	renamed := strings.ReplaceAll(h.cookies(browser), "kitbridge-"+strings.Split(h.host(), ":")[1], "kitbridge-"+strings.Split(other.host(), ":")[1])
	if !strings.Contains(renamed, "-wait=") || !strings.Contains(renamed, "-a-") {
		t.Fatalf("cookies %q", renamed)
	}
	for _, path := range []string{"/sso/pending", "/sso/confirm", "/sso/resend", "/sso/me"} {
		if got := other.raw("GET", path, "Cookie", renamed); got.status == http.StatusOK || got.location != nil && got.location.Path != "/" {
			t.Errorf("%s with cookies of another key = %d", path, got.status)
		}
	}
}

// TestCookieAttributes looks at every cookie of a whole visit: none can be read by a script, sent over plain http, sent along by
// another site's form, set for another host or be longer than browsers keep (ASVS 5.0, V3.3).
func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) {
		c.PublicURL = "https://app.example"
		c.Settings.ProductCookies = []string{"JSESSIONID"}
	})
	seen := map[string]bool{}
	jar := map[string]string{}
	visit := func(method, path string, headers ...string) reply {
		var all []string
		for name, value := range jar {
			all = append(all, name+"="+value)
		}
		got := h.rawHost("app.example", method, path, append(headers, "Cookie", strings.Join(all, "; "), "Accept", "text/html")...)
		for _, line := range got.header["Set-Cookie"] {
			c, err := http.ParseSetCookie(line)
			if err != nil {
				t.Fatal(err)
			}
			name := c.Name
			if strings.HasPrefix(name, "__Host-kitbridge-a-") {
				name = "__Host-kitbridge-a-"
			}
			seen[name] = true
			if jar[c.Name] = c.Value; c.MaxAge < 0 {
				delete(jar, c.Name)
			}
			ours := strings.HasPrefix(c.Name, "__Host-kitbridge") || c.Name == "JSESSIONID" && c.MaxAge < 0
			if !ours || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(line) > 4096 {
				t.Errorf("%s %s sets %.200q", method, path, line)
			}
		}
		return got
	}
	visit("GET", "/sso/callback?code=x&tenant="+tenantA) // a bounce
	started := visit("GET", "/sso/login?tenant="+tenantA+"&return="+url.QueryEscape("/"+strings.Repeat("a", 2000)))
	u, err := url.Parse(started.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	h.centre.PutClient(tenantA, ssotest.Client{AppID: appID, ID: "client-a", Secret: secretA, RedirectURIs: []string{"https://app.example/sso/callback"}})
	h.put(tenantA, "li.si", sso.AccountUnknown, "")
	back, err := url.Parse(h.authorize(ssotest.Browser(t), u.String(), "li.si", "pw2"))
	if err != nil {
		t.Fatal(err)
	}
	if got := visit("GET", back.RequestURI()); got.header.Get("Location") != "/sso/pending" {
		t.Fatalf("callback = %d to %q\n%s", got.status, got.header.Get("Location"), got.body)
	}
	h.put(tenantA, "li.si", sso.AccountActive, "")
	if got := visit("GET", "/sso/pending"); got.status != http.StatusSeeOther {
		t.Fatalf("pending = %d\n%s", got.status, h.log)
	}
	visit("GET", "/sso/logout", "Sec-Fetch-Site", "same-origin")
	visit("POST", "/sso/logout", "Sec-Fetch-Site", "same-origin", "Content-Length", "0")
	for _, name := range []string{
		"__Host-kitbridge", "__Host-kitbridge-a-", "__Host-kitbridge-bounce", "__Host-kitbridge-wait", "__Host-kitbridge-last", "__Host-kitbridge-loop", "JSESSIONID",
	} {
		if !seen[name] {
			t.Errorf("no cookie %s was set: this shows nothing of it", name)
		}
	}
}
