//go:build integration

package integration_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// twinTenant is the one of whom some names are the same to directories; of the others none
// are, so that nothing of them may be left undone.
const twinTenant = "tenant-2"

// directoryPool is a history of names that directories have trouble with.
func directoryPool(length int) historyPool {
	choose := func(tenant string, n int, twins, odd []string, plain string) string {
		if tenant == twinTenant {
			odd = slices.Concat(twins, odd)
		}
		if n < len(odd) {
			return odd[n]
		}
		return fmt.Sprintf(plain, n)
	}
	p := historyPool{
		departments: historyDepartments / historyTenants, users: historyUsers / historyTenants, length: length,
		code: func(tenant string, n int) string {
			return choose(tenant, n, []string{"a1", "A1", "ａ１", "Team"}, []string{`,+"\<>;=#x`, "研发", "#1", "k=v", "Straße", "d-😀", "team", `"q"`}, "%08d")
		},
		person: func(tenant string, n int) string {
			return choose(tenant, n, []string{"zhang", "Zhang", "ｚｈａｎｇ", "ü", "u\u0308"}, []string{
				`a,+"\<>;=#b`, "#1", "张三", "o'brien", "a+b", "a/b", "user😀", `back\slash`, "k=v", "<angle>", "100%", "*(star)", "李 四",
			}, "user%03d")
		},
		homes: func(h *historian, tenant string) string {
			switch h.IntN(10) {
			case 0:
				return ""
			case 1:
				return "nobody knows"
			default:
				return h.pool.code(tenant, h.IntN(h.pool.departments))
			}
		},
		display: []string{"研发Ａ", "研发A", `,+"\<>;=#`, "ABC", "abc"},
	}
	for n := range 16 {
		p.display = append(p.display, displayName(n))
	}
	return p
}

// kept is a directory that a history's bridge keeps.
type kept struct {
	directoryKind
	sink, layout string
	conn         *ldap.Conn
	planted      map[string]string // by tenant: the user on whose entry somebody wrote
}

const byHand = "+49 30 by hand"

func isTheirs(at string) bool { return at == "ou=printers" || strings.HasPrefix(at, "cn=hand device") }

func (d *kept) handDevice() string {
	if d.layout == "people" {
		return "cn=hand device,ou=people"
	}
	return "cn=hand device,ou=departments"
}

// plant makes entries and attributes by hand in a tenant's subtree.
func (d *kept) plant(t testing.TB, tenant string) {
	t.Helper()
	root := "ou=" + tenant + "," + peers.BaseDN
	var entries []*ldap.Entry
	var chosen *ldap.Entry
	await(t, time.Minute, func() string {
		chosen = nil
		entries = readPaged(t, d.conn, root, "uid", "objectClass")
		slices.SortFunc(entries, func(a, b *ldap.Entry) int { return strings.Compare(a.DN, b.DN) })
		for _, e := range entries {
			if e.GetAttributeValue("uid") != "" {
				chosen = e
			}
		}
		if chosen == nil {
			return d.sink + " holds nobody of " + tenant
		}
		return ""
	})
	for _, e := range []entry{
		{"dn": {"ou=printers"}, "objectClass": {"organizationalUnit"}, "description": {byHand}},
		{"dn": {d.handDevice()}, "objectClass": {"device"}, "description": {byHand}},
	} {
		request := ldap.NewAddRequest(e["dn"][0]+","+root, nil)
		request.Attribute("objectClass", e["objectClass"])
		request.Attribute("description", e["description"])
		if err := d.conn.Add(request); err != nil {
			t.Fatalf("%s: add %s: %v", d.sink, request.DN, err)
		}
	}
	for dn, attribute := range map[string]string{chosen.DN: "telephoneNumber", "cn=admin,ou=roles," + root: "description"} {
		request := ldap.NewModifyRequest(dn, nil)
		request.Replace(attribute, []string{byHand})
		// The entry may just be moving.
		if err := d.conn.Modify(request); err != nil {
			t.Fatalf("%s: modify %s: %v", d.sink, dn, err)
		}
	}
	d.planted[tenant] = chosen.GetAttributeValue("uid")
}

// lost says what of that is not there any more.
func (d *kept) lost(t testing.TB, tenant string) string {
	t.Helper()
	root := "ou=" + tenant + "," + peers.BaseDN
	want, got := map[string]string{}, map[string]string{}
	for _, e := range readPaged(t, d.conn, root, "uid", "description", "telephoneNumber") {
		at := plainName(t, e.DN, root)
		switch {
		case isTheirs(at), at == "cn=admin < ou=roles":
			got[at] = e.GetAttributeValue("description")
		case e.GetAttributeValue("uid") == d.planted[tenant]:
			got["user"] = e.GetAttributeValue("telephoneNumber")
		}
	}
	for _, at := range []string{"ou=printers", strings.ReplaceAll(d.handDevice(), ",", " < "), "cn=admin < ou=roles", "user"} {
		want[at] = byHand
	}
	return cmp.Diff(want, got)
}

// differs compares what stands there with the model.
func (d *kept) differs(t testing.TB, m *model, tenant string) string {
	t.Helper()
	want, got := m.inDirectory(d.directoryKind, tenant, d.layout), d.readHolding(t, d.conn, tenant, isTheirs)
	if !m.isAnnounced() {
		return cmp.Diff(holding{Users: map[string]holdingUser{}, Departments: map[string]holdingDepartment{}}, got)
	}
	if !m.isActive() { // departments and their groups stay as they were
		got.Departments = map[string]holdingDepartment{}
		got.Groups = slices.DeleteFunc(got.Groups, func(g string) bool { return strings.HasSuffix(g, "< ou=groups") })
		for name, u := range want.Users {
			if g := got.Users[name]; u.Place == "" {
				g.Place = ""
				got.Users[name] = g
			}
		}
	}
	if tenant == twinTenant {
		if why := d.forgive(&want, &got); why != "" {
			return why
		}
	}
	return cmp.Diff(want, got)
}

// forgive takes out what cannot be, as some names are the same to the directory: of such users
// and departments one has the name. Whoever has no access is in no group all the same.
func (d *kept) forgive(want, got *holding) string {
	sameUsers, sameDepartments := twins(d.directoryKind, want.Users), twins(d.directoryKind, want.Departments)
	isSame := func(at string) bool {
		for rdn := range strings.SplitSeq(at, " < ") {
			_, value, _ := strings.Cut(rdn, "=")
			if strings.HasPrefix(rdn, "ou=") && sameDepartments[d.fold(value)] != nil {
				return true
			}
		}
		return false
	}
	var left []string // where forgiven ones stand
	for name, g := range got.Users {
		if sameUsers[d.fold(name)] != nil || isSame(want.Users[name].Place) {
			left = append(left, g.Place)
		}
	}
	isForgiven := map[string]bool{} // groups
	for code, dep := range want.Departments {
		if isSame(dep.Place) {
			left = append(left, got.Departments[code].Place)
			delete(want.Departments, code)
			delete(got.Departments, code)
			isForgiven[plain("cn="+code, "ou=groups")] = true
		}
	}
	// Below one that is gone, one of them may wait for its name.
	for code, dep := range got.Departments {
		_, stays := want.Departments[code]
		if !stays && slices.ContainsFunc(left, func(at string) bool { return strings.HasSuffix(at, " < "+dep.Place) }) {
			delete(got.Departments, code)
		}
	}
	strip := func(s *holding) {
		isOut := func(g string) bool { return isForgiven[strings.SplitN(g, " has ", 2)[0]] }
		s.Groups = slices.DeleteFunc(s.Groups, isOut)
		for name, u := range s.Users {
			u.Groups = slices.DeleteFunc(slices.Clone(u.Groups), isOut)
			s.Users[name] = u
		}
	}
	strip(want)
	strip(got)
	for _, names := range sameUsers {
		if d.layout == "people" && !slices.ContainsFunc(names, func(n string) bool { return cmp.Equal(want.Users[n], got.Users[n]) }) {
			return fmt.Sprintf("none of the users %q, who are the same to %s, is as they should be", names, d.sink)
		}
	}
	// One of them who lost access while another had the name among the disabled waits there for
	// it by a name of no meaning.
	for name, g := range maps.Clone(got.Users) {
		if strings.HasPrefix(name, "moving-") && strings.HasSuffix(g.Place, "< ou=disabled") && len(g.Groups) == 0 && len(sameUsers) > 0 {
			delete(got.Users, name)
		}
	}
	for name, u := range maps.Clone(want.Users) {
		isTwin := sameUsers[d.fold(name)] != nil
		if !isTwin && !isSame(u.Place) {
			continue
		}
		if g := got.Users[name]; len(u.Groups) == 0 && len(g.Groups) > 0 {
			return fmt.Sprintf("user %q should be in no group, and is in %q", name, g.Groups)
		}
		delete(want.Users, name)
		delete(got.Users, name)
	}
	return ""
}

// startKept runs servers of all kinds for both layouts, and returns the sinks that keep them.
func startKept(t *testing.T) (all []*kept, sinks string) {
	t.Helper()
	for _, k := range directoryKinds() {
		for _, layout := range []string{"people", "tree"} {
			k := k
			// A plug-in may leave that of moved users as it was, and OpenLDAP's overlay does not finish
			// what was given up on a busy machine. The groups count.
			k.memberOf = k.memberOf && layout == "people" && !k.isApart
			server := k.start(t)
			d := &kept{directoryKind: k, sink: k.name + "-" + layout, layout: layout, conn: dialDirectory(t, server), planted: map[string]string{}}
			all = append(all, d)
			sinks += directorySink(d.sink, server, layout, "")
		}
	}
	return all, sinks
}

// TestDirectoryHistories: whatever is said about three tenants, in whatever order, twice or at
// the same moment, directories of all kinds in both layouts hold what an independent replay of it
// says, and nothing is left to do; what somebody made there by hand outlives it.
func TestDirectoryHistories(t *testing.T) {
	t.Parallel()
	for n, seed := range historySeeds(t, rounds(t, "KITBRIDGE_DIRECTORY_HISTORIES", 1)) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			directories, sinks := startKept(t)
			h := newHistorian(t, seed)
			h.pool = directoryPool(historyLength)
			history := h.history(n%3 == 2)
			c := startTold(t, sinks, generous, "")
			deliveries := h.shuffled(history)
			half := len(deliveries) / 2
			c.tell(t, 2, deliveries[:half])
			c.approveAll(t)
			c.compare(t, directories, tenantName(0))
			for _, d := range directories {
				d.plant(t, tenantName(0))
			}
			c.tell(t, 2, deliveries[half:])
			c.approveAll(t)
			for n := range historyTenants {
				c.compare(t, directories, tenantName(n))
			}
			for _, d := range directories {
				if lost := d.lost(t, tenantName(0)); lost != "" {
					t.Errorf("%s: what was made by hand (-want +got):\n%s", d.sink, lost)
				}
			}
			for n := range historyTenants {
				if tenantName(n) != twinTenant {
					c.exits(t, 0, "plan", "--tenant", tenantName(n))
				}
			}
			c.Stop()
		})
	}
}

// compare waits until all directories hold of a tenant what the model says.
func (c *chronicle) compare(t testing.TB, directories []*kept, tenant string) {
	t.Helper()
	m := replayed(tenant, c.told)
	for _, d := range directories {
		began := time.Now()
		awaitEvery(t, 500*time.Millisecond, 2*time.Minute, func() string {
			if diff := d.differs(t, m, tenant); diff != "" {
				return fmt.Sprintf("%s: %s (-model +directory):\n%s", d.sink, tenant, diff)
			}
			return ""
		})
		t.Logf("%s: %s is equal after %v", d.sink, tenant, time.Since(began).Round(time.Millisecond))
	}
}
