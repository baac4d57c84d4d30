package ssotest_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// observation is what a relying party can see of one whole sign-in, and of one of OpenID Connect.
type observation struct {
	Callback, Token, Userinfo, CAS string
	OpenID                         openIDObservation
}

type openIDObservation struct {
	Callback, IDToken, Userinfo, Discovery, Keys string
}

// observe goes through a sign-in at a centre with a defect and writes down
// what it sees, random values replaced.
func observe(t *testing.T, c *ssotest.Centre, d ssotest.Defect, bearer string) observation {
	t.Helper()
	ticket := casTicket(t, c)
	code := signIn(t, c, ssotest.Browser(t), authorizeURL(c, tenantA, "clientA"), "zhangsan", "pw-张三").Get("code")
	c.SetDefect(d)
	defer c.SetDefect(ssotest.NoDefect)
	q := signIn(t, c, ssotest.Browser(t), authorizeURL(c, tenantA, "clientA"), "zhangsan", "pw-张三")
	base := c.Domain(tenantA) + "/api/v1/oauth2/"
	return observation{
		Callback: maskCode(q),
		Token:    maskToken(fetch(t, http.MethodPost, base+"token", codeForm("clientA", "secretA", code), "")),
		Userinfo: fetch(t, http.MethodGet, base+"userinfo", nil, bearer),
		CAS:      validate(t, c, callback, ticket),
		OpenID:   observeOpenID(t, c, d),
	}
}

// casTicket signs in by CAS and returns the ticket.
func casTicket(t *testing.T, c *ssotest.Centre) string {
	t.Helper()
	address := c.Domain(tenantA) + "/api/v1/cas/login?" + url.Values{"service": {callback}}.Encode()
	return signIn(t, c, ssotest.Browser(t), address, "zhangsan", "pw-张三").Get("ticket")
}

func validate(t *testing.T, c *ssotest.Centre, service, ticket string) string {
	t.Helper()
	q := url.Values{"service": {service}, "ticket": {ticket}, "format": {"XML"}}
	return fetch(t, http.MethodGet, c.Domain(tenantA)+"/api/v1/cas/p3/serviceValidate?"+q.Encode(), nil, "")
}

// A ticket is for one use and for one service, byte for byte.
func TestTicket(t *testing.T) {
	c, clk := start(t)
	wantFailure := func(got, code, when string) {
		t.Helper()
		if !strings.Contains(got, `authenticationFailure code="`+code+`"`) {
			t.Errorf("%s: %s, want %s", when, got, code)
		}
	}
	ticket := casTicket(t, c)
	if got := validate(t, c, callback, ticket); !strings.Contains(got, "<cas:user>zhangsan</cas:user>") {
		t.Errorf("validation = %s, want the user", got)
	}
	wantFailure(validate(t, c, callback, ticket), "INVALID_TICKET", "second use")
	wantFailure(validate(t, c, callback+"?", casTicket(t, c)), "INVALID_SERVICE", "another service")
	ticket = casTicket(t, c)
	clk.t = clk.t.Add(time.Minute)
	wantFailure(validate(t, c, callback, ticket), "INVALID_TICKET", "too late")
}

func maskCode(q url.Values) string {
	return strings.ReplaceAll(q.Encode(), "code="+q.Get("code"), "code=CODE")
}

// observeOpenID is observe for a client that asks for scope openid. The defect shows from the callback on.
func observeOpenID(t *testing.T, c *ssotest.Centre, d ssotest.Defect) openIDObservation {
	t.Helper()
	authorize := authorizeURL(c, tenantA, "clientA", "scope", "openid profile", "nonce", "n0nce")
	base := c.Domain(tenantA) + "/api/v1/oauth2/"
	exchange := func() map[string]any {
		c.SetDefect(ssotest.NoDefect)
		code := signIn(t, c, ssotest.Browser(t), authorize, "zhangsan", "pw-张三").Get("code")
		if !strings.HasPrefix(string(d), "token:") { // those show above, and would leave nothing here
			c.SetDefect(d)
		}
		return token(t, c, tenantA, codeForm("clientA", "secretA", code)).Body
	}
	answer := exchange()
	raw, _ := answer["id_token"].(string)
	bearer, _ := answer["access_token"].(string)
	o := openIDObservation{
		IDToken: readToken(raw), Userinfo: fetch(t, http.MethodGet, base+"userinfo", nil, bearer),
		Discovery: fetch(t, http.MethodGet, base+".well-known/openid-configuration", nil, ""),
		Keys:      fetch(t, http.MethodGet, base+"jwks", nil, ""),
	}
	c.SetDefect(d)
	o.Callback = maskCode(signIn(t, c, ssotest.Browser(t), authorize, "zhangsan", "pw-张三"))
	return o
}

// readToken returns what a token says, and whether the centre's key signed it.
func readToken(raw string) string {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return "no token: " + raw
	}
	var text []string
	for _, part := range parts[:2] {
		decoded, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return err.Error()
		}
		text = append(text, string(decoded))
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err.Error()
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	good := rsa.VerifyPKCS1v15(&signingKey().PublicKey, crypto.SHA256, digest[:], signature) == nil
	return fmt.Sprint(text, " signed: ", good)
}

// signingKey is the key of every centre here.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// fetch returns an answer as one line: status, type, redirect, body.
func fetch(t *testing.T, method, address string, form url.Values, bearer string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := ssotest.Browser(t).Do(req)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		return "no answer"
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	text := string(body)
	if len(text) > 1<<20 {
		text = "huge"
	}
	return strings.Join([]string{resp.Status, resp.Header.Get("Content-Type"), resp.Header.Get("Location"), text}, " | ")
}

// Each defect shows at the place its name says, and nowhere else, and is gone
// when it is taken back.
func TestEachDefectShows(t *testing.T) {
	c, _ := start(t)
	bearer := accessToken(t, c)
	well := observe(t, c, ssotest.NoDefect, bearer)
	seen := map[observation]ssotest.Defect{}
	for _, d := range ssotest.Defects() {
		t.Run(string(d), func(t *testing.T) {
			got := observe(t, c, d, bearer)
			place, _, _ := strings.Cut(string(d), ":")
			plain := func(where string) bool { return place == where && !d.OpenIDOnly() }
			if shown := got.Callback != well.Callback; shown != plain("callback") {
				t.Errorf("callback shows a defect = %v: %s", shown, got.Callback)
			}
			if shown := got.Token != well.Token; shown != plain("token") {
				t.Errorf("token shows a defect = %v: %s", shown, got.Token)
			}
			if shown := got.Userinfo != well.Userinfo; shown != plain("userinfo") {
				t.Errorf("userinfo shows a defect = %v: %s", shown, got.Userinfo)
			}
			if shown := got.CAS != well.CAS; shown != (place == "cas") {
				t.Errorf("serviceValidate shows a defect = %v: %s", shown, got.CAS)
			}
			if d.OpenIDOnly() && (got.Callback != well.Callback || got.Token != well.Token || got.Userinfo != well.Userinfo) {
				t.Errorf("shows to a client that did not ask for OpenID: %+v", got)
			}
			for where, pair := range map[string][2]string{
				"callback": {well.OpenID.Callback, got.OpenID.Callback}, "id_token": {well.OpenID.IDToken, got.OpenID.IDToken},
				"userinfo": {well.OpenID.Userinfo, got.OpenID.Userinfo}, "discovery": {well.OpenID.Discovery, got.OpenID.Discovery},
				"keys": {well.OpenID.Keys, got.OpenID.Keys},
			} {
				if pair[0] != pair[1] != (place == where) {
					t.Errorf("OpenID %s shows a defect = %v: %s", where, place != where, pair[1])
				}
			}
			if other, ok := seen[got]; ok {
				t.Errorf("looks like %q", other)
			}
			seen[got] = d
		})
	}
	if diff := cmp.Diff(well, observe(t, c, ssotest.NoDefect, bearer)); diff != "" {
		t.Errorf("after the last defect (-want +got):\n%s", diff)
	}
}

// maskToken replaces the random parts of a token answer.
func maskToken(text string) string {
	for _, name := range []string{`"access_token":"`, `"refresh_token":"`} {
		before, after, ok := strings.Cut(text, name)
		if !ok {
			continue
		}
		_, rest, _ := strings.Cut(after, `"`)
		text = before + name + "VALUE\"" + rest
	}
	return text
}

// Close lets a hanging request go, so that a test can end.
func TestCloseEndsHanging(t *testing.T) {
	c, _ := start(t)
	c.SetDefect(ssotest.UserinfoHang)
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Domain(tenantA)+"/api/v1/oauth2/userinfo", nil)
		if err != nil {
			return
		}
		if resp, err := ssotest.Browser(t).Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	c.Close()
	c.Close()
	<-done
}

// Names are for command lines: unique, of small letters, digits and hyphens, and they say what the text says.
func TestNames(t *testing.T) {
	seen := map[string]ssotest.Defect{}
	for _, d := range ssotest.Defects() {
		name := d.Name()
		if other, ok := seen[name]; ok || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("name of %q = %q, also that of %q", d, name, other)
		}
		seen[name] = d
	}
	if got := ssotest.TokenExpiresAbsent.Name(); got != "token-no-expires-in" {
		t.Errorf("name = %q, want token-no-expires-in", got)
	}
}

// A code that was asked for with a challenge is redeemed with its verifier only (RFC 7636).
func TestPKCE(t *testing.T) {
	c, _ := start(t)
	sum := sha256.Sum256([]byte("the-verifier"))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	authorize := authorizeURL(c, tenantA, "clientA", "scope", "openid", "code_challenge", challenge, "code_challenge_method", "S256")
	for verifier, want := range map[string]int{"the-verifier": http.StatusOK, "another": http.StatusBadRequest, "": http.StatusBadRequest} {
		form := codeForm("clientA", "secretA", signIn(t, c, ssotest.Browser(t), authorize, "zhangsan", "pw-张三").Get("code"))
		form.Set("code_verifier", verifier)
		if got := token(t, c, tenantA, form); got.Status != want {
			t.Errorf("token with verifier %q = %+v, want %d", verifier, got, want)
		}
	}
}
