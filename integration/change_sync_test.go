//go:build integration

package integration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// TestSyncChanges: a rename leaves the entry where it is, a move takes along
// what is below, a user who is removed is gone from people and groups, and one
// who returns is the same entry. Each step is delivered before the next comes.
func TestSyncChanges(t *testing.T) {
	forEachDirectory(t, func(t *testing.T, s *scene) {
		b := headquarters("t1")
		at := anHourAgo()
		s.deliver(t, b.binding(t, at)...)
		at = at.Add(time.Minute)
		s.settles(t, 10*time.Second, b)
		original := s.uuids(t, b)

		bring := func(what string, change func() message) {
			t.Helper()
			at = at.Add(time.Second)
			s.deliver(t, change())
			s.settles(t, 5*time.Second, b)
			// The old name of an entry aside, every entry is the one that it was.
			was := map[string]bool{}
			for _, id := range original {
				was[id] = true
			}
			for dn, id := range s.uuids(t, b) {
				if !was[id] {
					t.Errorf("%s: %q is another entry", what, dn)
				}
			}
		}
		const code, child = "研发", "R&D,East"
		place := b.departmentName(code)
		bring("rename a department", func() message {
			return b.putDepartment(flagModify, at, code, department{name: "研发与创新, Ltd."})
		})
		if got := b.departmentName(code); got != place || s.uuids(t, b)[place] != original[place] {
			t.Errorf("a rename moved %s to %s", place, got)
		}
		bring("move a department", func() message {
			return b.putDepartment(flagModify, at, code, department{name: "研发与创新, Ltd.", parent: "team-a"})
		})
		if got, below := s.uuids(t, b), plain("ou="+child, "ou="+code, "ou=team-a", "ou=departments"); got[below] != original[plain("ou="+child, place)] {
			t.Errorf("%q did not move along", child)
		}
		bring("disable a user", func() message { return b.disable(at, "#1") })
		bring("enable a user", func() message { return b.authorise(flagModify, at, "#1") })
		bring("take an authorisation back", func() message { return b.withdraw(flagRevoke, at, "a+b", "#1") })
		bring("authorise again", func() message { return b.authorise(flagAdd, at, "a+b") })
		bring("remove users", func() message { return b.withdraw(flagRemove, at, "a+b", "sl/ash") })
		bring("add one again", func() message { return b.authorise(flagAdd, at, "a+b") })
		bring("transfer", func() message {
			u := b.users["*(star)"]
			u.orgCode, u.role, u.name = code, "admin", "renamed 改名"
			b.users["*(star)"] = u
			return b.authorise(flagModify, at, "*(star)")
		})
		delete(b.departments, child)
		bring("remove a department", func() message { return b.allOrgSync(at) })
	})
}

// TestSyncUnbinding: a tenant that ends keeps its entries, without any access;
// one that returns is the same again.
func TestSyncUnbinding(t *testing.T) {
	forEachDirectory(t, func(t *testing.T, s *scene) {
		b := headquarters("t1")
		other := headquarters("t2")
		at := anHourAgo()
		s.deliver(t, other.binding(t, at)...)
		s.deliver(t, b.binding(t, at)...)
		s.settles(t, 10*time.Second, b, other)
		original, names := s.uuids(t, b), sortedKeys(b.users)

		end := at.Add(time.Minute)
		s.deliver(t, b.tenantSync(flagRemove, end))
		for name, u := range b.users { // who has no grant any more has none of the tenant's either
			u.removedAt = end
			b.users[name] = u
		}
		withoutGrants := func() string {
			if rows := readRows(t, s.tables, "SELECT user_name FROM kit_grant WHERE tenant_id = ? AND enabled", b.id); rows != nil {
				return "grants are open"
			}
			if rows := readRows(t, s.tables, "SELECT user_name FROM kit_user WHERE tenant_id = ? AND enabled", b.id); rows != nil {
				return "users are enabled"
			}
			if rows := readRows(t, s.tables, "SELECT 1 FROM kit_tenant WHERE tenant_id = ? AND active", b.id); rows != nil {
				return "the tenant is active"
			}
			return s.differsInDirectory(t, b)
		}
		await(t, 5*time.Second, withoutGrants)
		s.settles(t, time.Second, other)

		// An older word does not bring it back.
		s.deliver(t, b.clone().authorise(flagAdd, at.Add(4*time.Second), names...))
		s.quiet(t)
		await(t, time.Second, withoutGrants)

		for name, u := range b.users {
			u.removedAt, u.standing = time.Time{}, userEnabled
			b.users[name] = u
		}
		s.deliver(t, b.binding(t, end.Add(time.Minute))...)
		s.settles(t, 10*time.Second, b, other)
		mustEqual(t, "entryUUIDs after the return", original, s.uuids(t, b))
	})
}

// TestSyncForeign: what others make inside our subtree, and what they put on our
// entries, outlives everything that happens to the tenant.
func TestSyncForeign(t *testing.T) {
	forEachDirectory(t, func(t *testing.T, s *scene) {
		b := headquarters("t1")
		at := anHourAgo()
		s.deliver(t, b.binding(t, at)...)
		s.settles(t, 10*time.Second, b)
		conn := openDirectory(t, s.directory)
		inTenant := func(rdn string) string { return rdn + "," + b.dn() }
		add := func(dn string, e entry) {
			t.Helper()
			request := ldap.NewAddRequest(dn, nil)
			for attribute, values := range e {
				request.Attribute(attribute, values)
			}
			if err := conn.Add(request); err != nil {
				t.Fatalf("add %s: %v", dn, err)
			}
		}
		put := func(dn, attribute, value string) {
			t.Helper()
			request := ldap.NewModifyRequest(dn, nil)
			request.Add(attribute, []string{value})
			if err := conn.Modify(request); err != nil {
				t.Fatalf("put %s on %s: %v", attribute, dn, err)
			}
		}
		// Entries.
		alien := inTenant("uid=alien,ou=people")
		foreign := map[string]entry{
			alien:                                        {"objectClass": {"inetOrgPerson"}, "uid": {"alien"}, "cn": {"Alien"}, "sn": {"Alien"}},
			inTenant("ou=printers"):                      {"objectClass": {"organizationalUnit"}, "ou": {"printers"}},
			inTenant("cn=lp0,ou=printers"):               {"objectClass": {"device"}, "cn": {"lp0"}},
			inTenant("cn=by hand,ou=groups"):             {"objectClass": {"groupOfNames"}, "cn": {"by hand"}, "member": {alien}},
			inTenant("cn=auditor,ou=roles"):              {"objectClass": {"groupOfNames"}, "cn": {"auditor"}, "member": {alien}},
			inTenant("cn=note,ou=team-a,ou=departments"): {"objectClass": {"device"}, "cn": {"note"}},
		}
		for _, dn := range []string{"uid=alien,ou=people", "ou=printers", "cn=lp0,ou=printers", "cn=by hand,ou=groups", "cn=auditor,ou=roles", "cn=note,ou=team-a,ou=departments"} {
			add(inTenant(dn), foreign[inTenant(dn)])
		}
		// Attributes and values.
		put(inTenant("uid=zhang.san@corp,ou=people"), "telephoneNumber", "+86 21 5555")
		put(inTenant("uid=zhang.san@corp,ou=people"), "userPassword", "{SSHA}from-elsewhere")
		put(inTenant("ou=team-a,ou=departments"), "l", "上海")
		put(inTenant("cn=team-a,ou=groups"), "description", "kept by hand")
		put(inTenant("cn=team-a,ou=groups"), "member", alien)

		const moved = "ou=team-a,ou=研发,ou=departments"
		survives := func(when, user, department string) {
			t.Helper()
			s.quiet(t)
			found := search(t, conn, b.dn(), "*")
			byName := map[string]entry{}
			for dn, e := range found {
				byName[plainName(t, dn, b.dn())] = e
			}
			want := map[string]entry{}
			for dn, e := range foreign {
				want[plainName(t, strings.Replace(dn, "ou=team-a,ou=departments", department, 1), b.dn())] = e
			}
			got := map[string]entry{}
			for dn := range want {
				got[dn] = byName[dn]
			}
			mustEqual(t, "foreign entries "+when, want, got)
			at := func(dn string) entry { return byName[plainName(t, inTenant(dn), b.dn())] }
			ours := map[string][]string{
				"telephoneNumber": at(user)["telephoneNumber"], "userPassword": at(user)["userPassword"],
				"l": at(department)["l"],
			}
			mustEqual(t, "foreign attributes "+when, map[string][]string{
				"telephoneNumber": {"+86 21 5555"}, "userPassword": {"{SSHA}from-elsewhere"}, "l": {"上海"},
			}, ours)
			if group := at("cn=team-a,ou=groups"); group != nil {
				mustEqual(t, "what others put on a group "+when, []string{"kept by hand"}, group["description"])
				if members := strings.Join(group["member"], " "); !strings.Contains(members, alien) {
					t.Errorf("%s: a member that others added is gone: %s", when, members)
				}
			}
		}
		survives("at first", "uid=zhang.san@corp,ou=people", "ou=team-a,ou=departments")
		at = at.Add(time.Minute)
		s.deliver(t,
			b.putDepartment(flagModify, at, "team-a", department{name: "renamed", parent: "研发"}),
			b.disable(at, "zhang.san@corp"),
		)
		survives("when moved and disabled", "uid=zhang.san@corp,ou=disabled", moved)
		at = at.Add(time.Minute)
		s.deliver(t, b.authorise(flagModify, at, "zhang.san@corp"), b.withdraw(flagRemove, at, "研发"))
		survives("when enabled", "uid=zhang.san@corp,ou=people", moved)
		at = at.Add(time.Minute)
		s.deliver(t, b.withdraw(flagRemove, at, sortedKeys(b.users)...))
		survives("when all users are removed", "uid=zhang.san@corp,ou=disabled", moved)
		at = at.Add(time.Minute)
		s.deliver(t, b.tenantSync(flagRemove, at))
		survives("when the tenant ended", "uid=zhang.san@corp,ou=disabled", moved)
		at = at.Add(time.Minute)
		s.deliver(t, b.binding(t, at)...)
		survives("when the tenant is back", "uid=zhang.san@corp,ou=people", moved)
		at = at.Add(time.Minute)
		s.deliver(t, b.removeDepartment(at, "team-a"))
		await(t, 5*time.Second, func() string { return s.differsInTables(t, b) })
		if note := search(t, conn, inTenant("cn=note,"+moved), "*"); len(note) != 1 {
			t.Errorf("a foreign entry went with the department above it: %v", note)
		}
	})
}
