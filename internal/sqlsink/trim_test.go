package sqlsink_test

import (
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// testTrim: the feed loses its beginning only, and goes on with the next number.
func testTrim(t *testing.T, p product) {
	c, v := newClock(), newState()
	s := newSink(t, p, func(cfg *sqlsink.Config) { cfg.Now, cfg.FeedAfter = c.now, 90*24*time.Hour })
	purge := func(want int) {
		t.Helper()
		if got, err := s.Purge(t.Context()); err != nil || got != 0 {
			t.Errorf("Purge = %d, %v, want none: the feed's rows are not counted", got, err)
		}
		if got := len(p.rows(t, "SELECT seq FROM kit_change")); got != want {
			t.Errorf("the feed has %d rows, want %d", got, want)
		}
	}
	for _, name := range []orgsync.UserName{"a", "b", "c"} {
		converge(t, s, v, v.user(name))
		c.advance(40 * 24 * time.Hour)
	}
	purge(2) // 120, 80 and 40 days old
	p.want(t, "SELECT MIN(seq), MAX(seq) FROM kit_change", "2|3")
	purge(2)
	c.advance(365 * 24 * time.Hour)
	purge(0)
	converge(t, s, v, v.user("d"))
	p.want(t, "SELECT seq FROM kit_change", "4")
	s = newSink(t, p, func(cfg *sqlsink.Config) { cfg.Now = c.now }) // kept for good
	c.advance(365 * 24 * time.Hour)
	purge(1)
}
