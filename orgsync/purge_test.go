package orgsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/orgsync"
)

func (d *desk) purge() (orgsync.Forgotten, error) {
	d.t.Helper()
	return d.acceptor.Purge(context.Background(), orgsync.Scope{Tenant: tenantID}, false)
}

func (d *desk) dump() string { return d.store.Dump(orgsync.Scope{Tenant: tenantID}) }

// TestPurge: nothing is left but floors, nothing older comes back, something newer begins
// anew.
func TestPurge(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	history := []orgsync.Message{
		tenant(add, 1), user(add, 2, "name=张三", "mobile=13800000001", "orgCode=A"), list(3, "A", "B"),
		department(remove, 4, "B", ""), tenant(remove, 5), user(modify, 6, "name=late"),
	}
	d.say(history[:4]...)
	if _, err := d.purge(); !errors.Is(err, orgsync.ErrActive) {
		t.Fatalf("Purge of a bound tenant = %v, want ErrActive", err)
	}
	d.say(history[4:]...)
	gone, err := d.purge()
	if diff := gocmp.Diff(orgsync.Forgotten{Users: 1, Departments: 2}, gone); err != nil || diff != "" {
		t.Fatalf("Purge() = %v (-want +got)\n%s", err, diff)
	}
	purged := d.dump()
	for _, word := range []string{"张三", "13800000001", "u1", "name of A"} {
		if strings.Contains(purged, word) {
			t.Errorf("after the purge %q is still known:\n%s", word, purged)
		}
	}
	view := d.store.View(tenantID)
	if state, err := view.Tenant(context.Background()); err != nil || !state.Purged || state.Active || !state.Announced {
		t.Errorf("after the purge the tenant is %+v, %v, want purged", state, err)
	}
	if tally := d.tally(); tally[orgsync.Parked]+tally[orgsync.Held] != 0 || tally.Accepted() != 7 {
		t.Errorf("after the purge the counts are %v, want 7 accepted and none that waits", tally)
	}
	for _, m := range history { // all of it again, late
		m.At = m.At.Add(0)
		d.say(m)
	}
	if diff := gocmp.Diff(purged, d.dump()); diff != "" {
		t.Errorf("late messages left something (-purged +now)\n%s", diff)
	}
	d.say(tenant(add, 10), user(add, 11, "name=李四"), list(12, "C"))
	users, err := view.Users(context.Background(), []orgsync.UserName{"u1"})
	if err != nil || users["u1"].Status != orgsync.StatusEnabled || users["u1"].Attributes.Value(orgsync.AttrMobile) != "" {
		t.Errorf("after the return u1 is %+v, %v, want enabled and with nothing of before", users["u1"], err)
	}
	if state, err := view.Tenant(context.Background()); err != nil || state.Purged || !state.Active {
		t.Errorf("after the return the tenant is %+v, %v, want active", state, err)
	}
	if _, err := d.purge(); !errors.Is(err, orgsync.ErrActive) {
		t.Errorf("Purge of a tenant that returned = %v, want ErrActive", err)
	}
}

func TestPurgeKeepsTheFuture(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.say(tenant(add, 1), tenant(remove, 2))
	ahead := tenant(add, 86400)
	if _, err := d.accept(orgsync.Push{Message: ahead, Signed: at(3), Received: at(3)}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.purge(); !errors.Is(err, orgsync.ErrWaits) {
		t.Errorf("Purge before a message from the future = %v, want ErrWaits", err)
	}
	if _, err := d.acceptor.Purge(context.Background(), orgsync.Scope{Tenant: tenantID}, true); err != nil {
		t.Errorf("Purge that may lose it = %v", err)
	}
	if tally := d.tally(); tally[orgsync.Parked] != 0 || tally[orgsync.Stale] != 1 || tally.Accepted() != 3 {
		t.Errorf("counts are %v, want the lost message among the stale", tally)
	}
	d.say(tenant(add, 10))
	if state, err := d.store.View(tenantID).Tenant(context.Background()); err != nil || !state.Active {
		t.Errorf("a binding that is older than the lost message finds %+v, %v, want it active", state, err)
	}
}

// TestEnd: an operator's end is the marketplace's.
func TestEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	scope := orgsync.Scope{Tenant: tenantID}
	d.say(tenant(add, 1), user(add, 2, "name=张三"))
	ends, err := d.acceptor.End(context.Background(), scope, at(10))
	if err != nil || len(ends) != 1 {
		t.Fatalf("End() = %v, %v, want one message", ends, err)
	}
	d.say(ends...)
	if _, err := d.purge(); err != nil {
		t.Errorf("Purge after the end = %v", err)
	}
	if ends, err := d.acceptor.End(context.Background(), scope, at(11)); err != nil || len(ends) != 0 {
		t.Errorf("End() of what ended = %v, %v, want nothing", ends, err)
	}
}

// TestPurgeOwesTheSinks: every key that a sink may hold is owed, the tenant's own last.
func TestPurgeOwesTheSinks(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.store.OpenSinks(t.Context(), []string{"s"}); err != nil {
		t.Fatal(err)
	}
	d.say(tenant(add, 1), user(add, 2), list(3, "A", "B"), tenant(remove, 5))
	d.settle("s")
	if _, err := d.purge(); err != nil {
		t.Fatal(err)
	}
	lane, err := d.store.Claim(t.Context(), "s", at(100), at(200), 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range lane.Keys {
		got = append(got, k.String())
	}
	if diff := gocmp.Diff([]string{`user "u1"`, `department "A"`, `department "B"`, "tenant"}, got); diff != "" {
		t.Errorf("owed (-want +got)\n%s", diff)
	}
}

// TestPurgeIsAFloor: whatever was said until a purge may come again, in any order and as
// often as one likes, without a trace.
func TestPurgeIsAFloor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		d := newDesk(t)
		flags := []orgsync.Flag{add, modify, remove}
		history := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) orgsync.Message {
			second, flag := rapid.IntRange(1, 20).Draw(r, "second"), rapid.SampledFrom(flags).Draw(r, "flag")
			i := orgsync.InstanceID(rapid.SampledFrom([]string{"", "i"}).Draw(r, "instance"))
			m := rapid.SampledFrom([]orgsync.Message{
				tenant(flag, second), user(flag, second, fmt.Sprint("name=", second)), department(flag, second, "A", ""), list(second, "A", "B"),
			}).Draw(r, "message")
			m.Instance = i
			return m
		}), 1, 12).Draw(r, "history")
		d.say(history...)
		d.say(tenant(remove, 21))
		end := tenant(remove, 21)
		end.Instance = "i"
		d.say(end)
		if _, err := d.purge(); err != nil {
			r.Fatal(err)
		}
		purged := d.dump()
		d.say(rapid.Permutation(history).Draw(r, "again")...)
		if diff := gocmp.Diff(purged, d.dump()); diff != "" {
			r.Fatalf("late messages left something (-purged +now)\n%s", diff)
		}
	})
}
