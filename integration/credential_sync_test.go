//go:build integration

package integration_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// credentialKey is the key of the application credential, one for all bridges:
// making one takes a second. The guide asks for 3072 bits or more.
var credentialKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 3072) })

// writeCredentialKey puts the private key where a bridge reads it.
func writeCredentialKey(t testing.TB, dir string) (file string) {
	t.Helper()
	key, err := credentialKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "credential.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// sealSecret encrypts a clientSecret as the marketplace does (access guide,
// applicationSync: RSA with OAEP), as base64.
func sealSecret(t testing.TB, secret string) string {
	t.Helper()
	key, err := credentialKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, []byte(secret), nil)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sealed)
}

// publicCredentialKey puts the public key where kitbridge simulate reads it, as the
// marketplace's form wants it: no header lines.
func publicCredentialKey(t testing.TB, dir string) (file string) {
	t.Helper()
	key, err := credentialKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "credential.pub")
	if err := os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString(der)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
