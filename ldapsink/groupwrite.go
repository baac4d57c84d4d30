package ldapsink

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

// leave takes members out of a group. A group that would be empty gets the placeholder; to
// know before would mean to read all its members.
func (r *round) leave(ctx context.Context, g *membership) error {
	for chunk := range slices.Chunk(sortedMembers(g.remove), mostMembers) {
		o := Operation{Kind: Modify, ID: g.id, DN: g.dn, Changes: []Change{{DeleteValues, "member", textsOf(chunk)}}}
		err := r.sendMembers(ctx, o)
		if hasCode(err, ldap.LDAPResultObjectClassViolation) && !g.hasNobody {
			o.Changes = append(o.Changes, Change{AddValues, "member", []string{r.org.nobody().String()}})
			err = r.sendMembers(ctx, o)
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
		err := r.sendMembers(ctx, o)
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
		has := make(map[string]bool, len(entries[0].Attributes["member"]))
		for _, value := range entries[0].Attributes["member"] {
			if dn, err := r.parse(value); err == nil {
				has[dn.Key()] = true
			}
		}
		rest := o
		rest.Changes = nil
		for _, c := range o.Changes {
			c.Values = slices.DeleteFunc(slices.Clone(c.Values), func(value string) bool {
				dn, err := r.parse(value)
				return err == nil && has[dn.Key()] == (c.Kind == AddValues)
			})
			if len(c.Values) > 0 {
				rest.Changes = append(rest.Changes, c)
			}
		}
		if len(rest.Changes) == 0 {
			return nil
		}
		err = r.server.send(ctx, rest)
	}
	return err
}
