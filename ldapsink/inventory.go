package ldapsink

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// inventory is a whole tenant as it should be, made small: of a user who is as they should
// be nothing is kept but hashes.
type inventory struct {
	seed    maphash.Seed
	records []record
	byName  map[orgsync.UserName]int32
	byDN    map[uint64]int32  // names that users have or should have
	groups  map[EntryID]int32 // where each stands in sizes
	ids     []EntryID         // the groups, in the order of their numbers
	sizes   []int             // how many members each should have
	names   []string          // the attributes that are compared
	numbers map[claim]bool    // allocated numbers that were met
	twice   []claim           // those that were met again
	marks   []int32           // by user: the last group, plus one, in which they were met
	members [][]int32         // by group: its users; nil: not needed so far

	users, departments, groupEntries int // entries of ours that were read
}

// record is a user as they should be.
type record struct {
	name   orgsync.UserName
	dn     uint64 // hash of the name of the entry
	digest uint64 // hash of that and of the attributes
	groups []int32
	// wanted: there should be an entry. seen: there is. off: its account has no access.
	// close: it is looked at closely, whatever the hashes say.
	wanted, seen, off, close bool
}

func newInventory() *inventory {
	return &inventory{
		seed: maphash.MakeSeed(), byName: map[orgsync.UserName]int32{}, byDN: map[uint64]int32{}, groups: map[EntryID]int32{},
		numbers: map[claim]bool{},
	}
}

func (v *inventory) hash(s string) uint64 { return maphash.String(v.seed, s) }

// group is the number of a group.
func (v *inventory) group(id EntryID) int32 {
	n, ok := v.groups[id]
	if !ok {
		n = int32(len(v.ids)) //nolint:gosec // there are not that many groups
		v.groups[id] = n
		v.ids, v.sizes = append(v.ids, id), append(v.sizes, 0)
	}
	return n
}

// mark returns the marks in which users met in group n are noted by n + 1.
func (v *inventory) mark() []int32 {
	if v.marks == nil {
		v.marks = make([]int32, len(v.records))
	}
	return v.marks
}

// membersOf lists who should be in group n.
func (v *inventory) membersOf(n int32) []int32 {
	if v.members == nil {
		v.members = make([][]int32, len(v.ids))
		for g, size := range v.sizes {
			v.members[g] = make([]int32, 0, size)
		}
		for i := range v.records {
			for _, g := range v.records[i].groups {
				v.members[g] = append(v.members[g], int32(i))
			}
		}
	}
	return v.members[n]
}

// digest is a hash of the name and of the attributes that are compared.
func (v *inventory) digest(dn uint64, attributes Attributes) uint64 {
	var h maphash.Hash
	h.SetSeed(v.seed)
	maphash.WriteComparable(&h, dn)
	for _, name := range v.names {
		values := attributes[name]
		if len(values) > 1 {
			values = slices.Sorted(slices.Values(values))
		}
		maphash.WriteComparable(&h, len(values))
		for _, value := range values {
			maphash.WriteComparable(&h, len(value))
			_, _ = h.WriteString(value)
		}
	}
	return h.Sum64()
}

// isRelative: what the attribute should be depends on what it is; see [organisation.isRight].
func isRelative(attribute string) bool {
	return attribute == "sAMAccountName" || attribute == "userAccountControl"
}

// hasMapped says whether an entry has the auxiliary classes, and numbers that nobody of the
// tenant was seen to have.
func (r *round) hasMapped(present Attributes) bool {
	for _, class := range r.org.mapping.classes {
		if !present.hasFold("objectClass", class) {
			return false
		}
	}
	for _, attribute := range r.org.mapping.numbers() {
		n, ok := r.org.mapping.templates[attribute].pool.holds(present[attribute])
		c := claim{attribute, n}
		if ok && r.inventory.numbers[c] {
			r.inventory.twice = append(r.inventory.twice, c)
		}
		if !ok || r.inventory.numbers[c] {
			return false
		}
		r.inventory.numbers[c] = true
	}
	return true
}

// isRight says whether the attributes that depend on what they are need no change.
func (o organisation) isRight(name orgsync.UserName, off bool, present Attributes) bool {
	if !o.profile.isAD() {
		return true
	}
	control := present["userAccountControl"]
	account := present["sAMAccountName"]
	return len(control) == 1 && control[0] == o.accountControl(!off && o.enable && hasPassword(present), present) &&
		len(account) == 1 && (account[0] == accountName(name) || account[0] == sureAccountName(o.state.ID, name))
}

// take notes how a user should be.
func (r *round) take(u orgsync.User) {
	v := r.inventory
	w, _, wanted := r.org.userWant(u.Name, u, r.of, nil, nil)
	rec := record{name: u.Name, wanted: wanted && !w.IfPresent, off: !r.org.isEnabled(u)}
	rec.close = !rec.wanted || r.server.profile.checkDN(w.DN) != ""
	if rec.wanted {
		if v.names == nil {
			for _, name := range w.Attributes.names() {
				if !isRelative(name) {
					v.names = append(v.names, name)
				}
			}
		}
		rec.dn = v.hash(w.DN.Key())
		rec.digest = v.digest(r.dnHash(rec.dn), w.Attributes)
	}
	n := int32(len(v.records)) //nolint:gosec // there are not that many users
	if rec.wanted {
		if twin, taken := v.byDN[rec.dn]; taken {
			rec.close, v.records[twin].close = true, true
		} else {
			v.byDN[rec.dn] = n
		}
	}
	if r.org.isEnabled(u) {
		for _, id := range r.wholeGroupsOf(u) {
			g := v.group(id)
			rec.groups = append(rec.groups, g)
			v.sizes[g]++
		}
	}
	v.byName[u.Name] = n
	v.records = append(v.records, rec)
}

// dnHash is what of the name counts. Of a tenant that ended entries stay where they are.
func (r *round) dnHash(dn uint64) uint64 {
	if !r.org.state.Active && !r.org.apart {
		return 0
	}
	return dn
}

// wholeGroupsOf lists the groups that the user should be in; all departments are loaded.
func (r *round) wholeGroupsOf(u orgsync.User) []EntryID {
	ids := append([]EntryID{{RoleGroup, string(u.Role)}}, r.org.appGroups(u)...)
	d := r.departments[departmentOf(u)]
	switch {
	case !d.Live:
	case r.org.nested:
		for _, code := range d.Path {
			ids = append(ids, EntryID{DepartmentGroup, string(code)})
		}
	default:
		ids = append(ids, EntryID{DepartmentGroup, string(d.Code)})
	}
	return ids
}

// readState notes how everything should be.
func (r *round) readState(ctx context.Context, view orgsync.Inventory) error {
	known := map[orgsync.OrgCode]orgsync.Department{}
	if r.org.state.Active {
		err := view.AllDepartments(ctx, func(d orgsync.Department) error {
			known[d.Code] = d
			return nil
		})
		if err != nil {
			return fmt.Errorf("read departments: %w", err)
		}
	}
	lookup := func(code orgsync.OrgCode) (orgsync.Department, bool) {
		d, ok := known[code]
		return d, ok
	}
	for code, d := range known {
		r.departments[code] = orgsync.PlacedDepartment{Department: d, Path: orgsync.PathOf(d, lookup)}
	}
	for _, role := range []orgsync.Role{orgsync.RoleAdmin, orgsync.RoleUser} {
		r.inventory.group(EntryID{RoleGroup, string(role)})
	}
	for code := range known {
		r.inventory.group(EntryID{DepartmentGroup, string(code)})
	}
	err := view.AllUsers(ctx, func(u orgsync.User) error {
		if u.Status != orgsync.StatusAbsent {
			r.take(u)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	return nil
}

// dnKey is DN.Key of a name as a server prints it, without taking it apart where that is
// plain to see.
func (f Folding) dnKey(text string) (string, bool) {
	plain, signs := true, 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case ',':
			signs = 0
		case '=':
			signs++
		}
		if signs > 1 || c >= 0x80 || c < ' ' || c == 0x7f || strings.IndexByte(`"+;<>\#`, c) >= 0 ||
			c == ' ' && (i == 0 || i == len(text)-1 || strings.IndexByte(" ,=", text[i-1]) >= 0 || strings.IndexByte(" ,=", text[i+1]) >= 0) {
			plain = false
			break
		}
	}
	if plain {
		return strings.ToLower(text), true
	}
	dn, err := f.ParseDN(text)
	return dn.Key(), err == nil
}

// loadUsers loads the state of these users.
func (r *round) loadUsers(ctx context.Context, names []orgsync.UserName) error {
	for chunk := range slices.Chunk(names, 1000) {
		state, err := r.view.Users(ctx, chunk)
		if err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		for _, name := range chunk {
			r.users[name] = orgsync.User{}
		}
		maps.Copy(r.users, state)
	}
	return nil
}
