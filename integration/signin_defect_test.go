//go:build integration

package integration_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// centreDefect is one way in which an auth centre differs from the guide.
type centreDefect struct {
	name string
	make func(*authCentre, *centreTenant)
	want string // code on the page; "" means that the sign-in works
}

// userinfo replaces the whole answer of userinfo.
func userinfo(answer map[string]any) func(*authCentre, *centreTenant) {
	return func(_ *authCentre, t *centreTenant) { t.users["zhangsan"] = answer }
}

// userinfoWith changes one member of it.
func userinfoWith(name string, value any) func(*authCentre, *centreTenant) {
	return func(_ *authCentre, t *centreTenant) { t.users["zhangsan"][name] = value }
}

func tokenSays(status int, contentType, body string) func(*authCentre, *centreTenant) {
	return func(_ *authCentre, t *centreTenant) { t.token = says(status, contentType, body) }
}

func userinfoSays(status int, contentType, body string) func(*authCentre, *centreTenant) {
	return func(_ *authCentre, t *centreTenant) { t.userinfo = says(status, contentType, body) }
}

// tokenWith answers the usual token with some members changed; nil takes one away.
func tokenWith(contentType string, changes map[string]any) func(*authCentre, *centreTenant) {
	return func(c *authCentre, t *centreTenant) {
		t.token = func(w http.ResponseWriter, r *http.Request) {
			g, _ := c.take(r.PostForm.Get("code"), true)
			answer := c.tokenFor(g)
			for name, value := range changes {
				if answer[name] = value; value == nil {
					delete(answer, name)
				}
			}
			w.Header().Set("Content-Type", contentType)
			json.NewEncoder(w).Encode(answer) //nolint:errcheck // the other end went away
		}
	}
}

func callbackWith(change func(url.Values)) func(*authCentre, *centreTenant) {
	return func(_ *authCentre, t *centreTenant) { t.answer = change }
}

const jsonType = "application/json"

// toleratedDefects are those that the guide's own tables and samples have.
func toleratedDefects() []centreDefect {
	return []centreDefect{
		{"expires_in quoted", tokenWith(jsonType, map[string]any{"expires_in": "7200"}), ""},
		{"expires_in absent", tokenWith(jsonType, map[string]any{"expires_in": nil}), ""},
		{"refresh_token absent", tokenWith(jsonType, map[string]any{"refresh_token": nil}), ""},
		{"token as plain text", tokenWith("text/plain;charset=UTF-8", nil), ""},
		{"numeric id", userinfoWith("id", 12345678901234567), ""},
		{"snake_case", userinfo(map[string]any{"user_id": "u1", "user_name": "zhangsan", "tenant_name": "企业", "employee_code": "1"}), ""},
		{"workbench sample", userinfo(map[string]any{"userName": "zhangsan", "name": "李雷", "tenant": "workbench-sample", "organizationCode": "10000", "role": "user"}), ""},
		{"kit sample", userinfo(map[string]any{"id": "1", "userName": "zhangsan", "name": "李雷", "email": "li.lei@example.com", "mobile": "13900000000"}), ""},
		{"tenant is null", userinfoWith("tenant", nil), ""},
		{"role root", userinfoWith("role", "root"), ""},
		{"role Admin", userinfoWith("role", "Admin"), ""},
		{"name with line breaks", userinfoWith("name", "李\r\nX-Auth-Role: admin\x00雷"), ""},
		{"sub of somebody", userinfoWith("sub", "somebody-else"), ""},
	}
}

func refusedDefects() []centreDefect {
	return []centreDefect{
		{"state absent", callbackWith(func(q url.Values) { q.Del("state") }), "tenant_missing"},
		{"state wrong", callbackWith(func(q url.Values) { q.Set("state", strings.Repeat("0", 64)) }), "attempt_lost"},
		{"state twice", callbackWith(func(q url.Values) { q.Add("state", "x") }), "bad_request"},
		{"code twice", callbackWith(func(q url.Values) { q.Add("code", "x") }), "bad_request"},
		{"code of 10 KB", callbackWith(func(q url.Values) { q.Set("code", strings.Repeat("x", 10<<10)) }), "bad_request"},
		{"access_denied", callbackWith(func(q url.Values) {
			q.Del("code")
			q.Set("error", "access_denied")
			q.Set("error_description", "<script>alert(1)</script>")
		}), "provider_refused"},
		{"token 403 empty", tokenSays(403, "text/html", ""), "credential_rejected"},
		{"token invalid_client", tokenSays(401, jsonType, `{"error":"invalid_client","error_description":"<script>"}`), "credential_rejected"},
		{"token invalid_grant", tokenSays(400, jsonType, `{"error":"invalid_grant","error_description":"<script>"}`), "code_spent"},
		{"token 200 with error", tokenSays(200, jsonType, `{"error":"server_error","access_token":"x"}`), "provider_error"},
		{"token 200 with a gateway's wrapper", tokenSays(200, jsonType, `{"success":false,"mssg":"no","t":1}`), "provider_error"},
		{"token 500", tokenSays(500, "text/html", "<script>oops</script>"), "provider_error"},
		{"token without access_token", tokenWith(jsonType, map[string]any{"access_token": nil}), "provider_error"},
		{"token elsewhere", func(_ *authCentre, t *centreTenant) { t.token = lost }, "provider_elsewhere"},
		{"token huge", func(_ *authCentre, t *centreTenant) { t.token = huge }, "answer_too_long"},
		{"token silent", func(_ *authCentre, t *centreTenant) { t.token = silent }, "provider_unreachable"},
		{"userinfo 401", userinfoSays(401, jsonType, `{"error":"unauthorized"}`), "provider_error"},
		{"userinfo 200 with error", userinfoSays(200, jsonType, `{"error":"unauthorized","userName":"zhangsan"}`), "provider_error"},
		{"userinfo elsewhere", func(_ *authCentre, t *centreTenant) { t.userinfo = lost }, "provider_elsewhere"},
		{"userinfo huge", func(_ *authCentre, t *centreTenant) { t.userinfo = huge }, "answer_too_long"},
		{"userinfo silent", func(_ *authCentre, t *centreTenant) { t.userinfo = silent }, "provider_unreachable"},
		{"userinfo is a page", userinfoSays(200, "text/html", "<html>"), "provider_error"},
		{"tenant of another", userinfoWith("tenant", "somebody"), "tenant_mismatch"},
		{"tenantId of another", userinfoWith("tenantId", "somebody"), "tenant_mismatch"},
		{"userName absent", userinfo(map[string]any{"id": "1", "name": "张三", "loginName": "zhangsan"}), "identity_incomplete"},
		{"userName null", userinfoWith("userName", nil), "identity_incomplete"},
		{"userName a list", userinfoWith("userName", []string{"zhangsan"}), "identity_incomplete"},
	}
}

// TestSignInDefects: what the guide leaves open is tolerated, what it forbids
// ends on a page of our own, without a session and with one token call at most.
func TestSignInDefects(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	for _, defect := range append(toleratedDefects(), refusedDefects()...) {
		t.Run(defect.name, func(t *testing.T) {
			t.Parallel()
			tenant := strings.NewReplacer(" ", "-", "'", "").Replace(defect.name)
			s.bind(t, tenant, "zhangsan")
			s.centre.with(tenant, func(c *centreTenant) { defect.make(s.centre, c) })
			v := s.visitor(t, "zhangsan")
			got := v.signIn(tenant)
			if token, _ := s.centre.calls(tenant); token > 1 {
				t.Errorf("%d token calls, want one at most: a code is good for one", token)
			}
			if defect.want != "" {
				if got.status < 400 || !strings.Contains(got.body, "<code>"+defect.want+"</code>") || strings.Contains(got.body, "<script") {
					t.Errorf("callback = %d to %q, want a page with %s\n%s", got.status, got.location, defect.want, got.body)
				}
				v.is("")
				return
			}
			if got.status != http.StatusSeeOther {
				t.Errorf("callback = %d, want 303\n%s", got.status, got.body)
			}
			v.is(tenant + "/zhangsan")
			if role := v.get("/sso/authz/auth-request").header.Get("X-Auth-Role"); role != "user" {
				t.Errorf("role = %q, want user", role)
			}
		})
	}
}

// TestSignInRoleIsTheLower: root at the auth centre is no admin, even if the
// marketplace says admin.
func TestSignInRoleIsTheLower(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	for role, want := range map[string]string{"admin": "admin", "root": "user", "Admin": "user", "user": "user"} {
		tenant := "role-" + role
		s.bind(t, tenant, "boss")
		s.centre.with(tenant, func(c *centreTenant) { c.users["boss"]["role"] = role })
		v := s.visitor(t, "boss").signedIn(tenant)
		if got := v.get("/sso/authz/auth-request").header.Get("X-Auth-Role"); got != want {
			t.Errorf("%s at the auth centre, admin at the marketplace: %q, want %q", role, got, want)
		}
	}
}
