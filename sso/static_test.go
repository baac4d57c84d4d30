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

// useStatic brings tenants of the configuration into force.
func (h *house) useStatic(tenants ...sso.StaticTenant) {
	h.t.Helper()
	if err := h.rp.SetStatic(tenants); err != nil {
		h.t.Fatal(err)
	}
	h.clock.advance(time.Second) // what was decided before is no longer used
}

// acme is tenant A of the auth centre as the configuration has it.
func (h *house) acme() sso.StaticTenant {
	return sso.StaticTenant{
		ID: tenantA, Code: "acme", Name: "ACME 工具", Issuer: h.centre.Domain(tenantA), ClientID: "client-a", Secret: secretA,
	}
}

// with returns the house's settings, changed.
func (h *house) with(profile sso.ProfileName, change func(*sso.Settings)) *sso.Settings {
	s := sso.DefaultSettings(profile)
	s.App, s.AllowInsecureAuthCentres, s.Timeout = appID, true, 2*time.Second
	if change != nil {
		change(&s)
	}
	return &s
}

// staticHouse is a house where no push names tenant A.
func staticHouse(t *testing.T, change func(*sso.Config)) *house {
	t.Helper()
	h := newHouse(t, change)
	h.forget(tenantA)
	return h
}

// TestStaticTenant signs in at a tenant that nothing was pushed about, beside one of the marketplace.
func TestStaticTenant(t *testing.T) {
	t.Parallel()
	h := staticHouse(t, nil)
	browser := ssotest.Browser(t)
	if got := h.get(browser, "/sso/login?tenant=acme"); got.status != http.StatusForbidden {
		t.Errorf("login before the tenant is configured = %d, want 403", got.status)
	}
	h.useStatic(h.acme())
	got := h.signIn(browser, "acme", "zhang.san", "pw1")
	if got.header.Get("Location") != "/desk?a=1" {
		t.Fatalf("callback = %d to %v\n%s\n%s", got.status, got.location, got.body, h.log)
	}
	_, me := h.me(browser)
	for name, want := range map[string]string{
		"sub": tenantA + "/zhang.san", "tenant": tenantA, "name": "张三", "role": "user", "organizationCode": "10000", "email": "zhang.san@example.com",
	} {
		if me[name] != want {
			t.Errorf("/sso/me: %s = %q, want %q", name, me[name], want)
		}
	}
	headers := h.do(browser, http.MethodGet, "/sso/authz/auth-request", nil).header
	if headers.Get("X-Auth-Subject") != tenantA+"/zhang.san" || headers.Get("X-Auth-Role") != "user" || headers.Get("X-Auth-Assertion") == "" {
		t.Errorf("decision = %v", headers)
	}
	if calls := h.centre.Calls(tenantA); calls.Token != 1 || calls.LastToken.Get("client_secret") != secretA {
		t.Errorf("calls = %+v, want one token call with the configured secret", calls)
	}
	if out := h.get(browser, "/sso/logout"); !strings.HasPrefix(out.header.Get("Location"), h.centre.Domain(tenantA)+"/api/v1/logout?") {
		t.Errorf("logout leads to %q, want the tenant's auth centre", out.header.Get("Location"))
	}
	h.wantSubject(browser, "")
	other := ssotest.Browser(t)
	h.signIn(other, tenantB, "zhang.san", "pw9")
	h.wantSubject(other, tenantB+"/zhang.san")
	if strings.Contains(h.log.String(), secretA) {
		t.Error("the log has the secret")
	}
}

// TestStaticTenantIsFound by everything that finds tenants, together with those that are pushed.
func TestStaticTenantIsFound(t *testing.T) {
	t.Parallel()
	h := staticHouse(t, func(c *sso.Config) { c.Settings.Chooser = "list" })
	h.PutTenant(t, sso.Tenant{ID: "test-realm", Code: "acme-debug", Name: "ACME debug", Domain: "https://d.example", Live: true, Test: true})
	own := h.acme()
	own.Name = "<ACME> 工具"
	h.useStatic(own, sso.StaticTenant{ID: tenantB, Settings: h.with(sso.ProfileKit, nil)})
	list := func(q string) string {
		t.Helper()
		return h.get(ssotest.Browser(t), "/sso/login?tenant=&q="+url.QueryEscape(q)).body
	}
	for _, tt := range []struct {
		search       string
		acme, pushed bool
	}{{"acme", true, false}, {"Acme", true, false}, {"工具", true, false}, {"远航", false, true}, {"", true, true}, {"nobody", false, false}} {
		page := list(tt.search)
		if got := strings.Contains(page, "&lt;ACME&gt; 工具"); got != tt.acme || strings.Contains(page, "<ACME>") {
			t.Errorf("search %q shows the static tenant: %v, want %v", tt.search, got, tt.acme)
		}
		if got := strings.Count(page, "远航物流"); got != map[bool]int{true: 1}[tt.pushed] {
			t.Errorf("search %q shows the pushed tenant %d times", tt.search, got)
		}
		if strings.Contains(page, "ACME debug") {
			t.Errorf("search %q shows debug data", tt.search)
		}
	}
	for _, query := range []string{"tenant=acme", "tenant=" + tenantA, "iss=" + url.QueryEscape(h.centre.Domain(tenantA)+"/api/v1/oauth2")} {
		got := h.get(ssotest.Browser(t), "/sso/login?"+query)
		if query[0] == 'i' { // a static tenant's issuer is exactly what is configured
			if got.status != http.StatusForbidden {
				t.Errorf("%s = %d, want 403", query, got.status)
			}
			continue
		}
		if got.location == nil || !strings.HasPrefix(got.location.String(), h.centre.Domain(tenantA)) {
			t.Errorf("%s = %d to %v, want the tenant's auth centre", query, got.status, got.location)
		}
	}
	got := h.get(ssotest.Browser(t), "/sso/login?iss="+url.QueryEscape(h.centre.Domain(tenantA)))
	if got.location == nil || !strings.HasPrefix(got.location.String(), h.centre.Domain(tenantA)) {
		t.Errorf("iss = %d to %v, want the tenant's auth centre", got.status, got.location)
	}
	h.PutTenant(t, sso.Tenant{ID: "twin", Code: "acme", Name: "Twin", Domain: "https://twin.example", Live: true})
	if got := h.get(ssotest.Browser(t), "/sso/login?tenant=acme"); got.status != http.StatusOK || !strings.Contains(got.body, "Twin") || !strings.Contains(got.body, "工具") {
		t.Errorf("a code that a pushed tenant shares = %d, want the chooser with both", got.status)
	}
}

// TestUnknownUsersOfStaticTenants: no push will ever name them.
func TestUnknownUsersOfStaticTenants(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		common, own string
		in          bool
	}{{"pending", "", true}, {"jit", "", true}, {"deny", "", false}, {"deny", "jit", true}, {"deny", "pending", true}, {"pending", "deny", false}} {
		h := staticHouse(t, func(c *sso.Config) { c.Settings.UnknownUser = tt.common })
		acme := h.acme()
		if tt.own != "" {
			acme.Settings = h.with(sso.ProfileKit, func(s *sso.Settings) { s.UnknownUser = tt.own })
		}
		h.useStatic(acme)
		browser := ssotest.Browser(t)
		got := h.signIn(browser, tenantA, "zhang.san", "pw1")
		want := map[bool]string{true: tenantA + "/zhang.san"}[tt.in]
		h.wantSubject(browser, want)
		if !tt.in && (got.status != http.StatusForbidden || !strings.Contains(h.log.String(), "user_unknown")) {
			t.Errorf("%+v: callback = %d, want 403 user_unknown\n%s", tt, got.status, h.log)
		}
	}
}

func TestRoleOfStaticTenants(t *testing.T) {
	t.Parallel()
	for claim, want := range map[string]string{"": "user", "role": "admin", "organizationName": "user"} {
		h := staticHouse(t, nil)
		acme := h.acme()
		acme.Settings = h.with(sso.ProfileKit, func(s *sso.Settings) { s.RoleClaim = claim })
		h.useStatic(acme)
		browser := ssotest.Browser(t)
		h.signIn(browser, tenantA, "zhang.san", "pw1")
		if _, me := h.me(browser); me["role"] != want {
			t.Errorf("role claim %q: role %q, want %q", claim, me["role"], want)
		}
	}
	// Of a pushed tenant nobody is an admin by the auth centre's word alone.
	h := newHouse(t, func(c *sso.Config) { c.Settings.UnknownUser = "jit" })
	h.centre.PutUser(tenantA, user("new", "pw", "New", "admin"))
	h.useStatic(sso.StaticTenant{ID: tenantA, Settings: h.with(sso.ProfileKit, func(s *sso.Settings) { s.RoleClaim, s.UnknownUser = "role", "jit" })})
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "new", "pw")
	if _, me := h.me(browser); me["role"] != "user" {
		t.Errorf("role %q of a user whom no push named, want user", me["role"])
	}
}

// TestSessionsFollowTheConfiguration: whoever came in by the configuration's word is out when it says something else.
func TestSessionsFollowTheConfiguration(t *testing.T) {
	t.Parallel()
	settings := func(change func(*sso.Settings)) func(*house, *sso.StaticTenant) {
		return func(h *house, s *sso.StaticTenant) { s.Settings = h.with(sso.ProfileKit, change) }
	}
	for _, tt := range []struct {
		name   string
		change func(*house, *sso.StaticTenant)
		lives  bool
	}{
		{"nothing", func(*house, *sso.StaticTenant) {}, true},
		{"name and code", func(_ *house, s *sso.StaticTenant) { s.Name, s.Code = "New", "new" }, true},
		{"secret", func(_ *house, s *sso.StaticTenant) { s.Secret = "rotated" }, true},
		{"scope, session", settings(func(s *sso.Settings) { s.Scope, s.SessionIdle = []string{"x"}, time.Hour }), true},
		{"gone", func(_ *house, s *sso.StaticTenant) { s.ID, s.Code = "another", "another" }, false},
		{"issuer", func(h *house, s *sso.StaticTenant) { s.Issuer = h.centre.Domain(tenantB) }, false},
		{"client", func(_ *house, s *sso.StaticTenant) { s.ClientID = "client-b" }, false},
		{"profile", func(h *house, s *sso.StaticTenant) { s.Settings = h.with(sso.ProfileCAS, nil) }, false},
		{"user claim", settings(func(s *sso.Settings) { s.UserClaim = "loginName" }), false},
		{"role claim", settings(func(s *sso.Settings) { s.RoleClaim = "groups" }), false},
		{"userinfo endpoint", settings(func(s *sso.Settings) { s.UserinfoURL = "{domain}/other" }), false},
		{"whom it lets in", settings(func(s *sso.Settings) { s.UnknownUser = "deny" }), false},
		{"only an override", func(h *house, s *sso.StaticTenant) {
			*s = sso.StaticTenant{ID: s.ID, Settings: h.with(sso.ProfileKit, nil)}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := staticHouse(t, nil)
			h.useStatic(h.acme())
			browser := ssotest.Browser(t)
			h.signIn(browser, tenantA, "zhang.san", "pw1")
			changed := h.acme()
			tt.change(h, &changed)
			h.useStatic(changed)
			h.wantSubject(browser, map[bool]string{true: tenantA + "/zhang.san"}[tt.lives])
		})
	}
}

// TestIdentityThatWaitedIsOfTheOldProvider: who was verified before the issuer changed is not let in after.
func TestIdentityThatWaitedIsOfTheOldProvider(t *testing.T) {
	t.Parallel()
	h := staticHouse(t, func(c *sso.Config) { c.Settings.Unsolicited = "confirm" })
	h.useStatic(h.acme())
	browser := ssotest.Browser(t)
	u, err := url.Parse(h.authorize(browser, h.start(browser, tenantA, "/"), "zhang.san", "pw1"))
	if err != nil {
		t.Fatal(err)
	}
	stranger := ssotest.Browser(t)
	got := h.get(stranger, "/sso/callback?"+url.Values{"code": u.Query()["code"], "tenant": {tenantA}}.Encode())
	if got.header.Get("Location") != "/sso/confirm" {
		t.Fatalf("callback = %d to %v, want the confirm page\n%s", got.status, got.location, h.log)
	}
	moved := h.acme()
	moved.Issuer, moved.ClientID, moved.Secret = h.centre.Domain(tenantB), "client-b", "secret-b"
	h.useStatic(moved)
	page := h.get(stranger, "/sso/confirm")
	_, token, _ := strings.Cut(page.body, `name="csrf" value="`)
	token, _, _ = strings.Cut(token, `"`)
	if token == "" {
		t.Fatalf("no token on the confirm page:\n%s", page.body)
	}
	if got := h.do(stranger, http.MethodPost, "/sso/confirm", url.Values{"csrf": {token}}); got.status != http.StatusBadRequest {
		t.Errorf("yes = %d, want 400", got.status)
	}
	h.wantSubject(stranger, "")
}

// TestPushesWin: the configuration gives a pushed tenant its provider, and nothing else.
func TestPushesWin(t *testing.T) {
	t.Parallel()
	whole := func(h *house) sso.StaticTenant {
		s := h.acme()
		s.Settings = h.with(sso.ProfileKit, func(s *sso.Settings) { s.UnknownUser = "pending" })
		return s
	}
	push := func(h *house, domain, secret string, live bool) {
		h.PutTenant(h.t, sso.Tenant{ID: tenantA, Code: "chenguang", Name: "晨光制造", Domain: domain, Live: true})
		h.PutCredential(h.t, tenantA, sso.Credential{App: appID, ClientID: "pushed", Secret: sso.Secret(secret), Live: live})
	}
	t.Run("provider of the configuration, users of the pushes", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, nil)
		push(h, "https://pushed.example", "pushed-secret", true)
		h.useStatic(whole(h))
		browser := ssotest.Browser(t)
		h.signIn(browser, "chenguang", "zhang.san", "pw1")
		if _, me := h.me(browser); me["sub"] != tenantA+"/zhang.san" || me["role"] != "admin" || me["name"] != "synced zhang.san" {
			t.Errorf("/sso/me = %v, want the synced admin\n%s", me, h.log)
		}
		if got := h.get(ssotest.Browser(t), "/sso/login?tenant=acme"); got.status != http.StatusForbidden {
			t.Errorf("login by the configured code = %d, want 403: pushes name the tenant", got.status)
		}
		if form := h.centre.Calls(tenantA).LastToken; form.Get("client_secret") != secretA || form.Get("client_id") != "client-a" {
			t.Errorf("token call with %v, want the configured client", form)
		}
		h.put(tenantA, "zhang.san", sso.AccountRemoved, "")
		h.clock.advance(time.Second)
		h.wantSubject(browser, "")
		stranger := ssotest.Browser(t)
		h.centre.PutUser(tenantA, user("new", "pw", "New", "user"))
		if got := h.signIn(stranger, tenantA, "new", "pw"); got.header.Get("Location") != "/sso/pending" {
			t.Errorf("a user whom no push names: %d to %v, want the waiting page", got.status, got.location)
		}
	})
	t.Run("application not bound", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, nil)
		push(h, h.centre.Domain(tenantA), secretA, false)
		h.useStatic(whole(h))
		if got := h.get(ssotest.Browser(t), "/sso/login?tenant="+tenantA); got.status != http.StatusForbidden {
			t.Errorf("login = %d, want 403", got.status)
		}
	})
	t.Run("tenant removed", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, nil)
		h.PutTenant(t, sso.Tenant{ID: tenantA, Code: "acme", Name: "ACME 工具", Live: false})
		h.useStatic(whole(h))
		if got := h.get(ssotest.Browser(t), "/sso/login?tenant=acme"); got.status != http.StatusForbidden {
			t.Errorf("login by the code = %d, want 403", got.status)
		}
		if got := h.get(ssotest.Browser(t), "/sso/login?tenant="+tenantA); got.status != http.StatusForbidden || h.centre.Calls(tenantA).Authorize != 0 {
			t.Errorf("login = %d, want 403: the configuration brings no removed tenant back", got.status)
		}
		if page := h.get(ssotest.Browser(t), "/sso/login?tenant=&q=acme").body; strings.Contains(page, "ACME") {
			t.Error("the chooser shows a removed tenant")
		}
	})
	t.Run("pushed while somebody is signed in", func(t *testing.T) {
		t.Parallel()
		h := staticHouse(t, nil)
		h.useStatic(whole(h))
		browser := ssotest.Browser(t)
		h.signIn(browser, tenantA, "zhang.san", "pw1")
		h.wantSubject(browser, tenantA+"/zhang.san")
		push(h, h.centre.Domain(tenantA), secretA, true)
		h.clock.advance(time.Second)
		h.wantSubject(browser, "")
	})
	t.Run("debug data", func(t *testing.T) {
		t.Parallel()
		h := staticHouse(t, nil)
		h.PutTenant(t, sso.Tenant{ID: tenantA, Code: "x", Name: "x", Domain: "https://x.example", Live: true, Test: true})
		h.PutCredential(t, tenantA, sso.Credential{App: appID, ClientID: "x", Secret: "x", Live: true})
		h.useStatic(whole(h))
		browser := ssotest.Browser(t)
		h.signIn(browser, "acme", "zhang.san", "pw1")
		h.wantSubject(browser, tenantA+"/zhang.san")
		if got := h.do(browser, http.MethodGet, "/sso/authz/auth-request", nil); got.header.Get("X-Auth-Test") != "" {
			t.Error("the session counts as one of debug data")
		}
	})
}

// TestProfilesSideBySide has a tenant of each protocol in one process.
func TestProfilesSideBySide(t *testing.T) {
	t.Parallel()
	h := staticHouse(t, nil)
	acme := h.acme()
	acme.Issuer = h.centre.Domain(tenantA) + "/api/v1/oauth2"
	acme.Settings = h.with(sso.ProfileOIDC, nil)
	h.useStatic(acme, sso.StaticTenant{ID: tenantB, Settings: h.with(sso.ProfileCAS, nil)})

	openID, cas := ssotest.Browser(t), ssotest.Browser(t)
	backA := h.authorize(openID, h.start(openID, "acme", "/"), "zhang.san", "pw1")
	backB := h.authorize(cas, h.start(cas, tenantB, "/"), "zhang.san", "pw9")
	a, err := url.Parse(backA)
	if err != nil || a.Query().Get("code") == "" {
		t.Fatalf("%s: %v", backA, err)
	}
	if !strings.Contains(backB, "ticket=ST-") {
		t.Fatalf("%s: no ticket", backB)
	}
	q := a.Query()
	for name, bad := range map[string]url.Values{
		"a ticket for an attempt that waits for a code": {"ticket": {"ST-1"}, "state": q["state"]},
		"a code and a ticket":                           {"ticket": {"ST-1"}, "code": q["code"], "state": q["state"]},
	} {
		if got := h.get(openID, "/sso/callback?"+bad.Encode()); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", name, got.status)
		}
	}
	if got := h.get(cas, backB+"&code=c"); got.status != http.StatusBadRequest {
		t.Errorf("a ticket and a code: %d, want 400", got.status)
	}
	if got := h.get(cas, "/sso/callback?"+url.Values{"code": {"ST-1"}, "tenant": {tenantB}}.Encode()); got.status != http.StatusBadRequest {
		t.Errorf("a code of a tenant that sends tickets: %d, want 400", got.status)
	}
	if calls := h.centre.Calls(tenantA); calls.Token != 0 || h.centre.Calls(tenantB).Token+h.centre.Calls(tenantB).Validate != 0 {
		t.Errorf("calls %+v for answers that make no sense", calls)
	}
	h.get(openID, backA)
	h.wantSubject(openID, tenantA+"/zhang.san")
	h.get(cas, backB)
	h.wantSubject(cas, tenantB+"/zhang.san")
	if calls := h.centre.Calls(tenantA); calls.Token != 1 || calls.Discovery != 1 || calls.LastToken.Get("code_verifier") == "" {
		t.Errorf("calls of the OpenID tenant %+v", calls)
	}
	if calls := h.centre.Calls(tenantB); calls.Token != 0 || calls.Validate != 1 {
		t.Errorf("calls of the CAS tenant %+v", calls)
	}
	if out := h.get(cas, "/sso/logout"); !strings.HasPrefix(out.header.Get("Location"), h.centre.Domain(tenantB)+"/api/v1/cas/logout?") {
		t.Errorf("logout of the CAS tenant leads to %q", out.header.Get("Location"))
	}
	// What is known of a provider is kept when other tenants change.
	h.useStatic(acme)
	again := ssotest.Browser(t)
	h.signIn(again, "acme", "zhang.san", "pw1")
	if calls := h.centre.Calls(tenantA); calls.Discovery != 1 {
		t.Errorf("%d discoveries, want 1", calls.Discovery)
	}
}

func TestSessionLimitsOfATenant(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.useStatic(sso.StaticTenant{ID: tenantA, Settings: h.with(sso.ProfileKit, func(s *sso.Settings) { s.SessionIdle = 10 * time.Minute })})
	short, long := ssotest.Browser(t), ssotest.Browser(t)
	h.signIn(short, tenantA, "zhang.san", "pw1")
	h.signIn(long, tenantB, "zhang.san", "pw9")
	h.clock.advance(11 * time.Minute)
	h.wantSubject(short, "")
	h.wantSubject(long, tenantB+"/zhang.san")
}

func TestStaticTenantFaults(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	good := h.acme()
	err := h.rp.SetStatic([]sso.StaticTenant{
		good,
		{ID: tenantA, Settings: h.with(sso.ProfileKit, nil)},
		{ID: "no-issuer", ClientID: "c", Secret: "geheim"},
		{ID: "no-client", Issuer: "https://a.example"},
		{ID: "line\nbreak", Name: "a\x00b"},
		{ID: "query", Issuer: "https://a.example/?x", ClientID: "c", Secret: "s"},
		{ID: "metadata", Issuer: "https://169.254.169.254", ClientID: "c", Secret: "s"},
		{ID: "settings", Settings: h.with(sso.ProfileKit, func(s *sso.Settings) { s.Nonce = "maybe" })},
		{},
	})
	if err == nil {
		t.Fatal("SetStatic took it")
	}
	for _, want := range []string{
		`"` + tenantA + `": stands twice`, `"no-issuer": issuer: is missing`, `"no-client": client_id, client_secret: are missing`,
		`"line\nbreak": id: has control characters`, `name: has control characters`, `"query": issuer: is no https address`,
		`"metadata": issuer: is no https address`, `"settings": nonce`, `"": id: is missing`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("SetStatic does not report %s:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "geheim") || len(h.rp.Authorities()) != 0 {
		t.Errorf("a secret shows, or something came into force: %v", err)
	}
	if _, err := sso.New(sso.Config{Settings: sso.DefaultSettings(sso.ProfileKit), Static: []sso.StaticTenant{{}}}); err == nil || !strings.Contains(err.Error(), "id: is missing") {
		t.Errorf("New does not report a faulty static tenant: %v", err)
	}
	if err := h.rp.SetStatic([]sso.StaticTenant{good}); err != nil || len(h.rp.Authorities()) != 1 {
		t.Errorf("SetStatic of a good one = %v, authorities %v", err, h.rp.Authorities())
	}
}
