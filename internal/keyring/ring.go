package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

var (
	// ErrUnknownKey means that a value was sealed with a key that the ring lacks.
	ErrUnknownKey = errors.New("sealed with a key that is not in the key file")
	// ErrCorrupt means that a sealed value, or what it is bound to, was changed, or is none.
	ErrCorrupt = errors.New("sealed value is damaged")
)

const (
	keySize = 32
	idSize  = 8
	// sealV1 is the first byte of a sealed value; another form gets another one.
	sealV1 = 1
	// headerSize is version and key id; the nonce follows.
	headerSize = 1 + idSize
)

// Ring is a list of keys, newest first; there is at least one. It is immutable
// and safe for concurrent use. Printing or logging it shows fingerprints only.
type Ring struct {
	// A function, because fmt looks through everything else when a Ring is printed
	// by value or from inside a foreign struct, where String is not called.
	keys func() []*key
}

func newRing(keys []*key) *Ring { return &Ring{keys: func() []*key { return keys }} }

type key struct {
	id     [idSize]byte
	secret []byte
	seal   cipher.AEAD
}

// Generate returns a ring with one new random key, which exists nowhere else
// until WriteNew has put it into a file.
func Generate() (*Ring, error) {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
	k, err := newKey(secret)
	if err != nil {
		return nil, err
	}
	return newRing([]*key{k}), nil
}

func newKey(secret []byte) (*key, error) {
	sub, err := hkdf.Key(sha256.New, secret, nil, "kitbridge seal v1", keySize)
	if err != nil {
		return nil, fmt.Errorf("derive sealing key: %w", err)
	}
	block, err := aes.NewCipher(sub)
	if err != nil {
		return nil, fmt.Errorf("sealing cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("sealing cipher: %w", err)
	}
	k := &key{secret: secret, seal: aead}
	sum := sha256.Sum256(secret)
	copy(k.id[:], sum[:])
	return k, nil
}

// Seal encrypts plain with the newest key and binds it to aad, which says what
// the value is and where it belongs (for example table, column and row), so that
// it can't be moved elsewhere. The result is at least 37 bytes longer than plain
// and differs at each call.
func (r *Ring) Seal(plain, aad []byte) []byte {
	k := r.keys()[0]
	sealed := make([]byte, headerSize, headerSize+k.seal.Overhead()+len(plain))
	sealed[0] = sealV1
	copy(sealed[1:], k.id[:])
	return k.seal.Seal(sealed, nil, plain, bind(sealed, aad)) //nolint:gosec // no nonce of ours: the cipher draws a random one
}

// Open returns what Seal was given. aad must be the same. The error is
// ErrUnknownKey or ErrCorrupt.
func (r *Ring) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < headerSize || sealed[0] != sealV1 {
		return nil, ErrCorrupt
	}
	header := sealed[:headerSize]
	for _, k := range r.keys() {
		if string(k.id[:]) != string(header[1:]) {
			continue
		}
		plain, err := k.seal.Open(nil, nil, sealed[headerSize:], bind(header, aad))
		if err != nil {
			return nil, ErrCorrupt
		}
		return plain, nil
	}
	return nil, ErrUnknownKey
}

// bind puts the header under the same protection as the caller's data. The
// header's length is fixed, so two different pairs never give the same bytes.
func bind(header, aad []byte) []byte {
	bound := make([]byte, 0, len(header)+len(aad))
	return append(append(bound, header...), aad...)
}

// Fingerprints names the keys, newest first: 16 hex digits of SHA-256 of each.
// They are not secret.
func (r *Ring) Fingerprints() []string {
	prints := make([]string, len(r.keys()))
	for i, k := range r.keys() {
		prints[i] = hex.EncodeToString(k.id[:])
	}
	return prints
}

// Derive returns a 256-bit key for a purpose from each key of the ring, newest
// first. The same ring and purpose always give the same keys; different purposes
// give unrelated ones.
func (r *Ring) Derive(purpose string) ([][]byte, error) {
	derived := make([][]byte, len(r.keys()))
	for i, k := range r.keys() {
		sub, err := hkdf.Key(sha256.New, k.secret, nil, "kitbridge purpose "+purpose, keySize)
		if err != nil {
			return nil, fmt.Errorf("derive key for %s: %w", purpose, err)
		}
		derived[i] = sub
	}
	return derived, nil
}

// String names the keys by their fingerprints.
func (r *Ring) String() string { return "keyring(" + strings.Join(r.Fingerprints(), " ") + ")" }

// LogValue names the keys by their fingerprints.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }
