package peers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The files that writeCertificates makes.
const (
	caName        = "ca.pem"
	certName      = "server.pem"
	keyName       = "server.key"
	clientName    = "client.pem"
	clientKeyName = "client.key"
)

// certificates are the paths of what a client needs.
type certificates struct{ authority, client, clientKey string }

// writeCertificates makes an authority, a server certificate for localhost and
// the address, and a client certificate for [ServiceDN] in dir. They are valid
// from 2000 to 2100, so no clock is asked.
func writeCertificates(dir, address string) (certificates, error) {
	authority := certificate(1, pkix.Name{CommonName: "kitbridge test authority"})
	authority.IsCA = true
	authority.BasicConstraintsValid = true
	authority.KeyUsage = x509.KeyUsageCertSign
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificates{}, fmt.Errorf("make key: %w", err)
	}
	sign := func(template *x509.Certificate, key *ecdsa.PrivateKey, name string) error {
		der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), authorityKey)
		if err != nil {
			return fmt.Errorf("make certificate %s: %w", name, err)
		}
		return writePEM(filepath.Join(dir, name), "CERTIFICATE", der)
	}
	if err := sign(authority, authorityKey, caName); err != nil {
		return certificates{}, err
	}

	server := certificate(2, pkix.Name{CommonName: "localhost"})
	server.DNSNames = []string{"localhost"}
	server.IPAddresses = []net.IP{net.ParseIP(address)}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client := certificate(3, serviceName())
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, leaf := range []struct {
		template      *x509.Certificate
		name, keyName string
	}{{server, certName, keyName}, {client, clientName, clientKeyName}} {
		leaf.template.KeyUsage = x509.KeyUsageDigitalSignature
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return certificates{}, fmt.Errorf("make key: %w", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return certificates{}, fmt.Errorf("encode key: %w", err)
		}
		if err := errors.Join(sign(leaf.template, key, leaf.name), writePEM(filepath.Join(dir, leaf.keyName), "PRIVATE KEY", der)); err != nil {
			return certificates{}, err
		}
	}
	return certificates{
		authority: filepath.Join(dir, caName), client: filepath.Join(dir, clientName), clientKey: filepath.Join(dir, clientKeyName),
	}, nil
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// serviceName is [ServiceDN] as the subject of a certificate, root first.
func serviceName() pkix.Name {
	component := asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	unit, name := asn1.ObjectIdentifier{2, 5, 4, 11}, asn1.ObjectIdentifier{2, 5, 4, 3}
	return pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: component, Value: "org"}, {Type: component, Value: "example"}, {Type: unit, Value: "services"}, {Type: name, Value: "kitbridge"},
	}}
}

func certificate(serial int64, subject pkix.Name) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      subject,
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}
