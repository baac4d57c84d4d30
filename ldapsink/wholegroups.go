package ldapsink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// wholeMemberships compares all groups with those who should be in them.
func (r *round) wholeMemberships(ctx context.Context) ([]*membership, error) {
	coming := map[EntryID]bool{}
	for _, o := range r.plan.operations {
		if o.Kind == Add && o.ID.Kind.isGroup() {
			coming[o.ID] = true
		}
	}
	var out []*membership
	missing := map[int32][]*membership{} // by number of the user: the groups that lack them
	for n, id := range r.inventory.ids {
		g := &membership{id: id, dn: r.have[id].DN, add: map[string]member{}, remove: map[string]member{}, swap: map[EntryID][]DN{}}
		_, there := r.have[id]
		if !there && !coming[id] {
			continue // the name is taken; its users are told so
		}
		if there {
			if err := r.compareGroup(ctx, int32(n), g, missing); err != nil {
				return nil, err
			}
		} else {
			g.hasNobody = !r.server.profile.EmptyGroups
			r.absentFrom(int32(n), nil, g, missing)
		}
		out = append(out, g)
	}
	if err := r.resolve(ctx, missing); err != nil {
		return nil, err
	}
	out = slices.DeleteFunc(out, func(g *membership) bool { return len(g.add)+len(g.remove) == 0 })
	slices.SortFunc(out, func(a, b *membership) int { return compareIDs(a.id, b.id) })
	return out, nil
}

// compareGroup reads the members of a group: who should not be in it goes, under whatever
// name, and who is not in it is noted.
func (r *round) compareGroup(ctx context.Context, n int32, g *membership, missing map[int32][]*membership) error {
	values, err := r.valuesOf(ctx, g)
	if err != nil {
		return err
	}
	v := r.inventory
	nobody := r.org.nobody().Key()
	in := v.mark()
	count := 0
	for _, value := range values {
		key, ok := r.server.profile.Folding.dnKey(value)
		if ok && key == nobody {
			g.hasNobody = true
		}
		hash := v.hash(key)
		user, ours := v.byDN[hash]
		former := false
		if ok && !ours {
			if user, former, err = r.formerly(ctx, value); err != nil {
				return err
			}
		}
		if !ours && !former {
			continue // a value of others
		}
		rec := &v.records[user]
		id := EntryID{UserEntry, string(rec.name)}
		switch {
		case r.failed[id] != nil: // it is left as it is
			in[user] = n + 1
		case !slices.Contains(rec.groups, n) || in[user] == n+1:
			if err := g.take(r, id, value); err != nil {
				return err
			}
		case hash != rec.dn && !r.standsAt(id, key):
			// A former name. The server follows the move, or we do.
			if r.server.profile.MembersFollow && !former {
				in[user], count = n+1, count+1
				continue
			}
			dn, err := r.parse(value)
			if err != nil {
				return err
			}
			g.swap[id] = append(g.swap[id], dn)
		default:
			in[user], count = n+1, count+1
		}
	}
	for id, former := range g.swap { // who is in it by the right name as well loses the former
		if user := v.byName[orgsync.UserName(id.Name)]; in[user] == n+1 {
			for _, dn := range former {
				g.remove[dn.Key()] = member{id, dn}
			}
			delete(g.swap, id)
		}
	}
	if count < v.sizes[n] {
		r.absentFrom(n, in, g, missing)
	}
	g.emptied = !r.server.profile.EmptyGroups && !g.hasNobody && len(g.remove) == len(values)
	return nil
}

// formerly finds the user of ours that a member named once: an entry by the user's name
// below the tenant's that is not there any more. A server that follows moves by itself,
// and late, may put back a name that nobody remembers.
func (r *round) formerly(ctx context.Context, value string) (int32, bool, error) {
	dn, err := r.parse(value)
	if err != nil || !dn.IsBelow(r.org.tenant) || !strings.EqualFold(dn.attribute(), r.org.userRDN) {
		return 0, false, nil //nolint:nilerr // what cannot be read as a name is a value of others
	}
	user, known := r.inventory.byName[orgsync.UserName(dn.Value())]
	if !known {
		return 0, false, nil
	}
	there, err := r.server.search(ctx, dn, BaseObject, "(objectClass=*)", "1.1")
	return user, len(there) == 0, err
}

// valuesOf are the members of a group as they stand.
func (r *round) valuesOf(ctx context.Context, g *membership) ([]string, error) {
	if values, read := r.have[g.id].Attributes["member"]; read {
		return values, nil
	}
	entries, err := r.server.search(ctx, g.dn, BaseObject, "(objectClass=*)", "member")
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s: went while it was being compared; try again", g.dn)
	}
	return entries[0].Attributes["member"], nil
}

// take takes a value out of the group.
func (g *membership) take(r *round, id EntryID, value string) error {
	dn, err := r.parse(value)
	if err != nil {
		return err
	}
	g.remove[dn.Key()] = member{id, dn}
	return nil
}

// standsAt says whether the entry will have that name after all, as one that stands
// elsewhere because its own name is not free.
func (r *round) standsAt(id EntryID, key string) bool {
	dn, planned := r.plan.at(id)
	return planned && dn.Key() == key
}

// absentFrom notes who should be in the group and is not.
func (r *round) absentFrom(n int32, in []int32, g *membership, missing map[int32][]*membership) {
	for _, user := range r.inventory.membersOf(n) {
		if in == nil || in[user] != n+1 {
			missing[user] = append(missing[user], g)
		}
	}
}

// resolve finds the names of the entries of those who are to join groups.
func (r *round) resolve(ctx context.Context, missing map[int32][]*membership) error {
	var names []orgsync.UserName
	for n := range missing {
		name := r.inventory.records[n].name
		if _, planned := r.plan.at(EntryID{UserEntry, string(name)}); !planned {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	places := map[orgsync.UserName]DN{}
	for chunk := range slices.Chunk(names, 1000) {
		state, err := r.view.Users(ctx, chunk)
		if err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		for name, u := range state {
			places[name] = r.org.userDN(name, u, r.of)
		}
	}
	for n, groups := range missing {
		name := r.inventory.records[n].name
		id := EntryID{UserEntry, string(name)}
		dn, planned := r.plan.at(id)
		if !planned {
			if _, kept := r.users[name]; kept { // it was looked at, and cannot be
				continue
			}
			dn = places[name]
		}
		if r.failed[id] != nil || dn.Depth() == 0 {
			continue
		}
		for _, g := range groups {
			g.add[dn.Key()] = member{id, dn}
		}
	}
	return nil
}

// script is everything that will be done, in order.
func (r *round) script(ms []*membership) []Operation {
	var list []Operation
	of := func(s stage) {
		for _, o := range r.plan.operations {
			if o.stage == s {
				list = append(list, o)
			}
		}
	}
	of(prepare)
	for _, g := range ms {
		list = append(list, r.leaving(g)...)
	}
	of(reduce)
	of(place)
	of(adjust)
	for _, g := range ms {
		list = append(list, r.joining(g, sortedMembers(g.add))...)
	}
	of(demolish)
	return list
}

// digestOf is the same for the same plan.
func digestOf(w Whole) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q\n", w.Tenant)
	for _, l := range w.Adopted {
		_, _ = fmt.Fprintf(h, "adopt %q %q %q\n", l.ID.Kind, l.ID.Name, l.UUID)
	}
	for _, o := range w.Operations {
		var b strings.Builder
		writeRecord(&b, o)
		_, _ = fmt.Fprintln(h, b.String())
	}
	return hex.EncodeToString(h.Sum(nil))
}
