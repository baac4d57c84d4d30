package sso_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
)

// TestBoundHost: a host of a tenant signs in that tenant's people and counts no others' sessions, however one tries.
func TestBoundHost(t *testing.T) {
	t.Parallel()
	h := newHosts(t, func(c *sso.Config) { c.TrustedProxies = loopback() })
	origin := h.at(boundHost)
	for _, query := range []string{"tenant=" + tenantB, "tenant=yuanhang", "iss=" + url.QueryEscape(h.centre.Domain(tenantB)+"/api/v1/oauth2")} {
		if got := h.get(h.browser(), origin+"/sso/login?"+query); got.status != http.StatusForbidden || !strings.Contains(h.log.String(), "tenant_mismatch") {
			t.Errorf("login?%s = %d, want 403 tenant_mismatch", query, got.status)
		}
	}
	for _, query := range []string{
		"", "tenant=", "q=" + url.QueryEscape("远航"), "unified=1", "tenant=" + tenantA, "tenant=chenguang",
		"iss=" + url.QueryEscape(h.centre.Domain(tenantA)+"/api/v1/oauth2"),
	} {
		if got := h.get(h.browser(), origin+"/sso/login?"+query); got.status != http.StatusFound || got.location.Query().Get("handover") == "" {
			t.Errorf("login?%s = %d to %v, want the tenant's sign-in without a question", query, got.status, got.location)
		}
	}

	// The session of another tenant, put into this host's cookies by hand.
	browser := h.browser()
	h.signIn(browser, tenantB, "zhang.san", "pw9")
	h.wantSubject(browser, tenantB+"/zhang.san")
	other := h.browser()
	other.Jar.SetCookies(mustParse(t, origin), browser.Jar.Cookies(mustParse(t, h.url)))
	other.Jar.SetCookies(mustParse(t, h.at(openHost)), browser.Jar.Cookies(mustParse(t, h.url)))
	h.wantAt(other, h.at(openHost), tenantB+"/zhang.san")
	h.wantAt(other, origin, "")
	for _, host := range []string{boundHost, "ACME.test", boundHost + "."} {
		spelled := strings.Replace(origin, boundHost, host, 1)
		r := newRequest(t, spelled+"/sso/me", browser.Jar.Cookies(mustParse(t, h.url)))
		w := newAnswer(h, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("me at %s = %d, want 401", spelled, w.Code)
		}
	}
	if got := h.get(other, origin+"/orders"); got.status != http.StatusFound || !strings.HasPrefix(got.header.Get("Location"), origin+"/sso/login") {
		t.Errorf("the product = %d to %v, want to sign in on this host", got.status, got.location)
	}
	if got := h.get(other, origin+"/sso/callback?code=c&state="+strings.Repeat("a", 64)); got.status != http.StatusBadRequest {
		t.Errorf("an old tab's callback = %d to %v, want 400: nobody is signed in here", got.status, got.location)
	}
	cookie := cookieHeader(browser.Jar.Cookies(mustParse(t, h.url)))
	for _, face := range []struct {
		name, target string
		headers      []string
	}{
		{"auth-request", "/sso/authz/auth-request", []string{"X-Original-Method", "GET", "X-Original-Host", "%s", "X-Original-Uri", "/x"}},
		{"forward-auth", "/sso/authz/forward-auth", []string{"X-Forwarded-Method", "GET", "X-Forwarded-Host", "%s", "X-Forwarded-Uri", "/x", "X-Forwarded-Proto", "http"}},
		{"ext-authz", "/sso/authz/ext-authz/x", []string{"Host", "%s"}},
	} {
		for host, want := range map[string]int{boundHost: 401, "Acme.TEST": 401, boundHost + ".:8443": 401, openHost: 200, h.host(): 200} {
			headers := []string{"Cookie", cookie}
			for _, text := range face.headers {
				headers = append(headers, strings.ReplaceAll(text, "%s", host))
			}
			if got := h.raw("GET", face.target, headers...); got.status != want {
				t.Errorf("%s about %s = %d, want %d", face.name, host, got.status, want)
			}
		}
	}
}

// TestBoundHostWithoutTenant: a tenant that is yet to be pushed is named by a page, and nobody else comes in meanwhile.
func TestBoundHostWithoutTenant(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.Settings.Hosts = []sso.Host{{Name: "new.test", Tenant: "yet-to-come"}} })
	if got := h.get(h.browser(), h.at("new.test")+"/sso/login"); got.status != http.StatusForbidden || !strings.Contains(h.log.String(), "unknown_tenant") {
		t.Errorf("login = %d, want 403 unknown_tenant", got.status)
	}
	if got := h.get(h.browser(), h.at("new.test")+"/sso/login?tenant="+tenantA); got.status != http.StatusForbidden {
		t.Errorf("login of another tenant = %d, want 403", got.status)
	}
}

// TestHostByCode: a code that several tenants share opens the chooser with those.
func TestHostByCode(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.Settings.Hosts = []sso.Host{{Name: "code.test", Tenant: "chenguang"}} })
	h.PutTenant(t, sso.Tenant{ID: "third", Code: "chenguang", Name: "晨光三厂", Domain: "https://auth.example", Live: true})
	got := h.get(h.browser(), h.at("code.test")+"/sso/login?return=/x")
	if got.status != http.StatusOK || !strings.Contains(got.body, "晨光三厂") || !strings.Contains(got.body, "晨光制造") || strings.Contains(got.body, "远航物流") {
		t.Errorf("login = %d, want a choice of the two\n%s", got.status, got.body)
	}
}

// TestCallbackOnFurtherHost: what the auth centre sent to the registered callback finishes nothing on another host, and no call is
// made for it.
func TestCallbackOnFurtherHost(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	for _, host := range []string{boundHost, openHost} {
		browser, origin := h.browser(), h.at(host)
		callback := h.authorize(browser, h.startAt(browser, origin, url.Values{"tenant": {tenantA}}), "zhang.san", "pw1")
		for _, more := range []string{"", "&tenant=" + tenantA} {
			if got := h.get(browser, strings.Replace(callback, h.url, origin, 1)+more); got.status != http.StatusBadRequest {
				t.Errorf("the callback on %s = %d to %v, want 400", host, got.status, got.location)
			}
		}
		// The state of the host's own attempt, which its cookie's name does not tell, is not the callback's either; and cookies of one
		// host are of no use on another.
		public := h.browser()
		public.Jar.SetCookies(mustParse(t, h.url), browser.Jar.Cookies(mustParse(t, origin)))
		if got := h.get(public, callback); got.status != http.StatusBadRequest {
			t.Errorf("the callback with the cookies of %s = %d, want 400", host, got.status)
		}
		h.wantAt(browser, origin, "")
	}
	if calls := h.centre.Calls(tenantA); calls.Token+calls.Userinfo != 0 {
		t.Errorf("%d token and %d userinfo calls, want none", calls.Token, calls.Userinfo)
	}
}

// TestUnsolicitedOnFurtherHost: each customer may have an address of its own registered with the portal, and the code that arrives
// there need not name the tenant.
func TestUnsolicitedOnFurtherHost(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	for _, tt := range []struct {
		host, query string
		status      int
	}{
		{boundHost, "code=c", 302},
		{boundHost, "code=c&state=the-portals-own", 302},
		{openHost, "code=c&state=the-portals-own", 400},
		{boundHost, "code=c&tenant=" + tenantA, 302},
		{boundHost, "code=c&tenant=" + tenantB, 403},
		{openHost, "code=c", 400},
		{openHost, "code=c&tenant=" + tenantB, 302},
	} {
		got := h.get(h.browser(), h.at(tt.host)+"/sso/callback?"+tt.query)
		if got.status != tt.status || tt.status == 302 && got.location.Query().Get("handover") == "" {
			t.Errorf("%s/sso/callback?%s = %d to %v, want %d", tt.host, tt.query, got.status, got.location, tt.status)
		}
	}
	if calls := h.centre.Calls(tenantA).Token + h.centre.Calls(tenantB).Token; calls != 0 {
		t.Errorf("%d token calls, want none", calls)
	}
}

// TestUnifiedPageFromFurtherHost: who goes to the marketplace's login page from a further host comes back to it, though the code
// that comes from there says nothing of it.
func TestUnifiedPageFromFurtherHost(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"bounce", "accept", "confirm"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			h := newHosts(t, func(c *sso.Config) { c.Settings.Chooser, c.Settings.Unsolicited = "off", policy })
			browser, origin := h.browser(), h.at(openHost)
			got := h.get(browser, origin+"/sso/login?return=/desk")
			for range 2 {
				if got.status != http.StatusFound {
					t.Fatalf("login = %d\n%s", got.status, got.body)
				}
				got = h.get(browser, got.location.String())
			}
			want := strings.ReplaceAll(h.centre.UnifiedLoginURL(), "{appId}", appID)
			if got.header.Get("Location") != want {
				t.Fatalf("login leads to %v, want the unified page %s", got.location, want)
			}
			back, err := h.centre.SignIn(t.Context(), browser, want, "zhang.san@chenguang", "pw1")
			if err != nil {
				t.Fatal(err)
			}
			got = h.get(browser, back)
			if policy == "bounce" {
				got = h.get(browser, h.authorize(browser, got.location.String(), "", ""))
			}
			if !strings.HasPrefix(got.header.Get("Location"), origin+"/sso/enter?ticket=") {
				t.Fatalf("callback = %d to %v, want a ticket\n%s", got.status, got.location, got.body)
			}
			got = h.get(browser, got.location.String())
			if policy == "confirm" {
				if got.header.Get("Location") != "/sso/confirm" {
					t.Fatalf("enter = %d to %v, want the question", got.status, got.location)
				}
				h.wantAt(browser, origin, "")
				return
			}
			if got.header.Get("Location") != "/desk" {
				t.Errorf("enter = %d to %v, want /desk\n%s", got.status, got.location, got.body)
			}
			h.wantAt(browser, origin, tenantA+"/zhang.san")
		})
	}
}

// TestPagesOnFurtherHost: logging out, waiting, being asked and choosing all happen on the host where the person is.
func TestPagesOnFurtherHost(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	browser, origin := h.browser(), h.at(openHost)

	got := h.get(browser, origin+"/sso/login?q="+url.QueryEscape("晨光")+"&return="+url.QueryEscape(origin+"/x"))
	if got.status != http.StatusOK || !strings.Contains(got.body, "return=%2fx") || !strings.Contains(got.body, origin+"/sso/login?return=%2Fx&amp;unified=1") {
		t.Errorf("chooser = %d, want the tenant, the path on this host and its way to the unified page\n%s", got.status, got.body)
	}

	// Waiting for the push.
	h.put(tenantA, "li.si", sso.AccountUnknown, "")
	if got = h.get(browser, h.ticketAt(browser, origin, tenantA, "li.si", "pw2")); got.header.Get("Location") != "/sso/pending" {
		t.Fatalf("enter = %d to %v, want /sso/pending", got.status, got.location)
	}
	if got = h.get(browser, origin+"/sso/pending"); got.status != http.StatusOK {
		t.Errorf("pending = %d", got.status)
	}
	if got = h.get(browser, h.url+"/sso/pending"); got.status != http.StatusBadRequest {
		t.Errorf("pending at the public address = %d, want 400", got.status)
	}
	h.put(tenantA, "li.si", sso.AccountActive, sso.RoleUser)
	for _, elsewhere := range []string{h.url, h.at(boundHost)} { // with the cookies of this host
		if w := newAnswer(h, newRequest(t, elsewhere+"/sso/pending", browser.Jar.Cookies(mustParse(t, origin)))); w.Code != http.StatusBadRequest {
			t.Errorf("who waits on %s goes on at %s: %d", origin, elsewhere, w.Code)
		}
	}
	if got = h.get(browser, origin+"/sso/pending"); got.header.Get("Location") != "/desk?a=1" {
		t.Errorf("pending after the push = %d to %v", got.status, got.location)
	}
	h.wantAt(browser, origin, tenantA+"/li.si")

	// Somebody else, begun by another site's page: the question stands on the host whose session it is about.
	h.centre.RemoveUser(tenantA, "li.si")
	address := h.ticketAt(browser, origin, tenantB, "zhang.san", "pw9", "Sec-Fetch-Site", "cross-site")
	if got = h.get(browser, address); got.header.Get("Location") != "/sso/confirm" {
		t.Fatalf("enter while somebody else is signed in = %d to %v, want /sso/confirm", got.status, got.location)
	}
	h.wantAt(browser, origin, tenantA+"/li.si")
	got = h.get(browser, origin+"/sso/confirm")
	form := url.Values{"csrf": {csrfOf(t, got.body)}}
	for _, from := range []string{h.url, h.at(boundHost), "https://evil.example"} {
		if got := h.do(browser, http.MethodPost, origin+"/sso/confirm", form, "Origin", from); got.status != http.StatusBadRequest {
			t.Errorf("the yes from a page of %s = %d, want 400", from, got.status)
		}
	}
	if got = h.do(browser, http.MethodPost, origin+"/sso/confirm", form, "Origin", origin); got.header.Get("Location") != "/desk?a=1" {
		t.Errorf("the yes = %d to %v\n%s", got.status, got.location, got.body)
	}
	h.wantAt(browser, origin, tenantB+"/zhang.san")

	// Signing out.
	if got = h.get(browser, origin+"/sso/logout", "Sec-Fetch-Site", "same-site"); got.status != http.StatusOK {
		t.Errorf("logout by a sibling host's link = %d, want a question", got.status)
	}
	if got := h.do(browser, http.MethodPost, origin+"/sso/logout", url.Values{}, "Origin", h.url); got.status != http.StatusBadRequest {
		t.Errorf("logout posted by the public address = %d, want 400", got.status)
	}
	h.wantAt(browser, origin, tenantB+"/zhang.san")
	got = h.do(browser, http.MethodPost, origin+"/sso/logout", url.Values{}, "Origin", origin)
	if to := got.location; to == nil || to.Query().Get("redirect_url") != origin+"/sso/signed-out" {
		t.Errorf("logout = %d to %v, want the auth centre's with the way back to this host", got.status, to)
	}
	h.wantAt(browser, origin, "")
	if got = h.get(browser, origin+"/sso/signed-out"); got.status != http.StatusOK || !strings.Contains(got.body, origin+"/sso/login") {
		t.Errorf("signed-out = %d, want a link to sign in on this host\n%s", got.status, got.body)
	}
}

// TestReturnsStayOnTheirHost: an address of one host is no return target of another.
func TestReturnsStayOnTheirHost(t *testing.T) {
	t.Parallel()
	h := newHosts(t, func(c *sso.Config) { c.TrustedProxies = loopback() })
	for _, tt := range []struct{ at, asked, want string }{
		{h.at(openHost), h.at(openHost) + "/x", "/x"},
		{h.at(openHost), "/x", "/x"},
		{h.at(openHost), h.url + "/x", ""},
		{h.at(openHost), h.at(boundHost) + "/x", ""},
		{h.url, h.at(openHost) + "/x", ""},
		{h.at(openHost), "//evil.example", ""},
		{h.at(openHost), "http://more.test/x", ""},
		{h.at(openHost), h.at("more.test.") + "/x", ""},
	} {
		got := h.get(h.browser(), tt.at+"/sso/login?return="+url.QueryEscape(tt.asked))
		if carried := strings.Contains(got.body, `value="/x"`); carried != (tt.want == "/x") {
			t.Errorf("return %s at %s is carried: %t, want %q\n%s", tt.asked, tt.at, carried, tt.want, got.body)
		}
	}
	for _, tt := range []struct{ host, uri, want string }{
		{strings.TrimPrefix(h.at(openHost), "http://"), "/x?y=1", h.at(openHost) + "/sso/login?return=%2Fx%3Fy%3D1"},
		{strings.TrimPrefix(h.at("MORE.test"), "http://"), "/x", h.at(openHost) + "/sso/login?return=%2Fx"},
		{openHost + ":1", "/x", h.at(openHost) + "/sso/login"},
		{openHost + ".", "/x", h.at(openHost) + "/sso/login"},
		{"other.test", "/x", h.url + "/sso/login"},
		{h.host(), "/x", h.url + "/sso/login?return=%2Fx"},
	} {
		headers := []string{"X-Forwarded-Method", "GET", "X-Forwarded-Host", tt.host, "X-Forwarded-Uri", tt.uri, "X-Forwarded-Proto", "http"}
		got := h.raw("GET", "/sso/authz/forward-auth", append(headers, "Accept", "text/html")...)
		if to := got.header.Get("Location"); to != tt.want {
			t.Errorf("forward-auth about %s = %d to %s, want %s", tt.host, got.status, to, tt.want)
		}
		script := h.raw("GET", "/sso/authz/forward-auth", append(headers, "Accept", "application/json")...)
		if !strings.Contains(script.body, strings.ReplaceAll(tt.want, "&", `\u0026`)) {
			t.Errorf("forward-auth about %s tells a script %s, want %s", tt.host, script.body, tt.want)
		}
	}
	// The words of a peer whom nobody listed are not believed.
	stranger := newHosts(t, func(c *sso.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")} })
	got := stranger.raw("GET", "/sso/authz/forward-auth", "X-Forwarded-Method", "GET", "X-Forwarded-Host", openHost, "X-Forwarded-Uri", "/x",
		"X-Forwarded-Proto", "http", "Accept", "text/html")
	if to := got.header.Get("Location"); to != stranger.url+"/sso/login" {
		t.Errorf("forward-auth of a stranger leads to %s, want the public address", to)
	}
}

// TestSpelledHost: a dot at the end makes another host of it for cookies, so a sign-in begins at the host as it is configured.
func TestSpelledHost(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	got := h.get(h.browser(), h.at(openHost+".")+"/sso/login?tenant="+tenantA+"&return=/x")
	if want := h.at(openHost) + "/sso/login?tenant=" + tenantA + "&return=/x"; got.status != http.StatusFound || got.header.Get("Location") != want {
		t.Errorf("login = %d to %v, want %s", got.status, got.location, want)
	}
}

// TestReloadedCallbackOfFurtherHost: the back button leads through the public callback again, where nobody is signed in.
func TestReloadedCallbackOfFurtherHost(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	browser, origin := h.browser(), h.at(openHost)
	callback := h.authorize(browser, h.startAt(browser, origin, url.Values{"tenant": {tenantA}, "return": {"/desk"}}), "zhang.san", "pw1")
	h.get(browser, h.get(browser, callback).location.String())
	got := h.get(browser, callback)
	if got.status != http.StatusSeeOther || !strings.HasPrefix(got.header.Get("Location"), origin+"/sso/enter") {
		t.Fatalf("callback again = %d to %v, want the further host", got.status, got.location)
	}
	if got = h.get(browser, got.location.String()); got.header.Get("Location") != "/desk" {
		t.Errorf("enter again = %d to %v, want /desk\n%s", got.status, got.location, got.body)
	}
	if calls := h.centre.Calls(tenantA).Token; calls != 1 {
		t.Errorf("%d token calls, want 1", calls)
	}
}

// TestTabsOnFurtherHost: several sign-ins under way do not disturb each other, and are at most five.
func TestTabsOnFurtherHost(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	browser, origin := h.browser(), h.at(openHost)
	first := h.startAt(browser, origin, url.Values{"tenant": {tenantA}, "return": {"/one"}})
	second := h.startAt(browser, origin, url.Values{"tenant": {tenantA}, "return": {"/two"}})
	for _, tab := range []struct{ authorize, want string }{{first, "/one"}, {second, "/two"}} {
		got := h.get(browser, h.authorize(browser, tab.authorize, "zhang.san", "pw1"))
		if got = h.get(browser, got.location.String()); got.header.Get("Location") != tab.want {
			t.Errorf("tab = %d to %v, want %s", got.status, got.location, tab.want)
		}
	}
	for range 8 {
		h.startAt(browser, origin, url.Values{"tenant": {tenantA}})
		h.clock.advance(1e9)
	}
	for _, at := range []string{origin, h.url} {
		n := 0
		for _, c := range browser.Jar.Cookies(mustParse(t, at)) {
			if strings.Contains(c.Name, "-a-") {
				n++
			}
		}
		if n > 5 || n == 0 {
			t.Errorf("%d attempts under way at %s, want 1 to 5", n, at)
		}
	}
}

// TestProxyFurtherHost: the product hears which host a request came to, and its WebSockets are for pages of that host.
func TestProxyFurtherHost(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	browser := h.browser()
	h.get(browser, h.ticketAt(browser, h.at(boundHost), "", "zhang.san", "pw1"))
	cookie := cookieHeader(browser.Jar.Cookies(mustParse(t, h.at(boundHost))))
	name := strings.TrimPrefix(h.at(boundHost), "http://")
	got := h.rawTo(h.proxied(), "GET", "/x", "Host", name, "Cookie", cookie, "X-Forwarded-Host", "evil.example")
	if got.status != http.StatusOK || !strings.Contains(got.body, `"host":"`+name+`"`) || !strings.Contains(got.body, `"X-Forwarded-Host":["`+name+`"]`) {
		t.Errorf("proxy = %d, want the product to see %s\n%s", got.status, name, got.body)
	}
	for origin, want := range map[string]int{h.at(boundHost): 200, h.url: 403, h.at(openHost): 403, "https://evil.example": 403} {
		got := h.rawTo(h.proxied(), "GET", "/socket", "Host", name, "Cookie", cookie, "Connection", "Upgrade", "Upgrade", "websocket", "Origin", origin)
		if got.status != want {
			t.Errorf("a WebSocket of a page of %s = %d, want %d", origin, got.status, want)
		}
	}
}

// TestCASOnFurtherHost: with CAS nothing but the browser's cookies says which sign-in a ticket is for.
func TestCASOnFurtherHost(t *testing.T) {
	t.Parallel()
	for _, template := range []string{marked, glued, bound} {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			h := casHouse(t, template, func(s *sso.Settings) { s.Hosts = []sso.Host{{Name: openHost}} })
			browser, origin := h.browser(), "http://"+openHost
			authorize := h.startAt(browser, origin, url.Values{"tenant": {tenantA}, "return": {"/desk"}})
			// The host's own attempt awaits a ticket of ours, and none of an auth centre.
			got := h.get(browser, origin+"/sso/callback?ticket=ST-1&tenant="+tenantA)
			if got.status == http.StatusSeeOther || strings.Contains(h.log.String(), "attempt_expired") {
				t.Errorf("a ticket at the host itself = %d to %v, want it refused as one that nobody asked for\n%s", got.status, got.location, h.log)
			}
			back := h.get(browser, h.authorize(browser, authorize, "zhang.san", "pw1"))
			if got = h.get(browser, back.header.Get("Location")); got.header.Get("Location") != "/desk" {
				t.Fatalf("enter = %d to %v\n%s", got.status, got.location, h.log)
			}
			h.wantAt(browser, origin, tenantA+"/zhang.san")
			h.wantAt(browser, h.url, "")
		})
	}
}

// TestBackchannelLogoutOnFurtherHost: a session of a further host is the auth centre's to end like any other.
func TestBackchannelLogoutOnFurtherHost(t *testing.T) {
	t.Parallel()
	o := newHostile(t)
	h := oidcHouse(t, o.URL, func(s *sso.Settings) { s.Hosts = []sso.Host{{Name: openHost}} })
	browser, origin := h.browser(), "http://"+openHost
	authorize := h.startAt(browser, origin, url.Values{"tenant": {tenantA}})
	got := o.answer(h, browser, mustParse(t, authorize), nil)
	if got = h.get(browser, got.header.Get("Location")); got.status != http.StatusSeeOther {
		t.Fatalf("enter = %d\n%s", got.status, h.log)
	}
	h.wantAt(browser, origin, tenantA+"/zhang.san")
	if got := h.backchannel(url.Values{"logout_token": {o.logoutToken(h, nil)}}); got.status != http.StatusOK {
		t.Errorf("logout = %d\n%s", got.status, h.log)
	}
	h.clock.advance(sso.DecisionAge)
	h.wantAt(browser, origin, "")
}
