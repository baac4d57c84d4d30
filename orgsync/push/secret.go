package push

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // G505: a digest choice of the marketplace's form; safe in OAEP (RFC 8017, section 7.1)
	_ "crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Opener decrypts the client secret of an applicationSync. The access guide, page
// applicationSync, says RSA with OAEP padding under the vendor's public key of at least
// 3072 bits, but neither the digests nor how the ciphertext becomes text; so every form
// that a common library makes is tried. PKCS #1 v1.5 padding is not: it would open an
// oracle. It is a pure value and safe for concurrent use.
type Opener struct {
	// Keys are the private keys of the application credential, newest first.
	Keys []*rsa.PrivateKey
}

// Open returns the clear text, or an [orgsync.ErrSecret] that says whether a key is
// configured at all and nothing else. Call it only with a ciphertext whose signature was
// found good.
func (o Opener) Open(ciphertext orgsync.Secret) (orgsync.Secret, error) {
	if len(o.Keys) == 0 {
		return "", fmt.Errorf("no private key is configured (marketplace.private_key_files): %w", orgsync.ErrSecret)
	}
	forms := ciphertextForms(string(ciphertext))
	for _, key := range o.Keys {
		for _, form := range forms {
			if len(form) != key.Size() {
				continue
			}
			if plain, ok := decrypt(key, form); ok {
				return orgsync.Secret(plain), nil
			}
		}
	}
	return "", fmt.Errorf("%d private keys tried: %w", len(o.Keys), orgsync.ErrSecret)
}

// decrypt tries the digests: SHA-256 for both, SHA-256 with MGF1 over SHA-1 as Java's
// OAEPWithSHA-256AndMGF1Padding does unless told otherwise, and SHA-1 for both.
func decrypt(key *rsa.PrivateKey, ciphertext []byte) ([]byte, bool) {
	for _, options := range []*rsa.OAEPOptions{
		{Hash: crypto.SHA256, MGFHash: crypto.SHA256},
		{Hash: crypto.SHA256, MGFHash: crypto.SHA1},
		{Hash: crypto.SHA1, MGFHash: crypto.SHA1},
	} {
		plain, err := key.Decrypt(nil, ciphertext, options)
		if err == nil {
			return plain, true
		}
	}
	return nil, false
}

// ciphertextForms returns the bytes that the text may stand for: base64 of either
// alphabet with or without padding, or hex; percent-encoded or broken into lines.
func ciphertextForms(s string) [][]byte {
	if strings.Contains(s, "%") {
		// A path, not a query: the plus sign is a digit of base64.
		if unescaped, err := url.PathUnescape(s); err == nil {
			s = unescaped
		}
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
	var forms [][]byte
	unpadded := strings.TrimRight(s, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := encoding.DecodeString(unpadded); err == nil {
			forms = append(forms, b)
		}
	}
	if b, err := hex.DecodeString(s); err == nil {
		forms = append(forms, b)
	}
	return forms
}
