package orgsync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
)

func scope() orgsync.Scope { return orgsync.Scope{Tenant: tenantID} }

func many(n int) []orgsync.OrgCode {
	out := make([]orgsync.OrgCode, n)
	for i := range out {
		out[i] = orgsync.OrgCode(fmt.Sprintf("d%04d", i))
	}
	return out
}

func (d *desk) live() int {
	d.t.Helper()
	n := 0
	all, err := d.store.View(tenantID).Departments(context.Background(), many(2000))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, row := range all {
		if row.Live {
			n++
		}
	}
	return n
}

// receipt accepts one message and returns what became of it.
func (d *desk) receipt(m orgsync.Message) orgsync.Receipt {
	d.t.Helper()
	r, err := d.accept(orgsync.Push{Message: m})
	if err != nil {
		d.t.Fatalf("Accept(%v) = %v", said{m}, err)
	}
	return r
}

func TestGuard(t *testing.T) {
	t.Parallel()
	g := orgsync.Guard{Count: 50, Percent: 30, Max: 1000}
	for _, c := range []struct {
		name              string
		now, recent, left int
		want              bool
	}{
		{"nothing", 0, 5000, 0, false},
		{"few of many", 50, 0, 50, false},
		{"more than count, less than percent", 51, 0, 1000, false},
		{"more than both", 51, 0, 51, true},
		{"together with the last hour", 26, 25, 51, true},
		{"more than max", 1001, 0, 1000000, true},
		{"all of five", 5, 0, 0, true},
		{"all of four", 4, 0, 0, false},
	} {
		if got := g.Holds(c.now, c.recent, c.left); got != c.want {
			t.Errorf("%s: Holds(%d, %d, %d) = %v, want %v", c.name, c.now, c.recent, c.left, got, c.want)
		}
	}
}

func TestHeldListChangesNothingUntilApproved(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.say(tenant(add, 0), list(1, many(200)...))
	small := list(2, append(many(100), "new")...)
	r := d.receipt(small)
	if want := (orgsync.Tally{0, 0, 0, 101, 0}); r.Tally != want || r.Answer != orgsync.AnswerOK {
		t.Fatalf("a list that removes half = %+v, want 101 held and success", r)
	}
	if got := d.live(); got != 200 {
		t.Errorf("%d departments live while the list is held, want 200", got)
	}
	approved, err := d.acceptor.Approve(context.Background(), scope(), r.ID)
	if err != nil {
		t.Fatalf("Approve() = %v", err)
	}
	if want := (orgsync.Tally{101, 0, 0, 0, 0}); approved.Tally != want {
		t.Errorf("Approve() = %v, want %v", approved.Tally, want)
	}
	if got := d.live(); got != 100 {
		t.Errorf("%d departments live after the yes, want 100 and the new one", got)
	}
	if got, want := d.tally(), (orgsync.Tally{302, 0, 0, 0, 0}); got != want {
		t.Errorf("tally = %v, want %v", got, want)
	}
	if _, err := d.acceptor.Approve(context.Background(), scope(), r.ID); !errors.Is(err, orgsync.ErrNotFound) {
		t.Errorf("Approve() again = %v, want ErrNotFound", err)
	}
}

func TestRejectedListStaysRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.say(tenant(add, 0), list(1, many(200)...))
	r := d.receipt(list(2, many(100)...))
	if _, err := d.acceptor.Reject(context.Background(), scope(), r.ID); err != nil {
		t.Fatalf("Reject() = %v", err)
	}
	again := d.receipt(list(3, many(100)...))
	if want := (orgsync.Tally{0, 0, 0, 0, 100}); again.Tally != want {
		t.Errorf("the refused content again = %v, want %v", again.Tally, want)
	}
	other := d.receipt(list(4, many(90)...))
	if want := (orgsync.Tally{0, 0, 0, 90, 0}); other.Tally != want {
		t.Errorf("other content = %v, want %v", other.Tally, want)
	}
	if got := d.live(); got != 200 {
		t.Errorf("%d departments live, want 200", got)
	}
}

func TestNewerListSupersedesAHeldOne(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.say(tenant(add, 0), list(1, many(200)...))
	held := d.receipt(list(2, many(100)...))
	d.say(list(3, many(199)...))
	if got, want := d.tally(), (orgsync.Tally{400, 100, 0, 0, 0}); got != want {
		t.Errorf("tally = %v, want %v: the held list is stale", got, want)
	}
	if _, err := d.acceptor.Approve(context.Background(), scope(), held.ID); !errors.Is(err, orgsync.ErrNotFound) {
		t.Errorf("Approve(superseded) = %v, want ErrNotFound", err)
	}
}

func TestEmptyListIsAlwaysHeld(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.say(tenant(add, 0), list(1, "d0000"))
	if r := d.receipt(list(2)); r.Tally != (orgsync.Tally{0, 0, 0, 1, 0}) || d.live() != 1 {
		t.Errorf("an empty list = %v, %d departments live; want it held and 1", r.Tally, d.live())
	}
	d = newDesk(t)
	d.say(tenant(add, 0))
	if r := d.receipt(list(2)); r.Tally != (orgsync.Tally{0, 0, 0, 1, 0}) {
		t.Errorf("an empty list where there is nothing to lose yet = %v, want it held", r.Tally)
	}
}

func TestGuardCountsCascadesAndTheLastHour(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := list(1, many(100)...)
	for n := range m.Departments[1:] {
		m.Departments[n+1].Parent = "d0000"
	}
	d.say(tenant(add, 0), m)
	if r := d.receipt(department(remove, 2, "d0000", "")); r.Tally != (orgsync.Tally{0, 0, 0, 1, 0}) {
		t.Errorf("removing the root of 99 departments = %v, want it held", r.Tally)
	}
	for n := range 60 {
		r := d.receipt(department(remove, 3+59*n, many(100)[99-n], ""))
		if held := r.Tally[orgsync.Held] == 1; held != (n >= 50) {
			t.Fatalf("removal %d within the hour: held = %v", n+1, held)
		}
	}
	if r := d.receipt(department(remove, 2*3600, "d0001", "")); r.Tally[orgsync.Applied] != 1 {
		t.Errorf("a removal two hours later = %v, want it applied", r.Tally)
	}
}

// The end of one of two instances takes access away at once; what it destroys beyond the
// guard stays in the sinks until a person says yes.
func TestEndOfAnInstanceSparesTheSinks(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.store.OpenSinks(t.Context(), []string{"s"}); err != nil {
		t.Fatal(err)
	}
	second := tenant(add, 0)
	second.Instance = "two"
	kept := list(1, "kept")
	kept.Instance = "two"
	d.say(tenant(add, 0), second, kept, list(1, many(200)...), user(add, 1))
	d.settle("s")
	end := d.receipt(tenant(remove, 2))
	if want := (orgsync.Tally{0, 0, 0, 1, 0}); end.Tally != want {
		t.Errorf("the end of the instance = %v, want %v", end.Tally, want)
	}
	if got := seen(t, d.store); len(got.Users) != 0 || len(got.Departments) != 0 {
		t.Errorf("after the end the state has %v", got)
	}
	if owed := d.settle("s"); slices.ContainsFunc(owed, isDepartment) {
		t.Errorf("the sink is owed departments before a person said yes: %v", owed)
	}
	if _, err := d.acceptor.Approve(t.Context(), scope(), end.ID); err != nil {
		t.Fatal(err)
	}
	gone := 0
	for _, k := range d.settle("s") {
		if isDepartment(k) && k.ID != "kept" {
			gone++
		}
	}
	if gone != 200 {
		t.Errorf("after the yes the sink is owed %d departments that are gone, want 200", gone)
	}
	if got, want := d.tally(), (orgsync.Tally{205, 0, 0, 0, 0}); got != want {
		t.Errorf("tally = %v, want %v", got, want)
	}
}

func isDepartment(k orgsync.Key) bool { return k.Kind == orgsync.DepartmentKey }

// settle takes what the sink is owed and returns it.
func (d *desk) settle(sink string) (owed []orgsync.Key) {
	d.t.Helper()
	for {
		lane, err := d.store.Claim(context.Background(), sink, at(0), at(60), 1000)
		if errors.Is(err, orgsync.ErrNotFound) {
			return owed
		}
		if err != nil {
			d.t.Fatal(err)
		}
		var outcomes []orgsync.Outcome
		for _, k := range lane.Keys {
			owed = append(owed, k.Key)
			outcomes = append(outcomes, orgsync.Outcome{Key: k.Key, Revision: k.Revision, Done: true})
		}
		if err := d.store.Finish(context.Background(), lane, outcomes); err != nil {
			d.t.Fatal(err)
		}
	}
}

// What did not come back after a tenant's end and return is gone once the new list is
// known, and the sinks hear of it.
func TestReturnOfATenantForgetsWhatDidNotComeBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.store.OpenSinks(t.Context(), []string{"s"}); err != nil {
		t.Fatal(err)
	}
	d.say(tenant(add, 0), list(1, "d1", "d2"))
	d.settle("s")
	d.say(tenant(remove, 2), tenant(add, 3))
	if owed := d.settle("s"); slices.ContainsFunc(owed, isDepartment) {
		t.Errorf("before the new list the sink is owed departments: %v", owed)
	}
	d.say(list(4, "d1"))
	if owed := d.settle("s"); !slices.Contains(owed, orgsync.Key{Kind: orgsync.DepartmentKey, ID: "d2"}) {
		t.Errorf("after the new list the sink is owed %v, not the department that did not come back", owed)
	}
}

func TestApprovedEmptyListIsCounted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.say(tenant(add, 0), list(1, "d1"))
	held := d.receipt(list(2))
	if _, err := d.acceptor.Approve(t.Context(), scope(), held.ID); err != nil {
		t.Fatal(err)
	}
	if got, want := d.tally(), (orgsync.Tally{3, 0, 0, 0, 0}); got != want || d.live() != 0 {
		t.Errorf("tally = %v, %d live; want %v, 0", got, d.live(), want)
	}
	if r := d.receipt(list(1)); r.Tally != (orgsync.Tally{0, 1, 0, 0, 0}) {
		t.Errorf("an empty list older than the last = %v, want it stale", r.Tally)
	}
}

func TestBrokenListKeepsTheHeldOne(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.say(tenant(add, 0), list(1, many(200)...))
	held := d.receipt(list(2, many(10)...))
	d.say(list(3, "d0001", " bad"))
	if _, err := d.acceptor.Approve(t.Context(), scope(), held.ID); err != nil {
		t.Errorf("Approve() = %v: a list that says nothing by its silence replaced the held one", err)
	}
}

func TestFromTheFuture(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	now := at(0)
	push := func(m orgsync.Message, signed time.Time) orgsync.Receipt {
		r, err := d.accept(orgsync.Push{Message: m, Signed: signed, Received: signed})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	push(tenant(add, 0), now)
	if r := push(user(add, 600), now); r.Tally[orgsync.Applied] != 1 {
		t.Errorf("ten minutes ahead = %v, want it applied", r.Tally)
	}
	late := push(user(remove, 601), now)
	if late.Tally != (orgsync.Tally{0, 0, 1, 0, 0}) {
		t.Fatalf("more than ten minutes ahead = %v, want it parked", late.Tally)
	}
	for _, c := range []struct {
		now  time.Time
		want int
	}{{at(600), 1}, {at(601), 0}} {
		if err := d.acceptor.ReleaseDue(context.Background(), c.now); err != nil {
			t.Fatal(err)
		}
		if got := len(seen(t, d.store).Users); got != c.want {
			t.Errorf("%s: %d users, want %d", c.now.Sub(now), got, c.want)
		}
	}
	if got, want := d.tally(), (orgsync.Tally{3, 0, 0, 0, 0}); got != want {
		t.Errorf("tally = %v, want %v", got, want)
	}
}

func TestFutureListMeetsTheGuardWhenDue(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.say(tenant(add, 0), list(1, many(200)...))
	if _, err := d.accept(orgsync.Push{Message: list(5000, many(10)...), Signed: at(2), Received: at(2)}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := d.acceptor.ReleaseDue(context.Background(), at(5000)); err != nil {
			t.Fatal(err)
		}
		if got, want := d.tally(), (orgsync.Tally{201, 0, 0, 10, 0}); got != want || d.live() != 200 {
			t.Errorf("tally = %v, %d live; want %v, 200", got, d.live(), want)
		}
	}
}

func domain(flag orgsync.Flag, second int, address string) orgsync.Message {
	m := tenant(flag, second)
	m.Enterprise = orgsync.Enterprise{Name: text(fmt.Sprint("name ", second)), Domain: &address}
	return m
}

func of(i orgsync.InstanceID, m orgsync.Message) orgsync.Message {
	m.Instance = i
	return m
}

func TestNewHostIsHeld(t *testing.T) {
	t.Parallel()
	credential := orgsync.Message{Kind: orgsync.ApplicationSync, Flag: add, App: "a", At: at(1), Client: orgsync.Client{ID: "c", Secret: "s"}}
	for _, c := range []struct {
		name     string
		say      []orgsync.Message
		held     int64
		want     string // the domain now
		approved string // and after a yes
	}{
		{"same host", []orgsync.Message{domain(add, 0, "https://a.example"), credential, domain(modify, 2, "A.example/x")}, 0, "A.example/x", ""},
		{"no credential yet", []orgsync.Message{domain(add, 0, "a.example"), domain(modify, 2, "b.example")}, 0, "b.example", ""},
		{"another host", []orgsync.Message{domain(add, 0, "a.example"), credential, domain(modify, 2, "b.example")}, 1, "a.example", "b.example"},
		{"vouched for", []orgsync.Message{domain(add, 0, "a.example"), credential, domain(modify, 2, "x.ok.example")}, 0, "x.ok.example", ""},
		{"only looks vouched for", []orgsync.Message{domain(add, 0, "a.example"), credential, domain(modify, 2, "notok.example")}, 1, "a.example", "notok.example"},
		{"hidden behind another instance", []orgsync.Message{
			domain(add, 5, "a.example"), credential, of("two", domain(add, 2, "b.example")),
		}, 1, "a.example", ""},
		{"an old message", []orgsync.Message{domain(add, 5, "a.example"), credential, domain(modify, 2, "b.example")}, 0, "a.example", ""},
		{
			"superseded",
			[]orgsync.Message{domain(add, 0, "a.example"), credential, domain(modify, 2, "b.example"), domain(modify, 3, "a.example")},
			0, "a.example", "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := orgsynctest.NewMemory()
			d := &desk{t: t, store: store, acceptor: orgsync.NewAcceptor(store, orgsync.Policy{Hosts: []string{"ok.example"}}, nil)}
			var last orgsync.Receipt
			for _, m := range c.say {
				last = d.receipt(m)
			}
			now, err := store.View(tenantID).Tenant(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if got := d.tally()[orgsync.Held]; got != c.held || now.Domain != c.want {
				t.Errorf("held = %d, domain = %s; want %d, %s", got, now.Domain, c.held, c.want)
			}
			if c.approved == "" {
				return
			}
			if now.Name != "name 2" {
				t.Errorf("the rest of the message did not apply: name = %q", now.Name)
			}
			if _, err := d.acceptor.Approve(context.Background(), scope(), last.ID); err != nil {
				t.Fatal(err)
			}
			now, err = store.View(tenantID).Tenant(context.Background())
			if err != nil || now.Domain != c.approved {
				t.Errorf("after the yes the domain is %s, %v; want %s", now.Domain, err, c.approved)
			}
			if got, want := d.tally(), (orgsync.Tally{3, 0, 0, 0, 0}); got != want {
				t.Errorf("tally = %v, want %v", got, want)
			}
		})
	}
}

func TestStoredMessageReadsBack(t *testing.T) {
	t.Parallel()
	m := user(add, 1, "name=张三", "enable=false", "mobile=")
	m.Client = orgsync.Client{ID: "c", Secret: "s"}
	m.Enterprise.Domain = text("d")
	stored, err := orgsync.EncodeMessage(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := orgsync.DecodeMessage(stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(m, got, gocmp.AllowUnexported(orgsync.Attributes{})); diff != "" {
		t.Errorf("DecodeMessage(EncodeMessage()) (-want +got)\n%s", diff)
	}
}

// TestReturnOfATenant: what the sinks kept when the tenant ended goes when a list says
// what came back, whichever instance it is of and whether it or the binding came first.
func TestReturnOfATenant(t *testing.T) {
	t.Parallel()
	other := func(m orgsync.Message) orgsync.Message { m.Instance = "i2"; return m }
	for _, c := range []struct {
		name string
		say  []orgsync.Message
	}{
		{"same instance", []orgsync.Message{tenant(add, 4), list(5, "a")}},
		{"same instance, list first", []orgsync.Message{list(5, "a"), tenant(add, 4)}},
		{"another instance", []orgsync.Message{other(tenant(add, 4)), other(list(5, "a"))}},
		{"another instance, list first", []orgsync.Message{other(list(5, "a")), other(tenant(add, 4))}},
	} {
		d := newDesk(t)
		if err := d.store.OpenSinks(context.Background(), []string{"s"}); err != nil {
			t.Fatal(err)
		}
		d.say(tenant(add, 1), list(2, "a", "b"))
		d.settle("s")
		d.say(tenant(remove, 3))
		gone := orgsync.Key{Kind: orgsync.DepartmentKey, ID: "b"}
		if owed := d.settle("s"); slices.Contains(owed, gone) {
			t.Errorf("%s: at the end the sink is owed %v", c.name, owed)
		}
		d.say(c.say[0])
		d.settle("s")
		d.say(c.say[1])
		if owed := d.settle("s"); !slices.Contains(owed, gone) {
			t.Errorf("%s: the sink is owed %v, not the department that did not come back", c.name, owed)
		}
	}
}

// TestReturnMeetsTheGuard: what the first full list after a tenant's return does not name is
// absence inferred from a list. The guard counts it, once, whichever instance lists and
// whether the list or the binding came first; a person's yes lets it go.
func TestReturnMeetsTheGuard(t *testing.T) {
	t.Parallel()
	half := many(200)[:100]
	for _, c := range []struct {
		name      string
		back, all orgsync.Message // the return, and the list after it
	}{
		{"same instance", tenant(add, 4), list(5, half...)},
		{"same instance, list first", list(5, half...), tenant(add, 4)},
		{"another instance", ofOther(tenant(add, 4)), ofOther(list(5, half...))},
		{"another instance, list first", ofOther(list(5, half...)), ofOther(tenant(add, 4))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if err := d.store.OpenSinks(context.Background(), []string{"s"}); err != nil {
				t.Fatal(err)
			}
			d.say(tenant(add, 1), list(2, many(200)...), tenant(remove, 3))
			d.settle("s")
			d.say(c.back, c.all)
			if owed := d.settle("s"); slices.ContainsFunc(owed, isDepartment) {
				t.Errorf("the sink is owed %d departments before a person said yes", len(owed))
			}
			if got := d.tally()[orgsync.Held]; got != 100 {
				t.Fatalf("%d changes are held, want the list's 100", got)
			}
			approveAll(t, d.store, d.acceptor)
			gone := orgsync.Key{Kind: orgsync.DepartmentKey, ID: "d0150"}
			if owed := d.settle("s"); !slices.Contains(owed, gone) || d.live() != 100 {
				t.Errorf("after the yes the sink is owed %d keys, %d departments live; want those that did not come back, and 100", len(owed), d.live())
			}
			again := list(6, half[:99]...)
			again.Instance = c.all.Instance
			if r := d.receipt(again); r.Tally[orgsync.Held] != 0 {
				t.Errorf("a later list that loses one = %v: what went is counted again", r.Tally)
			}
		})
	}
}

// TestReturnOfAFewIsNotHeld: and what goes within the guard's bounds goes, and counts for the
// hour.
func TestReturnOfAFewIsNotHeld(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.store.OpenSinks(context.Background(), []string{"s"}); err != nil {
		t.Fatal(err)
	}
	d.say(tenant(add, 1), list(2, many(100)...), tenant(remove, 3))
	d.settle("s")
	if r := d.receipt(tenant(add, 4)); r.Tally[orgsync.Held] != 0 {
		t.Fatalf("the return = %v", r.Tally)
	}
	if r := d.receipt(list(5, many(60)...)); r.Tally[orgsync.Held] != 0 {
		t.Fatalf("a list that leaves out 40 = %v, want it applied", r.Tally)
	}
	if owed := d.settle("s"); !slices.Contains(owed, orgsync.Key{Kind: orgsync.DepartmentKey, ID: "d0099"}) {
		t.Errorf("the sink is owed %v, not the departments that did not come back", owed)
	}
	if r := d.receipt(list(6, many(40)...)); r.Tally[orgsync.Held] != 40 {
		t.Errorf("a list that leaves out 20 more within the hour = %v, want it held", r.Tally)
	}
}

// TestHeldEndOutlivesOthersLists: while an instance's end waits for a person's yes, or was
// refused it, no list and no new code of another instance takes from the sinks what it spares.
func TestHeldEndOutlivesOthersLists(t *testing.T) {
	t.Parallel()
	gone := orgsync.Key{Kind: orgsync.DepartmentKey, ID: "B"}
	renamed := ofOther(tenant(modify, 4))
	renamed.Enterprise.Code = text("another")
	for _, c := range []struct {
		name    string
		refused bool
		then    orgsync.Message
	}{
		{"a list", false, ofOther(list(4, "A"))},
		{"a new code", false, renamed},
		{"a list after a person's no", true, ofOther(list(4, "A"))},
	} {
		d := heldDesk(t, list(1, "A", "B"), ofOther(list(1, "A")))
		end := d.receipt(tenant(remove, 2))
		if end.Tally[orgsync.Held] != 1 {
			t.Fatalf("%s: the end = %v, want it held", c.name, end.Tally)
		}
		if c.refused {
			if _, err := d.acceptor.Reject(context.Background(), scope(), end.ID); err != nil {
				t.Fatal(err)
			}
		}
		if r := d.receipt(c.then); r.Tally[orgsync.Held] != 0 {
			t.Errorf("%s = %v, want that it loses nothing", c.name, r.Tally)
		}
		if owed := d.settle("s"); slices.Contains(owed, gone) {
			t.Errorf("%s: the sink is owed %v, which a person has not said yes to", c.name, owed)
		}
		if c.refused {
			continue
		}
		if _, err := d.acceptor.Approve(context.Background(), scope(), end.ID); err != nil {
			t.Fatal(err)
		}
		if owed := d.settle("s"); !slices.Contains(owed, gone) {
			t.Errorf("%s: after the yes the sink is owed %v", c.name, owed)
		}
	}
}

// heldDesk is a desk whose guard holds whatever destroys, with two bound instances and a
// sink that has everything so far.
func heldDesk(t *testing.T, messages ...orgsync.Message) *desk {
	t.Helper()
	d := newDesk(t)
	d.acceptor = orgsync.NewAcceptor(d.store, orgsync.Policy{}, nil)
	if err := d.store.OpenSinks(context.Background(), []string{"s"}); err != nil {
		t.Fatal(err)
	}
	d.say(tenant(add, 0), ofOther(tenant(add, 0)))
	d.say(messages...)
	d.settle("s")
	return d
}

// ofOther is the same said of another instance.
func ofOther(m orgsync.Message) orgsync.Message { m.Instance = "i2"; return m }

// TestHeldRemovalAndNewAssertion: a department that is asserted anew while its removal is
// held stays, and what another instance said before the removal is gone all the same.
func TestHeldRemovalAndNewAssertion(t *testing.T) {
	t.Parallel()
	d := heldDesk(t, ofOther(list(1, "A", "B")))
	if got := d.receipt(department(remove, 2, "A", "")).Tally; got[orgsync.Held] != 1 {
		t.Fatalf("the removal is %v, want it held", got)
	}
	d.say(department(add, 3, "A", ""))
	if got, want := d.tally(), (orgsync.Tally{5, 1, 0, 0, 0}); got != want {
		t.Errorf("verdicts %v, want %v", got, want)
	}
	live := func() (codes []orgsync.OrgCode) {
		all, err := d.store.View(tenantID).Departments(context.Background(), []orgsync.OrgCode{"A", "B", "C"})
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range []orgsync.OrgCode{"A", "B", "C"} {
			if all[code].Live {
				codes = append(codes, code)
			}
		}
		return codes
	}
	if diff := gocmp.Diff([]orgsync.OrgCode{"A", "B"}, live()); diff != "" {
		t.Errorf("after the assertion (-want +got)\n%s", diff)
	}
	r := d.receipt(list(4, "C")) // takes the assertion back
	if r.Tally[orgsync.Held] != 1 {
		t.Fatalf("the list is %v, want it held", r.Tally)
	}
	if _, err := d.acceptor.Approve(context.Background(), scope(), r.ID); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]orgsync.OrgCode{"B", "C"}, live()); diff != "" {
		t.Errorf("after the list (-want +got)\n%s", diff)
	}
}

// TestHeldEndStaysHeld: what the end of one instance takes from the sinks waits for a
// person's yes, also when the instance is changed or ended once more. Only its return
// spares it.
func TestHeldEndStaysHeld(t *testing.T) {
	t.Parallel()
	changed := tenant(modify, 3)
	changed.Enterprise.Domain = text("https://a.example.com")
	gone := orgsync.Key{Kind: orgsync.DepartmentKey, ID: "B"}
	for _, c := range []struct {
		name      string
		wasBefore bool // a return that the end should have preceded
		then      orgsync.Message
		held      int64
	}{
		{"changed", false, changed, 1},
		{"ended again", false, tenant(remove, 3), 1},
		{"returned", false, tenant(add, 3), 0},
		{"returned before the end came", true, tenant(modify, 4), 1},
	} {
		d := heldDesk(t, list(1, "A", "B"), ofOther(list(1, "A")))
		if c.wasBefore {
			d.say(tenant(add, 3))
			d.settle("s")
		}
		end := d.receipt(tenant(remove, 2))
		d.say(c.then)
		if owed := d.settle("s"); slices.Contains(owed, gone) || d.tally()[orgsync.Held] != c.held {
			t.Errorf("%s: the sink is owed %v, verdicts %v; want %d held", c.name, owed, d.tally(), c.held)
		}
		_, err := d.acceptor.Approve(context.Background(), scope(), end.ID)
		if c.held == 0 {
			if !errors.Is(err, orgsync.ErrNotFound) {
				t.Errorf("%s: Approve = %v, want that nothing waits", c.name, err)
			}
			continue
		}
		if owed := d.settle("s"); err != nil || !slices.Contains(owed, gone) || d.tally()[orgsync.Held] != 0 {
			t.Errorf("%s: after the yes (%v) the sink is owed %v, verdicts %v", c.name, err, owed, d.tally())
		}
	}
}
