package sso_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// with returns a callback address with one parameter replaced, added (a second value) or, if empty, removed.
func with(t *testing.T, address, name string, values ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Del(name)
	for _, v := range values {
		q.Add(name, v)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func TestCallbackChecksBeforeAnyCall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, h *house, browser *http.Client, back string) (string, *http.Client)
		status int
	}{
		{"state of nobody", func(t *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			return with(t, back, "state", strings.Repeat("0", 64)), b
		}, 400},
		{"state missing, no tenant", func(t *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			return with(t, back, "state"), b
		}, 400},
		{"state in another form, no tenant", func(t *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			return with(t, back, "state", "abc"), b
		}, 400},
		{"state twice", func(t *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			u, _ := url.Parse(back)
			return with(t, back, "state", u.Query().Get("state"), "other"), b
		}, 400},
		{"state of 10 KB", func(t *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			return with(t, back, "state", strings.Repeat("a", 10<<10)), b
		}, 400},
		{"another browser", func(t *testing.T, _ *house, _ *http.Client, back string) (string, *http.Client) {
			return back, ssotest.Browser(t)
		}, 400},
		{"expired", func(_ *testing.T, h *house, b *http.Client, back string) (string, *http.Client) {
			h.clock.advance(10*time.Minute + time.Second)
			return back, b
		}, 400},
		{"state of A, tenant B", func(t *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			return with(t, back, "tenant", tenantB), b
		}, 403},
		{"tenant parameters disagree", func(t *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			return with(t, with(t, back, "tenant", tenantA), "tenantId", tenantB), b
		}, 403},
		{"iss of elsewhere", func(t *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			return with(t, back, "iss", "https://evil.example"), b
		}, 403},
		{"code twice", func(t *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			return with(t, back, "code", "a", "b"), b
		}, 400},
		{"error with HTML", func(t *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			return with(t, with(t, back, "error", "<b>x"), "error_description", "<script>1</script>"), b
		}, 403},
		{"semicolon in the query", func(_ *testing.T, _ *house, b *http.Client, back string) (string, *http.Client) {
			return back + ";a=b", b
		}, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			browser := ssotest.Browser(t)
			back := h.authorize(browser, h.start(browser, tenantA, "/"), "zhang.san", "pw1")
			address, from := tt.change(t, h, browser, back)
			got := h.get(from, address)
			if got.status != tt.status {
				t.Errorf("callback = %d, want %d\n%s", got.status, tt.status, got.body)
			}
			if strings.Contains(got.body, "<script>1") {
				t.Error("the page shows the stranger's text")
			}
			if calls := h.centre.Calls(tenantA); calls.Token+h.centre.Calls(tenantB).Token != 0 {
				t.Error("a token call was made")
			}
			if len(h.sessions) != 0 {
				t.Error("a session was made")
			}
		})
	}
}

func TestLookingAheadUsesNothingUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	back := h.authorize(browser, h.start(browser, tenantA, "/"), "zhang.san", "pw1")
	if got := h.do(browser, http.MethodHead, back, nil); got.status != http.StatusNoContent || len(got.header["Set-Cookie"]) > 0 {
		t.Errorf("HEAD = %d, cookies %v", got.status, got.header["Set-Cookie"])
	}
	h.get(browser, back, "Sec-Purpose", "prefetch;prerender")
	h.do(browser, http.MethodPost, back, url.Values{})
	if calls := h.centre.Calls(tenantA); calls.Token != 0 {
		t.Fatalf("%d token calls, want none", calls.Token)
	}
	h.get(browser, back)
	h.wantSubject(browser, tenantA+"/zhang.san")
}

func TestTabsDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	a, b := h.start(browser, tenantA, "/a"), h.start(browser, tenantB, "/b")
	backB := h.authorize(browser, b, "zhang.san", "pw9")
	backA := h.authorize(browser, a, "zhang.san", "pw1")
	if got := h.get(browser, backA); got.header.Get("Location") != "/a" {
		t.Errorf("first tab = %d to %v, want /a", got.status, got.location)
	}
	if got := h.get(browser, backB); got.header.Get("Location") != "/b" {
		t.Errorf("second tab = %d to %v, want /b", got.status, got.location)
	}
	h.wantSubject(browser, tenantB+"/zhang.san")
}

func TestAttemptsAreAtMostFive(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ path, want int }{{1, 5}, {1200, 2}} {
		h := newHouse(t, nil)
		browser := ssotest.Browser(t)
		u, _ := url.Parse(h.url)
		last := ""
		for range 9 {
			last = h.start(browser, tenantA, "/"+strings.Repeat("x", tt.path))
			h.clock.advance(time.Second)
		}
		count, size := 0, 0
		for _, c := range browser.Jar.Cookies(u) {
			if strings.Contains(c.Name, "-a-") {
				count++
				size += len(c.Value)
			}
		}
		if count != tt.want || size > 6<<10 {
			t.Errorf("%d attempts of %d bytes, want %d and at most 6 KB", count, size, tt.want)
		}
		if len(h.sessions) != 0 {
			t.Error("something was stored")
		}
		h.get(browser, h.authorize(browser, last, "zhang.san", "pw1"))
		h.wantSubject(browser, tenantA+"/zhang.san") // the newest one is kept
	}
}

// TestTheOldestTabGivesWay: of attempts that began within one second, too, it is the newest ones that are kept.
func TestTheOldestTabGivesWay(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	var addresses []string
	for range 7 {
		addresses = append(addresses, h.start(browser, tenantA, "/"))
	}
	for i, address := range addresses {
		got := h.get(browser, h.authorize(browser, address, "zhang.san", "pw1"))
		_, me := h.me(browser)
		if signedIn := me["sub"] != ""; signedIn != (i >= 2) {
			t.Errorf("attempt %d of 7: signed in is %t; the callback answered %d", i+1, signedIn, got.status)
		}
		h.get(browser, "/sso/logout", "Sec-Fetch-Site", "same-origin")
	}
}

// TestARefusalLoadedAgain: the page that says why somebody may not come in says, when it is loaded again, that this sign-in is
// over, and not that the browser lost something. The code is not sent again.
func TestARefusalLoadedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.put(tenantA, "zhang.san", sso.AccountDisabled, sso.RoleUser)
	browser := ssotest.Browser(t)
	back := h.authorize(browser, h.start(browser, tenantA, "/"), "zhang.san", "pw1")
	if got := h.get(browser, back); got.status != http.StatusForbidden || !strings.Contains(got.body, "user_disabled") {
		t.Fatalf("callback = %d\n%s", got.status, got.body)
	}
	calls := h.centre.Calls(tenantA)
	for name, browser := range map[string]*http.Client{"again": browser, "elsewhere": ssotest.Browser(t)} {
		if got := h.get(browser, back); got.status != http.StatusBadRequest || !strings.Contains(got.body, "attempt_expired") {
			t.Errorf("%s: callback = %d\n%s", name, got.status, got.body)
		}
		h.wantSubject(browser, "")
	}
	if after := h.centre.Calls(tenantA).Token; after != calls.Token {
		t.Errorf("%d more token calls", after-calls.Token)
	}
}

// unsolicitedCode signs in at the unified login page: a code and a tenant, but no state.
func (h *house) unsolicitedCode(browser *http.Client, who, password string) string {
	h.t.Helper()
	return h.authorize(browser, strings.ReplaceAll(h.centre.UnifiedLoginURL(), "{appId}", appID), who, password)
}

func TestUnsolicitedCode(t *testing.T) {
	t.Parallel()
	const who = "zhang.san@chenguang"
	t.Run("bounce", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, nil)
		browser := ssotest.Browser(t)
		got := h.get(browser, h.unsolicitedCode(browser, who, "pw1"))
		if got.status != http.StatusFound || !strings.HasPrefix(got.header.Get("Location"), h.centre.Domain(tenantA)) {
			t.Fatalf("callback = %d to %v, want a bounce to the tenant", got.status, got.location)
		}
		if calls := h.centre.Calls(tenantA); calls.Token != 0 {
			t.Error("the unsolicited code was redeemed")
		}
		h.get(browser, h.authorize(browser, got.location.String(), "zhang.san", "pw1"))
		h.wantSubject(browser, tenantA+"/zhang.san")
	})
	t.Run("bounce falls back to confirm", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, nil)
		browser := ssotest.Browser(t)
		h.get(browser, h.unsolicitedCode(browser, who, "pw1"))
		got := h.get(browser, h.unsolicitedCode(browser, who, "pw1"))
		if got.header.Get("Location") != "/sso/confirm" {
			t.Fatalf("second callback = %d to %v, want the confirm page", got.status, got.location)
		}
	})
	t.Run("confirm", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, func(c *sso.Config) { c.Settings.Unsolicited = "confirm" })
		browser := ssotest.Browser(t)
		got := h.get(browser, h.unsolicitedCode(browser, who, "pw1"))
		if got.header.Get("Location") != "/sso/confirm" {
			t.Fatalf("callback = %d to %v, want the confirm page", got.status, got.location)
		}
		h.wantSubject(browser, "")
		page := h.get(browser, "/sso/confirm")
		token := csrfOf(t, page.body)
		for name, try := range map[string]func() reply{
			"without a token":    func() reply { return h.do(browser, http.MethodPost, "/sso/confirm", url.Values{}) },
			"with a wrong token": func() reply { return h.do(browser, http.MethodPost, "/sso/confirm", url.Values{"csrf": {"x"}}) },
			"from a foreign page": func() reply {
				return h.do(browser, http.MethodPost, "/sso/confirm", url.Values{"csrf": {token}}, "Sec-Fetch-Site", "cross-site")
			},
			"from another browser": func() reply {
				return h.do(ssotest.Browser(t), http.MethodPost, "/sso/confirm", url.Values{"csrf": {token}})
			},
		} {
			if got := try(); got.status != http.StatusBadRequest {
				t.Errorf("confirm %s = %d, want 400", name, got.status)
			}
		}
		h.wantSubject(browser, "")
		if got := h.do(browser, http.MethodPost, "/sso/confirm", url.Values{"csrf": {token}}); got.status != http.StatusSeeOther {
			t.Errorf("confirm = %d, want 303\n%s", got.status, got.body)
		}
		h.wantSubject(browser, tenantA+"/zhang.san")
	})
	t.Run("accept", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, func(c *sso.Config) { c.Settings.Unsolicited = "accept" })
		browser := ssotest.Browser(t)
		h.get(browser, h.unsolicitedCode(browser, who, "pw1"))
		h.wantSubject(browser, tenantA+"/zhang.san")
		if h.centre.Calls(tenantA).LastToken.Has("redirect_uri") {
			t.Error("redirect_uri was sent for a code whose redirect_uri nobody here knows")
		}
	})
	for _, policy := range []string{"bounce", "accept"} {
		t.Run(policy+", somebody else is signed in", func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, func(c *sso.Config) { c.Settings.Unsolicited = policy })
			victim, attacker := ssotest.Browser(t), ssotest.Browser(t)
			h.signIn(victim, tenantA, "li.si", "pw2")
			got := h.get(victim, h.unsolicitedCode(attacker, who, "pw1"))
			if policy == "bounce" { // the auth centre answers with its own session: that of the victim
				got = h.get(victim, h.authorize(victim, got.location.String(), "li.si", "pw2"))
				if got.status != http.StatusSeeOther || got.header.Get("Location") != "/" {
					t.Errorf("callback = %d to %v, want home", got.status, got.location)
				}
			} else if got.header.Get("Location") != "/sso/confirm" {
				t.Errorf("callback = %d to %v, want the confirm page", got.status, got.location)
			}
			h.wantSubject(victim, tenantA+"/li.si")
		})
	}
	t.Run("unknown tenant", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, nil)
		if got := h.get(ssotest.Browser(t), "/sso/callback?code=x&tenant=nobody"); got.status != http.StatusForbidden {
			t.Errorf("callback = %d, want 403", got.status)
		}
	})
}

func csrfOf(t *testing.T, page string) string {
	t.Helper()
	_, rest, _ := strings.Cut(page, `name="csrf" value="`)
	token, _, found := strings.Cut(rest, `"`)
	if !found || token == "" {
		t.Fatalf("no token on the page\n%s", page)
	}
	return token
}

func TestAccountSwitch(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	h.signIn(browser, tenantB, "zhang.san", "pw9")
	h.wantSubject(browser, tenantB+"/zhang.san")
	if len(h.sessions) != 1 {
		t.Errorf("%d sessions, want the old one ended", len(h.sessions))
	}
	// Begun from a foreign page it asks first.
	address := h.start(browser, tenantA, "/", "Sec-Fetch-Site", "cross-site")
	got := h.get(browser, h.authorize(browser, address, "zhang.san", "pw1"))
	if got.header.Get("Location") != "/sso/confirm" {
		t.Errorf("callback = %d to %v, want the confirm page", got.status, got.location)
	}
	h.wantSubject(browser, tenantB+"/zhang.san")
}

func TestLoopBreaker(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	u, _ := url.Parse(h.url)
	for i := range 4 {
		got := h.get(browser, "/sso/login?tenant="+tenantA)
		if i == 3 {
			if got.status != http.StatusForbidden {
				t.Errorf("fourth login within a minute = %d, want 403", got.status)
			}
			break
		}
		h.get(browser, h.authorize(browser, got.location.String(), "zhang.san", "pw1"))
		browser.Jar.SetCookies(u, []*http.Cookie{{Name: "kitbridge-" + u.Port(), Path: "/", MaxAge: -1}}) // it does not come back
	}
	h.clock.advance(time.Minute)
	if got := h.get(browser, "/sso/login?tenant="+tenantA); got.status != http.StatusFound {
		t.Errorf("login a minute later = %d, want a redirect", got.status)
	}
}

func TestFailedCallbacksAreLimited(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser, stranger := ssotest.Browser(t), ssotest.Browser(t)
	fail := func(kind string, callback func() reply) {
		t.Helper()
		for range 60 {
			if got := callback(); got.status != http.StatusBadRequest {
				t.Fatalf("%s = %d, want 400", kind, got.status)
			}
		}
		if got := callback(); got.status != http.StatusTooManyRequests {
			t.Errorf("%s, the 61st = %d, want 429", kind, got.status)
		}
	}
	fail("of no attempt", func() reply { return h.get(stranger, "/sso/callback?code=x") })
	if got := h.get(stranger, "/sso/callback?code=x&code=y"); got.status != http.StatusTooManyRequests {
		t.Errorf("one that makes no sense = %d, want 429 too", got.status)
	}
	h.signIn(browser, tenantA, "zhang.san", "pw1") // at the same address
	h.wantSubject(browser, tenantA+"/zhang.san")

	wrong := func() reply {
		return h.get(stranger, "/sso/callback?code=wrong&state="+stateOf(t, h.start(stranger, tenantA, "/")))
	}
	fail("of attempts with wrong codes", wrong)
	h.signIn(browser, tenantB, "zhang.san", "pw9")
	h.wantSubject(browser, tenantB+"/zhang.san") // people of another tenant do not feel it

	h.clock.advance(time.Minute)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	h.wantSubject(browser, tenantA+"/zhang.san")
}

// TestAuthCentreThatIsDownLimitsNobody: those who try meanwhile are let in as soon as it answers again.
func TestAuthCentreThatIsDownLimitsNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	back := h.authorize(browser, h.start(browser, tenantA, "/"), "zhang.san", "pw1")
	tenant := h.tenants[tenantA]
	down := tenant
	down.Domain = "http://127.0.0.1:1"
	h.PutTenant(t, down)
	for range 61 {
		other := ssotest.Browser(t)
		if got := h.get(other, "/sso/callback?code=x&state="+stateOf(t, h.start(other, tenantA, "/"))); got.status != http.StatusBadGateway {
			t.Fatalf("callback = %d, want 502\n%s", got.status, got.body)
		}
	}
	h.PutTenant(t, tenant)
	h.get(browser, back)
	h.wantSubject(browser, tenantA+"/zhang.san")
}

func TestLogout(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.Settings.ProductCookies = []string{"JSESSIONID"} })
	browser := ssotest.Browser(t)
	got := h.signIn(browser, tenantA, "zhang.san", "pw1")
	if !strings.Contains(strings.Join(got.header["Set-Cookie"], "\n"), "JSESSIONID=; Path=/; Max-Age=0") {
		t.Error("the product's cookie survived the sign-in")
	}
	h.wantSubject(browser, tenantA+"/zhang.san")
	if got := h.do(browser, http.MethodPost, "/sso/logout", nil, "Sec-Fetch-Site", "cross-site"); got.status != http.StatusBadRequest {
		t.Errorf("a foreign page's POST = %d, want 400", got.status)
	}
	if got := h.get(browser, "/sso/logout", "Sec-Fetch-Site", "cross-site"); got.status != http.StatusOK || !strings.Contains(got.body, "<form") {
		t.Errorf("a foreign page's link = %d, want a question", got.status)
	}
	h.wantSubject(browser, tenantA+"/zhang.san")
	got = h.get(browser, "/sso/logout", "Sec-Fetch-Site", "same-origin")
	want := h.centre.Domain(tenantA) + "/api/v1/logout?redirect_url=" + url.QueryEscape(h.url+"/sso/signed-out")
	if got.status != http.StatusSeeOther || got.header.Get("Location") != want {
		t.Errorf("logout = %d to %q, want %q", got.status, got.header.Get("Location"), want)
	}
	h.wantSubject(browser, "")
	if len(h.sessions) != 0 {
		t.Error("the session is still stored")
	}
	ends := h.ends
	u, _ := url.Parse(h.url)
	got = h.do(ssotest.Browser(t), http.MethodPost, "/sso/logout", nil, "Cookie", "kitbridge-"+u.Port()+"="+strings.Repeat("A", 43))
	if cleared := strings.Contains(strings.Join(got.header["Set-Cookie"], "\n"), "kitbridge-"+u.Port()+"=;"); h.ends != ends || !cleared {
		t.Errorf("a stranger's logout made %d writes, cookie cleared: %v, want none and true", h.ends-ends, cleared)
	}
	if got := h.get(browser, "/sso/signed-out"); got.status != http.StatusOK {
		t.Errorf("signed-out = %d", got.status)
	}
	if got := h.do(browser, http.MethodPost, "/sso/logout", nil); got.header.Get("Location") != h.url+"/sso/signed-out" {
		t.Errorf("logout without a session = %d to %v", got.status, got.location)
	}
}

// TestWaitingDoesNotSkipTheQuestion: a sign-in that has to be confirmed is still to be confirmed after it waited for its
// account.
func TestWaitingDoesNotSkipTheQuestion(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "li.si", "pw2")
	h.put(tenantB, "zhang.san", sso.AccountUnknown, "")
	address := h.start(browser, tenantB, "/x", "Sec-Fetch-Site", "cross-site")
	if got := h.get(browser, h.authorize(browser, address, "zhang.san", "pw9")); got.header.Get("Location") != "/sso/pending" {
		t.Fatalf("callback = %d to %v, want /sso/pending", got.status, got.location)
	}
	h.put(tenantB, "zhang.san", sso.AccountActive, sso.RoleUser)
	if got := h.get(browser, "/sso/pending"); got.header.Get("Location") != "/sso/confirm" {
		t.Errorf("pending = %d to %v, want /sso/confirm", got.status, got.location)
	}
	h.wantSubject(browser, tenantA+"/li.si")
	page := h.get(browser, "/sso/confirm")
	if !strings.Contains(page.body, "li.si") {
		t.Error("the page does not say who is signed in now")
	}
	got := h.do(browser, http.MethodPost, "/sso/confirm", url.Values{"csrf": {csrfOf(t, page.body)}})
	if got.header.Get("Location") != "/x" {
		t.Errorf("confirm = %d to %v, want /x", got.status, got.location)
	}
	h.wantSubject(browser, tenantB+"/zhang.san")
}

func TestLookingAheadBeginsNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		got := h.do(ssotest.Browser(t), method, "/sso/login?tenant="+tenantA, nil, "Sec-Purpose", "prefetch")
		if got.status != http.StatusNoContent || len(got.header["Set-Cookie"]) != 0 {
			t.Errorf("%s = %d with cookies %v, want 204 and none", method, got.status, got.header["Set-Cookie"])
		}
	}
}
