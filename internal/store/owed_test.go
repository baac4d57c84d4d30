package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestNothingOwedIsLost makes keys dirty in small and great numbers, lets lanes do, fail,
// give up or forget them, and unrolls parts in between: what was not done since it was
// last made dirty comes again, and what was given up since is listed as dead.
func TestNothingOwedIsLost(t *testing.T) {
	t.Parallel()
	s, round := open(t, config(t)), 0
	put(t, s.OpenSinks(t.Context(), []string{"sink"}))
	rapid.Check(t, func(r *rapid.T) {
		round++
		tenant := orgsync.TenantID(fmt.Sprintf("t%d", round))
		mark := func(keys []orgsync.DirtyKey) {
			put(t, s.Update(t.Context(), orgsync.Scope{Tenant: tenant}, func(tx orgsync.Tx) error {
				return tx.MarkDirty(keys)
			}))
		}
		put(t, s.Update(t.Context(), orgsync.Scope{Tenant: tenant}, func(tx orgsync.Tx) error {
			return tx.PutTenant(orgsync.Tenant{ID: tenant, Active: true, Announced: true})
		}))
		now := time.UnixMilli(1_000_000)
		owed, dead, unsure := map[string]bool{}, map[string]bool{}, map[string]bool{}
		var lane orgsync.Lane
		var marked map[string]bool // since the claim
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"mark", "mark", "claim", "finish", "unroll", "later"}).Draw(r, "step") {
			case "mark":
				first, number := rapid.IntRange(0, 60).Draw(r, "first"), rapid.SampledFrom([]int{1, 3, 31, 32, 45, 90}).Draw(r, "number")
				urgency := orgsync.Urgency(rapid.IntRange(0, 4).Draw(r, "urgency"))
				var keys []orgsync.DirtyKey
				for n := range number {
					id := fmt.Sprintf("k%d", (first+n)%100)
					keys = append(keys, orgsync.DirtyKey{Key: orgsync.Key{Kind: orgsync.UserKey, ID: id}, Urgency: urgency})
					owed[id] = true
					delete(dead, id)
					delete(unsure, id)
					if marked != nil {
						marked[id] = true
					}
				}
				mark(keys)
			case "claim":
				if marked == nil {
					var err error
					if lane, err = s.Claim(t.Context(), "sink", now, now.Add(time.Hour), rapid.SampledFrom([]int{2, 40, 1000}).Draw(r, "limit")); err == nil {
						marked = map[string]bool{}
					}
				}
			case "finish":
				if marked == nil {
					continue
				}
				wholly := true // else the store may keep all of a part
				var outcomes []orgsync.Outcome
				for _, k := range lane.Keys {
					o := orgsync.Outcome{Key: k.Key, Revision: k.Revision, Reason: "reason"}
					switch rapid.SampledFrom([]string{"done", "done", "done", "fail", "dead", "untried"}).Draw(r, "outcome") {
					case "done":
						o.Done = true
					case "dead":
						o.Dead = true
					case "fail":
						o.NextTry = now.Add(time.Duration(rapid.IntRange(0, 9).Draw(r, "wait")) * time.Second)
					default:
						wholly = false
						continue
					}
					outcomes = append(outcomes, o)
				}
				if !wholly && rapid.Bool().Draw(r, "nothing at all") {
					outcomes = nil
				}
				put(t, s.Finish(t.Context(), lane, outcomes))
				for _, o := range outcomes {
					if marked[o.Key.ID] {
						continue
					}
					if !wholly && !o.Done { // it may have been recorded
						delete(owed, o.Key.ID)
						delete(dead, o.Key.ID)
						unsure[o.Key.ID] = true
						continue
					}
					delete(unsure, o.Key.ID)
					delete(dead, o.Key.ID)
					if o.Done || o.Dead {
						delete(owed, o.Key.ID)
					}
					if o.Dead {
						dead[o.Key.ID] = true
					}
				}
				marked = nil
			case "unroll":
				put(t, s.UnrollAll(t.Context()))
			case "later":
				now = now.Add(5 * time.Second)
			}
		}
		checkOwed(r, t, s, tenant, now.Add(2*time.Hour), owed, dead, unsure)
	})
}

func checkOwed(r *rapid.T, t *testing.T, s *store.Store, tenant orgsync.TenantID, now time.Time, owed, dead, unsure map[string]bool) {
	t.Helper()
	came := map[string]bool{}
	for range 1000 {
		lane, err := s.Claim(t.Context(), "sink", now, now.Add(time.Hour), 50)
		if err != nil {
			break
		}
		var outcomes []orgsync.Outcome
		for _, k := range lane.Keys {
			came[k.ID] = true
			delete(dead, k.ID) // done once more, which harms nobody
			outcomes = append(outcomes, orgsync.Outcome{Key: k.Key, Revision: k.Revision, Done: true})
		}
		put(t, s.Finish(t.Context(), lane, outcomes))
	}
	for id := range owed {
		if !came[id] {
			r.Fatalf("%s was not done and does not come again", id)
		}
	}
	list, err := s.ListDead(t.Context(), store.Page{Tenant: tenant, Limit: store.MaxLimit})
	put(t, err)
	var listed []string
	for _, i := range list.Items {
		if !unsure[i.Key] {
			listed = append(listed, i.Key)
		}
	}
	var want []string
	for id := range dead {
		want = append(want, id)
	}
	slices.Sort(listed)
	slices.Sort(want)
	if diff := cmp.Diff(want, listed, cmpopts.EquateEmpty()); diff != "" {
		r.Fatalf("dead keys (-want +got):\n%s", diff)
	}
	status, err := s.Status(t.Context())
	put(t, err)
	if status.Sinks[0].Pending != 0 {
		r.Fatalf("%d keys are pending after all was done", status.Sinks[0].Pending)
	}
}

// TestPartsAreListed: keys that are owed together are counted and explained like others.
func TestPartsAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, open(t, config(t)))
	put(t, w.OpenSinks(t.Context(), []string{"sink"}))
	w.admit(t, "u0")
	m := orgsync.Message{Kind: orgsync.AuthSync, Tenant: "t", Instance: "i", App: "app", Flag: orgsync.FlagAdd}
	for n := range 100 {
		m.Users = append(m.Users, orgsync.UserChange{Name: orgsync.UserName(fmt.Sprintf("u%d", n)), Attributes: orgsync.Attributes{}.Set(orgsync.AttrName, "x")})
	}
	w.push(t, m)
	status, err := w.Status(t.Context())
	put(t, err)
	if got := status.Sinks[0].Pending; got < 101 || got > 102 { // the tenant and 100 users, one of them twice
		t.Errorf("pending = %d, want 101 or 102", got)
	}
	for _, user := range []orgsync.UserName{"u0", "u7"} {
		e, err := w.Explain(t.Context(), "t", user)
		put(t, err)
		if len(e.Sinks) != 1 || e.Sinks[0].State != "pending" || e.Sinks[0].Since.IsZero() {
			t.Errorf("%s: sinks = %+v, want one that is pending", user, e.Sinks)
		}
	}
	e, err := w.Explain(t.Context(), "t", "nobody")
	put(t, err)
	if len(e.Sinks) != 1 || e.Sinks[0].State != "done" {
		t.Errorf("nobody: sinks = %+v, want one that is done", e.Sinks)
	}
}

// TestPartsDoNotPileUp: a lane that nobody works off keeps a bounded number of parts; a
// key that was made dirty many times is owed once.
func TestPartsDoNotPileUp(t *testing.T) {
	t.Parallel()
	s := open(t, config(t))
	put(t, s.OpenSinks(t.Context(), []string{"sink"}))
	keys := make([]orgsync.DirtyKey, 40)
	for n := range keys {
		keys[n] = orgsync.DirtyKey{Key: orgsync.Key{Kind: orgsync.UserKey, ID: fmt.Sprint(n)}, Urgency: orgsync.Fill}
	}
	for range 130 {
		put(t, s.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error {
			put(t, tx.PutTenant(orgsync.Tenant{ID: "t", Announced: true}))
			return tx.MarkDirty(keys)
		}))
	}
	put(t, s.UnrollCrowded(t.Context()))
	status, err := s.Status(t.Context())
	put(t, err)
	// 64 of 130 parts became 40 rows.
	if got, want := status.Sinks[0].Pending, int64(66*40+40); got != want {
		t.Errorf("pending = %d, want %d", got, want)
	}
	put(t, s.UnrollCrowded(t.Context())) // few enough now
	again, err := s.Status(t.Context())
	put(t, err)
	if diff := cmp.Diff(status.Sinks[0].Pending, again.Sinks[0].Pending); diff != "" {
		t.Errorf("pending after another round (-want +got):\n%s", diff)
	}
}
