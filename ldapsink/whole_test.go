package ldapsink_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// plan is what a reconciliation would do.
func (f *fixture) plan(options ldapsink.WholeOptions) ldapsink.Whole {
	f.t.Helper()
	f.writes = nil
	whole, err := f.sink.Plan(f.t.Context(), f.state, options)
	if err != nil {
		f.t.Fatalf("Plan: %v", err)
	}
	if len(f.writes) > 0 {
		f.t.Errorf("Plan wrote %v", f.writes)
	}
	return whole
}

// reconcile does it, and everything must come to be equal.
func (f *fixture) reconcile(options ldapsink.WholeOptions) ldapsink.Whole {
	f.t.Helper()
	f.writes = nil
	whole, err := f.sink.Reconcile(f.t.Context(), f.state, options)
	if err != nil {
		f.t.Fatalf("Reconcile: %v", err)
	}
	for _, r := range whole.Reports {
		f.t.Errorf("%v: %v", r.ID, r.Err)
	}
	return whole
}

func shortly(operations []ldapsink.Operation) []string {
	var list []string
	for _, o := range operations {
		list = append(list, fmt.Sprintf("%s %s %s", o.Kind, o.ID.Kind, o.ID.Name))
	}
	return list
}

// TestReconcileHistories: a directory that missed everything since some time is made equal
// at once, on every kind of server and in every layout, and then there is nothing to do.
func TestReconcileHistories(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			dir := kind.start(t)
			for n, shape := range []string{"people", "tree", "nested people", "nested tree"} {
				t.Run(shape, func(t *testing.T) { // one after the other: they share the directory
					f := emptyFixture(t, dir)
					var cfg ldapsink.Config
					shapes()[shape](&cfg)
					f.sink = f.open(shapes()[shape], func(c *ldapsink.Config) { c.AppGroups = n%2 == 0 })
					f.state.tenant.ID = orgsync.TenantID(fmt.Sprintf("whole%d", n))
					m := model{
						kind: kind, layout: cfg.Layout, nested: cfg.NestedGroups, state: f.state, apps: n%2 == 0,
						root: "ou=" + string(f.state.tenant.ID) + "," + peers.BaseDN,
					}
					h := history{rand.New(rand.NewPCG(uint64(n), 7)), f.state, namesDrawn()}
					if kind.ascii {
						h.names = slices.DeleteFunc(h.names, func(s string) bool { return s == "王五" })
					}
					for round := range kind.steps / 10 {
						for range 12 {
							h.step()
						}
						planned := f.plan(ldapsink.WholeOptions{})
						done := f.reconcile(ldapsink.WholeOptions{Only: planned.Digest})
						m.check(f)
						if diff := cmp.Diff(shortly(planned.Operations), shortly(done.Operations)); diff != "" {
							t.Errorf("planned and done (-planned +done):\n%s", diff)
						}
						if again := f.plan(ldapsink.WholeOptions{}); len(again.Operations) > 0 {
							t.Errorf("planned again: %v", again.Operations)
						}
						if t.Failed() {
							t.Fatalf("in round %d", round)
						}
					}
					if writes := f.all(); len(writes) > 0 {
						t.Errorf("the lane found something to do: %v", writes)
					}
				})
			}
		})
	}
}

// TestReconcileSabotage: what people do to our entries is named and healed.
func TestReconcileSabotage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("a", "A", "")
	f.state.department("b", "B", "a")
	f.state.user("zhang", "张三", "b", orgsync.AttrPosition, "工程师")
	f.state.user("li", "李四", "b")
	f.all()
	f.add("cn=printer,ou=b,ou=a,ou=departments,"+root, "objectClass", "device", "cn", "printer")
	f.modify("uid=li,ou=people,"+root, "roomNumber", "A-101")
	want := f.read(root)
	tests := []struct {
		name string
		do   func()
		want []string
	}{
		{"nothing", func() {}, nil},
		{"user deleted", func() { f.deleteEntry("uid=zhang,ou=people," + root) }, []string{"add user zhang"}},
		{"user renamed", func() { f.rename("uid=li,ou=people,"+root, "uid=other", "") }, []string{"rename user li"}},
		{"user moved", func() { f.rename("uid=li,ou=people,"+root, "uid=li", "ou=departments,"+root) }, []string{"rename user li"}},
		{"user moved beside", func() { f.rename("uid=li,ou=people,"+root, "uid=li", root) }, []string{"rename user li"}},
		{"user changed", func() { f.modify("uid=zhang,ou=people,"+root, "title", "boss") }, []string{"modify user zhang"}},
		{"department renamed", func() { f.rename("ou=a,ou=departments,"+root, "ou=z", "") }, []string{"rename department a"}},
		{"department moved", func() { f.rename("ou=b,ou=a,ou=departments,"+root, "ou=b", "ou=departments,"+root) }, []string{"rename department b"}},
		{"group deleted", func() { f.deleteEntry("cn=b,ou=groups," + root) }, []string{"add group b", "modify group b"}},
		{"member taken out", func() { f.modify("cn=b,ou=groups,"+root, "member", "uid=li,ou=people,"+root) }, []string{"modify group b"}},
		{"member put in", func() { f.modify("cn=admin,ou=roles,"+root, "member", "uid=li,ou=people,"+root) }, []string{"modify role admin"}},
		{"former name put back", func() {
			f.modify("cn=b,ou=groups,"+root, "member", "uid=li,ou=people,"+root, "uid=zhang,ou=people,"+root, "uid=li,ou=a,ou=departments,"+root)
		}, []string{"modify group b"}},
		{"container deleted", func() { f.deleteEntry("ou=pending," + root) }, []string{"add container pending"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { // one after the other: they share the directory
			tt.do()
			planned := f.plan(ldapsink.WholeOptions{})
			if diff := cmp.Diff(tt.want, shortly(planned.Operations)); diff != "" {
				t.Errorf("planned (-want +got):\n%s", diff)
			}
			f.reconcile(ldapsink.WholeOptions{Only: planned.Digest})
			if diff := cmp.Diff(want, f.read(root)); diff != "" {
				t.Errorf("not healed (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReconcileOnly: another plan than the one that was asked for is not done.
func TestReconcileOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.user("zhang", "张三", "")
	f.all()
	f.modify("uid=zhang,ou=people,"+root, "title", "boss")
	planned := f.plan(ldapsink.WholeOptions{})
	f.state.user("zhang", "张三丰", "")
	f.writes = nil
	if _, err := f.sink.Reconcile(t.Context(), f.state, ldapsink.WholeOptions{Only: planned.Digest}); !errors.Is(err, ldapsink.ErrPlanChanged) || len(f.writes) > 0 {
		t.Errorf("Reconcile of an old plan = %v and wrote %v, want ErrPlanChanged and nothing", err, f.writes)
	}
}

// TestReconcileGuard: more than the guard allows is not deleted unasked.
func TestReconcileGuard(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{}, func(c *ldapsink.Config) { c.Removed = ldapsink.DeleteRemoved })
	for n := range 10 {
		f.state.user(fmt.Sprint("u", n), "某", "")
	}
	f.all()
	for n := range 6 {
		f.state.status(fmt.Sprint("u", n), orgsync.StatusRemoved)
	}
	guard := &orgsync.Guard{Count: 5, Percent: 50, Max: 1000}
	planned := f.plan(ldapsink.WholeOptions{Guard: guard})
	if n := planned.Deletions()[ldapsink.UserEntry]; n != 6 || planned.Held == "" {
		t.Errorf("%d deletions, held %q; want 6 and a reason", n, planned.Held)
	}
	if _, err := f.sink.Reconcile(t.Context(), f.state, ldapsink.WholeOptions{Guard: guard}); !errors.Is(err, ldapsink.ErrHeld) || len(f.names("ou=people")) != 10 {
		t.Errorf("Reconcile = %v, %d users left; want ErrHeld and all", err, len(f.names("ou=people")))
	}
	f.reconcile(ldapsink.WholeOptions{})
	if got := f.names("ou=people"); len(got) != 4 {
		t.Errorf("people are %v, want four", got)
	}
}

// TestAdopt: entries that stood there before are left alone, and ours when somebody says so.
func TestAdopt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{}, func(c *ldapsink.Config) { c.RootBase = true; c.BaseDN = "ou=customers," + peers.BaseDN })
	base := "ou=customers," + peers.BaseDN
	f.add(base, "objectClass", "organizationalUnit", "ou", "customers")
	f.add("ou=people,"+base, "objectClass", "organizationalUnit", "ou", "people")
	f.add("ou=staff,"+base, "objectClass", "organizationalUnit", "ou", "staff")
	f.add("uid=zhang,ou=people,"+base, "objectClass", "inetOrgPerson", "uid", "zhang", "cn", "z", "sn", "z", "roomNumber", "A-1")
	f.add("uid=li,ou=staff,"+base, "objectClass", "inetOrgPerson", "uid", "li", "cn", "l", "sn", "l")
	f.add("uid=guest,ou=people,"+base, "objectClass", "inetOrgPerson", "uid", "guest", "cn", "g", "sn", "g")
	f.state.user("zhang", "张三", "")
	f.state.user("li", "李四", "")
	zhang, li := f.uuid("uid=zhang,ou=people,"+base), f.uuid("uid=li,ou=staff,"+base)

	planned := f.plan(ldapsink.WholeOptions{})
	if len(planned.Adopted) > 0 || len(planned.Reports) != 1 || !strings.Contains(planned.Reports[0].Err.Error(), "not ours") {
		t.Errorf("without adopt: %d adopted, reports %v; want none, and the one who is in the way", len(planned.Adopted), planned.Reports)
	}
	planned = f.plan(ldapsink.WholeOptions{Adopt: true})
	if len(planned.Adopted) != 2 || len(planned.Reports) != 0 {
		t.Errorf("with adopt: %v adopted, reports %v; want both", planned.Adopted, planned.Reports)
	}
	f.reconcile(ldapsink.WholeOptions{Adopt: true})
	if a, b := f.uuid("uid=zhang,ou=people,"+base), f.uuid("uid=li,ou=people,"+base); a != zhang || b != li {
		t.Errorf("entries %s and %s, want %s and %s with their new names", a, b, zhang, li)
	}
	got := f.read("uid=zhang,ou=people,"+base, "displayName", "roomNumber")
	want := map[string]map[string][]string{"uid=zhang,ou=people," + base: {"displayName": {"张三"}, "roomNumber": {"A-1"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("adopted entry (-want +got):\n%s", diff)
	}
	if f.uuid("uid=guest,ou=people,"+base) == "" {
		t.Error("the entry of somebody else is gone")
	}
	if again := f.plan(ldapsink.WholeOptions{}); len(again.Operations) > 0 {
		t.Errorf("planned again: %v", again.Operations)
	}
}

// TestForesee: the plan for an empty directory says who would not fit, and why.
func TestForesee(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department(strings.Repeat("😀", 64), "长", "")
	f.state.user("zhang", "张三", "", orgsync.AttrEmail, "张@example.org")
	f.state.user("Li", "李", "")
	f.state.user("li", "李", "")
	whole := f.plan(ldapsink.WholeOptions{})
	var reports, warnings []string
	for _, r := range whole.Reports {
		reports = append(reports, string(r.ID.Kind)+" "+r.Err.Error())
	}
	for _, w := range whole.Warnings {
		warnings = append(warnings, w.ID.Name+": "+w.Text)
	}
	if len(reports) < 2 || !strings.Contains(reports[0], "at most 245 bytes") || !strings.Contains(reports[len(reports)-1], `folds to user "Li"`) {
		t.Errorf("reports are %q, want the long department and the twin", reports)
	}
	if diff := cmp.Diff([]string{"zhang: mail left out: not an IA5 string: only ASCII characters are allowed"}, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// TestReconcilePurges: entries of removed users go when their time has come, though nothing
// was pushed about them.
func TestReconcilePurges(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.user("zhang", "张三", "")
	f.state.user("li", "李四", "")
	f.all()
	removed := f.state.users["zhang"]
	removed.RemovedAt = f.now
	f.state.users["zhang"] = removed
	f.must(f.state.status("zhang", orgsync.StatusRemoved))
	f.now = f.now.Add(29 * 24 * time.Hour)
	if planned := f.plan(ldapsink.WholeOptions{}); len(planned.Operations) > 0 {
		t.Errorf("planned too early: %v", planned.Operations)
	}
	f.now = f.now.Add(2 * 24 * time.Hour)
	f.reconcile(ldapsink.WholeOptions{})
	if a, b := f.names("ou=disabled"), f.names("ou=people"); len(a) != 0 || len(b) != 1 {
		t.Errorf("disabled %v, people %v; want none and one", a, b)
	}
}

// TestReconcileForeign: what others put among our entries stays through everything, and is
// counted.
func TestReconcileForeign(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			f := newTargetFixture(t, kind, func(c *ldapsink.Config) { c.Layout = ldapsink.Tree })
			f.state.department("rd", "研发部", "")
			f.state.department("hr", "人事部", "")
			f.state.user("zhang", "张三", "rd")
			f.all()
			home := "ou=rd,ou=departments," + root
			f.add("ou=by hand,"+home, "objectClass", "organizationalUnit", "ou", "by hand")
			f.modify(kind.userRDN+"=zhang,"+home, "roomNumber", "A-1")
			f.state.user("zhang", "张三丰", "hr")
			f.state.remove("rd")
			f.writes = nil
			whole, err := f.sink.Reconcile(t.Context(), f.state, ldapsink.WholeOptions{})
			if err != nil || whole.Foreign != 1 || len(whole.Reports) != 1 || !strings.Contains(whole.Reports[0].Err.Error(), "by hand") {
				t.Errorf("Reconcile = %+v, %v; want the department kept for the entry of others, and reported", whole, err)
			}
			if len(f.read("ou=by hand,"+home, "1.1")) != 1 {
				t.Error("the entry of others is gone")
			}
			for dn, e := range f.read(kind.userRDN+"=zhang,ou=hr,ou=departments,"+root, "roomNumber", "displayName") {
				if diff := cmp.Diff(map[string][]string{"roomNumber": {"A-1"}, "displayName": {"张三丰"}}, e); diff != "" {
					t.Errorf("%s (-want +got):\n%s", dn, diff)
				}
			}
		})
	}
}

// TestRootBase: a single tenant stands directly below a base that is somebody else's.
func TestRootBase(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			base := "ou=customer," + peers.BaseDN
			f := newTargetFixture(t, kind, func(c *ldapsink.Config) { c.RootBase, c.BaseDN = true, base })
			f.add(base, "objectClass", "organizationalUnit", "ou", "customer", "description", "by hand")
			m := model{kind: kind, state: f.state, root: base}
			h := history{rand.New(rand.NewPCG(3, 3)), f.state, []string{"zhang", "li"}}
			for range 10 {
				f.must(append(h.step(), orgsync.Key{Kind: orgsync.TenantKey})...)
			}
			m.check(f)
			for dn, e := range f.read(base, "description") {
				if strings.EqualFold(dn, base) && strings.Join(e["description"], "|") != "by hand" {
					t.Errorf("the base's description is %v", e["description"])
				}
			}
			if whole := f.plan(ldapsink.WholeOptions{}); len(whole.Operations)+len(whole.Reports) > 0 {
				t.Errorf("left to do: %v %v", whole.Operations, whole.Reports)
			}
		})
	}
}

// TestAppGroups: who may use an application is in its group.
func TestAppGroups(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{}, func(c *ldapsink.Config) { c.AppGroups = true })
	grant := func(name string, grants ...orgsync.UserGrant) orgsync.Key {
		key := f.state.user(name, name, "")
		u := f.state.users[orgsync.UserName(name)]
		u.Grants = grants
		f.state.users[u.Name] = u
		return key
	}
	zhang := grant("zhang", orgsync.UserGrant{Instance: "i", App: "crm", Enabled: true}, orgsync.UserGrant{Instance: "j", App: "crm", Enabled: true})
	li := grant("li", orgsync.UserGrant{Instance: "i", App: "crm", Enabled: true}, orgsync.UserGrant{Instance: "i", App: "erp"})
	f.must(zhang, li)
	if diff := cmp.Diff([]string{"cn=crm,ou=apps"}, f.names("ou=apps")); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"uid=li,ou=people", "uid=zhang,ou=people"}, f.members("cn=crm,ou=apps")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	grant("li", orgsync.UserGrant{Instance: "i", App: "erp", Enabled: true})
	f.reconcile(ldapsink.WholeOptions{})
	if a, b := f.members("cn=crm,ou=apps"), f.members("cn=erp,ou=apps"); len(a) != 1 || len(b) != 1 {
		t.Errorf("crm %v, erp %v; want one each", a, b)
	}
	f.must(f.state.status("zhang", orgsync.StatusDisabled))
	if diff := cmp.Diff([]string{"cn=nobody"}, f.members("cn=crm,ou=apps")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if whole := f.plan(ldapsink.WholeOptions{}); len(whole.Operations) > 0 {
		t.Errorf("left to do: %v", whole.Operations)
	}
	f.state.tenant.Active, f.state.tenant.Purged = false, true
	f.all()
	if got := f.read(root, "1.1"); got != nil {
		t.Errorf("after the purge there is %v", got)
	}
}

// TestAdoptOfSeveral: of several entries the one in place is taken, and without one there
// none.
func TestAdoptOfSeveral(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.all() // the containers
	for _, at := range []string{"ou=departments,", "ou=people,", "ou=disabled,"} {
		f.add("uid=li,"+at+root, "objectClass", "inetOrgPerson", "uid", "li", "cn", "l", "sn", "l")
	}
	for _, at := range []string{"ou=departments,", "ou=disabled,"} {
		f.add("uid=zhang,"+at+root, "objectClass", "inetOrgPerson", "uid", "zhang", "cn", "z", "sn", "z")
	}
	f.state.user("li", "李四", "")
	f.state.user("zhang", "张三", "")
	whole := f.plan(ldapsink.WholeOptions{Adopt: true})
	if len(whole.Adopted) != 1 || whole.Adopted[0].DN != "uid=li,ou=people,"+root {
		t.Errorf("adopted %v, want the one in place", whole.Adopted)
	}
}

// TestComparedByHash: of users who are as they should be nothing is loaded.
func TestComparedByHash(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			f := newTargetFixture(t, kind)
			f.state.user("zhang", "张三", "", orgsync.AttrMobile, "1")
			f.state.user("li", "李四", "")
			f.state.status("li", orgsync.StatusDisabled)
			f.all()
			view := &countingView{state: f.state}
			if whole, err := f.sink.Plan(t.Context(), view, ldapsink.WholeOptions{}); err != nil || len(whole.Operations) > 0 || view.loaded > 0 {
				t.Errorf("Plan = %v, %v with %d users loaded; want nothing", whole.Operations, err, view.loaded)
			}
		})
	}
}

// countingView counts the users that are loaded one by one.
type countingView struct {
	*state
	loaded int
}

func (v *countingView) Users(ctx context.Context, names []orgsync.UserName) (map[orgsync.UserName]orgsync.User, error) {
	v.loaded += len(names)
	return v.state.Users(ctx, names)
}

// TestLockFirst: where there is a switch it is set before anything else about the user.
func TestLockFirst(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		if kind.inPlace == nil || kind.locked {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			f := newTargetFixture(t, kind, func(c *ldapsink.Config) { c.Layout = ldapsink.Tree })
			f.state.department("a", "A", "")
			f.state.department("b", "B", "")
			f.state.user("zhang", "张三", "a")
			f.all()
			f.state.user("zhang", "张三丰", "b")
			f.must(f.state.status("zhang", orgsync.StatusDisabled))
			var about []ldapsink.Operation
			for _, o := range f.writes {
				if o.ID.Kind == ldapsink.UserEntry {
					about = append(about, o)
				}
			}
			if len(about) != 3 || len(about[0].Changes) != 1 || about[0].Changes[0].Name != "nsAccountLock" {
				t.Errorf("wrote %v; want the switch, then the rest", about)
			}
		})
	}
}

// TestTooMany: of more users who differ than may, the number is told, and none of them is loaded.
func TestTooMany(t *testing.T) {
	t.Parallel()
	f := emptyFixture(t, nil)
	f.sink = f.open()
	for i := range 30 {
		f.state.user(fmt.Sprintf("u%02d", i), "某", "")
	}
	f.all()
	for i := range 4 {
		f.state.user(fmt.Sprintf("u%02d", i), "另", "")                      // changed
		f.state.user(fmt.Sprintf("w%02d", i), "某", "")                      // missing
		delete(f.state.users, orgsync.UserName(fmt.Sprintf("u%02d", 10+i))) // left over
	}
	view := &countingView{state: f.state}
	_, err := f.sink.Plan(t.Context(), view, ldapsink.WholeOptions{Most: 11})
	if many, ok := errors.AsType[*ldapsink.TooManyError](err); !ok || many.Users != 12 || view.loaded > 11 {
		t.Errorf("Plan = %v with %d users loaded, want a TooManyError of 12 and at most 11", err, view.loaded)
	}
	if planned := f.plan(ldapsink.WholeOptions{Most: 12}); len(planned.Operations) < 12 {
		t.Errorf("planned %v, want something about each of 12", shortly(planned.Operations))
	}
}
