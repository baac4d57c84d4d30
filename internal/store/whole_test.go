package store_test

import (
	"errors"
	"testing"
	"time"

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
