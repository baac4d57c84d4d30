package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/console"
	"github.com/kitbridge/kitbridge/internal/market"
)

// shared is the configuration of a world whose SQL sink is a file of several worlds'.
func shared(file string) string {
	return strings.Replace(worldYAML, `"sqlite:product.db"`, `"sqlite:`+file+`"`, 1)
}

func openProduct(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// usersIn lists the users of the product's table with their tenants, and whether they are
// enabled.
func usersIn(t *testing.T, db *sql.DB) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT tenant_id || '/' || user_name || ' ' || enabled FROM kit_user ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// sinkFault is what status says about the one sink.
func (w *world) sinkFault(t *testing.T) (fault string, closed bool) {
	t.Helper()
	var s console.Status
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Sinks) == 0 { // serve has not begun
		return "", false
	}
	return s.Sinks[0].Fault, s.Sinks[0].Closed
}

// TestTwoBridges: the second bridge on a sink writes nothing, says so wherever somebody
// looks, and takes over when it is told to; then the first one stops.
func TestTwoBridges(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "product.db")
	db := openProduct(t, file)
	buyers := market.DemoBuyers()
	first := startWorldOn(t, shared(file))
	if err := first.send(ctx, buyers[0].Binding()...); err != nil {
		t.Fatal(err)
	}
	if err := first.settle(ctx); err != nil {
		t.Fatal(err)
	}
	held := usersIn(t, db)
	second := startWorldOn(t, shared(file))
	until(t, "the second bridge finds the sink closed", func() bool { _, closed := second.sinkFault(t); return closed })
	if err := second.send(ctx, buyers[1].Binding()...); err != nil {
		t.Fatal(err)
	}
	fault, _ := second.sinkFault(t)
	for _, word := range []string{"belongs to bridge", "kitbridge take-over product"} {
		if !strings.Contains(fault, word) {
			t.Errorf("status of the second bridge says %q, want %q in it", fault, word)
		}
	}
	if _, degraded := second.ready(t); len(degraded) == 0 || !strings.Contains(degraded[0].Why, fault) {
		t.Errorf("/readyz says %+v, want %q", degraded, fault)
	}
	if text := second.command(t, exitOK, "status"); !strings.Contains(text, fault) {
		t.Errorf("status says %s, want %q in it", text, fault)
	}
	if got := second.scrape(t)[`kitbridge_sink_closed{sink="product"}`]; got != "1" {
		t.Errorf("kitbridge_sink_closed = %q, want 1", got)
	}
	if got := usersIn(t, db); got != held {
		t.Errorf("the second bridge wrote:\n%s\nwant\n%s", got, held)
	}
	if got := second.command(t, exitOK, "take-over", "product"); !strings.Contains(got, "is this bridge's now") {
		t.Errorf("take-over = %q", got)
	}
	if err := second.settle(ctx); err != nil {
		t.Fatal(err)
	}
	if got := usersIn(t, db); !strings.Contains(got, held) || got == held {
		t.Errorf("after taking over:\n%s\nwant all of\n%s\nand more", got, held)
	}
	if _, closed := second.sinkFault(t); closed {
		t.Error("the sink is still closed to who took it over")
	}
	until(t, "the first bridge finds the sink closed", func() bool {
		if err := first.bridge.reachAll(ctx); err == nil {
			return false
		}
		_, closed := first.sinkFault(t)
		return closed
	})
	if got := second.command(t, exitOK, "take-over", "product"); !strings.Contains(got, "already") {
		t.Errorf("take-over of one's own sink = %q", got)
	}
}

// reachAll looks at the sinks now.
func (b *bridge) reachAll(ctx context.Context) error {
	for _, c := range b.config.Sinks {
		log := b.log
		keepers := map[string]*keeper{c.Name: newKeeper(b.store, c.Name, log)}
		sinks, closeAll, err := openSinks(ctx, Config{Sinks: []Sink{c}}, b.store, keepers, log)
		if err != nil {
			return err
		}
		err = sinks[0].(interface{ Reach(context.Context) error }).Reach(ctx)
		if err := closeAll(); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyWorld puts a copy of a world's database, made by the backup command, into a folder
// of its own with the same keys.
func copyWorld(t *testing.T, w *world) (config string) {
	t.Helper()
	from, to := filepath.Dir(w.config), t.TempDir()
	w.command(t, exitOK, "backup", filepath.Join(to, "kitbridge.db"))
	for _, name := range []string{configName, rsaKeyName, "kitbridge.key"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(to, configName)
}

// TestRestoredDatabase: an old copy of the database writes nothing where a newer one wrote,
// whether it was used since or not.
func TestRestoredDatabase(t *testing.T) {
	t.Parallel()
	for _, used := range []bool{false, true} {
		t.Run(fmt.Sprint("used ", used), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			file := filepath.Join(t.TempDir(), "product.db")
			db := openProduct(t, file)
			buyers := market.DemoBuyers()
			w := startWorldOn(t, shared(file))
			if err := w.send(ctx, buyers[0].Binding()...); err != nil {
				t.Fatal(err)
			}
			if err := w.settle(ctx); err != nil {
				t.Fatal(err)
			}
			config := copyWorld(t, w)
			if err := w.send(ctx, buyers[1].Binding()...); err != nil {
				t.Fatal(err)
			}
			if err := w.settle(ctx); err != nil {
				t.Fatal(err)
			}
			held := usersIn(t, db)
			if used { // the sink does not answer while the copy takes more pushes than the original did
				if err := os.Rename(file, file+".away"); err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(file, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			copied, stop, err := openWorld(context.Background(), config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = stop() })
			if used {
				for range 40 {
					if err := copied.send(ctx, buyers[0].AllOrgSync()); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(file+".away", file); err != nil {
					t.Fatal(err)
				}
			} else if err := copied.send(ctx, buyers[0].AllOrgSync()); err != nil {
				t.Fatal(err)
			}
			until(t, "the copy finds the sink closed", func() bool { _, closed := copied.sinkFault(t); return closed })
			if fault, _ := copied.sinkFault(t); !strings.Contains(fault, "restored from an older copy") {
				t.Errorf("status says %q", fault)
			}
			if got := usersIn(t, db); got != held {
				t.Errorf("the copy wrote:\n%s\nwant\n%s", got, held)
			}
			copied.command(t, exitOK, "take-over", "product")
			if err := copied.settle(ctx); err != nil {
				t.Fatal(err)
			}
			if got := usersIn(t, db); got != held {
				t.Errorf("taking over changed what the copy does not know:\n%s\nwant\n%s", got, held)
			}
		})
	}
}

// TestRestoredSink: a sink that went back to an older state, or lost everything, gets all
// of it again without anybody asking.
func TestRestoredSink(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "product.db")
	db := openProduct(t, file)
	buyers := market.DemoBuyers()
	w := startWorldOn(t, shared(file))
	if err := w.send(ctx, buyers[0].Binding()...); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
	older := filepath.Join(t.TempDir(), "older.db")
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", older); err != nil {
		t.Fatal(err)
	}
	if err := w.send(ctx, buyers[1].Binding()...); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
	held := usersIn(t, db)
	if err := w.bridge.reachAll(ctx); err != nil { // what the dispatcher does every ten seconds
		t.Fatal(err)
	}
	for _, table := range []string{"kit_user", "kit_grant", "kit_department", "kit_tenant", "kit_meta", "kit_change"} {
		for _, q := range []string{"DELETE FROM " + table, "INSERT INTO " + table + " SELECT * FROM older." + table} {
			conn, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range []string{"ATTACH '" + older + "' AS older", q, "DETACH older"} {
				if _, err := conn.ExecContext(ctx, q); err != nil {
					t.Fatalf("%s: %v", q, err)
				}
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if usersIn(t, db) == held {
		t.Fatal("the sink was not put back")
	}
	until(t, "the sink holds all of it again", func() bool { return usersIn(t, db) == held })
	if fault, _ := w.sinkFault(t); fault != "" {
		t.Errorf("status says %q", fault)
	}
	if _, err := w.bridge.store.Restoration(ctx); err == nil {
		t.Error("a sink that was restored made the database a restored one")
	}
}
