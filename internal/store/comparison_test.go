package store_test

import (
	"testing"
	"time"

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
