package sso_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// publishedKey is a key as /sso/jwks.json shows it.
type publishedKey struct{ Kty, Crv, X, Y, N, E, Kid, Alg, Use string }

func (h *house) publishedKeys() []publishedKey {
	h.t.Helper()
	var set struct{ Keys []publishedKey }
	if err := json.Unmarshal([]byte(h.do(ssotest.Browser(h.t), http.MethodGet, "/sso/jwks.json", nil).body), &set); err != nil {
		h.t.Fatal(err)
	}
	return set.Keys
}

// verifyAssertion does what a product does, with the published keys and nothing else, and returns the algorithm.
func verifyAssertion(t *testing.T, token string, keys []publishedKey) (string, error) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("is no JWT")
	}
	var header struct{ Alg, Kid string }
	decode(t, parts[0], &header)
	bytesOf := func(text string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	signature, digest := bytesOf(parts[2]), sha256.Sum256([]byte(parts[0]+"."+parts[1]))
	for _, k := range keys {
		if k.Kid != header.Kid || k.Alg != header.Alg {
			continue
		}
		if k.Kty == "RSA" {
			key := &rsa.PublicKey{N: new(big.Int).SetBytes(bytesOf(k.N)), E: int(new(big.Int).SetBytes(bytesOf(k.E)).Int64())}
			if key.Size() != 256 || key.E != 65537 {
				t.Errorf("RSA key of %d bytes with exponent %d", key.Size(), key.E)
			}
			return header.Alg, rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, bytesOf(k.X)...), bytesOf(k.Y)...))
		if err != nil {
			return header.Alg, err
		}
		if !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
			return header.Alg, errors.New("bad signature")
		}
		return header.Alg, nil
	}
	return header.Alg, errors.New("no such key")
}

func (h *house) assertion(browser *http.Client) string {
	h.t.Helper()
	return h.do(browser, http.MethodGet, "/sso/authz/auth-request", nil).header.Get("X-Auth-Assertion")
}

// TestAssertionAlgorithms signs with each, and rotates the key ring.
func TestAssertionAlgorithms(t *testing.T) {
	t.Parallel()
	newer := bytes.Repeat([]byte{9}, 32)
	for _, alg := range []string{"ES256", "RS256"} {
		before := newHouse(t, func(c *sso.Config) { c.Settings.AssertionAlg = alg })
		after := newHouse(t, func(c *sso.Config) {
			c.Settings.AssertionAlg = alg
			c.Keys = [][]byte{newer, c.Keys[0]}
		})
		other := newHouse(t, func(c *sso.Config) { c.Keys = [][]byte{newer} })
		tokens := map[*house]string{}
		for _, h := range []*house{before, after} {
			browser := ssotest.Browser(t)
			h.signIn(browser, tenantA, "zhang.san", "pw1")
			tokens[h] = h.assertion(browser)
			h.clock.advance(29 * time.Second)
			if h.assertion(browser) != tokens[h] {
				t.Errorf("%s: signed again within 30 s", alg)
			}
			h.clock.advance(time.Second)
			if h.assertion(browser) == tokens[h] {
				t.Errorf("%s: not signed again after 30 s", alg)
			}
		}
		for _, tt := range []struct {
			name     string
			token    string
			keys     []publishedKey
			accepted bool
		}{
			{"its own", tokens[before], before.publishedKeys(), true},
			{"of the old key, after the rotation", tokens[before], after.publishedKeys(), true},
			{"of the new key", tokens[after], after.publishedKeys(), true},
			{"of the new key, for a reader of before", tokens[after], before.publishedKeys(), false},
			{"of a key that left the ring", tokens[before], other.publishedKeys(), false},
			{"changed", tokens[before][:len(tokens[before])-3] + "AAA", before.publishedKeys(), false},
		} {
			got, err := verifyAssertion(t, tt.token, tt.keys)
			if (err == nil) != tt.accepted || got != alg {
				t.Errorf("%s: an assertion %s: %s, %v, want accepted: %v", alg, tt.name, got, err, tt.accepted)
			}
		}
	}
}

// TestSigningKeysStay: what is derived from a ring key is the same in every version and process; a change would be a rotation
// that nobody announced.
func TestSigningKeysStay(t *testing.T) {
	t.Parallel()
	var got []string
	for _, k := range newHouse(t, nil).publishedKeys() {
		got = append(got, k.Alg+" "+k.Use+" "+k.Kid)
	}
	want := []string{"ES256 sig aTvt5k6BMKm_LJRZ0BwWbsV9f9OGxqK1_5797P7Rc1Q", "RS256 sig 3K1axiTmcClhiW4Vj3TnneBiKW8V8y9RSmn2y3C0iyQ"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys of the test ring (-want +got):\n%s", diff)
	}
	c := config(t, newMemory(), time.Now)
	c.Settings.AssertionAlg = "HS256"
	if _, err := sso.New(c); err == nil || !strings.Contains(err.Error(), "assertion.alg") {
		t.Errorf("New with HS256 = %v", err)
	}
}
