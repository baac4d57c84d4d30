//go:build integration

package integration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

// outsider is an administrator with entries of their own in a tenant's subtree,
// and attributes and values of their own on ours.
type outsider struct {
	b    *buyer
	conn *ldap.Conn
	// made is the entries by their first DNs, without the tenant's.
	made map[string]entry
}

// The entries of ours on which the outsider writes, and where the department is
// and will be.
const (
	keptUser  = "uid=zhang.san@corp"
	keptGroup = "cn=team-a,ou=groups"
	firstSite = "ou=team-a,ou=departments"
	laterSite = "ou=team-a,ou=研发,ou=departments"
)

func (o *outsider) dn(rdns string) string { return rdns + "," + o.b.dn() }

// settle adds everything.
func (o *outsider) settle(t *testing.T) {
	t.Helper()
	alien := o.dn("uid=alien,ou=people")
	o.made = map[string]entry{}
	for _, e := range []struct {
		dn string
		entry
	}{
		{"uid=alien,ou=people", entry{"objectClass": {"inetOrgPerson"}, "uid": {"alien"}, "cn": {"Alien"}, "sn": {"Alien"}}},
		{"ou=printers", entry{"objectClass": {"organizationalUnit"}, "ou": {"printers"}}},
		{"cn=lp0,ou=printers", entry{"objectClass": {"device"}, "cn": {"lp0"}}},
		{"cn=by hand,ou=groups", entry{"objectClass": {"groupOfNames"}, "cn": {"by hand"}, "member": {alien}}},
		{"cn=auditor,ou=roles", entry{"objectClass": {"groupOfNames"}, "cn": {"auditor"}, "member": {alien}}},
		{"cn=note," + firstSite, entry{"objectClass": {"device"}, "cn": {"note"}}},
	} {
		request := ldap.NewAddRequest(o.dn(e.dn), nil)
		for attribute, values := range e.entry {
			request.Attribute(attribute, values)
		}
		if err := o.conn.Add(request); err != nil {
			t.Fatalf("add %s: %v", e.dn, err)
		}
		o.made[e.dn] = e.entry
	}
	for _, v := range []struct{ dn, attribute, value string }{
		{keptUser + ",ou=people", "telephoneNumber", "+86 21 5555"},
		{keptUser + ",ou=people", "userPassword", "{SSHA}from-elsewhere"},
		{firstSite, "l", "上海"},
		{keptGroup, "description", "kept by hand"},
		{keptGroup, "member", alien},
	} {
		request := ldap.NewModifyRequest(o.dn(v.dn), nil)
		request.Add(v.attribute, []string{v.value})
		if err := o.conn.Modify(request); err != nil {
			t.Fatalf("put %s on %s: %v", v.attribute, v.dn, err)
		}
	}
}

// losses says what is not as the outsider left it, while the kept user stands in
// that container and the department at that site.
func (o *outsider) losses(t *testing.T, container, site string) string {
	t.Helper()
	plainly := func(rdns string) string { return plainName(t, o.dn(rdns), o.b.dn()) }
	found := map[string]entry{}
	for dn, e := range search(t, o.conn, o.b.dn(), "*") {
		found[plainName(t, dn, o.b.dn())] = e
	}
	want, got := map[string]entry{}, map[string]entry{}
	for dn, e := range o.made {
		dn = plainly(strings.Replace(dn, firstSite, site, 1))
		want[dn], got[dn] = e, found[dn]
	}
	user, group := found[plainly(keptUser+","+container)], found[plainly(keptGroup)]
	want["values"] = entry{
		"telephoneNumber": {"+86 21 5555"}, "userPassword": {"{SSHA}from-elsewhere"}, "l": {"上海"}, "description": {"kept by hand"},
	}
	got["values"] = entry{
		"telephoneNumber": user["telephoneNumber"], "userPassword": user["userPassword"], "l": found[plainly(site)]["l"],
		"description": group["description"],
	}
	if members := strings.Join(group["member"], " "); !strings.Contains(members, o.dn("uid=alien,ou=people")) {
		return "the member that others added is gone: " + members
	}
	return cmp.Diff(want, got)
}

// TestSyncForeign: what others make inside our subtree, and what they put on our
// entries, outlives everything that happens to the tenant.
func TestSyncForeign(t *testing.T) {
	forEachDirectory(t, func(t *testing.T, s *scene) {
		b := headquarters("t1")
		at := anHourAgo()
		s.deliver(t, b.binding(t, at)...)
		s.settles(t, 10*time.Second, b)
		o := &outsider{b: b, conn: openDirectory(t, s.directory)}
		o.settle(t)
		for _, step := range []struct {
			name            string
			change          func() []message
			container, site string
		}{
			{"nothing happened", func() []message { return nil }, "ou=people", firstSite},
			{"moved and disabled", func() []message {
				return []message{b.putDepartment(flagModify, at, "team-a", department{name: "renamed", parent: "研发"}), b.disable(at, "zhang.san@corp")}
			}, "ou=disabled", laterSite},
			{"enabled", func() []message { return []message{b.authorise(flagModify, at, "zhang.san@corp")} }, "ou=people", laterSite},
			{"all users removed", func() []message {
				return []message{b.withdraw(flagRemove, at, sortedKeys(b.users)...)}
			}, "ou=disabled", laterSite},
			{"the tenant ended", func() []message { return []message{b.tenantSync(flagRemove, at)} }, "ou=disabled", laterSite},
			{"the tenant is back", func() []message { return b.binding(t, at) }, "ou=people", laterSite},
		} {
			at = at.Add(time.Minute)
			s.deliver(t, step.change()...)
			s.quiet(t)
			if losses := o.losses(t, step.container, step.site); losses != "" {
				t.Errorf("%s (-want +got):\n%s", step.name, losses)
			}
		}

		// A department that holds an entry of theirs goes as far as it can, and
		// keeps nobody else waiting.
		at = at.Add(time.Minute)
		b.users["newcomer"] = user{name: "新人", orgCode: "研发", role: "user"}
		s.deliver(t, b.removeDepartment(at, "team-a"), b.authorise(flagAdd, at, "newcomer"))
		await(t, 5*time.Second, func() string {
			if search(t, o.conn, o.dn("uid=newcomer,ou=people"), "1.1") == nil {
				return "the newcomer is not there"
			}
			return s.differsInTables(t, b)
		})
		if note := search(t, o.conn, o.dn("cn=note,"+laterSite), "*"); len(note) != 1 {
			t.Errorf("an entry of others went with the department above it: %v", note)
		}
	})
}
