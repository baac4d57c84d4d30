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
	// mostMembers is how many members one modification adds or removes. OpenLDAP's overlay
	// memberof writes some hundred users a second before it answers; a request that is given
	// up for that leaves memberOf unfinished for ever.
	mostMembers = 1000
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
	swap        map[EntryID][]DN  // former names of those in add: they go in the same modification
	hasNobody   bool
	emptied     bool // nobody is left in it after remove, and the server wants somebody
}

// memberships compares the groups that users of the round are in with those they should be
// in.
func (r *round) memberships(ctx context.Context) ([]*membership, error) {
	changes, err := r.currentGroups(ctx)
	if err != nil {
		return nil, err
	}
	of := func(id EntryID) *membership {
		if changes[id] == nil {
			changes[id] = &membership{id: id, dn: r.have[id].DN}
		}
		if changes[id].add == nil {
			changes[id].add, changes[id].swap = map[string]member{}, map[EntryID][]DN{}
		}
		return changes[id]
	}
	coming := map[EntryID]bool{}
	for _, o := range r.plan.operations {
		if o.Kind != Add || !o.ID.Kind.isGroup() {
			continue
		}
		coming[o.ID] = true
		if o.ID.Kind != DepartmentGroup {
			continue
		}
		if err := r.firstMembers(ctx, of(o.ID), r.moves()); err != nil {
			return nil, err
		}
	}
	for name, u := range r.users {
		if !r.org.isEnabled(u) {
			continue
		}
		id := EntryID{UserEntry, string(name)}
		if r.failed[id] != nil { // leave it as it is
			for _, g := range changes {
				maps.DeleteFunc(g.remove, func(_ string, other member) bool { return other.id == id })
			}
			continue
		}
		dn, there := r.plan.at(id)
		if !there {
			continue
		}
		for _, group := range r.groupsOf(u, coming, id) {
			of(group).keep(member{id, dn}, r.server.profile.MembersFollow)
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

// keep makes the user a member, under the name that the entry will have. follows: the
// server itself replaces the name that the entry had.
func (g *membership) keep(m member, follows bool) {
	key := m.dn.Key()
	if _, isIn := g.remove[key]; isIn {
		delete(g.remove, key)
		return
	}
	for former, other := range g.remove {
		if other.id != m.id {
			continue
		}
		delete(g.remove, former)
		if follows {
			return
		}
		g.swap[m.id] = append(g.swap[m.id], other.dn)
	}
	g.add[key] = m
}

// groupsOf lists the groups that the user should be in and that are there or coming.
func (r *round) groupsOf(u orgsync.User, coming map[EntryID]bool, user EntryID) []EntryID {
	ids := append([]EntryID{{RoleGroup, string(u.Role)}}, r.org.appGroups(u)...)
	for _, code := range r.grouping(u) {
		id := EntryID{DepartmentGroup, string(code)}
		if _, there := r.have[id]; there || coming[id] {
			ids = append(ids, id)
			continue
		}
		r.warnings[user] = append(r.warnings[user], r.org.group(code).String()+" is not ours: the user is not a member")
	}
	return ids
}

// currentGroups returns the groups of ours that hold one of the round's users, under any
// name an entry of theirs has or may have had, as if all of them were to leave.
func (r *round) currentGroups(ctx context.Context) (map[EntryID]*membership, error) {
	names := map[string]member{}
	note := func(m member) { names[m.dn.Key()] = m }
	for name, u := range r.users {
		id := EntryID{UserEntry, string(name)}
		note(member{id, r.org.user(name, true, departmentOf(u), r.of)})
		if dn, planned := r.plan.at(id); planned {
			note(member{id, dn})
		}
		if l := r.links[id]; r.org.users == Tree && l.DN != "" {
			if dn, err := r.parse(l.DN); err == nil {
				note(member{id, dn})
			}
		}
		e, there := r.have[id]
		if there {
			note(member{id, e.DN})
		}
		if there && r.org.apart || !r.org.isEnabled(u) {
			note(member{id, r.org.user(name, false, departmentOf(u), r.of)})
		}
	}
	held, err := r.server.groupsHolding(ctx, r.org.tenant, names)
	if err != nil {
		return nil, err
	}
	if err := r.recogniseGroups(ctx, held); err != nil {
		return nil, err
	}
	changes := map[EntryID]*membership{}
	for _, h := range held {
		if id, ours := r.groupID(h.found); ours {
			g := &membership{id: id, dn: h.DN, remove: make(map[string]member, len(h.members))}
			for _, m := range h.members {
				g.remove[m.dn.Key()] = m
			}
			changes[id] = g
		}
	}
	return changes, nil
}

// groupID says which group of ours the entry is.
func (r *round) groupID(f found) (EntryID, bool) {
	for name, kind := range map[string]EntryKind{roles: RoleGroup, apps: AppGroup} {
		if !f.DN.Parent().Equal(r.org.container(name)) {
			continue
		}
		for id, e := range r.have {
			if id.Kind == kind && e.DN.Equal(f.DN) {
				return id, true
			}
		}
		if kind == AppGroup { // one that no user of the round is to be in
			return EntryID{AppGroup, f.DN.Value()}, true
		}
	}
	id, ours := r.byUUID[f.uuid]
	return id, ours && id.Kind == DepartmentGroup
}

// recogniseGroups loads the links of department groups that were not looked for.
func (r *round) recogniseGroups(ctx context.Context, held []holding) error {
	var ids []EntryID
	for _, h := range held {
		ids = append(ids, EntryID{DepartmentGroup, h.DN.Value()})
	}
	if err := r.ask(ctx, ids); err != nil {
		return err
	}
	for i, h := range held {
		if _, known := r.byUUID[h.uuid]; !known && h.DN.Parent().Equal(r.org.container(groups)) {
			r.intended(h.found, ids[i:i+1])
		}
	}
	return nil
}

// firstMembers adds to a new group the users whose entries are there already, under the
// names that they have after the moves. The others come with their own keys.
func (r *round) firstMembers(ctx context.Context, g *membership, moves []move) error {
	if !r.org.state.Active {
		return nil
	}
	codes, err := r.descendants(ctx, orgsync.OrgCode(g.id.Name))
	if err != nil {
		return err
	}
	var names []orgsync.UserName
	for _, code := range codes {
		err := r.view.Members(ctx, code, func(name orgsync.UserName) error {
			if _, inRound := r.users[name]; !inRound {
				names = append(names, name)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read members: %w", err)
		}
	}
	for chunk := range slices.Chunk(names, 1000) {
		err := r.standingUsers(ctx, chunk, func(m member) {
			m.dn = relocate(m.dn, moves)
			g.add[m.dn.Key()] = m
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// standingUsers yields those of the enabled users whose entries stand where they should.
func (r *round) standingUsers(ctx context.Context, names []orgsync.UserName, yield func(member)) error {
	ids, texts := make([]EntryID, len(names)), make([]string, len(names))
	for i, name := range names {
		ids[i], texts[i] = EntryID{UserEntry, string(name)}, string(name)
	}
	links, err := r.sink.cfg.Links.Get(ctx, r.org.state.ID, ids)
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	if r.org.users == People {
		for i, name := range names {
			dn, l := r.org.user(name, true, "", r.of), links[ids[i]]
			if at, err := r.parse(l.DN); err == nil && l.UUID != "" && at.Equal(dn) {
				yield(member{ids[i], dn})
			}
		}
		return nil
	}
	byUUID := make(map[string]EntryID, len(links))
	for id, l := range links {
		byUUID[l.UUID] = id
	}
	entries, err := r.server.searchAny(ctx, r.org.tenant, Subtree, []string{r.org.userRDN}, texts, r.server.profile.StableID)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if id, ok := byUUID[e.uuid]; ok && e.uuid != "" {
			yield(member{id, e.DN})
		}
	}
	return nil
}

// findNobody notes which of the groups hold the placeholder.
func (r *round) findNobody(ctx context.Context, changes []*membership) error {
	if r.server.profile.EmptyGroups {
		return nil
	}
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
		filter := "(&(objectClass=" + r.server.profile.groupClass() + ")(member=" + ldap.EscapeFilter(r.org.nobody().String()) + ")" + anyOf([]string{"cn"}, chunk) + ")"
		entries, err := r.server.search(ctx, r.org.tenant, Subtree, filter, "1.1")
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
func (s server) groupsHolding(ctx context.Context, base DN, names map[string]member) ([]holding, error) {
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
	err := each(ctx, s.width, chunks, func(ctx context.Context, chunk []member) error {
		texts := make([]string, len(chunk))
		for i, m := range chunk {
			texts[i] = m.dn.String()
		}
		entries, err := s.search(ctx, base, Subtree, "(&(objectClass="+s.profile.groupClass()+")"+anyOf([]string{"member"}, texts)+")", s.profile.origin()...)
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
		err = each(ctx, s.width, out, func(ctx context.Context, h *holding) error { return s.readMembers(ctx, h, names) })
	}
	held := make([]holding, len(out))
	for i, h := range out {
		held[i] = *h
	}
	return held, err
}

// readMembers reads a whole group and keeps those of its members that were asked for.
func (s server) readMembers(ctx context.Context, h *holding, names map[string]member) error {
	entries, err := s.search(ctx, h.DN, BaseObject, "(objectClass="+s.profile.groupClass()+")", "member")
	if err != nil || len(entries) == 0 {
		return err
	}
	for _, value := range entries[0].Attributes["member"] {
		key := strings.ToLower(value)
		if m, ok := names[key]; ok {
			h.members = append(h.members, m)
			continue
		}
		dn, err := s.profile.Folding.ParseDN(value)
		if err != nil {
			continue // a value of others; ours can be read
		}
		if m, ok := names[dn.Key()]; ok {
			h.members = append(h.members, m)
		}
	}
	return nil
}
