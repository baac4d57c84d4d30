package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*testing.T, *store.Config)
		is     error
		says   string
	}{
		{"another database", func(_ *testing.T, c *store.Config) { c.URL = "mysql://user:secret@host/db" }, nil, "mysql: is not supported"},
		{"no path", func(_ *testing.T, c *store.Config) { c.URL = "sqlite:" }, nil, "names no file"},
		{"memory", func(_ *testing.T, c *store.Config) { c.URL = "sqlite::memory:" }, nil, "names no file"},
		{"no folder", func(t *testing.T, c *store.Config) { c.URL = "sqlite:" + filepath.Join(t.TempDir(), "no", "x.db") }, os.ErrNotExist, ""},
		{"no keys", func(_ *testing.T, c *store.Config) { c.Keys = nil }, nil, "required"},
		{"a schema that it may not make", func(_ *testing.T, c *store.Config) { c.Migrate = false }, store.ErrSchema, "run kitbridge migrate"},
		{"a newer schema", func(t *testing.T, c *store.Config) {
			t.Helper()
			closeStore(t, open(t, *c))
			change(t, *c, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
		}, store.ErrSchema, "use the newer program"},
		{"a key that is missing", func(t *testing.T, c *store.Config) {
			t.Helper()
			closeStore(t, open(t, *c))
			c.Keys = newRing(t)
		}, store.ErrKeys, "which the key file lacks"},
		{"a file that is no database", func(t *testing.T, c *store.Config) {
			t.Helper()
			if err := os.WriteFile(path(*c), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, "not a database"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t)
			test.change(t, &cfg)
			s, err := store.Open(t.Context(), cfg)
			if err == nil {
				_ = s.Close()
				t.Fatal("Open = nil error")
			}
			if test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("Open = %v, want %v and %q", err, test.is, test.says)
			}
		})
	}
}

func path(cfg store.Config) string { return strings.TrimPrefix(cfg.URL, "sqlite:") }

func closeStore(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close = %v", err)
	}
}

func TestOpenAgain(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	if fresh, err := store.IsNew(cfg.URL); !fresh || err != nil {
		t.Errorf("IsNew before = %t, %v", fresh, err)
	}
	w := newWorld(t, open(t, cfg))
	w.pushAt(t, tenantSync("one", orgsync.FlagAdd, 0))
	closeStore(t, w.Store)
	if fresh, err := store.IsNew(cfg.URL); fresh || err != nil {
		t.Errorf("IsNew after = %t, %v", fresh, err)
	}
	info, err := os.Stat(path(cfg))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file = %v, %v, want 0600", info.Mode(), err)
	}
	cfg.Migrate = false // nothing to migrate
	s := open(t, cfg)
	if tenant, err := s.Tenant(t.Context(), "t"); err != nil || tenant.Name != "Name" {
		t.Errorf("Tenant after reopening = %+v, %v", tenant, err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v", err)
	}
}

func TestPathForms(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.URL = "sqlite://" + path(cfg)
	open(t, cfg)
	if _, err := os.Stat(strings.TrimPrefix(cfg.URL, "sqlite://")); err != nil {
		t.Errorf("sqlite:// and a path: %v", err)
	}
}

func TestCloseEndsWaiting(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), config(t))
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if err := s.Update(context.Background(), orgsync.Scope{Tenant: "t"}, func(orgsync.Tx) error { return nil }); err == nil {
		t.Error("Update of a closed store = nil")
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping of a closed store = nil")
	}
}

// TestSealed looks for what must not be read in the files of a database.
func TestSealed(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w := newWorld(t, open(t, cfg))
	w.pushAt(t, tenantSync("one", orgsync.FlagAdd, 0))
	const secret, body = "the-client-secret", `{"mobile":"13800000000 in the body"}`
	m := clientOf("one", "app", orgsync.FlagAdd, 1)
	m.Client.Secret = secret
	if _, err := w.acceptor.Accept(t.Context(), orgsync.Push{
		Message: m, Kind: m.Kind, Nonce: "n", Body: []byte(body), Signed: morning(), Received: morning(),
	}); err != nil {
		t.Fatal(err)
	}
	if c, err := w.Credential(t.Context(), "t"); err != nil || c.Secret != secret {
		t.Fatalf("Credential = %v, the secret is right: %t", err, c.Secret == secret)
	}
	if err := w.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path(cfg)), "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("files of the database: %q, %v", files, err)
	}
	seen := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seen = seen || bytes.Contains(content, []byte("client of one app"))
		for _, text := range []string{secret, "13800000000"} {
			if bytes.Contains(content, []byte(text)) {
				t.Errorf("%s can be read in %s", text, filepath.Base(file))
			}
		}
	}
	if !seen {
		t.Error("not even the client id can be found: the test looks at the wrong files")
	}
}

// TestSecretIsBound: a sealed secret moved to another credential does not open there.
func TestSecretIsBound(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w := newWorld(t, open(t, cfg))
	w.pushAt(t, tenantSync("one", orgsync.FlagAdd, 0))
	w.pushAt(t, clientOf("one", "app", orgsync.FlagAdd, 1))
	change(t, cfg, "UPDATE credential SET app = 'other'")
	if c, err := w.Credential(t.Context(), "t"); err == nil {
		t.Errorf("Credential = %+v, want an error", c)
	}
}

func TestDestroyedDataKey(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w := newWorld(t, open(t, cfg))
	w.pushAt(t, tenantSync("one", orgsync.FlagAdd, 0))
	var first, second []byte
	query(t, cfg, "SELECT data_key FROM scope WHERE tenant = 't'", &first)
	change(t, cfg, "UPDATE scope SET data_key = NULL")
	w.pushAt(t, tenantSync("one", orgsync.FlagAdd, 1))
	query(t, cfg, "SELECT data_key FROM scope WHERE tenant = 't'", &second)
	if len(first) == 0 || len(second) == 0 || bytes.Equal(first, second) {
		t.Errorf("data keys %x and %x: want a new one after the old was destroyed", first, second)
	}
}
