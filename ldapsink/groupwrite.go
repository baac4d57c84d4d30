package ldapsink

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

// leaving takes members out of a group. One that will be empty gets the placeholder, if that
// is known.
func (r *round) leaving(g *membership) []Operation {
	var list []Operation
	for chunk := range slices.Chunk(sortedMembers(g.remove), mostMembers) {
		list = append(list, Operation{
			Kind: Modify, ID: g.id, DN: g.dn, Changes: []Change{{DeleteValues, "member", textsOf(chunk)}}, stage: reduce,
		})
	}
	if g.emptied && len(list) > 0 {
		last := &list[len(list)-1]
		last.Changes = append(last.Changes, r.placeholder(AddValues))
	}
	return list
}

func (r *round) placeholder(kind ChangeKind) Change {
	return Change{kind, "member", []string{r.org.nobody().String()}}
}

// leave does it. Where it turns out that the group would be empty – to know before would
// mean to read all its members – it gets the placeholder.
func (r *round) leave(ctx context.Context, g *membership) error {
	chunks := slices.Collect(slices.Chunk(sortedMembers(g.remove), mostMembers))
	for i, o := range r.leaving(g) {
		err := r.sendMembers(ctx, o)
		if hasCode(err, ldap.LDAPResultObjectClassViolation) && !g.hasNobody && !g.emptied {
			o.Changes = append(o.Changes, r.placeholder(AddValues))
			err = r.sendMembers(ctx, o)
			g.hasNobody = g.hasNobody || err == nil
		}
		if err := r.blame(ctx, err, chunks[i]); err != nil {
			return err
		}
	}
	return nil
}

// joining takes members into a group, and the placeholder out of it.
func (r *round) joining(g *membership, members []member) []Operation {
	var list []Operation
	for chunk := range slices.Chunk(members, mostMembers) {
		o := Operation{
			Kind: Modify, ID: g.id, DN: r.org.groupOf(g.id), Changes: []Change{{AddValues, "member", textsOf(chunk)}}, stage: demolish,
		}
		if former := g.former(chunk); len(former) > 0 {
			o.Changes = append(o.Changes, Change{DeleteValues, "member", former})
		}
		if (g.hasNobody || g.emptied) && len(list) == 0 {
			o.Changes = append(o.Changes, r.placeholder(DeleteValues))
		}
		list = append(list, o)
	}
	return list
}

// join does it, as far as the members' entries came to stand.
func (r *round) join(ctx context.Context, g *membership) error {
	r.mu.Lock()
	members := slices.DeleteFunc(sortedMembers(g.add), func(m member) bool { return r.failed[m.id] != nil })
	err := r.failed[g.id]
	r.mu.Unlock()
	if err != nil {
		return r.blame(ctx, err, members)
	}
	chunks := slices.Collect(slices.Chunk(members, mostMembers))
	for i, o := range r.joining(g, members) {
		if err := r.blame(ctx, r.sendMembers(ctx, o), chunks[i]); err != nil {
			return err
		}
	}
	return nil
}

// former are the names under which these members are in the group already.
func (g *membership) former(members []member) []string {
	var names []string
	for _, m := range members {
		for _, dn := range g.swap[m.id] {
			names = append(names, dn.String())
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

// sendMembers sends a modification of members. Where it meets a group that is not as it was
// read – the server followed a moved entry by itself, or the answer to an earlier attempt was
// lost – what is left to be done is sent instead.
func (r *round) sendMembers(ctx context.Context, o Operation) error {
	const tries = 4
	err := r.server.send(ctx, o)
	for n := 1; n < tries && (hasCode(err, ldap.LDAPResultNoSuchAttribute) || hasCode(err, ldap.LDAPResultAttributeOrValueExists)); n++ {
		entries, failed := r.server.search(ctx, o.DN, BaseObject, "(objectClass=*)", "member")
		if failed != nil || len(entries) == 0 {
			return errors.Join(failed, err)
		}
		rest := r.restOf(o, entries[0].Attributes["member"])
		if len(rest.Changes) == 0 {
			return nil
		}
		err = r.server.send(ctx, rest)
	}
	return err
}

// restOf is what is left to be done of a modification, given the members as they are now.
// A member who was to get another name may have got a third one, on the way, by the server.
func (r *round) restOf(o Operation, now []string) Operation {
	has, byLeaf := make(map[string]bool, len(now)), make(map[string][]DN)
	for _, value := range now {
		if dn, err := r.parse(value); err == nil {
			has[dn.Key()] = true
			byLeaf[dn.leaf().key] = append(byLeaf[dn.leaf().key], dn)
		}
	}
	added, leaves := map[string]bool{}, map[string]bool{}
	for _, c := range o.Changes {
		for _, value := range c.Values {
			if dn, err := r.parse(value); err == nil && c.Kind == AddValues {
				added[dn.Key()], leaves[dn.leaf().key] = true, true
			}
		}
	}
	rest := o
	rest.Changes = nil
	for _, c := range o.Changes {
		var values []string
		for _, value := range c.Values {
			dn, err := r.parse(value)
			switch {
			case err != nil || has[dn.Key()] != (c.Kind == AddValues):
				values = append(values, value)
			case c.Kind == DeleteValues && leaves[dn.leaf().key]:
				for _, other := range byLeaf[dn.leaf().key] {
					if !added[other.Key()] && other.IsBelow(r.org.tenant) {
						values = append(values, other.String())
					}
				}
			}
		}
		if len(values) > 0 {
			c.Values = values
			rest.Changes = append(rest.Changes, c)
		}
	}
	return rest
}
