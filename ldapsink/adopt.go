package ldapsink

import (
	"context"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// adoptUsers makes entries ours that have the userName of a user whose entry is not there.
// Of several it takes the one where the user's is to stand; without one there it takes none.
func (r *round) adoptUsers(ctx context.Context, names []orgsync.UserName) error {
	var texts []string
	for _, name := range names {
		if id := (EntryID{UserEntry, string(name)}); r.have[id].ID != id {
			texts = append(texts, string(name))
		}
	}
	entries, err := r.server.searchAny(ctx, r.org.tenant, Subtree, []string{r.org.userRDN}, texts, r.org.kept()...)
	if err != nil {
		return err
	}
	candidates := map[EntryID][]found{}
	for _, e := range entries {
		id := EntryID{UserEntry, e.DN.Value()}
		if _, ours := r.byUUID[e.uuid]; !ours && e.is(r.server.profile.class(UserEntry)) && !e.is("computer") {
			candidates[id] = append(candidates[id], e)
		}
	}
	if err := r.loadUsers(ctx, names); err != nil {
		return err
	}
	for _, text := range texts {
		id := EntryID{UserEntry, text}
		name := orgsync.UserName(text)
		r.adoptOne(id, r.org.userDN(name, r.users[name], r.of), candidates[id])
		if e, ok := r.have[id]; ok {
			n, _ := r.inventory.find(name)
			r.inventory.byDN[r.inventory.hashOf(e.DN)] = n
		}
	}
	return nil
}

// adoptOne makes one of the candidates ours: the one at the name, or else the only one.
func (r *round) adoptOne(id EntryID, at DN, candidates []found) {
	i := slices.IndexFunc(candidates, func(f found) bool { return f.DN.Equal(at) })
	if i < 0 && len(candidates) == 1 {
		i = 0
	}
	if i < 0 || candidates[i].uuid == "" {
		return
	}
	e := candidates[i]
	l := Link{ID: id, UUID: e.uuid, DN: e.DN.String()}
	e.ID = id
	r.have[id], r.links[id], r.byUUID[e.uuid] = e.Entry, l, id
	r.adopt = append(r.adopt, l)
	r.others = slices.DeleteFunc(r.others, func(other Entry) bool { return other.DN.Equal(e.DN) })
}

// adoptStructure makes departments and groups ours, and the tenant's entry.
func (r *round) adoptStructure(ctx context.Context, structure, groupEntries []found) error {
	tenant := EntryID{Kind: TenantEntry}
	if _, ours := r.have[tenant]; !ours && !r.org.tenant.Equal(r.server.base) && r.stands(r.org.tenant) {
		entries, err := r.server.search(ctx, r.org.tenant, BaseObject, "(objectClass=organizationalUnit)", r.org.kept()...)
		if err != nil {
			return err
		}
		r.adoptOne(tenant, r.org.tenant, entries)
	}
	departmentsByCode, groupsByCode := map[string][]found{}, map[string][]found{}
	note := func(list map[string][]found, f found, kind EntryKind, codes ...string) {
		if _, ours := r.byUUID[f.uuid]; ours || !f.is(r.server.profile.class(kind)) {
			return
		}
		slices.Sort(codes)
		for _, code := range slices.Compact(codes) {
			list[code] = append(list[code], f)
		}
	}
	for _, f := range structure {
		note(departmentsByCode, f, DepartmentEntry, append(slices.Clone(f.Attributes["businessCategory"]), f.DN.Value())...)
	}
	for _, f := range groupEntries {
		note(groupsByCode, f, DepartmentGroup, f.DN.Value())
	}
	for code, d := range r.departments {
		id, group := EntryID{DepartmentEntry, string(code)}, EntryID{DepartmentGroup, string(code)}
		if _, ours := r.have[id]; !ours && d.Live {
			r.adoptOne(id, r.org.department(d), departmentsByCode[string(code)])
		}
		if _, ours := r.have[group]; !ours && d.Live {
			r.adoptOne(group, r.org.group(code), groupsByCode[string(code)])
		}
	}
	return nil
}
