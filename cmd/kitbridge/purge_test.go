package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// count is a number that the product's database has.
func (w *world) count(t *testing.T, query string) (n int) {
	t.Helper()
	if err := w.product(t).QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPurge: beside a running bridge, a tenant goes from state, journal and sinks, and may
// come back.
func TestPurge(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := startWorld(t)
	b, other := market.DemoBuyers()[0], market.DemoBuyers()[1]
	if err := w.send(ctx, append(b.Binding(), other.Binding()...)...); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
	w.command(t, exitFailed, "purge", "chenguang", "--yes")              // still bound
	w.command(t, exitConfig, "purge", "chenguang", "--force", "a test")  // nobody to ask
	w.command(t, exitConfig, "purge", "chenguang", "--force=", "--yes")  // no reason
	w.command(t, exitFailed, "purge", "chenguan", "--yes", "--force=no") // no such tenant
	var done purged
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "purge", "chenguang", "--force", "contract ended", "--yes", "--json")), &done); err != nil {
		t.Fatal(err)
	}
	if string(done.TenantID) != b.TenantID || done.Ended != 1 || done.Users != 12 || done.Departments < 13 || done.Bodies < 5 {
		t.Errorf("purge = %+v", done)
	}
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"kit_tenant", "kit_department", "kit_user", "kit_grant"} {
		if n := w.count(t, "SELECT COUNT(*) FROM "+table+" WHERE tenant_id = '"+b.TenantID+"'"); n != 0 {
			t.Errorf("%s still has %d rows of the tenant", table, n)
		}
		if n := w.count(t, "SELECT COUNT(*) FROM "+table+" WHERE tenant_id = '"+other.TenantID+"'"); n == 0 {
			t.Errorf("%s has no row of the other tenant any more", table)
		}
	}
	if got := w.command(t, exitOK, "status"); strings.Contains(got, b.TenantID) || !strings.Contains(got, other.TenantID) {
		t.Errorf("status after the purge:\n%s", got)
	}
	l, err := w.bridge.store.ListJournal(ctx, store.Page{Tenant: orgsync.TenantID(b.TenantID)})
	if err != nil || len(l.Items) == 0 {
		t.Fatalf("the journal of a purged tenant: %d pushes, %v", len(l.Items), err)
	}
	if l.Items[0].Candidate != "purge: contract ended" || l.Items[0].Body {
		t.Errorf("the newest push is %+v, want the end, with its reason and without a body", l.Items[0])
	}
	if err := w.send(ctx, b.Binding()...); err != nil { // newer than the purge
		t.Fatal(err)
	}
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, "SELECT COUNT(*) FROM kit_user WHERE enabled AND tenant_id = '"+b.TenantID+"'"); n != 11 {
		t.Errorf("after the return %d users are enabled, want 11", n)
	}
}

// TestPurgeEnded: a tenant that ended is purged by itself after marketplace.purge_after, not
// before.
func TestPurgeEnded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := startWorld(t)
	b := market.DemoBuyers()[0]
	if err := w.send(ctx, append(b.Binding(), b.TenantSync(market.Delete))...); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ days, tenants int }{{14, 1}, {16, 0}} {
		w.bridge.purgeEnded(ctx, time.Now().AddDate(0, 0, c.days))
		if err := w.settle(ctx); err != nil {
			t.Fatal(err)
		}
		if n := w.count(t, "SELECT COUNT(*) FROM kit_tenant"); n != c.tenants {
			t.Errorf("%d days after the end the tables have %d tenants, want %d", c.days, n, c.tenants)
		}
	}
	w.command(t, exitOK, "purge", b.TenantID, "--yes") // again does no harm
}

func TestAskPurge(t *testing.T) {
	t.Parallel()
	tenant := store.TenantItem{ID: "68cbc", Name: "\u202eevil"}
	for answer, want := range map[string]bool{"68cbc\n": true, " 68cbc \r\n": true, "68cbc": true, "yes\n": false, "\n": false, "": false} {
		var asked strings.Builder
		if err := askPurge(&asked, strings.NewReader(answer), tenant); (err == nil) != want {
			t.Errorf("answer %q: %v, want yes %t", answer, err, want)
		}
		if strings.Contains(asked.String(), "\u202e") {
			t.Errorf("the question lets a terminal do what a buyer says: %q", asked.String())
		}
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := confirmPurge(process{stdin: f, stderr: &strings.Builder{}}, tenant); err == nil {
		t.Error("nobody at a terminal said yes")
	}
}
