package ldapsink

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// linksAtATime is how many links are written or read at once: nobody else writes to the store
// of a whole reconciliation's links for longer than that takes.
const linksAtATime = 1000

// intend records the entries that are about to be added.
func (r *round) intend(ctx context.Context, operations []Operation) error {
	var links []Link
	for _, o := range operations {
		if o.Kind == Add && isLinked(o.ID.Kind) {
			links = append(links, Link{ID: o.ID, DN: o.DN.String()})
		}
	}
	return r.putLinks(ctx, links)
}

// isLinked: containers are used whoever made them, so nobody needs to know.
func isLinked(k EntryKind) bool { return k != ContainerEntry && k != RoleGroup && k != AppGroup }

// remember records what was written: the entryUUIDs of new entries if the directory can be
// asked for them, new names, and what is gone. An entry whose entryUUID is not read now
// stays intended, and is recognised when it is met again.
func (r *round) remember(ctx context.Context, answers bool) error {
	var links []Link
	for _, l := range r.adopt { // until all is done that goes with them they stay intended
		if answers && (l.ID.Kind != DepartmentGroup || r.matters(l.ID)) {
			links = append(links, l)
		}
	}
	var gone []EntryID
	var added []Operation
	for _, o := range r.done {
		switch {
		case !isLinked(o.ID.Kind):
		case o.Kind == Add:
			added = append(added, o)
		case o.Kind == Rename && r.isGroupedByName(o.ID.Kind):
			// Where it is now is remembered once the groups are right; see settled.
		case o.Kind == Rename:
			l := r.links[o.ID]
			l.DN = o.NewDN.String()
			links = append(links, l)
		case o.Kind == Delete:
			gone = append(gone, o.ID)
		}
	}
	if answers {
		settled := r.settled()
		links = slices.DeleteFunc(links, func(l Link) bool { _, ok := settled[l.ID]; return ok })
		links = slices.AppendSeq(links, maps.Values(settled))
	}
	if err := r.putLinks(ctx, links); err != nil {
		return err
	}
	for chunk := range slices.Chunk(gone, linksAtATime) {
		if err := r.sink.cfg.Links.Delete(ctx, r.org.state.ID, chunk); err != nil {
			return fmt.Errorf("forget links: %w", err)
		}
	}
	if !answers {
		return nil
	}
	read, err := r.readBack(ctx, added)
	if err != nil {
		return err
	}
	return r.putLinks(ctx, read)
}

// isLate: a department that moved is not done with before the groups of its users are.
func (r *round) isLate() bool { return r.org.users == Tree || r.org.nested }

// isGroupedByName: an entry of the kind that moves leaves old names in groups behind, which
// are found by the name in its link.
func (r *round) isGroupedByName(k EntryKind) bool {
	return k == DepartmentEntry && r.isLate() || k == UserEntry && r.org.users == Tree
}

// settled are the new names of entries that moved, if need be together with the groups that
// they or their users are in; also of those of whose move an earlier attempt had no answer.
func (r *round) settled() map[EntryID]Link {
	links := map[EntryID]Link{}
	for id := range r.have {
		dn, stays := r.plan.at(id)
		l := r.links[id]
		if !stays || l.UUID == "" || !r.matters(id) || r.failed[id] != nil {
			continue
		}
		if was, err := r.parse(l.DN); err != nil || !was.Equal(dn) {
			l.DN = dn.String()
			links[id] = l
		}
	}
	return links
}

func (r *round) putLinks(ctx context.Context, links []Link) error {
	for chunk := range slices.Chunk(links, linksAtATime) {
		if err := r.sink.cfg.Links.Put(ctx, r.org.state.ID, chunk); err != nil {
			return fmt.Errorf("record links: %w", err)
		}
	}
	return nil
}

// readBack asks for the entryUUIDs of entries that were added, level by level, and of each level
// by kind of name: departments and users may stand side by side.
func (r *round) readBack(ctx context.Context, added []Operation) ([]Link, error) {
	type level struct {
		parent DN
		by     string
		ids    map[string]EntryID // by key of the DN
		values []string
	}
	levels := map[string]*level{}
	for _, o := range added {
		parent := o.DN.Parent()
		by := o.DN.attribute()
		l := levels[by+","+parent.Key()]
		if l == nil {
			l = &level{parent: parent, by: by, ids: map[string]EntryID{}}
			levels[by+","+parent.Key()] = l
		}
		l.ids[o.DN.Key()] = o.ID
		l.values = append(l.values, o.DN.Value())
	}
	var links []Link
	for _, l := range levels {
		entries, err := r.server.searchAny(ctx, l.parent, SingleLevel, []string{l.by}, l.values, r.server.profile.StableID)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if id, ok := l.ids[e.DN.Key()]; ok && e.uuid != "" {
				links = append(links, Link{ID: id, UUID: e.uuid, DN: e.DN.String()})
			}
		}
	}
	return links, nil
}
