package ldapsink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// A round may take users along for a department's sake, whom nobody owes: those who stand below
// an entry that goes, or waited for one that comes. Should it be cut off between two writes for
// one of them, their department alone would not lead to them again: they stand elsewhere by
// then, and a group may hold their former name. So their names are noted before the first
// write, and whoever comes next looks at them, too.

// alongNote is under what id Links keep the names, as a JSON list where entries have theirs. It
// stands for no entry.
func alongNote() EntryID { return EntryID{Kind: "along"} }

// takenAlong returns the users whom an attempt took along that did not get to its end.
func (s *Sink) takenAlong(ctx context.Context, tenant orgsync.TenantID) ([]orgsync.Key, error) {
	found, err := s.cfg.Links.Get(ctx, tenant, []EntryID{alongNote()})
	if err != nil {
		return nil, fmt.Errorf("read who was taken along: %w", err)
	}
	note, ok := found[alongNote()]
	if !ok {
		return nil, nil
	}
	var names []string
	if err := json.Unmarshal([]byte(note.DN), &names); err != nil {
		return nil, fmt.Errorf("read who was taken along: %w", err)
	}
	keys := make([]orgsync.Key, len(names))
	for i, name := range names {
		keys[i] = orgsync.Key{Kind: orgsync.UserKey, ID: name}
	}
	return keys, nil
}

// noteAlong notes the users about whom something is to be written and who are not owed.
func (r *round) noteAlong(ctx context.Context, owed []orgsync.Key, ms []*membership) error {
	touched := map[EntryID]bool{}
	for _, o := range r.plan.operations {
		touched[o.ID] = true
	}
	for _, g := range ms {
		for _, members := range []map[string]member{g.add, g.remove} {
			for _, m := range members {
				touched[m.id] = true
			}
		}
	}
	isOwed := keySet(owed)
	for name := range r.users {
		if touched[EntryID{UserEntry, string(name)}] && !isOwed[orgsync.Key{Kind: orgsync.UserKey, ID: string(name)}] {
			r.along = append(r.along, string(name))
		}
	}
	slices.Sort(r.along)
	return r.putAlong(ctx, r.along)
}

// settleAlong leaves in the note those for whom it did not work and may work another time.
func (r *round) settleAlong(ctx context.Context) error {
	return r.putAlong(ctx, slices.DeleteFunc(r.along, func(name string) bool {
		err := r.failed[EntryID{UserEntry, name}]
		return err == nil || errors.Is(err, orgsync.ErrRejected)
	}))
}

func (r *round) putAlong(ctx context.Context, names []string) error {
	var err error
	switch {
	case len(names) > 0:
		var text []byte
		if text, err = json.Marshal(names); err != nil {
			return err
		}
		r.isNoted = true
		err = r.sink.cfg.Links.Put(ctx, r.org.state.ID, []Link{{ID: alongNote(), DN: string(text)}})
	case r.isNoted:
		r.isNoted = false
		err = r.sink.cfg.Links.Delete(ctx, r.org.state.ID, []EntryID{alongNote()})
	}
	if err != nil {
		return fmt.Errorf("note who was taken along: %w", err)
	}
	return nil
}
