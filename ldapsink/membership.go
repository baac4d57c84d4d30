package ldapsink

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// fewMembers is up to how many names are looked for one by one. For more it is cheaper
	// to read the groups that hold any of them.
	fewMembers = 8
	// mostMembers is how many members one modification adds or removes: a request of this
	// size stays far below the 4 MiB that OpenLDAP takes (sockbuf_max_incoming_auth).
	mostMembers = 5000
)

// member is a value of a group, and the user it is for.
type member struct {
	id EntryID
	dn DN
}

// membership is what changes in one group.
type membership struct {
	id          EntryID
	dn          DN                // where the group is now; the zero value: it is yet to be added
	add, remove map[string]member // by key of the DN
	hasNobody   bool
}

// memberships compares the groups that users of the round are in with those they should be
// in.
func (r *round) memberships(ctx context.Context, operations []Operation) ([]*membership, error) {
	changes, err := r.currentGroups(ctx)
	if err != nil {
		return nil, err
	}
	of := func(id EntryID) *membership {
		if changes[id] == nil {
			changes[id] = &membership{id: id, dn: r.have[id].DN}
		}
		if changes[id].add == nil {
			changes[id].add = map[string]member{}
		}
		return changes[id]
	}
	coming := map[EntryID]bool{}
	for _, o := range operations {
		if o.Kind != Add || o.ID.Kind != DepartmentGroup {
			continue
		}
		coming[o.ID] = true
		if err := r.firstMembers(ctx, of(o.ID)); err != nil {
			return nil, err
		}
	}
	for name, u := range r.users {
		if !r.org.isEnabled(u) {
			continue
		}
		m := member{EntryID{UserEntry, string(name)}, r.org.user(name, true)}
		if r.failed[m.id] != nil { // leave it as it is
			for _, g := range changes {
				maps.DeleteFunc(g.remove, func(_ string, other member) bool { return other.id == m.id })
			}
			continue
		}
		for _, id := range r.groupsOf(u, coming, m.id) {
			g, key := of(id), m.dn.Key()
			if _, isIn := g.remove[key]; isIn {
				delete(g.remove, key)
				continue
			}
			g.add[key] = m
		}
	}
	var out []*membership
	for _, g := range changes {
		if len(g.add)+len(g.remove) > 0 {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b *membership) int { return compareIDs(a.id, b.id) })
	return out, r.findNobody(ctx, out)
}

// groupsOf lists the groups that the user should be in and that are there or coming.
func (r *round) groupsOf(u orgsync.User, coming map[EntryID]bool, user EntryID) []EntryID {
	ids := []EntryID{{RoleGroup, string(u.Role)}}
	code := departmentOf(u)
	if !r.live[code] {
		return ids
	}
	id := EntryID{DepartmentGroup, string(code)}
	if _, there := r.have[id]; there || coming[id] {
		return append(ids, id)
	}
	r.warnings[user] = append(r.warnings[user], r.org.group(code).String()+" is not ours: the user is not a member")
	return ids
}

// currentGroups returns the groups of ours that hold one of the round's users, under any
// name an entry of theirs has or may have had, as if all of them were to leave.
func (r *round) currentGroups(ctx context.Context) (map[EntryID]*membership, error) {
	names := map[string]member{}
	note := func(m member) { names[m.dn.Key()] = m }
	for name, u := range r.users {
		id := EntryID{UserEntry, string(name)}
		note(member{id, r.org.user(name, true)})
		e, there := r.have[id]
		if there {
			note(member{id, e.DN})
		}
		if there || !r.org.isEnabled(u) {
			note(member{id, r.org.user(name, false)})
		}
	}
	held, err := r.sink.groupsHolding(ctx, r.org.tenant, names)
	if err != nil {
		return nil, err
	}
	if err := r.recogniseGroups(ctx, held); err != nil {
		return nil, err
	}
	changes := map[EntryID]*membership{}
	for _, h := range held {
		id, ours := r.byUUID[h.uuid]
		if h.DN.Parent().Equal(r.org.container(roles)) {
			id = EntryID{RoleGroup, fold(h.DN.Value())}
			_, ours = r.have[id]
		}
		if ours && (id.Kind == RoleGroup || id.Kind == DepartmentGroup) {
			g := &membership{id: id, dn: h.DN, remove: make(map[string]member, len(h.members))}
			for _, m := range h.members {
				g.remove[m.dn.Key()] = m
			}
			changes[id] = g
		}
	}
	return changes, nil
}

// recogniseGroups loads the links of department groups that were not looked for.
func (r *round) recogniseGroups(ctx context.Context, held []holding) error {
	var ids []EntryID
	for _, h := range held {
		ids = append(ids, EntryID{DepartmentGroup, h.DN.Value()})
	}
	return r.ask(ctx, ids)
}

// firstMembers adds to a new group the users whose entries are there already. The others
// come with their own keys.
func (r *round) firstMembers(ctx context.Context, g *membership) error {
	if !r.org.state.Active {
		return nil
	}
	var names []orgsync.UserName
	err := r.view.Members(ctx, orgsync.OrgCode(g.id.Name), func(name orgsync.UserName) error {
		if _, inRound := r.users[name]; !inRound {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read members: %w", err)
	}
	for chunk := range slices.Chunk(names, 1000) {
		ids := make([]EntryID, len(chunk))
		for i, name := range chunk {
			ids[i] = EntryID{UserEntry, string(name)}
		}
		links, err := r.sink.cfg.Links.Get(ctx, r.org.state.ID, ids)
		if err != nil {
			return fmt.Errorf("read links: %w", err)
		}
		for i, name := range chunk {
			dn := r.org.user(name, true)
			l := links[ids[i]]
			if at, err := ParseDN(l.DN); err == nil && l.UUID != "" && at.Equal(dn) {
				g.add[dn.Key()] = member{ids[i], dn}
			}
		}
	}
	return nil
}

// findNobody notes which of the groups hold the placeholder.
func (r *round) findNobody(ctx context.Context, changes []*membership) error {
	var names []string
	for _, g := range changes {
		switch {
		case g.dn.Depth() == 0:
			g.hasNobody = true // it will be added with it
		case len(g.add) > 0:
			names = append(names, g.dn.Value())
		}
	}
	holds := map[string]bool{}
	for chunk := range slices.Chunk(names, batch) {
		filter := "(&(objectClass=groupOfNames)(member=" + ldap.EscapeFilter(r.org.nobody().String()) + ")" + anyOf([]string{"cn"}, chunk) + ")"
		entries, err := r.sink.search(ctx, r.org.tenant, subtree, filter, "1.1")
		if err != nil {
			return err
		}
		for _, e := range entries {
			holds[e.DN.Key()] = true
		}
	}
	for _, g := range changes {
		g.hasNobody = g.hasNobody || holds[g.dn.Key()]
	}
	return nil
}

// holding is a group and those of the names asked for that are in it.
type holding struct {
	found
	members []member
}

// groupsHolding finds the groups below base that hold any of the names.
func (s *Sink) groupsHolding(ctx context.Context, base DN, names map[string]member) ([]holding, error) {
	list := make([]member, 0, len(names))
	for _, m := range names {
		list = append(list, m)
	}
	size := batch
	if len(list) <= fewMembers {
		size = 1
	}
	var mu sync.Mutex
	groups := map[string]*holding{}
	chunks := slices.Collect(slices.Chunk(list, size))
	err := each(ctx, s.cfg.Connections, chunks, func(ctx context.Context, chunk []member) error {
		texts := make([]string, len(chunk))
		for i, m := range chunk {
			texts[i] = m.dn.String()
		}
		entries, err := s.search(ctx, base, subtree, "(&(objectClass=groupOfNames)"+anyOf([]string{"member"}, texts)+")", "entryUUID")
		mu.Lock()
		defer mu.Unlock()
		for _, e := range entries {
			h := groups[e.DN.Key()]
			if h == nil {
				h = &holding{found: e}
				groups[e.DN.Key()] = h
			}
			if size == 1 {
				h.members = append(h.members, chunk[0])
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]*holding, 0, len(groups))
	for _, h := range groups {
		out = append(out, h)
	}
	if size > 1 {
		err = each(ctx, s.cfg.Connections, out, func(ctx context.Context, h *holding) error { return s.readMembers(ctx, h, names) })
	}
	held := make([]holding, len(out))
	for i, h := range out {
		held[i] = *h
	}
	return held, err
}

// readMembers reads a whole group and keeps those of its members that were asked for.
func (s *Sink) readMembers(ctx context.Context, h *holding, names map[string]member) error {
	entries, err := s.search(ctx, h.DN, baseObject, "(objectClass=groupOfNames)", "member")
	if err != nil || len(entries) == 0 {
		return err
	}
	for _, value := range entries[0].Attributes["member"] {
		key := strings.ToLower(value)
		if m, ok := names[key]; ok {
			h.members = append(h.members, m)
			continue
		}
		dn, err := ParseDN(value)
		if err != nil {
			continue // a value of others; ours can be read
		}
		if m, ok := names[dn.Key()]; ok {
			h.members = append(h.members, m)
		}
	}
	return nil
}
