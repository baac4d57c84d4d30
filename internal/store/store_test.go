package store_test

import (
	"database/sql"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
)

func newRing(t testing.TB) *keyring.Ring {
	t.Helper()
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatalf("Generate() = %v", err)
	}
	return ring
}

// config is one for a new database: of PostgreSQL below TestPostgreSQL, else of SQLite.
func config(t testing.TB) store.Config {
	t.Helper()
	address := "sqlite:" + filepath.Join(t.TempDir(), "kit bridge%41?#.db")
	if strings.HasPrefix(t.Name(), "TestPostgreSQL/") || strings.HasPrefix(t.Name(), "BenchmarkPostgreSQL/") {
		address = newSchema(t)
	}
	return store.Config{URL: address, Migrate: true, Keys: newRing(t), Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
}

// open opens the database until the end of the test.
func open(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open() = %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	orgsynctest.TestStore(t, func(t *testing.T) orgsynctest.Store { return open(t, config(t)) })
}

// query reads one value behind the store's back.
func query(t testing.TB, cfg store.Config, text string, into any) {
	t.Helper()
	behind(t, cfg, func(db *sql.DB) error { return db.QueryRowContext(t.Context(), text).Scan(into) })
}

// change writes behind the store's back.
func change(t testing.TB, cfg store.Config, text string) {
	t.Helper()
	behind(t, cfg, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), text)
		return err
	})
}

func behind(t testing.TB, cfg store.Config, do func(*sql.DB) error) {
	t.Helper()
	driver, address := "pgx", cfg.URL
	if file, ok := strings.CutPrefix(cfg.URL, "sqlite:"); ok {
		u := url.URL{Scheme: "file", OmitHost: true, Path: file}
		driver, address = "sqlite", u.String()
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := do(db); err != nil {
		t.Fatalf("behind the store's back: %v", err)
	}
}
