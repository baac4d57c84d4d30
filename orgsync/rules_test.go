package orgsync_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
)

// The rules are checked against a definition that shares nothing with the code under
// test: sort everything that was said by version and replay it into plain maps, the
// last word winning. The store of registers must agree with it after every history in
// every order.

const tenantID = orgsync.TenantID("t1")

// epoch is the moment that the histories' small numbers count from.
func epoch() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func text(s string) *string { return &s }

// said is one message of a history, for the printed failure.
type said struct{ orgsync.Message }

func (s said) String() string {
	m := s.Message
	b := fmt.Sprintf("%s i=%s flag=%d at=%d", m.Kind, m.Instance, m.Flag, m.At.Sub(epoch())/time.Second)
	for _, u := range m.Users {
		a, _ := u.Attributes.MarshalJSON()
		b += fmt.Sprintf(" %s/%s%s", m.App, u.Name, a)
	}
	for _, d := range m.Departments {
		b += fmt.Sprintf(" %s(%s)<%s", d.Code, d.Name, d.Parent)
	}
	return b
}

// GoString keeps rapid's reports readable.
func (s said) GoString() string { return s.String() }

// world is what both sides are compared in.
type world struct {
	Active      bool
	Name        string
	Users       map[string]string // name to what a sink would hold of an enabled or disabled user
	Departments map[string]string
}

// --- the definition

type naiveGrant struct {
	presence string
	attrs    map[orgsync.Attribute]orgsync.Register
}

type naive struct {
	bound     map[string]bool
	known     map[string]bool // a 1 or 0 was said
	name      map[string]orgsync.Register
	grants    map[[3]string]*naiveGrant
	asserted  map[[2]string]orgsync.Assertion
	described map[string]bool // users of whom a flag 1 or 2 ever spoke
}

func replay(history []said) world {
	type statement struct {
		v orgsync.Version
		m orgsync.Message
		n int
	}
	var all []statement
	for _, s := range history {
		m := s.Message
		switch m.Kind {
		case orgsync.AuthSync:
			for n := range m.Users {
				all = append(all, statement{orgsync.VersionOf(m, n), m, n})
			}
		case orgsync.SingleOrgSync:
			all = append(all, statement{orgsync.VersionOf(m, 0), m, 0})
		default:
			all = append(all, statement{orgsync.FloorOf(m), m, 0})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].v < all[j].v })
	w := naive{
		bound: map[string]bool{}, known: map[string]bool{}, name: map[string]orgsync.Register{},
		grants: map[[3]string]*naiveGrant{}, asserted: map[[2]string]orgsync.Assertion{}, described: map[string]bool{},
	}
	for _, s := range all {
		w.say(s.m, s.v, s.n)
	}
	return w.world()
}

func (w *naive) say(m orgsync.Message, v orgsync.Version, n int) {
	i := string(m.Instance)
	switch m.Kind {
	case orgsync.TenantSync:
		w.sayTenant(m, v)
	case orgsync.AuthSync:
		w.sayUser(m, v, m.Users[n])
	case orgsync.SingleOrgSync:
		d := m.Departments[0]
		if m.Flag == orgsync.FlagRemove {
			for k := range w.asserted {
				if k[1] == string(d.Code) {
					delete(w.asserted, k)
				}
			}
			return
		}
		w.assertDepartment(i, d, v)
	case orgsync.ApplicationSync: // says nothing of the world that is compared
	case orgsync.AllOrgSync:
		for k := range w.asserted {
			if k[0] == i {
				delete(w.asserted, k)
			}
		}
		for n, d := range m.Departments {
			w.assertDepartment(i, d, orgsync.VersionOf(m, n))
		}
	}
}

func (w *naive) assertDepartment(i string, d orgsync.DepartmentChange, v orgsync.Version) {
	w.asserted[[2]string{i, string(d.Code)}] = orgsync.Assertion{Code: d.Code, Name: d.Name, Parent: d.Parent, Version: v}
}

func (w *naive) sayTenant(m orgsync.Message, v orgsync.Version) {
	i := string(m.Instance)
	switch m.Flag {
	case orgsync.FlagRemove:
		w.bound[i], w.known[i] = false, true
		for k := range w.grants {
			if k[0] == i {
				delete(w.grants, k)
			}
		}
		for k := range w.asserted {
			if k[0] == i {
				delete(w.asserted, k)
			}
		}
		return
	case orgsync.FlagAdd:
		w.bound[i], w.known[i] = true, true
	default:
		if !w.known[i] {
			w.bound[i] = true
		}
	}
	if m.Enterprise.Name != nil {
		w.name[i] = orgsync.Register{Value: *m.Enterprise.Name, Version: v}
	}
}

func (w *naive) sayUser(m orgsync.Message, v orgsync.Version, u orgsync.UserChange) {
	k := [3]string{string(m.Instance), string(m.App), string(u.Name)}
	g := w.grants[k]
	if g == nil {
		g = &naiveGrant{attrs: map[orgsync.Attribute]orgsync.Register{}}
		w.grants[k] = g
	}
	w.described[k[2]] = w.described[k[2]] || m.Flag == orgsync.FlagAdd || m.Flag == orgsync.FlagModify
	switch m.Flag {
	case orgsync.FlagRemove:
		*g = naiveGrant{presence: "removed", attrs: map[orgsync.Attribute]orgsync.Register{}}
		return
	case orgsync.FlagRevoke:
		g.presence = "withdrawn"
		return
	case orgsync.FlagAdd:
		g.presence = "granted"
		if _, ok := u.Attributes.Get(orgsync.AttrEnable); !ok {
			u.Attributes = u.Attributes.Set(orgsync.AttrEnable, "true")
		}
	default:
		if g.presence == "" {
			g.presence = "granted"
		}
	}
	for a := orgsync.AttrName; a <= orgsync.AttrEntryDate; a++ {
		value, ok := u.Attributes.Get(a)
		if !ok {
			continue
		}
		have := g.attrs[a]
		sameMoment := have.Version.Moment() == v.Moment()
		if sameMoment && (a == orgsync.AttrEnable && have.Value == "false" || a == orgsync.AttrRole && have.Value == "user") && have.Value != value {
			continue // less access wins
		}
		g.attrs[a] = orgsync.Register{Value: value, Version: v}
	}
}

func (w *naive) world() world {
	out := world{Users: map[string]string{}, Departments: map[string]string{}}
	var name orgsync.Register
	for i, b := range w.bound {
		out.Active = out.Active || b
		if b && w.name[i].Version > name.Version {
			name = w.name[i]
		}
	}
	if out.Active {
		out.Name = name.Value
	}
	w.users(out)
	w.departments(out)
	return out
}

func (w *naive) users(out world) {
	type person struct {
		status string
		attrs  map[orgsync.Attribute]orgsync.Register
		role   orgsync.Register
	}
	people := map[string]*person{}
	for k, g := range w.grants {
		if !w.bound[k[0]] || g.presence != "granted" && g.presence != "withdrawn" || !w.described[k[2]] {
			continue
		}
		p := people[k[2]]
		if p == nil {
			p = &person{status: "disabled", attrs: map[orgsync.Attribute]orgsync.Register{}}
			people[k[2]] = p
		}
		if g.presence == "withdrawn" {
			continue
		}
		for a, r := range g.attrs {
			have := p.attrs[a]
			less := r.Version.Moment() == have.Version.Moment() && r.Value != have.Value &&
				(a == orgsync.AttrRole || a == orgsync.AttrEnable)
			switch {
			case less && (r.Value == "user" || r.Value == "false"), !less && r.Version > have.Version:
				p.attrs[a] = r
			}
		}
		if e, ok := g.attrs[orgsync.AttrEnable]; ok && e.Value == "false" {
			continue
		}
		p.status = "enabled"
		role, ok := g.attrs[orgsync.AttrRole]
		if !ok {
			continue
		}
		if p.role.Version == "" || role.Version > p.role.Version && role.Version.Moment() != p.role.Version.Moment() ||
			role.Version.Moment() == p.role.Version.Moment() && role.Value == "user" {
			p.role = role
		}
	}
	for name, p := range people {
		if p.status == "disabled" {
			out.Users[name] = p.status
			continue
		}
		line := p.status + " role=" + cmp.Or(p.role.Value, "user")
		for a := orgsync.AttrName; a <= orgsync.AttrEntryDate; a++ {
			if r, ok := p.attrs[a]; ok && a != orgsync.AttrRole && a != orgsync.AttrEnable {
				line += fmt.Sprintf(" %s=%s", a, r.Value)
			}
		}
		out.Users[name] = line
	}
}

func (w *naive) departments(out world) {
	live := map[string]orgsync.Assertion{}
	for k, a := range w.asserted {
		if w.bound[k[0]] && a.Version > live[k[1]].Version {
			live[k[1]] = a
		}
	}
	for code, a := range live {
		out.Departments[code] = fmt.Sprintf("%s<%s %v", a.Name, a.Parent, reachable(live, code))
	}
}

func reachable(live map[string]orgsync.Assertion, code string) bool {
	for range len(live) + 1 {
		a, ok := live[code]
		if !ok {
			return false
		}
		if a.Parent == "" {
			return true
		}
		code = string(a.Parent)
	}
	return false
}

// --- the code under test

func names() []orgsync.UserName { return []orgsync.UserName{"u1", "u2"} }
func codes() []orgsync.OrgCode  { return []orgsync.OrgCode{"A", "B", "C", "D"} }

// accept runs the messages through an acceptor over a fresh store, checks that the
// verdicts add up after each, and returns what the sinks would see.
func accept(t rapid.TB, guard orgsync.Guard, messages []said) (world, string) {
	t.Helper()
	ctx := context.Background()
	store := orgsynctest.NewMemory()
	a := orgsync.NewAcceptor(store, orgsync.Policy{Guard: guard}, nil)
	var sent int64
	for n, m := range messages {
		body := []byte(fmt.Sprint(n, m))
		p := orgsync.Push{
			Message: m.Message, Kind: m.Kind, Nonce: fmt.Sprint(n), Digest: sha256.Sum256(body), Body: body,
			Signed: m.At, Received: m.At,
		}
		receipt, err := a.Accept(ctx, p)
		if err != nil {
			t.Fatalf("Accept(%v) = %v", m, err)
		}
		sent += int64(m.Changes())
		if got := receipt.Tally.Accepted(); got != int64(m.Changes()) {
			t.Fatalf("Accept(%v) counted %d changes, want %d", m, got, m.Changes())
		}
		checkTally(t, store, sent)
	}
	approveAll(t, store, a)
	checkTally(t, store, sent)
	return seen(t, store), store.Dump(orgsync.Scope{Tenant: tenantID})
}

// approveAll says yes to whatever the guard holds: order leaves no trace once nothing is
// held.
func approveAll(t rapid.TB, store *orgsynctest.Memory, a *orgsync.Acceptor) {
	t.Helper()
	ctx, scope := context.Background(), orgsync.Scope{Tenant: tenantID}
	var held []orgsync.Deferred
	if err := store.Update(ctx, scope, func(tx orgsync.Tx) (err error) {
		held, err = tx.Deferred()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, d := range held {
		if _, err := a.Approve(ctx, scope, d.Journal); err != nil && !errors.Is(err, orgsync.ErrNotFound) {
			t.Fatalf("Approve(%d) = %v", d.Journal, err)
		}
	}
}

func checkTally(t rapid.TB, store *orgsynctest.Memory, sent int64) {
	t.Helper()
	tally := store.Tally(orgsync.Scope{Tenant: tenantID})
	if tally.Accepted() != sent {
		t.Fatalf("the verdicts add up to %d, want %d: %v", tally.Accepted(), sent, tally)
	}
	for v, n := range tally {
		if n < 0 {
			t.Fatalf("%d changes are %v: %v", n, orgsync.Verdict(v), tally)
		}
	}
}

func seen(t rapid.TB, store *orgsynctest.Memory) world {
	t.Helper()
	ctx := context.Background()
	view := store.View(tenantID)
	out := world{Users: map[string]string{}, Departments: map[string]string{}}
	tenant, err := view.Tenant(ctx)
	if err != nil && !errors.Is(err, orgsync.ErrNotFound) {
		t.Fatal(err)
	}
	if out.Active = tenant.Active; tenant.Active {
		out.Name = tenant.Name
	}
	users, err := view.Users(ctx, names())
	if err != nil {
		t.Fatal(err)
	}
	for name, u := range users {
		line := u.Status.String()
		switch u.Status {
		case orgsync.StatusEnabled:
			line += " role=" + string(u.Role)
		case orgsync.StatusDisabled:
			out.Users[string(name)] = line
			continue
		default:
			continue
		}
		for a := orgsync.AttrName; a <= orgsync.AttrEntryDate; a++ {
			if v, ok := u.Attributes.Get(a); ok && a != orgsync.AttrRole && a != orgsync.AttrEnable {
				line += fmt.Sprintf(" %s=%s", a, v)
			}
		}
		out.Users[string(name)] = line
	}
	departments, err := view.Departments(ctx, codes())
	if err != nil {
		t.Fatal(err)
	}
	for code, d := range departments {
		if d.Live {
			out.Departments[string(code)] = fmt.Sprintf("%s<%s %v", d.Name, d.Parent, d.Placed)
		}
	}
	return out
}

// --- histories

func draw[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func drawMessage(t *rapid.T) said {
	at := epoch().Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "at")) * time.Second)
	m := orgsync.Message{
		Kind:   draw(t, "kind", orgsync.TenantSync, orgsync.AuthSync, orgsync.AuthSync, orgsync.SingleOrgSync, orgsync.AllOrgSync),
		Tenant: tenantID, Instance: draw[orgsync.InstanceID](t, "instance", "i1", "i1", "i2"),
		Flag: draw(t, "flag", orgsync.FlagAdd, orgsync.FlagModify, orgsync.FlagRemove, orgsync.FlagAdd), At: at, Stamp: at,
	}
	switch m.Kind {
	case orgsync.TenantSync:
		if m.Flag != orgsync.FlagRemove {
			m.Enterprise.Name = text(draw(t, "name", "n1", "n2"))
		}
	case orgsync.AuthSync:
		m.App = "a1"
		m.Flag = draw(t, "user flag", orgsync.FlagAdd, orgsync.FlagModify, orgsync.FlagRemove, orgsync.FlagRevoke)
		for range rapid.IntRange(1, 2).Draw(t, "users") {
			m.Users = append(m.Users, drawUser(t, m.Flag))
		}
	case orgsync.SingleOrgSync:
		m.Departments = []orgsync.DepartmentChange{drawDepartment(t)}
	default:
		m.Flag = orgsync.FlagRemove
		for range rapid.IntRange(1, 3).Draw(t, "departments") {
			m.Departments = append(m.Departments, drawDepartment(t))
		}
	}
	return said{m}
}

func drawUser(t *rapid.T, f orgsync.Flag) orgsync.UserChange {
	u := orgsync.UserChange{Name: draw(t, "user", names()...)}
	if f == orgsync.FlagRemove || f == orgsync.FlagRevoke {
		return u
	}
	for _, a := range []struct {
		attr   orgsync.Attribute
		values []string
	}{
		{orgsync.AttrName, []string{"张三", "李四"}},
		{orgsync.AttrOrgCode, []string{"A", "B"}},
		{orgsync.AttrRole, []string{"user", "admin"}},
		{orgsync.AttrEnable, []string{"true", "false"}},
		{orgsync.AttrMobile, []string{"", "1"}},
	} {
		if rapid.Bool().Draw(t, "says "+a.attr.String()) {
			u.Attributes = u.Attributes.Set(a.attr, draw(t, a.attr.String(), a.values...))
		}
	}
	return u
}

func drawDepartment(t *rapid.T) orgsync.DepartmentChange {
	return orgsync.DepartmentChange{
		Code: draw(t, "code", codes()...), Name: draw(t, "department", "x", "y"),
		Parent: draw[orgsync.OrgCode](t, "parent", "", "", "A", "B", "C"),
	}
}

// TestOrderLeavesNoTrace: all permutations of short histories, and long ones shuffled
// and with repetitions, end in what the definition says.
func TestOrderLeavesNoTrace(t *testing.T) {
	t.Run("all permutations", rapid.MakeCheck(func(t *rapid.T) {
		history := rapid.SliceOfN(rapid.Custom(drawMessage), 2, 5).Draw(t, "history")
		want := replay(history)
		first := ""
		permute(history, func(order []said) {
			got, dump := accept(t, orgsync.DefaultGuard(), order)
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Fatalf("history %v\n(-want +got)\n%s", strings.ReplaceAll(fmt.Sprint(order), " allOrg", "\n allOrg"), diff)
			}
			if first == "" {
				first = dump
			}
			if diff := gocmp.Diff(first, dump); diff != "" {
				t.Fatalf("registers depend on the order of %v\n(-want +got)\n%s", order, diff)
			}
		})
	}))
	t.Run("long, shuffled, repeated", rapid.MakeCheck(func(t *rapid.T) {
		history := rapid.SliceOfN(rapid.Custom(drawMessage), 10, 60).Draw(t, "history")
		shuffled := rapid.Permutation(append(slices.Clone(history), history[:len(history)/3]...)).Draw(t, "order")
		got, _ := accept(t, orgsync.DefaultGuard(), shuffled)
		if diff := gocmp.Diff(replay(history), got); diff != "" {
			t.Fatalf("history %v\n(-want +got)\n%s", shuffled, diff)
		}
	}))
}

// TestHoldingLeavesNoTrace: a guard that holds whatever destroys, and a person who says
// yes to all of it in the end, leave what the definition says, too.
func TestHoldingLeavesNoTrace(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history := rapid.SliceOfN(rapid.Custom(drawMessage), 2, 12).Draw(t, "history")
		order := rapid.Permutation(history).Draw(t, "order")
		got, _ := accept(t, orgsync.Guard{}, order)
		if diff := gocmp.Diff(replay(history), got); diff != "" {
			t.Fatalf("history %v\n(-want +got)\n%s", order, diff)
		}
	})
}

func permute(items []said, visit func([]said)) {
	var rec func(int)
	rec = func(n int) {
		if n == len(items) {
			visit(items)
			return
		}
		for i := n; i < len(items); i++ {
			items[n], items[i] = items[i], items[n]
			rec(n + 1)
			items[n], items[i] = items[i], items[n]
		}
	}
	rec(0)
}
