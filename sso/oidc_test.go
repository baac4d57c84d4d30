package sso_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// oidcHouse is a house whose tenant A is a static one at issuer.
func oidcHouse(t *testing.T, issuer string, change func(*sso.Settings)) *house {
	t.Helper()
	h := newHouse(t, func(c *sso.Config) {
		c.Settings = sso.DefaultSettings(sso.ProfileOIDC)
		c.Settings.AllowInsecureAuthCentres = true
		c.Settings.Timeout = 2 * time.Second
		if change != nil {
			change(&c.Settings)
		}
	})
	h.PutTenant(t, sso.Tenant{ID: tenantA, Code: "chenguang", Name: "晨光制造", Issuer: issuer, Live: true})
	return h
}

// TestZitadel signs in at another implementation of the standard.
func TestZitadel(t *testing.T) {
	t.Parallel()
	var mux http.ServeMux
	server := httptest.NewServer(&mux)
	t.Cleanup(server.Close)
	h := oidcHouse(t, server.URL, func(s *sso.Settings) {
		s.Scope = []string{"openid", "profile", "email"}
		s.ClientAuth = "basic"
	})
	client := storage.WebClient("client-a", secretA, h.url+"/sso/callback")
	store := storage.NewStorageWithClients(storage.NewUserStore(server.URL), map[string]*storage.Client{"client-a": client})
	provider, err := op.NewProvider(&op.Config{CryptoKey: sha256.Sum256([]byte("test")), CodeMethodS256: true, AuthMethodPost: true},
		store, op.StaticIssuer(server.URL), op.WithAllowInsecure())
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", provider)
	mux.HandleFunc("/login/username", func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("authRequestID")
		if err := store.CheckUsernamePassword("test-user2", "verysecure", id); err != nil {
			t.Error(err)
		}
		address := op.AuthCallbackURL(provider)(op.ContextWithIssuer(r.Context(), server.URL), id)
		http.Redirect(w, r, address, http.StatusFound)
	})
	h.put(tenantA, "test-user2", sso.AccountActive, sso.RoleUser)

	browser := ssotest.Browser(t)
	address := h.start(browser, tenantA, "/desk")
	for range 3 { // authorize, login, authorize's callback
		got := h.get(browser, address)
		if got.location == nil {
			t.Fatalf("%s = %d\n%s", address, got.status, got.body)
		}
		address = got.location.String()
	}
	if got := h.get(browser, address); got.header.Get("Location") != "/desk" {
		t.Fatalf("callback = %d to %v\n%s\n%s", got.status, got.location, got.body, h.log)
	}
	_, me := h.me(browser)
	if me["sub"] != tenantA+"/test-user2" || me["email"] != "test-user2@zitadel.ch" {
		t.Errorf("/sso/me = %v", me)
	}
	got := h.get(browser, "/sso/logout")
	if u := got.location; u == nil || !strings.HasPrefix(u.String(), server.URL+"/end_session?") || u.Query().Get("client_id") != "client-a" ||
		u.Query().Get("post_logout_redirect_uri") != h.url+"/sso/signed-out" {
		t.Errorf("logout = %d to %v, want the end_session_endpoint", got.status, u)
	}
	h.wantSubject(browser, "")
}

// hostile is an OpenID provider with one fault at a time. It skips the login page: the test calls back by itself.
type hostile struct {
	*httptest.Server
	t *testing.T

	mu sync.Mutex
	// Under mu: what the next answers are, and how often keys and tokens were fetched.
	meta     map[string]any
	header   map[string]any
	claims   map[string]any
	userinfo map[string]any
	keys     map[string]*rsa.PrivateKey
	signWith *rsa.PrivateKey
	hmacKey  []byte
	// bend, if not nil, changes the signed ID token; payload, if not empty, stands for the JSON of claims; rawKeys for that of keys.
	bend      func(string) string
	payload   string
	rawKeys   []json.RawMessage
	keyCalls  int
	tokens    int
	challenge string
	verifier  string
	basic     [2]string              // of HTTP Basic at the token endpoint
	more      map[string]any         // further members of the token answer, which win
	form      url.Values             // of the last token call
	nonce     string                 // of the sign-in
	asked     map[string]http.Header // of the last request, by path
	redirects map[string]redirect    // by path; everything is also served below /moved
}

// redirect is how a request is sent on.
type redirect struct {
	status int
	to     string
}

// firstKey is the first key of every provider: making one takes longer than all else here.
var firstKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	o := &hostile{t: t, keys: map[string]*rsa.PrivateKey{"k1": firstKey()}, asked: map[string]http.Header{}, redirects: map[string]redirect{}}
	o.signWith = o.keys["k1"]
	var mux http.ServeMux
	reply := func(pick func() any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			o.mu.Lock()
			defer o.mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(pick())
		}
	}
	mux.HandleFunc("/.well-known/openid-configuration", reply(func() any { return o.meta }))
	mux.HandleFunc("/keys", reply(func() any { o.keyCalls++; return o.jwks() }))
	mux.HandleFunc("/userinfo", reply(func() any { return o.userinfo }))
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.tokens++
		o.verifier = r.FormValue("code_verifier")
		o.basic[0], o.basic[1], _ = r.BasicAuth()
		o.form = r.PostForm
		o.mu.Unlock()
		reply(func() any {
			answer := map[string]any{"access_token": "access-token-of-the-hostile-provider", "token_type": "Bearer", "id_token": o.sign()}
			maps.Copy(answer, o.more)
			return answer
		})(w, r)
	})
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.asked[r.URL.Path] = r.Header.Clone()
		on, moved := o.redirects[r.URL.Path]
		o.mu.Unlock()
		if moved {
			w.Header().Set("Location", on.to)
			w.WriteHeader(on.status)
			return
		}
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/moved")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(o.Close)
	o.meta = map[string]any{
		"issuer": o.URL, "authorization_endpoint": o.URL + "/authorize", "token_endpoint": o.URL + "/token",
		"jwks_uri": o.URL + "/keys", "userinfo_endpoint": o.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256"},
	}
	return o
}

// lastToken is the form of the last token call.
func (o *hostile) lastToken() url.Values {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.form
}

func (o *hostile) jwks() any {
	var keys []map[string]string
	for kid, key := range o.keys {
		keys = append(keys, map[string]string{
			"kty": "RSA", "kid": kid, "use": "sig", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		})
	}
	all := []any{}
	for _, key := range o.rawKeys {
		all = append(all, key)
	}
	for _, key := range keys {
		all = append(all, key)
	}
	return map[string]any{"keys": all}
}

// sign makes the ID token. The caller holds mu.
func (o *hostile) sign() string {
	enc := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			o.t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := enc(o.header) + "." + enc(o.claims)
	if o.payload != "" {
		signed = enc(o.header) + "." + base64.RawURLEncoding.EncodeToString([]byte(o.payload))
	}
	digest := sha256.Sum256([]byte(signed))
	var signature []byte
	switch {
	case o.header["alg"] == "none":
	case o.hmacKey != nil:
		mac := hmac.New(sha256.New, o.hmacKey)
		mac.Write([]byte(signed))
		signature = mac.Sum(nil)
	default:
		var err error
		if signature, err = rsa.SignPKCS1v15(rand.Reader, o.signWith, crypto.SHA256, digest[:]); err != nil {
			o.t.Error(err)
		}
	}
	token := signed + "." + base64.RawURLEncoding.EncodeToString(signature)
	if o.bend != nil {
		return o.bend(token)
	}
	return token
}

// signIn runs a sign-in: change makes it faulty after the browser was sent away, and may add callback parameters.
func (o *hostile) signIn(h *house, browser *http.Client, change func(o *hostile, q url.Values)) reply {
	o.t.Helper()
	u, err := url.Parse(h.start(browser, tenantA, "/desk"))
	if err != nil {
		o.t.Fatal(err)
	}
	return o.answer(h, browser, u, change)
}

// answer is the rest of signIn: the provider's answer to the authorization request u.
func (o *hostile) answer(h *house, browser *http.Client, u *url.URL, change func(o *hostile, q url.Values)) reply {
	o.t.Helper()
	q := url.Values{"code": {"c0de-of-the-hostile-provider"}, "state": {u.Query().Get("state")}}
	now := h.clock.now()
	o.mu.Lock()
	o.challenge = u.Query().Get("code_challenge")
	o.header = map[string]any{"alg": "RS256", "kid": "k1", "typ": "JWT"}
	o.claims = map[string]any{
		"iss": o.URL, "sub": "u1", "aud": "client-a", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nonce": u.Query().Get("nonce"),
		"tenant": tenantA, "role": "admin",
	}
	o.userinfo = map[string]any{"sub": "u1", "userName": "zhang.san", "name": "张三"}
	o.bend, o.payload, o.hmacKey = nil, "", nil
	if change != nil {
		change(o, q)
	}
	o.mu.Unlock()
	return h.get(browser, "/sso/callback?"+q.Encode())
}

// TestIDToken goes through faults beyond the modules of the OpenID RP conformance suite (TestConformanceBasicRP); what it accepts
// signs in as the right account, and nothing else signs in at all.
func TestIDToken(t *testing.T) {
	t.Parallel()
	set := func(name string, value any) func(*hostile, url.Values) {
		return func(o *hostile, _ url.Values) {
			if value == nil {
				delete(o.claims, name)
				return
			}
			o.claims[name] = value
		}
	}
	info := func(name string, value any) func(*hostile, url.Values) {
		return func(o *hostile, _ url.Values) {
			if value == nil {
				delete(o.userinfo, name)
				return
			}
			o.userinfo[name] = value
		}
	}
	at := func(name string, d time.Duration) func(*hostile, url.Values) {
		return func(o *hostile, _ url.Values) { o.claims[name] = o.claims["iat"].(int64) + int64(d/time.Second) }
	}
	for _, tt := range []struct {
		name   string
		change func(*hostile, url.Values)
		good   bool
	}{
		{"missing-iss", set("iss", nil), false},
		{"empty-sub", func(o *hostile, _ url.Values) { o.claims["sub"] = ""; o.userinfo["sub"] = "" }, false},
		{"sub is a number", func(o *hostile, _ url.Values) { o.claims["sub"] = 1; o.userinfo["sub"] = 1 }, false},
		{"missing-aud", set("aud", nil), false},
		{"aud is an array of one", set("aud", []string{"client-a"}), true},
		{"aud is an array with a stranger", set("aud", []string{"client-a", "other"}), false},
		{"azp is ours", func(o *hostile, _ url.Values) {
			o.claims["aud"] = []string{"client-a", "other"}
			o.claims["azp"] = "client-a"
		}, true},
		{"azp of somebody else", set("azp", "other"), false},
		{"iat in the future", at("iat", 24*time.Hour), false},
		{"iat two days ago", at("iat", -48*time.Hour), false},
		{"iat is text", set("iat", "now"), false},
		{"expired", at("exp", -2*time.Minute), false},
		{"expired within the leeway", at("exp", -30*time.Second), true},
		{"missing-exp", set("exp", nil), false},
		{"nonce missing", set("nonce", nil), false},
		{"a logout token", set("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}), false},
		{"invalid-sig-hs256", func(o *hostile, _ url.Values) { o.header["alg"] = "HS256"; o.hmacKey = []byte(secretA) }, false},
		{"kid of nobody", func(o *hostile, _ url.Values) { o.header["kid"] = "../../x" }, false},
		{"at_hash wrong", set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), false},
		{"userinfo without sub", info("sub", nil), false},
		{"userinfo of another tenant", info("tenant", tenantB), false},
		{"tenant of somebody else", set("tenant", tenantB), false},
		{"user names disagree", set("userName", "li.si"), false},
		{"no user name", info("userName", nil), false},
		{"iss parameter right", func(o *hostile, q url.Values) { q.Set("iss", o.URL) }, true},
		{"iss parameter wrong", func(_ *hostile, q url.Values) { q.Set("iss", "https://evil.example") }, false},
		{"iss parameter with a slash", func(o *hostile, q url.Values) { q.Set("iss", o.URL+"/") }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			h := oidcHouse(t, o.URL, nil)
			browser := ssotest.Browser(t)
			got := o.signIn(h, browser, tt.change)
			want := ""
			if tt.good {
				want = tenantA + "/zhang.san"
			} else if got.status < 400 {
				t.Errorf("callback = %d to %v", got.status, got.location)
			}
			h.wantSubject(browser, want)
			if t.Failed() {
				t.Log(h.log)
			}
			sum := sha256.Sum256([]byte(o.verifier))
			if o.tokens > 0 && base64.RawURLEncoding.EncodeToString(sum[:]) != o.challenge {
				t.Error("the code verifier does not fit the challenge")
			}
			if strings.HasPrefix(tt.name, "iss parameter") && !tt.good && o.tokens != 0 {
				t.Error("a token call was made for a response of another issuer")
			}
		})
	}
}

func TestDiscoveryFaults(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*hostile){
		"issuer mismatch":             func(o *hostile) { o.meta["issuer"] = "https://evil.example" },
		"trailing slash":              func(o *hostile) { o.meta["issuer"] = o.URL + "/" },
		"token endpoint elsewhere":    func(o *hostile) { o.meta["token_endpoint"] = "https://evil.example/token" },
		"keys elsewhere":              func(o *hostile) { o.meta["jwks_uri"] = "http://169.254.169.254/keys" },
		"userinfo elsewhere":          func(o *hostile) { o.meta["userinfo_endpoint"] = "https://evil.example/userinfo" },
		"no authorization endpoint":   func(o *hostile) { delete(o.meta, "authorization_endpoint") },
		"5 MB":                        func(o *hostile) { o.meta["padding"] = strings.Repeat("x", 5<<20) },
		"authorize is no web address": func(o *hostile) { o.meta["authorization_endpoint"] = "javascript:alert(1)" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			change(o)
			h := oidcHouse(t, o.URL, nil)
			if got := h.get(ssotest.Browser(t), "/sso/login?tenant="+tenantA); got.status != http.StatusBadGateway {
				t.Errorf("login = %d to %v, want 502", got.status, got.location)
			}
			if strings.Contains(h.log.String(), "xxx") {
				t.Error("the log holds the answer")
			}
		})
	}
}

func TestMissingIssuerParameterIsRefusedWherePromised(t *testing.T) {
	t.Parallel()
	o := newHostile(t)
	o.meta["authorization_response_iss_parameter_supported"] = true
	h := oidcHouse(t, o.URL, nil)
	browser := ssotest.Browser(t)
	if got := o.signIn(h, browser, nil); got.status != http.StatusForbidden || o.tokens != 0 {
		t.Errorf("callback without iss = %d after %d token calls, want 403 and none", got.status, o.tokens)
	}
	o.signIn(h, browser, func(o *hostile, q url.Values) { q.Set("iss", o.URL) })
	h.wantSubject(browser, tenantA+"/zhang.san")
}

func TestUnknownKeyIDsAreOneFetch(t *testing.T) {
	t.Parallel()
	o := newHostile(t)
	h := oidcHouse(t, o.URL, nil)
	browser := ssotest.Browser(t)
	o.signIn(h, browser, nil)
	h.wantSubject(browser, tenantA+"/zhang.san")
	before := o.keyCalls
	for range 10 {
		o.signIn(h, ssotest.Browser(t), func(o *hostile, _ url.Values) { o.header["kid"] = rand.Text() })
	}
	if fetched := o.keyCalls - before; fetched != 1 {
		t.Errorf("%d fetches for ten unknown key ids, want 1", fetched)
	}
	good := ssotest.Browser(t)
	o.signIn(h, good, nil)
	h.wantSubject(good, tenantA+"/zhang.san")
	h.clock.advance(31 * time.Second)
	rotated := ssotest.Browser(t)
	o.signIn(h, rotated, func(o *hostile, _ url.Values) {
		o.keys = map[string]*rsa.PrivateKey{"k3": newKey(t)}
		o.signWith, o.header["kid"] = o.keys["k3"], "k3"
	})
	h.wantSubject(rotated, tenantA+"/zhang.san")
}

func TestDeadIssuerHarmsOnlyItsOwnTenant(t *testing.T) {
	t.Parallel()
	alive, dead := newHostile(t), newHostile(t)
	dead.Close()
	h := oidcHouse(t, alive.URL, nil)
	h.PutTenant(t, sso.Tenant{ID: tenantB, Issuer: dead.URL, Live: true})
	if got := h.get(ssotest.Browser(t), "/sso/login?tenant="+tenantB); got.status != http.StatusBadGateway {
		t.Errorf("login at a dead issuer = %d, want 502", got.status)
	}
	browser := ssotest.Browser(t)
	alive.signIn(h, browser, nil)
	h.wantSubject(browser, tenantA+"/zhang.san")
}

func TestOneIssuerManyClients(t *testing.T) {
	t.Parallel()
	o := newHostile(t)
	h := oidcHouse(t, o.URL, nil)
	h.PutTenant(t, sso.Tenant{ID: tenantB, Issuer: o.URL, Live: true})
	browser := ssotest.Browser(t)
	// The ID token is for the other tenant's client.
	if got := o.signIn(h, browser, func(o *hostile, _ url.Values) {
		o.claims = maps.Clone(o.claims)
		o.claims["aud"] = "client-b"
	}); got.status != http.StatusBadGateway {
		t.Errorf("callback = %d, want 502", got.status)
	}
	h.wantSubject(browser, "")
}
