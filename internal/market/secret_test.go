package market_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"sync"
	"testing"

	"github.com/kitbridge/kitbridge/internal/market"
)

// sellerKey is made once: 3072 bits take a while.
var sellerKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		panic(err)
	}
	return key
})

func decrypt(t *testing.T, text string, opts *rsa.OAEPOptions) (string, error) {
	t.Helper()
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("clientSecret %q is not base64: %v", text, err)
	}
	plain, err := sellerKey().Decrypt(nil, sealed, opts)
	return string(plain), err
}

func TestEncrypt(t *testing.T) {
	key := sellerKey()
	options := map[market.Digests]*rsa.OAEPOptions{
		market.SHA256:             {Hash: crypto.SHA256, MGFHash: crypto.SHA256},
		market.SHA256WithMGF1SHA1: {Hash: crypto.SHA256, MGFHash: crypto.SHA1},
		market.SHA1:               {Hash: crypto.SHA1, MGFHash: crypto.SHA1},
	}
	for d := range options {
		text, err := market.Encrypt(&key.PublicKey, "client-secret-1", d)
		if err != nil {
			t.Fatalf("Encrypt(%d) = %v", d, err)
		}
		if len(text) != 512 {
			t.Errorf("Encrypt(%d) gives %d characters, want 512", d, len(text))
		}
		for other, opts := range options {
			plain, err := decrypt(t, text, opts)
			if ok := err == nil && plain == "client-secret-1"; ok != (other == d) {
				t.Errorf("encrypted with %d, decrypted with %d: %q, %v", d, other, plain, err)
			}
		}
	}
}

func TestParsePublicKey(t *testing.T) {
	key := &sellerKey().PublicKey
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	armoured := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	lines := strings.Split(strings.TrimSpace(armoured), "\n")
	for _, tt := range []struct{ name, text string }{
		{"PEM", armoured},
		{"without header lines", strings.Join(lines[1:len(lines)-1], "\n")},
		{"one line", base64.StdEncoding.EncodeToString(der)},
		{"Windows line ends", strings.Join(lines[1:len(lines)-1], "\r\n")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := market.ParsePublicKey(tt.text)
			if err != nil {
				t.Fatalf("ParsePublicKey() = %v", err)
			}
			if !got.Equal(key) {
				t.Error("ParsePublicKey() gives another key")
			}
		})
	}
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	smallDER, err := x509.MarshalPKIXPublicKey(&small.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text string }{
		{"2048 bits", base64.StdEncoding.EncodeToString(smallDER)},
		{"no key", "AAAA"},
		{"no base64", "???"},
		{"nothing", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := market.ParsePublicKey(tt.text); err == nil {
				t.Error("ParsePublicKey() accepts it")
			}
		})
	}
}
