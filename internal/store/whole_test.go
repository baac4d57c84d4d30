package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestClaimWhole: a lane is leased as a whole whatever it owes, nobody else gets it, and what
// it owes stays owed.
func TestClaimWhole(t *testing.T) {
	t.Parallel()
	s := open(t, config(t))
	now := time.UnixMilli(1_000_000)
	put(t, s.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error {
		return tx.PutTenant(orgsync.Tenant{ID: "t", Active: true, Announced: true})
	}))
	if _, _, err := s.ClaimWhole(t.Context(), "corp", "t", now, now.Add(time.Hour)); !errors.Is(err, orgsync.ErrNotFound) {
		t.Errorf("a sink that is not known: %v, want %v", err, orgsync.ErrNotFound)
	}
	put(t, s.AddSink(t.Context(), "corp"))
	put(t, s.AddSink(t.Context(), "corp"))
	lane, pending, err := s.ClaimWhole(t.Context(), "corp", "t", now, now.Add(time.Hour))
	if err != nil || !pending {
		t.Fatalf("ClaimWhole = %v, pending %v; want the lane, pending", err, pending)
	}
	if _, _, err := s.ClaimWhole(t.Context(), "corp", "t", now, now.Add(time.Hour)); !errors.Is(err, store.ErrBusy) {
		t.Errorf("claimed twice: %v, want %v", err, store.ErrBusy)
	}
	if _, err := s.Claim(t.Context(), "corp", now, now.Add(time.Hour), 10); !errors.Is(err, orgsync.ErrNotFound) {
		t.Errorf("a lane that is leased was claimed: %v", err)
	}
	put(t, s.Finish(t.Context(), lane, nil))
	owed, err := s.Claim(t.Context(), "corp", now, now.Add(time.Hour), 10)
	if err != nil || len(owed.Keys) != 1 {
		t.Fatalf("after Finish: %v, %v; want the key of the tenant", owed.Keys, err)
	}
	put(t, s.Finish(t.Context(), owed, []orgsync.Outcome{{Key: owed.Keys[0].Key, Revision: owed.Keys[0].Revision, Done: true}}))
	if _, pending, err := s.ClaimWhole(t.Context(), "corp", "t", now, now); err != nil || pending {
		t.Errorf("of a lane that owes nothing: pending %v, %v", pending, err)
	}
	if pending, err := s.Pending(t.Context(), "corp", "t"); err != nil || pending {
		t.Errorf("Pending = %v, %v", pending, err)
	}
}

// TestDrifts: the time of a tenant begins when it is first met; what was found is told by
// sink until it is equal. On both kinds of databases.
func TestDrifts(t *testing.T) {
	t.Parallel()
	configs := map[string]store.Config{"SQLite": config(t), "PostgreSQL": onServer(t, peers.PostgreSQL(t))}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Migrate = true
			s := open(t, cfg)
			put(t, s.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error {
				return tx.PutTenant(orgsync.Tenant{ID: "t", Active: true, Announced: true})
			}))
			put(t, s.AddSink(t.Context(), "corp"))
			due := func(before time.Time) int {
				t.Helper()
				list, err := s.DueToCompare(t.Context(), "corp", before)
				put(t, err)
				return len(list)
			}
			now := cfg.Now()
			if n := due(now.Add(-time.Hour)); n != 0 {
				t.Errorf("%d are due at first, want 0", n)
			}
			if n := due(now.Add(time.Hour)); n != 1 {
				t.Errorf("%d are due an hour later, want 1", n)
			}
			put(t, s.NoteCompared(t.Context(), "corp", "t", now.Add(2*time.Hour), 7))
			drifts, err := s.Drifts(t.Context())
			put(t, err)
			status, err := s.Status(t.Context())
			put(t, err)
			if len(drifts) != 1 || drifts[0].Changes != 7 || status.Sinks[0].Drift != 7 || status.Sinks[0].Pending != 1 {
				t.Errorf("Drifts = %v, Status = %+v; want 7 changes", drifts, status.Sinks)
			}
			if n := due(now.Add(time.Hour)); n != 0 {
				t.Errorf("%d are due after they were compared, want 0", n)
			}
			put(t, s.NoteCompared(t.Context(), "corp", "t", now.Add(3*time.Hour), 0))
			if drifts, err = s.Drifts(t.Context()); err != nil || len(drifts) > 0 {
				t.Errorf("Drifts = %v, %v; want none", drifts, err)
			}
			lane, _, err := s.ClaimWhole(t.Context(), "corp", "t", now, now.Add(time.Minute))
			put(t, err)
			if pending, err := s.Pending(t.Context(), "corp", "t"); err != nil || !pending {
				t.Errorf("Pending = %v, %v; want true", pending, err)
			}
			put(t, s.Renew(t.Context(), lane, now.Add(time.Hour)))
			put(t, s.Finish(t.Context(), lane, nil))
		})
	}
}
