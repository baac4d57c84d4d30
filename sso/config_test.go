package sso_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
	"github.com/kitbridge/kitbridge/templates"
)

func config(t testing.TB, m *memory, now func() time.Time) sso.Config {
	t.Helper()
	pages, err := templates.New()
	if err != nil {
		t.Fatal(err)
	}
	return sso.Config{
		PublicURL: "https://app.example", Settings: sso.DefaultSettings(sso.ProfileKit), Keys: ring(),
		Tenants: m, Credentials: m, Accounts: m, Sessions: m, Pages: pages, Logger: slog.New(slog.DiscardHandler), Now: now,
	}
}

func newRP(t testing.TB, c sso.Config) *sso.RelyingParty {
	t.Helper()
	rp, err := sso.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return rp
}

func TestNewReportsAllFaults(t *testing.T) {
	t.Parallel()
	c := config(t, newMemory(), time.Now)
	c.PublicURL = "https://app.example/path"
	c.Settings.Unsolicited = "maybe"
	c.Settings.TokenURL = "http://{domain}"
	c.Settings.LogoutURL = "{domain}/{what}"
	c.Settings.SigningAlgs = []string{"HS256"}
	c.Settings.App = "a/b"
	c.Keys = [][]byte{[]byte("short")}
	c.Sessions = nil
	_, err := sso.New(c)
	if err == nil {
		t.Fatal("New took it")
	}
	for _, want := range []string{"public_url", "unsolicited", "token_url", "logout_url", "signing_algs", "app_id", "keys", "nil"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New does not report %s:\n%v", want, err)
		}
	}
	for _, profile := range []sso.ProfileName{sso.ProfileKit, sso.ProfileOIDC} {
		c := config(t, newMemory(), time.Now)
		c.Settings = sso.DefaultSettings(profile)
		newRP(t, c)
	}
}

// TestEveryErrorHasAnOutcome reads the sentinels from the source: one without a row would be answered as our own fault.
func TestEveryErrorHasAnOutcome(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.CompositeLit); ok && len(lit.Elts) == 2 {
			if id, ok := lit.Elts[0].(*ast.Ident); ok {
				rows[id.Name] = true
			}
		}
		return true
	})
	sentinels := 0
	for _, decl := range file.Decls {
		if vars, ok := decl.(*ast.GenDecl); ok && vars.Tok == token.VAR {
			for _, spec := range vars.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if sentinels++; !rows[name.Name] {
						t.Errorf("%s has no row in outcomes", name.Name)
					}
				}
			}
		}
	}
	if sentinels < 20 {
		t.Errorf("%d sentinels found, want all of them", sentinels)
	}
	if got := sso.OutcomeStatus(fmt.Errorf("x: %w", sso.ErrUnavailable)); got != http.StatusServiceUnavailable {
		t.Errorf("status of a wrapped ErrUnavailable = %d", got)
	}
	if got := sso.OutcomeStatus(errors.New("new")); got != http.StatusInternalServerError {
		t.Errorf("status of an unknown error = %d", got)
	}
}

func TestSecretsAreSilent(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := sso.Credential{ClientID: "id", Secret: "hunter2"}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "credential", c, "secret", c.Secret)
	marshalled, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{log.String(), string(marshalled), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.Secret, c.Secret)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the secret shows: %s", text)
		}
	}
	if c.Secret.Reveal() != "hunter2" {
		t.Error("Reveal does not reveal")
	}
}

func TestMayDial(t *testing.T) {
	t.Parallel()
	strict := sso.DefaultSettings(sso.ProfileKit)
	insecure := strict
	insecure.AllowInsecureAuthCentres = true
	listed := strict
	listed.PrivateNetworks = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	private := strict
	private.AllowPrivateAddresses = true
	everything := strict
	everything.PrivateNetworks = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	for _, tt := range []struct {
		settings sso.Settings
		address  string
		want     bool
	}{
		{private, "10.1.2.3:443", true},
		{private, "172.31.0.1:443", true},
		{private, "192.168.1.1:443", true},
		{private, "[fd12:3456::1]:443", true},
		{private, "[::ffff:10.0.0.1]:443", true},
		{private, "127.0.0.1:443", false},
		{private, "[::1]:443", false},
		{private, "0.0.0.0:443", false},
		{private, "224.0.0.1:443", false},
		{private, "100.64.0.1:443", false},
		{private, "169.254.1.1:443", false},
		{private, "169.254.169.254:80", false},
		{private, "[fe80::1]:443", false},
		{private, "[fd00:ec2::254]:80", false},
		{private, "[fd20:ce::254]:80", false},
		{private, "[64:ff9b::a00:1]:443", false},
		{strict, "168.63.129.16:80", false},
		{everything, "10.1.2.3:443", true},
		{everything, "100.64.0.1:443", true},
		{everything, "169.254.169.254:80", false},
		{everything, "[::ffff:169.254.169.254]:80", false},
		{everything, "100.100.100.200:80", false},
		{everything, "[fd00:ec2::254]:80", false},
		{everything, "[fe80::1]:80", false},
		{strict, "93.184.216.34:443", true},
		{strict, "[2606:4700::1]:443", true},
		{strict, "127.0.0.1:443", false},
		{strict, "[::1]:443", false},
		{strict, "[::ffff:127.0.0.1]:443", false},
		{strict, "[::ffff:10.0.0.1]:443", false},
		{strict, "10.1.2.3:443", false},
		{strict, "172.16.0.1:443", false},
		{strict, "192.168.0.1:443", false},
		{strict, "169.254.169.254:80", false},
		{strict, "100.100.100.200:80", false},
		{strict, "0.0.0.0:80", false},
		{strict, "0.1.2.3:80", false},
		{strict, "224.0.0.1:80", false},
		{strict, "255.255.255.255:80", false},
		{strict, "[fe80::1%25eth0]:80", false},
		{strict, "[fe80::1]:80", false},
		{strict, "[fd00:ec2::254]:80", false},
		{strict, "[64:ff9b::7f00:1]:80", false},
		{strict, "[2002:7f00:1::]:80", false},
		{strict, "[::]:80", false},
		{strict, "nonsense", false},
		{insecure, "127.0.0.1:80", true},
		{insecure, "169.254.169.254:80", false},
		{insecure, "10.1.2.3:80", false},
		{listed, "10.1.2.3:443", true},
		{listed, "10.2.2.3:443", false},
		{listed, "127.0.0.1:443", false},
	} {
		if err := sso.MayDial(tt.settings, tt.address); (err == nil) != tt.want || err != nil && !errors.Is(err, sso.ErrInsecureDomain) {
			t.Errorf("dial %s = %v, want allowed: %v", tt.address, err, tt.want)
		}
	}
}

// TestCookiesOnHTTPS looks at every cookie of a sign-in attempt.
func TestCookiesOnHTTPS(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.PutTenant(t, sso.Tenant{ID: "t", Domain: "auth.example", Live: true})
	m.PutCredential(t, "t", sso.Credential{App: "a", ClientID: "c", Secret: "s", Live: true})
	w := httptest.NewRecorder()
	newRP(t, config(t, m, time.Now)).Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sso/login?tenant=t&return="+strings.Repeat("/a", 1020), nil))
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%d cookies, want the attempt's", len(cookies))
	}
	c := cookies[0]
	if !strings.HasPrefix(c.Name, "__Host-kitbridge-a-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie %+v, want __Host-, Secure, HttpOnly, Lax, path / and no domain", c)
	}
	if len(c.String()) > 4096 {
		t.Errorf("cookie of %d bytes, want at most 4096", len(c.String()))
	}
	u, _ := url.Parse(w.Header().Get("Location"))
	if strings.Contains(c.Value, u.Query().Get("state")) || strings.Contains(c.Name, u.Query().Get("state")) {
		t.Error("the cookie shows the state")
	}
}

func TestKeyRing(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := func() time.Time { return now }
	newKey, oldKey := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	with := func(keys ...[]byte) *sso.RelyingParty {
		c := config(t, newMemory(), clock)
		c.Keys = keys
		return newRP(t, c)
	}
	state := strings.Repeat("a", 64)
	sealed := sso.SealAttempt(with(oldKey), state, now)
	if !sso.OpenAttempt(with(newKey, oldKey), state, sealed) {
		t.Error("a ring that holds the old key does not open its cookie")
	}
	if sso.OpenAttempt(with(newKey), state, sealed) {
		t.Error("a ring without the key opens its cookie")
	}
	if sso.OpenAttempt(with(oldKey), strings.Repeat("b", 64), sealed) {
		t.Error("the cookie of one attempt opens under the name of another")
	}
}

// FuzzAttemptCookie: nothing a stranger makes up is opened, and neither is ours with anything changed.
func FuzzAttemptCookie(f *testing.F) {
	now := time.Now()
	rp := newRP(f, config(f, newMemory(), func() time.Time { return now }))
	state := strings.Repeat("a", 64)
	good, err := base64.RawURLEncoding.DecodeString(sso.SealAttempt(rp, state, now))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", uint(0), byte(1))
	f.Add("AAAA", uint(12), byte(0x80))
	f.Add(strings.Repeat("A", 5000), uint(40), byte(0))
	f.Fuzz(func(t *testing.T, made string, at uint, change byte) {
		if sso.OpenAttempt(rp, state, made) {
			t.Fatalf("a cookie that is not ours was opened: %q", made)
		}
		bent := bytes.Clone(good)
		bent[at%uint(len(bent))] ^= change
		if change == 0 {
			bent = bent[:at%uint(len(bent))]
		}
		if sso.OpenAttempt(rp, state, base64.RawURLEncoding.EncodeToString(bent)) {
			t.Fatalf("a cookie with byte %d changed by %#x was opened", at, change)
		}
	})
}

// TestAssertion verifies X-Auth-Assertion as a product would: with the published keys and nothing else.
func TestAssertion(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.Settings.AssertionAudience = "product" })
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	assertion := func() string {
		return h.do(browser, http.MethodGet, "/sso/authz/auth-request", nil).header.Get("X-Auth-Assertion")
	}
	first := assertion()
	parts := strings.Split(first, ".")
	if len(parts) != 3 {
		t.Fatalf("assertion %q is no JWT", first)
	}
	var header struct{ Alg, Kid string }
	decode(t, parts[0], &header)
	var keys struct {
		Keys []struct{ Kty, Crv, X, Y, Kid, Alg, Use string }
	}
	if err := json.Unmarshal([]byte(h.do(browser, http.MethodGet, "/sso/jwks.json", nil).body), &keys); err != nil {
		t.Fatal(err)
	}
	if len(keys.Keys) != 2 || keys.Keys[0].Kid != header.Kid || header.Alg != "ES256" {
		t.Fatalf("header %+v, keys %+v", header, keys)
	}
	point := []byte{4}
	for _, coordinate := range []string{keys.Keys[0].X, keys.Keys[0].Y} {
		b, err := base64.RawURLEncoding.DecodeString(coordinate)
		if err != nil || len(b) != 32 {
			t.Fatalf("coordinate of %d bytes, %v", len(b), err)
		}
		point = append(point, b...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Error("the signature does not verify")
	}
	var claims map[string]any
	decode(t, parts[1], &claims)
	now := float64(h.clock.now().Unix())
	for name, want := range map[string]any{
		"iss": h.url, "aud": "product", "sub": tenantA + "/zhang.san", "tenant": tenantA, "userName": "zhang.san", "name": "synced zhang.san",
		"role": "admin", "organizationCode": "10000", "email": "zhang.san@example.com", "iat": now, "nbf": now - 30, "exp": now + 60,
	} {
		if claims[name] != want {
			t.Errorf("claim %s = %v, want %v", name, claims[name], want)
		}
	}
	h.clock.advance(29 * time.Second)
	if assertion() != first {
		t.Error("signed again within 30 s")
	}
	h.put(tenantA, "zhang.san", sso.AccountActive, sso.RoleUser)
	h.clock.advance(500 * time.Millisecond)
	if assertion() == first {
		t.Error("not signed again although the role changed")
	}
}

func decode(t *testing.T, part string, v any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestClientAddr(t *testing.T) {
	t.Parallel()
	c := config(t, newMemory(), time.Now)
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	rp := newRP(t, c)
	for _, tt := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9:1", "1.2.3.4", "203.0.113.9"},
		{"10.0.0.1:1", "1.2.3.4", "1.2.3.4"},
		{"[::ffff:10.0.0.1]:1", "1.2.3.4", "1.2.3.4"},
		{"10.0.0.1:1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"},
		{"10.0.0.1:1", "6.6.6.6, nonsense", "10.0.0.1"},
		{"10.0.0.1:1", "", "10.0.0.1"},
		{"@", "1.2.3.4", "invalid IP"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.peer
		r.Header.Set("X-Forwarded-For", tt.forwarded)
		if got := sso.ClientAddr(rp, r).String(); got != tt.want {
			t.Errorf("peer %s, forwarded %q: %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}
