package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

func mustHistory(t *testing.T, s *store.Store) orgsync.History {
	t.Helper()
	h, err := s.History(t.Context())
	if err != nil {
		t.Fatalf("History = %v", err)
	}
	return h
}

func mustMark(t *testing.T, s *store.Store) orgsync.Mark {
	t.Helper()
	m, err := s.Mark(t.Context())
	if err != nil {
		t.Fatalf("Mark = %v", err)
	}
	return m
}

// TestHistory: what changes the state moves its mark, what does not leaves it, and each
// process that changes anything begins an era of its own.
func TestHistory(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w := newWorld(t, open(t, cfg))
	if got := mustMark(t, w.Store); got != (orgsync.Mark{}) {
		t.Errorf("the mark of a new database is %v, want none", got)
	}
	w.PutTenant(t, sso.Tenant{ID: "t", Live: true})
	first := mustMark(t, w.Store)
	w.PutAccount(t, "t", "app", "u", sso.Account{Status: sso.AccountActive})
	second := mustMark(t, w.Store)
	if first.Era == "" || second.Era != first.Era || second.Changes <= first.Changes {
		t.Errorf("marks after two pushes: %v, %v; want one era, growing", first, second)
	}
	other := newWorld(t, open(t, cfg))
	if got := mustMark(t, other.Store); got != second {
		t.Errorf("opened again the mark is %v, want %v: nothing changed", got, second)
	}
	other.pushes = w.pushes
	other.PutAccount(t, "t", "app", "v", sso.Account{Status: sso.AccountActive})
	third := mustMark(t, w.Store)
	if third.Era == second.Era || third.Changes <= second.Changes {
		t.Errorf("the mark after another process's push is %v, want another era than %v", third, second)
	}
	h := mustHistory(t, w.Store)
	for _, m := range []orgsync.Mark{{}, first, second, third} {
		if !h.Includes(m) {
			t.Errorf("%+v does not include %v", h, m)
		}
	}
	id, err := w.BridgeID(t.Context())
	if err != nil || h.Bridge != id || h.Now() != third {
		t.Errorf("History = %+v, want bridge %s at %v (%v)", h, id, third, err)
	}
}

// TestHistoryOfMany: whatever mark is read while several processes change several tenants,
// and whenever they begin, stays in the history.
func TestHistoryOfMany(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	first := open(t, cfg)
	var mu sync.Mutex
	var marks []orgsync.Mark
	var group, readers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	readers.Go(func() {
		for ctx.Err() == nil {
			m, err := first.Mark(t.Context())
			if err != nil {
				t.Errorf("Mark = %v", err)
				return
			}
			mu.Lock()
			marks = append(marks, m)
			mu.Unlock()
		}
	})
	for process := range 4 {
		s := open(t, cfg)
		for worker := range 3 {
			group.Go(func() {
				for range 10 {
					scope := orgsync.Scope{Tenant: orgsync.TenantID(fmt.Sprint("t", process, worker))}
					if err := s.Update(t.Context(), scope, func(tx orgsync.Tx) error {
						return tx.MarkDirty([]orgsync.DirtyKey{{Key: orgsync.Key{Kind: orgsync.TenantKey}}})
					}); err != nil {
						t.Errorf("Update = %v", err)
					}
				}
			})
		}
	}
	group.Wait()
	stop()
	readers.Wait()
	h := mustHistory(t, first)
	if h.Changes != 4*3*10 {
		t.Errorf("%d changes are counted, want %d", h.Changes, 4*3*10)
	}
	if len(h.Eras) < 4 {
		t.Errorf("%d eras, want one of each process at least", len(h.Eras))
	}
	for n, m := range marks {
		if !h.Includes(m) {
			t.Fatalf("mark %d, %v, is not in the history %+v", n, m, h)
		}
		if n > 0 && m.Changes < marks[n-1].Changes {
			t.Fatalf("mark %d, %v, is before %v", n, m, marks[n-1])
		}
	}
}

func pending(t *testing.T, s *store.Store) (n int64) {
	t.Helper()
	status, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range status.Sinks {
		n += k.Pending
	}
	return n
}

// settleLanes does all that a sink is owed.
func settleLanes(t *testing.T, s *store.Store, sink string) {
	t.Helper()
	for pending(t, s) > 0 {
		lane, err := s.Claim(t.Context(), sink, morning(), morning(), 100)
		if err != nil {
			t.Fatalf("Claim = %v", err)
		}
		var done []orgsync.Outcome
		for _, k := range lane.Keys {
			done = append(done, orgsync.Outcome{Key: k.Key, Revision: k.Revision, Done: true})
		}
		if err := s.Finish(t.Context(), lane, done); err != nil {
			t.Fatalf("Finish = %v", err)
		}
	}
}

// TestOweEverything: all keys are owed again, also those that a lane is working on.
func TestOweEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t, open(t, config(t)))
	if err := w.OpenSinks(t.Context(), []string{"corp"}); err != nil {
		t.Fatal(err)
	}
	w.admit(t, "u", "v")
	lane, err := w.Claim(t.Context(), "corp", morning(), morning(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.OweEverything(t.Context(), "corp"); err != nil {
		t.Fatal(err)
	}
	var done []orgsync.Outcome
	for _, k := range lane.Keys {
		done = append(done, orgsync.Outcome{Key: k.Key, Revision: k.Revision, Done: true})
	}
	if err := w.Finish(t.Context(), lane, done); err != nil {
		t.Fatal(err)
	}
	if n := pending(t, w.Store); len(done) == 0 || n != 3 { // the tenant and its users
		t.Errorf("%d keys are owed after %d were done, want 3", n, len(done))
	}
}

// TestTenure: what is remembered of a sink, and what makes it owed everything again.
func TestTenure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, open(t, config(t)))
	if err := w.OpenSinks(t.Context(), []string{"corp"}); err != nil {
		t.Fatal(err)
	}
	w.admit(t, "u", "v")
	settleLanes(t, w.Store, "corp")
	tenure := func(want store.Tenure) {
		t.Helper()
		got, err := w.Tenure(t.Context(), "corp")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Tenure (-want +got):\n%s%v", diff, err)
		}
	}
	owed := func(want int64) {
		t.Helper()
		if got := pending(t, w.Store); got != want {
			t.Errorf("%d keys are owed, want %d", got, want)
		}
	}
	tenure(store.Tenure{})
	now := mustMark(t, w.Store)
	older := orgsync.Mark{Era: now.Era, Changes: now.Changes - 1}
	for _, found := range []orgsync.Mark{now, older} { // the second was read by a slower process
		if err := w.SinkFound(t.Context(), "corp", found); err != nil {
			t.Fatalf("SinkFound = %v", err)
		}
	}
	tenure(store.Tenure{Seen: now})
	owed(0)
	for _, want := range []bool{true, false} { // two processes notice
		if news, err := w.SinkBehind(t.Context(), "corp", older); err != nil || news != want {
			t.Errorf("SinkBehind = %t, %v, want %t", news, err, want)
		}
	}
	tenure(store.Tenure{Seen: older})
	owed(3) // the tenant and its users
	settleLanes(t, w.Store, "corp")
	if err := w.SinkTaken(t.Context(), "corp"); err != nil {
		t.Fatalf("SinkTaken = %v", err)
	}
	tenure(store.Tenure{Taken: true})
	owed(3)
	if after := mustMark(t, w.Store); after.Era == now.Era || after.Changes != now.Changes {
		t.Errorf("the mark after a take-over is %v, want another era than %v and nothing changed", after, now)
	}
	// A sink of which nothing is known owes everything when it becomes known.
	if err := w.SinkTaken(t.Context(), "new"); err != nil {
		t.Fatalf("SinkTaken of a new sink = %v", err)
	}
	owed(6)
}

// TestSinkClosed: what is shown, and that a sink which is ahead of the database ends the
// sessions once.
func TestSinkClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, open(t, config(t)))
	if err := w.OpenSinks(t.Context(), []string{"corp", "product"}); err != nil {
		t.Fatal(err)
	}
	w.admit(t, "u")
	key := w.session(t, nil)
	closes := func(sink, reason string, ahead, want bool) {
		t.Helper()
		if news, err := w.SinkClosed(t.Context(), sink, reason, ahead); err != nil || news != want {
			t.Errorf("SinkClosed(%s, %q) = %t, %v, want %t", sink, reason, news, err, want)
		}
	}
	closes("corp", "another's", false, true)
	if _, err := w.Decide(t.Context(), key, morning()); err != nil {
		t.Errorf("another bridge's sink ended a session: %v", err)
	}
	closes("product", "ahead", true, true)
	if _, err := w.Decide(t.Context(), key, morning()); err == nil {
		t.Error("a session outlived the restoration")
	}
	key = w.session(t, nil) // who signs in now stays signed in
	closes("product", "ahead", true, false)
	closes("corp", "still another's", false, false)
	if _, err := w.Decide(t.Context(), key, morning()); err != nil {
		t.Errorf("a restoration that is known ended a session: %v", err)
	}
	status, err := w.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range status.Sinks {
		got[s.Name] = s.Closed
	}
	if diff := cmp.Diff(map[string]string{"corp": "still another's", "product": "ahead"}, got); diff != "" {
		t.Errorf("closed (-want +got):\n%s", diff)
	}
	if err := w.SinkFound(t.Context(), "corp", orgsync.Mark{}); err != nil {
		t.Fatal(err)
	}
	if status, err = w.Status(t.Context()); err != nil || status.Sinks[0].Closed != "" {
		t.Errorf("a sink that is open again: %+v, %v", status.Sinks, err)
	}
	r, err := w.Restoration(t.Context())
	if err != nil || r.FoundBy != "sink product" || len(r.Tenants) != 1 || r.Tenants[0].ID != "t" || r.LastPush.IsZero() {
		t.Errorf("Restoration = %+v, %v, want one found by the product's sink, with tenant t", r, err)
	}
	if settled, err := w.SettleRestoration(t.Context()); !settled || err != nil {
		t.Errorf("SettleRestoration = %t, %v", settled, err)
	}
}

// TestDeclareRestored: a session that was made before the copy lives no more, one made after
// it does, and saying it twice is saying it once.
func TestDeclareRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, open(t, config(t)))
	w.admit(t, "u")
	before := w.session(t, nil)
	if err := w.DeclareRestored(t.Context(), "restore"); err != nil {
		t.Fatal(err)
	}
	after := w.session(t, nil)
	if err := w.DeclareRestored(t.Context(), "restore"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Decide(t.Context(), before, morning()); !errors.Is(err, sso.ErrNoSession) {
		t.Errorf("a session from before the restore: %v, want ErrNoSession", err)
	}
	if _, err := w.Decide(t.Context(), after, morning()); err != nil {
		t.Errorf("a session from after the restore: %v", err)
	}
}
