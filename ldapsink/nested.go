package ldapsink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// regroup makes groups right whose users have no keys of their own: those that were added by
// an attempt that did not get to the end, and nested ones after departments came, moved or
// went. Like follow it is repeated until it succeeds.
func (r *round) regroup(ctx context.Context) error {
	if !r.org.state.Active || r.inventory != nil { // of a whole tenant all groups are compared
		return nil
	}
	blame := map[orgsync.OrgCode][]EntryID{}
	if r.org.nested {
		blame = r.regrouped()
	}
	for _, l := range r.adopt {
		if _, stays := r.plan.at(l.ID); stays && l.ID.Kind == DepartmentGroup {
			blame[orgsync.OrgCode(l.ID.Name)] = append(blame[orgsync.OrgCode(l.ID.Name)], l.ID)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(blame)) {
		err := r.regroupOne(ctx, code)
		if ctx.Err() != nil || errors.Is(err, orgsync.ErrUnavailable) {
			return err
		}
		for _, id := range blame[code] {
			if err != nil {
				r.fail(id, err)
			}
		}
	}
	return nil
}

// regrouped lists the departments whose nested groups may have other users now, each with the
// entries that are to blame. One that is gone, and may be back before its own key is looked at,
// is among them as long as it has a group.
func (r *round) regrouped() map[orgsync.OrgCode][]EntryID {
	blame := map[orgsync.OrgCode][]EntryID{}
	for code, d := range r.departments {
		id := EntryID{DepartmentEntry, string(code)}
		e, there := r.have[id]
		to, stays := r.plan.at(id)
		former, err := r.parse(r.links[id].DN)
		settled := there && stays && e.DN.Equal(to) && err == nil && former.Equal(to) && !r.isRecovered(id)
		if settled || !there && !stays {
			continue
		}
		codes := slices.Clone(d.Path)
		for _, dn := range []DN{e.DN, former} {
			codes = append(codes, r.codesOf(dn)...)
		}
		slices.Sort(codes)
		for _, c := range slices.Compact(codes) {
			blame[c] = append(blame[c], id)
		}
	}
	return blame
}

// isRecovered: the entry was added by an attempt that did not get to the end.
func (r *round) isRecovered(id EntryID) bool {
	return slices.ContainsFunc(r.adopt, func(l Link) bool { return l.ID == id })
}

// codesOf reads a department's name backwards.
func (r *round) codesOf(dn DN) []orgsync.OrgCode {
	var codes []orgsync.OrgCode
	for ; dn.Depth() > r.org.tenant.Depth()+1; dn = dn.Parent() {
		codes = append(codes, orgsync.OrgCode(dn.Value()))
	}
	return codes
}

// regroupOne makes one group equal to the users of the department and of those below it.
func (r *round) regroupOne(ctx context.Context, code orgsync.OrgCode) error {
	g := &membership{id: EntryID{DepartmentGroup, string(code)}, dn: r.org.group(code), add: map[string]member{}}
	if err := r.ask(ctx, []EntryID{g.id}); err != nil {
		return err
	}
	entries, err := r.server.search(ctx, g.dn, BaseObject, "(objectClass=*)", r.server.profile.StableID, "member")
	if err != nil || len(entries) == 0 || !r.isOurs(entries[0], g.id) {
		return err // it comes with its own key, or is not ours
	}
	if err := r.allMembers(ctx, g); err != nil {
		return err
	}
	stale := map[string]member{}
	r.mu.Lock()
	failed := maps.Clone(r.failed)
	r.mu.Unlock()
	for _, value := range entries[0].Attributes["member"] {
		dn, err := r.parse(value)
		if err != nil {
			continue // a value of others
		}
		key := dn.Key()
		if _, wanted := g.add[key]; wanted {
			delete(g.add, key)
			continue
		}
		g.hasNobody = g.hasNobody || dn.Equal(r.org.nobody())
		if dn.Equal(r.org.nobody()) {
			continue
		}
		if id := (EntryID{UserEntry, dn.Value()}); failed[id] == nil { // else it is left as it is
			stale[key] = member{id, dn}
		}
	}
	if g.remove, err = r.known(ctx, stale); err != nil {
		return err
	}
	if len(g.remove) > 0 {
		if err := r.leave(ctx, g); err != nil {
			return err
		}
	}
	return r.join(ctx, g)
}

// isOurs says whether the entry is the one that is linked to the id.
func (r *round) isOurs(f found, id EntryID) bool {
	if other, ok := r.byUUID[f.uuid]; ok {
		return other == id
	}
	return slices.ContainsFunc(r.done, func(o Operation) bool { return o.Kind == Add && o.ID == id })
}

// allMembers collects the users who should be in the group.
func (r *round) allMembers(ctx context.Context, g *membership) error {
	if err := r.firstMembers(ctx, g, nil); err != nil {
		return err
	}
	for name, u := range r.users {
		id := EntryID{UserEntry, string(name)}
		dn, there := r.plan.at(id)
		if there && r.failed[id] == nil && slices.Contains(r.groupsOf(u, map[EntryID]bool{g.id: true}, id), g.id) {
			g.add[dn.Key()] = member{id, dn}
		}
	}
	return nil
}

// known keeps the members that are users of ours.
func (r *round) known(ctx context.Context, members map[string]member) (map[string]member, error) {
	ids := make([]EntryID, 0, len(members))
	for _, m := range members {
		ids = append(ids, m.id)
	}
	ours := map[string]member{}
	for chunk := range slices.Chunk(ids, 1000) {
		links, err := r.sink.cfg.Links.Get(ctx, r.org.state.ID, chunk)
		if err != nil {
			return nil, fmt.Errorf("read links: %w", err)
		}
		for key, m := range members {
			if l, ok := links[m.id]; ok && l.UUID != "" && m.dn.IsBelow(r.org.tenant) {
				ours[key] = m
			}
		}
	}
	return ours, nil
}
