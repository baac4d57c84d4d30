package market

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Digests are the hash functions of RSA-OAEP. The access guide names the
// padding but not these.
type Digests int

const (
	// SHA256 is used for both. It is the default.
	SHA256 Digests = iota
	// SHA256WithMGF1SHA1 is what Java calls OAEPWithSHA-256AndMGF1Padding.
	SHA256WithMGF1SHA1
	// SHA1 is used for both.
	SHA1
)

func (d Digests) options() *rsa.OAEPOptions {
	switch d {
	case SHA256WithMGF1SHA1:
		return &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1}
	case SHA1:
		return &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	default:
		return &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA256}
	}
}

// minKeyBits is what the marketplace's form asks for.
const minKeyBits = 3072

// ParsePublicKey reads the seller's public key as the marketplace's form
// takes it: the base64 text of a SubjectPublicKeyInfo, with or without PEM's
// header lines. Keys under 3072 bits are refused, as they are there.
func ParsePublicKey(text string) (*rsa.PublicKey, error) {
	var der []byte
	if block, _ := pem.Decode([]byte(text)); block != nil {
		der = block.Bytes
	} else {
		var err error
		if der, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err != nil {
			return nil, fmt.Errorf("read public key: %w", err)
		}
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("read public key: not an RSA key")
	}
	if key.N.BitLen() < minKeyBits {
		return nil, fmt.Errorf("read public key: %d bits, want at least %d", key.N.BitLen(), minKeyBits)
	}
	return key, nil
}

// Encrypt returns a secret as clientSecret carries it: RSA-OAEP, in base64.
func Encrypt(key *rsa.PublicKey, secret string, d Digests) (string, error) {
	sealed, err := rsa.EncryptOAEPWithOptions(rand.Reader, key, []byte(secret), d.options())
	if err != nil {
		return "", fmt.Errorf("encrypt client secret: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}
