package sso_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestCallbackInputs goes through the inputs of class B in both profiles that have a code. After each of them nobody is signed in,
// no token call was made, and the sign-in that was under way can still be finished.
func TestCallbackInputs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(q url.Values)
		method string
		want   int // 0: to a sign-in of our own
	}{
		{"B. state missing", func(q url.Values) { q.Del("state") }, "GET", 400},
		{"B. state empty", func(q url.Values) { q.Set("state", "") }, "GET", 400},
		{"B. state of nobody", func(q url.Values) { q.Set("state", strings.Repeat("a", 64)) }, "GET", 400},
		{"B. state in capital letters", func(q url.Values) { q.Set("state", strings.ToUpper(q.Get("state"))) }, "GET", 400},
		{"B. state with a blank", func(q url.Values) { q.Set("state", q.Get("state")+" ") }, "GET", 400},
		{"B. state with a NUL", func(q url.Values) { q.Set("state", q.Get("state")+"\x00") }, "GET", 400},
		{"B. state cut short", func(q url.Values) { q.Set("state", q.Get("state")[:63]) }, "GET", 400},
		{"B. state of 10 KB", func(q url.Values) { q.Set("state", strings.Repeat("a", 10<<10)) }, "GET", 400},
		{"B. state twice, alike", func(q url.Values) { q.Add("state", q.Get("state")) }, "GET", 400},
		{"B. code missing", func(q url.Values) { q.Del("code") }, "GET", 0},
		{"B. code empty", func(q url.Values) { q.Set("code", "") }, "GET", 0},
		{"B. code twice", func(q url.Values) { q.Add("code", "x") }, "GET", 400},
		{"B. code of 10 KB", func(q url.Values) { q.Set("code", strings.Repeat("c", 10<<10)) }, "GET", 400},
		{"B. code with a line break", func(q url.Values) { q.Set("code", "a\r\nb") }, "GET", 400},
		{"B. iss twice", func(q url.Values) { q["iss"] = []string{q.Get("iss"), "https://evil.example"} }, "GET", 400},
		{"B. iss wrong", func(q url.Values) { q.Set("iss", "https://evil.example") }, "GET", 403},
		{"B. tenant of another enterprise", func(q url.Values) { q.Set("tenant", tenantB) }, "GET", 403},
		{"B. tenant twice", func(q url.Values) { q["tenant"] = []string{tenantA, tenantB} }, "GET", 400},
		{"B. tenants that disagree", func(q url.Values) { q.Set("tenant", tenantA); q.Set("tenantId", tenantB) }, "GET", 403},
		{"B. error beside a code of nobody", func(q url.Values) { q.Set("error", "x"); q.Set("state", strings.Repeat("0", 64)) }, "GET", 400},
		{"B. error twice", func(q url.Values) { q["error"] = []string{"a", "b"} }, "GET", 400},
		{"B. query of 100 KB", func(q url.Values) { q.Set("x", strings.Repeat("x", 100<<10)) }, "GET", 400},
		{"B. POST", func(url.Values) {}, "POST", 404},
		{"B. PUT", func(url.Values) {}, "PUT", 404},
		{"B. HEAD", func(url.Values) {}, "HEAD", 204},
	} {
		for profile, house := range map[string]func(*testing.T) *house{"kit": func(t *testing.T) *house { return newHouse(t, nil) }, "oidc": openIDCentreHouse} {
			t.Run(tt.name+", "+profile, func(t *testing.T) {
				t.Parallel()
				h := house(t)
				browser := ssotest.Browser(t)
				back := h.authorize(browser, h.start(browser, tenantA, "/desk"), "li.si", "pw2")
				u, err := url.Parse(back)
				if err != nil {
					t.Fatal(err)
				}
				q := u.Query()
				tt.change(q)
				got := h.do(browser, tt.method, "/sso/callback?"+q.Encode(), nil, "Accept", "text/html")
				if tt.want == 0 {
					if location := got.header.Get("Location"); got.status != http.StatusFound || !strings.HasPrefix(location, h.url+"/sso/login") {
						t.Errorf("callback = %d to %q, want our own sign-in", got.status, location)
					}
				} else if got.status != tt.want {
					t.Errorf("callback = %d, want %d\n%s", got.status, tt.want, got.body)
				}
				h.wantSubject(browser, "")
				if a, b := h.centre.Calls(tenantA), h.centre.Calls(tenantB); a.Token+b.Token != 0 {
					t.Error("a token call was made")
				}
				h.get(browser, back)
				h.wantSubject(browser, tenantA+"/li.si")
				if calls := h.centre.Calls(tenantA); calls.Token != 1 {
					t.Errorf("%d token calls at the end, want 1", calls.Token)
				}
			})
		}
	}
}

// TestCallbackOfTwoTabs: a code of one tab with the state of another signs nobody in as somebody else, and at most one call is made
// for each state.
func TestCallbackOfTwoTabs(t *testing.T) {
	t.Parallel()
	for profile, house := range map[string]func(*testing.T) *house{"kit": func(t *testing.T) *house { return newHouse(t, nil) }, "oidc": openIDCentreHouse} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			h := house(t)
			browser := ssotest.Browser(t)
			toA, toB := h.start(browser, tenantA, "/a"), h.start(browser, tenantB, "/b")
			backA, err := url.Parse(h.authorize(browser, toA, "zhang.san", "pw1"))
			if err != nil {
				t.Fatal(err)
			}
			backB, err := url.Parse(h.authorize(browser, toB, "zhang.san", "pw9"))
			if err != nil {
				t.Fatal(err)
			}
			// The code of A with the state of B: B's auth centre does not know it, and A's never hears of it.
			swapped := h.get(browser, "/sso/callback?"+url.Values{"code": {backA.Query().Get("code")}, "state": {backB.Query().Get("state")}, "iss": backB.Query()["iss"]}.Encode())
			if swapped.status < 400 {
				t.Errorf("swapped = %d to %q", swapped.status, swapped.header.Get("Location"))
			}
			h.wantSubject(browser, "")
			if a, b := h.centre.Calls(tenantA), h.centre.Calls(tenantB); a.Token != 0 || b.Token != 1 {
				t.Errorf("%d token calls at A and %d at B, want none and one", a.Token, b.Token)
			}
			h.get(browser, backA.String())
			h.wantSubject(browser, tenantA+"/zhang.san")
		})
	}
}

// TestErrorsOfAuthCentres: what an auth centre says of its error is read by nobody: not by the page, not by the log.
func TestErrorsOfAuthCentres(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"access_denied", "<script>alert(1)</script>", "login_required", strings.Repeat("x", 5000), "\r\nSet-Cookie: a=b", "%s%n", "错误"} {
		h := newHouse(t, nil)
		browser := ssotest.Browser(t)
		back := h.authorize(browser, h.start(browser, tenantA, "/desk"), "li.si", "pw2")
		got := h.get(browser, with(t, with(t, with(t, back, "code"), "error", text), "error_description", text, text))
		if on := shownOn(got.body); got.status != http.StatusForbidden || on.code != "provider_refused" {
			t.Errorf("error %.20q = %d, %+v, want 403 and provider_refused", text, got.status, on)
		}
		if strings.Contains(got.body, html.EscapeString(text)) && text != "access_denied" || strings.Contains(h.log.String(), text) {
			t.Errorf("error %.20q is told on", text)
		}
		h.wantSubject(browser, "")
		if calls := h.centre.Calls(tenantA); calls.Token != 0 {
			t.Error("a token call was made")
		}
	}
}

// TestNothingIsKept: every answer of ours forbids caches to keep it, whatever was asked, but for the public keys.
func TestNothingIsKept(t *testing.T) {
	t.Parallel()
	o := newHostile(t)
	for name, h := range map[string]*house{"kit": newHouse(t, ruled), "oidc": oidcHouse(t, o.URL, nil)} {
		cookie := ""
		if name == "kit" {
			cookie = h.sessionCookie(tenantA, "li.si", "pw2")
		}
		for _, path := range []string{
			"/sso/login", "/sso/login?tenant=" + tenantA, "/sso/login?tenant=nobody", "/sso/login?tenant=a&tenant=b", "/sso/callback", "/sso/callback?code=x", "/sso/callback?code=x&state=y", "/sso/callback?error=x",
			"/sso/pending", "/sso/confirm", "/sso/signed-out", "/sso/resend", "/sso/me", "/sso/backchannel-logout", "/sso/nothing", "/sso/logout",
			"/sso/authz/auth-request", "/sso/authz/forward-auth", "/sso/authz/ext-authz/x", "/sso/authz/ext-authz/public",
		} {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS"} {
				for _, accept := range []string{"text/html", "application/json"} {
					for _, c := range []string{"", cookie} {
						got := h.raw(method, path, "Accept", accept, "Cookie", c, "Content-Length", "0")
						if control := got.header["Cache-Control"]; len(control) != 1 || control[0] != "no-store" {
							t.Errorf("%s: %s %s = %d, Cache-Control %q", name, method, path, got.status, control)
						}
					}
				}
			}
		}
		if got := h.raw("POST", "/sso/backchannel-logout", "Content-Type", "application/x-www-form-urlencoded", "Content-Length", "0"); got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: back-channel logout is kept: %q", name, got.header["Cache-Control"])
		}
	}
}

// TestLoginThatAStrangerCraftsMakesNoState: nothing that comes before a good callback is written anywhere but in the browser.
func TestLoginThatAStrangerCraftsMakesNoState(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.Settings.Unsolicited = "confirm" })
	for range 50 {
		browser := ssotest.Browser(t)
		h.get(browser, "/sso/login?tenant="+tenantA)
		h.get(browser, "/sso/callback?code=x&state="+strings.Repeat("0", 64))
		h.get(browser, "/sso/logout")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sessions) != 0 || h.ends != 0 || h.touches != 0 || len(h.obeyed) != 0 {
		t.Errorf("%d sessions, %d ends, %d touches, %d logouts were written", len(h.sessions), h.ends, h.touches, len(h.obeyed))
	}
}
