//go:build integration

package ldapsink_test

import (
	"testing"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
)

// TestSuiteInDocker: the cases of the suite on the OpenLDAP that Debian packages, in a
// container.
func TestSuiteInDocker(t *testing.T) {
	t.Parallel()
	runSuite(t, target{
		name: "OpenLDAP in Docker", memberOf: true, steps: 40, large: 5000, dialect: ldapsink.OpenLDAP, apart: true, userRDN: "uid", group: "groupOfNames", nobody: true,
		start: func(t testing.TB) *peers.Directory { return peers.SlapdContainer(t) },
	})
}
