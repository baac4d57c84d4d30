package orgsynctest

import (
	"errors"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

func owedCases() []storeCase {
	return []storeCase{
		{"each sink is owed what was made dirty", func(t *storeTest) {
			t.openSinks("ldap", "sql")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, "a", "b")
			want := map[orgsync.TenantID][]orgsync.Key{"acme": {userKey("a"), userKey("b")}}
			same(t.T, "owed to ldap", want, t.owed("ldap", midnight()))
			same(t.T, "owed to sql", want, t.owed("sql", midnight()))
			t.idle("ldap", midnight())
			t.idle("unknown", midnight())
		}},
		{"a tenant that was not announced owes nothing, nor does the test realm", func(t *storeTest) {
			t.openSinks("ldap")
			t.mark(acme(), orgsync.Fill, "a")
			t.update(acme(), func(tx orgsync.Tx) error {
				put(t, tx.PutTenant(orgsync.Tenant{ID: "acme"}))
				return tx.MarkDirty([]orgsync.DirtyKey{{Key: userKey("a")}})
			})
			test := orgsync.Scope{Realm: orgsync.Test, Tenant: "acme"}
			t.announce(test)
			t.mark(test, orgsync.Fill, "a")
			t.idle("ldap", midnight())
			t.update(acme(), func(tx orgsync.Tx) error {
				put(t, tx.PutTenant(orgsync.Tenant{ID: "acme", Announced: true}))
				return tx.MarkDirty([]orgsync.DirtyKey{{Key: userKey("a")}})
			})
			same(t.T, "owed after the announcement", map[orgsync.TenantID][]orgsync.Key{"acme": {userKey("a")}}, t.owed("ldap", midnight()))
		}},
		{"a sink that is opened again tries again what failed, the dead too", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, "a", "b")
			lane := t.claim("ldap", midnight(), 10)
			t.finish(lane,
				orgsync.Outcome{Key: lane.Keys[0].Key, Revision: lane.Keys[0].Revision, Dead: true, Reason: "no"},
				orgsync.Outcome{Key: lane.Keys[1].Key, Revision: lane.Keys[1].Revision, NextTry: midnight().Add(time.Hour), Reason: "later"})
			t.idle("ldap", midnight())
			t.reopen("ldap", "everybody")
			same(t.T, "owed", map[orgsync.TenantID][]orgsync.Key{"acme": {userKey("a"), userKey("b")}}, t.owed("ldap", midnight()))
		}},
		{"a sink that is to hold something else owes every key", func(t *storeTest) {
			t.openSinks("ldap", "sql")
			t.reopen("ldap", "everybody")
			t.announce(acme())
			t.update(acme(), func(tx orgsync.Tx) error {
				return tx.PutUsers([]orgsync.User{{Name: "a", Status: orgsync.StatusEnabled}})
			})
			t.reopen("ldap", "everybody")
			t.idle("ldap", midnight())
			t.reopen("ldap", "somebody")
			want := map[orgsync.TenantID][]orgsync.Key{"acme": {{Kind: orgsync.TenantKey}, userKey("a")}}
			same(t.T, "owed", want, t.owed("ldap", midnight()))
			t.idle("sql", midnight())
		}},
		{"a new sink owes every key, an old one only what it owed", func(t *storeTest) {
			t.announce(acme())
			t.update(acme(), func(tx orgsync.Tx) error {
				put(t, tx.PutUsers([]orgsync.User{{Name: "on", Status: orgsync.StatusEnabled}, {Name: "off", Status: orgsync.StatusDisabled}}))
				return tx.PutDepartments([]orgsync.Department{{Code: "d", Live: true}, {Code: "dead"}})
			})
			hidden := orgsync.Scope{Tenant: "unannounced"}
			t.update(hidden, func(tx orgsync.Tx) error {
				put(t, tx.PutTenant(orgsync.Tenant{ID: "unannounced"}))
				return tx.PutUsers([]orgsync.User{{Name: "u", Status: orgsync.StatusEnabled}})
			})
			every := map[orgsync.TenantID][]orgsync.Key{"acme": {
				userKey("off"),
				{Kind: orgsync.TenantKey},
				{Kind: orgsync.DepartmentKey, ID: "d"},
				userKey("on"),
				{Kind: orgsync.DepartmentKey, ID: "dead"},
			}}
			t.openSinks("ldap")
			same(t.T, "owed to a new sink", every, t.owed("ldap", midnight()))
			t.openSinks("ldap", "sql")
			t.idle("ldap", midnight())
			t.openSinks("ldap") // sql is taken out and drops what it was owed
			t.mark(acme(), orgsync.Fill, "on")
			t.openSinks("sql", "ldap")
			same(t.T, "owed to a sink that came back", every, t.owed("sql", midnight()))
			same(t.T, "owed to the sink that stayed", map[orgsync.TenantID][]orgsync.Key{"acme": {userKey("on")}}, t.owed("ldap", midnight()))
		}},
		{"urgent keys go first, and an urgency never sinks while the key is owed", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Demolish, "e")
			t.mark(acme(), orgsync.Fill, "d", "a")
			t.mark(acme(), orgsync.Build, "c")
			t.mark(acme(), orgsync.Reduce, "b", "a")
			t.mark(acme(), orgsync.Fill, "a")
			lane := t.claim("ldap", midnight(), 3)
			same(t.T, "first keys", []string{"a", "b", "c"}, ids(lane))
			t.finish(lane, done(lane)...)
			t.mark(acme(), orgsync.Fill, "a") // settled meanwhile: no longer urgent
			lane = t.claim("ldap", midnight(), 10)
			same(t.T, "keys after them", []string{"a", "d", "e"}, ids(lane))
		}},
	}
}

func leaseCases() []storeCase {
	return []storeCase{
		{"a lane is leased to one, until it gives it back", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, "a", "b")
			lane := t.claim("ldap", midnight(), 1)
			t.idle("ldap", midnight())
			t.finish(lane, done(lane)...)
			same(t.T, "the rest", []string{"b"}, ids(t.claim("ldap", midnight(), 1)))
		}},
		{"a lease ends, and who lost it changes nothing", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, "a")
			lost := t.claim("ldap", midnight(), 10)
			t.idle("ldap", midnight().Add(time.Minute-time.Millisecond))
			later := midnight().Add(time.Minute)
			lane := t.claim("ldap", later, 10)
			if lane.Lease == lost.Lease {
				t.Errorf("two claims have lease %d", lane.Lease)
			}
			t.finish(lost, done(lost)...)
			t.idle("ldap", later) // still leased
			if err := t.store.Renew(t.Context(), lost, later.Add(time.Hour)); !errors.Is(err, orgsync.ErrNotFound) {
				t.Errorf("Renew of a lost lease = %v, want ErrNotFound", err)
			}
			t.finish(lane)
			same(t.T, "after an empty finish", []string{"a"}, ids(t.claim("ldap", later, 10)))
			if err := t.store.Renew(t.Context(), lane, later.Add(time.Hour)); !errors.Is(err, orgsync.ErrNotFound) {
				t.Errorf("Renew of a finished lease = %v, want ErrNotFound", err)
			}
		}},
		{"a lease that ended unnoticed still counts", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, "a")
			lane := t.claim("ldap", midnight(), 10)
			t.finish(lane, done(lane)...)
			t.idle("ldap", midnight().Add(time.Hour))
		}},
		{"a lease can be renewed", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, "a")
			lane := t.claim("ldap", midnight(), 10)
			if err := t.store.Renew(t.Context(), lane, midnight().Add(time.Hour)); err != nil {
				t.Fatalf("Renew = %v", err)
			}
			t.idle("ldap", midnight().Add(time.Hour-time.Second))
			t.claim("ldap", midnight().Add(time.Hour), 10)
		}},
		{"lanes take turns, whatever one of them owes", func(t *storeTest) {
			t.openSinks("ldap")
			for _, tenant := range []orgsync.TenantID{"large", "a", "z"} {
				scope := orgsync.Scope{Tenant: tenant}
				t.announce(scope)
				t.mark(scope, orgsync.Fill, "1", "2", "3", "4")
			}
			turns := map[orgsync.TenantID]int{}
			for range 6 {
				lane := t.claim("ldap", midnight(), 1)
				turns[lane.Tenant]++
				t.finish(lane, done(lane)...)
				t.mark(orgsync.Scope{Tenant: "large"}, orgsync.Reduce, "1", "2", "3")
			}
			same(t.T, "turns", map[orgsync.TenantID]int{"large": 2, "a": 2, "z": 2}, turns)
		}},
	}
}

func outcomeCases() []storeCase {
	return []storeCase{
		{"a key that failed is due at its next try and keeps its attempts", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, "a", "b")
			at := midnight()
			order := []string{"a", "b"}
			for attempt := range 3 {
				lane := t.claim("ldap", at, 10)
				same(t.T, "keys", order, ids(lane))
				a := lane.Keys[slices.Index(order, "a")]
				if a.Attempts != attempt {
					t.Errorf("attempts = %d, want %d", a.Attempts, attempt)
				}
				t.finish(lane, orgsync.Outcome{Key: a.Key, Revision: a.Revision, NextTry: at.Add(time.Minute), Reason: "busy"})
				for _, early := range []time.Time{at, at.Add(time.Minute - time.Millisecond)} {
					lane = t.claim("ldap", early, 10)
					same(t.T, "one that waits delays no other", []string{"b"}, ids(lane))
					t.finish(lane)
				}
				at = at.Add(time.Minute)
				order = []string{"b", "a"} // due for longer goes first
			}
		}},
		{"news make a waiting key due at once", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, "waits", "dead")
			lane := t.claim("ldap", midnight(), 10)
			same(t.T, "keys", []string{"dead", "waits"}, ids(lane))
			outcomes := done(lane)
			outcomes[0].Done, outcomes[0].Dead, outcomes[0].Reason = false, true, "folds to X"
			outcomes[1].Done, outcomes[1].NextTry = false, midnight().Add(time.Hour)
			t.finish(lane, outcomes...)
			t.idle("ldap", midnight())
			same(t.T, "nor later", []string{"waits"}, ids(t.claim("ldap", midnight().Add(time.Hour), 10)))
			later := midnight().Add(2 * time.Hour)
			t.mark(acme(), orgsync.Fill, "waits", "dead")
			lane = t.claim("ldap", later, 10)
			same(t.T, "after news", []string{"dead", "waits"}, ids(lane))
			for _, k := range lane.Keys {
				if k.Attempts != 0 {
					t.Errorf("attempts of %s = %d, want 0", k.ID, k.Attempts)
				}
			}
		}},
		{"a key made dirty since the claim stays owed", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, "a", "b", "c", "d")
			lane := t.claim("ldap", midnight(), 10)
			t.mark(acme(), orgsync.Fill, "a", "b", "c")
			outcomes := done(lane)
			outcomes[1].Done, outcomes[1].Dead = false, true
			outcomes[2].Done, outcomes[2].NextTry = false, midnight().Add(time.Hour)
			t.finish(lane, outcomes...)
			again := t.claim("ldap", midnight(), 10)
			same(t.T, "still owed", []string{"a", "b", "c"}, ids(again))
			for n, k := range again.Keys {
				if k.Revision <= lane.Keys[n].Revision || k.Attempts != 0 {
					t.Errorf("%+v after %+v: want a greater revision and no attempts", k, lane.Keys[n])
				}
			}
		}},
		{"an outcome for a key that is not owed is nothing", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			t.mark(acme(), orgsync.Fill, "a")
			lane := t.claim("ldap", midnight(), 10)
			t.finish(lane, append(done(lane), orgsync.Outcome{Key: userKey("x"), Revision: 1, Dead: true, Warnings: []string{"w"}})...)
			t.idle("ldap", midnight().Add(time.Hour))
		}},
	}
}
