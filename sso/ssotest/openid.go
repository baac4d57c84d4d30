package ssotest

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// idTokenLife is how long an ID token is good for.
	idTokenLife = 5 * time.Minute
	keyID       = "ssotest-1"
	keyBits     = 2048
)

// asksOpenID reports whether an authorization request is one of OpenID Connect.
func asksOpenID(q url.Values) bool { return slices.Contains(strings.Fields(q.Get("scope")), "openid") }

// issuer is a tenant's OpenID issuer: the address that discovery starts from.
func (re *realm) issuer() string { return re.domain.String() + "/api/v1/oauth2" }

// signingKey returns the key of a configuration, or one that is made when it is asked for: that takes longer than all else.
func signingKey(cfg Config) func() *rsa.PrivateKey {
	if cfg.SigningKey != nil {
		return func() *rsa.PrivateKey { return cfg.SigningKey }
	}
	return sync.OnceValue(newKey)
}

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		panic("ssotest: make a key: " + err.Error()) // crypto/rand never fails
	}
	return key
}

// discovery serves a tenant's metadata (OpenID Connect Discovery 1.0, section 4).
func (c *Centre) discovery(w http.ResponseWriter, _ *http.Request, re *realm) {
	c.count(re, func(calls *Calls) { calls.Discovery++ })
	issuer := re.issuer()
	answer := &reply{status: http.StatusOK, members: map[string]any{
		"issuer":                                         issuer,
		"authorization_endpoint":                         issuer + "/authorize",
		"token_endpoint":                                 issuer + "/token",
		"userinfo_endpoint":                              issuer + "/userinfo",
		"jwks_uri":                                       issuer + "/jwks",
		"response_types_supported":                       []string{"code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_post"},
		"authorization_response_iss_parameter_supported": true,
	}}
	c.currentDefect().spoilDiscovery(answer)
	answer.send(w)
}

// jwks serves the key set (RFC 7517).
func (c *Centre) jwks(w http.ResponseWriter, _ *http.Request, re *realm) {
	c.count(re, func(calls *Calls) { calls.Keys++ })
	key := c.key().PublicKey
	answer := &reply{status: http.StatusOK, members: map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "kid": keyID, "use": "sig", "alg": "RS256",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}}}}
	c.currentDefect().spoilKeys(answer)
	answer.send(w)
}

// idToken returns the ID token for a code (OpenID Connect Core 1.0, section 2), or nothing if that is the defect.
func (c *Centre) idToken(re *realm, client Client, user User, nonce string) string {
	now := c.now()
	t := &jwt{
		header: map[string]any{"alg": "RS256", "kid": keyID, "typ": "JWT"},
		claims: map[string]any{
			"iss": re.issuer(), "sub": re.idOf(user), "aud": client.ID, "iat": now.Unix(), "exp": now.Add(idTokenLife).Unix(),
			"tenant": re.nameFor(client),
		},
		key: c.key, foreign: c.foreign, secret: client.Secret,
	}
	if nonce != "" {
		t.claims["nonce"] = nonce
	}
	c.currentDefect().spoilIDToken(t)
	return t.sign()
}

// signUserinfo makes the answer of userinfo a JWT, where the defect is one (section 5.3.2).
func (c *Centre) signUserinfo(d Defect, a *reply, re *realm, g grant) {
	if !slices.Contains(signedUserinfos(), d) || !g.openID || a.status != http.StatusOK || a.raw != nil {
		return
	}
	a.members["iss"], a.members["aud"] = re.issuer(), g.clientID
	t := &jwt{header: map[string]any{"alg": "RS256", "kid": keyID}, claims: a.members, key: c.key, foreign: c.foreign}
	d.spoilSigned(t)
	a.raw, a.contentType = []byte(t.sign()), "application/jwt"
}

// rightVerifier compares a PKCE verifier with its challenge (RFC 7636, section 4.6).
func rightVerifier(challenge, verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return sameSecret(challenge, base64.RawURLEncoding.EncodeToString(sum[:]))
}

// jwt is a token before it is signed.
type jwt struct {
	header, claims map[string]any
	// key signs; foreign is one that the key set does not have.
	key, foreign func() *rsa.PrivateKey
	// secret, if HMAC is the header's algorithm, signs in place of key.
	secret string
	// twice names a claim that stands twice.
	twice string
	// absent means that there is no token at all.
	absent bool
}

// sign returns the token in compact form (RFC 7515, section 7.1).
func (t *jwt) sign() string {
	if t.absent {
		return ""
	}
	part := func(m map[string]any) []byte {
		text, _ := json.Marshal(m) // texts, numbers and lists of these: it cannot fail
		return text
	}
	claims := part(t.claims)
	if t.twice != "" {
		claims = twice(claims, t.twice)
	}
	signed := base64.RawURLEncoding.EncodeToString(part(t.header)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	var signature []byte
	switch t.header["alg"] {
	case "none":
	case "HS256":
		mac := hmac.New(sha256.New, []byte(t.secret))
		mac.Write([]byte(signed))
		signature = mac.Sum(nil)
	default:
		digest := sha256.Sum256([]byte(signed))
		signature, _ = rsa.SignPKCS1v15(rand.Reader, t.key(), crypto.SHA256, digest[:]) // a key of this size signs
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// twice puts a member in front of a JSON object that has it already, with a value that differs.
func twice(object []byte, name string) []byte {
	first, _ := json.Marshal(map[string]string{name: "first-of-two"}) // texts only: it cannot fail
	return slices.Concat(bytes.TrimSuffix(first, []byte("}")), []byte(","), bytes.TrimPrefix(object, []byte("{")))
}
