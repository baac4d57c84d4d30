//go:build integration

package integration_test

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// scene is a bridge that keeps a directory and a product's tables.
type scene struct {
	*bridge
	directory string // its URL
	tables    *sql.DB
}

// sqlSink is a second sink, to be written behind ldapSink.
func sqlSink(database peers.Database) string {
	return fmt.Sprintf("  - name: product\n    type: sql\n    url: %q\n", database.URL)
}

func startScene(t testing.TB, directory string, database peers.Database) *scene {
	t.Helper()
	return &scene{
		bridge:    startBridge(t, ldapSink(directory)+sqlSink(database)),
		directory: directory,
		tables:    openMariaDB(t, database),
	}
}

// deliver sends messages one after another; each must be accepted.
func (s *scene) deliver(t testing.TB, messages ...message) {
	t.Helper()
	for _, m := range messages {
		if got := s.push(t, m.name, m.body); got.Code != accepted {
			t.Fatalf("%s answered %+v, want %s; it was %v", m.name, got, accepted, m.body)
		}
	}
}

// settles waits until directory and tables hold exactly what the buyers are.
func (s *scene) settles(t testing.TB, within time.Duration, buyers ...*buyer) {
	t.Helper()
	await(t, within, func() string {
		for _, b := range buyers {
			if diff := s.differsInDirectory(t, b) + s.differsInTables(t, b); diff != "" {
				return diff
			}
		}
		return ""
	})
	s.checkFeed(t)
}

func (s *scene) differsInDirectory(t testing.TB, b *buyer) string {
	t.Helper()
	if diff := cmp.Diff(b.expectedEntries(), readTenant(t, s.directory, b)); diff != "" {
		return "directory of " + b.id + ":\n" + diff
	}
	return ""
}

func (s *scene) differsInTables(t testing.TB, b *buyer) string {
	t.Helper()
	const made = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"
	if n := readRows(t, s.tables, made)[0][0]; n != "6" {
		return n + " tables"
	}
	got := map[string][][]string{}
	for _, query := range []string{tenantQuery, departmentQuery, userQuery, grantQuery} {
		rows := readRows(t, s.tables, query, b.id)
		slices.SortFunc(rows, slices.Compare)
		if rows != nil {
			got[query] = rows
		}
	}
	if diff := cmp.Diff(b.expectedRows(), got); diff != "" {
		return "tables of " + b.id + ":\n" + diff
	}
	return ""
}

// checkFeed holds that kit_change is numbered without a gap, and that a product
// that follows it knows of every row and of no other.
func (s *scene) checkFeed(t testing.TB) {
	t.Helper()
	followed := map[string]bool{}
	rows := readRows(t, s.tables, "SELECT seq, tenant_id, kind, `key`, op FROM kit_change ORDER BY seq")
	for n, row := range rows {
		if want := strconv.Itoa(n + 1); row[0] != want {
			t.Fatalf("the feed's number %s follows %d, want %s", row[0], n, want)
		}
		id := plain(row[1], row[2], row[3])
		if row[4] != "insert" && !followed[id] {
			t.Errorf("the feed begins with %s of %s", row[4], id)
		}
		followed[id] = true
		if row[4] == "delete" {
			delete(followed, id)
		}
	}
	there := map[string]bool{}
	for kind, query := range map[string]string{
		"tenant":     "SELECT tenant_id, tenant_id FROM kit_tenant",
		"department": "SELECT tenant_id, org_code FROM kit_department",
		"user":       "SELECT tenant_id, user_name FROM kit_user",
	} {
		for _, row := range readRows(t, s.tables, query) {
			there[plain(row[0], kind, row[1])] = true
		}
	}
	if diff := cmp.Diff(there, followed); diff != "" {
		t.Errorf("who follows the feed knows (-tables +feed):\n%s", diff)
	}
	last := readRows(t, s.tables, "SELECT last_seq FROM kit_meta")
	if diff := cmp.Diff([][]string{{strconv.Itoa(len(rows))}}, last); diff != "" {
		t.Errorf("kit_meta.last_seq (-want +got):\n%s", diff)
	}
}

// quiet waits until no sink is owed anything.
func (s *scene) quiet(t testing.TB) {
	t.Helper()
	await(t, 30*time.Second, func() string {
		if n := s.status(t).pending(); n > 0 {
			return fmt.Sprintf("%d keys pending", n)
		}
		return ""
	})
}

// uuids returns the entryUUID of every entry of a tenant by its plain name.
func (s *scene) uuids(t testing.TB, b *buyer) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for dn, e := range search(t, openDirectory(t, s.directory), b.dn(), "entryUUID") {
		ids[plainName(t, dn, b.dn())] = e["entryUUID"][0]
	}
	return ids
}

// forEachDirectory runs a scenario against each kind of directory, with tables
// of its own on one MariaDB.
func forEachDirectory(t *testing.T, scenario func(*testing.T, *scene)) {
	t.Helper()
	server := peers.MariaDB(t)
	databases := map[string]peers.Database{}
	for _, d := range directories() {
		databases[d.name] = server.Fresh()
	}
	for _, d := range directories() {
		t.Run(d.name, func(t *testing.T) { scenario(t, startScene(t, d.start(t), databases[d.name])) })
	}
}

// sortedKeys is for messages that name things in an order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func mustEqual(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
