package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// listOf is a full list of departments.
func listOf(departments ...orgsync.DepartmentChange) orgsync.Message {
	return orgsync.Message{Kind: orgsync.AllOrgSync, Tenant: "t", Instance: "one", Departments: departments}
}

// held is a tenant with sixty departments and a list that waits because it keeps but one.
func held(t *testing.T, cfg store.Config) (w *world, sixty, long orgsync.Message) {
	t.Helper()
	w = newWorld(t, open(t, cfg))
	w.push(t, tenantSync("one", orgsync.FlagAdd, 0))
	for n := range 60 {
		sixty.Departments = append(sixty.Departments, orgsync.DepartmentChange{Code: orgsync.OrgCode(fmt.Sprintf("d%d", n))})
	}
	sixty, long = listOf(sixty.Departments...), listOf(orgsync.DepartmentChange{Code: "d0", Name: strings.Repeat("name", 4096)})
	w.push(t, sixty)
	w.push(t, long)
	w.wantHeld(t, 1, 0)
	return w, sixty, long
}

func (w *world) wantHeld(t *testing.T, held, refused int64) {
	t.Helper()
	s, err := w.Status(t.Context())
	if got := s.Journal; err != nil || got[orgsync.Held] != held || got[orgsync.Refused] != refused {
		t.Errorf("journal = %v, %v, want %d held and %d refused", got, err, held, refused)
	}
}

// TestWaitingStaysSealed: what waits is not read when others arrive. A message may be
// megabytes, and the marketplace has a clock.
func TestWaitingStaysSealed(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w, sixty, _ := held(t, cfg)
	change(t, cfg, "UPDATE deferred SET message = 'nothing that could be opened'")
	w.push(t, sixty)
	w.wantHeld(t, 0, 0)
}

// TestWaitingOfAnOlderProgram: a message that was set aside before there were headers is
// replaced and approved as any other.
func TestWaitingOfAnOlderProgram(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w, sixty, long := held(t, cfg)
	forget := func() { change(t, cfg, "UPDATE deferred SET header = ''") }
	forget()
	w.push(t, sixty)
	w.wantHeld(t, 0, 0)
	w.push(t, long)
	w.wantHeld(t, 1, 0)
	forget()
	var id orgsync.JournalID
	query(t, cfg, "SELECT journal FROM deferred", &id)
	if _, err := w.acceptor.Approve(t.Context(), orgsync.Scope{Tenant: "t"}, id); err != nil {
		t.Fatal(err)
	}
	w.wantHeld(t, 0, 0)
	var live int
	query(t, cfg, "SELECT COUNT(*) FROM department WHERE live = 1", &live)
	if live != 1 {
		t.Errorf("%d departments live after the approval, want 1", live)
	}
}

// TestRejectedKeepsNoBody: what a person refused is known by its content alone.
func TestRejectedKeepsNoBody(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w, _, long := held(t, cfg)
	var id orgsync.JournalID
	var before, after int
	query(t, cfg, "SELECT journal FROM deferred", &id)
	query(t, cfg, "SELECT length(message) FROM deferred", &before)
	if _, err := w.acceptor.Reject(t.Context(), orgsync.Scope{Tenant: "t"}, id); err != nil {
		t.Fatal(err)
	}
	query(t, cfg, "SELECT length(message) FROM deferred", &after)
	if before < len(long.Departments[0].Name) || after > 1024 {
		t.Errorf("%d bytes while it waited, %d after the refusal, want it gone", before, after)
	}
	w.push(t, long)
	w.wantHeld(t, 0, 2)
}
