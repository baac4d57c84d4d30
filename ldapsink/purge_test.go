package ldapsink_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestPurgedTenant: what is ours goes, in however small parts it comes; what others put
// beside it stays, and is named.
func TestPurgedTenant(t *testing.T) {
	t.Parallel()
	for name, theirs := range map[string][]string{
		"ours alone": nil, "an entry of others": {"ou=printers,ou=people," + root},
		"among departments": {"cn=printer,ou=a,ou=departments," + root},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, peers.SlapdOptions{})
			f.state.department("a", "A", "")
			f.state.department("b", "B", "a")
			f.state.user("zhang", "张三", "b")
			f.state.user("li", "李四", "a")
			f.all()
			for _, dn := range theirs {
				class, rdn := "organizationalUnit", "ou"
				if strings.HasPrefix(dn, "cn=") {
					class, rdn = "device", "cn"
				}
				value, _, _ := strings.Cut(dn[3:], ",")
				f.add(dn, "objectClass", class, rdn, value)
			}
			tenantKey := orgsync.Key{Kind: orgsync.TenantKey}
			f.state.tenant = orgsync.Tenant{ID: "t1", Code: "code1", Announced: true, Purged: true}
			f.state.users, f.state.departments = nil, nil
			f.must(userKey("zhang"))
			departments := []orgsync.Key{{Kind: orgsync.DepartmentKey, ID: "b"}, {Kind: orgsync.DepartmentKey, ID: "a"}}
			results, _ := f.converge(append(departments, userKey("li"))...)
			if err := results[departments[1]].Err; (err != nil) != (name == "among departments") {
				t.Errorf("department a: %v", err)
			}
			results, _ = f.converge(tenantKey)
			if err := results[tenantKey].Err; (err != nil) != (theirs != nil) {
				t.Errorf("tenant: %v", err)
			} else if err != nil && !strings.Contains(err.Error(), "move away or delete what others put there") {
				t.Errorf("tenant: %v does not say what to do", err)
			}
			for _, dn := range theirs {
				if f.uuid(dn) == "" {
					t.Errorf("%s of others is gone", dn)
				}
				f.deleteEntry(dn)
			}
			f.must(append(departments, tenantKey)...)
			if got := f.uuid(root); got != "" {
				t.Errorf("the tenant's entry is left: %v", f.names(""))
			}
			if got := f.must(append(departments, tenantKey, userKey("li"))...); len(got) != 0 {
				t.Errorf("again: %v, want nothing to do", got)
			}
			// A return begins anew.
			f.state.tenant = newState().tenant
			f.state.users, f.state.departments = newState().users, newState().departments
			f.state.department("c", "C", "")
			f.state.user("zhang", "张三", "c")
			f.all()
			if diff := cmp.Diff([]string{"uid=zhang,ou=people"}, f.names("ou=people")); diff != "" {
				t.Errorf("people after the return (-want +got):\n%s", diff)
			}
		})
	}
}
