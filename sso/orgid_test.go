package sso_test

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// orgID is OrgID's row of settings: data over the kit's, as docs/sign-in.md gives it.
func orgID(base string) sso.Settings {
	s := sso.DefaultSettings(sso.ProfileKit)
	s.AuthorizeURL = base + "/oauth2/authorize"
	s.TokenURL = base + "/orgid/openapi/v1/oauth2/token"
	s.UserinfoURL = base + "/orgid/openapi/v1/oauth2/userinfo"
	s.LogoutURL = base + "/oauth/logout?service={return}"
	s.Scope = []string{"phone", "profile", "email"}
	s.TokenRedirectURI = "always"
	s.TokenBody = "multipart"
	s.UserinfoHeaders = []string{"X-OrgID-Authorization"}
	s.TenantClaim = "id_or_code"
	return s
}

// newOrgID is OrgID as its pages describe it: one host for all tenants, a multipart form, its own header, names with underscores, and
// the tenant by its code.
func newOrgID(t *testing.T, callback func() string, tenant string) *httptest.Server {
	t.Helper()
	answer := func(w http.ResponseWriter, status int, body map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	var mux http.ServeMux
	mux.HandleFunc("POST /orgid/openapi/v1/oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		for name, want := range map[string]string{
			"client_id": "client-a", "client_secret": secretA, "code": "c0de", "grant_type": "authorization_code", "redirect_uri": callback(),
		} {
			if media != "multipart/form-data" || r.FormValue(name) != want {
				answer(w, http.StatusBadRequest, map[string]any{"error_code": "OrgID.OAUTH.4002", "error_msg": name})
				return
			}
		}
		answer(w, http.StatusOK, map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 7200})
	})
	mux.HandleFunc("GET /orgid/openapi/v1/oauth2/userinfo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-OrgID-Authorization") != "Bearer at" || r.Header.Get("Authorization") != "" {
			answer(w, http.StatusUnauthorized, map[string]any{"error_code": "OrgID.OAUTH.4000", "error_msg": "invalid"})
			return
		}
		answer(w, http.StatusOK, map[string]any{
			"user_id": "u1", "user_name": "zhang.san", "name": "张三", "mobile": "13800000000", "email": "z@example.com",
			"employee_code": "E7", "role": "admin", "tenant": tenant, "tenant_name": "晨光制造",
		})
	})
	server := httptest.NewServer(&mux)
	t.Cleanup(server.Close)
	return server
}

// TestOrgIDIsARowOfSettings signs in at an OrgID by settings alone.
func TestOrgIDIsARowOfSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, tenant string
		change       func(*sso.Settings)
		want         string
	}{
		{"tenant by its code", "chenguang", nil, tenantA + "/zhang.san"},
		{"tenant by its id", tenantA, nil, tenantA + "/zhang.san"},
		{"another tenant's code", "yuanhang", nil, ""},
		{"another tenant's id", tenantB, nil, ""},
		{"code where an id is expected", "chenguang", func(s *sso.Settings) { s.TenantClaim = "id" }, ""},
		{"URL-encoded form", "chenguang", func(s *sso.Settings) { s.TokenBody = "form" }, ""},
		{"the kit's header", "chenguang", func(s *sso.Settings) { s.UserinfoHeaders = []string{"Authorization"} }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var h *house
			server := newOrgID(t, func() string { return h.url + "/sso/callback" }, tt.tenant)
			h = newHouse(t, func(c *sso.Config) {
				c.Settings = orgID(server.URL)
				c.Settings.App, c.Settings.AllowInsecureAuthCentres = appID, true
				if tt.change != nil {
					tt.change(&c.Settings)
				}
			})
			browser := ssotest.Browser(t)
			u, err := url.Parse(h.start(browser, "chenguang", "/desk"))
			if err != nil || u.Path != "/oauth2/authorize" || u.Query().Get("scope") != "phone profile email" {
				t.Fatalf("login leads to %v (%v)", u, err)
			}
			h.get(browser, "/sso/callback?"+url.Values{"code": {"c0de"}, "state": {u.Query().Get("state")}}.Encode())
			h.wantSubject(browser, tt.want)
			if tt.want == "" {
				return
			}
			if _, me := h.me(browser); me["role"] != "admin" || me["mobile"] != "13800000000" {
				t.Errorf("/sso/me = %v", me)
			}
			out := h.get(browser, "/sso/logout")
			if want := server.URL + "/oauth/logout?service=" + url.QueryEscape(h.url+"/sso/signed-out"); out.header.Get("Location") != want {
				t.Errorf("logout leads to %q, want %q", out.header.Get("Location"), want)
			}
		})
	}
}

func TestClaimsThatAreChosen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		change     func(*sso.Settings)
		user       sso.UserName
		role       sso.Role
	}{
		{"user claim", `{"userName":"a","uid":"b"}`, func(s *sso.Settings) { s.UserClaim = "uid" }, "b", ""},
		{"user claim missing", `{"userName":"a"}`, func(s *sso.Settings) { s.UserClaim = "uid" }, "", ""},
		{"verified address", `{"email":"a@b.example","email_verified":true}`, func(s *sso.Settings) { s.UserClaim = "email" }, "a@b.example", ""},
		{"verified, as a word", `{"email":"a@b.example","email_verified":"true"}`, func(s *sso.Settings) { s.UserClaim = "email" }, "a@b.example", ""},
		{"address not verified", `{"email":"a@b.example","email_verified":false}`, func(s *sso.Settings) { s.UserClaim = "email" }, "", ""},
		{"address of which nothing is said", `{"email":"a@b.example"}`, func(s *sso.Settings) { s.UserClaim = "email" }, "", ""},
		{"role claim", `{"userName":"a","role":"user","kind":"admin"}`, func(s *sso.Settings) { s.RoleClaim = "kind" }, "a", "admin"},
		{"role claim, other word", `{"userName":"a","kind":"administrator"}`, func(s *sso.Settings) { s.RoleClaim = "kind" }, "a", "user"},
		{"role claim, list", `{"userName":"a","groups":["staff","admin"]}`, func(s *sso.Settings) { s.RoleClaim = "groups" }, "a", "admin"},
		{"role claim, list without it", `{"userName":"a","groups":["staff","/admin"]}`, func(s *sso.Settings) { s.RoleClaim = "groups" }, "a", "user"},
		{"role claim, list with an object", `{"userName":"a","groups":["admin",{}]}`, func(s *sso.Settings) { s.RoleClaim = "groups" }, "a", "user"},
		{"role claim absent", `{"userName":"a","role":"admin"}`, func(s *sso.Settings) { s.RoleClaim = "groups" }, "a", ""},
		{"tenant by id", `{"userName":"a","tenant":"t"}`, nil, "a", ""},
		{"tenant by code", `{"userName":"a","tenant":"code"}`, func(s *sso.Settings) { s.TenantClaim = "id_or_code" }, "a", ""},
		{"tenant by code, not asked for", `{"userName":"a","tenant":"code"}`, nil, "", ""},
		{"another code", `{"userName":"a","tenant":"edoc"}`, func(s *sso.Settings) { s.TenantClaim = "id_or_code" }, "", ""},
	} {
		s := sso.DefaultSettings(sso.ProfileKit)
		if tt.change != nil {
			tt.change(&s)
		}
		c, err := sso.DecodeClaims([]byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		user, role, err := sso.IdentifyBy(c, "t", "code", s)
		if user != tt.user || role != tt.role || (err == nil) != (tt.user != "") {
			t.Errorf("%s: %q, %q, %v, want %q, %q", tt.name, user, role, err, tt.user, tt.role)
		}
	}
}
