package ldapsink

import (
	"context"
	"encoding/binary"
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
	records []record          // in the order of the users' names
	within  []int32           // the groups of all users, one user's after the other's
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

	differ, most int // users who differ, and how many may; 0: any number
}

// record is a user as they should be.
type record struct {
	name   orgsync.UserName
	dn     uint64 // hash of the name of the entry
	digest uint64 // hash of that and of the attributes
	within int32  // where the groups begin in inventory.within
	groups int32  // how many they are
	// wanted: there should be an entry. seen: there is. off: its account has no access.
	// close: it is looked at closely, whatever the hashes say.
	wanted, seen, off, close bool
}

func newInventory() *inventory {
	return &inventory{
		seed: maphash.MakeSeed(), byDN: map[uint64]int32{}, groups: map[EntryID]int32{},
		numbers: map[claim]bool{},
	}
}

// hash is that of the key of a name, see hashOf.
func (v *inventory) hash(key string) uint64 { return maphash.String(v.seed, key) }

// hashOf is the hash of the name's key, which need not be put together for it.
func (v *inventory) hashOf(dn DN) uint64 {
	var h maphash.Hash
	h.SetSeed(v.seed)
	for i, r := range dn.rdns {
		if i > 0 {
			_ = h.WriteByte(',')
		}
		_, _ = h.WriteString(r.key)
	}
	return h.Sum64()
}

// find returns the number of a user.
func (v *inventory) find(name orgsync.UserName) (int32, bool) {
	n, ok := slices.BinarySearchFunc(v.records, name, func(rec record, name orgsync.UserName) int {
		return strings.Compare(string(rec.name), string(name))
	})
	return int32(n), ok //nolint:gosec // there are not that many users
}

// groupsOf are the numbers of the groups that the user should be in.
func (v *inventory) groupsOf(rec *record) []int32 {
	return v.within[rec.within : rec.within+rec.groups]
}

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

// differs notes one more user who differs, and says whether there are not too many.
func (v *inventory) differs() bool {
	v.differ++
	return v.most == 0 || v.differ <= v.most
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
			for _, g := range v.groupsOf(&v.records[i]) {
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
	var room [8]byte
	number := func(n uint64) { _, _ = h.Write(binary.LittleEndian.AppendUint64(room[:0], n)) }
	number(dn)
	for _, name := range v.names {
		values := attributes[name]
		if len(values) > 1 {
			values = slices.Sorted(slices.Values(values))
		}
		number(uint64(len(values)))
		for _, value := range values {
			number(uint64(len(value)))
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
	if r.everybody && wanted && u.Status != orgsync.StatusAbsent {
		if _, warnings := r.org.userAttributes(u.Name, u.Attributes); len(warnings) > 0 {
			r.warnings[w.ID] = warnings
		}
	}
	if rec.wanted {
		if v.names == nil {
			for _, name := range w.Attributes.names() {
				if !isRelative(name) {
					v.names = append(v.names, name)
				}
			}
		}
		rec.dn = v.hashOf(w.DN)
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
	rec.within = int32(len(v.within)) //nolint:gosec // there are not that many memberships
	if r.org.isEnabled(u) {
		for _, id := range r.wholeGroupsOf(u) {
			g := v.group(id)
			v.within = append(v.within, g)
			v.sizes[g]++
		}
	}
	rec.groups = int32(len(v.within)) - rec.within //nolint:gosec // as above
	for _, g := range u.Grants {                   // who may not use an application any more may still be in its group
		if r.org.perApp && g.App != "" {
			v.group(EntryID{AppGroup, string(g.App)})
		}
	}
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
	standing, err := placed(known, slices.Collect(maps.Keys(known)))
	if err != nil {
		return err
	}
	maps.Copy(r.departments, standing)
	for _, role := range []orgsync.Role{orgsync.RoleAdmin, orgsync.RoleUser} {
		r.inventory.group(EntryID{RoleGroup, string(role)})
	}
	for code := range known {
		r.inventory.group(EntryID{DepartmentGroup, string(code)})
	}
	last := orgsync.UserName("")
	err = view.AllUsers(ctx, func(u orgsync.User) error {
		if u.Name < last { // a slip of the view: users could not be found again
			return fmt.Errorf("users are not listed in the order of their names")
		}
		if last = u.Name; u.Status != orgsync.StatusAbsent {
			r.take(u)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	return nil
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
