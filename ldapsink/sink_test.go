package ldapsink_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// bind fills the state with a tree of three levels and forty users whose names are as
// unpleasant as names get.
func bind(s *state) {
	s.department("root", "集团", "")
	for i, name := range []string{"研发部, 一组", `"质量" #1`, " 前导空格", "a+b=c<d>;e\\f"} {
		code := fmt.Sprintf("d%d", i)
		s.department(code, name, "root")
		s.department(code+",#+x", name+"/下级", code)
	}
	names := []string{"张三", "李四, 博士", `"王五"`, "#赵六", "+钱七", " 孙八", "周九 ", "吴\\十"}
	for i := range 40 {
		org := fmt.Sprintf("d%d", i%4)
		if i%2 == 1 {
			org += ",#+x"
		}
		role := "user"
		if i%10 == 0 {
			role = "admin"
		}
		s.user(fmt.Sprintf("u%02d,+#=\"%d", i, i), names[i%len(names)], org,
			orgsync.AttrRole, role, orgsync.AttrMobile, "+86 138-0000-0000", orgsync.AttrEmail, fmt.Sprintf("u%d@example.org", i),
			orgsync.AttrPosition, "工程师", orgsync.AttrEmployeeCode, fmt.Sprint(i), orgsync.AttrEmployeeType, "1", orgsync.AttrWorkPlace, "深圳")
	}
}

func TestBinding(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{MemberOf: true, RefInt: true})
	bind(f.state)
	f.all()

	got := f.read(root)
	if want := 1 + 6 + 2 + 2*9 + 40; len(got) != want {
		t.Errorf("%d entries stand below the tenant, want %d", len(got), want)
	}
	want := map[string][]string{
		"objectClass": {"inetOrgPerson", "organizationalPerson", "person", "top"},
		"uid":         {`u03,+#="3`}, "cn": {"#赵六"}, "sn": {"#赵六"}, "displayName": {"#赵六"},
		"o": {"t1"}, "departmentNumber": {"d3,#+x"}, "title": {"工程师"}, "employeeNumber": {"3"}, "employeeType": {"regular"},
		"mobile": {"+86 138-0000-0000"}, "mail": {"u3@example.org"}, "physicalDeliveryOfficeName": {"深圳"},
	}
	if diff := cmp.Diff(want, got[`uid=u03\2C\2B#\3D\223,ou=people,`+root]); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	department := got[`ou=d1\2C#\2Bx,ou=d1,ou=root,ou=departments,`+root]
	wantDepartment := map[string][]string{
		"objectClass": {"organizationalUnit", "top"}, "ou": {`"质量" #1/下级`, "d1,#+x"},
		"businessCategory": {"d1,#+x"}, "description": {`"质量" #1/下级`},
	}
	if diff := cmp.Diff(wantDepartment, department); diff != "" {
		t.Errorf("department (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"华测，有限公司"}, got[root]["description"]); diff != "" {
		t.Errorf("tenant (-want +got):\n%s", diff)
	}
	for group, n := range map[string]int{"cn=admin,ou=roles": 4, "cn=user,ou=roles": 36, "cn=d0,ou=groups": 10, "cn=d0\\2C#\\2Bx,ou=groups": 1} {
		if members := f.members(group); len(members) != n {
			t.Errorf("%s has %d members %v, want %d", group, len(members), members, n)
		}
	}
	if writes := f.all(); len(writes) != 0 {
		t.Errorf("nothing changed, but it wrote:\n%s", strings.Join(writes, "\n"))
	}
	f.sink = f.open()
	if writes := f.all(); len(writes) != 0 {
		t.Errorf("nothing changed over a restart, but it wrote:\n%s", strings.Join(writes, "\n"))
	}
}

func TestAnyOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	bind(f.state)
	// One key at a time, in the order of a map.
	for _, k := range f.state.keys() {
		f.must(k)
	}
	want := newFixture(t, peers.SlapdOptions{})
	bind(want.state)
	want.all()
	if diff := cmp.Diff(want.read(root), f.read(root)); diff != "" {
		t.Errorf("the order left a trace (-at once +one by one):\n%s", diff)
	}
}

func TestDepartmentRename(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("rd", "研发部", "")
	f.all()
	dn := "ou=rd,ou=departments," + root
	before := f.uuid(dn)
	writes := f.must(f.state.department("rd", "产品部", ""))
	if before == "" || f.uuid(dn) != before {
		t.Errorf("entryUUID was %q, is %q", before, f.uuid(dn))
	}
	if len(writes) != 2 { // the entry and the group
		t.Errorf("wrote %v, want two modifications", writes)
	}
	if diff := cmp.Diff([]string{"rd", "产品部"}, f.read(dn)[dn]["ou"]); diff != "" {
		t.Errorf("ou (-want +got):\n%s", diff)
	}
}

func TestDepartmentMove(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("a", "A", "")
	f.state.department("b", "B", "")
	f.state.department("c", "C", "a")
	f.state.department("d", "D", "c")
	f.all()
	writes := f.must(f.state.department("c", "C", "b"))
	if len(writes) != 1 || !strings.Contains(writes[0], "newsuperior: ou=b,ou=departments,"+root) {
		t.Errorf("wrote %v, want one modify DN", writes)
	}
	want := []string{"ou=a,ou=departments", "ou=b,ou=departments", "ou=c,ou=b,ou=departments", "ou=d,ou=c,ou=b,ou=departments"}
	if diff := cmp.Diff(want, f.names("ou=departments")); diff != "" {
		t.Errorf("departments (-want +got):\n%s", diff)
	}
	// Father and son change places.
	f.state.department("b", "B", "c")
	f.must(f.state.department("c", "C", ""))
	want = []string{"ou=a,ou=departments", "ou=b,ou=c,ou=departments", "ou=c,ou=departments", "ou=d,ou=c,ou=departments"}
	f.must(orgsync.Key{Kind: orgsync.DepartmentKey, ID: "b"})
	if diff := cmp.Diff(want, f.names("ou=departments")); diff != "" {
		t.Errorf("departments after the exchange (-want +got):\n%s", diff)
	}
}

func TestParked(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("child", "子", "parent")
	f.state.department("grandchild", "孙", "child")
	f.state.department("x", "X", "y")
	f.state.department("y", "Y", "x")
	f.state.department("z", "Z", "y")
	f.state.user("zhang", "张三", "child")
	f.all()
	want := []string{"ou=child,ou=pending", "ou=grandchild,ou=child,ou=pending", "ou=x,ou=pending", "ou=y,ou=pending", "ou=z,ou=y,ou=pending"}
	if diff := cmp.Diff(want, f.names("ou=pending")); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"uid=zhang,ou=people"}, f.members("cn=child,ou=groups")); diff != "" {
		t.Errorf("group of a parked department (-want +got):\n%s", diff)
	}
	writes := f.must(f.state.department("parent", "父", ""), orgsync.Key{Kind: orgsync.DepartmentKey, ID: "child"})
	want = []string{"ou=child,ou=parent,ou=departments", "ou=grandchild,ou=child,ou=parent,ou=departments", "ou=parent,ou=departments"}
	if diff := cmp.Diff(want, f.names("ou=departments")); diff != "" {
		t.Errorf("departments (-want +got):\n%s", diff)
	}
	if len(writes) != 3 { // parent, its group, one move
		t.Errorf("wrote %v, want three operations", writes)
	}
}

func TestDepartmentRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("a", "A", "")
	f.state.department("b", "B", "a")
	f.state.department("c", "C", "b")
	f.state.department("d", "D", "")
	f.all()
	// b's child c is parked now, although only a and b are owed.
	f.must(f.state.remove("a"), f.state.remove("b"))
	if diff := cmp.Diff([]string{"ou=d,ou=departments"}, f.names("ou=departments")); diff != "" {
		t.Errorf("departments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ou=c,ou=pending"}, f.names("ou=pending")); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cn=c,ou=groups", "cn=d,ou=groups"}, f.names("ou=groups")); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

// TestDepartmentReturns: its group is filled with those who stand among the people, and with
// nobody whose entry is elsewhere, whatever the state already says.
func TestDepartmentReturns(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("rd", "研发部", "")
	f.state.user("zhang", "张三", "rd")
	f.state.user("li", "李四", "rd")
	f.state.user("wang", "王五", "rd")
	f.all()
	f.must(f.state.status("li", orgsync.StatusDisabled), f.state.status("wang", orgsync.StatusDisabled))
	f.must(f.state.status("li", orgsync.StatusEnabled))
	f.must(f.state.remove("rd"))
	wang := f.state.status("wang", orgsync.StatusEnabled) // not converged yet
	f.state.user("new", "新", "rd")                        // nor this one

	f.must(f.state.department("rd", "研发部", ""))
	if diff := cmp.Diff([]string{"uid=li,ou=people", "uid=zhang,ou=people"}, f.members("cn=rd,ou=groups")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	f.must(wang)
	if diff := cmp.Diff([]string{"uid=li,ou=people", "uid=wang,ou=people", "uid=zhang,ou=people"}, f.members("cn=rd,ou=groups")); diff != "" {
		t.Errorf("members after the late one came (-want +got):\n%s", diff)
	}
}

func TestUserStatus(t *testing.T) {
	t.Parallel()
	steps := []struct {
		name     string
		removed  ldapsink.RemovedUsers
		status   orgsync.Status
		inactive bool
		age      time.Duration // since the removal
		want     []string
	}{
		{name: "disabled", status: orgsync.StatusDisabled, want: []string{"uid=zhang,ou=disabled"}},
		{name: "removed", status: orgsync.StatusRemoved, want: []string{"uid=zhang,ou=disabled"}},
		{name: "removed long ago", status: orgsync.StatusRemoved, age: 31 * 24 * time.Hour},
		{name: "removed, to be deleted", removed: ldapsink.DeleteRemoved, status: orgsync.StatusRemoved},
		{name: "disabled, removed would be deleted", removed: ldapsink.DeleteRemoved, status: orgsync.StatusDisabled, want: []string{"uid=zhang,ou=disabled"}},
		{name: "unknown", status: orgsync.StatusAbsent, want: []string{"uid=zhang,ou=disabled"}},
		{name: "tenant ended", status: orgsync.StatusEnabled, inactive: true, want: []string{"uid=zhang,ou=disabled"}},
	}
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, peers.SlapdOptions{MemberOf: true, RefInt: true}, func(c *ldapsink.Config) { c.Removed = tt.removed })
			f.state.department("rd", "研发部", "")
			key := f.state.user("zhang", "张三", "rd", orgsync.AttrRole, "admin")
			f.all()
			before := f.uuid("uid=zhang,ou=people," + root)

			f.state.status("zhang", tt.status)
			u := f.state.users["zhang"]
			u.RemovedAt = f.now.Add(-tt.age)
			f.state.users["zhang"] = u
			f.state.tenant.Active = !tt.inactive
			writes := f.must(key)
			if len(writes) == 0 || !strings.Contains(writes[0], "delete: member") {
				t.Errorf("wrote %v, want the groups to be left first", writes)
			}
			if diff := cmp.Diff(tt.want, f.names("ou=disabled")); diff != "" {
				t.Errorf("disabled (-want +got):\n%s", diff)
			}
			if people := f.names("ou=people"); len(people) != 0 {
				t.Errorf("people are %v, want none", people)
			}
			for _, group := range []string{"cn=rd,ou=groups", "cn=admin,ou=roles"} {
				if diff := cmp.Diff([]string{"cn=nobody"}, f.members(group)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", group, diff)
				}
			}
			if writes := f.must(key); len(writes) != 0 {
				t.Errorf("nothing changed, but it wrote %v", writes)
			}

			f.state.tenant.Active = true
			f.state.status("zhang", orgsync.StatusEnabled)
			f.must(key)
			if after := f.uuid("uid=zhang,ou=people," + root); after == "" || tt.want != nil && after != before {
				t.Errorf("entryUUID was %q, is %q after the return", before, after)
			}
			for _, group := range []string{"cn=rd,ou=groups", "cn=admin,ou=roles"} {
				if diff := cmp.Diff([]string{"uid=zhang,ou=people"}, f.members(group)); diff != "" {
					t.Errorf("%s after the return (-want +got):\n%s", group, diff)
				}
			}
		})
	}
}

func TestTransferAndRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("a", "A", "")
	f.state.department("b", "B", "")
	for i := range 12 { // more than are looked for one by one
		f.state.user(fmt.Sprintf("u%02d", i), "某", "a")
	}
	f.all()
	var keys []orgsync.Key
	for i := range 12 {
		keys = append(keys, f.state.user(fmt.Sprintf("u%02d", i), "某", "b", orgsync.AttrRole, "admin"))
	}
	writes := f.must(keys...)
	if want := 12 + 4; len(writes) != want { // each user's departmentNumber; one modification per group
		t.Errorf("%d writes, want %d:\n%s", len(writes), want, strings.Join(writes, "\n"))
	}
	for group, n := range map[string]int{"cn=a,ou=groups": 1, "cn=user,ou=roles": 1, "cn=b,ou=groups": 12, "cn=admin,ou=roles": 12} {
		if got := f.members(group); len(got) != n {
			t.Errorf("%s: %v, want %d members", group, got, n)
		}
	}
}

func TestUnannouncedAndForeignTenants(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*fixture, *ldapsink.Config)
	}{
		{"unannounced", func(f *fixture, _ *ldapsink.Config) { f.state.tenant.Announced = false }},
		{"not allowed", func(_ *fixture, c *ldapsink.Config) { c.Tenants = func(orgsync.Tenant) bool { return false } }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, peers.SlapdOptions{})
			f.state.user("zhang", "张三", "")
			f.sink = f.open(func(c *ldapsink.Config) { tt.change(f, c) })
			if writes := f.all(); len(writes) != 0 {
				t.Errorf("wrote %v, want nothing", writes)
			}
		})
	}
}

// TestTenantLeavesTheDirectory: of a tenant whose code is no longer the directory's everybody
// is disabled, as if it had ended, and nothing new comes; with the code they come back to the
// same entries.
func TestTenantLeavesTheDirectory(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.sink = f.open(func(c *ldapsink.Config) {
		c.Tenants = func(t orgsync.Tenant) bool { return t.Code == "ours" }
	})
	f.state.tenant.Code = "ours"
	f.state.department("a", "甲", "")
	f.state.user("zhang", "张三", "a")
	f.all()
	id := f.uuid("uid=zhang,ou=people," + root)

	f.state.tenant.Code = "another"
	f.state.department("b", "乙", "")
	f.state.user("li", "李四", "a")
	f.all()
	if diff := cmp.Diff([]string{"uid=zhang,ou=disabled"}, f.names("ou=disabled")); diff != "" {
		t.Errorf("disabled (-want +got):\n%s", diff)
	}
	if people, departments := f.names("ou=people"), f.names("ou=departments"); len(people) != 0 || !slices.Equal(departments, []string{"ou=a,ou=departments"}) {
		t.Errorf("people %v, departments %v, want nobody, and what stood there", people, departments)
	}
	if members := f.members("cn=a,ou=groups"); slices.ContainsFunc(members, func(m string) bool { return strings.Contains(m, "zhang") }) {
		t.Errorf("members of the group: %v", members)
	}
	if writes := f.all(); len(writes) != 0 {
		t.Errorf("once more wrote %v, want nothing", writes)
	}

	f.state.tenant.Code = "ours"
	f.all()
	if diff := cmp.Diff([]string{"uid=li,ou=people", "uid=zhang,ou=people"}, f.names("ou=people")); diff != "" {
		t.Errorf("people after the return (-want +got):\n%s", diff)
	}
	if got := f.uuid("uid=zhang,ou=people," + root); got != id {
		t.Errorf("the entry is another one: %s, was %s", got, id)
	}

	f.state.tenant.Code, f.state.tenant.Active, f.state.tenant.Purged = "another", false, true
	f.all()
	if left := f.read(root, "1.1"); len(left) != 0 {
		t.Errorf("after the purge of the tenant there are %v", left)
	}
}

func TestServerDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.user("zhang", "张三", "")
	f.all()
	f.dir.Stop()
	key := f.state.user("li", "李四", "")
	if _, err := f.sink.Converge(t.Context(), f.state, []orgsync.Key{key}); !errors.Is(err, orgsync.ErrUnavailable) {
		t.Errorf("Converge with the server down = %v, want ErrUnavailable", err)
	}
	f.dir.Start()
	f.must(key)
	f.dir.Kill()
	f.dir.Start()
	f.must(f.state.user("wang", "王五", "")) // on broken connections
	want := []string{"uid=li,ou=people", "uid=wang,ou=people", "uid=zhang,ou=people"}
	if diff := cmp.Diff(want, f.names("ou=people")); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
}
