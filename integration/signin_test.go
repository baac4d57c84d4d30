//go:build integration

package integration_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSignIn is one sign-in looked at from both sides.
func TestSignIn(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "t1", "boss")
	v := s.visitor(t, "boss")
	v.is("")

	authorize, err := url.Parse(v.begin("t1-code", "/orders?a=1"))
	if err != nil {
		t.Fatal(err)
	}
	q := authorize.Query()
	if state := q.Get("state"); len(state) < 32 || strings.Trim(state, "0123456789abcdef") != "" {
		t.Errorf("state = %q, want 128 bits or more in hex: the guide allows letters and digits only", state)
	}
	q.Del("state")
	want := url.Values{"response_type": {"code"}, "client_id": {"client-t1"}, "redirect_uri": {s.publicURL + "/sso/callback"}, "scope": {"get_user_info"}}
	if diff := cmp.Diff(want, q); diff != "" || authorize.Path != "/t1/api/v1/oauth2/authorize" {
		t.Errorf("authorize request to %s (-want +got):\n%s", authorize.Path, diff)
	}

	back := v.callback("t1", "/orders?a=1")
	if got := v.get(back); got.status != http.StatusSeeOther || got.location != "/orders?a=1" {
		t.Fatalf("callback = %d to %q, want 303 to /orders?a=1\n%s", got.status, got.location, got.body)
	}
	wantMe := map[string]any{
		"sub": "t1/boss", "tenant": "t1", "userName": "boss", "name": "张三", "role": "admin",
		"organizationCode": "20000", "email": "zhang.san@example.org", "mobile": "19900000001",
	}
	var me map[string]any
	if err := json.Unmarshal([]byte(v.get("/sso/me").body), &me); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantMe, me); diff != "" {
		t.Errorf("/sso/me (-want +got):\n%s", diff)
	}
	checkCalls(t, s)
	checkReplay(t, s, v, back)

	landing := url.QueryEscape(s.publicURL + "/sso/signed-out")
	if got := v.get("/sso/logout"); got.location != s.centre.domain("t1")+"/api/v1/logout?redirect_url="+landing {
		t.Errorf("logout = %d to %q", got.status, got.location)
	}
	v.is("")
}

// checkCalls looks at the calls of one sign-in: the guide knows credentials in
// the body only, and a code is good for one call.
func checkCalls(t *testing.T, s *signIn) {
	t.Helper()
	s.centre.with("t1", func(c *centreTenant) {
		if len(c.tokenCalls) != 1 || len(c.userinfoCalls) != 1 {
			t.Fatalf("%d token calls and %d userinfo calls, want one each", len(c.tokenCalls), len(c.userinfoCalls))
		}
		token, userinfo := c.tokenCalls[0], c.userinfoCalls[0]
		if got := token.Header.Get("Authorization"); got != "" {
			t.Errorf("the token call has Authorization %q", got)
		}
		form := url.Values{}
		for name, values := range token.PostForm {
			form[name] = values
		}
		form.Del("code")
		want := url.Values{
			"grant_type": {"authorization_code"}, "client_id": {"client-t1"}, "client_secret": {c.secret},
			"redirect_uri": {s.publicURL + "/sso/callback"},
		}
		if diff := cmp.Diff(want, form); diff != "" || token.URL.RawQuery != "" {
			t.Errorf("token call with query %q (-want +got):\n%s", token.URL.RawQuery, diff)
		}
		if got := userinfo.Header; got.Get("Accept") != "application/json" || !strings.HasPrefix(got.Get("Authorization"), "Bearer ") {
			t.Errorf("the userinfo call has Accept %q; Accept and Authorization are mandatory", got.Get("Accept"))
		}
	})
}

// checkReplay delivers a callback again: in the same browser it changes nothing,
// in another it is worth nothing, and neither costs a call.
func checkReplay(t *testing.T, s *signIn, v *visitor, back string) {
	t.Helper()
	if got := v.get(back); got.status != http.StatusSeeOther || got.location != "/orders?a=1" {
		t.Errorf("the callback again = %d to %q, want 303 to /orders?a=1", got.status, got.location)
	}
	v.is("t1/boss")
	thief := s.visitor(t, "nobody")
	if got := thief.get(back); got.status != http.StatusBadRequest {
		t.Errorf("the callback in another browser = %d, want 400", got.status)
	}
	thief.is("")
	if token, _ := s.centre.calls("t1"); token != 1 {
		t.Errorf("%d token calls after replays, want 1", token)
	}
}

// TestSignInTenants: what belongs to one tenant is worth nothing at another.
func TestSignInTenants(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "a", "zhangsan")
	s.bind(t, "b", "zhangsan")

	first, second := s.visitor(t, "zhangsan").signedIn("a"), s.visitor(t, "zhangsan").signedIn("b")
	first.is("a/zhangsan")
	second.is("b/zhangsan")
	first.signedIn("b") // the same browser goes over to the other tenant
	first.is("b/zhangsan")

	tokenA, _ := s.centre.calls("a")
	tokenB, _ := s.centre.calls("b")
	v := s.visitor(t, "zhangsan")
	for _, tenant := range []string{"&tenant=b", "&tenant_id=b", "&tenant=a&tenantId=b", "&tenant=a&tenant=b"} {
		if got := v.get(v.callback("a", "/") + tenant); got.status < 400 {
			t.Errorf("state of a with %s = %d to %q, want a refusal", tenant, got.status, got.location)
		}
	}
	v.is("")
	if a, _ := s.centre.calls("a"); a != tokenA {
		t.Error("the code was sent to a")
	}
	if b, _ := s.centre.calls("b"); b != tokenB {
		t.Error("the code was sent to b")
	}

	// A code of a under a state of b is refused by b, and a never hears of it.
	u, err := url.Parse(v.callback("a", "/"))
	if err != nil {
		t.Fatal(err)
	}
	code := u.Query().Get("code")
	if u, err = url.Parse(v.callback("b", "/")); err != nil {
		t.Fatal(err)
	}
	if got := v.get("/sso/callback?" + url.Values{"code": {code}, "state": {u.Query().Get("state")}}.Encode()); got.status != http.StatusBadRequest {
		t.Errorf("code of a with state of b = %d, want 400", got.status)
	}
	v.is("")
	if a, _ := s.centre.calls("a"); a != tokenA {
		t.Error("the code was sent to a")
	}
}

// TestSignInSecretRotated: a secret that changes while somebody types their
// password does not spoil the sign-in.
func TestSignInSecretRotated(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "t1", "zhangsan")
	v := s.visitor(t, "zhangsan")
	back := v.callback("t1", "/")
	s.rotate(t, "t1")
	if got := v.get(back); got.status != http.StatusSeeOther {
		t.Errorf("callback = %d\n%s", got.status, got.body)
	}
	v.is("t1/zhangsan")

	// The auth centre has the new secret first, and the message comes while it refuses the old one.
	s.centre.with("t1", func(c *centreTenant) {
		c.token = func(w http.ResponseWriter, _ *http.Request) {
			s.centre.with("t1", func(c *centreTenant) { c.token = nil }) // only this once
			s.rotate(t, "t1")
			writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		}
	})
	late := s.visitor(t, "zhangsan").signedIn("t1")
	late.is("t1/zhangsan")
}

// TestSignInAdmission: who the auth centre knows is not yet who may come in.
func TestSignInAdmission(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	tests := []struct {
		name   string // and tenant
		happen func(tenant string)
		want   string // code on the page
	}{
		{"disabled", func(tenant string) { s.authorise(t, tenant, "zhangsan", 2, map[string]any{"enable": "false"}) }, "user_disabled"},
		{"removed", func(tenant string) { s.authorise(t, tenant, "zhangsan", 0, nil) }, "user_removed"},
		{"revoked", func(tenant string) { s.authorise(t, tenant, "zhangsan", 3, nil) }, "access_revoked"},
		{"unbound", func(tenant string) { s.unbind(t, tenant) }, "app_not_bound"},
		{"gone", func(tenant string) { s.dissolve(t, tenant) }, "tenant_gone"},
	}
	for _, tt := range tests {
		s.bind(t, tt.name, "zhangsan")
		v := s.visitor(t, "zhangsan")
		back := v.callback(tt.name, "/")
		tt.happen(tt.name)
		if got := v.get(back); got.status != http.StatusForbidden || !strings.Contains(got.body, "<code>"+tt.want+"</code>") {
			t.Errorf("%s: callback = %d, want 403 and %s\n%s", tt.name, got.status, tt.want, got.body)
		}
		v.is("")
	}
	if got := s.visitor(t, "x").get("/sso/login?tenant=nowhere"); got.status != http.StatusForbidden {
		t.Errorf("login at an unknown tenant = %d, want 403", got.status)
	}
}

// unbind takes the credential back, dissolve the whole tenant.
func (s *signIn) unbind(t *testing.T, tenant string) {
	t.Helper()
	s.deliver(t, "applicationSync", tenant, map[string]any{"appId": signInApp, "clientId": "client-" + tenant, "clientSecret": "", "flag": 0})
}

func (s *signIn) dissolve(t *testing.T, tenant string) {
	t.Helper()
	s.deliver(t, "tenantSync", tenant, map[string]any{"tenantCode": tenant + "-code", "name": "企业", "domainName": s.centre.domain(tenant), "flag": 0})
}

// TestSignInBeforeAuthSync: authSync is asynchronous, so a user may be faster
// than the message that names them.
func TestSignInBeforeAuthSync(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "t1")
	s.employ("t1", "zhangsan")
	v := s.visitor(t, "zhangsan")
	if got := v.signIn("t1"); got.status != http.StatusSeeOther || got.location != "/sso/pending" {
		t.Fatalf("callback = %d to %q, want the pending page", got.status, got.location)
	}
	if got := v.get("/sso/pending"); got.status != http.StatusOK || !strings.Contains(got.body, `http-equiv="refresh"`) {
		t.Errorf("pending = %d, want a page that asks again\n%s", got.status, got.body)
	}
	v.is("")
	s.authorise(t, "t1", "zhangsan", 1, nil)
	if got := v.get("/sso/pending"); got.status != http.StatusSeeOther || got.location != "/orders?a=1" {
		t.Errorf("pending after authSync = %d to %q, want 303 to /orders?a=1", got.status, got.location)
	}
	v.is("t1/zhangsan")
	if token, _ := s.centre.calls("t1"); token != 1 {
		t.Errorf("%d token calls, want 1", token)
	}
}

// TestSignInRevoked: whatever takes the right away ends the session within a
// second of the acknowledgement, and nobody else's.
func TestSignInRevoked(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "other", "zhangsan")
	bystander := s.visitor(t, "zhangsan").signedIn("other")
	tests := []struct {
		name   string // and tenant
		happen func(t *testing.T, tenant string)
	}{
		{"removed", func(t *testing.T, tenant string) { s.authorise(t, tenant, "zhangsan", 0, nil) }},
		{"revoked", func(t *testing.T, tenant string) { s.authorise(t, tenant, "zhangsan", 3, nil) }},
		{"disabled", func(t *testing.T, tenant string) {
			s.authorise(t, tenant, "zhangsan", 2, map[string]any{"enable": "false"})
		}},
		{"removed-and-back", func(t *testing.T, tenant string) {
			s.authorise(t, tenant, "zhangsan", 0, nil)
			s.authorise(t, tenant, "zhangsan", 1, nil) // perhaps another person: they sign in anew
		}},
		{"unbound", func(t *testing.T, tenant string) { s.unbind(t, tenant) }},
		{"gone", func(t *testing.T, tenant string) { s.dissolve(t, tenant) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.bind(t, tt.name, "zhangsan")
			v := s.visitor(t, "zhangsan").signedIn(tt.name)
			v.is(tt.name + "/zhangsan")
			tt.happen(t, tt.name)
			await(t, time.Second, func() string { return cmp.Diff("", v.subject()) })
			if got := v.get("/sso/authz/auth-request"); got.status != http.StatusUnauthorized || got.header.Get("X-Auth-Subject") != "" {
				t.Errorf("auth-request = %d for %q", got.status, got.header.Get("X-Auth-Subject"))
			}
		})
	}
	bystander.is("other/zhangsan")
}

// TestSignInDemoted: a role that is taken away is gone within a second; the
// session stays.
func TestSignInDemoted(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "t1", "boss")
	v := s.visitor(t, "boss").signedIn("t1")
	role := func() string { return v.get("/sso/authz/auth-request").header.Get("X-Auth-Role") }
	if got := role(); got != "admin" {
		t.Errorf("role = %q, want admin", got)
	}
	s.authorise(t, "t1", "boss", 2, map[string]any{"role": "user"})
	await(t, time.Second, func() string { return cmp.Diff("user", role()) })
}

// TestSignInSurvives: a session is in the database, so neither an orderly
// restart nor a crash ends it; what was pushed in between still counts.
func TestSignInSurvives(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "t1", "zhangsan", "lisi")
	v, other := s.visitor(t, "zhangsan").signedIn("t1"), s.visitor(t, "lisi").signedIn("t1")
	begun := s.visitor(t, "zhangsan")
	back := begun.callback("t1", "/")

	s.Stop()
	s.Start()
	v.is("t1/zhangsan")
	if got := begun.get(back); got.status != http.StatusSeeOther {
		t.Errorf("a sign-in begun before the restart = %d", got.status)
	}
	s.authorise(t, "t1", "lisi", 3, nil)
	s.Kill()
	s.Start()
	v.is("t1/zhangsan")
	other.is("")
}
