package main

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lookup makes an environment of pairs NAME=value.
func lookup(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, p := range pairs {
			if n, v, _ := strings.Cut(p, "="); n == name {
				return v, true
			}
		}
		return "", false
	}
}

// prefixComparer compares networks, which cmp can't look into.
func prefixComparer() cmp.Option {
	return cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
}

func mustRead(t *testing.T, text string, env ...string) Config {
	t.Helper()
	cfg, _, err := readConfig("/etc/kb/kitbridge.yaml", []byte(text), lookup(env...))
	if err != nil {
		t.Fatalf("readConfig:\n%v", err)
	}
	return cfg
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got := mustRead(t, "public_url: https://app.example.com\n")
	want := Config{
		Listen:    "127.0.0.1:8080",
		PublicURL: "https://app.example.com",
		Database:  NewSecret("sqlite:/etc/kb/kitbridge.db"),
		Migrate:   "auto",
		KeyFile:   "/etc/kb/kitbridge.key",
		Marketplace: Marketplace{
			Path: "/marketplace", ClockSkew: time.Minute, MaxBody: 5 * 1024 * 1024, PurgeAfter: 15 * 24 * time.Hour,
			DeletionGuard: DeletionGuard{Count: 50, Percent: 30, Max: 1000},
		},
		SSO: SSO{
			Profile:         "kit",
			UnifiedLoginURL: "https://macroverse.huaweicloud.com/unified-login/#/portal-login?ind=UNOP&appId={appId}",
			AuthorizeURL:    "{domain}/api/v1/oauth2/authorize", TokenURL: "{domain}/api/v1/oauth2/token",
			UserinfoURL: "{domain}/api/v1/oauth2/userinfo", LogoutURL: "{domain}/api/v1/logout?redirect_url={return}",
			Issuer: "{domain}/api/v1/oauth2", Scope: []string{"get_user_info"}, ClientAuth: "post", TokenBody: "form", TokenRedirectURI: "auto",
			TenantParams: []string{"tenant", "tenant_id", "tenantId"}, StateAlphabet: "hex",
			Nonce: "if_echoed", PKCE: "off", IDToken: "if_present",
			SigningAlgs: []string{"RS256", "RS384", "RS512"}, UserinfoHeaders: []string{"Authorization"}, TenantClaim: "id",
			HTTP:        SSOHTTP{Timeout: 10 * time.Second, MaxBody: 1024 * 1024},
			Session:     SSOSession{Idle: 8 * time.Hour, Absolute: 24 * time.Hour},
			Refresh:     SSORefresh{Mode: "off", Every: 10 * time.Minute},
			UnknownUser: "pending", Unsolicited: "bounce", Embedded: "off", TestTenants: "deny",
			Assertion: Assertion{Audience: "https://app.example.com", Alg: "ES256"}, Chooser: "search",
		},
		Admin:   Admin{Listen: "127.0.0.1:8081"},
		Log:     Log{Level: "info", Format: "json"},
		Journal: Journal{Retention: 90 * 24 * time.Hour},
	}
	if diff := cmp.Diff(want, got, prefixComparer()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestSinkDefaults(t *testing.T) {
	t.Parallel()
	got := mustRead(t, `
public_url: https://app.example.com
sinks:
  - {name: corp, type: ldap, url: "ldap://127.0.0.1", bind_dn: "cn=kb", bind_password: x, base_dn: "dc=a", tenants: [t1]}
  - {name: product, type: sql, url: "sqlite:product.db"}
`).Sinks
	common := Sink{
		PurgeAfter: 30 * day, Root: "tenant", Dialect: "auto", Layout: "people", Connections: 4,
		RemovedUsers: "disable", ReconcileEvery: day, OnDrift: "report", Prefix: "kit_", Schema: "manage",
	}
	corp, product := common, common
	corp.Name, corp.Type, corp.URL, corp.Tenants = "corp", "ldap", []Secret{NewSecret("ldap://127.0.0.1")}, []string{"t1"}
	corp.BindDN, corp.BindPassword, corp.BaseDN = "cn=kb", NewSecret("x"), "dc=a"
	product.Name, product.Type, product.Tenants = "product", "sql", []string{"*"}
	product.URL = []Secret{NewSecret("sqlite:/etc/kb/product.db")}
	if diff := cmp.Diff([]Sink{corp, product}, got); diff != "" {
		t.Errorf("sinks (-want +got):\n%s", diff)
	}
}

func TestDerivedDefaults(t *testing.T) {
	t.Parallel()
	got := mustRead(t, `
public_url: https://app.example.com/
database: postgres://u:p@localhost/kb
sso: {profile: oidc}
`)
	want := []string{"https://app.example.com", "refuse", "https://app.example.com", "openid", "required", "s256", "required"}
	have := []string{got.PublicURL, got.Migrate, got.SSO.Assertion.Audience, got.SSO.Scope[0], got.SSO.Nonce, got.SSO.PKCE, got.SSO.IDToken}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("defaults that depend on others (-want +got):\n%s", diff)
	}
}

// TestProfileAddresses: an address that is not given is the profile's, and one that is given stays.
func TestProfileAddresses(t *testing.T) {
	t.Parallel()
	kitLogout := "{domain}/api/v1/logout?redirect_url={return}"
	for text, want := range map[string][4]string{
		"{}": {"{domain}/api/v1/oauth2/authorize", "{domain}/api/v1/oauth2/userinfo", kitLogout, ""},
		"{profile: cas}": {
			"{domain}/api/v1/cas/login", "{domain}/api/v1/cas/p3/serviceValidate", "{domain}/api/v1/cas/logout?service={return}",
			"{callback}?tenant={tenantId}",
		},
		"{profile: cas, authorize_url: \"{domain}/cas/login\", service_template: \"{callback}?state={state}\"}": {
			"{domain}/cas/login", "{domain}/api/v1/cas/p3/serviceValidate", "{domain}/api/v1/cas/logout?service={return}",
			"{callback}?state={state}",
		},
		"{profile: oidc}": {"", "", "", ""},
		"{profile: oidc, logout_url: \"" + kitLogout + "\"}": {"", "", kitLogout, ""},
	} {
		s := ssoSettings(mustRead(t, "public_url: https://app.example.com\nsso: "+text+"\n").SSO)
		if diff := cmp.Diff(want, [4]string{s.AuthorizeURL, s.UserinfoURL, s.LogoutURL, s.ServiceTemplate}); diff != "" {
			t.Errorf("sso: %s (-want +got):\n%s", text, diff)
		}
	}
}

// TestEveryKeyLoads reads a file with every key there is, and makes sure that
// none is missing from it.
func TestEveryKeyLoads(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "every-key.yaml")
	cfg, _, err := loadConfig(path, lookup("LDAP_PASSWORD=geheim: #1"))
	if err != nil {
		t.Fatalf("loadConfig:\n%v", err)
	}
	if got, want := cfg.Sinks[0].BindPassword.Reveal(), "geheim: #1"; got != want {
		t.Errorf("bind_password = %q, want %q", got, want)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range everyKey(reflect.TypeFor[Config]()) {
		if !strings.Contains(string(text), key+":") {
			t.Errorf("%s has no key %s", path, key)
		}
	}
}

// everyKey lists the names of all keys, at any depth.
func everyKey(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f, ok := fieldOf(t.Field(i))
		if !ok {
			continue
		}
		names = append(names, f.name)
		sub := t.Field(i).Type
		if sub.Kind() == reflect.Slice {
			sub = sub.Elem()
		}
		if sub.Kind() == reflect.Struct && !isScalar(sub) {
			names = append(names, everyKey(sub)...)
		}
	}
	return names
}

func TestValues(t *testing.T) {
	t.Parallel()
	got := mustRead(t, `
public_url: https://app.example.com
trusted_proxies: [10.0.0.0/8, 192.0.2.7, "2001:db8::1"]
key_file: ${DIR}/ring
insecure_transport: ${YES}
marketplace:
  keys: {kit: one, v1: [two, three]}
  clock_skew: 1d2h
  max_body: 2KB
  deletion_guard: {count: "${N}"}
  base_upstream:
sso:
  assertion: {audience: 'a $5 ${X} $${X} $$ $'}
  rules:
    - {path: /p, allow: public}
    - {path: /s, allow: signed_in, methods: [GET, POST]}
    - {path: /r, allow: {role: admin, tenant: t1, org: [a, b]}}
`, "DIR=/run/kb", "YES=true", "N=7", "X=${DIR} # : {")
	if got.KeyFile != "/run/kb/ring" || !got.InsecureTransport {
		t.Errorf("key_file = %q, insecure_transport = %v, want /run/kb/ring and true", got.KeyFile, got.InsecureTransport)
	}
	wantNets := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::1/128")}
	if diff := cmp.Diff(wantNets, got.TrustedProxies, prefixComparer()); diff != "" {
		t.Errorf("trusted_proxies (-want +got):\n%s", diff)
	}
	wantMarket := Marketplace{
		Path:      "/marketplace",
		Keys:      MarketplaceKeys{Kit: []Secret{NewSecret("one")}, V1: []Secret{NewSecret("two"), NewSecret("three")}},
		ClockSkew: 26 * time.Hour, MaxBody: 2000, PurgeAfter: 15 * day,
		DeletionGuard: DeletionGuard{Count: 7, Percent: 30, Max: 1000},
	}
	if diff := cmp.Diff(wantMarket, got.Marketplace); diff != "" {
		t.Errorf("marketplace (-want +got):\n%s", diff)
	}
	// A variable's value is not looked at again, and can't become YAML.
	if want := "a $5 ${DIR} # : { ${X} $$ $"; got.SSO.Assertion.Audience != want {
		t.Errorf("audience = %q, want %q", got.SSO.Assertion.Audience, want)
	}
	wantRules := []Rule{
		{Path: "/p", Allow: Allow{Public: true}},
		{Path: "/s", Methods: []string{"GET", "POST"}, Allow: Allow{SignedIn: true}},
		{Path: "/r", Allow: Allow{Role: "admin", Tenants: []string{"t1"}, Orgs: []string{"a", "b"}}},
	}
	if diff := cmp.Diff(wantRules, got.SSO.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

func TestSecretFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token := strings.Repeat("t", 40)
	for name, content := range map[string]string{
		"token": token + "\n", "kit": "newest\r\n\nolder\n", "db": "postgres://u:p%23w@127.0.0.1/kb\n",
		"kitbridge.yaml": `
public_url: https://app.example.com
database_file: db
admin: {token_file: "${WHERE}/token"}
marketplace: {keys: {kit_file: kit}}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, _, err := loadConfig(filepath.Join(dir, "kitbridge.yaml"), lookup("WHERE="+dir))
	if err != nil {
		t.Fatalf("loadConfig:\n%v", err)
	}
	want := []string{token, "newest", "older", "postgres://u:p%23w@127.0.0.1/kb"}
	have := []string{got.Admin.Token.Reveal()}
	for _, k := range got.Marketplace.Keys.Kit {
		have = append(have, k.Reveal())
	}
	have = append(have, got.Database.Reveal())
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("secrets from files (-want +got):\n%s", diff)
	}
	if got.Migrate != "refuse" {
		t.Errorf("migrate = %q, want refuse: the database in the file is PostgreSQL", got.Migrate)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	_, warnings, err := readConfig("k.yaml", []byte(`public_url: http://app.example.com
marketplace: {keys: {v1: [k], base: [b]}}
sso:
  profile: kit
  hosts: [{host: a.example}]
  chooser: search
  id_token: required
proxy: {upstream: ""}
sinks:
  - name: corp
    type: ldap
    url: ldap://127.0.0.1
    bind_dn: cn=kb
    bind_password: x
    base_dn: dc=a
    tenants: [t1]
    dialect: openldap
    on_drift: repair
`), lookup())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.String())
	}
	want := []string{
		"k.yaml:1:1: public_url: is http://: sessions and codes can be read on the way; use https:// in production",
		"k.yaml:2:31: marketplace.keys.base: checks calls that nobody gets: without marketplace.base_upstream they are refused; name the product's endpoint there",
		"k.yaml:5:3: sso.hosts: needs trusted_proxies: without it the decision endpoints do not know which host a question is about; list your web server's address there",
		"k.yaml:7:3: sso.id_token: changes nothing: with profile kit no ID token is asked for",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	_, warnings, err = readConfig("k.yaml", []byte("public_url: http://localhost:8080\nmarketplace: {keys: {kit: [k]}}\nsinks: [{name: p, type: sql, url: 'sqlite:p.db'}]\n"), lookup())
	if err != nil || len(warnings) != 0 {
		t.Errorf("http on loopback: warnings %v, error %v; want none", warnings, err)
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	_, _, err := loadConfig("no/such.yaml", lookup())
	want := "no/such.yaml: does not exist; kitbridge init makes one, or name yours with --config"
	if err == nil || err.Error() != want {
		t.Errorf("loadConfig of no file: %v, want %s", err, want)
	}
	if _, ok := errors.AsType[*configError](err); !ok {
		t.Errorf("error is a %T, want *configError", err)
	}
	_, _, err = loadConfig(t.TempDir(), lookup())
	if err == nil || !strings.HasSuffix(err.Error(), ": is a folder; name a file") {
		t.Errorf("loadConfig of a folder: %v", err)
	}
}
