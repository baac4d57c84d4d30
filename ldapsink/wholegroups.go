package ldapsink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// wholeMemberships compares all groups with those who should be in them.
func (r *round) wholeMemberships(ctx context.Context) ([]*membership, error) {
	c := &groupComparison{round: r, names: newNames(r.server.profile.Folding), missing: map[int32][]*membership{}, at: map[string]int32{}}
	c.nobody = r.inventory.hashOf(r.org.nobody())
	coming := map[EntryID]bool{}
	for _, o := range r.plan.operations {
		if o.Kind == Add && o.ID.Kind.isGroup() {
			coming[o.ID] = true
		}
	}
	for n, id := range r.inventory.ids {
		number := int32(n)
		g := &membership{id: id, dn: r.have[id].DN, add: map[string]member{}, remove: map[string]member{}, swap: map[EntryID][]DN{}}
		switch _, there := r.have[id]; {
		case there:
			c.at[g.dn.Key()] = number
		case coming[id]:
			g.hasNobody = !r.server.profile.EmptyGroups
			c.absentFrom(number, nil, g)
		default:
			g = nil // the name is taken; its users are told so
		}
		c.groups = append(c.groups, g)
	}
	if err := c.read(ctx); err != nil {
		return nil, err
	}
	if err := r.resolve(ctx, c.missing); err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(c.groups, func(g *membership) bool { return g == nil || len(g.add)+len(g.remove) == 0 })
	slices.SortFunc(out, func(a, b *membership) int { return compareIDs(a.id, b.id) })
	return out, nil
}

// groupComparison compares the members of all groups, a few groups at a time.
type groupComparison struct {
	*round
	names   *names
	nobody  uint64                  // hash of the placeholder
	groups  []*membership           // by number; nil: there is none
	at      map[string]int32        // by key of the name: groups whose members were not compared yet
	missing map[int32][]*membership // by number of the user: the groups that lack them
	values  []memberValue           // of the group at hand
}

// memberValue is a member as a group names it.
type memberValue struct {
	name uint64 // hash; 0: it is no name
	user int32  // -1: of others, as far as can be told by the name
}

// membersAtATime is about how many members are read at once.
const membersAtATime = 5000

// read compares the groups as they come, and then those that were not met or have members
// that have to be asked about.
func (c *groupComparison) read(ctx context.Context) error {
	total := 0
	for _, size := range c.inventory.sizes {
		total += size
	}
	q := Search{Scope: SingleLevel, Filter: "(objectClass=*)", Attributes: []string{"member"}}
	if c.server.profile.Paged {
		q.Page = max(1, min(page, membersAtATime*len(c.inventory.ids)/max(total, 1)))
	}
	for _, name := range c.wholeGroups() {
		q.Base = c.org.container(name)
		err := c.server.each(ctx, q, func(f found) error {
			key := f.DN.Key()
			if n, ok := c.at[key]; ok && c.sort(f.Attributes["member"]) {
				delete(c.at, key)
				return c.compare(n, f.Attributes["member"], nil)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, n := range slices.Sorted(maps.Values(c.at)) {
		values, err := c.valuesOf(ctx, c.groups[n])
		if err != nil {
			return err
		}
		former := map[int]bool{}
		c.sort(values)
		for i, value := range values {
			if c.values[i].user >= 0 || c.values[i].name == 0 {
				continue
			}
			user, is, err := c.formerly(ctx, value)
			if err != nil {
				return err
			}
			if is {
				c.values[i].user, former[i] = user, true
			}
		}
		if err := c.compare(n, values, former); err != nil {
			return err
		}
	}
	return nil
}

// sort finds whom each value is for. It is false if the directory has to be asked about one.
func (c *groupComparison) sort(values []string) bool {
	c.values = c.values[:0]
	sure := true
	for _, value := range values {
		m := memberValue{user: -1}
		hash, ok := c.names.hash(c.inventory, value)
		if ok {
			m.name = hash
			if user, ours := c.inventory.byDN[hash]; ours {
				m.user = user
			} else if _, may := c.mayBeFormer(value); may {
				sure = false
			}
		}
		c.values = append(c.values, m)
	}
	return sure
}

// compare compares the members of a group: who should not be in it goes, under whatever
// name, and who is not in it is noted. former are the values that are names of the past.
func (c *groupComparison) compare(n int32, values []string, former map[int]bool) error {
	v, g := c.inventory, c.groups[n]
	in := v.mark()
	count := 0
	for i, value := range values {
		m := c.values[i]
		g.hasNobody = g.hasNobody || m.name == c.nobody
		if m.user < 0 {
			continue // a value of others
		}
		rec := &v.records[m.user]
		id := EntryID{UserEntry, string(rec.name)}
		switch {
		case c.failed[id] != nil: // it is left as it is
			in[m.user] = n + 1
		case !slices.Contains(v.groupsOf(rec), n) || in[m.user] == n+1:
			if err := g.take(c.round, id, value); err != nil {
				return err
			}
		case m.name != rec.dn && !c.standsAt(id, value):
			// A former name. The server follows the move, or we do.
			if c.server.profile.MembersFollow && !former[i] {
				in[m.user], count = n+1, count+1
				continue
			}
			dn, err := c.parse(value)
			if err != nil {
				return err
			}
			g.swap[id] = append(g.swap[id], dn)
		default:
			in[m.user], count = n+1, count+1
		}
	}
	for id, past := range g.swap { // who is in it by the right name as well loses the former
		if user, _ := v.find(orgsync.UserName(id.Name)); in[user] == n+1 {
			for _, dn := range past {
				g.remove[dn.Key()] = member{id, dn}
			}
			delete(g.swap, id)
		}
	}
	if count < v.sizes[n] {
		c.absentFrom(n, in, g)
	}
	g.emptied = !c.server.profile.EmptyGroups && !g.hasNobody && len(g.remove) == len(values)
	return nil
}

// mayBeFormer finds the user of ours that a member may have named once: an entry by the
// user's name below the tenant's.
func (r *round) mayBeFormer(value string) (int32, bool) {
	dn, err := r.parse(value)
	if err != nil || !dn.IsBelow(r.org.tenant) || !strings.EqualFold(dn.attribute(), r.org.userRDN) {
		return 0, false
	}
	return r.inventory.find(orgsync.UserName(dn.Value()))
}

// formerly is mayBeFormer of an entry that is not there any more. A server that follows moves
// by itself, and late, may put back a name that nobody remembers.
func (r *round) formerly(ctx context.Context, value string) (int32, bool, error) {
	user, may := r.mayBeFormer(value)
	if !may {
		return 0, false, nil
	}
	dn, err := r.parse(value)
	if err != nil {
		return 0, false, err
	}
	there, err := r.server.search(ctx, dn, BaseObject, "(objectClass=*)", "1.1")
	return user, len(there) == 0, err
}

// valuesOf are the members of a group as they stand.
func (r *round) valuesOf(ctx context.Context, g *membership) ([]string, error) {
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
func (r *round) standsAt(id EntryID, name string) bool {
	at, planned := r.plan.at(id)
	dn, err := r.parse(name)
	return planned && err == nil && dn.Equal(at)
}

// absentFrom notes who should be in the group and is not.
func (c *groupComparison) absentFrom(n int32, in []int32, g *membership) {
	for _, user := range c.inventory.membersOf(n) {
		if in == nil || in[user] != n+1 {
			c.missing[user] = append(c.missing[user], g)
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
