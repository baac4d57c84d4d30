package store_test

import (
	"errors"
	"os"
	"testing"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestOpenReading: beside a process that writes it reads what that one wrote, and
// changes nothing itself.
func TestOpenReading(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w := newWorld(t, open(t, cfg))
	code := "c"
	w.push(t, orgsync.Message{
		Kind: orgsync.TenantSync, Flag: orgsync.FlagAdd, Tenant: "t", Instance: "i", Enterprise: orgsync.Enterprise{Code: &code},
	})

	cfg.Migrate = false
	r, err := store.OpenReading(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := r.ListTenants(t.Context(), store.Page{}); err != nil || len(l.Items) != 1 {
		t.Errorf("ListTenants = %+v, %v; want the tenant", l, err)
	}
	if err := r.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(orgsync.Tx) error { return nil }); err == nil {
		t.Error("Update of a store that only reads = nil error")
	}
	// While the other one is in the middle of a transaction too.
	if err := w.Update(t.Context(), orgsync.Scope{Tenant: "u"}, func(orgsync.Tx) error {
		again, err := store.OpenReading(t.Context(), cfg)
		if err != nil {
			return err
		}
		_, err = again.Status(t.Context())
		return errors.Join(err, again.Close())
	}); err != nil {
		t.Errorf("reading beside a transaction: %v", err)
	}
	closeStore(t, r)
}

func TestOpenReadingRefuses(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	if _, err := store.OpenReading(t.Context(), cfg); !errors.Is(err, store.ErrNoDatabase) {
		t.Errorf("OpenReading without a database = %v, want %v", err, store.ErrNoDatabase)
	}
	if _, err := os.Stat(path(cfg)); !os.IsNotExist(err) {
		t.Errorf("OpenReading made a database: %v", err)
	}
	have, want, err := store.SchemaVersions(t.Context(), cfg.URL)
	if err != nil || have != 0 || want < 3 {
		t.Errorf("SchemaVersions without a database = %d, %d, %v", have, want, err)
	}
	closeStore(t, open(t, cfg))
	if have, _, err := store.SchemaVersions(t.Context(), cfg.URL); err != nil || have != want {
		t.Errorf("SchemaVersions = %d, %v; want %d", have, err, want)
	}
	other := cfg
	other.Keys = newRing(t)
	if _, err := store.OpenReading(t.Context(), other); !errors.Is(err, store.ErrKeys) {
		t.Errorf("OpenReading with another key = %v, want %v", err, store.ErrKeys)
	}
	change(t, cfg, "UPDATE goose_db_version SET is_applied = 0 WHERE version_id = (SELECT MAX(version_id) FROM goose_db_version)")
	if _, err := store.OpenReading(t.Context(), cfg); !errors.Is(err, store.ErrSchema) {
		t.Errorf("OpenReading of an older schema = %v, want %v", err, store.ErrSchema)
	}
	if have, _, err := store.SchemaVersions(t.Context(), cfg.URL); err != nil || have <= 0 || have >= want {
		t.Errorf("SchemaVersions of an older schema = %d, %v; want less than %d", have, err, want)
	}
	change(t, cfg, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
	if _, err := store.OpenReading(t.Context(), cfg); !errors.Is(err, store.ErrSchema) {
		t.Errorf("OpenReading of a newer schema = %v, want %v", err, store.ErrSchema)
	}
}
