package ldapsink

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// move is a department's entry that goes elsewhere, or went when nobody looked after the
// groups.
type move struct{ from, to DN }

// moves lists the moves of departments that take users along: in a tree, on a server that
// leaves the members of groups as they are.
func (r *round) moves() []move {
	if r.org.users != Tree || r.server.profile.MembersFollow {
		return nil
	}
	var list []move
	for _, id := range sortedIDs(r.have) {
		to, stays := r.plan.at(id)
		if id.Kind != DepartmentEntry || !stays || !r.matters(id) {
			continue
		}
		if from := r.have[id].DN; !from.Equal(to) {
			list = append(list, move{from, to})
		}
		if from, err := r.parse(r.links[id].DN); err == nil && from.Depth() > 0 && !from.Equal(to) && !from.Equal(r.have[id].DN) {
			list = append(list, move{from, to})
		}
	}
	// The longest name first: below it, it says best where an entry went.
	slices.SortStableFunc(list, func(a, b move) int { return b.from.Depth() - a.from.Depth() })
	return list
}

// relocate returns the name that an entry has after the moves.
func relocate(dn DN, moves []move) DN {
	for _, m := range moves {
		if !dn.IsBelow(m.from) {
			continue
		}
		to := m.to
		for _, r := range slices.Backward(dn.rdns[:len(dn.rdns)-len(m.from.rdns)]) {
			to = to.child(r)
		}
		return to
	}
	return dn
}

// follow makes the groups right after departments moved. If that fails it is the trouble
// of these departments, and is found again by the names in their links.
func (r *round) follow(ctx context.Context) error {
	moves := r.moves()
	if len(moves) == 0 || r.inventory != nil { // of a whole tenant all groups are compared
		return nil
	}
	err := r.rebase(ctx, moves)
	if err == nil || ctx.Err() != nil || errors.Is(err, orgsync.ErrUnavailable) {
		return err
	}
	for id := range r.have {
		if to, stays := r.plan.at(id); id.Kind == DepartmentEntry && stays &&
			slices.ContainsFunc(moves, func(m move) bool { return m.to.Equal(to) }) {
			r.fail(id, err)
		}
	}
	return nil
}

// rebase gives the members of groups the names that they have since departments moved:
// one modification per group. It reads the groups once more, because some servers change
// them by themselves, and late.
func (r *round) rebase(ctx context.Context, moves []move) error {
	// What a department was called may be another's name by now, who folds to the same.
	current := make(map[string]bool, len(r.users))
	for name := range r.users {
		if at, stands := r.plan.at(EntryID{UserEntry, string(name)}); stands {
			current[at.Key()] = true
		}
	}
	for _, container := range []string{groups, roles, apps} {
		if container == apps && !r.org.perApp {
			continue
		}
		filter := "(objectClass=" + r.server.profile.groupClass() + ")"
		held, err := r.server.search(ctx, r.org.container(container), SingleLevel, filter, r.server.profile.StableID)
		if err != nil {
			return err
		}
		var names []EntryID
		for _, h := range held {
			names = append(names, EntryID{DepartmentGroup, h.DN.Value()})
		}
		if err := r.ask(ctx, names); err != nil {
			return err
		}
		held = slices.DeleteFunc(held, func(f found) bool {
			_, ours := r.groupID(f)
			return !ours
		})
		if err := each(ctx, r.server.width, held, func(ctx context.Context, f found) error {
			return r.rebaseGroup(ctx, f, moves, current)
		}); err != nil {
			return err
		}
	}
	return nil
}

// rebaseGroup leaves the current names as they are.
func (r *round) rebaseGroup(ctx context.Context, f found, moves []move, current map[string]bool) error {
	entries, err := r.server.search(ctx, f.DN, BaseObject, "(objectClass=*)", "member")
	if err != nil || len(entries) == 0 {
		return err
	}
	has := map[string]bool{}
	var stale []DN
	for _, value := range entries[0].Attributes["member"] {
		dn, err := r.parse(value)
		if err != nil {
			continue // a value of others
		}
		has[dn.Key()] = true
		if !current[dn.Key()] && !relocate(dn, moves).Equal(dn) {
			stale = append(stale, dn)
		}
	}
	id, _ := r.groupID(f)
	for chunk := range slices.Chunk(stale, mostMembers) {
		var old, fresh []string
		for _, dn := range chunk {
			old = append(old, dn.String())
			if to := relocate(dn, moves); !has[to.Key()] {
				fresh = append(fresh, to.String())
			}
		}
		o := Operation{Kind: Modify, ID: id, DN: f.DN, Changes: []Change{{DeleteValues, "member", old}}}
		if len(fresh) > 0 {
			o.Changes = append(o.Changes, Change{AddValues, "member", fresh})
		}
		if err := r.sendMembers(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// descendants lists a department and, where groups are nested, the live ones whose entries
// stand below its own after the plan. One that the state has there already, and that does not
// stand there yet, brings its users along when it comes.
func (r *round) descendants(ctx context.Context, code orgsync.OrgCode) ([]orgsync.OrgCode, error) {
	if !r.org.nested {
		return []orgsync.OrgCode{code}, nil
	}
	if r.below == nil {
		if err := r.readBelow(ctx); err != nil {
			return nil, err
		}
	}
	codes := r.below[code]
	if !slices.Contains(codes, code) {
		codes = append(slices.Clip(codes), code)
	}
	return codes, nil
}

// readBelow notes of all live departments below which others they stand, themselves
// included: by the plan or, if the round is not about them, by their links.
func (r *round) readBelow(ctx context.Context) error {
	all, ok := r.view.(orgsync.Inventory)
	if !ok {
		return errors.New("nested groups need a view that lists all departments")
	}
	var ids []EntryID
	err := all.AllDepartments(ctx, func(d orgsync.Department) error {
		ids = append(ids, EntryID{DepartmentEntry, string(d.Code)})
		return nil
	})
	if err != nil {
		return fmt.Errorf("read departments: %w", err)
	}
	for chunk := range slices.Chunk(ids, linksAtATime) {
		if err := r.ask(ctx, chunk); err != nil {
			return err
		}
	}
	r.below = map[orgsync.OrgCode][]orgsync.OrgCode{}
	for _, id := range ids {
		dn, stays := r.plan.at(id)
		if !stays && !r.matters(id) {
			dn, err = r.parse(r.links[id].DN)
			stays = err == nil
		}
		if !stays {
			continue
		}
		for _, above := range r.codesOf(dn) {
			r.below[above] = append(r.below[above], orgsync.OrgCode(id.Name))
		}
	}
	return nil
}
