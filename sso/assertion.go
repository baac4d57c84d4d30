package sso

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// assertionAge is how long a signed assertion is handed out again.
	assertionAge = 30 * time.Second
	// assertionLife is how long it is valid after it was signed.
	assertionLife = 60 * time.Second
	// assertionSkew is how far its reader's clock may be behind.
	assertionSkew = 30 * time.Second
)

// assertion is a signed statement of an identity, for products that do not trust headers alone.
type assertion struct {
	token    string
	identity Identity
	at       time.Time
}

// signer signs assertions with the key of the newest ring key, and publishes the public keys of the whole ring.
type signer struct {
	key      *ecdsa.PrivateKey
	header   string // encoded once: it never changes
	issuer   string
	audience string
	jwks     []byte
}

type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	Kid string `json:"kid,omitempty"`
	Alg string `json:"alg,omitempty"`
	Use string `json:"use,omitempty"`
}

func newSigner(ring [][]byte, issuer, audience string) (*signer, error) {
	if audience == "" {
		audience = issuer
	}
	s := &signer{issuer: issuer, audience: audience}
	var public struct {
		Keys []jwk `json:"keys"`
	}
	for _, ringKey := range ring {
		key, err := signingKey(ringKey)
		if err != nil {
			return nil, err
		}
		k, err := publicJWK(key)
		if err != nil {
			return nil, err
		}
		public.Keys = append(public.Keys, k)
		if s.key == nil {
			s.key = key
			s.header = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"` + k.Kid + `","typ":"JWT"}`))
		}
	}
	var err error
	if s.jwks, err = json.Marshal(public); err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	return s, nil
}

// publicJWK returns the public half; its kid is the thumbprint of RFC 7638.
func publicJWK(key *ecdsa.PrivateKey) (jwk, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return jwk{}, fmt.Errorf("encode public key: %w", err)
	}
	enc := base64.RawURLEncoding
	k := jwk{Kty: "EC", Crv: "P-256", X: enc.EncodeToString(point[1:33]), Y: enc.EncodeToString(point[33:])}
	thumb := sha256.Sum256([]byte(`{"crv":"` + k.Crv + `","kty":"` + k.Kty + `","x":"` + k.X + `","y":"` + k.Y + `"}`))
	k.Kid, k.Alg, k.Use = enc.EncodeToString(thumb[:]), "ES256", "sig"
	return k, nil
}

// renew returns the assertion of identity: the last one while it is young and says the same, else a new one.
func (s *signer) renew(id Identity, now time.Time, last *decision) (assertion, error) {
	if last != nil {
		select {
		case <-last.done:
			if a := last.assertion; a.token != "" && a.identity == id && now.Sub(a.at) < assertionAge && !now.Before(a.at) {
				return a, nil
			}
		default: // still being asked, by a request that is slower than decisionAge
		}
	}
	token, err := s.sign(id, now)
	return assertion{token: token, identity: id, at: now}, err
}

// sign makes a JWT (RFC 7519) signed with ES256 (RFC 7518, section 3.4).
func (s *signer) sign(id Identity, now time.Time) (string, error) {
	body, err := json.Marshal(struct {
		Iss      string   `json:"iss"`
		Aud      string   `json:"aud"`
		Sub      string   `json:"sub"`
		Iat      int64    `json:"iat"`
		Nbf      int64    `json:"nbf"`
		Exp      int64    `json:"exp"`
		Tenant   TenantID `json:"tenant"`
		UserName UserName `json:"userName"`
		Name     string   `json:"name"`
		Role     Role     `json:"role"`
		OrgCode  string   `json:"organizationCode"`
		Email    string   `json:"email"`
	}{
		s.issuer, s.audience, id.Subject(), now.Unix(), now.Add(-assertionSkew).Unix(), now.Add(assertionLife).Unix(),
		id.Tenant, id.User, id.Name, id.Role, id.OrgCode, id.Email,
	})
	if err != nil {
		return "", fmt.Errorf("encode assertion: %w", err)
	}
	signed := s.header + "." + base64.RawURLEncoding.EncodeToString(body)
	digest := sha256.Sum256([]byte(signed))
	r, t, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	t.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature[:]), nil
}

// serveJWKS publishes the keys. A reader may keep them for a few minutes: a new key signs only after a restart, and the old
// one stays in the ring.
func (s *signer) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(s.jwks)
}
