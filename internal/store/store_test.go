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

// config is one for a new database.
func config(t testing.TB) store.Config {
	t.Helper()
	return store.Config{
		URL:     "sqlite:" + filepath.Join(t.TempDir(), "kit bridge%41?#.db"),
		Migrate: true, Keys: newRing(t), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
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
	db, err := sql.Open("sqlite", fileURL(cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), text).Scan(into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func fileURL(cfg store.Config) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: strings.TrimPrefix(cfg.URL, "sqlite:")}
	return u.String()
}
