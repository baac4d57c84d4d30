package ldapsink_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
)

// TestCheck: each thing is told in order, up to the first that is wrong.
func TestCheck(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	const bind, base, rights = "reach, TLS and bind", "base_dn", "rights to write: not tried, they show with the first entry"
	for name, c := range map[string]struct {
		change       func(*ldapsink.Config)
		right, wrong []string
	}{
		"in order":       {func(*ldapsink.Config) {}, []string{bind, base, rights}, nil},
		"no such base":   {func(c *ldapsink.Config) { c.BaseDN = "ou=nowhere," + peers.BaseDN }, []string{bind}, []string{base}},
		"wrong password": {func(c *ldapsink.Config) { c.BindPassword = "wrong" }, nil, []string{bind}},
	} {
		var right, wrong []string
		for what, err := range f.open(c.change).Check(t.Context()) {
			if err == nil {
				right = append(right, what)
			} else {
				wrong = append(wrong, what)
			}
		}
		if diff := cmp.Diff([][]string{c.right, c.wrong}, [][]string{right, wrong}); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
