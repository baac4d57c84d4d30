package ldapsink_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

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
