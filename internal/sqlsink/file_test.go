package sqlsink_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestSQLiteFile: looking makes no file; the first write makes one that only its owner reads;
// the mode of one that is there stays.
func TestSQLiteFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "product.db")
	p := product{url: "sqlite:" + file, dial: sqlsink.SQLite}
	s := newSink(t, p, func(c *sqlsink.Config) { c.Tenants = []string{"huawei"} })
	v := newState()
	v.user("zhang")
	v.tenant.Code = "another"
	look := map[string]func(context.Context) error{
		"Check": func(ctx context.Context) error {
			for what, err := range s.Check(ctx) {
				if what != "file" || !errors.Is(err, sqlsink.ErrNotYet) {
					t.Errorf("Check: %s: %v", what, err)
				}
			}
			return nil
		},
		"Plan":        func(ctx context.Context) error { _, err := s.Plan(ctx, v, sqlsink.WholeOptions{}); return err },
		"HeldTenants": func(ctx context.Context) error { _, err := s.HeldTenants(ctx); return err },
		"Converge for a tenant of others": func(ctx context.Context) error {
			_, err := s.Converge(ctx, v, v.keys())
			return err
		},
	}
	for what, do := range look {
		if err := do(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s made the file: %v", what, err)
		}
	}
	v.tenant.Code = "huawei"
	converge(t, s, v, v.keys()...)
	wantMode(t, file, 0o600)
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := newSink(t, p).Reach(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantMode(t, file, 0o640)
}

func wantMode(t *testing.T, file string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != want {
		t.Errorf("the file: %v, %v, want mode %o", info, err, want)
	}
}

// TestSQLiteNoFolder: a path that cannot be right is a fault before the start.
func TestSQLiteNoFolder(t *testing.T) {
	t.Parallel()
	s := newSink(t, product{url: "sqlite:" + filepath.Join(t.TempDir(), "nowhere", "product.db")})
	for what, err := range s.Check(t.Context()) {
		if what != "file" || err == nil || errors.Is(err, sqlsink.ErrNotYet) {
			t.Errorf("Check: %s: %v, want a fault of the folder", what, err)
		}
	}
	if err := s.Reach(t.Context()); !errors.Is(err, orgsync.ErrUnavailable) {
		t.Errorf("Reach = %v, want ErrUnavailable", err)
	}
}
