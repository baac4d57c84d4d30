package ldapsink

import (
	"context"
	"fmt"
	"slices"
)

// recognise sorts entries of a kind into ours and others, and then looks for those of the
// asked ids that are linked and were not among them: somebody may have renamed or moved
// them.
func (r *round) recognise(ctx context.Context, kind EntryKind, asked []string, entries []found) error {
	candidates := func(f found) []EntryID {
		ids := []EntryID{{kind, f.DN.Value()}}
		for _, code := range f.Attributes["businessCategory"] {
			ids = append(ids, EntryID{kind, code})
		}
		return ids
	}
	ids := make([]EntryID, len(asked))
	for i, name := range asked {
		ids[i] = EntryID{kind, name}
	}
	if err := r.ask(ctx, ids); err != nil {
		return err
	}
	if err := r.identify(ctx, entries, r.server.profile.class(kind), candidates); err != nil {
		return err
	}
	var lost []string
	for _, id := range ids {
		if _, ok := r.have[id]; !ok && r.links[id].UUID != "" {
			lost = append(lost, r.links[id].UUID)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	entries, err := r.server.searchIDs(ctx, r.org.tenant, lost, r.org.kept()...)
	if err != nil {
		return err
	}
	return r.identify(ctx, entries, r.server.profile.class(kind), candidates)
}

// ask loads the links of these ids.
func (r *round) ask(ctx context.Context, ids []EntryID) error {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id EntryID) bool {
		_, asked := r.links[id]
		return asked
	})
	if len(ids) == 0 {
		return nil
	}
	links, err := r.sink.cfg.Links.Get(ctx, r.org.state.ID, ids)
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	for _, id := range ids {
		l := links[id]
		r.links[id] = l
		if l.UUID != "" {
			r.byUUID[l.UUID] = id
		}
	}
	return nil
}

// identify tells ours from others. Ours is an entry whose entryUUID is linked, or that has the
// name of one that we were about to add and was created by our own account.
func (r *round) identify(ctx context.Context, entries []found, class string, candidates func(found) []EntryID) error {
	var ids []EntryID
	for _, f := range entries {
		ids = append(ids, candidates(f)...)
	}
	if err := r.ask(ctx, ids); err != nil {
		return err
	}
	for _, f := range entries {
		id, ok := r.byUUID[f.uuid]
		if !ok && f.is(class) {
			id, ok = r.intended(f, candidates(f))
		}
		if !ok || !f.is(class) {
			r.notOurs(f)
			continue
		}
		f.ID = id
		r.have[id] = f.Entry
	}
	return nil
}

// notOurs notes where an entry of others stands. What it holds does not matter.
func (r *round) notOurs(f found) { r.others = append(r.others, Entry{DN: f.DN}) }

// intended finds the id under which the entry was about to be added. What it stood below may
// have moved since.
func (r *round) intended(f found, candidates []EntryID) (EntryID, bool) {
	if f.uuid == "" {
		return EntryID{}, false
	}
	adopts := r.sink.cfg.Adopt != nil && r.sink.cfg.Adopt()
	for _, id := range candidates {
		l := r.links[id]
		if l.UUID != "" || l.DN == "" && !adopts || !r.isByUs(id, f) && !r.isBare(id, l) {
			continue
		}
		if dn, err := r.parse(l.DN); l.DN != "" && (err != nil || dn.leaf().key != f.DN.leaf().key) {
			continue
		}
		l = Link{ID: id, UUID: f.uuid, DN: f.DN.String()}
		r.links[id], r.byUUID[f.uuid] = l, id
		r.adopt = append(r.adopt, l)
		return id, true
	}
	return EntryID{}, false
}

// isBare: the tenant's entry holds nothing that tells whose it is. On Active Directory, where
// nothing else does either, that we were about to add it is enough, whatever the tenant's name is
// by now.
func (r *round) isBare(id EntryID, l Link) bool {
	return id.Kind == TenantEntry && l.DN != "" && r.server.profile.Creator == ""
}

// isByUs says whether our own account added the entry. Active Directory does not tell;
// there it must hold what we would have added.
func (r *round) isByUs(id EntryID, f found) bool {
	if r.server.profile.Creator == "" && id.Kind == TenantEntry {
		w, _ := r.org.tenantWant()
		return f.Attributes.equal("description", w.Attributes["description"])
	}
	if r.server.profile.Creator == "" {
		return f.Attributes.hasFold("o", string(r.org.state.ID)) || len(f.Attributes["businessCategory"]) == 1 || f.is(r.server.profile.groupClass())
	}
	creator, err := r.parse(f.creator)
	return err == nil && creator.Depth() > 0 && creator.Equal(r.server.bindDN)
}

// parse reads a name as the server compares it.
func (r *round) parse(text string) (DN, error) { return r.server.profile.Folding.ParseDN(text) }
