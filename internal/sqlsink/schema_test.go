package sqlsink_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

func testForeign(t *testing.T, p product) {
	p.exec(t, "CREATE TABLE kit_notes (id INTEGER PRIMARY KEY, note VARCHAR(20))")
	p.exec(t, "INSERT INTO kit_notes VALUES (1, 'mine')")
	v := newState()
	s := newSink(t, p)
	converge(t, s, v, v.user("li"), v.department("rd", "研发部", ""))
	p.exec(t, "ALTER TABLE kit_user ADD COLUMN avatar VARCHAR(20) NULL")
	p.exec(t, "UPDATE kit_user SET avatar = 'cat.png'")
	text := p.keyType()
	p.exec(t, "CREATE TABLE orders (id INTEGER PRIMARY KEY, tenant "+text+", dept "+text+", FOREIGN KEY (tenant, dept) REFERENCES kit_department (tenant_id, org_code))")
	p.exec(t, "INSERT INTO orders VALUES (1, '"+tenantID+"', 'rd')")
	converge(t, s, v, v.user("li", "position", "boss"), v.user("wang"))
	p.want(t, "SELECT user_name, position, avatar FROM kit_user ORDER BY user_name", "li|boss|cat.png", "wang||NULL")
	p.want(t, "SELECT note FROM kit_notes", "mine")

	results, err := s.Converge(t.Context(), v, []orgsync.Key{v.drop("rd"), v.user("zhao")})
	if err != nil {
		t.Fatal(err)
	}
	if got := resultOf(t, results, departmentKey("rd")).Err; !errors.Is(got, orgsync.ErrRejected) || !strings.Contains(got.Error(), "foreign key") {
		t.Errorf("delete a department with orders: %v, want ErrRejected that names the foreign key", got)
	}
	p.want(t, "SELECT count(*) FROM kit_user", "3")
	p.want(t, "SELECT count(*) FROM kit_department", "1")
}

func testOwner(t *testing.T, p product) {
	v := newState()
	converge(t, newSink(t, p), v, v.keys()...)
	other := newSink(t, p, func(c *sqlsink.Config) { c.Register = orgsync.SoleOwner("product", "bridge-2") })
	_, err := other.Converge(t.Context(), v, []orgsync.Key{v.user("li")})
	for _, word := range []string{"bridge-1", "bridge-2", "kitbridge take-over product"} {
		if !errors.Is(err, orgsync.ErrUnavailable) || !strings.Contains(err.Error(), word) {
			t.Errorf("another bridge's Converge = %v, want ErrUnavailable that says %s", err, word)
		}
	}
	p.want(t, "SELECT * FROM kit_user")

	// Tables that only look like ours are not touched.
	p.exec(t, "DROP TABLE kit_meta")
	_, err = newSink(t, p).Converge(t.Context(), v, v.keys())
	if !errors.Is(err, orgsync.ErrUnavailable) || !strings.Contains(err.Error(), "choose another prefix") {
		t.Errorf("without kit_meta Converge = %v, want ErrUnavailable", err)
	}
	p.want(t, "SELECT * FROM kit_user")
}

func testVerify(t *testing.T, p product) {
	v := newState()
	verify := newSink(t, p, func(c *sqlsink.Config) { c.Verify = true })
	fails := func(words ...string) {
		t.Helper()
		results, err := verify.Converge(t.Context(), v, v.keys())
		if !errors.Is(err, orgsync.ErrUnavailable) || len(results) != 0 {
			t.Fatalf("Converge = %v, %v, want ErrUnavailable", results, err)
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("Converge = %v, want %q in it", err, w)
			}
		}
	}
	if p.dial == sqlsink.SQLite {
		p.exec(t, "CREATE TABLE orders (id INTEGER)") // the file exists
	}
	fails("kit_user is missing", "CREATE TABLE", "kit_change")
	ddl, err := sqlsink.DDL(p.dial, "kit_")
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range ddl {
		p.exec(t, statement)
	}
	p.exec(t, "ALTER TABLE kit_user DROP COLUMN email")
	fails("kit_user.email is missing", "ALTER TABLE", "ADD COLUMN")
	p.exec(t, "DROP TABLE kit_user")
	for _, statement := range ddl {
		p.exec(t, statement) // once more does no harm
	}
	if p.dial == sqlsink.MariaDB {
		p.exec(t, "ALTER TABLE kit_user MODIFY user_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL")
		fails("kit_user.user_name", "utf8mb4_general_ci", "utf8mb4_nopad_bin")
		p.exec(t, "ALTER TABLE kit_user MODIFY user_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL")
	}
	converge(t, verify, v, v.keys()...)
	// Tables that go away later are noticed, and that they are back too.
	p.exec(t, "ALTER TABLE kit_tenant RENAME TO away")
	if _, err := verify.Converge(t.Context(), v, v.keys()); !errors.Is(err, orgsync.ErrUnavailable) {
		t.Errorf("Converge without kit_tenant = %v, want ErrUnavailable", err)
	}
	fails("kit_tenant is missing")
	p.exec(t, "ALTER TABLE away RENAME TO kit_tenant")
	converge(t, verify, v, v.keys()...)
}

func testManage(t *testing.T, p product) {
	v := newState()
	v.bind()
	converge(t, newSink(t, p), v, v.keys()...)
	p.exec(t, "ALTER TABLE kit_department DROP COLUMN path")
	p.exec(t, "ALTER TABLE kit_user DROP COLUMN updated_at")
	p.exec(t, "DROP TABLE kit_grant")
	converge(t, newSink(t, p), v, v.keys()...)
	p.want(t, "SELECT path FROM kit_department WHERE org_code = 'rd'", "/hq/rd/")
	p.want(t, "SELECT count(*) FROM kit_grant", "40")
}

func testTenants(t *testing.T, p product) {
	v := newState()
	converge(t, newSink(t, p, func(c *sqlsink.Config) { c.Tenants = []string{"other"} }), v, v.keys()...)
	if _, err := p.db.ExecContext(t.Context(), "DELETE FROM kit_tenant"); err == nil {
		t.Error("tables were made for a tenant that the sink may not hold")
	}
	v.tenant.Announced = false
	s := newSink(t, p, func(c *sqlsink.Config) { c.Tenants = []string{"other", "huawei"} })
	converge(t, s, v, v.keys()...)
	v.tenant.Announced = true
	converge(t, s, v, v.keys()...)
	p.want(t, "SELECT tenant_id FROM kit_tenant", tenantID)
}

// testTenantLeaves: a tenant whose code is no longer the sink's is treated as if it had ended:
// disabled at once, purged in its time, and back as it was if its code is.
func testTenantLeaves(t *testing.T, p product) {
	c, v := newClock(), newState()
	s := newSink(t, p, func(cfg *sqlsink.Config) {
		cfg.Tenants, cfg.Now, cfg.PurgeAfter = []string{"huawei"}, c.now, 24*time.Hour
	})
	v.user("zhang")
	v.department("A", "甲", "")
	converge(t, s, v, v.keys()...)
	p.want(t, "SELECT active FROM kit_tenant", "1")
	v.tenant.Code = "another"
	v.user("li")
	v.department("B", "乙", "")
	converge(t, s, v, v.keys()...)
	p.want(t, "SELECT user_name, enabled FROM kit_user", "zhang|0")
	p.want(t, "SELECT DISTINCT enabled FROM kit_grant", "0")
	p.want(t, "SELECT org_code FROM kit_department", "A")
	p.want(t, "SELECT active FROM kit_tenant", "0")
	wantHeld(t, s, v.tenant.ID)
	if w, err := s.Plan(t.Context(), v, sqlsink.WholeOptions{}); err != nil || !w.IsLeft || w.Users != 1 || len(w.Steps) != 0 {
		t.Errorf("Plan of a tenant that left = %+v, %v, want it told, one user and no step", w, err)
	}
	left := p.rows(t, "SELECT removed_at FROM kit_user")
	c.advance(23 * time.Hour)
	converge(t, s, v, v.keys()...)
	p.want(t, "SELECT removed_at FROM kit_user", left...) // it counts from when the tenant left

	v.tenant.Code = "huawei"
	converge(t, s, v, v.keys()...)
	p.want(t, "SELECT user_name, enabled FROM kit_user WHERE removed_at IS NULL ORDER BY user_name", "li|1", "zhang|1")
	p.want(t, "SELECT active FROM kit_tenant", "1")

	v.tenant.Code = "another"
	converge(t, s, v, v.keys()...)
	if gone, err := s.Purge(t.Context()); gone != 0 || err != nil {
		t.Errorf("Purge when the tenant has just left = %d, %v, want 0", gone, err)
	}
	c.advance(24 * time.Hour)
	if gone, err := s.Purge(t.Context()); gone != 5 || err != nil {
		t.Errorf("Purge in its time = %d, %v, want 5: two users, two departments, the tenant", gone, err)
	}
	converge(t, s, v, v.keys()...)
	for _, table := range []string{"kit_user", "kit_grant", "kit_department", "kit_tenant"} {
		p.want(t, "SELECT count(*) FROM "+table, "0")
	}
	wantHeld(t, s)
	if w, err := s.Plan(t.Context(), v, sqlsink.WholeOptions{}); err != nil || w.IsLeft || len(w.Steps) != 0 {
		t.Errorf("Plan when nothing is left of it = %+v, %v", w, err)
	}
}

func wantHeld(t *testing.T, s *sqlsink.Sink, want ...orgsync.TenantID) {
	t.Helper()
	got, err := s.HeldTenants(t.Context())
	if !slices.Equal(want, got) || err != nil {
		t.Errorf("HeldTenants = %v, %v, want %v", got, err, want)
	}
}

func testServerDown(t *testing.T, server *peers.DatabaseServer, p product) {
	v := newState()
	s := newSink(t, p)
	converge(t, s, v, v.keys()...)
	if err := p.db.Close(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	// A sink of its own, because a connection from before may live on for a moment.
	results, err := newSink(t, p).Converge(t.Context(), v, []orgsync.Key{v.user("li")})
	if !errors.Is(err, orgsync.ErrUnavailable) || len(results) != 0 || strings.Contains(err.Error(), peers.DatabasePassword) {
		t.Errorf("Converge without a server = %v, %v, want ErrUnavailable", results, err)
	}
	server.Start()
	converge(t, s, v, userKey("li"))
}

// TestFoldedKeys: in tables made by somebody else, whose keys compare regardless of
// case, the first keeps its row and the other is told so.
func TestFoldedKeys(t *testing.T) {
	t.Parallel()
	p := sqliteProduct(t)
	ddl, err := sqlsink.DDL(sqlsink.SQLite, "kit_")
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range ddl {
		p.exec(t, strings.ReplaceAll(statement, "VARCHAR(64)", "VARCHAR(64) COLLATE NOCASE"))
	}
	s := newSink(t, p, func(c *sqlsink.Config) { c.Verify = true })
	refused := func(v *state, keys ...orgsync.Key) {
		t.Helper()
		results, err := s.Converge(t.Context(), v, keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if got := resultOf(t, results, k).Err; !errors.Is(got, orgsync.ErrRejected) {
				t.Errorf("%v: %v, want ErrRejected", k, got)
			}
		}
	}
	v := newState()
	v.user("li")
	converge(t, s, v, v.keys()...)
	refused(v, v.user("LI", "position", "other"))
	other := newState()
	other.tenant.ID = orgsync.TenantID(strings.ToUpper(tenantID))
	other.user("li", "position", "other")
	refused(other, other.keys()...)
	p.want(t, "SELECT tenant_id FROM kit_tenant", tenantID)
	p.want(t, "SELECT tenant_id, user_name, position FROM kit_user", tenantID+"|li|")
	converge(t, s, v, v.user("li", "position", "boss"))
	p.want(t, "SELECT user_name, position FROM kit_user", "li|boss")
}
