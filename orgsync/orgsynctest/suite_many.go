package orgsynctest

import (
	"fmt"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// many is as many users as a large push names.
const many = 700

func manyNames(prefix string) []string {
	names := make([]string, 0, many)
	for n := range many {
		names = append(names, fmt.Sprintf("%s%03d", prefix, n))
	}
	return names
}

// drained works off what the sink is owed at that time, in claims of that size, and counts
// how often each key came.
func (t *storeTest) drained(sink string, now time.Time, limit int) map[string]int {
	t.Helper()
	came := map[string]int{}
	for {
		lane, err := t.store.Claim(t.Context(), sink, now, now.Add(time.Minute), limit)
		if err != nil {
			return came
		}
		if len(lane.Keys) > limit {
			t.Fatalf("Claim gave %d keys, want at most %d", len(lane.Keys), limit)
		}
		for _, k := range lane.Keys {
			came[k.ID]++
		}
		t.finish(lane, done(lane)...)
	}
}

func once(names ...string) map[string]int {
	m := map[string]int{}
	for _, n := range names {
		m[n] = 1
	}
	return m
}

// manyOwedCases are those of keys that become dirty together in such a number that a store
// may keep them together.
func manyOwedCases() []storeCase {
	return []storeCase{
		{"many keys come once each, whatever the size of a claim", func(t *storeTest) {
			t.openSinks("ldap", "sql")
			t.announce(acme())
			names := manyNames("u")
			t.mark(acme(), orgsync.Fill, names...)
			same(t.T, "owed", once(names...), t.drained("ldap", midnight(), 1000))
			same(t.T, "owed in small claims", once(names...), t.drained("sql", midnight(), 64))
			t.idle("ldap", midnight().Add(time.Hour))
			t.idle("sql", midnight().Add(time.Hour))
		}},
		{"an urgent key goes before many, and many urgent ones before one", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, manyNames("late")...)
			t.mark(acme(), orgsync.Fill, "a")
			t.mark(acme(), orgsync.Build, "b")
			t.mark(acme(), orgsync.Reduce, manyNames("now")...)
			var order []string
			for {
				lane, err := t.store.Claim(t.Context(), "ldap", midnight(), midnight().Add(time.Minute), 1000)
				if err != nil {
					break
				}
				order = append(order, ids(lane)...)
				t.finish(lane, done(lane)...)
			}
			if len(order) != 2*many+2 {
				t.Fatalf("%d keys, want %d", len(order), 2*many+2)
			}
			urgent := slices.Sorted(slices.Values(order[:many]))
			same(t.T, "the urgent ones", manyNames("now"), urgent)
			if order[many] != "b" {
				t.Errorf("after them %q, want b", order[many])
			}
		}},
		{"of many keys one fails, one is dead, one is not tried", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			names := manyNames("u")
			t.mark(acme(), orgsync.Fill, names...)
			lane := t.claim("ldap", midnight(), 1000)
			outcomes := done(lane)
			outcomes[3].Done, outcomes[3].NextTry, outcomes[3].Reason = false, midnight().Add(time.Minute), "busy"
			outcomes[4].Done, outcomes[4].Dead, outcomes[4].Reason = false, true, "no"
			failed, dead := lane.Keys[3].ID, lane.Keys[4].ID
			t.finish(lane, outcomes...)
			rest := t.drained("ldap", midnight(), 1000)
			if rest[failed]+rest[dead] > 0 {
				t.Errorf("%d keys came again at once, the failed one or the dead one too", len(rest))
			}
			t.idle("ldap", midnight().Add(time.Minute-time.Millisecond))
			lane = t.claim("ldap", midnight().Add(time.Minute), 1000)
			same(t.T, "a minute later", []string{failed}, ids(lane))
			if lane.Keys[0].Attempts != 1 {
				t.Errorf("attempts = %d, want 1", lane.Keys[0].Attempts)
			}
			t.finish(lane, done(lane)...)
			t.idle("ldap", midnight().Add(time.Hour))

			// News of all of them: the dead one is tried again, and being done it stays so.
			t.mark(acme(), orgsync.Fill, names...)
			same(t.T, "after news", once(names...), t.drained("ldap", midnight(), 1000))
			t.mark(acme(), orgsync.Fill, names...)
			lane = t.claim("ldap", midnight(), 1000)
			untried := lane.Keys[5].ID
			t.finish(lane, slices.Delete(done(lane), 5, 6)...)
			if again := t.drained("ldap", midnight(), 1000); again[untried] != 1 {
				t.Errorf("the key that was not tried came %d times", again[untried])
			}
			t.idle("ldap", midnight().Add(time.Hour))
		}},
		{"many keys made dirty since the claim stay owed", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			names := manyNames("u")
			t.mark(acme(), orgsync.Fill, names...)
			lane := t.claim("ldap", midnight(), 1000)
			t.mark(acme(), orgsync.Fill, names...)
			t.finish(lane, done(lane)...)
			again := t.drained("ldap", midnight(), 1000)
			if len(again) != many {
				t.Errorf("%d keys came again, want %d", len(again), many)
			}
			t.idle("ldap", midnight().Add(time.Hour))
		}},
		{"one of many made dirty since the claim stays owed though it failed", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, manyNames("u")...)
			lane := t.claim("ldap", midnight(), 1000)
			t.mark(acme(), orgsync.Fill, lane.Keys[0].ID, lane.Keys[1].ID)
			outcomes := done(lane)
			outcomes[1].Done, outcomes[1].Dead = false, true
			t.finish(lane, outcomes...)
			again := t.drained("ldap", midnight(), 1000)
			for _, k := range lane.Keys[:2] {
				if again[k.ID] != 1 {
					t.Errorf("%s came %d times, want once", k.ID, again[k.ID])
				}
			}
		}},
		{"a lease of many that was lost leaves all of them owed", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			names := manyNames("u")
			t.mark(acme(), orgsync.Fill, names...)
			t.claim("ldap", midnight(), 1000)
			same(t.T, "owed", once(names...), t.drained("ldap", midnight().Add(2*time.Minute), 1000))
		}},
	}
}
