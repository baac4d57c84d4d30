package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/market"
)

// TestLeftTenant: a directory that is not meant for a tenant any more: check, plan and
// reconcile say so, and until when it keeps what it holds; then that goes.
func TestLeftTenant(t *testing.T) {
	t.Parallel()
	w, d := directoryWorld(t, "")
	conn := dialAdmin(t, d)
	text, err := os.ReadFile(w.config)
	if err == nil {
		err = os.WriteFile(w.config, []byte(strings.Replace(string(text), `tenants: ["*"]`, `tenants: [another], purge_after: 40h`, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	const not = "this sink is not meant for the tenant any more (sinks[].tenants): its people are disabled, "
	if got := w.command(t, codePlanned, "plan", "--sink", "corp"); !strings.Contains(got, not+"and deleted purge_after later") || strings.Contains(got, " delete  ") {
		t.Errorf("plan: %s", got)
	}
	if got := w.command(t, exitOK, "reconcile", "--sink", "corp"); !strings.Contains(got, not) {
		t.Errorf("reconcile: %s", got)
	}
	got := w.command(t, exitOK, "plan", "--sink", "corp", "--format", "json")
	if !strings.Contains(got, `"left": {`) || !strings.Contains(got, `"deleted_from": "`) {
		t.Errorf("plan as JSON: %s", got)
	}
	if _, got, _ := runHere(t, "check", "--config", w.config); !strings.Contains(got, "WARNING  sink corp: tenant "+string(demoTenant)+": "+not+"since ") ||
		!strings.Contains(got, " users and 13 departments are left\n") {
		t.Errorf("check: %s", got)
	}
	for dn := range contents(t, conn) {
		if strings.HasSuffix(dn, ",ou=people,"+demoRoot) {
			t.Errorf("%s is not disabled", dn)
		}
	}

	// Later, by serve.
	w.bridge.config.Sinks[1].Tenants, w.bridge.config.Sinks[1].PurgeAfter = []string{"another"}, 40*time.Hour
	w.bridge.expire(t.Context(), time.Now().Add(39*time.Hour))
	pending := func() bool {
		t.Helper()
		p, err := w.bridge.store.Pending(t.Context(), "corp", demoTenant)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if pending() {
		t.Error("an hour before its time the tenant is owed")
	}
	ctx := context.WithoutCancel(t.Context())
	err = withLane(ctx, w.bridge.store, "corp", demoTenant, time.Minute, func(context.Context, bool) error {
		w.bridge.expire(ctx, time.Now().Add(41*time.Hour))
		if !pending() {
			t.Error("in its time the tenant is not owed")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPurgeEvery: a short purge_after is kept to, a long one costs little.
func TestPurgeEvery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		after []time.Duration
		want  time.Duration
	}{
		{nil, time.Hour},
		{[]time.Duration{30 * 24 * time.Hour, 0}, time.Hour},
		{[]time.Duration{30 * 24 * time.Hour, 2 * time.Hour}, 30 * time.Minute},
		{[]time.Duration{time.Second}, time.Second},
	} {
		var sinks []Sink
		for _, after := range tt.after {
			sinks = append(sinks, Sink{PurgeAfter: after})
		}
		if got := purgeEvery(sinks); got != tt.want {
			t.Errorf("purgeEvery(%v) = %v, want %v", tt.after, got, tt.want)
		}
	}
}

// TestExpiredUsers: a user whom the directory kept long enough goes without anybody saying
// anything about them.
func TestExpiredUsers(t *testing.T) {
	t.Parallel()
	w, d := directoryWorld(t, ", purge_after: 2s")
	conn := dialAdmin(t, d)
	b := market.DemoBuyers()[0]
	gone := b.Users[:1]
	for _, m := range b.AuthSyncs(market.Delete, gone) {
		if err := w.send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	removed := time.Now()
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	dn := "uid=" + gone[0].UserName + ",ou=disabled," + demoRoot
	for there, tick := true, time.NewTicker(50*time.Millisecond); there; <-tick.C {
		w.bridge.expire(t.Context(), time.Now())
		if err := w.settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		there = contents(t, conn)[dn] != nil
		kept := time.Since(removed)
		if !there && kept < time.Second || there && kept > 20*time.Second {
			t.Fatalf("%v after the removal the entry is there: %v", kept, there)
		}
	}
	if n := len(contents(t, conn)); n < len(b.Users) {
		t.Errorf("%d entries are left, with %d users", n, len(b.Users))
	}
}
