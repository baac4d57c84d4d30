//go:build integration

package ldapsink_test

import (
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
)

// TestSuiteInDocker: the cases of the suite on the OpenLDAP that Debian packages, in a
// container; the largest groups without the overlay memberof, which takes a second for some
// hundred members.
func TestSuiteInDocker(t *testing.T) {
	t.Parallel()
	docker := func(t testing.TB) *peers.Directory { return peers.SlapdContainer(t) }
	for _, kind := range []target{
		{
			name: "memberof", memberOf: true, late: true, steps: 40, large: 300, dialect: ldapsink.OpenLDAP, apart: true, userRDN: "uid", group: "groupOfNames", nobody: true,
			start: docker,
		},
		{
			name: "plain", steps: 40, large: 5000, slow: true, dialect: ldapsink.OpenLDAP, apart: true, userRDN: "uid", group: "groupOfNames", nobody: true,
			start: func(t testing.TB) *peers.Directory {
				d := docker(t)
				conn := dial(t, d)
				if err := conn.Bind("cn=admin,cn=config", "config"); err != nil {
					t.Fatal(err)
				}
				if err := conn.Del(ldap.NewDelRequest("olcOverlay={0}memberof,olcDatabase={1}mdb,cn=config", nil)); err != nil {
					t.Fatalf("take the overlay memberof away: %v", err)
				}
				return d
			},
		},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			runSuite(t, kind)
		})
	}
}
