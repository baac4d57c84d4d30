package sso_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

func TestChooser(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	if got := h.get(browser, "/sso/login"); got.status != http.StatusOK || strings.Contains(got.body, "晨光制造") {
		t.Errorf("login = %d, want a chooser that lists nobody\n%s", got.status, got.body)
	}
	if got := h.get(browser, "/sso/login?q="+url.QueryEscape("晨光")+"&return=/x"); !strings.Contains(got.body, "晨光制造") || !strings.Contains(got.body, "/x") {
		t.Errorf("search = %d, want the tenant and the return target\n%s", got.status, got.body)
	}
	if got := h.get(browser, "/sso/login?q="+url.QueryEscape("晨")); strings.Contains(got.body, "晨光制造") {
		t.Error("one character found a tenant")
	}
	h.PutTenant(t, sso.Tenant{ID: "third", Code: "chenguang", Name: "晨光三厂", Domain: "https://auth.example", Live: true})
	if got := h.get(browser, "/sso/login?tenant=chenguang"); got.status != http.StatusOK || !strings.Contains(got.body, tenantA) || !strings.Contains(got.body, "third") {
		t.Errorf("a shared code = %d, want a choice of both\n%s", got.status, got.body)
	}
	h.PutTenant(t, sso.Tenant{ID: "yuanhang", Code: "x", Name: "x", Domain: h.centre.Domain(tenantA), Live: true})
	h.PutCredential(t, "yuanhang", sso.Credential{App: appID, ClientID: "id-wins", Secret: "s", Live: true})
	if got := h.start(browser, "yuanhang", "/"); !strings.Contains(got, "client_id=id-wins") {
		t.Errorf("tenant = %q leads to %s, want the tenantId before the tenantCode", "yuanhang", got)
	}
	for _, name := range []string{"nobody", "%00", strings.Repeat("x", 300)} {
		if got := h.get(browser, "/sso/login?tenant="+name); got.status != http.StatusForbidden {
			t.Errorf("tenant %.10q = %d, want 403", name, got.status)
		}
	}
}

func TestTestTenantsAreNotOffered(t *testing.T) {
	t.Parallel()
	for _, allow := range []bool{false, true} {
		h := newHouse(t, func(c *sso.Config) { c.Settings.AllowTestTenants = allow })
		browser := ssotest.Browser(t)
		centre := h.centre.Domain(tenantA)
		h.PutTenant(t, sso.Tenant{ID: "debug", Code: "chenguang", Name: "晨光调试", Domain: centre, Live: true, Test: true})
		h.PutTenant(t, sso.Tenant{ID: "debug-2", Code: "debug-code", Name: "x", Domain: "https://auth.example", Live: true, Test: true})
		h.PutCredential(t, "debug-2", sso.Credential{App: appID, ClientID: "c", Secret: "s", Live: true})
		for path, want := range map[string]int{
			"/sso/login?tenant=chenguang":                                             http.StatusFound, // the real one, as if it were alone
			"/sso/login?iss=" + url.QueryEscape(centre+"/api/v1/oauth2"):              http.StatusFound,
			"/sso/login?q=" + url.QueryEscape("晨光"):                                   http.StatusOK,
			"/sso/login?tenant=debug-code":                                            http.StatusForbidden,
			"/sso/login?iss=" + url.QueryEscape("https://auth.example/api/v1/oauth2"): http.StatusForbidden,
		} {
			got := h.get(browser, path)
			if offered := strings.Contains(got.body, "晨光调试"); got.status != want && !allow || offered && !allow {
				t.Errorf("%s = %d, offers the test tenant: %v, want %d without it", path, got.status, offered, want)
			} else if strings.HasSuffix(path, "=chenguang") && got.status != want {
				t.Errorf("%s = %d with test tenants allowed %v: a test tenant puts a question before the buyer's people", path, got.status, allow)
			} else if allow && !offered && got.status != http.StatusFound {
				t.Errorf("%s = %d where test tenants are allowed, want it offered or begun", path, got.status)
			}
		}
	}
}

func TestChooserSettings(t *testing.T) {
	t.Parallel()
	list := newHouse(t, func(c *sso.Config) { c.Settings.Chooser = "list" })
	if got := list.get(ssotest.Browser(t), "/sso/login"); !strings.Contains(got.body, "晨光制造") || !strings.Contains(got.body, "远航物流") {
		t.Errorf("chooser: list = %d, want all tenants", got.status)
	}
	off := newHouse(t, func(c *sso.Config) { c.Settings.Chooser = "off" })
	want := strings.ReplaceAll(off.centre.UnifiedLoginURL(), "{appId}", appID)
	if got := off.get(ssotest.Browser(t), "/sso/login"); got.status != http.StatusFound || got.header.Get("Location") != want {
		t.Errorf("chooser: off = %d to %q, want %q", got.status, got.header.Get("Location"), want)
	}
}

func TestUnifiedURLKeepsItsFragment(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) {
		c.Settings.Chooser = "off"
		c.Settings.UnifiedLoginURL = sso.DefaultSettings(sso.ProfileKit).UnifiedLoginURL
	})
	const want = "https://macroverse.huaweicloud.com/unified-login/#/portal-login?ind=UNOP&appId=" + appID
	if got := h.get(ssotest.Browser(t), "/sso/login").header.Get("Location"); got != want {
		t.Errorf("Location = %q, want %q", got, want)
	}
}

func TestLastTenant(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	if got := h.get(browser, "/sso/login"); got.status != http.StatusFound || !strings.HasPrefix(got.header.Get("Location"), h.centre.Domain(tenantA)) {
		t.Errorf("login = %d to %v, want the last tenant", got.status, got.location)
	}
	if got := h.get(browser, "/sso/login?tenant="); got.status != http.StatusOK {
		t.Errorf("login with an empty tenant = %d, want the chooser", got.status)
	}
	h.do(browser, http.MethodPost, "/sso/logout", nil)
	if got := h.get(browser, "/sso/login"); got.status != http.StatusOK {
		t.Errorf("login after logout = %d, want the chooser", got.status)
	}
}

func TestLoginStartedByTheAuthCentre(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	issuer := h.centre.Domain(tenantA) + "/api/v1/oauth2"
	got := h.get(browser, "/sso/login?"+url.Values{"iss": {issuer}, "target_link_uri": {h.url + "/deep?x=1"}}.Encode())
	if got.status != http.StatusFound {
		t.Fatalf("login = %d, want a redirect\n%s", got.status, got.body)
	}
	got = h.get(browser, h.authorize(browser, got.location.String(), "zhang.san", "pw1"))
	if got.header.Get("Location") != "/deep?x=1" {
		t.Errorf("callback leads to %v, want the target link", got.location)
	}
	for _, iss := range []string{"https://evil.example", issuer + "/", h.centre.Domain(tenantA), "x"} {
		if got := h.get(browser, "/sso/login?iss="+url.QueryEscape(iss)); got.status != http.StatusForbidden {
			t.Errorf("iss %s = %d, want 403", iss, got.status)
		}
	}
}

func TestInsecureAuthCentres(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.Settings.AllowInsecureAuthCentres = false; c.Settings.UnifiedLoginURL = "" })
	for _, domain := range []string{
		"", "http://auth.example", "https://127.0.0.1", "https://10.0.0.1", "https://[::1]", "https://169.254.169.254", "https://localhost",
		"https://user@auth.example", "ftp://auth.example", "https://auth.example?x", "https://auth.example#x", "https://a b", "https://",
	} {
		h.PutTenant(t, sso.Tenant{ID: tenantA, Domain: domain, Live: true})
		if got := h.get(ssotest.Browser(t), "/sso/login?tenant="+tenantA); got.status != http.StatusForbidden {
			t.Errorf("domainName %q = %d, want 403", domain, got.status)
		}
	}
	for domain, want := range map[string]string{
		"auth.example": "https://auth.example/", "https://auth.example/": "https://auth.example/",
		" AUTH.example:8443/base/ ": "https://auth.example:8443/base/",
	} {
		h.PutTenant(t, sso.Tenant{ID: tenantA, Domain: domain, Live: true})
		if got := h.get(ssotest.Browser(t), "/sso/login?tenant="+tenantA); !strings.HasPrefix(got.header.Get("Location"), want+"api/v1/oauth2/authorize?") {
			t.Errorf("domainName %q leads to %v, want %s…", domain, got.location, want)
		}
	}
}
