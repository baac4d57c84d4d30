package sqlsink_test

import (
	"errors"
	"testing"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// testReach: a sink can be tried before it is owed anything, and notices later that its
// tables became somebody else's.
func testReach(t *testing.T, p product) {
	s := newSink(t, p)
	for range 2 {
		if err := s.Reach(t.Context()); err != nil {
			t.Fatalf("Reach of a new database = %v", err)
		}
	}
	p.want(t, "SELECT owner FROM kit_meta", "bridge-1")
	if err := newSink(t, p, func(c *sqlsink.Config) { c.Register = orgsync.SoleOwner("product", "bridge-2") }).Reach(t.Context()); !errors.Is(err, orgsync.ErrUnavailable) {
		t.Errorf("Reach of another bridge's tables = %v, want ErrUnavailable", err)
	}
	p.exec(t, "UPDATE kit_meta SET owner = 'bridge-2'")
	if err := s.Reach(t.Context()); !errors.Is(err, orgsync.ErrUnavailable) {
		t.Errorf("Reach of tables that were taken away = %v, want ErrUnavailable", err)
	}
}
