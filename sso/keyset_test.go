package sso_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

func jwk(members map[string]any) json.RawMessage {
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return text
}

func number(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

// TestKeySets goes through what a key set may hold beside, or in place of, the right key. A token is believed by a
// public key that the set lists, and by nothing else.
func TestKeySets(t *testing.T) {
	t.Parallel()
	private := newKey(t)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := curve.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, y := base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
	only := func(key json.RawMessage, change func(*hostile)) func(*hostile) {
		return func(o *hostile) {
			o.keys, o.rawKeys = nil, []json.RawMessage{key}
			if change != nil {
				change(o)
			}
		}
	}
	beside := func(key json.RawMessage) func(*hostile) {
		return func(o *hostile) { o.rawKeys = []json.RawMessage{key} }
	}
	symmetric := jwk(map[string]any{"kty": "oct", "kid": "k1", "k": base64.RawURLEncoding.EncodeToString([]byte(secretA))})
	for _, tt := range []struct {
		name   string
		change func(*hostile)
		good   bool
		check  string
	}{
		{"D. no keys", only(jwk(map[string]any{}), func(o *hostile) { o.rawKeys = nil }), false, "id_token.signature"},
		{"D. the private key, too", only(jwk(map[string]any{
			"kty": "RSA", "kid": "k1", "n": number(private.N), "e": "AQAB", "d": number(private.D), "p": number(private.Primes[0]), "q": number(private.Primes[1]),
		}), func(o *hostile) { o.signWith = private }), false, "id_token.signature"},
		{"D. a symmetric key only", only(symmetric, func(o *hostile) { o.header["alg"], o.hmacKey = "HS256", []byte(secretA) }), false, "id_token.alg"},
		{"D. a symmetric key for an asymmetric algorithm", only(symmetric, nil), false, "id_token.signature"},
		{"D. a symmetric key beside the right one", beside(symmetric), true, ""},
		{"D. a key of another kind under the same kid", beside(jwk(map[string]any{"kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y})), true, ""},
		{"D. a kind nobody knows beside the right one", beside(jwk(map[string]any{"kty": "AKP", "kid": "k1", "alg": "ML-DSA-44", "pub": "AA"})), true, ""},
		{"D. a curve point that is none", only(jwk(map[string]any{"kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": x}), nil), false, "keys.form"},
		{"D. a curve point that is none, beside the right key", beside(jwk(map[string]any{"kty": "EC", "crv": "P-256", "kid": "k2", "x": y, "y": y})), false, "keys.form"},
		{"D. an RSA key without a modulus", only(jwk(map[string]any{"kty": "RSA", "kid": "k1", "e": "AQAB"}), nil), false, "keys.form"},
		{"D. an RSA key with exponent 1", only(jwk(map[string]any{"kty": "RSA", "kid": "k1", "n": number(private.N), "e": "AQ"}), func(o *hostile) { o.signWith = private }), false, "id_token.signature"},
		{"D. keys are a text", func(o *hostile) { o.keys, o.rawKeys = nil, []json.RawMessage{json.RawMessage(`"k1"`)} }, false, "keys.form"},
		{"D. a key of another provider", only(jwk(map[string]any{"kty": "RSA", "kid": "k1", "n": number(private.N), "e": "AQAB"}), nil), false, "id_token.signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			h := oidcHouse(t, o.URL, nil)
			browser := ssotest.Browser(t)
			got := o.signIn(h, browser, func(o *hostile, _ url.Values) { tt.change(o) })
			want := ""
			if tt.good {
				want = tenantA + "/zhang.san"
			} else if on := shownOn(got.body); on.check != tt.check || got.status < 400 {
				t.Errorf("callback = %d, check %q, want %q\n%s", got.status, on.check, tt.check, h.log)
			}
			h.wantSubject(browser, want)
		})
	}
}

// TestKeysSurviveAnOutage: who has the keys goes on with them while the provider's key set is gone, spoilt or slow.
func TestKeysSurviveAnOutage(t *testing.T) {
	t.Parallel()
	o := newHostile(t)
	h := oidcHouse(t, o.URL, nil)
	first := ssotest.Browser(t)
	o.signIn(h, first, nil)
	h.wantSubject(first, tenantA+"/zhang.san")
	h.clock.advance(10 * time.Minute)
	good := o.keys
	for name, spoil := range map[string]func(){
		"empty":     func() { o.keys, o.rawKeys = map[string]*rsa.PrivateKey{}, nil },
		"malformed": func() { o.rawKeys = []json.RawMessage{json.RawMessage(`7`)} },
	} {
		browser := ssotest.Browser(t)
		o.signIn(h, browser, func(o *hostile, _ url.Values) { spoil() })
		h.wantSubject(browser, tenantA+"/zhang.san")
		if t.Failed() {
			t.Fatalf("with a key set that is %s: %s", name, h.log)
		}
		o.mu.Lock()
		o.keys, o.rawKeys = good, nil
		o.mu.Unlock()
	}
}

// TestDiscoveryDocuments goes through what a discovery document may say. Nobody is sent anywhere by a document that is not the
// issuer's own, and nothing is asked of another host.
func TestDiscoveryDocuments(t *testing.T) {
	t.Parallel()
	meta := func(name string, value any) func(*hostile) { return func(o *hostile) { o.meta[name] = value } }
	for _, tt := range []struct {
		name   string
		change func(*hostile)
		check  string
	}{
		{"D. issuer of another host", meta("issuer", "https://evil.example"), "discovery.issuer"},
		{"D. issuer with another scheme", func(o *hostile) { o.meta["issuer"] = strings.Replace(o.URL, "http:", "https:", 1) }, "discovery.issuer"},
		{"D. issuer with a query", func(o *hostile) { o.meta["issuer"] = o.URL + "?x" }, "discovery.issuer"},
		{"D. issuer twice, in other letters", func(o *hostile) { o.meta["Issuer"] = "https://evil.example"; delete(o.meta, "issuer") }, "discovery.issuer"},
		{"D. link-local token endpoint", meta("token_endpoint", "http://169.254.169.254/latest/meta-data/"), "discovery.token_endpoint"},
		{"D. link-local keys", meta("jwks_uri", "http://[fe80::1]/keys"), "discovery.jwks_uri"},
		{"D. token endpoint on another port", func(o *hostile) { o.meta["token_endpoint"] = "http://127.0.0.1:1/token" }, "discovery.token_endpoint"},
		{"D. token endpoint in other letters", func(o *hostile) {
			o.meta["TOKEN_ENDPOINT"] = "https://evil.example/token"
			delete(o.meta, "token_endpoint")
		}, "discovery.token_endpoint"},
		{"D. user info in an endpoint", func(o *hostile) {
			o.meta["token_endpoint"] = strings.Replace(o.URL, "http://", "http://x@", 1) + "/token"
		}, "discovery.token_endpoint"},
		{"D. fragment in an endpoint", func(o *hostile) { o.meta["authorization_endpoint"] = o.URL + "/authorize#x" }, "discovery.authorization_endpoint"},
		{"D. endpoint that is a script", meta("authorization_endpoint", "javascript:alert(1)"), "discovery.authorization_endpoint"},
		{"D. endpoint that is a path", meta("authorization_endpoint", "/authorize"), "discovery.authorization_endpoint"},
		{"D. end of session elsewhere", meta("end_session_endpoint", "https://evil.example/bye"), "discovery.end_session_endpoint"},
		{"D. endpoint is a list", meta("token_endpoint", []string{"x"}), "discovery.form"},
		{"D. no keys", meta("jwks_uri", ""), "discovery.jwks_uri"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			tt.change(o)
			h := oidcHouse(t, o.URL, nil)
			got := h.get(ssotest.Browser(t), "/sso/login?tenant="+tenantA)
			if on := shownOn(got.body); got.status != http.StatusBadGateway || on.check != tt.check {
				t.Errorf("login = %d, check %q, want 502 and %q", got.status, on.check, tt.check)
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.tokens+o.keyCalls != 0 {
				t.Error("something was asked of the provider after all")
			}
		})
	}
}

// TestSlowProvider: an answer that drips is ended in time, and only the person who waits for it waits.
func TestSlowProvider(t *testing.T) {
	t.Parallel()
	drip := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range 100 {
			if _, err := fmt.Fprint(w, " "); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	server := httptest.NewServer(http.HandlerFunc(drip))
	t.Cleanup(server.Close)
	h := oidcHouse(t, server.URL, func(s *sso.Settings) { s.Timeout = 300 * time.Millisecond })
	began := time.Now()
	got := h.get(ssotest.Browser(t), "/sso/login?tenant="+tenantA)
	if on := shownOn(got.body); on.code != "provider_unreachable" || time.Since(began) > 5*time.Second {
		t.Errorf("login = %d, %+v, after %v", got.status, on, time.Since(began))
	}
}

// TestNothingInsideIsDialled: a name that a tenant announced and that resolves to an address inside, or one that is such an address
// in some spelling, is not asked, though a browser may have been.
func TestNothingInsideIsDialled(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(inside.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(inside.URL, "http://"), ":")
	h := newHouse(t, func(c *sso.Config) {
		c.Settings.AllowInsecureAuthCentres, c.Settings.UnifiedLoginURL, c.Settings.Timeout = false, "", 300*time.Millisecond
	})
	for _, domain := range []string{"https://localhost.:" + port, "https://LOCALHOST:" + port, "https://a.localhost:" + port, "https://127.1:" + port, "https://2130706433:" + port, "https://[::ffff:127.0.0.1]:" + port, "https://0x7f.1:" + port} {
		h.PutTenant(t, sso.Tenant{ID: tenantA, Name: "x", Domain: domain, Live: true})
		h.PutCredential(t, tenantA, sso.Credential{App: appID, ClientID: "c", Secret: "s", Live: true})
		browser := ssotest.Browser(t)
		got := h.get(browser, "/sso/login?tenant="+tenantA)
		if got.status == http.StatusFound { // a name like any other, until it is resolved
			got = h.get(browser, "/sso/callback?code=x&state="+got.location.Query().Get("state"))
		}
		if got.status < 400 {
			t.Errorf("%s: %d to %q", domain, got.status, got.header.Get("Location"))
		}
	}
	if asked.Load() != 0 {
		t.Errorf("%d calls inside", asked.Load())
	}
	s := sso.DefaultSettings(sso.ProfileKit)
	s.PrivateNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, address := range []string{"127.0.0.1:443", "169.254.169.254:80", "[::ffff:169.254.169.254]:80", "192.168.0.1:443"} {
		if sso.MayDial(s, address) == nil {
			t.Errorf("%s may be dialled because another network may", address)
		}
	}
}
