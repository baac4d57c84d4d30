package sso

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// The algorithms of assertions.
const (
	algES256 = "ES256"
	algRS256 = "RS256"
)

// signingKey signs assertions. It is derived from a key of the ring, so every process with the ring has the same one, and
// nothing needs to be stored or shared. How must never change: it would be a rotation that nobody announced.
type signingKey struct {
	public jwk
	// sign returns the signature over a SHA-256 digest in the form of RFC 7518.
	sign func(digest []byte) ([]byte, error)
}

// jwk is a public key in the form of RFC 7517.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	Use string `json:"use"`
}

// newSigningKey derives the key for alg. One for RS256 takes some tenths of a second.
func newSigningKey(ringKey []byte, alg string) (signingKey, error) {
	if alg == algRS256 {
		return newRSAKey(ringKey)
	}
	return newECKey(ringKey)
}

func newECKey(ringKey []byte) (signingKey, error) {
	key, err := deriveECDSA(ringKey)
	if err != nil {
		return signingKey{}, err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return signingKey{}, fmt.Errorf("encode public key: %w", err)
	}
	k := jwk{Kty: "EC", Crv: "P-256", X: base64url(point[1:33]), Y: base64url(point[33:]), Alg: algES256, Use: "sig"}
	k.Kid = thumbprint(`{"crv":"` + k.Crv + `","kty":"` + k.Kty + `","x":"` + k.X + `","y":"` + k.Y + `"}`)
	return signingKey{k, func(digest []byte) ([]byte, error) {
		r, t, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			return nil, fmt.Errorf("sign assertion: %w", err)
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		t.FillBytes(signature[32:])
		return signature, nil
	}}, nil
}

func newRSAKey(ringKey []byte) (signingKey, error) {
	key, err := deriveRSA(ringKey)
	if err != nil {
		return signingKey{}, err
	}
	k := jwk{Kty: "RSA", N: base64url(key.N.Bytes()), E: base64url(big.NewInt(int64(key.E)).Bytes()), Alg: algRS256, Use: "sig"}
	k.Kid = thumbprint(`{"e":"` + k.E + `","kty":"` + k.Kty + `","n":"` + k.N + `"}`)
	return signingKey{k, func(digest []byte) ([]byte, error) {
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest)
		if err != nil {
			return nil, fmt.Errorf("sign assertion: %w", err)
		}
		return signature, nil
	}}, nil
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// thumbprint is the kid of a key (RFC 7638) from its required members in order.
func thumbprint(members string) string {
	sum := sha256.Sum256([]byte(members))
	return base64url(sum[:])
}

func deriveECDSA(ringKey []byte) (*ecdsa.PrivateKey, error) {
	for i := range 8 { // a candidate is out of range once in 2^32
		raw, err := hkdf.Key(sha256.New, ringKey, nil, fmt.Sprintf("kitbridge sso assertion es256 v1 %d", i), 32)
		if err != nil {
			return nil, fmt.Errorf("derive assertion key: %w", err)
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("derive assertion key: no candidate in range")
}

const (
	rsaBits     = 2048
	rsaExponent = 65537
	// rsaCandidates ends the search for a prime; one in 355 odd numbers of this size is one.
	rsaCandidates = 100_000
)

// deriveRSA makes a key from random probable primes (FIPS 186-5, appendix A.1.3), where SHAKE256 over a secret derived from the
// ring key is the random bit generator.
func deriveRSA(ringKey []byte) (*rsa.PrivateKey, error) {
	seed, err := hkdf.Key(sha256.New, ringKey, nil, "kitbridge sso assertion rs256 v1", 64)
	if err != nil {
		return nil, fmt.Errorf("derive assertion key: %w", err)
	}
	bits := sha3.NewSHAKE256()
	_, _ = bits.Write(seed) // never fails
	p, err := derivePrime(bits)
	if err != nil {
		return nil, err
	}
	q, err := derivePrime(bits)
	if err != nil {
		return nil, err
	}
	one, e := big.NewInt(1), big.NewInt(rsaExponent)
	if apart := new(big.Int).Sub(p, q); apart.Abs(apart).BitLen() <= rsaBits/2-100 {
		return nil, errors.New("derive assertion key: primes too close") // once in 2^99
	}
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	lambda := new(big.Int).Mul(p1, q1)
	lambda.Div(lambda, new(big.Int).GCD(nil, nil, p1, q1))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: rsaExponent},
		D:         new(big.Int).ModInverse(e, lambda), Primes: []*big.Int{p, q},
	}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("derive assertion key: %w", err)
	}
	return key, nil
}

// derivePrime returns the first number of bits that is prime, has its two highest bits set, and fits the exponent.
func derivePrime(bits io.Reader) (*big.Int, error) {
	var raw [rsaBits / 16]byte
	one, e := big.NewInt(1), big.NewInt(rsaExponent)
	for range rsaCandidates {
		if _, err := io.ReadFull(bits, raw[:]); err != nil {
			return nil, fmt.Errorf("derive assertion key: %w", err)
		}
		raw[0] |= 0xC0
		raw[len(raw)-1] |= 1
		p := new(big.Int).SetBytes(raw[:])
		if p.ProbablyPrime(20) && new(big.Int).GCD(nil, nil, new(big.Int).Sub(p, one), e).Cmp(one) == 0 {
			return p, nil
		}
	}
	return nil, errors.New("derive assertion key: no prime found")
}
