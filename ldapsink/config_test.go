package ldapsink_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

func TestNewNamesAllFaults(t *testing.T) {
	t.Parallel()
	_, err := ldapsink.New(ldapsink.Config{URLs: []string{"http://x"}, BaseDN: "nonsense"})
	if err == nil {
		t.Fatal("New takes an empty configuration")
	}
	for _, field := range []string{"Name", "URLs", "BindDN", "BindPassword", "BaseDN", "Tenants", "Links", "Now", "Logger"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("New = %v, want it to name %s", err, field)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := peers.Slapd(t, peers.SlapdOptions{TLS: true, NoSync: true})
	pem, err := os.ReadFile(dir.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	tests := []struct {
		name     string
		url      string
		startTLS bool
		roots    *x509.CertPool
		want     error
	}{
		{name: "ldaps", url: dir.TLSURL(), roots: trusted},
		{name: "start tls", url: dir.URL(), startTLS: true, roots: trusted},
		{name: "ldaps, unknown authority", url: dir.TLSURL(), roots: x509.NewCertPool(), want: orgsync.ErrUnavailable},
		{name: "start tls, unknown authority", url: dir.URL(), startTLS: true, roots: x509.NewCertPool(), want: orgsync.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sink, err := ldapsink.New(ldapsink.Config{
				Name: "corp", URLs: []string{tt.url}, StartTLS: tt.startTLS, TLS: &tls.Config{RootCAs: tt.roots, MinVersion: tls.VersionTLS12},
				BindDN: peers.ServiceDN, BindPassword: peers.ServicePassword, BaseDN: peers.BaseDN,
				Tenants: func(orgsync.Tenant) bool { return true }, Links: &ldapsink.MemoryLinks{},
				Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer sink.Close()
			s := newState()
			s.tenant.ID = orgsync.TenantID("t " + strings.ReplaceAll(tt.name, " ", ""))
			_, err = sink.Converge(t.Context(), s, s.keys())
			if !errors.Is(err, tt.want) {
				t.Errorf("Converge = %v, want %v", err, tt.want)
			}
		})
	}
}

// TestWrongPassword: the error helps, and does not hold the password.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	const password = "not-the-password"
	f := newFixture(t, peers.SlapdOptions{})
	f.sink = f.open(func(c *ldapsink.Config) { c.BindPassword = password })
	_, err := f.sink.Converge(t.Context(), f.state, f.state.keys())
	if !errors.Is(err, orgsync.ErrUnavailable) || !strings.Contains(err.Error(), "bind_password") {
		t.Errorf("Converge = %v, want it to say what to check", err)
	}
	if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, password) {
		t.Errorf("the error holds the password: %s", text)
	}
}

func TestBaseMissing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.sink = f.open(func(c *ldapsink.Config) { c.BaseDN = "ou=nowhere," + peers.BaseDN })
	if _, err := f.sink.Converge(t.Context(), f.state, f.state.keys()); !errors.Is(err, orgsync.ErrUnavailable) || !strings.Contains(err.Error(), "base_dn") {
		t.Errorf("Converge = %v, want ErrUnavailable that names base_dn", err)
	}
}
