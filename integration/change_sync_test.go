//go:build integration

package integration_test

import (
	"testing"
	"time"
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
