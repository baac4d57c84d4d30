package store_test

import (
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// TestTakeComparison: a comparison that is due is one process's, until it is recorded, given up
// or the process has been gone for a while.
func TestTakeComparison(t *testing.T) {
	t.Parallel()
	s := open(t, config(t))
	w := newWorld(t, s)
	if err := s.OpenSinks(t.Context(), []string{"corp"}); err != nil {
		t.Fatal(err)
	}
	w.PutTenant(t, sso.Tenant{ID: "t1", Live: true})
	now := time.Now()
	if _, err := s.DueToCompare(t.Context(), "corp", now); err != nil { // its time begins
		t.Fatal(err)
	}
	later := now.Add(time.Hour)
	for _, step := range []struct {
		what   string
		do     func() error
		before time.Time
		at     time.Time
		want   bool
	}{
		{"not due", nil, now.Add(-time.Minute), later, false},
		{"due", nil, later, later, true},
		{"taken", nil, later, later, false},
		{"given up by somebody else", func() error { return s.DropComparison(t.Context(), "corp", "t1", later.Add(time.Hour)) }, later, later, false},
		{"given up", func() error { return s.DropComparison(t.Context(), "corp", "t1", later.Add(time.Minute)) }, later, later, true},
		{"left alone", nil, later, later.Add(2 * time.Minute), true},
		{"recorded", func() error { return s.NoteCompared(t.Context(), "corp", "t1", later.Add(time.Minute), 0) }, later, later.Add(time.Hour), false},
		{"due again", nil, later.Add(time.Hour), later.Add(time.Hour), true},
	} {
		if step.do != nil {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.TakeComparison(t.Context(), "corp", "t1", step.before, step.at, step.at.Add(time.Minute))
		if err != nil || got != step.want {
			t.Errorf("%s: TakeComparison() = %v, %v, want %v", step.what, got, err, step.want)
		}
	}
}

// TestOweTenant: a sink owes everything of the one tenant, and nothing of another.
func TestOweTenant(t *testing.T) {
	t.Parallel()
	s := open(t, config(t))
	w := newWorld(t, s)
	if err := s.OpenSinks(t.Context(), []string{"corp"}); err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []sso.TenantID{"t1", "t2"} {
		w.PutTenant(t, sso.Tenant{ID: tenant, Live: true})
		w.PutAccount(t, tenant, "app", "li", sso.Account{Status: sso.AccountActive})
	}
	settleLanes(t, s, "corp")
	if err := s.OweTenant(t.Context(), "corp", "t1"); err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[orgsync.TenantID]bool{"t1": true, "t2": false} {
		if got, err := s.Pending(t.Context(), "corp", tenant); err != nil || got != want {
			t.Errorf("Pending(%s) = %v, %v, want %v", tenant, got, err, want)
		}
	}
	lane, err := s.Claim(t.Context(), "corp", time.Now(), time.Now(), 100)
	if err != nil || lane.Tenant != "t1" || len(lane.Keys) != 2 {
		t.Errorf("Claim = %+v, %v, want the tenant and its user", lane, err)
	}
}
