package ldapsink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

func TestForeignEntriesStay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("rd", "研发部", "")
	zhang := f.state.user("zhang", "张三", "rd")
	f.all()
	person, printer := "uid=zhang,ou=people,"+root, "cn=printer,ou=rd,ou=departments,"+root
	f.modify(person, "roomNumber", "A-101")
	f.modify(person, "labeledURI", "https://example.org/zhang")
	f.add(printer, "objectClass", "device", "cn", "printer")
	f.add("cn=others,ou=groups,"+root, "objectClass", "groupOfNames", "cn", "others", "member", person)
	f.add("uid=guest,ou=people,"+root, "objectClass", "inetOrgPerson", "uid", "guest", "cn", "g", "sn", "g")

	f.state.user("zhang", "张三丰", "rd", orgsync.AttrPosition, "掌门")
	f.must(zhang)
	f.state.status("zhang", orgsync.StatusDisabled)
	f.must(zhang)
	entry := f.read("uid=zhang,ou=disabled,"+root, "roomNumber", "labeledURI", "title")
	want := map[string]map[string][]string{"uid=zhang,ou=disabled," + root: {
		"roomNumber": {"A-101"}, "labeledURI": {"https://example.org/zhang"}, "title": {"掌门"},
	}}
	if diff := cmp.Diff(want, entry); diff != "" {
		t.Errorf("attributes of others (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"uid=zhang,ou=people"}, f.members("cn=others,ou=groups")); diff != "" {
		t.Errorf("group of others (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"uid=guest,ou=people"}, f.names("ou=people")); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}

	// A department that is gone stays as long as others use it.
	gone := f.state.remove("rd")
	results, _ := f.converge(gone)
	if err := results[gone].Err; !errors.Is(err, orgsync.ErrRejected) || !strings.Contains(err.Error(), "cn=printer") {
		t.Errorf("removal of a department with a foreign entry = %v, want ErrRejected that names it", err)
	}
	if f.uuid(printer) == "" {
		t.Error("the foreign entry is gone")
	}
	f.deleteEntry(printer)
	f.must(gone)
	if names := f.names("ou=departments"); len(names) != 0 {
		t.Errorf("departments are %v, want none", names)
	}
}

func TestNotOurs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.all() // the containers
	f.add("uid=zhang,ou=people,"+root, "objectClass", "inetOrgPerson", "uid", "zhang", "cn", "another", "sn", "another")
	f.add("ou=rd,ou=departments,"+root, "objectClass", "organizationalUnit", "ou", "rd")
	f.add("cn=hr,ou=groups,"+root, "objectClass", "groupOfNames", "cn", "hr", "member", "cn=x")
	zhang, rd, hr := f.state.user("zhang", "张三", "rd"), f.state.department("rd", "研发部", ""), f.state.department("hr", "人事部", "")
	below := f.state.department("below", "组", "rd")
	li := f.state.user("li", "李四", "hr")
	before := f.read(root, "*", "entryCSN")
	results, _ := f.converge(f.state.keys()...)
	for _, k := range []orgsync.Key{zhang, rd, hr} {
		if err := results[k].Err; !errors.Is(err, orgsync.ErrRejected) || !strings.Contains(err.Error(), "not ours") {
			t.Errorf("%s: %v, want ErrRejected that says it is not ours", k, err)
		}
	}
	if err := results[below].Err; err == nil || errors.Is(err, orgsync.ErrRejected) {
		t.Errorf("%s: %v, want an error that another try may end", below, err)
	}
	if r := results[li]; r.Err != nil || len(r.Warnings) != 1 {
		t.Errorf("%s: %+v, want success and a warning about the group", li, r)
	}
	after := f.read(root, "*", "entryCSN")
	for _, dn := range []string{"uid=zhang,ou=people," + root, "ou=rd,ou=departments," + root, "cn=hr,ou=groups," + root} {
		if diff := cmp.Diff(before[dn], after[dn]); diff != "" {
			t.Errorf("%s was touched (-before +after):\n%s", dn, diff)
		}
	}
}

func TestForeignContainersAreUsed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.add(root, "objectClass", "organizationalUnit", "ou", "t1", "description", "by hand")
	f.add("ou=People,"+root, "objectClass", "organizationalUnit", "ou", "People")
	f.state.user("zhang", "张三", "")
	results, _ := f.converge(f.state.keys()...)
	tenant := orgsync.Key{Kind: orgsync.TenantKey}
	if r := results[tenant]; r.Err != nil || len(r.Warnings) != 1 {
		t.Errorf("tenant: %+v, want success and a warning", r)
	}
	if got := f.read(root, "description")[root]["description"]; cmp.Diff([]string{"by hand"}, got) != "" {
		t.Errorf("description = %v, want it left as it was", got)
	}
	if f.uuid("uid=zhang,ou=People,"+root) == "" {
		t.Error("the user is not there")
	}
	f.state.user("zhang", "张三", "rd")
	f.must(f.state.department("rd", "研发部", ""))
	if got := f.members("cn=rd,ou=groups"); len(got) != 1 || got[0] != "uid=zhang,ou=people" {
		t.Errorf("members are %v, want the one in the container of others", got)
	}
}

// TestSabotage does by hand what people do to our entries, and converges.
func TestSabotage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("a", "A", "")
	f.state.department("b", "B", "a")
	f.state.user("zhang", "张三", "b", orgsync.AttrPosition, "工程师")
	f.state.user("li", "李四", "b")
	f.all()
	want := f.read(root)
	zhang := f.uuid("uid=zhang,ou=people," + root)
	tests := []struct {
		name string
		do   func()
	}{
		{"user deleted", func() { f.deleteEntry("uid=li,ou=people," + root) }},
		{"user renamed", func() { f.rename("uid=zhang,ou=people,"+root, "uid=other", "") }},
		{"user moved", func() { f.rename("uid=zhang,ou=people,"+root, "uid=zhang", "ou=departments,"+root) }},
		{"user changed", func() { f.modify("uid=zhang,ou=people,"+root, "title", "boss") }},
		{"department renamed", func() { f.rename("ou=a,ou=departments,"+root, "ou=z", "") }},
		{"department moved", func() { f.rename("ou=b,ou=a,ou=departments,"+root, "ou=b", "ou=departments,"+root) }},
		{"department deleted", func() { f.deleteEntry("ou=b,ou=a,ou=departments," + root) }},
		{"group deleted", func() { f.deleteEntry("cn=b,ou=groups," + root) }},
		{"member taken out", func() { f.modify("cn=b,ou=groups,"+root, "member", "uid=li,ou=people,"+root) }},
		{"member put in", func() { f.modify("cn=admin,ou=roles,"+root, "member", "uid=li,ou=people,"+root) }},
		{"container deleted", func() { f.deleteEntry("ou=pending," + root) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { // one after the other: they share the directory
			tt.do()
			f.all()
			if diff := cmp.Diff(want, f.read(root)); diff != "" {
				t.Errorf("not healed (-want +got):\n%s", diff)
			}
		})
	}
	if got := f.uuid("uid=zhang,ou=people," + root); got != zhang {
		t.Errorf("entryUUID of the user is %q, was %q", got, zhang)
	}
}

// TestStaleMember: a name that a disabled entry is about to take must not be a member yet.
func TestStaleMember(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.user("zhang", "张三", "")
	f.all()
	f.modify("cn=admin,ou=roles,"+root, "member", "uid=zhang,ou=disabled,"+root)
	f.must(f.state.status("zhang", orgsync.StatusDisabled))
	if diff := cmp.Diff([]string{"cn=nobody"}, f.members("cn=admin,ou=roles")); diff != "" {
		t.Errorf("admins (-want +got):\n%s", diff)
	}
}

// TestCrashAfterAdd loses the entryUUIDs of entries that were added, as kill -9 does.
func TestCrashAfterAdd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.sink = f.open(func(c *ldapsink.Config) { c.Links = forgetful{f.links} })
	f.state.department("rd", "研发部", "")
	zhang := f.state.user("zhang", "张三", "rd")
	f.all()

	f.sink = f.open()
	f.state.user("zhang", "张三丰", "rd")
	if writes := f.all(); len(writes) != 1 || !strings.Contains(writes[0], "replace: cn") {
		t.Errorf("wrote %v, want one modification", writes)
	}
	// From here on it is known by its entryUUID.
	f.rename("uid=zhang,ou=people,"+root, "uid=other", "")
	f.must(zhang)
	if diff := cmp.Diff([]string{"uid=zhang,ou=people"}, f.names("ou=people")); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
}

// forgetful records what is intended and never what came of it.
type forgetful struct{ *ldapsink.MemoryLinks }

func (f forgetful) Put(ctx context.Context, tenant orgsync.TenantID, links []ldapsink.Link) error {
	for i := range links {
		links[i].UUID = ""
	}
	return f.MemoryLinks.Put(ctx, tenant, links)
}

// TestIntentIsNoClaim: what somebody else added where we were about to is theirs.
func TestIntentIsNoClaim(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.all()
	dn := "uid=zhang,ou=people," + root
	intent := ldapsink.Link{ID: ldapsink.EntryID{Kind: ldapsink.UserEntry, Name: "zhang"}, DN: dn}
	if err := f.links.Put(t.Context(), "t1", []ldapsink.Link{intent}); err != nil {
		t.Fatal(err)
	}
	f.add(dn, "objectClass", "inetOrgPerson", "uid", "zhang", "cn", "another", "sn", "another")
	key := f.state.user("zhang", "张三", "")
	results, _ := f.converge(key)
	if err := results[key].Err; !errors.Is(err, orgsync.ErrRejected) {
		t.Errorf("%s: %v, want ErrRejected", key, err)
	}
}

func TestTwins(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	upper, lower, wide := f.state.user("Zhang", "张三", ""), f.state.user("zhang", "张四", ""), f.state.user("ｚｈａｎｇ", "张五", "")
	// A compatibility form that only the server knows to be the same: ㎡ is m2.
	plain, square := f.state.department("m2", "甲", ""), f.state.department("㎡", "乙", "")
	results, _ := f.converge(f.state.keys()...)
	if err := results[upper].Err; err != nil {
		t.Errorf("%s: %v, want it to have the entry", upper, err)
	}
	for _, k := range []orgsync.Key{lower, wide} {
		if err := results[k].Err; err == nil || errors.Is(err, orgsync.ErrRejected) || !strings.Contains(err.Error(), `folds to user "Zhang"`) {
			t.Errorf("%s: %v, want it tried again: folds to", k, err)
		}
	}
	if err := results[plain].Err; err != nil {
		t.Errorf("%s: %v", plain, err)
	}
	if err := results[square].Err; err == nil || errors.Is(err, orgsync.ErrRejected) {
		t.Errorf("%s: %v, want it tried again", square, err)
	}
	// The incumbent keeps the entry, whoever is asked for.
	results, writes := f.converge(lower)
	if err := results[lower].Err; err == nil || len(writes) != 0 {
		t.Errorf("%s alone: %v, wrote %v", lower, err, writes)
	}
	// Once it is gone, which marks its own key only, the next try of the other succeeds.
	f.sink = f.open(func(c *ldapsink.Config) { c.Removed = ldapsink.DeleteRemoved })
	f.must(f.state.status("Zhang", orgsync.StatusRemoved))
	f.must(lower)
	if diff := cmp.Diff([]string{"uid=zhang,ou=people"}, f.names("ou=people")); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
	f.must(f.state.remove("m2"))
	f.must(square)
	if got := f.names("ou=departments"); len(got) != 1 {
		t.Errorf("departments are %v, want the one whose name became free", got)
	}
}

// TestTwinLosesAccess: that the name among the disabled is taken does not leave anybody
// among the people.
func TestTwinLosesAccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.user("Zhang", "张三", "")
	f.all()
	f.must(f.state.status("Zhang", orgsync.StatusDisabled))
	lower := f.state.user("zhang", "张四", "", orgsync.AttrRole, "admin")
	f.must(lower)
	f.state.status("zhang", orgsync.StatusDisabled)
	for range 2 { // the second time there is nothing more to do
		results, _ := f.converge(lower)
		if err := results[lower].Err; err == nil || errors.Is(err, orgsync.ErrRejected) {
			t.Errorf("%s: %v, want it tried again", lower, err)
		}
	}
	if _, writes := f.converge(lower); len(writes) != 0 {
		t.Errorf("wrote %v again, want nothing", writes)
	}
	if got := f.names("ou=people"); len(got) != 0 {
		t.Errorf("people are %v, want nobody", got)
	}
	if diff := cmp.Diff([]string{"cn=nobody"}, f.members("cn=admin,ou=roles")); diff != "" {
		t.Errorf("admins (-want +got):\n%s", diff)
	}
	if got := f.names("ou=disabled"); len(got) != 2 {
		t.Errorf("disabled are %v, want both", got)
	}
	f.must(f.state.status("zhang", orgsync.StatusEnabled))
	if diff := cmp.Diff([]string{"uid=zhang,ou=people"}, f.names("ou=people")); diff != "" {
		t.Errorf("people after the return (-want +got):\n%s", diff)
	}
}

// TestLimits: one department about which the directory does not tell everything delays
// nobody else, and is not deleted.
func TestLimits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("big", "大", "")
	f.state.department("small", "小", "")
	zhang := f.state.user("zhang", "张三", "")
	f.all()
	for n := range 20 {
		f.add(fmt.Sprintf("cn=p%d,ou=big,ou=departments,%s", n, root), "objectClass", "device", "cn", fmt.Sprintf("p%d", n))
	}
	f.limit(15)
	big, small := f.state.remove("big"), f.state.remove("small")
	f.state.status("zhang", orgsync.StatusDisabled)
	results, _ := f.converge(big, zhang, small)
	err := results[big].Err
	if err == nil || errors.Is(err, orgsync.ErrRejected) || !strings.Contains(err.Error(), "olcLimits") {
		t.Errorf("%s: %v, want an error that says what to lift", big, err)
	}
	if e, ok := errors.AsType[*ldapsink.OperationError](err); !ok {
		t.Errorf("%s: %T, want an OperationError", big, err)
	} else if text := e.Public(); strings.Contains(text, "big") || !strings.Contains(text, "olcLimits") {
		t.Errorf("Public() = %q, want the advice and no name", text)
	}
	for _, k := range []orgsync.Key{zhang, small} {
		if err := results[k].Err; err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
	if f.uuid("ou=big,ou=departments,"+root) == "" || f.uuid("ou=small,ou=departments,"+root) != "" {
		t.Errorf("departments are %v, want only the big one", f.names("ou=departments"))
	}
}

// TestEndedTenantKeepsDepartments: a tenant that ended may return.
func TestEndedTenantKeepsDepartments(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("a", "A", "")
	f.state.department("b", "B", "a")
	f.state.user("zhang", "张三", "b")
	f.all()
	before, groups := f.names("ou=departments"), f.names("ou=groups")
	f.state.tenant.Active = false
	f.state.remove("a")
	f.state.remove("b")
	f.all()
	if diff := cmp.Diff(before, f.names("ou=departments")); diff != "" {
		t.Errorf("departments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(groups, f.names("ou=groups")); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cn=nobody"}, f.members("cn=b,ou=groups")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	f.state.tenant.Active = true
	f.all()
	if got := f.names("ou=departments"); len(got) != 0 {
		t.Errorf("departments after the return are %v, want none", got)
	}
}

func TestRefusedValues(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	// Names that the server, not our fold, takes for the code again.
	f.state.department("m2", "㎡", "")
	zhang := f.state.user("zhang", "", "m2", orgsync.AttrEmail, "张@example.org", orgsync.AttrMobile, "＋86转1", orgsync.AttrEmployeeType, "9")
	li := f.state.user("li", "李四", "m2", orgsync.AttrMobile, " - ")
	long := f.state.department(strings.Repeat("😀", 64), "长", "")
	child := f.state.department("child", "子", strings.Repeat("😀", 64))
	results, _ := f.converge(f.state.keys()...)
	for k, n := range map[orgsync.Key]int{zhang: 3, li: 1} {
		if r := results[k]; r.Err != nil || len(r.Warnings) != n {
			t.Errorf("%s: %v, warnings %q, want %d", k, r.Err, r.Warnings, n)
		}
		if text := strings.Join(results[k].Warnings, " "); strings.Contains(text, "example") || strings.Contains(text, "86") {
			t.Errorf("%s: a warning repeats the value: %s", k, text)
		}
	}
	if err := results[long].Err; !errors.Is(err, orgsync.ErrRejected) || !strings.Contains(err.Error(), "245") {
		t.Errorf("long code: %v, want ErrRejected that names the limit", err)
	}
	if err := results[child].Err; err == nil {
		t.Error("the child of a department that cannot be is there")
	}
	got := f.read("uid=zhang,ou=people,"+root, "cn", "displayName", "mail", "mobile")
	if diff := cmp.Diff(map[string]map[string][]string{"uid=zhang,ou=people," + root: {"cn": {"zhang"}}}, got); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	if f.uuid("ou=m2,ou=departments,"+root) == "" {
		t.Error("the department is not there")
	}
}

func TestAccessDenied(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{Access: []string{`to dn.regex="^uid=li,ou=people,.*" by * none`}})
	li, zhang := f.state.user("li", "李四", ""), f.state.user("zhang", "张三", "")
	results, _ := f.converge(li, zhang)
	if err := results[li].Err; err == nil || errors.Is(err, orgsync.ErrRejected) || !strings.Contains(err.Error(), "write access") {
		t.Errorf("%s: %v, want an error that says what to give", li, err)
	}
	if err := results[zhang].Err; err != nil {
		t.Errorf("%s: %v", zhang, err)
	}
}

// TestLostAnswer cuts the connection after each n-th request.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.department("a", "A", "")
	f.state.user("zhang", "张三", "a")
	for n := 1; ; n++ {
		p := cutAfter(t, strings.TrimPrefix(f.dir.URL(), "ldap://"), n)
		f.sink = f.open(func(c *ldapsink.Config) { c.URLs, c.Connections = []string{"ldap://" + p.addr}, 1 })
		f.all()
		if !p.wasCut() {
			break
		}
		if want := []string{"uid=zhang,ou=people"}; cmp.Diff(want, f.names("ou=people")) != "" {
			t.Errorf("cut after request %d: people are %v", n, f.names("ou=people"))
		}
		if want := []string{"uid=zhang,ou=people"}; cmp.Diff(want, f.members("cn=a,ou=groups")) != "" {
			t.Errorf("cut after request %d: members are %v", n, f.members("cn=a,ou=groups"))
		}
		for _, name := range []string{"uid=zhang,ou=people,", "cn=a,ou=groups,", "ou=a,ou=departments,"} {
			f.deleteEntry(name + root)
		}
	}
}

// TestSilence: a call on a server that no longer answers ends with the context, wherever it
// is, however long the time-out.
func TestSilence(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	for n := range 5 { // in the bind, and in the first searches
		p := stallAfter(t, strings.TrimPrefix(f.dir.URL(), "ldap://"), n)
		f.sink = f.open(func(c *ldapsink.Config) { c.URLs, c.Timeout = []string{"ldap://" + p.addr}, time.Hour })
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-p.reached
			cancel()
		}()
		if _, err := f.sink.Converge(ctx, f.state, f.state.keys()); !errors.Is(err, context.Canceled) {
			t.Errorf("silent after %d requests: Converge = %v, want context.Canceled", n, err)
		}
	}
}
