package ldapsink

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/kitbridge/kitbridge/orgsync"
)

// readAll reads the state and the directory, and keeps what differs.
func (r *round) readAll(ctx context.Context, view orgsync.Inventory, adopt bool) error {
	if err := r.readContainers(ctx); err != nil {
		return &commonError{err}
	}
	if err := r.readState(ctx, view); err != nil {
		return err
	}
	var structure, groupEntries []found // without the members of groups, which come one after the other
	for _, name := range r.org.containers() {
		if name == groups || name == roles || name == apps {
			continue
		}
		entries, err := r.readContainer(ctx, r.org.container(name))
		if err != nil {
			return err
		}
		structure = append(structure, entries...)
	}
	if err := r.missingUsers(ctx, adopt); err != nil {
		return err
	}
	if err := r.sameNumbers(ctx); err != nil {
		return err
	}
	for _, name := range r.wholeGroups() {
		entries, err := r.server.search(ctx, r.org.container(name), SingleLevel, "(objectClass=*)", r.org.kept()...)
		if err != nil {
			return err
		}
		groupEntries = append(groupEntries, entries...)
	}
	return r.sortStructure(ctx, structure, groupEntries, adopt)
}

// wholeGroups are the containers of groups that are not read with the containers.
func (r *round) wholeGroups() []string {
	if r.org.perApp && !r.org.state.Purged { // then they are all ours
		return []string{groups, apps}
	}
	return []string{groups}
}

// readContainer reads what stands below a container. Users are compared as they come, a
// page after the other; the rest is returned.
func (r *round) readContainer(ctx context.Context, dn DN) ([]found, error) {
	var rest []found
	class := r.server.profile.class(UserEntry)
	q := Search{Base: dn, Scope: Subtree, Filter: "(objectClass=*)", Attributes: r.org.kept(), Page: page}
	if !r.server.profile.Paged {
		q.Page = 0
	}
	err := r.server.batches(ctx, q, func(entries []found) error {
		users := entries[:0:0]
		for _, e := range entries {
			switch {
			case e.is(class):
				users = append(users, e)
			case !e.DN.Equal(dn):
				rest = append(rest, e)
			}
		}
		return r.compareUsers(ctx, users)
	})
	return rest, err
}

// batches hands out what is below the base, many entries at a time, while the next are
// being read.
func (s server) batches(ctx context.Context, q Search, handle func([]found) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	full, failed := make(chan []found), make(chan error, 1)
	go func() { // ends with the search, which ctx ends
		defer close(full)
		var batch []found
		send := func() error {
			select {
			case full <- batch:
				batch = nil
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		err := s.each(ctx, q, func(f found) error {
			batch = append(batch, f)
			if len(batch) < page {
				return nil
			}
			return send()
		})
		if err == nil && len(batch) > 0 {
			err = send()
		}
		failed <- err
	}()
	var first error
	for batch := range full {
		if first != nil {
			continue
		}
		if first = handle(batch); first != nil {
			cancel(first)
		}
	}
	if err := <-failed; first == nil {
		first = err
	}
	return first
}

// compareUsers ticks off the users who are as they should be and keeps the others.
func (r *round) compareUsers(ctx context.Context, entries []found) error {
	if len(entries) == 0 {
		return nil
	}
	ids := make([]EntryID, len(entries))
	for i, e := range entries {
		ids[i] = EntryID{UserEntry, e.DN.Value()}
	}
	links, err := r.sink.cfg.Links.Get(ctx, r.org.state.ID, ids)
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	v := r.inventory
	var unequal []found
	for i, e := range entries {
		l := links[ids[i]]
		if l.UUID == "" || l.UUID != e.uuid {
			unequal = append(unequal, e) // not ours, renamed, or recorded as intended only
			continue
		}
		v.users++
		n, known := v.find(orgsync.UserName(l.ID.Name))
		if !known {
			if v.differs() {
				unequal = append(unequal, e)
			}
			continue
		}
		rec := &v.records[n]
		rec.seen = true
		dn := v.hashOf(e.DN)
		if !rec.close && v.digest(r.dnHash(dn), e.Attributes) == rec.digest && r.org.isRight(rec.name, rec.off, e.Attributes) && r.hasMapped(e.Attributes) {
			if dn != rec.dn { // of a tenant that ended
				v.byDN[dn] = n
			}
			continue
		}
		v.byDN[dn] = n
		if v.differs() {
			unequal = append(unequal, e)
		}
	}
	return r.keep(ctx, unequal)
}

// keep makes these entries, as far as they are ours, part of the round.
func (r *round) keep(ctx context.Context, entries []found) error {
	before := len(r.have)
	if err := r.recognise(ctx, UserEntry, nil, entries); err != nil {
		return err
	}
	if len(r.have) == before {
		return nil
	}
	var names []orgsync.UserName
	for _, e := range entries {
		id, ok := r.byUUID[e.uuid]
		if !ok || id.Kind != UserEntry {
			continue
		}
		if n, known := r.inventory.find(orgsync.UserName(id.Name)); known {
			r.inventory.records[n].seen = true
			r.inventory.byDN[r.inventory.hashOf(e.DN)] = n
		}
		names = append(names, orgsync.UserName(id.Name))
	}
	return r.loadUsers(ctx, names)
}

// sameNumbers looks closely at all who have a number that somebody else of the tenant has.
func (r *round) sameNumbers(ctx context.Context) error {
	for _, c := range r.inventory.twice {
		entries, err := r.server.searchAny(ctx, r.org.tenant, Subtree, []string{c.attribute}, []string{strconv.Itoa(c.number)}, r.org.kept()...)
		if err != nil {
			return err
		}
		if err := r.keep(ctx, entries); err != nil {
			return err
		}
	}
	return nil
}

// missingUsers finds the users whose entries were not met: they stand elsewhere in the
// subtree, or not at all.
func (r *round) missingUsers(ctx context.Context, adopt bool) error {
	for i := range r.inventory.records {
		if rec := &r.inventory.records[i]; rec.wanted && !rec.seen {
			r.inventory.differs()
		}
	}
	if v := r.inventory; v.most > 0 && v.differ > v.most {
		return &TooManyError{v.differ}
	}
	var names []orgsync.UserName
	var texts []string
	for i := range r.inventory.records {
		if rec := &r.inventory.records[i]; rec.wanted && !rec.seen {
			names = append(names, rec.name)
			texts = append(texts, string(rec.name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	for chunk := range slices.Chunk(texts, 1000) {
		if err := r.recognise(ctx, UserEntry, chunk, nil); err != nil {
			return err
		}
	}
	for _, name := range names {
		if e, ok := r.have[EntryID{UserEntry, string(name)}]; ok {
			n, _ := r.inventory.find(name)
			r.inventory.users++
			r.inventory.byDN[r.inventory.hashOf(e.DN)] = n
		}
	}
	if adopt {
		if err := r.adoptUsers(ctx, names); err != nil {
			return err
		}
	}
	return r.loadUsers(ctx, names)
}

// sortStructure tells ours from others among departments and groups.
func (r *round) sortStructure(ctx context.Context, structure, groupEntries []found, adopt bool) error {
	kinds := map[string]bool{}
	for _, name := range r.org.containers() {
		kinds[r.org.container(name).Key()] = true
	}
	structure = slices.DeleteFunc(structure, func(f found) bool { return kinds[f.DN.Key()] })
	var codes []string
	for code := range r.departments {
		codes = append(codes, string(code))
	}
	if err := r.recogniseAll(ctx, DepartmentEntry, codes, structure); err != nil {
		return err
	}
	r.appsOf(groupEntries)
	groupEntries = slices.DeleteFunc(groupEntries, func(f found) bool { return !f.DN.Parent().Equal(r.org.container(groups)) })
	if err := r.recogniseAll(ctx, DepartmentGroup, codes, groupEntries); err != nil {
		return err
	}
	if adopt {
		if err := r.adoptStructure(ctx, structure, groupEntries); err != nil {
			return err
		}
	}
	for id := range r.have {
		switch id.Kind {
		case DepartmentEntry:
			r.inventory.departments++
		case DepartmentGroup, RoleGroup, AppGroup:
			r.inventory.groupEntries++
		default:
		}
		if id.Kind == DepartmentGroup && !r.org.state.Active && !r.org.state.Purged {
			r.inventory.group(id) // it stays, with nobody of ours in it
		}
		code := orgsync.OrgCode(id.Name)
		if _, known := r.departments[code]; !known && (r.org.state.Active || r.org.state.Purged) && (id.Kind == DepartmentEntry || id.Kind == DepartmentGroup) {
			r.departments[code] = orgsync.PlacedDepartment{} // it is gone
		}
	}
	return nil
}

// recogniseAll is recognise in parts. The links of what there should be come first: a server
// may spell a name in its own way.
func (r *round) recogniseAll(ctx context.Context, kind EntryKind, asked []string, entries []found) error {
	for chunk := range slices.Chunk(asked, 1000) {
		ids := make([]EntryID, len(chunk))
		for i, name := range chunk {
			ids[i] = EntryID{kind, name}
		}
		if err := r.ask(ctx, ids); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(entries, 1000) {
		if err := r.recognise(ctx, kind, nil, chunk); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(asked, 1000) {
		if err := r.recognise(ctx, kind, chunk, nil); err != nil {
			return err
		}
	}
	return nil
}

// appsOf recognises the groups of applications: whoever made them, they are used.
func (r *round) appsOf(entries []found) {
	for _, e := range entries {
		if !e.DN.Parent().Equal(r.org.container(apps)) {
			continue
		}
		for _, id := range r.inventory.ids {
			if id.Kind == AppGroup && r.org.groupOf(id).Equal(e.DN) && e.is(r.server.profile.groupClass()) {
				e.ID = id
				r.have[id] = e.Entry
			}
		}
		if e.ID == (EntryID{}) {
			r.notOurs(e)
		}
	}
}
