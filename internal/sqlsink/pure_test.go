package sqlsink_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// genRows draws rows with few different keys, each at most once.
func genRows() *rapid.Generator[[]sqlsink.Row] {
	word := rapid.SampledFrom([]string{"", "a", "A", "a ", "张三"})
	one := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) sqlsink.Row {
			return sqlsink.TenantRow{Tenant: "t", Name: word.Draw(t, "name"), Active: rapid.Bool().Draw(t, "active")}
		}),
		rapid.Custom(func(t *rapid.T) sqlsink.Row {
			return sqlsink.DepartmentRow{Tenant: "t", Code: word.Draw(t, "code"), Parent: word.Draw(t, "parent")}
		}),
		rapid.Custom(func(t *rapid.T) sqlsink.Row {
			return sqlsink.UserRow{Tenant: "t", User: word.Draw(t, "user"), Name: word.Draw(t, "name"), Enabled: rapid.Bool().Draw(t, "enabled")}
		}),
		rapid.Custom(func(t *rapid.T) sqlsink.Row {
			return sqlsink.GrantRow{Tenant: "t", User: word.Draw(t, "user"), App: word.Draw(t, "app"), Instance: word.Draw(t, "instance"), Role: word.Draw(t, "role")}
		}),
	)
	return rapid.SliceOfDistinct(one, sqlsink.RowID)
}

func TestDiffTurnsHaveIntoWant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		have, want := genRows().Draw(t, "have"), genRows().Draw(t, "want")
		wanted := make(map[sqlsink.Row]bool)
		for _, r := range want {
			wanted[r] = true
		}
		if diff := cmp.Diff(wanted, sqlsink.ApplyDiff(have, want)); diff != "" {
			t.Fatalf("apply(have, diff(have, want)) (-want +got):\n%s", diff)
		}
		if n := sqlsink.DiffSize(want, want); n != 0 {
			t.Fatalf("diff(want, want) has %d steps", n)
		}
		if n := sqlsink.DiffSize(have, want); n > len(have)+len(want) {
			t.Fatalf("diff has %d steps for %d and %d rows", n, len(have), len(want))
		}
	})
}

func TestPathText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		codes []orgsync.OrgCode
		want  string
	}{
		{nil, "/"},
		{[]orgsync.OrgCode{"a"}, "/a/"},
		{[]orgsync.OrgCode{"A-1", "b.2_~"}, "/A-1/b.2_~/"},
		{[]orgsync.OrgCode{"a/b", "100%", "a+b c"}, "/a%2Fb/100%25/a%2Bb%20c/"},
		{[]orgsync.OrgCode{"部"}, "/%E9%83%A8/"},
	} {
		if got := sqlsink.PathText(c.codes...); got != c.want {
			t.Errorf("path of %q = %q, want %q", c.codes, got, c.want)
		}
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2022-11-9": "2022-11-09", "2022-11-09": "2022-11-09", "2022-1-2": "2022-01-02", "2022/1/2": "2022-01-02",
		"20220102": "2022-01-02", "2024-02-29": "2024-02-29",
		"2023-02-29": "", "0000-00-00": "", "0999-01-01": "", "09.11.2022": "", "2022-11-09T00:00:00": "", "上周": "", "2022-11-9; DROP TABLE": "",
	} {
		if got, ok := sqlsink.ParseDate(text); got != want || ok != (want != "") {
			t.Errorf("date of %q = %q, %v, want %q", text, got, ok, want)
		}
	}
}

func TestFlavour(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version string
		want    sqlsink.Dialect
	}{
		{"8.0.17", sqlsink.MySQL},
		{"8.4.3-0ubuntu0.1", sqlsink.MySQL},
		{"9.1.0", sqlsink.MySQL},
		{"10.11.19-MariaDB-0+deb12u1", sqlsink.MariaDB},
		{"5.5.5-10.5.8-MariaDB", sqlsink.MariaDB},
		{"11.4.2-MariaDB", sqlsink.MariaDB},
		{"8.0.16", ""},
		{"5.7.44-log", ""},
		{"10.4.34-MariaDB", ""},
		{"", ""},
	} {
		got, err := sqlsink.Flavour(c.version)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("flavour of %q = %q, %v, want %q", c.version, got, err, c.want)
		}
	}
}

// TestTranslate: what is refused is told from what is down, and no text of a database
// that could hold a value gets through.
func TestTranslate(t *testing.T) {
	t.Parallel()
	const private = "li@example.com"
	my := func(number uint16, state string) error {
		e := &mysql.MySQLError{Number: number, Message: "Duplicate entry '" + private + "' for key 'product_email'"}
		copy(e.SQLState[:], state)
		return e
	}
	pg := func(code string) error {
		return &pgconn.PgError{Code: code, Message: "value too long", Detail: "Key (email)=(" + private + ") exists", ConstraintName: "product_email"}
	}
	for _, c := range []struct {
		err  error
		kind error
		word string
	}{
		{my(1062, "23000"), orgsync.ErrRejected, "product_email"},
		{my(1406, "22001"), orgsync.ErrRejected, "1406"},
		{my(1366, "HY000"), orgsync.ErrRejected, "1366"},
		{my(1644, "45000"), orgsync.ErrRejected, "trigger"},
		{my(3819, "HY000"), orgsync.ErrRejected, "3819"},
		{my(1213, "40001"), orgsync.ErrUnavailable, "another transaction"},
		{my(1290, "HY000"), orgsync.ErrUnavailable, "read-only"},
		{my(1114, "HY000"), orgsync.ErrUnavailable, "full"},
		{&mysql.MySQLError{Number: 1030, Message: "Got error 28 \"No space left on device\" from storage engine InnoDB"}, orgsync.ErrUnavailable, "disk is full"},
		{&mysql.MySQLError{Number: 3, Message: "Error writing file '/x/li@example.com' (Errcode: 28 \"No space left on device\")"}, orgsync.ErrUnavailable, "disk is full"},
		{&mysql.MySQLError{Number: 1030, Message: "Got error 5 from storage engine"}, orgsync.ErrUnavailable, "1030"},
		{my(1226, "42000"), orgsync.ErrUnavailable, "no free connection"},
		{my(1053, "08S01"), orgsync.ErrUnavailable, "shutting down"},
		{my(9999, "HY000"), orgsync.ErrUnavailable, "9999"},
		{my(1064, "42000"), orgsync.ErrUnavailable, "1064"},
		{pg("23505"), orgsync.ErrRejected, "product_email"},
		{pg("22001"), orgsync.ErrRejected, "22001"},
		{pg("P0001"), orgsync.ErrRejected, "trigger"},
		{pg("40P01"), orgsync.ErrUnavailable, "another transaction"},
		{pg("53300"), orgsync.ErrUnavailable, "no free connection"},
		{pg("53100"), orgsync.ErrUnavailable, "disk is full"},
		{pg("57P03"), orgsync.ErrUnavailable, "starting"},
		{pg(""), orgsync.ErrUnavailable, "failed"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}, orgsync.ErrUnavailable, "refused"},
		{errors.New(private), orgsync.ErrUnavailable, "failed"},
	} {
		got := sqlsink.Translate(fmt.Errorf("wrapped: %w", c.err))
		if !errors.Is(got, c.kind) || !strings.Contains(got.Error(), c.word) {
			t.Errorf("Translate(%T %v) = %v, want %v with %q in it", c.err, c.err, got, c.kind, c.word)
		}
		if strings.Contains(got.Error(), private) {
			t.Errorf("Translate(%T) tells a value: %v", c.err, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	const secret = "pa55word"
	good := sqlsink.Config{
		Name: "product", URL: "mysql://u:" + secret + "@127.0.0.1:3306/db", Register: orgsync.SoleOwner("product", "b"),
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
	for name, change := range map[string]func(*sqlsink.Config){
		"no name":           func(c *sqlsink.Config) { c.Name = "" },
		"no owner":          func(c *sqlsink.Config) { c.Register = nil },
		"no clock":          func(c *sqlsink.Config) { c.Now = nil },
		"prefix":            func(c *sqlsink.Config) { c.Prefix = "kit`" },
		"negative purge":    func(c *sqlsink.Config) { c.PurgeAfter = -1 },
		"no address":        func(c *sqlsink.Config) { c.URL = "" },
		"unknown scheme":    func(c *sqlsink.Config) { c.URL = "oracle://u:" + secret + "@h/db" },
		"unreadable":        func(c *sqlsink.Config) { c.URL = "mysql://u:" + secret + "%zz@h/db" },
		"no host":           func(c *sqlsink.Config) { c.URL = "mysql://u:" + secret + "@/db" },
		"no database":       func(c *sqlsink.Config) { c.URL = "mysql://u:" + secret + "@h" },
		"unknown parameter": func(c *sqlsink.Config) { c.URL += "?allowAllFiles=true" },
		"unknown tls":       func(c *sqlsink.Config) { c.URL += "?tls=" + secret },
		"postgres":          func(c *sqlsink.Config) { c.URL = "postgres://u:" + secret + "@h:port/db" },
		"postgres mode":     func(c *sqlsink.Config) { c.URL = "postgres://u:" + secret + "@h/db?sslmode=perhaps" },
		"sqlite":            func(c *sqlsink.Config) { c.URL = "sqlite:" },
	} {
		cfg := good
		change(&cfg)
		s, err := sqlsink.New(cfg)
		if s != nil || !errors.Is(err, orgsync.ErrInvalid) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: New = %v, %v, want ErrInvalid without the password", name, s, err)
		}
	}
	s, err := sqlsink.New(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestUnreachable: a dead address is ErrUnavailable, and no password shows in it.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"mysql://kit:pa55word@127.0.0.1:1/db", "postgres://kit:pa55word@127.0.0.1:1/db", "sqlite:/nowhere/at/all.db",
	} {
		s := newSink(t, product{url: url})
		v := newState()
		results, err := s.Converge(t.Context(), v, v.keys())
		if len(results) != 0 || !errors.Is(err, orgsync.ErrUnavailable) || strings.Contains(err.Error(), "pa55word") {
			t.Errorf("%s: Converge = %v, %v, want ErrUnavailable without the password", url, results, err)
		}
		if _, err := s.Purge(t.Context()); !errors.Is(err, orgsync.ErrUnavailable) {
			t.Errorf("%s: Purge: %v, want ErrUnavailable", url, err)
		}
	}
}

// TestDDL: the contract's columns, whatever the dialect.
func TestDDL(t *testing.T) {
	t.Parallel()
	for _, d := range []sqlsink.Dialect{sqlsink.SQLite, sqlsink.MySQL, sqlsink.MariaDB, sqlsink.PostgreSQL} {
		ddl, err := sqlsink.DDL(d, "p_")
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(ddl, ";\n")
		for _, name := range []string{"p_tenant", "p_department", "p_user", "p_grant", "p_change", "p_meta", "generation", "removed_at"} {
			if !strings.Contains(all, name) {
				t.Errorf("%s has no %s:\n%s", d, name, all)
			}
		}
		if n := strings.Count(all, "CREATE TABLE"); n != 6 {
			t.Errorf("%s makes %d tables, want 6", d, n)
		}
	}
	if all, err := sqlsink.DDL("oracle", "p_"); !errors.Is(err, orgsync.ErrInvalid) {
		t.Errorf("DDL of an unknown dialect = %v, %v, want ErrInvalid", all, err)
	}
	mysqlDDL, err := sqlsink.DDL(sqlsink.MySQL, "kit_")
	if err != nil || !slices.ContainsFunc(mysqlDDL, func(s string) bool { return strings.Contains(s, "utf8mb4_0900_bin") }) {
		t.Errorf("MySQL's keys are not compared by utf8mb4_0900_bin (%v)", err)
	}
}
