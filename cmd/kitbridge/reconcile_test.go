package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const demoTenant = orgsync.TenantID("68cbc86abc2018ab880d92f36422fa0e")

// TestReconcile: beside a running bridge, sabotage is healed, what others made stays, and of
// what is equal nothing is written.
func TestReconcile(t *testing.T) {
	t.Parallel()
	w, d := directoryWorld(t, "")
	conn := dialAdmin(t, d)
	if _, err := w.bridge.store.Tenure(t.Context(), "corp"); err != nil {
		t.Fatal(err)
	}
	equal := contents(t, conn)
	if got := w.command(t, exitOK, "reconcile"); strings.Count(got, "equal, nothing to do") != 2 {
		t.Errorf("reconcile of what is equal: %s", got)
	}
	delete(equal, "cn=kitbridge,dc=example,dc=org") // serve tells there how far it is
	now := contents(t, conn)
	delete(now, "cn=kitbridge,dc=example,dc=org")
	for _, all := range []map[string][]string{equal, now} {
		delete(all, "dc=example,dc=org") // its contextCSN is the owner entry's
	}
	if diff := cmp.Diff(equal, now); diff != "" {
		t.Errorf("reconcile wrote (-before +after):\n%s", diff)
	}
	sabotage(t, conn)
	got := w.command(t, exitOK, "reconcile", "--sink", "corp")
	if want := "done: users: 1 add, 1 rename, 1 modify; departments: 1 rename\n"; !strings.Contains(got, want) {
		t.Errorf("reconcile says %q, want %q", got, want)
	}
	w.command(t, exitOK, "plan")
	all := contents(t, conn)
	if v := all["uid=lisi,ou=people,"+demoRoot]; len(v) != 2 || v[1] != "A-101" {
		t.Errorf("the attribute that somebody added: %v", v)
	}
	if all["cn=printer,ou=20000,ou=departments,"+demoRoot] == nil {
		t.Error("the entry that somebody added is gone")
	}
	if len(all) != len(equal)+3 {
		t.Errorf("there are %d entries, want %d", len(all), len(equal)+3)
	}
}

// TestReconcileAdopt: entries that stood there before are reported, and ours once they are
// adopted; what a sink refused before is tried again.
func TestReconcileAdopt(t *testing.T) {
	t.Parallel()
	w, d := directoryWorld(t, "")
	conn := dialAdmin(t, d)
	for _, err := range []error{
		conn.Del(ldap.NewDelRequest("uid=zhaolei,ou=people,"+demoRoot, nil)),
		conn.Add(func() *ldap.AddRequest {
			r := ldap.NewAddRequest("uid=zhaolei,ou=people,"+demoRoot, nil)
			r.Attribute("objectClass", []string{"inetOrgPerson"})
			r.Attribute("cn", []string{"old"})
			r.Attribute("sn", []string{"old"})
			r.Attribute("roomNumber", []string{"B-2"})
			return r
		}()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := w.command(t, exitFailed, "reconcile", "--sink", "corp"); !strings.Contains(got, "cannot user zhaolei: ") {
		t.Errorf("reconcile: %s", got)
	}
	var done []reconciled
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "reconcile", "--sink", "corp", "--adopt", "--json")), &done); err != nil {
		t.Fatal(err)
	}
	want := []reconciled{{Sink: "corp", Tenant: demoTenant, Operations: 1, Adopted: 1, Reports: []entryReport{}}}
	if diff := cmp.Diff(want, done); diff != "" {
		t.Errorf("reconcile --adopt (-want +got):\n%s", diff)
	}
	w.command(t, exitOK, "plan")
	if v := contents(t, conn)["uid=zhaolei,ou=people,"+demoRoot]; len(v) != 2 || v[1] != "B-2" {
		t.Errorf("the adopted entry has %v", v)
	}
}

// TestReconcilePlanFile: a saved plan is done exactly; one that is not true any more, or was
// edited, is not done at all.
func TestReconcilePlanFile(t *testing.T) {
	t.Parallel()
	w, d := directoryWorld(t, "")
	conn := dialAdmin(t, d)
	name := filepath.Join(t.TempDir(), "plan.json")
	refused := func(what string) {
		t.Helper()
		before := contents(t, conn)
		if code, _, stderr := runHere(t, "reconcile", "--plan-file", name, "--config", w.config); code != exitFailed || !strings.Contains(stderr, "make a new plan") {
			t.Errorf("%s: exit %d: %s", what, code, stderr)
		}
		if diff := cmp.Diff(before["uid=lisi,ou=people,"+demoRoot], contents(t, conn)["uid=lisi,ou=people,"+demoRoot]); diff != "" {
			t.Errorf("%s: it was done (-before +after):\n%s", what, diff)
		}
	}
	sabotage(t, conn)
	w.command(t, codePlanned, "plan", "--format", "json", "--out", name)
	saved, err := readPlan(name)
	if err != nil {
		t.Fatal(err)
	}
	edited := saved
	edited.Plans = append([]comparison(nil), saved.Plans...)
	edited.Plans[1].Operations = edited.Plans[1].Operations[1:]
	write := func(p savedPlan) {
		t.Helper()
		text, err := json.Marshal(p)
		if err == nil {
			err = writePrivate(name, string(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(edited)
	refused("edited")
	write(saved)
	if err := conn.Del(ldap.NewDelRequest("uid=zhoumin,ou=people,"+demoRoot, nil)); err != nil {
		t.Fatal(err)
	}
	refused("directory changed")
	w.command(t, codePlanned, "plan", "--format", "json", "--out", name)
	if got := w.command(t, exitOK, "reconcile", "--plan-file", name); !strings.Contains(got, "users: 2 add, 1 rename, 1 modify") {
		t.Errorf("reconcile --plan-file: %s", got)
	}
	w.command(t, exitOK, "plan")
	w.command(t, exitConfig, "reconcile", "--plan-file", w.config)
	w.command(t, exitConfig, "reconcile", "--plan-file", name, "--adopt")
}

// TestReconcileHeld: what deletes more than the guard allows wants a yes.
func TestReconcileHeld(t *testing.T) {
	t.Parallel()
	w := startWorldOn(t, strings.Replace(worldYAML, "marketplace:\n", "marketplace:\n  deletion_guard: {count: 2, percent: 10, max: 5}\n", 1))
	if err := w.send(t.Context(), market.DemoBuyers()[0].Binding()...); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := w.product(t)
	if _, err := db.ExecContext(t.Context(), `INSERT INTO kit_department SELECT tenant_id, 'x' || org_code, name, parent_code, path, depth, parked, updated_at FROM kit_department`); err != nil {
		t.Fatal(err)
	}
	if got := w.command(t, codePlanned, "plan"); !strings.Contains(got, "held: it deletes 13 of 26 departments") {
		t.Errorf("plan: %s", got)
	}
	code, _, stderr := runHere(t, "reconcile", "--config", w.config)
	if code != exitFailed || !strings.Contains(stderr, "deletes 13 of 26 departments, more than marketplace.deletion_guard allows; nothing was done") {
		t.Errorf("reconcile: exit %d: %s", code, stderr)
	}
	w.command(t, codePlanned, "plan")
	w.command(t, exitOK, "reconcile", "--yes")
	w.command(t, exitOK, "plan")
	for answer, want := range map[string]bool{"yes\n": true, "y\n": false, "": false} {
		var asked strings.Builder
		if err := askYes(&asked, strings.NewReader(answer), "deletes all"); (err == nil) != want || !strings.Contains(asked.String(), "deletes all") {
			t.Errorf("answer %q: %v, after %q", answer, err, asked.String())
		}
	}
}

// TestWithLane: nobody else works on a lane meanwhile, and one that is busy is not waited for
// longer than said.
func TestWithLane(t *testing.T) {
	t.Parallel()
	w := startBoundWorld(t)
	s := w.bridge.store
	err := withLane(t.Context(), s, "product", demoTenant, time.Minute, func(ctx context.Context, pending bool) error {
		if pending {
			t.Error("the lane owes something")
		}
		if err := withLane(ctx, s, "product", demoTenant, time.Millisecond, func(context.Context, bool) error { return nil }); !errors.Is(err, store.ErrBusy) {
			t.Errorf("the lane of somebody else: %v, want %v", err, store.ErrBusy)
		}
		if err := s.OweEverything(ctx, "product"); err != nil {
			return err
		}
		now := time.Now()
		if _, err := s.Claim(ctx, "product", now, now, 10); !errors.Is(err, orgsync.ErrNotFound) {
			t.Errorf("a lane that is leased was claimed: %v", err)
		}
		owed, err := s.Pending(ctx, "product", demoTenant)
		if !owed {
			t.Error("nothing is owed")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.settle(t.Context()); err != nil { // the bridge goes on by itself
		t.Fatal(err)
	}
	if _, _, err := s.ClaimWhole(t.Context(), "product", "nobody", time.Now(), time.Now()); !errors.Is(err, orgsync.ErrNotFound) {
		t.Errorf("a tenant that is not there: %v, want %v", err, orgsync.ErrNotFound)
	}
}

// TestProgress: the rate is that of the last seconds, and so is the time left.
func TestProgress(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	var b strings.Builder
	p := newProgress(&b, "corp A\x1b", func() time.Time { return at })
	for second := 1; second <= 40; second++ {
		at = at.Add(time.Second)
		done := 100 * second
		if second > 20 {
			done = 2000 + 10*(second-20) // it became slow
		}
		p.step(done, 4000)
	}
	p.end()
	want := "corp A\\u001b: 1000 of 4000 (25 %), 100/s, about 30s left\n" +
		"corp A\\u001b: 2000 of 4000 (50 %), 100/s, about 20s left\n" +
		"corp A\\u001b: 2100 of 4000 (52 %), 10/s, about 3m10s left\n" +
		"corp A\\u001b: 2200 of 4000 (55 %), 10/s, about 3m0s left\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if got, want := barText(1, 2), "[############------------]"; got != want {
		t.Errorf("bar %s, want %s", got, want)
	}
	if got, want := progressText(sighting{at, 0}, sighting{at, 0}, 0), "0 of 0 (0 %)"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
}
