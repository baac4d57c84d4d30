package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// at is the configuration of the same bridge with another file.
func at(cfg store.Config, file string) store.Config {
	cfg.URL = "sqlite:" + file
	return cfg
}

func fileOf(cfg store.Config) string { return strings.TrimPrefix(cfg.URL, "sqlite:") }

// TestBackup: a copy that is made while others write is whole, private, without sessions,
// and knows what it is wherever it is opened; what it was made from does not change.
func TestBackup(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w := newWorld(t, open(t, cfg))
	w.admit(t, "u")
	key := w.session(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for ctx.Err() == nil {
			w.PutAccount(t, "t", "app", "v", sso.Account{Status: sso.AccountActive})
		}
	})
	file := filepath.Join(t.TempDir(), "backup 1.db")
	err := store.Backup(t.Context(), cfg.URL, file, morning())
	stop()
	writer.Wait()
	if err != nil {
		t.Fatalf("Backup = %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v, %v, want mode 0600", info.Mode(), err)
	}
	if others, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(others) != 1 {
		t.Errorf("Backup left %v", others)
	}
	if err := store.Backup(t.Context(), cfg.URL, file, morning()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Backup onto a file = %v, want ErrExist", err)
	}
	if others, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(others) != 0 {
		t.Errorf("a refused Backup left %v", others)
	}
	copied := open(t, at(cfg, file))
	if h := mustHistory(t, copied); !mustHistory(t, w.Store).Includes(h.Now()) || h.Now() == (orgsync.Mark{}) {
		t.Errorf("the copy's mark is %v, which is not one of the original", h.Now())
	}
	r, err := copied.Restoration(t.Context())
	if err != nil || !strings.HasPrefix(r.FoundBy, "backup of ") {
		t.Errorf("Restoration = %+v, %v", r, err)
	}
	var n int
	query(t, at(cfg, file), "SELECT COUNT(*) FROM session", &n)
	if n != 0 {
		t.Errorf("%d sessions are in the backup", n)
	}
	if _, err := w.Decide(t.Context(), key, morning()); err != nil {
		t.Errorf("a backup ended a session: %v", err)
	}
	if _, err := w.Restoration(t.Context()); !errors.Is(err, orgsync.ErrNotFound) {
		t.Errorf("a backup declared the original restored: %v", err)
	}
}

// TestRestoration: the gap is told until somebody settles it; a second restoration before
// that makes it longer.
func TestRestoration(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	clock := morning()
	cfg.Now = func() time.Time { return clock }
	w := newWorld(t, open(t, cfg))
	w.PutTenant(t, sso.Tenant{ID: "t", Name: "Tea", Live: true})
	w.PutTenant(t, sso.Tenant{ID: "gone", Live: true})
	w.PutTenant(t, sso.Tenant{ID: "gone", Live: false})
	last := time.Date(2026, 1, 1, 0, 0, w.pushes-1, 0, time.UTC)
	if err := w.DeclareRestored(t.Context(), "restore"); err != nil {
		t.Fatal(err)
	}
	first, err := w.Restoration(t.Context())
	want := store.Restoration{At: clock, LastPush: last, FoundBy: "restore", Tenants: first.Tenants}
	if diff := cmp.Diff(want, first); diff != "" || err != nil {
		t.Errorf("Restoration (-want +got):\n%s%v", diff, err)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := store.Backup(t.Context(), cfg.URL, file, clock); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(time.Hour)
	again := open(t, at(cfg, file))
	second, err := again.Restoration(t.Context())
	if err != nil || second.LastPush != last || !second.At.Equal(clock) || !strings.HasPrefix(second.FoundBy, "backup of ") {
		t.Errorf("Restoration of a backup with a restoration in it = %+v, %v; want one from %v to %v", second, err, last, clock)
	}
	for _, want := range []bool{true, false} {
		if got, err := again.SettleRestoration(t.Context()); got != want || err != nil {
			t.Errorf("SettleRestoration = %t, %v, want %t", got, err, want)
		}
	}
	if _, err := again.Restoration(t.Context()); !errors.Is(err, orgsync.ErrNotFound) {
		t.Errorf("a settled restoration is still told: %v", err)
	}
}

// TestRestore puts a backup in a database's place.
func TestRestore(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, s)
	w.admit(t, "u")
	folder := t.TempDir()
	file := filepath.Join(folder, "backup.db")
	if err := store.Backup(t.Context(), cfg.URL, file, morning()); err != nil {
		t.Fatal(err)
	}
	kept := mustMark(t, s)
	w.PutAccount(t, "t", "app", "v", sso.Account{Status: sso.AccountActive})
	lost := mustMark(t, s)
	restore := func(cfg store.Config, file string) (string, error) {
		return store.Restore(t.Context(), cfg, file, ".before")
	}
	if _, err := restore(cfg, file); !errors.Is(err, store.ErrServed) {
		t.Errorf("Restore under a running service = %v, want ErrServed", err)
	}
	w.PutAccount(t, "t", "app", "w", sso.Account{Status: sso.AccountActive}) // it goes on
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other := cfg
	other.Keys = newRing(t)
	noise, half := filepath.Join(folder, "noise"), filepath.Join(folder, "half")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{noise: []byte(strings.Repeat("no database ", 1000)), half: whole[:len(whole)/2]} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []struct {
		name string
		cfg  store.Config
		file string
		want error // nil: any
	}{
		{"another key", other, file, store.ErrKeys},
		{"no database", cfg, noise, store.ErrNoBackup},
		{"half a database", cfg, half, nil},
		{"no file", cfg, filepath.Join(folder, "nothing"), fs.ErrNotExist},
		{"itself, with its log", at(cfg, filepath.Join(folder, "x.db")), logged(t, cfg), nil},
	} {
		old, err := restore(bad.cfg, bad.file)
		if err == nil || bad.want != nil && !errors.Is(err, bad.want) {
			t.Errorf("%s: Restore = %q, %v, want %v", bad.name, old, err, bad.want)
		}
		if left, _ := filepath.Glob(fileOf(bad.cfg) + "*restoring*"); len(left) > 0 {
			t.Errorf("%s: left %v", bad.name, left)
		}
	}
	if now := open(t, cfg); mustMark(t, now).Changes < lost.Changes {
		t.Error("a refused Restore changed the database")
	} else if err := now.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := restore(cfg, file)
	if err != nil {
		t.Fatalf("Restore = %v", err)
	}
	back := open(t, cfg)
	if got := mustMark(t, back); got != kept {
		t.Errorf("the restored database is at %v, want %v", got, kept)
	}
	if _, err := back.Restoration(t.Context()); err != nil {
		t.Errorf("Restoration = %v", err)
	}
	if got := mustMark(t, open(t, at(cfg, old))); got.Changes <= lost.Changes {
		t.Errorf("what was moved aside is at %v, want what was there: after %v", got, lost)
	}
	if _, err := restore(at(cfg, filepath.Join(folder, "fresh.db")), file); err != nil {
		t.Errorf("Restore where no database is = %v", err)
	}
}

// logged copies a database that is open, with the log that holds the half of it.
func logged(t *testing.T, cfg store.Config) string {
	t.Helper()
	w := newWorld(t, open(t, cfg))
	w.pushes = 1000
	w.PutAccount(t, "t", "app", "x", sso.Account{Status: sso.AccountActive})
	file := filepath.Join(t.TempDir(), "copy.db")
	for _, part := range []string{"", "-wal"} {
		b, err := os.ReadFile(fileOf(cfg) + part)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file+part, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRestoreBesideALog: the log of a database that is gone is not taken for the copy's.
func TestRestoreBesideALog(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w := newWorld(t, open(t, cfg))
	w.admit(t, "u")
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := store.Backup(t.Context(), cfg.URL, file, morning()); err != nil {
		t.Fatal(err)
	}
	kept := mustMark(t, w.Store)
	copied := logged(t, cfg)
	if err := os.Remove(copied); err != nil {
		t.Fatal(err)
	}
	old, err := store.Restore(t.Context(), at(cfg, copied), file, ".before")
	if err != nil || old != "" {
		t.Fatalf("Restore = %q, %v", old, err)
	}
	if got := mustMark(t, open(t, at(cfg, copied))); got != kept {
		t.Errorf("the restored database is at %v, want %v", got, kept)
	}
}

// testBackupOfServer: PostgreSQL has tools of its own.
func testBackupOfServer(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	if err := store.Backup(t.Context(), cfg.URL, filepath.Join(t.TempDir(), "b"), morning()); !errors.Is(err, store.ErrNotSQLite) {
		t.Errorf("Backup = %v, want ErrNotSQLite", err)
	}
	if _, err := store.Restore(t.Context(), cfg, "nothing", ".before"); !errors.Is(err, store.ErrNotSQLite) {
		t.Errorf("Restore = %v, want ErrNotSQLite", err)
	}
}
