package ssotest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso/ssotest"
)

const (
	tenantA  = "68cbc86abc2018ab880d92f36422fa0e"
	tenantB  = "5a1d0c9f3b7e4826a0f1c2d3e4b5a697"
	callback = "https://app.example/sso/callback"
	state    = "00112233445566778899aabbccddeeff"
)

// clock is a time that tests move by hand.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func config(c *clock) ssotest.Config {
	return ssotest.Config{
		Now: c.now, SigningKey: signingKey(),
		Tenants: []ssotest.Tenant{
			{
				ID: tenantA, Code: "chenguang", Name: "晨光制造",
				Clients: []ssotest.Client{
					{AppID: "app1", ID: "clientA", Secret: "secretA", RedirectURIs: []string{callback}},
					{AppID: "app2", ID: "clientA2", Secret: "secretA2", RedirectURIs: []string{"https://other.example/cb"}},
				},
				Users: []ssotest.User{{
					UserName: "zhangsan", Password: "pw-张三", ID: "u-1", Name: "张三", Email: "zhangsan@example.com", Mobile: "13800000000",
					Role: "admin", OrgCode: "00000001", OrgName: "产品部",
				}},
			},
			{
				ID: tenantB, Code: "yuanhang", Name: "远航物流",
				Clients: []ssotest.Client{{AppID: "app1", ID: "clientB", Secret: "secretB", RedirectURIs: []string{callback}}},
				Users:   []ssotest.User{{UserName: "zhangsan", Password: "pw-B", Name: "另一个张三", Role: "user"}},
			},
		},
	}
}

func start(t *testing.T) (*ssotest.Centre, *clock) {
	t.Helper()
	clk := &clock{t: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	return ssotest.Start(t, config(clk)), clk
}

func authorizeURL(c *ssotest.Centre, tenant, client string, change ...string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {callback}, "scope": {"get_user_info"}, "state": {state},
	}
	for i := 0; i < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	return c.Domain(tenant) + "/api/v1/oauth2/authorize?" + q.Encode()
}

// signIn returns the parameters that come back to the application.
func signIn(t *testing.T, c *ssotest.Centre, browser *http.Client, address, user, password string) url.Values {
	t.Helper()
	back, err := c.SignIn(t.Context(), browser, address, user, password)
	if err != nil {
		t.Fatalf("SignIn(%s) = %v", user, err)
	}
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Scheme + "://" + u.Host + u.Path; got != callback {
		t.Fatalf("sent back to %s, want %s", got, callback)
	}
	return u.Query()
}

type answer struct {
	Status int
	Type   string
	Body   map[string]any
}

func do(t *testing.T, req *http.Request) answer {
	t.Helper()
	resp, err := ssotest.Browser(t).Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: resp.StatusCode, Type: resp.Header.Get("Content-Type")}
	_ = json.Unmarshal(raw, &a.Body) // some answers are no JSON, on purpose
	return a
}

func token(t *testing.T, c *ssotest.Centre, tenant string, form url.Values) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.Domain(tenant)+"/api/v1/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, req)
}

func codeForm(client, secret, code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "client_secret": {secret}, "code": {code}}
}

func userinfo(t *testing.T, c *ssotest.Centre, tenant, accessToken string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Domain(tenant)+"/api/v1/oauth2/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+accessToken)
	return do(t, req)
}

// accessToken goes the whole way.
func accessToken(t *testing.T, c *ssotest.Centre) string {
	t.Helper()
	q := signIn(t, c, ssotest.Browser(t), authorizeURL(c, tenantA, "clientA"), "zhangsan", "pw-张三")
	a := token(t, c, tenantA, codeForm("clientA", "secretA", q.Get("code")))
	value, ok := a.Body["access_token"].(string)
	if !ok {
		t.Fatalf("token answer has no access_token: %+v", a)
	}
	return value
}

func TestSignIn(t *testing.T) {
	c, _ := start(t)
	browser := ssotest.Browser(t)
	q := signIn(t, c, browser, authorizeURL(c, tenantA, "clientA"), "zhangsan@chenguang", "pw-张三")
	if q.Get("state") != state || q.Has("tenant") || len(q.Get("code")) < 32 {
		t.Fatalf("callback has %v, want a code, the state, no tenant", q)
	}
	a := token(t, c, tenantA, codeForm("clientA", "secretA", q.Get("code")))
	if a.Status != http.StatusOK || a.Body["token_type"] != "Bearer" || a.Body["expires_in"] != 7200.0 ||
		a.Body["scope"] != "get_user_info" || a.Body["refresh_token"] == nil {
		t.Errorf("token answer = %+v", a)
	}
	value, _ := a.Body["access_token"].(string)
	want := map[string]any{
		"id": "u-1", "userId": "u-1", "userName": "zhangsan", "name": "张三", "email": "zhangsan@example.com", "mobile": "13800000000",
		"role": "admin", "organizationName": "产品部", "organizationCode": "00000001", "projectName": "晨光制造", "tenant": tenantA,
	}
	if diff := cmp.Diff(want, userinfo(t, c, tenantA, value).Body); diff != "" {
		t.Errorf("userinfo (-want +got):\n%s", diff)
	}

	// The browser has a session now: no form, whatever the password.
	if q := signIn(t, c, browser, authorizeURL(c, tenantA, "clientA"), "nobody", "wrong"); q.Get("code") == "" {
		t.Error("second sign-in of the same browser gave no code")
	}
	// But only at this tenant.
	if _, err := c.SignIn(t.Context(), browser, authorizeURL(c, tenantB, "clientB"), "zhangsan", "pw-张三"); !errors.Is(err, ssotest.ErrLoginRefused) {
		t.Errorf("SignIn at another tenant = %v, want %v", err, ssotest.ErrLoginRefused)
	}
	if got := c.Calls(tenantA); got.Token != 1 || got.Userinfo != 1 || got.LastToken.Get("client_id") != "clientA" {
		t.Errorf("Calls(A) = %+v, want one token and one userinfo call", got)
	}
	if got := c.Calls(tenantB); got.Token != 0 {
		t.Errorf("Calls(B).Token = %d, want 0", got.Token)
	}
}

func TestLoginRefused(t *testing.T) {
	c, _ := start(t)
	for _, tt := range []struct{ name, user, password string }{
		{"wrong password", "zhangsan", "pw-B"},
		{"unknown user", "nobody", ""},
		{"no password", "zhangsan", ""},
		{"another tenant's code", "zhangsan@yuanhang", "pw-张三"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := c.SignIn(t.Context(), ssotest.Browser(t), authorizeURL(c, tenantA, "clientA"), tt.user, tt.password); !errors.Is(err, ssotest.ErrLoginRefused) {
				t.Errorf("SignIn() = %v, want %v", err, ssotest.ErrLoginRefused)
			}
		})
	}
}

func TestForeignPageCannotSignIn(t *testing.T) {
	c, _ := start(t)
	form := url.Values{"username": {"zhangsan"}, "password": {"pw-张三"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, authorizeURL(c, tenantA, "clientA"), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if got := do(t, req).Status; got != http.StatusForbidden {
		t.Errorf("cross-site login = %d, want 403", got)
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	c, _ := start(t)
	for _, tt := range []struct{ name, address string }{
		{"unknown client", authorizeURL(c, tenantA, "clientB")},
		{"foreign redirect_uri", authorizeURL(c, tenantA, "clientA", "redirect_uri", "https://evil.example/")},
		{"longer redirect_uri", authorizeURL(c, tenantA, "clientA", "redirect_uri", callback+"/x")},
		{"no redirect_uri", authorizeURL(c, tenantA, "clientA", "redirect_uri", "")},
		{"implicit", authorizeURL(c, tenantA, "clientA", "response_type", "token")},
		{"another scope", authorizeURL(c, tenantA, "clientA", "scope", "email")},
		{"base64url state", authorizeURL(c, tenantA, "clientA", "state", "a-b_c")},
		{"state twice", authorizeURL(c, tenantA, "clientA") + "&state=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.address, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := do(t, req).Status; got != http.StatusBadRequest {
				t.Errorf("authorize = %d, want 400", got)
			}
		})
	}
}

func TestTokenRefuses(t *testing.T) {
	invalidGrant := map[string]any{"error": "invalid_grant", "error_description": "Invalid authorization code"}
	badCredentials := map[string]any{"error": "invalid_client", "error_description": "Bad client credentials"}
	for _, tt := range []struct {
		name   string
		tenant string
		form   func(code string) url.Values
		wait   time.Duration
		want   map[string]any
	}{
		{"unknown code", tenantA, func(string) url.Values { return codeForm("clientA", "secretA", "nothing") }, 0, invalidGrant},
		{"old code", tenantA, func(c string) url.Values { return codeForm("clientA", "secretA", c) }, time.Minute, invalidGrant},
		{"code of another tenant", tenantB, func(c string) url.Values { return codeForm("clientB", "secretB", c) }, 0, invalidGrant},
		{"wrong secret", tenantA, func(c string) url.Values { return codeForm("clientA", "secretB", c) }, 0, badCredentials},
		{"unknown client", tenantA, func(c string) url.Values { return codeForm("clientB", "secretB", c) }, 0, badCredentials},
		{
			"code of another client", tenantA, func(c string) url.Values { return codeForm("clientA2", "secretA2", c) }, 0,
			map[string]any{"error": "invalid_client", "error_description": "Client ID mismatch"},
		},
		{
			"another redirect_uri", tenantA, func(c string) url.Values {
				f := codeForm("clientA", "secretA", c)
				f.Set("redirect_uri", callback+"/")
				return f
			}, 0, map[string]any{"error": "invalid_grant", "error_description": "Invalid redirect_uri"},
		},
		{
			"another grant type", tenantA, func(c string) url.Values {
				f := codeForm("clientA", "secretA", c)
				f.Set("grant_type", "password")
				return f
			}, 0, map[string]any{"error": "unsupported_grant_type", "error_description": "Unsupported grant type"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, clk := start(t)
			q := signIn(t, c, ssotest.Browser(t), authorizeURL(c, tenantA, "clientA"), "zhangsan", "pw-张三")
			clk.t = clk.t.Add(tt.wait)
			got := token(t, c, tt.tenant, tt.form(q.Get("code")))
			if got.Status != http.StatusBadRequest {
				t.Errorf("status = %d, want 400", got.Status)
			}
			if diff := cmp.Diff(tt.want, got.Body); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

// HTTP Basic is not documented; a relying party that tries it first has lost.
func TestTokenRefusesBasic(t *testing.T) {
	c, _ := start(t)
	form := codeForm("clientA", "secretA", "x")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.Domain(tenantA)+"/api/v1/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("clientA", "secretA")
	if got := do(t, req); got.Body["error"] != "invalid_client" {
		t.Errorf("token with Basic = %+v, want invalid_client", got)
	}
}

func TestCodeWorksOnce(t *testing.T) {
	c, _ := start(t)
	q := signIn(t, c, ssotest.Browser(t), authorizeURL(c, tenantA, "clientA"), "zhangsan", "pw-张三")
	form := codeForm("clientA", "secretA", q.Get("code"))
	form.Set("redirect_uri", callback)
	if got := token(t, c, tenantA, form); got.Status != http.StatusOK {
		t.Fatalf("first exchange = %+v, want 200", got)
	}
	if got := token(t, c, tenantA, form); got.Body["error"] != "invalid_grant" {
		t.Errorf("second exchange = %+v, want invalid_grant", got)
	}
}

func TestRefresh(t *testing.T) {
	c, _ := start(t)
	q := signIn(t, c, ssotest.Browser(t), authorizeURL(c, tenantA, "clientA"), "zhangsan", "pw-张三")
	first := token(t, c, tenantA, codeForm("clientA", "secretA", q.Get("code")))
	refresh, _ := first.Body["refresh_token"].(string)
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"clientA"}, "client_secret": {"secretA"}, "refresh_token": {refresh}}
	if got := token(t, c, tenantA, form); got.Status != http.StatusOK || got.Body["refresh_token"] == refresh {
		t.Errorf("refresh = %+v, want a new refresh token", got)
	}
	if got := token(t, c, tenantA, form); got.Body["error_description"] != "Invalid refresh token" {
		t.Errorf("second refresh = %+v, want Invalid refresh token", got)
	}
}

func TestUserinfoRefuses(t *testing.T) {
	c, clk := start(t)
	value := accessToken(t, c)
	unauthorized := map[string]any{"error": "unauthorized", "error_description": "Full authentication is required to access this resource"}
	check := func(name, tenant, token string) {
		t.Helper()
		got := userinfo(t, c, tenant, token)
		if diff := cmp.Diff(unauthorized, got.Body); diff != "" || got.Status != http.StatusUnauthorized {
			t.Errorf("%s: status %d (-want +got):\n%s", name, got.Status, diff)
		}
	}
	check("unknown token", tenantA, "nothing")
	check("token of another tenant", tenantB, value)
	c.RemoveUser(tenantA, "zhangsan")
	check("removed user", tenantA, value)
	c.PutUser(tenantA, ssotest.User{UserName: "zhangsan"})
	if got := userinfo(t, c, tenantA, value); got.Status != http.StatusOK {
		t.Errorf("user is back: %+v, want 200", got)
	}
	clk.t = clk.t.Add(2 * time.Hour)
	check("old token", tenantA, value)
}

func TestUnifiedLogin(t *testing.T) {
	c, _ := start(t)
	browser := ssotest.Browser(t)
	page := strings.ReplaceAll(c.UnifiedLoginURL(), "{appId}", "app1")
	q := signIn(t, c, browser, page, "zhangsan@yuanhang", "pw-B")
	if q.Get("tenant") != tenantB || q.Has("state") {
		t.Errorf("callback has %v, want tenant %s and no state", q, tenantB)
	}
	a := token(t, c, tenantB, codeForm("clientB", "secretB", q.Get("code")))
	value, _ := a.Body["access_token"].(string)
	if got := userinfo(t, c, tenantB, value).Body["name"]; got != "另一个张三" {
		t.Errorf("userinfo name = %v, want 另一个张三", got)
	}
	// The session lives at the tenant's domain, so a bounce needs no form.
	if q := signIn(t, c, browser, authorizeURL(c, tenantB, "clientB"), "nobody", "wrong"); q.Get("state") != state {
		t.Errorf("authorize after unified login = %v, want the state", q)
	}
	for _, tt := range []struct{ name, appID, user, password string }{
		{"no tenant", "app1", "zhangsan", "pw-B"},
		{"another tenant's password", "app1", "zhangsan@chenguang", "pw-B"},
		{"unknown application", "app9", "zhangsan@yuanhang", "pw-B"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := strings.ReplaceAll(c.UnifiedLoginURL(), "{appId}", tt.appID)
			if _, err := c.SignIn(t.Context(), ssotest.Browser(t), page, tt.user, tt.password); !errors.Is(err, ssotest.ErrLoginRefused) {
				t.Errorf("SignIn() = %v, want %v", err, ssotest.ErrLoginRefused)
			}
		})
	}
}

func TestLogout(t *testing.T) {
	c, _ := start(t)
	browser := ssotest.Browser(t)
	signIn(t, c, browser, authorizeURL(c, tenantA, "clientA"), "zhangsan", "pw-张三")
	logout := func(to string) (status int, location string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Domain(tenantA)+"/api/v1/logout?redirect_url="+url.QueryEscape(to), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Location")
	}
	if status, _ := logout("https://evil.example/"); status != http.StatusBadRequest {
		t.Errorf("logout to a foreign address = %d, want 400", status)
	}
	signIn(t, c, browser, authorizeURL(c, tenantA, "clientA"), "zhangsan", "pw-张三")
	const signedOut = "https://app.example/sso/signed-out?x=1"
	if status, to := logout(signedOut); status != http.StatusFound || to != signedOut {
		t.Errorf("logout = %d to %q, want 302 to %q", status, to, signedOut)
	}
	if _, err := c.SignIn(t.Context(), browser, authorizeURL(c, tenantA, "clientA"), "zhangsan", "wrong"); !errors.Is(err, ssotest.ErrLoginRefused) {
		t.Errorf("SignIn after logout = %v, want %v", err, ssotest.ErrLoginRefused)
	}
}

// Tenants with hosts of their own share no path.
func TestTenantByHost(t *testing.T) {
	clk := &clock{t: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	cfg := config(clk)
	cfg.Tenants[0].Domain = "http://imc-chenguang.example:8443/"
	cfg.BaseURL = "http://127.0.0.1:1"
	c, err := ssotest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Domain(tenantA), "http://imc-chenguang.example:8443"; got != want {
		t.Errorf("Domain(A) = %q, want %q", got, want)
	}
	if got, want := c.Domain(tenantB), "http://127.0.0.1:1/"+tenantB; got != want {
		t.Errorf("Domain(B) = %q, want %q", got, want)
	}
	if got := c.Domain("nobody"); got != "" {
		t.Errorf("Domain(nobody) = %q, want nothing", got)
	}
}

func TestNewRefuses(t *testing.T) {
	now := time.Now
	ok := ssotest.Tenant{ID: "t1"}
	for _, tt := range []struct {
		name string
		cfg  ssotest.Config
	}{
		{"no base URL", ssotest.Config{Now: now, Tenants: []ssotest.Tenant{ok}}},
		{"slash at the end", ssotest.Config{BaseURL: "http://a/", Now: now, Tenants: []ssotest.Tenant{ok}}},
		{"no clock", ssotest.Config{BaseURL: "http://a", Tenants: []ssotest.Tenant{ok}}},
		{"no tenants", ssotest.Config{BaseURL: "http://a", Now: now}},
		{"tenant twice", ssotest.Config{BaseURL: "http://a", Now: now, Tenants: []ssotest.Tenant{ok, ok}}},
		{"tenant id", ssotest.Config{BaseURL: "http://a", Now: now, Tenants: []ssotest.Tenant{{ID: "a/b"}}}},
		{"domain", ssotest.Config{BaseURL: "http://a", Now: now, Tenants: []ssotest.Tenant{{ID: "a", Domain: "b"}}}},
		{"domain twice", ssotest.Config{BaseURL: "http://a", Now: now, Tenants: []ssotest.Tenant{{ID: "a", Domain: "http://b"}, {ID: "c", Domain: "http://b"}}}},
		{"client without a secret", ssotest.Config{BaseURL: "http://a", Now: now, Tenants: []ssotest.Tenant{
			{ID: "a", Clients: []ssotest.Client{{ID: "c", RedirectURIs: []string{callback}}}},
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ssotest.New(tt.cfg); err == nil {
				t.Error("New() accepts it")
			}
		})
	}
}
