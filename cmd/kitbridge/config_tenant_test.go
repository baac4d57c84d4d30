package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
)

// TestKeysOfATenantAreThoseOfSSO: one name means one thing, with one set of values.
func TestKeysOfATenantAreThoseOfSSO(t *testing.T) {
	t.Parallel()
	common, own := reflect.TypeFor[SSO](), reflect.TypeFor[StaticTenant]()
	rows, shared := keysOf(common), 0
	for name, k := range keysOf(own) {
		row, ok := rows[name]
		if !ok || name == "issuer" {
			continue
		}
		shared++
		a, b := common.Field(row.index), own.Field(k.index)
		if a.Type != b.Type || a.Tag != b.Tag {
			t.Errorf("%s: in sso %s `%s`, in sso.tenants %s `%s`", name, a.Type, a.Tag, b.Type, b.Tag)
		}
	}
	if shared != 22 || own.NumField() != shared+6 {
		t.Errorf("%d keys are shared of %d; a key of a tenant is its own or one of sso", shared, own.NumField())
	}
}

// TestEveryKeyOfATenantCounts gives each key a value of its own and finds it again.
func TestEveryKeyOfATenantCounts(t *testing.T) {
	t.Parallel()
	common := defaultSSO()
	for name, k := range keysOf(reflect.TypeFor[StaticTenant]()) {
		row, ok := keysOf(reflect.TypeFor[SSO]())[name]
		if !ok || name == "issuer" || name == "profile" {
			continue
		}
		entry := StaticTenant{ID: "t"}
		field := reflect.ValueOf(&entry).Elem().Field(k.index)
		switch field.Interface().(type) {
		case string:
			field.SetString("given")
		case []string:
			field.Set(reflect.ValueOf([]string{"given"}))
		case SSOSession:
			field.Set(reflect.ValueOf(SSOSession{Idle: time.Minute}))
		case SSORefresh:
			field.Set(reflect.ValueOf(SSORefresh{Mode: "probe"}))
		}
		if !entry.overrides() || entry.isWhole() {
			t.Errorf("%s: overrides = %v, is whole = %v", name, entry.overrides(), entry.isWhole())
		}
		got := reflect.ValueOf(common.of(entry)).Field(row.index).Interface()
		want := field.Interface()
		switch name {
		case "session":
			want = SSOSession{Idle: time.Minute, Absolute: 24 * time.Hour}
		case "refresh":
			want = SSORefresh{Mode: "probe", Every: 10 * time.Minute}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		rest := common.of(entry)
		reflect.ValueOf(&rest).Elem().Field(row.index).Set(reflect.ValueOf(common).Field(row.index))
		if !reflect.DeepEqual(rest, common) {
			t.Errorf("%s changes other keys, too:\n%s", name, cmp.Diff(common, rest, cmp.AllowUnexported(Secret{})))
		}
	}
}

// TestAnotherProfileHasItsOwnDefaults: what the file says about the common profile is not about another one.
func TestAnotherProfileHasItsOwnDefaults(t *testing.T) {
	t.Parallel()
	cfg, warnings, err := readConfig("k.yaml", []byte(ok+`sso:
  app_id: app
  token_url: "{domain}/t"
  scope: [get_user_info, more]
  logout_url: ""
  unknown_user: deny
  session: {idle: 1h, absolute: 2h}
  http: {timeout: 3s, follow_redirects: true, allow_private_addresses: true}
  auth_centres: {private_networks: ["10.1.0.0/16"]}
  tenants:
    - {id: o, code: o, profile: oidc, issuer: "https://o.example", client_id: c, client_secret: s, session: {idle: 30m}}
    - {id: c, profile: cas, issuer: "https://c.example"}
    - {id: same, user_claim: uid}
    - {id: plain, issuer: "https://p.example", client_id: c, client_secret: s}
`), lookup())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		if strings.HasPrefix(w.Key, "sso") {
			t.Errorf("warning %v", w)
		}
	}
	common := ssoSettings(cfg.SSO)
	got := staticTenants(cfg.SSO)
	expect := func(profile sso.ProfileName, change func(*sso.Settings)) *sso.Settings {
		s := sso.DefaultSettings(profile)
		s.App, s.UnknownUser, s.SessionIdle, s.SessionAbsolute = "app", "deny", time.Hour, 2*time.Hour
		s.Timeout, s.FollowRedirects, s.AllowPrivateAddresses = 3*time.Second, true, true
		s.PrivateNetworks, s.AssertionAudience = common.PrivateNetworks, common.AssertionAudience
		change(&s)
		return &s
	}
	want := []sso.StaticTenant{
		{ID: "o", Code: "o", Issuer: "https://o.example", ClientID: "c", Secret: "s", Settings: expect(sso.ProfileOIDC, func(s *sso.Settings) {
			s.SessionIdle, s.TokenRedirectURI = 30*time.Minute, "auto" // which is always, as authorize always has it
		})},
		{ID: "c", Issuer: "https://c.example", Settings: expect(sso.ProfileCAS, func(s *sso.Settings) {
			s.Nonce, s.ServiceTemplate = "if_echoed", "{callback}?tenant={tenantId}"
		})},
		{ID: "same", Settings: expect(sso.ProfileKit, func(s *sso.Settings) {
			s.TokenURL, s.Scope, s.LogoutURL, s.Nonce, s.UserClaim = "{domain}/t", []string{"get_user_info", "more"}, "", "if_echoed", "uid"
		})},
		{ID: "plain", Issuer: "https://p.example", ClientID: "c", Secret: "s"},
	}
	if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		t.Errorf("tenants (-want +got):\n%s", diff)
	}
}

// TestSecretOfATenantFromAFile: its last line break is none of it.
func TestSecretOfATenantFromAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := readConfig(filepath.Join(dir, "k.yaml"), []byte(ok+
		"sso: {tenants: [{id: a, issuer: 'https://a.example', client_id: c, client_secret_file: secret}]}\n"), lookup())
	if err != nil || cfg.SSO.Tenants[0].ClientSecret.Reveal() != "s3cret" {
		t.Errorf("secret %q, %v", cfg.SSO.Tenants[0].ClientSecret.Reveal(), err)
	}
}

// TestFixedEndpointsOfOIDC: what the file gives replaces what is discovered; what it leaves out is discovered.
func TestFixedEndpointsOfOIDC(t *testing.T) {
	t.Parallel()
	cfg, _, err := readConfig("k.yaml", []byte(ok+"sso: {profile: oidc, token_url: 'https://t.example/token', jwks_url: '{domain}/keys', authorize_url: ''}\n"), lookup())
	if err != nil {
		t.Fatal(err)
	}
	s := ssoSettings(cfg.SSO)
	got := []string{s.AuthorizeURL, s.TokenURL, s.UserinfoURL, s.JWKSURL, s.LogoutURL}
	if diff := cmp.Diff([]string{"", "https://t.example/token", "", "{domain}/keys", ""}, got); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	_, warnings, err := readConfig("k.yaml", []byte(ok+"sso: {profile: oidc, token_url: 'https://t.example/token'}\n"), lookup())
	if err != nil || !slices.ContainsFunc(warnings, func(w Warning) bool {
		return strings.HasPrefix(w.String(), "k.yaml:2:22: sso.token_url: changes nothing")
	}) {
		t.Errorf("a token_url without a key set: %v, %v; want a warning", warnings, err)
	}
}
