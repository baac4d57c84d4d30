package ldapsink_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// model says, by what the documentation promises and nothing of the code, which entries
// stand below a tenant: by key of the DN the values that tell.
type model struct {
	kind   target
	layout ldapsink.Layout
	root   string // DN of the tenant's entry
	nested bool
	apps   bool
	state  *state
}

func (m model) dn(t testing.TB, text string) string {
	t.Helper()
	dn, err := m.kind.folding.ParseDN(text)
	if err != nil {
		t.Fatalf("ParseDN(%q): %v", text, err)
	}
	return dn.Key()
}

func rdn(attribute, value string) string { return attribute + "=" + ldap.EscapeDN(value) }

// path lists the codes from the top to the department, as their entries stand; placed says
// whether it got there.
func (m model) path(code string) (path []string, placed bool) {
	seen := map[string]bool{}
	for code != "" {
		d, ok := m.state.departments[orgsync.OrgCode(code)]
		if !ok || !d.Live || seen[code] {
			return m.cut(path), false
		}
		seen[code] = true
		path = append([]string{code}, path...)
		code = string(d.Parent)
	}
	return path, true
}

func (m model) department(code string) string {
	path, placed := m.path(code)
	top := "ou=departments," + m.root
	if !placed {
		top = "ou=pending," + m.root
	}
	for _, c := range path {
		top = rdn("ou", c) + "," + top
	}
	return top
}

// cut drops what is above a department of a circle: each of these stands alone.
func (m model) cut(path []string) []string {
	if len(path) == 0 {
		return path
	}
	parent := string(m.state.departments[orgsync.OrgCode(path[0])].Parent)
	if i := slices.Index(path, parent); i >= 0 {
		return path[i:]
	}
	return path
}

func (m model) user(u orgsync.User) string {
	name := rdn(m.kind.userRDN, string(u.Name))
	code := u.Attributes.Value(orgsync.AttrOrgCode)
	switch {
	case m.kind.apart && u.Status != orgsync.StatusEnabled:
		return name + ",ou=disabled," + m.root
	case m.layout == ldapsink.People:
		return name + ",ou=people," + m.root
	case !m.state.departments[orgsync.OrgCode(code)].Live:
		return name + ",ou=pending," + m.root
	default:
		return name + "," + m.department(code)
	}
}

// entries are all that should stand below the tenant's entry: for each the member keys of a
// group, or whether a user is off.
func (m model) entries(t testing.TB) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	containers := []string{"departments", "pending", "groups", "roles"}
	if m.layout == ldapsink.People {
		containers = append(containers, "people")
	}
	if m.kind.apart {
		containers = append(containers, "disabled")
	}
	for _, c := range containers {
		out[m.dn(t, "ou="+c+","+m.root)] = nil
	}
	if m.apps {
		out[m.dn(t, "ou=apps,"+m.root)] = nil
	}
	members := map[string][]string{"cn=admin,ou=roles": nil, "cn=user,ou=roles": nil}
	for code, d := range m.state.departments {
		if d.Live {
			out[m.dn(t, m.department(string(code)))] = []string{"name " + d.Name}
			members[rdn("cn", string(code))+",ou=groups"] = nil
		}
	}
	for _, u := range m.state.users {
		at := m.dn(t, m.user(u))
		on := u.Status == orgsync.StatusEnabled
		out[at] = []string{fmt.Sprint("name ", u.Attributes.Value(orgsync.AttrName)), fmt.Sprint("on ", (on || m.kind.apart) && !m.kind.locked)}
		if !on {
			continue
		}
		in := []string{"cn=" + string(u.Role) + ",ou=roles"}
		code := u.Attributes.Value(orgsync.AttrOrgCode)
		if m.state.departments[orgsync.OrgCode(code)].Live {
			codes := []string{code}
			if m.nested {
				codes, _ = m.path(code)
			}
			for _, c := range codes {
				in = append(in, rdn("cn", c)+",ou=groups")
			}
		}
		for _, g := range in {
			members[g] = append(members[g], "member "+at)
		}
	}
	for g, list := range members {
		if m.kind.memberOf {
			for _, member := range list {
				at := strings.TrimPrefix(member, "member ")
				out[at] = append(out[at], "in "+m.dn(t, g+","+m.root))
				slices.Sort(out[at])
			}
		}
		if len(list) == 0 && m.kind.nobody {
			list = []string{"member " + m.dn(t, "cn=nobody,"+m.root)}
		}
		slices.Sort(list)
		out[m.dn(t, g+","+m.root)] = list
	}
	return out
}

// check compares the directory, read by an independent client, with the model. A server
// that changes groups by itself, and late, is read until it has come to rest; what it put
// back into a group after that was made equal is for the next comparison of everything, as
// docs/directory.md says.
func (m model) check(f *fixture) {
	f.t.Helper()
	diff := cmp.Diff(m.entries(f.t), m.read(f))
	for n := 1; diff != "" && m.kind.late && n <= 500; n++ {
		if n%100 == 0 {
			f.settle(m.kind)
		}
		diff = cmp.Diff(m.entries(f.t), m.read(f))
	}
	if diff != "" {
		f.t.Errorf("directory (-want +got):\n%s", diff)
	}
}

// read is the directory in the terms of the model.
func (m model) read(f *fixture) map[string][]string {
	f.t.Helper()
	got := map[string][]string{}
	for text, e := range f.read(m.root, "objectClass", "displayName", "description", "member", "nsAccountLock", "userAccountControl", "memberOf") {
		dn := m.dn(f.t, text)
		if dn == m.dn(f.t, m.root) {
			continue
		}
		var facts []string
		has := func(class string) bool { return slices.Contains(e["objectClass"], class) }
		switch {
		case has("person"):
			facts = append(facts, "name "+strings.Join(e["displayName"], "|"), fmt.Sprint("on ", m.kind.inPlace == nil || !m.kind.inPlace(e)))
			for _, group := range e["memberOf"] {
				if m.kind.memberOf {
					facts = append(facts, "in "+m.dn(f.t, group))
				}
			}
			slices.Sort(facts)
		case has(m.kind.group):
			for _, member := range e["member"] {
				facts = append(facts, "member "+m.dn(f.t, member))
			}
			slices.Sort(facts)
		case len(e["description"]) > 0:
			facts = append(facts, "name "+e["description"][0])
		}
		got[dn] = facts
	}
	return got
}

// codesDrawn and namesDrawn hold what is hard for directories.
func codesDrawn() []string {
	return []string{"rd", "华东", `a,b+c"d`, "#x", "q<>;=\\", "sales", "x y", "深圳-研发", "😀", "z9"}
}

func namesDrawn() []string {
	return []string{"zhang", "li.wei", "o'neil", "a,b", "#hash", "王五", "u=v", `back\slash`, "plus+one", "semi;colon", "quo\"te", "u11", "u12"}
}

// history changes a state at random.
type history struct {
	rand  *rand.Rand
	state *state
	names []string
}

// step makes one change and returns the keys that a store would mark: what was said, and
// departments that stand elsewhere for it.
func (h history) step() []orgsync.Key {
	before := h.places()
	pick := func(list []string) string { return list[h.rand.IntN(len(list))] }
	var key orgsync.Key
	switch h.rand.IntN(8) {
	case 0:
		key = h.state.remove(pick(codesDrawn()))
	case 1, 2, 3:
		code, parent := pick(codesDrawn()), ""
		if h.rand.IntN(3) > 0 {
			parent = pick(codesDrawn())
		}
		key = h.state.department(code, fmt.Sprintf("部门 %d", h.rand.IntN(1000)), parent)
	default:
		name := pick(h.names)
		var more []any
		if h.rand.IntN(3) == 0 {
			more = []any{orgsync.AttrRole, "admin"}
		}
		key = h.state.user(name, fmt.Sprintf("名 %d", h.rand.IntN(1000)), pick(append(codesDrawn(), "unknown", "")), more...)
		if h.rand.IntN(4) == 0 {
			key = h.state.status(name, orgsync.StatusDisabled)
		}
	}
	keys := []orgsync.Key{key}
	after := h.places()
	for code := range h.state.departments {
		k := orgsync.Key{Kind: orgsync.DepartmentKey, ID: string(code)}
		if before[code] != after[code] && k != key {
			keys = append(keys, k)
		}
	}
	return keys
}

// places says where each department stands and whether it is live.
func (h history) places() map[orgsync.OrgCode]string {
	m := model{state: h.state, root: "dc=x"}
	out := map[orgsync.OrgCode]string{}
	for code, d := range h.state.departments {
		if d.Live {
			out[code] = m.department(string(code))
		}
	}
	return out
}

// shapes are the layouts, with and without nested groups.
func shapes() map[string]func(*ldapsink.Config) {
	return map[string]func(*ldapsink.Config){
		"people":        func(*ldapsink.Config) {},
		"tree":          func(c *ldapsink.Config) { c.Layout = ldapsink.Tree },
		"nested people": func(c *ldapsink.Config) { c.NestedGroups = true },
		"nested tree":   func(c *ldapsink.Config) { c.Layout, c.NestedGroups = ldapsink.Tree, true },
	}
}

// TestHistories: whatever is pushed, key by key, the directory ends as the model says, on
// every kind of server and in every layout.
func TestHistories(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			dir := kind.start(t)
			for n, shape := range slices.Sorted(maps.Keys(shapes())) {
				t.Run(shape, func(t *testing.T) { // one after the other: they share the directory
					f := emptyFixture(t, dir)
					f.sink = f.open(shapes()[shape])
					f.state.tenant.ID = orgsync.TenantID(fmt.Sprintf("tenant%d", n))
					var cfg ldapsink.Config
					shapes()[shape](&cfg)
					m := model{kind: kind, layout: cfg.Layout, nested: cfg.NestedGroups, state: f.state, root: "ou=" + string(f.state.tenant.ID) + ",dc=example,dc=org"}
					h := history{rand.New(rand.NewPCG(uint64(n), 42)), f.state, namesDrawn()}
					if kind.ascii {
						h.names = slices.DeleteFunc(h.names, func(s string) bool { return s == "王五" })
					}
					f.all()
					for step := range kind.steps {
						keys := h.step()
						f.must(keys...)
						if step%10 == 9 {
							m.check(f)
						}
						if t.Failed() {
							t.Fatalf("after step %d: %v", step, keys)
						}
					}
					if writes := f.all(); len(writes) > 0 {
						t.Errorf("nothing to do, and wrote %v", writes)
					}
				})
			}
		})
	}
}
