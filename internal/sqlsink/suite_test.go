package sqlsink_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// product is one empty database of a product.
type product struct {
	url  string // as in kitbridge.yaml
	db   *sql.DB
	dial sqlsink.Dialect
}

var start = time.Date(2026, 11, 21, 8, 0, 0, 123e6, time.UTC)

// clock is a time that only the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: start} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func sqliteProduct(t testing.TB) product {
	file := filepath.Join(t.TempDir(), "product 100%?.db")
	db := mustOpen(t, "sqlite", "file:"+strings.NewReplacer("%", "%25", "?", "%3f", " ", "%20").Replace(file)+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)")
	return product{url: "sqlite:" + file, db: db, dial: sqlsink.SQLite}
}

func mustOpen(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newSink(t testing.TB, p product, change ...func(*sqlsink.Config)) *sqlsink.Sink {
	t.Helper()
	cfg := sqlsink.Config{
		Name: "product", URL: p.url, Tenants: []string{"*"}, PurgeAfter: 30 * 24 * time.Hour, Register: orgsync.SoleOwner("product", "bridge-1"),
		Now: newClock().now, Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := sqlsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// converge fails the test unless every key is done.
func converge(t testing.TB, s *sqlsink.Sink, v *state, keys ...orgsync.Key) {
	t.Helper()
	results, err := s.Converge(t.Context(), v, keys)
	if err != nil {
		t.Fatalf("Converge: %v", err)
	}
	if len(results) != len(keys) {
		t.Fatalf("Converge gave %d results for %d keys", len(results), len(keys))
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatalf("Converge: %v: %v", r.Key, r.Err)
		}
	}
}

// resultOf is the one result of the key.
func resultOf(t *testing.T, results []orgsync.Result, k orgsync.Key) orgsync.Result {
	t.Helper()
	var found []orgsync.Result
	for _, r := range results {
		if r.Key == k {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%v has %d results, want 1", k, len(found))
	}
	return found[0]
}

func (p product) exec(t testing.TB, query string) {
	t.Helper()
	if _, err := p.db.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// rows reads a query's rows as texts joined by |, the way a product in any language
// would see them.
func (p product) rows(t testing.TB, query string) []string {
	t.Helper()
	rows, err := p.db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		cells := make([]any, len(columns))
		dest := make([]any, len(columns))
		for n := range cells {
			dest[n] = &cells[n]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, c := range cells {
			texts = append(texts, cellText(c))
		}
		out = append(out, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func cellText(c any) string {
	switch v := c.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	case bool:
		if v {
			return "1"
		}
		return "0"
	case time.Time:
		if v.Equal(v.Truncate(24 * time.Hour)) {
			return v.Format(time.DateOnly)
		}
		return v.UTC().Format("2006-01-02 15:04:05.000")
	default:
		return fmt.Sprint(v)
	}
}

func (p product) want(t testing.TB, query string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, p.rows(t, query)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", query, diff)
	}
}

// quote makes the SQL of a test fit MySQL.
func (p product) quote(query string) string {
	if p.dial == sqlsink.MariaDB || p.dial == sqlsink.MySQL {
		return strings.ReplaceAll(query, `"`, "`")
	}
	return query
}

// keyType is what a column of the product's must be to refer to a key of ours.
func (p product) keyType() string {
	switch p.dial {
	case sqlsink.MariaDB:
		return "VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
	case sqlsink.PostgreSQL:
		return `VARCHAR(64) COLLATE "C"`
	default:
		return "VARCHAR(64)"
	}
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	suite(t, func(t *testing.T) product { return sqliteProduct(t) })
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	server := peers.MariaDB(t)
	suite(t, serverProducts(server, "mysql", sqlsink.MariaDB))
	t.Run("server down", func(t *testing.T) { testServerDown(t, server, serverProducts(server, "mysql", sqlsink.MariaDB)(t)) })
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	server := peers.PostgreSQL(t)
	suite(t, serverProducts(server, "pgx", sqlsink.PostgreSQL))
	t.Run("server down", func(t *testing.T) { testServerDown(t, server, serverProducts(server, "pgx", sqlsink.PostgreSQL)(t)) })
}

func serverProducts(server *peers.DatabaseServer, driver string, d sqlsink.Dialect) func(*testing.T) product {
	return func(t *testing.T) product {
		fresh := server.Fresh()
		return product{url: fresh.URL, db: mustOpen(t, driver, fresh.DSN), dial: d}
	}
}

// suite is what the sink must do on every database.
func suite(t *testing.T, open func(*testing.T) product) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, product)
	}{
		{"binding", testBinding},
		{"repeat writes nothing", testRepeat},
		{"rename and move", testMove},
		{"parked department", testParked},
		{"remove and add again", testRemove},
		{"removed tenant", testRemovedTenant},
		{"purged tenant", testPurged},
		{"nothing known", testAbsent},
		{"grants", testGrants},
		{"odd keys", testOddKeys},
		{"values that do not fit", testWarnings},
		{"one bad key stops nobody", testRefused},
		{"altered by a trigger or column", testReadBack},
		{"what is the product's stays", testForeign},
		{"feed without gaps", testFeed},
		{"access first", testOrder},
		{"tables of somebody else", testOwner},
		{"verify names what is missing", testVerify},
		{"columns are added", testManage},
		{"tenants of others", testTenants},
		{"a tenant that leaves the sink", testTenantLeaves},
		{"purge", testPurge},
		{"reach", testReach},
		{"feed is trimmed", testTrim},
		{"check", testCheck},
		{"paths byte for byte", testPathBytes},
		{"check finds what is refused", testCheckReadOnly},
		{"mark", testMark},
		{"closed", testClosed},
		{"take-over", testTakeOver},
		{"a mark is added", testMarkIsAdded},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}
