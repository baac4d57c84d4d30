//go:build integration

package integration_test

import (
	"database/sql"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// openMariaDB opens the product's database for the test to look into.
func openMariaDB(t testing.TB, database peers.Database) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) //nolint:errcheck // end of test
	return db
}

// readRows returns the rows of a query as text, NULL as "NULL".
func readRows(t testing.TB, db *sql.DB, query string, args ...any) [][]string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	columns, err := rows.Columns()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var table [][]string
	for rows.Next() {
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		row := make([]string, len(columns))
		for i, value := range values {
			row[i] = "NULL"
			if value.Valid {
				row[i] = value.String
			}
		}
		table = append(table, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return table
}

func TestReadRows(t *testing.T) {
	t.Parallel()
	db := openMariaDB(t, peers.MariaDB(t).Product())
	got := readRows(t, db, "SELECT ?, NULL, 7 UNION ALL SELECT '张三😀', '', 8", "a")
	want := [][]string{{"a", "NULL", "7"}, {"张三😀", "", "8"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("readRows (-want +got):\n%s", diff)
	}
}
