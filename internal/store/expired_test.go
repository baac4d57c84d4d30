package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// owed takes everything that a sink is owed of a tenant, in its order, and settles it.
func owed(t *testing.T, s *store.Store, sink string, now time.Time) []string {
	t.Helper()
	var keys []string
	for {
		lane, err := s.Claim(t.Context(), sink, now, now.Add(time.Minute), 100)
		if err != nil {
			return keys // nothing is due
		}
		var outcomes []orgsync.Outcome
		for _, k := range lane.Keys {
			keys = append(keys, string(lane.Tenant)+": "+k.String())
			outcomes = append(outcomes, orgsync.Outcome{Key: k.Key, Revision: k.Revision, Done: true})
		}
		put(t, s.Finish(t.Context(), lane, outcomes))
	}
}

// TestExpired: a directory owes the removed users whom it kept long enough and still holds, and
// everything that it holds of one tenant, on both kinds of databases.
func TestExpired(t *testing.T) {
	t.Parallel()
	configs := map[string]store.Config{"SQLite": config(t), "PostgreSQL": onServer(t, peers.PostgreSQL(t))}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Migrate = true
			s := open(t, cfg)
			w := newWorld(t, s)
			for _, tenant := range []sso.TenantID{"t1", "t2"} {
				w.PutTenant(t, sso.Tenant{ID: tenant, Live: true})
				for _, user := range []sso.UserName{"gone", "here", "unheld"} {
					w.PutAccount(t, tenant, "app", user, sso.Account{Status: sso.AccountActive})
				}
				for _, user := range []sso.UserName{"gone", "unheld"} {
					w.PutAccount(t, tenant, "app", user, sso.Account{Status: sso.AccountRemoved})
				}
			}
			put(t, s.AddSink(t.Context(), "corp"))
			put(t, s.AddSink(t.Context(), "other"))
			now := cfg.Now().Add(time.Hour)
			owed(t, s, "corp", now)
			owed(t, s, "other", now)
			for _, tenant := range []orgsync.TenantID{"t1", "t2"} {
				put(t, s.Links("corp").Put(t.Context(), tenant, []ldapsink.Link{
					{ID: ldapsink.EntryID{Kind: ldapsink.UserEntry, Name: "gone"}, UUID: "1"},
					{ID: ldapsink.EntryID{Kind: ldapsink.UserEntry, Name: "here"}, UUID: "2"},
					{ID: ldapsink.EntryID{Kind: ldapsink.DepartmentEntry, Name: "d"}, UUID: "3"},
					{ID: ldapsink.EntryID{Kind: ldapsink.DepartmentGroup, Name: "d"}, UUID: "4"},
				}))
			}
			tenants, err := s.LinkedTenants(t.Context(), "corp")
			put(t, err)
			others, err := s.LinkedTenants(t.Context(), "other")
			put(t, err)
			if diff := cmp.Diff([]orgsync.TenantID{"t1", "t2"}, tenants); diff != "" || len(others) > 0 {
				t.Errorf("tenants that are held (-want +got):\n%s, by the other sink %v", diff, others)
			}
			expire := func(before time.Time, want int) {
				t.Helper()
				if n, err := s.OweExpired(t.Context(), "corp", before); err != nil || n != want {
					t.Errorf("OweExpired = %d, %v, want %d", n, err, want)
				}
			}
			removal := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			expire(removal, 0)
			expire(removal.Add(time.Hour), 2)
			expire(removal.Add(time.Hour), 0) // they are owed already
			got := owed(t, s, "corp", now)
			slices.Sort(got)
			if diff := cmp.Diff([]string{`t1: user "gone"`, `t2: user "gone"`}, got); diff != "" {
				t.Errorf("owed (-want +got):\n%s", diff)
			}
			put(t, s.OweLinked(t.Context(), "corp", "t1"))
			put(t, s.OweLinked(t.Context(), "corp", "t1"))
			want := []string{`t1: user "gone"`, `t1: user "here"`, `t1: department "d"`, `t1: tenant`}
			if diff := cmp.Diff(want, owed(t, s, "corp", now)); diff != "" {
				t.Errorf("owed of the tenant (-want +got):\n%s", diff)
			}
			put(t, s.OweLinked(t.Context(), "other", "t1"))
			if got := owed(t, s, "other", now); len(got) > 0 {
				t.Errorf("the other sink, which holds nothing, owes %v", got)
			}
		})
	}
}
