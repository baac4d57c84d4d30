package ldapsink_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestReach: a directory can be tried before anything is owed.
func TestReach(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	if err := f.sink.Reach(t.Context()); err != nil {
		t.Errorf("Reach() = %v", err)
	}
	for name, c := range map[string]struct {
		change func(*ldapsink.Config)
		want   string
	}{
		"no such base":   {func(c *ldapsink.Config) { c.BaseDN = "ou=nowhere," + peers.BaseDN }, "no such entry"},
		"wrong password": {func(c *ldapsink.Config) { c.BindPassword = "wrong" }, "check bind_dn and bind_password"},
		"nobody there":   {func(c *ldapsink.Config) { c.URLs = []string{"ldap://127.0.0.1:1"} }, "check that the directory is running"},
	} {
		err := f.open(c.change).Reach(t.Context())
		if !errors.Is(err, orgsync.ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Reach() = %v, want ErrUnavailable and %q", name, err, c.want)
		}
	}
}
