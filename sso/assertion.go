package sso

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
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
	key      signingKey
	header   string // encoded once: it never changes
	issuer   string
	audience string
	// jwks makes the key set, with the keys of both algorithms: whoever changes the algorithm, or back, finds readers that know
	// the key already. It is made when first asked for, since RSA keys take a while.
	jwks func() ([]byte, error)
}

// newSigner returns a signer with one of the algorithms.
func newSigner(ring [][]byte, alg, issuer, audience string) (*signer, error) {
	if audience == "" {
		audience = issuer
	}
	key, err := newSigningKey(ring[0], alg)
	if err != nil {
		return nil, err
	}
	return &signer{
		key: key, issuer: issuer, audience: audience,
		header: base64url([]byte(`{"alg":"` + key.public.Alg + `","kid":"` + key.public.Kid + `","typ":"JWT"}`)),
		jwks:   sync.OnceValues(func() ([]byte, error) { return keySetOf(ring) }),
	}, nil
}

// keySetOf is the key set of a ring (RFC 7517), the newest key first.
func keySetOf(ring [][]byte) ([]byte, error) {
	var public struct {
		Keys []jwk `json:"keys"`
	}
	for _, ringKey := range ring {
		for _, alg := range []string{algES256, algRS256} {
			key, err := newSigningKey(ringKey, alg)
			if err != nil {
				return nil, err
			}
			public.Keys = append(public.Keys, key.public)
		}
	}
	set, err := json.Marshal(public)
	if err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	return set, nil
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

// sign makes a JWT (RFC 7519).
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
	signed := s.header + "." + base64url(body)
	digest := sha256.Sum256([]byte(signed))
	signature, err := s.key.sign(digest[:])
	if err != nil {
		return "", err
	}
	return signed + "." + base64url(signature), nil
}

// serveJWKS publishes the keys. A reader may keep them for a few minutes: a new key signs only after a restart, and the old
// one stays in the ring.
func (s *signer) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	set, err := s.jwks()
	if err != nil {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "unavailable"})
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(set)
}
