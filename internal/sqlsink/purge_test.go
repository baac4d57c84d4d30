package sqlsink_test

import (
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

func testPurge(t *testing.T, p product) {
	c, v := newClock(), newState()
	s := newSink(t, p, func(cfg *sqlsink.Config) { cfg.Now, cfg.PurgeAfter = c.now, 24*time.Hour })
	purge := func(want int) {
		t.Helper()
		if got, err := s.Purge(t.Context()); got != want || err != nil {
			t.Errorf("Purge = %d, %v, want %d", got, err, want)
		}
	}
	for _, name := range []orgsync.UserName{"held", "gone", "here"} {
		v.user(name)
	}
	converge(t, s, v, v.keys()...)
	key := p.keyType()
	p.exec(t, "CREATE TABLE invoices (tenant "+key+", person "+key+", FOREIGN KEY (tenant, person) REFERENCES kit_user (tenant_id, user_name))")
	p.exec(t, "INSERT INTO invoices VALUES ('"+tenantID+"', 'held')")
	v.edit("held", removedAt(start))
	v.edit("gone", removedAt(start))
	converge(t, s, v, v.keys()...)
	purge(0)

	c.advance(24 * time.Hour)
	purge(1)
	p.want(t, "SELECT user_name, enabled FROM kit_user ORDER BY user_name", "held|0", "here|1")
	p.want(t, p.quote(`SELECT "key", "op" FROM kit_change WHERE seq > 6`), "gone|delete")
	p.want(t, "SELECT last_seq FROM kit_meta", "7")
	converge(t, s, v, v.keys()...) // does not bring it back
	p.want(t, "SELECT count(*) FROM kit_user", "2")

	// The tenant ends: everything but what the product holds goes, in its time.
	converge(t, s, v, v.department("A", "甲", ""))
	v.tenant.Active, v.tenant.RemovedAt = false, c.now()
	v.edit("here", removedAt(c.now()))
	v.drop("A")
	converge(t, s, v, v.keys()...)
	purge(0)
	p.want(t, "SELECT count(*) FROM kit_department", "1")
	c.advance(24 * time.Hour)
	purge(2) // the user and the department
	p.want(t, "SELECT count(*) FROM kit_department", "0")
	p.want(t, "SELECT count(*) FROM kit_tenant", "1")
	p.exec(t, "DELETE FROM invoices")
	purge(2)
	p.want(t, "SELECT count(*) FROM kit_tenant", "0")
	converge(t, s, v, v.keys()...)
	p.want(t, "SELECT count(*) FROM kit_tenant", "0")
	p.want(t, "SELECT count(*) FROM kit_user", "0")
}
