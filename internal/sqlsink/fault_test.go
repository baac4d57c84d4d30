package sqlsink_test

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// ailment is something that goes wrong with a real server and is put right again.
type ailment struct {
	name       string
	begin, end func()
	says       []string // words of the reason
	newcomer   bool     // who is connected does not feel it
	users      int      // how many are to be written meanwhile, if not a few
}

// crowd makes so many users with something to store that no page already there holds them.
func crowd(v *state, round, count int) []orgsync.Key {
	keys := make([]orgsync.Key, 0, count)
	for n := range count {
		keys = append(keys, v.user(orgsync.UserName(fmt.Sprintf("crowd-%d-%05d", round, n)), "position", strings.Repeat("总", 60), "email", fmt.Sprintf("%d-%d@example.com", round, n)))
	}
	return keys
}

// testAilments: each ailment is an ErrUnavailable that says what it is and no secret; no
// key is settled by it; and once it is over the same sink goes on without a restart.
func testAilments(t *testing.T, p product, ailments []ailment) {
	t.Helper()
	v := newState()
	s := newSink(t, p)
	converge(t, s, v, v.keys()...)
	for n, a := range ailments {
		sink := s
		if a.newcomer {
			sink = newSink(t, p)
		}
		a.begin()
		count := cmp.Or(a.users, 100)
		keys := crowd(v, n, count)
		settled := map[orgsync.Key]bool{}
		results, err := sink.Converge(t.Context(), v, keys)
		for _, r := range results {
			if settled[r.Key] = true; r.Err != nil {
				t.Errorf("%s: %v is refused: %v", a.name, r.Key, r.Err)
			}
		}
		if !errors.Is(err, orgsync.ErrUnavailable) || errors.Is(err, orgsync.ErrRejected) || len(settled) == len(keys) {
			t.Errorf("%s: Converge = %d results, %v, want an ErrUnavailable", a.name, len(settled), err)
			a.end()
			continue
		}
		for _, word := range a.says {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: the reason is %q, want %q in it", a.name, err, word)
			}
		}
		if strings.Contains(err.Error(), peers.DatabasePassword) || strings.Contains(err.Error(), "example.com") {
			t.Errorf("%s: the reason tells a secret: %v", a.name, err)
		}
		t.Logf("%s: %v", a.name, err)
		a.end()
		heals(t, sink, v, keys)
		heals(t, s, v, v.keys())
		p.want(t, fmt.Sprintf("SELECT count(*) FROM kit_user WHERE user_name LIKE 'crowd-%d-%%'", n), strconv.Itoa(count))
		p.want(t, "SELECT COUNT(*) - MAX(seq) FROM kit_change", "0")
	}
}

// heals hands the sink the keys until all are done, as the lanes do; connections from
// before may live on for a moment.
func heals(t *testing.T, s *sqlsink.Sink, v *state, keys []orgsync.Key) {
	t.Helper()
	for tries := 1; ; tries++ {
		_, err := s.Converge(t.Context(), v, keys)
		if err == nil {
			converge(t, s, v, keys...)
			return
		}
		if tries == 5 {
			t.Fatalf("Converge = %v, %d times after all was well again", err, tries)
		}
	}
}

func TestMariaDBAilments(t *testing.T) {
	t.Parallel()
	server := peers.MariaDB(t)
	fresh, disk := server.FreshOn(64)
	name := fresh.URL[strings.LastIndex(fresh.URL, "/")+1:]
	run := func(script string) func() { return func() { server.Administer(script) } }
	account := fmt.Sprintf("'%s'@'%%'", peers.DatabaseUser)
	p := product{url: fresh.URL, db: mustOpen(t, "mysql", fresh.DSN), dial: sqlsink.MariaDB}
	p.db.SetMaxIdleConns(0) // a kept connection would not survive the restarts
	testAilments(t, p, []ailment{
		{"stopped", server.Stop, server.Start, []string{"the database"}, false, 0},
		{"stopped before", server.Stop, server.Start, []string{"cannot reach the database", "connection refused"}, true, 0},
		{"read-only", run("SET GLOBAL read_only = 1"), run("SET GLOBAL read_only = 0"), []string{"read-only"}, false, 0},
		{
			// MariaDB 10.11 ends itself where it finds no room to take a row back ("Out of disk
			// space in rollback"), so somebody has to start it again.
			"disk full", disk.Fill, func() { disk.Free(); server.Kill(); server.Start() }, []string{"the database"}, false, 2500,
		},
		{
			"no right to insert", run("REVOKE INSERT ON " + name + ".* FROM " + account), run("GRANT INSERT ON " + name + ".* TO " + account),
			[]string{"INSERT command denied", "check user, password and GRANTs"},
			true, 0,
		},
		{
			"wrong password", run("SET PASSWORD FOR " + account + " = PASSWORD('other')"),
			run("SET PASSWORD FOR " + account + " = PASSWORD('" + peers.DatabasePassword + "')"),
			[]string{"Access denied", "check user, password and GRANTs"},
			true, 0,
		},
		{
			"table gone", run("RENAME TABLE " + name + ".kit_user TO " + name + ".away"), run("RENAME TABLE " + name + ".away TO " + name + ".kit_user"),
			[]string{"kit_user' doesn't exist"},
			false, 0,
		},
	})
}

func TestPostgreSQLAilments(t *testing.T) {
	t.Parallel()
	server := peers.PostgreSQL(t)
	fresh, disk := server.FreshOn(64)
	name := fresh.URL[strings.LastIndex(fresh.URL, "/")+1 : strings.Index(fresh.URL, "?")]
	run := func(script string) func() { return func() { server.Administer(script) } }
	there := "\\connect " + name + "\n"
	p := product{url: fresh.URL, db: mustOpen(t, "pgx", fresh.DSN), dial: sqlsink.PostgreSQL}
	p.db.SetMaxIdleConns(0) // a kept connection would not survive the restarts
	testAilments(t, p, []ailment{
		{"stopped", server.Stop, server.Start, []string{"the database"}, false, 0},
		{"stopped before", server.Stop, server.Start, []string{"cannot reach the database", "connection refused"}, true, 0},
		{
			"read-only", run("ALTER SYSTEM SET default_transaction_read_only = on;\nSELECT pg_reload_conf() \\g /dev/null\n"),
			run("ALTER SYSTEM RESET default_transaction_read_only;\nSELECT pg_reload_conf() \\g /dev/null\n"),
			[]string{"read-only"},
			true, 0,
		},
		{"disk full", disk.Fill, disk.Free, []string{"disk", "full", "make room"}, false, 1000},
		{
			"no right to insert", run(there + "REVOKE INSERT ON kit_user FROM " + peers.DatabaseUser), run(there + "GRANT INSERT ON kit_user TO " + peers.DatabaseUser),
			[]string{"permission denied for table kit_user", "check user, password and GRANTs"},
			false, 0,
		},
		{
			"wrong password", run("ALTER ROLE " + peers.DatabaseUser + " PASSWORD 'other'"),
			run("ALTER ROLE " + peers.DatabaseUser + " PASSWORD '" + peers.DatabasePassword + "'"),
			[]string{"password authentication failed", "check user, password and GRANTs"},
			true, 0,
		},
		{
			"table gone", run(there + "ALTER TABLE kit_user RENAME TO away"), run(there + "ALTER TABLE away RENAME TO kit_user"),
			[]string{`"kit_user" does not exist`},
			false, 0,
		},
		{
			"too many connections", run("ALTER ROLE " + peers.DatabaseUser + " CONNECTION LIMIT 0"), run("ALTER ROLE " + peers.DatabaseUser + " CONNECTION LIMIT -1"),
			[]string{"no free connection"},
			true, 0,
		},
	})
}

func TestSQLiteAilments(t *testing.T) {
	t.Parallel()
	disk := peers.NewDisk(t, 16)
	file := filepath.Join(disk.Dir(), "product.db")
	p := product{url: "sqlite:" + file, db: mustOpen(t, "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)"), dial: sqlsink.SQLite}
	alter := func(query string) func() { return func() { p.exec(t, query) } }
	testAilments(t, p, []ailment{
		{"disk full", disk.Fill, disk.Free, []string{"disk is full"}, false, 0},
		{"table gone", alter("ALTER TABLE kit_user RENAME TO away"), alter("ALTER TABLE away RENAME TO kit_user"), []string{"no such table: kit_user"}, false, 0},
	})
}
