package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/console"
	"github.com/kitbridge/kitbridge/internal/market"
)

// product is the SQLite database of the world's SQL sink.
func (w *world) product(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(filepath.Dir(w.config), "product.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// ready asks GET /readyz.
func (w *world) ready(t *testing.T) (code int, degraded []console.Degraded) {
	t.Helper()
	r, err := http.Get(w.admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var answer struct{ Degraded []console.Degraded }
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, answer.Degraded
}

// until waits for something to come true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestDead: a key that the product's database refuses is listed with the reason, shown by
// /readyz, and tried again when somebody asks for it.
func TestDead(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := startWorld(t)
	db := w.product(t)
	refuse := func() bool { // the tables are made at start
		_, err := db.ExecContext(ctx, `CREATE TRIGGER no BEFORE INSERT ON kit_user WHEN NEW.user_name = 'zhangsan' BEGIN SELECT RAISE(ABORT, 'not him'); END`)
		return err == nil
	}
	until(t, "the tables are there before the first push", refuse)
	if got := w.command(t, exitOK, "dead", "list"); got != "No key is dead.\n" {
		t.Errorf("dead list = %q", got)
	}
	if err := w.send(ctx, market.DemoBuyers()[0].Binding()...); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
	var l deadList
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "dead", "list", "--sink", "product", "--tenant", "chenguang", "--json")), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Dead) != 1 || l.Dead[0].Key != "zhangsan" || l.Dead[0].Kind != "user" || l.Dead[0].Reason == "" {
		t.Fatalf("dead = %+v, want zhangsan with a reason", l.Dead)
	}
	if got := w.command(t, exitOK, "dead", "list"); !strings.Contains(got, "zhangsan") || !strings.Contains(got, "REASON") {
		t.Errorf("dead list = %s", got)
	}
	code, degraded := w.ready(t)
	if code != http.StatusOK || len(degraded) != 1 || degraded[0].What != "keys of sink product" || !strings.HasPrefix(degraded[0].Why, "1 dead: ") {
		t.Errorf("GET /readyz = %d, %+v, want 200 and one dead key", code, degraded)
	}
	if _, err := db.ExecContext(ctx, "DROP TRIGGER no"); err != nil {
		t.Fatal(err)
	}
	if got := w.command(t, exitOK, "dead", "retry", "--sink", "product"); got != "1 due again\n" {
		t.Errorf("dead retry = %q", got)
	}
	until(t, "the row is there after the retry", func() bool {
		var n int
		err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM kit_user WHERE user_name = 'zhangsan'").Scan(&n)
		return err == nil && n == 1
	})
	until(t, "nothing is degraded", func() bool { _, degraded := w.ready(t); return len(degraded) == 0 })
}

// TestSinkIsTriedAtStart: before anything is owed, a sink that does not answer is known to
// /readyz and to status.
func TestSinkIsTriedAtStart(t *testing.T) {
	t.Parallel()
	w := startWorldOn(t, strings.Replace(worldYAML, `url: "sqlite:product.db"`, `url: "sqlite:no/such/folder/product.db"`, 1))
	var degraded []console.Degraded
	until(t, "the sink is degraded", func() bool { _, degraded = w.ready(t); return len(degraded) > 0 })
	if code, _ := w.ready(t); code != http.StatusOK || degraded[0].What != "sink product" || degraded[0].Since.IsZero() {
		t.Errorf("GET /readyz = %d, %+v, want 200 and sink product", code, degraded)
	}
	until(t, "status tells", func() bool {
		return strings.Contains(w.command(t, exitOK, "status"), "\nproduct does not answer since 20")
	})
	var s console.Status
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Sinks) != 1 || s.Sinks[0].Fault == "" || s.Sinks[0].FaultSince.IsZero() {
		t.Errorf("status --json = %+v", s.Sinks)
	}
}
