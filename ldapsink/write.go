package ldapsink

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

// write does everything, in the order that takes access away first. An error means that the
// directory no longer answers; what it refuses is noted against the entry and the rest goes
// on.
func (r *round) write(ctx context.Context, operations []Operation, ms []*membership) error {
	for s := prepare; s <= demolish; s++ {
		var due []Operation
		for _, o := range operations {
			if o.stage == s {
				due = append(due, o)
			}
		}
		switch s {
		case reduce:
			if err := each(ctx, r.server.width, ms, r.leave); err != nil {
				return err
			}
		case demolish:
			if err := r.follow(ctx); err != nil {
				return err
			}
			if err := each(ctx, r.server.width, ms, r.join); err != nil {
				return err
			}
		case prepare, place, adjust:
		}
		if err := r.runStage(ctx, due); err != nil {
			return err
		}
	}
	return nil
}

// runStage does operations of one stage: one after the other what others may depend on, the
// rest side by side.
func (r *round) runStage(ctx context.Context, operations []Operation) error {
	for len(operations) > 0 {
		ordered := isOrdered(operations[0])
		n := slices.IndexFunc(operations, func(o Operation) bool { return isOrdered(o) != ordered })
		if n < 0 {
			n = len(operations)
		}
		run := operations[:n]
		operations = operations[n:]
		width := r.server.width
		if ordered || slices.ContainsFunc(run, func(o Operation) bool { return o.Temporary }) {
			width = 1
		}
		if err := each(ctx, width, run, r.perform); err != nil {
			return err
		}
	}
	return nil
}

func isOrdered(o Operation) bool { return o.ID.Kind.isStructure() && o.stage != adjust }

// perform does one operation of the plan, unless an earlier one of the same entry failed.
// Values that the server will not take are left out.
func (r *round) perform(ctx context.Context, o Operation) error {
	if r.isBroken(o) {
		return nil
	}
	err := r.server.send(ctx, o)
	for err != nil && !errors.Is(err, orgsync.ErrUnavailable) {
		lesser, name, ok := withoutRefused(o, err)
		if !ok {
			break
		}
		r.mu.Lock()
		r.warnings[o.ID] = append(r.warnings[o.ID], name+" left out: the directory refuses the value")
		r.mu.Unlock()
		o = lesser
		err = r.server.send(ctx, o)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.done = append(r.done, o)
		return nil
	case ctx.Err() != nil, errors.Is(err, orgsync.ErrUnavailable):
		return err
	default:
		r.broken[o.ID] = true
		if r.failed[o.ID] == nil {
			r.failed[o.ID] = err
		}
		return nil
	}
}

// isBroken says whether the operation must be left undone: something failed before it. A
// department that lost its name to a twin must not have the twin's group.
func (r *round) isBroken(o Operation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	department := EntryID{DepartmentEntry, o.ID.Name}
	if o.ID.Kind == DepartmentGroup && o.Kind == Add && r.broken[department] {
		r.broken[o.ID], r.failed[o.ID] = true, r.failed[department]
	}
	return r.broken[o.ID]
}

// leave takes members out of a group. A group that would be empty gets the placeholder; to
// know before would mean to read all its members.
func (r *round) leave(ctx context.Context, g *membership) error {
	for chunk := range slices.Chunk(sortedMembers(g.remove), mostMembers) {
		o := Operation{Kind: Modify, ID: g.id, DN: g.dn, Changes: []Change{{DeleteValues, "member", textsOf(chunk)}}}
		err := r.server.send(ctx, o)
		if hasCode(err, ldap.LDAPResultObjectClassViolation) && !g.hasNobody {
			o.Changes = append(o.Changes, Change{AddValues, "member", []string{r.org.nobody().String()}})
			err = r.server.send(ctx, o)
			g.hasNobody = g.hasNobody || err == nil
		}
		if err := r.blame(ctx, err, chunk); err != nil {
			return err
		}
	}
	return nil
}

// join takes members into a group, as far as their entries came to stand.
func (r *round) join(ctx context.Context, g *membership) error {
	r.mu.Lock()
	members := slices.DeleteFunc(sortedMembers(g.add), func(m member) bool { return r.failed[m.id] != nil })
	err := r.failed[g.id]
	r.mu.Unlock()
	if err != nil {
		return r.blame(ctx, err, members)
	}
	dn := r.org.groupOf(g.id)
	for chunk := range slices.Chunk(members, mostMembers) {
		o := Operation{Kind: Modify, ID: g.id, DN: dn, Changes: []Change{{AddValues, "member", textsOf(chunk)}}}
		if former := g.former(chunk); len(former) > 0 {
			o.Changes = append(o.Changes, Change{DeleteValues, "member", former})
		}
		if g.hasNobody {
			o.Changes = append(o.Changes, Change{DeleteValues, "member", []string{r.org.nobody().String()}})
		}
		err := r.server.send(ctx, o)
		if err := r.blame(ctx, err, chunk); err != nil {
			return err
		}
		g.hasNobody = g.hasNobody && err != nil
	}
	return nil
}

// former are the names under which these members are in the group already.
func (g *membership) former(members []member) []string {
	var names []string
	for _, m := range members {
		for _, other := range g.swap {
			if other.id == m.id {
				names = append(names, other.dn.String())
			}
		}
	}
	return names
}

// blame notes an error about a group against the users it was about.
func (r *round) blame(ctx context.Context, err error, members []member) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, orgsync.ErrUnavailable) {
		return err
	}
	for _, m := range members {
		r.fail(m.id, err)
	}
	return nil
}

func textsOf(members []member) []string {
	texts := make([]string, len(members))
	for i, m := range members {
		texts[i] = m.dn.String()
	}
	return texts
}

func sortedMembers(ms map[string]member) []member {
	return slices.SortedFunc(maps.Values(ms), func(a, b member) int { return compareIDs(a.id, b.id) })
}

// send writes one operation. An entry that is to go and is not there is gone.
func (s server) send(ctx context.Context, o Operation) error {
	err := s.directory.Write(ctx, o)
	if err != nil && ctx.Err() == nil {
		err = translate(err, o.Kind.String(), o.DN.String())
	}
	if o.Kind == Delete && hasCode(err, ldap.LDAPResultNoSuchObject) {
		err = nil
	}
	if s.observe != nil {
		s.observe(o, err)
	}
	return err
}
