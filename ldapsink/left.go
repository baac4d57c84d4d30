package ldapsink

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// A tenant that was the directory's and is no more ([Config.Tenants]) is as one that ended:
// its people are disabled, nothing new comes. PurgeAfter later it is as one that was purged:
// what is ours goes, unless it is the directory's again by then.

// leftNote is under what id Links keep since when the directory is not meant for a tenant. It
// stands for no entry; the time stands where entries have their name.
func leftNote() EntryID { return EntryID{Kind: "left"} }

// LeftAt returns since when the directory behind these links is not meant for the tenant, as
// far as that was noted: the zero time if it was not. Errors are those of links.
func LeftAt(ctx context.Context, links Links, tenant orgsync.TenantID) (time.Time, error) {
	found, err := links.Get(ctx, tenant, []EntryID{leftNote()})
	if err != nil {
		return time.Time{}, fmt.Errorf("read since when the directory is not meant for a tenant: %w", err)
	}
	note, ok := found[leftNote()]
	if !ok {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, note.DN)
	if err != nil {
		return time.Time{}, fmt.Errorf("read since when the directory is not meant for a tenant: %w", err)
	}
	return at, nil
}

// noteLeft notes that the directory is not meant for the tenant, if that is not noted yet, and
// returns since when.
func (s *Sink) noteLeft(ctx context.Context, tenant orgsync.TenantID) (time.Time, error) {
	at, err := LeftAt(ctx, s.cfg.Links, tenant)
	if err != nil || !at.IsZero() {
		return at, err
	}
	at = s.cfg.Now().UTC().Truncate(time.Second)
	if err := s.cfg.Links.Put(ctx, tenant, []Link{{ID: leftNote(), DN: at.Format(time.RFC3339)}}); err != nil {
		return at, fmt.Errorf("note that the directory is not meant for a tenant: %w", err)
	}
	return at, nil
}

// forgetLeft ends that: the tenant is meant again, or nothing of it is left.
func (s *Sink) forgetLeft(ctx context.Context, tenant orgsync.TenantID) error {
	at, err := LeftAt(ctx, s.cfg.Links, tenant)
	if err != nil || at.IsZero() {
		return err
	}
	if err := s.cfg.Links.Delete(ctx, tenant, []EntryID{leftNote()}); err != nil {
		return fmt.Errorf("note that the directory is meant for a tenant: %w", err)
	}
	return nil
}

// isOver says whether what is held of a tenant that left at a time was kept for long enough.
func (s *Sink) isOver(left time.Time) bool {
	return !left.IsZero() && !s.cfg.Now().Before(left.Add(s.cfg.PurgeAfter))
}

// asEnded is a tenant that left at a time as the directory is to see it, and its state.
func (s *Sink) asEnded(tenant orgsync.Tenant, view orgsync.View, left time.Time) (orgsync.Tenant, orgsync.View) {
	tenant.Active = false
	if s.isOver(left) {
		tenant.Purged = true
		view = nothing{tenant}
	}
	return tenant, view
}

// leftBehind tells the keys of which the directory holds entries of ours from the others.
func (s *Sink) leftBehind(ctx context.Context, tenant orgsync.TenantID, keys []orgsync.Key) (held, others []orgsync.Key, err error) {
	var ids []EntryID
	for _, k := range keys {
		ids = append(ids, tracesOf(k)...)
	}
	links, err := s.cfg.Links.Get(ctx, tenant, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("read what the directory holds of a tenant: %w", err)
	}
	for _, k := range keys {
		if slices.ContainsFunc(tracesOf(k), func(id EntryID) bool { _, ok := links[id]; return ok }) {
			held = append(held, k)
		} else {
			others = append(others, k)
		}
	}
	return held, others, nil
}

// tracesOf are the links by which it is known that the directory holds something of a key.
func tracesOf(k orgsync.Key) []EntryID {
	if k.Kind == orgsync.TenantKey {
		return append(entriesOf(k), leftNote()) // with root: base the tenant has no entry
	}
	return entriesOf(k)
}

// nothing is the state of a tenant of which nothing is to be known.
type nothing struct{ tenant orgsync.Tenant }

// Tenant implements [orgsync.View].
func (n nothing) Tenant(context.Context) (orgsync.Tenant, error) { return n.tenant, nil }

// Departments implements [orgsync.View].
func (nothing) Departments(context.Context, []orgsync.OrgCode) (map[orgsync.OrgCode]orgsync.PlacedDepartment, error) {
	return nil, nil
}

// Users implements [orgsync.View].
func (nothing) Users(context.Context, []orgsync.UserName) (map[orgsync.UserName]orgsync.User, error) {
	return nil, nil
}

// Members implements [orgsync.View].
func (nothing) Members(context.Context, orgsync.OrgCode, func(orgsync.UserName) error) error {
	return nil
}

// AllDepartments implements [orgsync.Inventory].
func (nothing) AllDepartments(context.Context, func(orgsync.Department) error) error { return nil }

// AllUsers implements [orgsync.Inventory].
func (nothing) AllUsers(context.Context, func(orgsync.User) error) error { return nil }
