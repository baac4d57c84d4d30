package orgsynctest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Store is what [TestStore] tests: the two ports that one database implements.
type Store interface {
	orgsync.Store
	orgsync.Lanes
}

// TestStore checks that a store keeps the contract of [orgsync.Store], [orgsync.Lanes]
// and [orgsync.View]. open returns an empty store and cleans up after itself.
func TestStore(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	for _, group := range [][]storeCase{
		transactionCases(), journalCases(), registerCases(), departmentCases(), parkedCases(), deferredCases(),
		owedCases(), manyOwedCases(), leaseCases(), outcomeCases(), viewCases(),
	} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(&storeTest{T: t, store: open(t)})
			})
		}
	}
}

type storeCase struct {
	name string
	run  func(t *storeTest)
}

// storeTest is a test with a store and shorthands that fail it.
type storeTest struct {
	*testing.T
	store Store
}

var errWanted = errors.New("the test wants this to fail")

// acme is the tenant of most tests.
func acme() orgsync.Scope { return orgsync.Scope{Realm: orgsync.Production, Tenant: "acme"} }

// midnight is the now of every test.
func midnight() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }

// version makes versions that are ordered as n is.
func version(n int) orgsync.Version {
	at := midnight().Add(time.Duration(n) * time.Second)
	return orgsync.NewVersion(at, at, orgsync.RankAdd, []byte("content"), n)
}

func (t *storeTest) update(scope orgsync.Scope, fn func(tx orgsync.Tx) error) {
	t.Helper()
	if err := t.store.Update(t.Context(), scope, fn); err != nil {
		t.Fatalf("Update(%+v) = %v", scope, err)
	}
}

// same compares rows; nil and empty are the same.
func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b orgsync.Attributes) bool { return a == b })); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// announce makes the tenant one that sinks may hold, with its key not dirty.
func (t *storeTest) announce(scope orgsync.Scope) {
	t.Helper()
	t.update(scope, func(tx orgsync.Tx) error {
		return tx.PutTenant(orgsync.Tenant{ID: scope.Tenant, Active: true, Announced: true})
	})
}

func (t *storeTest) openSinks(names ...string) {
	t.Helper()
	if err := t.store.OpenSinks(t.Context(), names); err != nil {
		t.Fatalf("OpenSinks(%q) = %v", names, err)
	}
}

func (t *storeTest) reopen(sink, holds string) {
	t.Helper()
	if err := t.store.Reopen(t.Context(), sink, holds); err != nil {
		t.Fatalf("Reopen(%q, %q) = %v", sink, holds, err)
	}
}

func (t *storeTest) mark(scope orgsync.Scope, urgency orgsync.Urgency, ids ...string) {
	t.Helper()
	t.update(scope, func(tx orgsync.Tx) error {
		keys := make([]orgsync.DirtyKey, 0, len(ids))
		for _, id := range ids {
			keys = append(keys, orgsync.DirtyKey{Key: userKey(id), Urgency: urgency})
		}
		return tx.MarkDirty(keys)
	})
}

func userKey(id string) orgsync.Key { return orgsync.Key{Kind: orgsync.UserKey, ID: id} }

// claim takes a lane at that time for a minute.
func (t *storeTest) claim(sink string, now time.Time, limit int) orgsync.Lane {
	t.Helper()
	lane, err := t.store.Claim(t.Context(), sink, now, now.Add(time.Minute), limit)
	if err != nil {
		t.Fatalf("Claim(%q) = %v", sink, err)
	}
	return lane
}

// idle checks that nothing is due.
func (t *storeTest) idle(sink string, now time.Time) {
	t.Helper()
	lane, err := t.store.Claim(t.Context(), sink, now, now.Add(time.Minute), 10)
	if !errors.Is(err, orgsync.ErrNotFound) {
		t.Fatalf("Claim(%q) = %+v, %v, want ErrNotFound", sink, lane, err)
	}
}

func (t *storeTest) finish(lane orgsync.Lane, outcomes ...orgsync.Outcome) {
	t.Helper()
	if err := t.store.Finish(t.Context(), lane, outcomes); err != nil {
		t.Fatalf("Finish(%+v) = %v", lane, err)
	}
}

// done is the good outcome of every key of the lane.
func done(lane orgsync.Lane) []orgsync.Outcome {
	outcomes := make([]orgsync.Outcome, 0, len(lane.Keys))
	for _, k := range lane.Keys {
		outcomes = append(outcomes, orgsync.Outcome{Key: k.Key, Revision: k.Revision, Done: true})
	}
	return outcomes
}

func ids(lane orgsync.Lane) []string {
	list := make([]string, 0, len(lane.Keys))
	for _, k := range lane.Keys {
		list = append(list, k.ID)
	}
	return list
}

// owed lists what the sink is owed at that time, over all lanes, and settles it.
func (t *storeTest) owed(sink string, now time.Time) map[orgsync.TenantID][]orgsync.Key {
	t.Helper()
	owed := map[orgsync.TenantID][]orgsync.Key{}
	for {
		lane, err := t.store.Claim(t.Context(), sink, now, now.Add(time.Minute), 3)
		if errors.Is(err, orgsync.ErrNotFound) {
			return owed
		}
		if err != nil {
			t.Fatalf("Claim(%q) = %v", sink, err)
		}
		for _, k := range lane.Keys {
			owed[lane.Tenant] = append(owed[lane.Tenant], k.Key)
		}
		t.finish(lane, done(lane)...)
	}
}
