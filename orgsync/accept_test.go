package orgsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
)

// desk accepts pushes one after another and keeps their receipts.
type desk struct {
	t        *testing.T
	store    *orgsynctest.Memory
	acceptor *orgsync.Acceptor
	sent     int
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	store := orgsynctest.NewMemory()
	return &desk{t: t, store: store, acceptor: orgsync.NewAcceptor(store, orgsync.Policy{Guard: orgsync.DefaultGuard()}, nil)}
}

func (d *desk) accept(p orgsync.Push) (orgsync.Receipt, error) {
	d.sent++
	p.Kind = p.Message.Kind
	p.Message.Tenant, p.Message.Stamp = tenantID, p.Message.At
	if p.Received.IsZero() {
		p.Received = p.Message.At
	}
	if p.Nonce == "" {
		p.Nonce = fmt.Sprint(d.sent)
	}
	return d.acceptor.Accept(context.Background(), p)
}

func (d *desk) say(messages ...orgsync.Message) {
	d.t.Helper()
	for _, m := range messages {
		if _, err := d.accept(orgsync.Push{Message: m}); err != nil {
			d.t.Fatalf("Accept(%v) = %v", said{m}, err)
		}
	}
}

func (d *desk) tally() orgsync.Tally { return d.store.Tally(orgsync.Scope{Tenant: tenantID}) }

func at(second int) time.Time { return epoch().Add(time.Duration(second) * time.Second) }

func tenant(flag orgsync.Flag, second int) orgsync.Message {
	return orgsync.Message{Kind: orgsync.TenantSync, Flag: flag, At: at(second)}
}

// user says "attribute=value" pairs about u1.
func user(flag orgsync.Flag, second int, pairs ...string) orgsync.Message {
	u := orgsync.UserChange{Name: "u1"}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		a, ok := orgsync.AttributeNamed(name)
		if !ok {
			panic(name)
		}
		u.Attributes = u.Attributes.Set(a, value)
	}
	return orgsync.Message{Kind: orgsync.AuthSync, Flag: flag, App: "a", At: at(second), Users: []orgsync.UserChange{u}}
}

func department(flag orgsync.Flag, second int, code, parent orgsync.OrgCode) orgsync.Message {
	return orgsync.Message{
		Kind: orgsync.SingleOrgSync, Flag: flag, At: at(second),
		Departments: []orgsync.DepartmentChange{{Code: code, Name: "name of " + string(code), Parent: parent}},
	}
}

func list(second int, codes ...orgsync.OrgCode) orgsync.Message {
	m := orgsync.Message{Kind: orgsync.AllOrgSync, At: at(second)}
	for _, c := range codes {
		m.Departments = append(m.Departments, orgsync.DepartmentChange{Code: c, Name: "name of " + string(c)})
	}
	return m
}

const (
	remove = orgsync.FlagRemove
	add    = orgsync.FlagAdd
	modify = orgsync.FlagModify
	revoke = orgsync.FlagRevoke
)

// Of two statements of the same moment the one that gives less access wins, in
// whichever order they come.
func TestEqualTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		a, b orgsync.Message
		want world
	}{
		{"0 beats 1", user(remove, 1), user(add, 1, "name=n"), world{}},
		{"0 beats 3", user(remove, 1), user(revoke, 1), world{}},
		{"3 beats 1", user(revoke, 1), user(add, 1, "name=n"), world{Users: map[string]string{"u1": "disabled"}}},
		{"3 beats 2", user(revoke, 1), user(modify, 1, "name=n"), world{Users: map[string]string{"u1": "disabled"}}},
		{"2 beats 1", user(modify, 1, "name=two"), user(add, 1, "name=one"), world{Users: map[string]string{"u1": "enabled role=user name=two"}}},
		{"off beats on, whatever the flag", user(modify, 1, "enable=true"), user(add, 1, "enable=false"), world{Users: map[string]string{"u1": "disabled"}}},
		{"user beats admin, whatever the flag", user(modify, 1, "role=admin"), user(add, 1, "role=user"), world{Users: map[string]string{"u1": "enabled role=user"}}},
		{"one department beats the list", department(add, 1, "A", ""), list(1, "B"), world{Departments: map[string]string{
			"A": "name of A< true", "B": "name of B< true",
		}}},
		{"a removal beats the list", department(remove, 1, "A", ""), list(1, "A", "B"), world{Departments: map[string]string{"B": "name of B< true"}}},
		{"the end beats a grant", tenant(remove, 1), user(add, 1), world{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := c.want
			want.Active = c.a.Kind != orgsync.TenantSync
			if want.Users == nil {
				want.Users = map[string]string{}
			}
			if want.Departments == nil {
				want.Departments = map[string]string{}
			}
			for _, order := range [][]orgsync.Message{{c.a, c.b}, {c.b, c.a}} {
				d := newDesk(t)
				d.say(tenant(add, 0))
				d.say(order...)
				if diff := gocmp.Diff(want, seen(t, d.store)); diff != "" {
					t.Errorf("%v (-want +got)\n%s", order, diff)
				}
			}
		})
	}
}

// What became of each change, in numbers: applied, stale, parked, held, refused.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		say  []orgsync.Message
		want orgsync.Tally
	}{
		{"news", []orgsync.Message{tenant(add, 0), user(add, 1, "name=n")}, orgsync.Tally{2, 0, 0, 0, 0}},
		{"the same again", []orgsync.Message{tenant(add, 0), user(add, 1), user(add, 1)}, orgsync.Tally{2, 1, 0, 0, 0}},
		{"older than a removal", []orgsync.Message{tenant(add, 0), user(remove, 2), user(add, 1)}, orgsync.Tally{2, 1, 0, 0, 0}},
		{"removal of somebody unknown", []orgsync.Message{tenant(add, 0), user(remove, 2)}, orgsync.Tally{2, 0, 0, 0, 0}},
		{"before the tenant", []orgsync.Message{user(add, 1)}, orgsync.Tally{0, 0, 1, 0, 0}},
		{"then the tenant", []orgsync.Message{user(add, 1), tenant(add, 0)}, orgsync.Tally{2, 0, 0, 0, 0}},
		{"then the tenant's end", []orgsync.Message{user(add, 1), tenant(remove, 2)}, orgsync.Tally{1, 1, 0, 0, 0}},
		{"superseded while waiting", []orgsync.Message{user(add, 1), user(modify, 2, "name=n")}, orgsync.Tally{0, 1, 1, 0, 0}},
		{"changed after removal", []orgsync.Message{tenant(add, 0), user(remove, 1), user(modify, 2, "name=n")}, orgsync.Tally{2, 0, 1, 0, 0}},
		{
			"changed after removal, then the missing grant",
			[]orgsync.Message{tenant(add, 0), user(remove, 1), user(modify, 3, "name=n"), user(add, 2)},
			orgsync.Tally{4, 0, 0, 0, 0},
		},
		{"changed after removal, then removed again", []orgsync.Message{
			tenant(add, 0), user(remove, 1), user(modify, 2, "name=n"), user(remove, 3),
		}, orgsync.Tally{3, 1, 0, 0, 0}},
		{"child before parent", []orgsync.Message{tenant(add, 0), department(add, 1, "B", "A")}, orgsync.Tally{1, 0, 1, 0, 0}},
		{"then the parent", []orgsync.Message{
			tenant(add, 0), department(add, 1, "B", "A"), department(add, 1, "A", ""),
		}, orgsync.Tally{3, 0, 0, 0, 0}},
		{"its parent removed", []orgsync.Message{
			tenant(add, 0), department(add, 1, "A", ""), department(add, 1, "B", "A"), department(remove, 2, "A", ""),
		}, orgsync.Tally{3, 0, 1, 0, 0}},
		{"a department of nobody yet", []orgsync.Message{department(add, 1, "A", "")}, orgsync.Tally{0, 0, 1, 0, 0}},
		{"then denied", []orgsync.Message{department(add, 1, "A", ""), department(remove, 2, "A", "")}, orgsync.Tally{1, 1, 0, 0, 0}},
		{"absence is no change", []orgsync.Message{
			tenant(add, 0), department(add, 1, "A", ""), list(2, "B"),
		}, orgsync.Tally{3, 0, 0, 0, 0}},
		{"a list that breaks off", []orgsync.Message{
			tenant(add, 0), {Kind: orgsync.AllOrgSync, At: at(1), Incomplete: true, Departments: list(1, "A").Departments},
		}, orgsync.Tally{2, 0, 1, 0, 0}},
		{"a list with a bad code", []orgsync.Message{tenant(add, 0), list(1, "A", " B")}, orgsync.Tally{2, 0, 1, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.say(c.say...)
			if diff := gocmp.Diff(c.want, d.tally()); diff != "" {
				t.Errorf("applied, stale, parked, held, refused (-want +got)\n%s", diff)
			}
		})
	}
}

func TestListWithABadCodeRemovesNothing(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]orgsync.Message{
		"bad code":        list(2, "A", "B\n"),
		"not read to end": {Kind: orgsync.AllOrgSync, At: at(2), Incomplete: true, Departments: list(2, "A").Departments},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.say(tenant(add, 0), department(add, 1, "C", ""), m)
			want := map[string]string{"A": "name of A< true", "C": "name of C< true"}
			if diff := gocmp.Diff(want, seen(t, d.store).Departments); diff != "" {
				t.Errorf("departments (-want +got)\n%s", diff)
			}
		})
	}
}

func TestOneBadUserStopsNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := user(add, 1)
	m.Users = append(m.Users, orgsync.UserChange{Name: " u2"}, orgsync.UserChange{Name: orgsync.UserName(strings.Repeat("长", 65))}, orgsync.UserChange{Name: "u2"})
	d.say(tenant(add, 0), m)
	if got, want := d.tally(), (orgsync.Tally{3, 0, 2, 0, 0}); got != want {
		t.Errorf("tally = %v, want %v", got, want)
	}
	if got := seen(t, d.store).Users; len(got) != 2 {
		t.Errorf("users = %v, want u1 and u2", got)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.say(tenant(add, 0))
	first := orgsync.Push{Message: user(add, 1), Nonce: "n", Digest: [32]byte{1}}
	if _, err := d.accept(first); err != nil {
		t.Fatal(err)
	}
	again, err := d.accept(first)
	if err != nil || !again.Repeated || again.Answer != orgsync.AnswerOK || again.Tally != (orgsync.Tally{}) {
		t.Errorf("the same push again = %+v, %v, want the first answer and no change", again, err)
	}
	other := orgsync.Push{Message: user(remove, 2), Nonce: "n", Digest: [32]byte{2}}
	if _, err := d.accept(other); !errors.Is(err, orgsync.ErrReplay) {
		t.Errorf("another body under the same nonce = %v, want ErrReplay", err)
	}
	if got, want := d.tally(), (orgsync.Tally{2, 0, 0, 0, 0}); got != want {
		t.Errorf("tally = %v, want %v", got, want)
	}
	if got := seen(t, d.store).Users; got["u1"] == "" {
		t.Errorf("users = %v: the replay removed somebody", got)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		refused error
		answer  orgsync.Answer
	}{
		{&orgsync.FieldError{Field: "flag", Reason: "is missing"}, orgsync.AnswerInvalid},
		{fmt.Errorf("no key fits: %w", orgsync.ErrSecret), orgsync.AnswerSecret},
	} {
		d := newDesk(t)
		p := orgsync.Push{Message: user(add, 1), Refused: c.refused, Nonce: "n"}
		for range 2 { // the second time it is the stored answer
			r, err := d.accept(p)
			if err != nil || r.Answer != c.answer {
				t.Errorf("Accept(refused: %v) = %+v, %v, want answer %d", c.refused, r, err, c.answer)
			}
		}
		if got, want := d.tally(), (orgsync.Tally{0, 0, 0, 0, 1}); got != want {
			t.Errorf("tally = %v, want %v", got, want)
		}
	}
}

// The test realm is a second state with its own counters, and no sink hears of it.
func TestRealmsShareNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.store.OpenSinks(context.Background(), []string{"s"}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []orgsync.Message{tenant(add, 0), user(add, 1)} {
		m.Realm = orgsync.Test
		d.say(m)
	}
	if got := d.tally(); got != (orgsync.Tally{}) {
		t.Errorf("production tally = %v, want nothing", got)
	}
	if got, want := d.store.Tally(orgsync.Scope{Realm: orgsync.Test, Tenant: tenantID}), (orgsync.Tally{2, 0, 0, 0, 0}); got != want {
		t.Errorf("test tally = %v, want %v", got, want)
	}
	if n := d.store.Pending("s"); n != 0 {
		t.Errorf("the sink is owed %d keys of the test realm", n)
	}
}

// One message with a very deep or very round tree must not keep the others waiting.
func TestGreatTreesAreCheap(t *testing.T) {
	t.Parallel()
	const n = 20_000
	code := func(i int) orgsync.OrgCode { return orgsync.OrgCode(fmt.Sprintf("c%05d", i)) }
	for name, top := range map[string]orgsync.OrgCode{"chain": "", "cycle": code(n - 1)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := make(map[orgsync.OrgCode]orgsync.Department, n)
			looked := 0
			placer := orgsync.Placer{Lookup: func(c orgsync.OrgCode) (orgsync.Department, bool, error) {
				looked++
				d, ok := rows[c]
				return d, ok, nil
			}}
			for i := range n {
				d := orgsync.Department{Code: code(i), Live: true, Parent: top}
				if i > 0 {
					d.Parent = code(i - 1)
				}
				rows[d.Code] = d
			}
			placed := 0
			for i := range n {
				ok, reason, err := placer.Place(rows[code(n-1-i)])
				if err != nil || len(reason) > 100 {
					t.Fatalf("Place() = %v, %q, %v", ok, reason, err)
				}
				if ok {
					placed++
				}
			}
			path := orgsync.PathOf(rows[code(n-1)], func(c orgsync.OrgCode) (orgsync.Department, bool) { d, ok := rows[c]; return d, ok })
			if len(path) > orgsync.MaxDepth {
				t.Errorf("a path has %d levels, want at most %d", len(path), orgsync.MaxDepth)
			}
			if looked > 2*n {
				t.Errorf("%d rows were looked up for %d departments", looked, n)
			}
			if want := map[string]int{"chain": orgsync.MaxDepth, "cycle": 0}[name]; placed != want {
				t.Errorf("%d departments are placed, want %d", placed, want)
			}
		})
	}
}

func TestEndAloneAnnouncesNobody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		say  []orgsync.Message
		want bool
	}{
		{"end", []orgsync.Message{tenant(remove, 1)}, false},
		// In the other order the sinks have been told already, and must hear of the end.
		{"end and later change", []orgsync.Message{tenant(remove, 1), tenant(modify, 2)}, true},
		{"later change and end", []orgsync.Message{tenant(modify, 2), tenant(remove, 1)}, true},
		{"change and later end", []orgsync.Message{tenant(modify, 1), tenant(remove, 2)}, true},
		{"binding and end", []orgsync.Message{tenant(remove, 2), tenant(add, 1)}, true},
	} {
		d := newDesk(t)
		d.say(c.say...)
		got, err := d.store.View(tenantID).Tenant(context.Background())
		if err != nil || got.Announced != c.want {
			t.Errorf("%s: announced = %v, %v; want %v", c.name, got.Announced, err, c.want)
		}
	}
}

func TestPlacementReasons(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.say(
		tenant(add, 0), department(add, 1, "A", "B"), department(add, 1, "B", "A"), department(add, 1, "C", "C"),
		department(add, 1, "D", "X"), department(remove, 1, "X", ""),
	)
	got := map[orgsync.OrgCode]string{}
	all, err := d.store.View(tenantID).Departments(context.Background(), codes())
	if err != nil {
		t.Fatal(err)
	}
	for code, row := range all {
		got[code] = row.Reason
	}
	want := map[orgsync.OrgCode]string{"A": "cycle A→B→A", "B": "cycle A→B→A", "C": "cycle C→C", "D": "parent deleted: X"}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got)\n%s", diff)
	}
}
