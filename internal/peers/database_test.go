package peers_test

import (
	"database/sql"
	"slices"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/kitbridge/kitbridge/internal/peers"
)

func TestDatabases(t *testing.T) {
	t.Parallel()
	servers := []struct {
		name, driver string
		start        func(testing.TB) *peers.DatabaseServer
	}{
		{"MariaDB", "mysql", peers.MariaDB},
		{"PostgreSQL", "pgx", peers.PostgreSQL},
	}
	for _, tt := range servers {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := tt.start(t)
			product := server.Product()
			db := open(t, tt.driver, product)
			db.SetMaxIdleConns(0) // a kept connection would not survive the restarts
			execute(t, db, "CREATE TABLE kept (n INTEGER PRIMARY KEY, name VARCHAR(10))")
			execute(t, db, "INSERT INTO kept VALUES (1, '张三😀')")

			other := open(t, tt.driver, server.Fresh())
			execute(t, other, "CREATE TABLE kept (n INTEGER PRIMARY KEY)") // a database of its own, so no clash
			if err := open(t, tt.driver, server.Fresh()).Ping(); err != nil {
				t.Errorf("a second fresh database: %v", err)
			}

			server.Stop()
			if err := open(t, tt.driver, product).Ping(); err == nil {
				t.Error("something answers although the server is stopped")
			}
			server.Start()
			execute(t, db, "INSERT INTO kept VALUES (2, 'two')")
			server.Kill()
			server.Start()
			if again := server.Product(); again != product {
				t.Errorf("after the restarts Product() = %+v, want %+v", again, product)
			}
			var count int
			if err := db.QueryRow("SELECT count(*) FROM kept WHERE name IN ('张三😀', 'two')").Scan(&count); err != nil {
				t.Fatal(err)
			}
			if count != 2 {
				t.Errorf("%d of 2 rows are left after stop, start, kill and start", count)
			}
		})
	}
}

func open(t *testing.T, driver string, database peers.Database) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) //nolint:errcheck // end of test
	return db
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func sorted(values []string) []string {
	slices.Sort(values)
	return values
}
