package sso

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// minKey is the least entropy of a key of the ring, in bytes.
const minKey = 32

// maxSealed bounds what open looks at; browsers keep cookies to 4096 bytes.
const maxSealed = 4096

// sealer seals small values that the browser keeps for us. The first key seals, every key opens.
type sealer struct{ aeads []cipher.AEAD }

func newSealer(ring [][]byte) (*sealer, error) {
	if len(ring) == 0 {
		return nil, errors.New("keys: at least one is needed")
	}
	s := &sealer{}
	for _, key := range ring {
		if len(key) < minKey {
			return nil, fmt.Errorf("keys: each needs at least %d bytes", minKey)
		}
		derived, err := hkdf.Key(sha256.New, key, nil, "kitbridge sso cookie v1", 32)
		if err != nil {
			return nil, fmt.Errorf("derive cookie key: %w", err)
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, fmt.Errorf("cookie cipher: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("cookie cipher: %w", err)
		}
		s.aeads = append(s.aeads, aead)
	}
	return s, nil
}

// seal encrypts v for a purpose: what was sealed for one cookie name cannot be opened under another.
func (s *sealer) seal(purpose string, v any) (string, error) {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false) // it is never shown, and cookies are short
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	box := s.aeads[0].Seal(nil, nil, plain.Bytes(), []byte(purpose)) //nolint:gosec // this AEAD draws its nonce itself
	return base64.RawURLEncoding.EncodeToString(box), nil
}

// open decrypts text into v and reports whether it was ours, whole and made for this purpose.
func (s *sealer) open(purpose, text string, v any) bool {
	if len(text) > maxSealed {
		return false
	}
	box, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	for _, aead := range s.aeads {
		if plain, err := aead.Open(nil, nil, box, []byte(purpose)); err == nil {
			return json.Unmarshal(plain, v) == nil
		}
	}
	return false
}

// randomHex returns 256 random bits as hex: letters and digits only, which is all that the access guide allows in state.
func randomHex() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return fmt.Sprintf("%x", b)
}
