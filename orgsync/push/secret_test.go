package push_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

const clearSecret = "s3cret/密 +%"

// keys are two private keys of the length that the marketplace demands, made once.
var keys = sync.OnceValue(func() []*rsa.PrivateKey {
	ks := make([]*rsa.PrivateKey, 2)
	for i := range ks {
		key, err := rsa.GenerateKey(rand.Reader, 3072)
		if err != nil {
			panic(err)
		}
		ks[i] = key
	}
	return ks
})

func encrypt(t *testing.T, key *rsa.PrivateKey, digest, mgf crypto.Hash) []byte {
	t.Helper()
	hashes := map[crypto.Hash]func() hash.Hash{crypto.SHA256: sha256.New, crypto.SHA1: sha1.New}
	if digest == mgf {
		b, err := rsa.EncryptOAEP(hashes[digest](), rand.Reader, &key.PublicKey, []byte(clearSecret), nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b, err := rsa.EncryptOAEPWithOptions(rand.Reader, &key.PublicKey, []byte(clearSecret), &rsa.OAEPOptions{Hash: digest, MGFHash: mgf})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpen(t *testing.T) {
	t.Parallel()
	opener := push.Opener{Keys: []*rsa.PrivateKey{keys()[0], keys()[1]}}
	texts := map[string]func([]byte) string{
		"base64":              base64.StdEncoding.EncodeToString,
		"base64 unpadded":     func(b []byte) string { return strings.TrimRight(base64.StdEncoding.EncodeToString(b), "=") },
		"base64url":           base64.URLEncoding.EncodeToString,
		"base64url unpadded":  base64.RawURLEncoding.EncodeToString,
		"hex":                 hex.EncodeToString,
		"capital hex":         func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
		"percent-encoded":     func(b []byte) string { return url.QueryEscape(base64.StdEncoding.EncodeToString(b)) },
		"percent in one byte": func(b []byte) string { return base64.StdEncoding.EncodeToString(b) + "%0A" },
		"in lines": func(b []byte) string {
			s := base64.StdEncoding.EncodeToString(b)
			return " " + s[:76] + "\r\n" + s[76:300] + "\n\t" + s[300:] + "\n"
		},
	}
	for _, digests := range [][2]crypto.Hash{{crypto.SHA256, crypto.SHA256}, {crypto.SHA256, crypto.SHA1}, {crypto.SHA1, crypto.SHA1}} {
		for _, key := range keys() {
			ciphertext := encrypt(t, key, digests[0], digests[1])
			for name, text := range texts {
				got, err := opener.Open(orgsync.Secret(text(ciphertext)))
				if err != nil || string(got) != clearSecret {
					t.Errorf("Open(%s of %v) = %q, %v", name, digests, string(got), err)
				}
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	ciphertext := encrypt(t, keys()[0], crypto.SHA256, crypto.SHA256)
	weak, err := rsa.EncryptPKCS1v15(rand.Reader, &keys()[0].PublicKey, []byte(clearSecret)) //nolint:staticcheck // SA1019: the test shows that it is refused
	if err != nil {
		t.Fatal(err)
	}
	good := orgsync.Secret(base64.StdEncoding.EncodeToString(ciphertext))
	flipped := append([]byte{}, ciphertext...)
	flipped[100] ^= 1
	first := push.Opener{Keys: keys()[:1]}
	tests := []struct {
		name       string
		opener     push.Opener
		ciphertext orgsync.Secret
		want       string
	}{
		{"no key configured", push.Opener{}, good, "no private key is configured (marketplace.private_key_files): client secret cannot be decrypted"},
		{"another key", push.Opener{Keys: keys()[1:]}, good, "1 private keys tried: client secret cannot be decrypted"},
		{"clear text", first, "plain", "1 private keys tried: client secret cannot be decrypted"},
		{"empty", first, "", "1 private keys tried: client secret cannot be decrypted"},
		{"changed", first, orgsync.Secret(base64.StdEncoding.EncodeToString(flipped)), "1 private keys tried: client secret cannot be decrypted"},
		{"cut", first, good[:500], "1 private keys tried: client secret cannot be decrypted"},
		{"PKCS #1 v1.5", first, orgsync.Secret(base64.StdEncoding.EncodeToString(weak)), "1 private keys tried: client secret cannot be decrypted"},
		{"a megabyte", first, orgsync.Secret(strings.Repeat("A", 1<<20)), "1 private keys tried: client secret cannot be decrypted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.opener.Open(tt.ciphertext)
			if got != "" || !errors.Is(err, orgsync.ErrSecret) || err.Error() != tt.want {
				t.Errorf("Open = %q, %v, want %q", string(got), err, tt.want)
			}
		})
	}
}
