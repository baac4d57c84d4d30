//go:build integration

package integration_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// tableTime is how times of the tables are compared.
const tableTime = "2006-01-02 15:04:05.000"

// product is a database with our tables in it, and a copy that follows the feed.
type product struct {
	name string
	url  string // for kitbridge.yaml
	db   *sql.DB

	seq  int64
	copy map[[3]string]tables // by tenant, kind and key
}

// openProduct opens a product's database to look into.
func openProduct(t testing.TB, name, url, driver, dsn string) *product {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) //nolint:errcheck // end of test
	return &product{name: name, url: url, db: db, copy: map[[3]string]tables{}}
}

// sinkOf is the sink that keeps it, to stand below "sinks:".
func (p *product) sinkOf() string {
	return fmt.Sprintf("  - {name: %s, type: sql, url: %q, tenants: [\"*\"]}\n", p.name, p.url)
}

// The columns of the tables but for updated_at, each with its key columns: the
// tenant and what the feed calls the key.
func tableColumns() map[string][]string {
	return map[string][]string{
		"tenant":     {"tenant_id", "tenant_code", "name", "domain_name", "active"},
		"department": {"tenant_id", "org_code", "name", "parent_code", "path", "depth", "parked"},
		"user": {
			"tenant_id", "user_name", "name", "org_code", "role", "enabled", "position", "employee_code", "employee_type", "mobile", "email",
			"work_place", "entry_date", "generation", "removed_at",
		},
		"grant": {"tenant_id", "user_name", "instance_id", "app_id", "role", "enabled"},
	}
}

// read returns the rows of a table in one text each, in order.
func (p *product) read(t testing.TB, table, where string, args ...string) []string {
	t.Helper()
	columns := tableColumns()[table]
	query := "SELECT " + strings.Join(columns, ", ") + " FROM kit_" + table
	if where != "" {
		query += " WHERE " + where
	}
	var rows []string
	p.scan(t, query, args, len(columns), func(values []any) {
		texts := make([]string, len(values))
		for n, v := range values {
			texts[n] = tableText(t, columns[n], v)
		}
		rows = append(rows, strings.Join(texts, " | "))
	})
	slices.Sort(rows)
	return rows
}

func (p *product) scan(t testing.TB, query string, args []string, width int, visit func([]any)) {
	t.Helper()
	parameters := make([]any, len(args))
	for n, a := range args {
		parameters[n] = a
		if p.name == "postgresql" {
			query = strings.Replace(query, "?", "$"+strconv.Itoa(n+1), 1)
		}
	}
	rows, err := p.db.QueryContext(t.Context(), query, parameters...)
	if err != nil {
		t.Fatalf("%s: %s: %v", p.name, query, err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	for rows.Next() {
		values, targets := make([]any, width), make([]any, width)
		for n := range values {
			targets[n] = &values[n]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatalf("%s: %s: %v", p.name, query, err)
		}
		visit(values)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %s: %v", p.name, query, err)
	}
}

// tableText writes a value in one way for all databases.
func tableText(t testing.TB, column string, value any) string {
	t.Helper()
	layout := map[string]string{"removed_at": tableTime, "entry_date": time.DateOnly}[column]
	switch v := value.(type) {
	case nil:
		return "NULL"
	case bool:
		return bit(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case time.Time:
		return v.UTC().Format(layout)
	case []byte:
		return tableText(t, column, string(v))
	case string:
		return v
	default:
		t.Fatalf("column %s holds a %T", column, value)
		return ""
	}
}

// everything is what the tables hold, by tenant.
func (p *product) everything(t testing.TB) map[string]tables {
	t.Helper()
	all := map[string]tables{}
	for table := range tableColumns() {
		for _, row := range p.read(t, table, "") {
			tenant, _, _ := strings.Cut(row, " | ")
			if all[tenant] == nil {
				all[tenant] = tables{}
			}
			all[tenant][table] = append(all[tenant][table], row)
		}
	}
	return all
}

// follow reads on in the feed, as a product does: each number is the one after
// the last, and of each key the row is read as it is now.
func (p *product) follow(t testing.TB) {
	t.Helper()
	type told struct{ tenant, kind, key, op string }
	var news []told
	key := `"key"`
	if p.name == "mariadb" {
		key = "`key`"
	}
	query := fmt.Sprintf("SELECT seq, tenant_id, kind, %s, op FROM kit_change WHERE seq > %d ORDER BY seq", key, p.seq)
	p.scan(t, query, nil, 5, func(values []any) {
		var texts [5]string
		for n, v := range values {
			texts[n] = tableText(t, "", v)
		}
		if p.seq++; texts[0] != strconv.FormatInt(p.seq, 10) {
			t.Fatalf("%s: the feed's number %s stands where %d is due", p.name, texts[0], p.seq)
		}
		news = append(news, told{texts[1], texts[2], texts[3], texts[4]})
	})
	for n, c := range news {
		id := [3]string{c.tenant, c.kind, c.key}
		isLast := !slices.ContainsFunc(news[n+1:], func(o told) bool { return o.tenant == c.tenant && o.kind == c.kind && o.key == c.key })
		if !isLast {
			continue
		}
		delete(p.copy, id)
		rows := tables{}
		switch c.kind {
		case "tenant":
			rows["tenant"] = p.read(t, "tenant", "tenant_id = ?", c.tenant)
		case "department":
			rows["department"] = p.read(t, "department", "tenant_id = ? AND org_code = ?", c.tenant, c.key)
		case "user":
			rows["user"] = p.read(t, "user", "tenant_id = ? AND user_name = ?", c.tenant, c.key)
			rows["grant"] = p.read(t, "grant", "tenant_id = ? AND user_name = ?", c.tenant, c.key)
		default:
			t.Fatalf("%s: the feed tells of a %q", p.name, c.kind)
		}
		p.copy[id] = rows
	}
}

// followed is what who followed the feed knows.
func (p *product) followed() map[string]tables {
	all := map[string]tables{}
	for id, rows := range p.copy {
		for table, list := range rows {
			if len(list) == 0 {
				continue
			}
			if all[id[0]] == nil {
				all[id[0]] = tables{}
			}
			all[id[0]][table] = append(all[id[0]][table], list...)
		}
	}
	for _, byTable := range all {
		for _, rows := range byTable {
			slices.Sort(rows)
		}
	}
	return all
}
