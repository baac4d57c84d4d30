package sqlsink_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

func testBinding(t *testing.T, p product) {
	v := newState()
	v.bind()
	converge(t, newSink(t, p), v, v.keys()...)
	stamp := "2026-11-21 08:00:00.123"
	p.want(t, "SELECT * FROM kit_tenant", tenantID+"|huawei|华为|https://sso.example.com|1|"+stamp)
	p.want(t, "SELECT * FROM kit_department ORDER BY depth",
		tenantID+`|hq|总部, "north" #1 + ||/hq/|1|0|`+stamp,
		tenantID+"|rd|研发部|hq|/hq/rd/|2|0|"+stamp,
		tenantID+"|rd/1|一组|rd|/hq/rd/rd%2F1/|3|0|"+stamp)
	p.want(t, "SELECT count(*) FROM kit_user", "40")
	p.want(t, "SELECT * FROM kit_user WHERE user_name = 'user07'",
		tenantID+"|user07|张三 user07|rd/1|user|1|||4|13800000000|u7@example.com| 深圳, '坂田' #1 \U0001F600|2022-11-09|0|NULL|"+stamp)
	p.want(t, "SELECT * FROM kit_grant WHERE user_name = 'user07'", tenantID+"|user07|i1|app|user|1|"+stamp)
	p.want(t, "SELECT min(seq), max(seq), count(*) FROM kit_change", "1|44|44")
	p.want(t, p.quote(`SELECT "tenant_id", "kind", "key", "op", "at" FROM kit_change ORDER BY seq LIMIT 2`),
		tenantID+"|tenant|"+tenantID+"|insert|"+stamp, tenantID+"|department|hq|insert|"+stamp)
	p.want(t, "SELECT owner, schema_version, last_seq FROM kit_meta", "bridge-1|2|44")
}

// testRepeat holds the lock that every write of the sink needs.
func testRepeat(t *testing.T, p product) {
	v, c := newState(), newClock()
	v.bind()
	s := newSink(t, p, func(cfg *sqlsink.Config) { cfg.Now = c.now })
	converge(t, s, v, v.keys()...)
	before := p.rows(t, "SELECT * FROM kit_user ORDER BY user_name")
	c.advance(time.Hour)

	tx, err := p.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "UPDATE kit_meta SET owner = owner WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	converge(t, s, v, v.keys()...)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, p.rows(t, "SELECT * FROM kit_user ORDER BY user_name")); diff != "" {
		t.Errorf("the second time changed kit_user (-before +after):\n%s", diff)
	}
	// What changed is written, and nothing else gets a new updated_at.
	converge(t, s, v, append(v.keys(), v.user("user07", "position", "CTO"))[:len(v.keys())]...)
	p.want(t, "SELECT user_name, updated_at FROM kit_user WHERE updated_at > '2026-11-21 08:30:00.000'", "user07|2026-11-21 09:00:00.123")
	p.want(t, p.quote(`SELECT seq, "key", "op" FROM kit_change WHERE seq > 44`), "45|user07|update")
}

func testMove(t *testing.T, p product) {
	v := newState()
	v.bind()
	s := newSink(t, p)
	converge(t, s, v, v.keys()...)
	// The lane owes the descendants too: their paths changed.
	converge(t, s, v, v.department("rd", "产品部", ""), departmentKey("rd/1"))
	p.want(t, "SELECT org_code, name, parent_code, path, depth FROM kit_department ORDER BY org_code",
		"hq|总部, \"north\" #1 + ||/hq/|1", "rd|产品部||/rd/|1", "rd/1|一组|rd|/rd/rd%2F1/|2")
	converge(t, s, v, v.drop("rd/1"))
	p.want(t, "SELECT org_code FROM kit_department ORDER BY org_code", "hq", "rd")
	p.want(t, p.quote(`SELECT "key", "op" FROM kit_change WHERE seq > 46`), "rd/1|delete")
}

func testParked(t *testing.T, p product) {
	v := newState()
	s := newSink(t, p)
	converge(t, s, v, v.department("b", "乙", "a"))
	p.want(t, "SELECT org_code, parent_code, path, depth, parked FROM kit_department", "b|a|/b/|1|1")
	converge(t, s, v, v.department("a", "甲", ""), departmentKey("b"))
	p.want(t, "SELECT org_code, path, depth, parked FROM kit_department ORDER BY org_code", "a|/a/|1|0", "b|/a/b/|2|0")
}

func testRemove(t *testing.T, p product) {
	v := newState()
	s := newSink(t, p)
	converge(t, s, v, v.user("li"))
	gone := start.Add(-time.Hour)
	converge(t, s, v, v.edit("li", removedAt(gone)))
	p.want(t, "SELECT enabled, removed_at, generation FROM kit_user", fmt.Sprintf("0|2026-11-21 07:00:00.123|%d", gone.UnixMilli()))
	p.want(t, "SELECT * FROM kit_grant")

	converge(t, s, v, v.edit("li", func(u *orgsync.User) { u.Status, u.RemovedAt = orgsync.StatusEnabled, time.Time{} }))
	p.want(t, "SELECT enabled, removed_at, generation FROM kit_user", fmt.Sprintf("1|NULL|%d", gone.UnixMilli()))

	converge(t, s, v, v.edit("li", func(u *orgsync.User) { u.Status = orgsync.StatusDisabled }))
	p.want(t, "SELECT enabled, removed_at FROM kit_user", "0|NULL")

	// A removal that came before the first delivery leaves the same row.
	v.user("wang")
	converge(t, s, v, v.edit("wang", removedAt(gone)))
	p.want(t, "SELECT enabled, removed_at FROM kit_user WHERE user_name = 'wang'", "0|2026-11-21 07:00:00.123")
}

func testRemovedTenant(t *testing.T, p product) {
	v := newState()
	s := newSink(t, p)
	v.user("li")
	v.department("A", "甲", "")
	converge(t, s, v, v.keys()...)
	v.tenant.Active, v.tenant.RemovedAt = false, start
	v.drop("A")
	converge(t, s, v, v.keys()...)
	p.want(t, "SELECT org_code, name FROM kit_department", "A|甲")
	p.want(t, "SELECT active FROM kit_tenant", "0")
	p.want(t, "SELECT enabled FROM kit_user", "0")
	p.want(t, "SELECT enabled FROM kit_grant", "0")
}

// testPathBytes: paths of codes that differ in case only are different, also in tables that an
// older program made.
func testPathBytes(t *testing.T, p product) {
	v := newState()
	v.department("a1", "甲", "")
	v.department("A1", "乙", "")
	s := newSink(t, p)
	converge(t, s, v, v.keys()...)
	p.want(t, "SELECT org_code FROM kit_department WHERE path = '/a1/'", "a1")
	if p.dial != sqlsink.MariaDB {
		return
	}
	p.want(t, "SELECT org_code FROM kit_department WHERE path LIKE '/A1/%'", "A1")
	p.exec(t, "ALTER TABLE kit_department MODIFY COLUMN path TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL")
	p.want(t, "SELECT COUNT(*) FROM kit_department WHERE path = '/a1/'", "2")
	again := newSink(t, p)
	converge(t, again, v, v.keys()...)
	p.want(t, "SELECT org_code FROM kit_department WHERE path = '/a1/'", "a1")
}

// testPurged: of a tenant that was purged nothing is left but what the product holds on to.
func testPurged(t *testing.T, p product) {
	v, other := newState(), newState()
	other.tenant.ID, other.tenant.Code = "other", "other"
	s := newSink(t, p)
	for _, v := range []*state{v, other} {
		v.user("li")
		v.user("held")
		v.department("A", "甲", "")
		v.department("B", "乙", "A")
		converge(t, s, v, v.keys()...)
	}
	p.exec(t, "CREATE TABLE crm_note (tenant_id "+p.keyType()+", user_name "+p.keyType()+", FOREIGN KEY (tenant_id, user_name) REFERENCES kit_user (tenant_id, user_name))")
	p.exec(t, "INSERT INTO crm_note VALUES ('"+tenantID+"', 'held')")
	keys := v.keys()
	v.tenant = orgsync.Tenant{ID: v.tenant.ID, Code: v.tenant.Code, Announced: true, Purged: true, RemovedAt: start}
	v.users, v.departments = nil, nil
	for range 2 { // the second time there is nothing to do
		results, err := s.Converge(t.Context(), v, keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if err := resultOf(t, results, k).Err; errors.Is(err, orgsync.ErrRejected) != (k == userKey("held")) {
				t.Errorf("%v: %v; only the row that the product holds is to be refused", k, err)
			}
		}
	}
	p.want(t, "SELECT tenant_id, user_name FROM kit_user ORDER BY 1, 2", tenantID+"|held", "other|held", "other|li")
	p.want(t, "SELECT tenant_id, org_code FROM kit_department ORDER BY 1, 2", "other|A", "other|B")
	p.want(t, "SELECT tenant_id FROM kit_tenant", "other")
	p.want(t, "SELECT COUNT(*) FROM kit_change WHERE op = 'delete'", "4")
}

func testAbsent(t *testing.T, p product) {
	v := newState()
	s := newSink(t, p)
	converge(t, s, v, userKey("nobody"), departmentKey("nowhere"))
	p.want(t, "SELECT * FROM kit_user")
	p.want(t, "SELECT * FROM kit_change")
	converge(t, s, v, v.user("li"))
	delete(v.users, "li")
	converge(t, s, v, userKey("li"))
	p.want(t, "SELECT user_name, enabled FROM kit_user", "li|0")
	p.want(t, "SELECT * FROM kit_grant")
}

func testGrants(t *testing.T, p product) {
	v := newState()
	s := newSink(t, p)
	v.user("li")
	grants := func(gs ...orgsync.UserGrant) orgsync.Key {
		return v.edit("li", func(u *orgsync.User) { u.Grants = gs })
	}
	converge(t, s, v, grants(
		orgsync.UserGrant{Instance: "", App: "a", Role: orgsync.RoleUser, Enabled: true},
		orgsync.UserGrant{Instance: "i", App: "a", Role: orgsync.RoleUser, Enabled: true}))
	converge(t, s, v, grants(
		orgsync.UserGrant{Instance: "i", App: "a", Role: orgsync.RoleAdmin, Enabled: true},
		orgsync.UserGrant{Instance: "i", App: "b", Role: orgsync.RoleUser}))
	p.want(t, "SELECT instance_id, app_id, role, enabled FROM kit_grant ORDER BY app_id", "i|a|admin|1", "i|b|user|0")
	p.want(t, p.quote(`SELECT "kind", "key", "op" FROM kit_change ORDER BY seq`), "user|li|insert", "user|li|update")
}

// testOddKeys: keys differ as soon as their bytes do.
func testOddKeys(t *testing.T, p product) {
	v := newState()
	s := newSink(t, p)
	odd := []string{"a", "A", "a ", "ａ", "á", "a\u0301", "ß", "ss", "张三", "\U0001F600", "\U0001F601", "o'k", `back\slash`, "%", "_", strings.Repeat("\U0001F600", 64)}
	for _, name := range odd {
		v.user(orgsync.UserName(name), "position", name)
		v.department(orgsync.OrgCode(name), "d", "")
	}
	converge(t, s, v, v.keys()...)
	p.want(t, "SELECT count(*) FROM kit_user", fmt.Sprint(len(odd)))
	p.want(t, "SELECT count(*) FROM kit_department", fmt.Sprint(len(odd)))
	p.want(t, "SELECT count(*) FROM kit_user WHERE position = user_name", fmt.Sprint(len(odd)))
	converge(t, s, v, v.user("a", "position", "boss"))
	p.want(t, "SELECT user_name FROM kit_user WHERE position = 'boss'", "a")
	converge(t, s, v, v.drop("A"))
	p.want(t, "SELECT count(*) FROM kit_department", fmt.Sprint(len(odd)-1))
	p.want(t, "SELECT count(*) FROM kit_department WHERE org_code = 'a'", "1")
}

func testWarnings(t *testing.T, p product) {
	v := newState()
	s := newSink(t, p)
	k := v.user("li", "position", strings.Repeat("字", 256), "entryDate", "上周", "employeeType", "9", "email", strings.Repeat("字", 255))
	for range 2 { // they are told again when nothing is written
		results, err := s.Converge(t.Context(), v, []orgsync.Key{k})
		if err != nil || len(results) != 1 || results[0].Err != nil {
			t.Fatalf("Converge = %v, %v", results, err)
		}
		want := []string{
			"position is longer than 255 characters and was left out",
			"employee_type is none of 1, 2, 3, 4 and was left out",
			"entry_date is no readable date and was left out",
		}
		if diff := cmp.Diff(want, results[0].Warnings); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
	}
	p.want(t, "SELECT position, employee_type, entry_date, email FROM kit_user", "||NULL|"+strings.Repeat("字", 255))
}

func testRefused(t *testing.T, p product) {
	v := newState()
	s := newSink(t, p)
	converge(t, s, v, v.keys()...)
	p.exec(t, "CREATE UNIQUE INDEX product_email ON kit_user (email)")
	for n := range 20 {
		v.user(orgsync.UserName(fmt.Sprintf("u%02d", n)), "email", fmt.Sprintf("%d@example.com", n))
	}
	v.user("u07", "email", "3@example.com")
	v.user("u13", "email", "3@example.com")
	results, err := s.Converge(t.Context(), v, v.keys())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"u07", "u13"} {
		got := resultOf(t, results, userKey(name)).Err
		if !errors.Is(got, orgsync.ErrRejected) || strings.Contains(got.Error(), "@") {
			t.Errorf("%s: %v, want ErrRejected without the value", name, got)
		}
	}
	p.want(t, "SELECT count(*) FROM kit_user", "18")
	p.want(t, "SELECT count(*) FROM kit_grant", "18")
	p.want(t, "SELECT count(*), max(seq) FROM kit_change", "19|19")
	// As soon as the data is better it goes through.
	v.user("u07", "email", "7@example.com")
	v.user("u13", "email", "13@example.com")
	converge(t, s, v, v.keys()...)
	p.want(t, "SELECT count(*), max(seq) FROM kit_change", "21|21")
}

// testReadBack: the column was made narrower or a trigger interferes; what is not kept
// as written is told and not committed.
func testReadBack(t *testing.T, p product) {
	v := newState()
	s := newSink(t, p)
	converge(t, s, v, v.keys()...)
	switch p.dial {
	case sqlsink.SQLite:
		p.exec(t, "CREATE TRIGGER shout AFTER INSERT ON kit_user WHEN new.user_name = 'li' BEGIN UPDATE kit_user SET user_name = 'LI' WHERE user_name = 'li'; END")
	case sqlsink.PostgreSQL:
		p.exec(t, "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.user_name = 'li' THEN new.user_name := 'LI'; END IF; RETURN new; END $$")
		p.exec(t, "CREATE TRIGGER shout BEFORE INSERT ON kit_user FOR EACH ROW EXECUTE FUNCTION shout()")
	default:
		p.exec(t, "CREATE TRIGGER shout BEFORE INSERT ON kit_user FOR EACH ROW SET new.user_name = IF(new.user_name = 'li', 'LI', new.user_name)")
	}
	results, err := s.Converge(t.Context(), v, []orgsync.Key{v.user("li"), v.user("wang")})
	if err != nil {
		t.Fatal(err)
	}
	if got := resultOf(t, results, userKey("li")).Err; !errors.Is(got, orgsync.ErrRejected) {
		t.Errorf("a key that the database changed: %v, want ErrRejected", got)
	}
	if got := resultOf(t, results, userKey("wang")).Err; got != nil {
		t.Errorf("another key: %v", got)
	}
	p.want(t, "SELECT user_name FROM kit_user", "wang")
}
