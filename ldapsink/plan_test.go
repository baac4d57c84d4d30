package ldapsink_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/ldapsink"
)

// directory is an LDAP server for plans: it refuses what a server refuses.
type directory struct {
	t       rapid.TB
	entries map[string]ldapsink.Entry // by key of the DN
}

func newDirectory(t rapid.TB, entries []ldapsink.Entry) *directory {
	d := &directory{t: t, entries: map[string]ldapsink.Entry{}}
	for _, e := range entries {
		d.entries[e.DN.Key()] = e
	}
	return d
}

func (d *directory) has(dn ldapsink.DN) bool {
	_, ok := d.entries[dn.Key()]
	return ok
}

// do carries an operation out or fails the test.
func (d *directory) do(o ldapsink.Operation) {
	e, there := d.entries[o.DN.Key()]
	if o.Kind != ldapsink.Add {
		if !there {
			d.t.Fatalf("no such object (32):\n%s", o)
		}
		if e.ID != o.ID || e.ID == (ldapsink.EntryID{}) {
			d.t.Fatalf("it touches the entry of %v:\n%s", e.ID, o)
		}
	}
	switch o.Kind {
	case ldapsink.Add:
		d.checkNew(o, o.DN)
		d.entries[o.DN.Key()] = ldapsink.Entry{ID: o.ID, DN: o.DN, Attributes: maps.Clone(o.Attributes)}
	case ldapsink.Modify:
		e.Attributes = maps.Clone(e.Attributes)
		for _, c := range o.Changes {
			e.Attributes[c.Name] = c.Values
		}
		d.entries[o.DN.Key()] = e
	case ldapsink.Rename:
		if o.NewDN.IsBelow(o.DN) {
			d.t.Fatalf("below itself (53):\n%s", o)
		}
		d.checkNew(o, o.NewDN)
		d.rename(o.DN, o.NewDN)
	case ldapsink.Delete:
		for _, other := range d.entries {
			if other.DN.IsBelow(o.DN) {
				d.t.Fatalf("not allowed on non-leaf (66), %s is below:\n%s", other.DN, o)
			}
		}
		delete(d.entries, o.DN.Key())
	}
}

func (d *directory) checkNew(o ldapsink.Operation, dn ldapsink.DN) {
	if d.has(dn) {
		d.t.Fatalf("entry already exists (68):\n%s", o)
	}
	if !d.has(dn.Parent()) {
		d.t.Fatalf("no parent (32):\n%s", o)
	}
}

func (d *directory) rename(from, to ldapsink.DN) {
	for key, e := range maps.Clone(d.entries) {
		if !e.DN.Equal(from) && !e.DN.IsBelow(from) {
			continue
		}
		delete(d.entries, key)
		var below []string
		for step := e.DN; step.Depth() > from.Depth(); step = step.Parent() {
			below = append(below, step.RDN())
		}
		e.DN = dn(d.t, strings.Join(append(below, to.String()), ","))
		d.entries[e.DN.Key()] = e
	}
	e := d.entries[to.Key()]
	e.Attributes = maps.Clone(e.Attributes)
	e.Attributes["ou"] = append(slices.DeleteFunc(slices.Clone(e.Attributes["ou"]), func(v string) bool {
		return strings.EqualFold(v, from.Value()) || strings.EqualFold(v, to.Value())
	}), to.Value())
	d.entries[to.Key()] = e
}

func (d *directory) list() []ldapsink.Entry {
	var entries []ldapsink.Entry
	for _, key := range slices.Sorted(maps.Keys(d.entries)) {
		entries = append(entries, d.entries[key])
	}
	return entries
}

func dn(t rapid.TB, s string) ldapsink.DN {
	t.Helper()
	parsed, err := ldapsink.ParseDN(s)
	if err != nil {
		t.Fatalf("ParseDN(%q): %v", s, err)
	}
	return parsed
}

// codes fold pairwise, so that names collide.
var codes = []string{"a", "A", "b", "B", "c", "d", "e", "Ｅ"}

// drawTree draws departments in a random forest: parent by code, "" for the top.
func drawTree(t *rapid.T, label string) map[string]string {
	parents := map[string]string{}
	var placed []string
	for _, c := range rapid.Permutation(codes).Draw(t, label) {
		if rapid.IntRange(0, 3).Draw(t, label+" skip "+c) == 0 {
			continue
		}
		parent := ""
		if len(placed) > 0 && rapid.Bool().Draw(t, label+" nested "+c) {
			parent = rapid.SampledFrom(placed).Draw(t, label+" parent "+c)
		}
		parents[c] = parent
		placed = append(placed, c)
	}
	return parents
}

func place(base ldapsink.DN, parents map[string]string, code string) ldapsink.DN {
	if parent := parents[code]; parent != "" {
		base = place(base, parents, parent)
	}
	return base.Child("ou", code)
}

func department(code string) ldapsink.EntryID {
	return ldapsink.EntryID{Kind: ldapsink.DepartmentEntry, Name: code}
}

// drawWants turns a forest into wants; of entries whose names fold to the same, one.
func drawWants(t *rapid.T, base ldapsink.DN) []ldapsink.Want {
	parents := drawTree(t, "want")
	var wants []ldapsink.Want
	taken := map[string]bool{}
	for _, code := range slices.Sorted(maps.Keys(parents)) {
		dn := place(base, parents, code)
		for p := dn; p.Depth() > base.Depth(); p = p.Parent() {
			for other := range parents { // below a twin that loses, nothing can stand
				if q := place(base, parents, other); q.Equal(p) && q.String() != p.String() {
					taken[dn.Key()] = true
				}
			}
		}
		if taken[dn.Key()] {
			continue
		}
		name := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name")
		wants = append(wants, ldapsink.Want{
			ID: department(code), DN: dn,
			Attributes: ldapsink.Attributes{"ou": {code, "name " + name}, "description": {name}},
			Initial:    ldapsink.Attributes{"objectClass": {"organizationalUnit"}},
		})
	}
	return wants
}

// drawHave draws what stands: a forest of ours, some of it below entries of others.
func drawHave(t *rapid.T, base ldapsink.DN, foreign bool) []ldapsink.Entry {
	parents := drawTree(t, "have")
	d := newDirectory(t, []ldapsink.Entry{{DN: base}})
	for _, code := range slices.SortedFunc(maps.Keys(parents), func(a, b string) int {
		return cmp.Or(place(base, parents, a).Depth()-place(base, parents, b).Depth(), strings.Compare(a, b))
	}) {
		dn := place(base, parents, code)
		if d.has(dn) || !d.has(dn.Parent()) {
			continue
		}
		e := ldapsink.Entry{ID: department(code), DN: dn, Attributes: ldapsink.Attributes{"ou": {code}, "description": {"x"}, "theirs": {"z"}}}
		if foreign && rapid.IntRange(0, 4).Draw(t, "foreign "+code) == 0 {
			e.ID = ldapsink.EntryID{}
		}
		d.entries[dn.Key()] = e
	}
	return d.list()
}

// TestPlanMakesEqual: on a directory that holds nothing of others, doing the plan makes
// what is wanted, exactly, and planning again yields nothing.
func TestPlanMakesEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := dn(t, "dc=example")
		have, want := drawHave(t, base, false), drawWants(t, base)
		operations, conflicts := ldapsink.Plan(have, want)
		if len(conflicts) > 0 {
			t.Fatalf("conflicts: %+v", conflicts)
		}
		d := newDirectory(t, have)
		for _, o := range operations {
			d.do(o)
		}
		got := map[string]ldapsink.EntryID{}
		for _, e := range d.entries {
			if e.Attributes != nil {
				got[e.DN.Key()] = e.ID
			}
		}
		expected := map[string]ldapsink.EntryID{}
		for _, w := range want {
			expected[w.DN.Key()] = w.ID
			e := d.entries[w.DN.Key()]
			for name, values := range w.Attributes {
				if diff := gocmp.Diff(slices.Sorted(slices.Values(values)), slices.Sorted(slices.Values(e.Attributes[name]))); diff != "" {
					t.Errorf("%s of %s (-want +got):\n%s", name, w.DN, diff)
				}
			}
		}
		if diff := gocmp.Diff(expected, got); diff != "" {
			t.Errorf("directory (-want +got):\n%s", diff)
		}
		if again, _ := ldapsink.Plan(d.list(), want); len(again) > 0 {
			t.Errorf("planned again: %v", again)
		}
	})
}

// TestPlanAmongOthers: whatever stands in the way, the operations can be done, entries of
// others stay where they are, and what could not be is named.
func TestPlanAmongOthers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := dn(t, "dc=example")
		have, want := drawHave(t, base, true), drawWants(t, base)
		operations, conflicts := ldapsink.Plan(have, want)
		d := newDirectory(t, have)
		for _, o := range operations {
			d.do(o)
		}
		left := map[ldapsink.EntryID]bool{}
		for _, c := range conflicts {
			left[c.ID] = true
		}
		for _, w := range want {
			if e := d.entries[w.DN.Key()]; e.ID != w.ID && !left[w.ID] {
				t.Errorf("%s is neither there nor in conflict", w.DN)
			}
		}
		count := func(entries []ldapsink.Entry) (n int) {
			for _, e := range entries {
				if e.ID == (ldapsink.EntryID{}) {
					n++
				}
			}
			return n
		}
		if before, after := count(have), count(d.list()); before != after {
			t.Errorf("%d entries of others, were %d", after, before)
		}
		again, conflicts2 := ldapsink.Plan(d.list(), want)
		if len(again) > 0 && len(conflicts2) >= len(conflicts) {
			t.Errorf("planned again without getting on: %v", again)
		}
	})
}

func TestPlanOrder(t *testing.T) {
	t.Parallel()
	base := dn(t, "dc=example")
	user := func(name, at string) (ldapsink.EntryID, ldapsink.DN) {
		return ldapsink.EntryID{Kind: ldapsink.UserEntry, Name: name}, base.Child("ou", at).Child("uid", name)
	}
	entry := func(id ldapsink.EntryID, dn ldapsink.DN) ldapsink.Entry {
		return ldapsink.Entry{ID: id, DN: dn, Attributes: ldapsink.Attributes{}}
	}
	gone, goneDN := user("gone", "people")
	off, offDN := user("off", "people")
	_, offWanted := user("off", "disabled")
	fresh, freshDN := user("fresh", "people")
	disabled := ldapsink.EntryID{Kind: ldapsink.ContainerEntry, Name: "disabled"}
	have := []ldapsink.Entry{
		entry(gone, goneDN), entry(off, offDN),
		entry(department("old"), base.Child("ou", "old")), entry(department("older"), base.Child("ou", "old").Child("ou", "older")),
	}
	want := []ldapsink.Want{
		{ID: fresh, DN: freshDN},
		{ID: department("below"), DN: base.Child("ou", "new").Child("ou", "below")},
		{ID: department("new"), DN: base.Child("ou", "new")},
		{ID: off, DN: offWanted, Reduce: true},
		{ID: disabled, DN: base.Child("ou", "disabled")},
	}
	operations, conflicts := ldapsink.Plan(have, want)
	if len(conflicts) > 0 {
		t.Errorf("conflicts: %+v", conflicts)
	}
	got := make([]string, len(operations))
	for i, o := range operations {
		got[i] = fmt.Sprintf("%s %s", o.Kind, o.ID.Name)
	}
	expected := []string{"add disabled", "delete gone", "rename off", "add new", "add below", "add fresh", "delete older", "delete old"}
	if diff := gocmp.Diff(expected, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// TestPlanExchange: two entries that want each other's names go by a temporary one.
func TestPlanExchange(t *testing.T) {
	t.Parallel()
	base := dn(t, "dc=example")
	x, y := base.Child("ou", "x"), base.Child("ou", "y")
	have := []ldapsink.Entry{
		{ID: department("1"), DN: x, Attributes: ldapsink.Attributes{"ou": {"x"}}},
		{ID: department("2"), DN: y, Attributes: ldapsink.Attributes{"ou": {"y"}}},
	}
	want := []ldapsink.Want{{ID: department("1"), DN: y}, {ID: department("2"), DN: x}}
	operations, conflicts := ldapsink.Plan(have, want)
	if len(conflicts) > 0 || len(operations) != 3 || !operations[0].Temporary {
		t.Fatalf("Plan = %v, %+v; want three renames, the first temporary", operations, conflicts)
	}
	d := newDirectory(t, append(have, ldapsink.Entry{DN: base}))
	for _, o := range operations {
		d.do(o)
	}
	if d.entries[x.Key()].ID.Name != "2" || d.entries[y.Key()].ID.Name != "1" {
		t.Errorf("they did not change places: %v", d.entries)
	}
}

// TestPlanAncestorExchange: a department goes below one that stands below it.
func TestPlanAncestorExchange(t *testing.T) {
	t.Parallel()
	base := dn(t, "dc=example")
	upper, lower := department("upper"), department("lower")
	have := []ldapsink.Entry{
		{ID: upper, DN: base.Child("ou", "upper"), Attributes: ldapsink.Attributes{"ou": {"upper"}}},
		{ID: lower, DN: base.Child("ou", "upper").Child("ou", "lower"), Attributes: ldapsink.Attributes{"ou": {"lower"}}},
		{DN: base.Child("ou", "upper").Child("ou", "lower").Child("cn", "printer")},
	}
	want := []ldapsink.Want{{ID: lower, DN: base.Child("ou", "lower")}, {ID: upper, DN: base.Child("ou", "lower").Child("ou", "upper")}}
	operations, conflicts := ldapsink.Plan(have, want)
	if len(conflicts) > 0 || len(operations) != 2 {
		t.Fatalf("Plan = %v, %+v; want two renames", operations, conflicts)
	}
	d := newDirectory(t, append(have, ldapsink.Entry{DN: base}))
	for _, o := range operations {
		d.do(o)
	}
	if !d.has(base.Child("ou", "lower").Child("ou", "upper")) || !d.has(base.Child("ou", "lower").Child("cn", "printer")) {
		t.Errorf("it is %v", d.list())
	}
}

// TestPlanFirst: the switch that takes access away comes before everything but the
// containers, and once.
func TestPlanFirst(t *testing.T) {
	t.Parallel()
	base := dn(t, "dc=example")
	id := ldapsink.EntryID{Kind: ldapsink.UserEntry, Name: "zhang"}
	old, fresh := department("old"), department("new")
	have := []ldapsink.Entry{
		{ID: old, DN: base.Child("ou", "old")},
		{ID: id, DN: base.Child("ou", "old").Child("uid", "zhang"), Attributes: ldapsink.Attributes{"uid": {"zhang"}, "title": {"a"}}},
	}
	want := []ldapsink.Want{
		{ID: fresh, DN: base.Child("ou", "new")},
		{
			ID: id, DN: base.Child("ou", "new").Child("uid", "zhang"), First: "lock",
			Attributes: ldapsink.Attributes{"lock": {"true"}, "title": {"b"}},
		},
	}
	operations, conflicts := ldapsink.Plan(have, want)
	got := make([]string, len(operations))
	for i, o := range operations {
		got[i] = fmt.Sprintf("%s %s", o.Kind, o.ID.Name)
		for _, c := range o.Changes {
			got[i] += " " + c.Name
		}
	}
	expected := []string{"modify zhang lock", "add new", "rename zhang", "modify zhang title", "delete old"}
	if diff := gocmp.Diff(expected, got); diff != "" || len(conflicts) > 0 {
		t.Errorf("order, conflicts %+v (-want +got):\n%s", conflicts, diff)
	}
}

// TestPlanElse: whose department cannot be there stands elsewhere, and goes home when it is.
func TestPlanElse(t *testing.T) {
	t.Parallel()
	base := dn(t, "dc=example")
	id := ldapsink.EntryID{Kind: ldapsink.UserEntry, Name: "zhang"}
	pending := ldapsink.EntryID{Kind: ldapsink.ContainerEntry, Name: "pending"}
	home := base.Child("ou", "rd")
	have := []ldapsink.Entry{{DN: home}} // somebody else's
	want := []ldapsink.Want{
		{ID: pending, DN: base.Child("ou", "pending")},
		{ID: department("rd"), DN: home},
		{ID: id, DN: home.Child("uid", "zhang"), Else: base.Child("ou", "pending").Child("uid", "zhang")},
	}
	operations, conflicts := ldapsink.Plan(have, want)
	if len(conflicts) != 1 || conflicts[0].Kind != ldapsink.NameTaken || len(operations) != 2 || !operations[1].DN.Equal(want[2].Else) {
		t.Fatalf("Plan = %v, %+v; want the user below pending", operations, conflicts)
	}
	have = []ldapsink.Entry{
		{ID: pending, DN: base.Child("ou", "pending")},
		{ID: id, DN: base.Child("ou", "pending").Child("uid", "zhang"), Attributes: ldapsink.Attributes{"uid": {"zhang"}}},
	}
	operations, conflicts = ldapsink.Plan(have, want)
	if len(conflicts) > 0 || len(operations) != 2 || operations[1].Kind != ldapsink.Rename || !operations[1].NewDN.Equal(want[2].DN) {
		t.Errorf("Plan = %v, %+v; want the user to go home", operations, conflicts)
	}
}
