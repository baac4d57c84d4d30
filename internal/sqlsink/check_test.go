package sqlsink_test

import (
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// faults are what Check finds wrong, and whether it looked at anything of that name.
func faults(t *testing.T, s *sqlsink.Sink) (wrong map[string]string, looked map[string]bool) {
	t.Helper()
	wrong, looked = map[string]string{}, map[string]bool{}
	for what, err := range s.Check(t.Context()) {
		looked[what] = true
		if err != nil {
			wrong[what] = err.Error()
		}
	}
	return wrong, looked
}

// testCheck: nothing is made and nothing stays, and each fault is named.
func testCheck(t *testing.T, p product) {
	p.exec(t, "SELECT 1") // the product's SQLite file is there
	s := newSink(t, p)
	wrong, looked := faults(t, s)
	if len(wrong) > 0 || !looked["tables (none yet: serve makes them)"] {
		t.Errorf("a new database: %v, looked at %v", wrong, looked)
	}
	verifying := newSink(t, p, func(c *sqlsink.Config) { c.Verify = true })
	if wrong, _ := faults(t, verifying); !strings.Contains(wrong["tables"], "table kit_tenant is missing") {
		t.Errorf("no tables to verify: %v", wrong)
	}
	v := newState()
	v.user("li")
	v.department("A", "甲", "")
	converge(t, s, v, v.keys()...)
	before := p.rows(t, "SELECT last_seq FROM kit_meta")
	if wrong, looked := faults(t, s); len(wrong) > 0 || !looked["rights to read and write"] {
		t.Errorf("a database in order: %v, looked at %v", wrong, looked)
	}
	p.want(t, "SELECT last_seq FROM kit_meta", before...)
	for _, table := range []string{"kit_tenant", "kit_department", "kit_user", "kit_grant", "kit_change"} {
		p.want(t, "SELECT COUNT(*) FROM "+table+" WHERE tenant_id = 'kitbridge check'", "0")
	}
	other := newSink(t, p, func(c *sqlsink.Config) { c.Register = orgsync.SoleOwner("product", "bridge-2") })
	if wrong, looked := faults(t, other); !strings.Contains(wrong["owner"], `belongs to bridge bridge-1`) || looked["rights to read and write"] {
		t.Errorf("another bridge's tables: %v", wrong)
	}
	p.exec(t, "ALTER TABLE kit_grant RENAME TO moved")
	if wrong, _ := faults(t, s); !strings.Contains(wrong["tables"], "table kit_grant is missing") {
		t.Errorf("a table is missing: %v", wrong)
	}
}

// testCheckReadOnly: rights that are missing are found before the first push.
func testCheckReadOnly(t *testing.T, p product) {
	s := newSink(t, p)
	v := newState()
	converge(t, s, v, v.user("li"))
	switch p.dial {
	case sqlsink.SQLite:
		p.exec(t, "CREATE TRIGGER no BEFORE UPDATE ON kit_user BEGIN SELECT RAISE(ABORT, 'no'); END")
	case sqlsink.PostgreSQL:
		p.exec(t, "ALTER TABLE kit_user ADD CHECK (name <> 'b')")
	default:
		p.exec(t, "ALTER TABLE kit_user ADD CONSTRAINT no CHECK (name <> 'b')")
	}
	wrong, _ := faults(t, s)
	if got := wrong["rights to read and write"]; !strings.Contains(got, "a trial row, which is taken back, was refused") {
		t.Errorf("a table that refuses: %v", wrong)
	}
}

func TestCheckUnreachable(t *testing.T) {
	t.Parallel()
	s := newSink(t, product{url: "mysql://u:p@127.0.0.1:1/d"})
	wrong, looked := faults(t, s)
	if len(looked) != 1 || !strings.Contains(wrong["reach and sign in"], "cannot reach the database") {
		t.Errorf("nobody there: %v, looked at %v", wrong, looked)
	}
}
