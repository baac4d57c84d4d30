package orgsync

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Reasons why a tenant is not purged. Match them with errors.Is.
var (
	// ErrActive: at least one instance of the tenant is bound.
	ErrActive = errors.New("still bound")
	// ErrWaits: accepted messages from the future wait; purging would lose them.
	ErrWaits = errors.New("messages dated in the future wait")
)

// PurgeTx deletes what is known of a tenant.
type PurgeTx interface {
	// Forget deletes grants and users, assertions and departments, credentials, what is
	// parked, held or refused of late, sessions, and the key that the bodies of the journal
	// and the waiting messages are sealed with: nobody can read them from the commit on.
	// Instances and the tenant stay, the journal's digests and answers too. What was counted
	// as parked or held counts as stale.
	Forget() error
}

// Forgotten counts what was purged.
type Forgotten struct {
	Users       int `json:"users"`
	Departments int `json:"departments"`
}

// Purge forgets what was said about a tenant that ended: only the versions stay that make
// everything void that was said until now, so that no late message brings anything back.
// Something newer binds the tenant again as if it came for the first time. The sinks owe
// themselves to give up what they hold of it. An active tenant is an [ErrActive], one of
// which messages from the future wait an [ErrWaits] unless they are to be lost. Purging
// again does no harm.
func (a *Acceptor) Purge(ctx context.Context, scope Scope, lose bool) (Forgotten, error) {
	var gone Forgotten
	err := a.store.Update(ctx, scope, func(tx Tx) error {
		var err error
		gone, err = purge(tx, scope.Tenant, lose)
		return err
	})
	if err != nil {
		return Forgotten{}, fmt.Errorf("purge: %w", err)
	}
	a.wake()
	return gone, nil
}

// End makes the removal that an operator decides on instead of the marketplace: one message
// for each bound instance, none for a tenant that ended.
func (a *Acceptor) End(ctx context.Context, scope Scope, at time.Time) ([]Message, error) {
	var ends []Message
	err := a.store.Update(ctx, scope, func(tx Tx) error {
		ends = nil
		instances, err := tx.Instances()
		for _, i := range instances {
			if i.IsBound() {
				ends = append(ends, Message{
					Kind: TenantSync, Realm: scope.Realm, Tenant: scope.Tenant, Instance: i.ID, Flag: FlagRemove, At: at, Stamp: at,
				})
			}
		}
		return err
	})
	return ends, err
}

func purge(tx Tx, tenant TenantID, lose bool) (Forgotten, error) {
	instances, err := tx.Instances()
	if err != nil {
		return Forgotten{}, err
	}
	before := ProjectTenant(tenant, instances)
	if before.Active {
		return Forgotten{}, ErrActive
	}
	p := purging{tx: tx}
	for _, step := range []func() error{
		func() error { return p.waiting(lose) }, p.credentials, p.users, p.departments, func() error { return p.mark(instances) },
	} {
		if err := step(); err != nil {
			return Forgotten{}, err
		}
	}
	if err := tx.Forget(); err != nil {
		return Forgotten{}, err
	}
	for n, i := range instances {
		instances[n] = i.purged(p.newest)
		if err := tx.PutInstance(instances[n]); err != nil {
			return Forgotten{}, err
		}
	}
	return p.gone, tx.PutTenant(ProjectTenant(tenant, instances))
}

// purged is the instance with nothing but its floors, and the code by which a sink may be
// meant for it.
func (i Instance) purged(newest Version) Instance {
	return Instance{
		ID: i.ID, Bound: i.Bound, Modified: i.Modified, Ended: i.Ended, Listed: i.Listed, Code: i.Code, Mark: i.Mark,
		Purged: max(i.Purged, newest),
	}
}

// isPurged says whether nothing was bound since the instance was purged.
func (i Instance) isPurged() bool { return i.Purged != "" && i.Bound <= i.Purged }

// purging collects what goes.
type purging struct {
	tx     Tx
	newest Version // of everything that was said
	gone   Forgotten
}

func (p *purging) note(versions ...Version) {
	for _, v := range versions {
		p.newest = max(p.newest, v)
	}
}

func (p *purging) waiting(lose bool) error {
	all, err := p.tx.Deferred()
	for _, d := range all {
		switch {
		case d.Wait != WaitFuture:
			p.note(d.Header.Version)
		case !d.Rejected && !lose:
			return ErrWaits
		default: // not a floor: it would make void what comes until then
		}
	}
	return err
}

func (p *purging) credentials() error {
	all, err := p.tx.Credentials()
	for _, c := range all {
		p.note(c.Version)
	}
	return err
}

func (p *purging) users() error {
	for after := UserName(""); ; {
		names, err := p.tx.UserNames(after, pageOfUsers)
		if err != nil || len(names) == 0 {
			return err
		}
		after = names[len(names)-1]
		grants, err := p.tx.Grants(names)
		if err != nil {
			return err
		}
		keys := make([]DirtyKey, 0, len(names))
		for _, name := range names {
			keys = append(keys, DirtyKey{Key{Kind: UserKey, ID: string(name)}, Reduce})
			for _, g := range grants[name] {
				p.note(g.Granted, g.Changed, g.Revoked, g.Removed)
				for _, r := range g.Attributes {
					p.note(r.Version)
				}
			}
		}
		p.gone.Users += len(names)
		if err := p.tx.MarkDirty(keys); err != nil {
			return err
		}
	}
}

func (p *purging) departments() error {
	codes, err := p.tx.Codes()
	if err != nil || len(codes) == 0 {
		return err
	}
	assertions, err := p.tx.Assertions(codes)
	if err != nil {
		return err
	}
	rows, err := p.tx.Departments(codes)
	if err != nil {
		return err
	}
	keys := make([]DirtyKey, 0, len(codes))
	for _, code := range codes {
		keys = append(keys, DirtyKey{Key{Kind: DepartmentKey, ID: string(code)}, Fill})
		p.note(rows[code].Denied)
		for _, a := range assertions[code] {
			p.note(a.Version)
		}
	}
	p.gone.Departments = len(codes)
	return p.tx.MarkDirty(keys)
}

// mark makes the tenant itself the last that the sinks look at.
func (p *purging) mark(instances []Instance) error {
	for _, i := range instances {
		p.note(i.Bound, i.Modified, i.Ended, i.Listed, i.Code.Version, i.Name.Version, i.Domain.Version)
	}
	return p.tx.MarkDirty([]DirtyKey{{Key{Kind: TenantKey}, Demolish}})
}

// void says whether the message is about an instance that was purged after it was made. Then
// it counts, and nothing of it is kept.
func (w *work) void() (bool, error) {
	instances, err := w.tx.Instances()
	if err != nil || w.version > InstanceOf(instances, w.message.Instance).Purged {
		return false, err
	}
	w.tally[Stale] += w.message.count()
	return true, nil
}
