package orgsync

import (
	"maps"
	"slices"
)

// pageOfUsers bounds memory when all users of a tenant are looked at.
const pageOfUsers = 1000

func (w *work) tenant() error {
	instances, err := w.tx.Instances()
	if err != nil {
		return err
	}
	m := w.message
	before := ProjectTenant(m.Tenant, instances)
	was := InstanceOf(instances, m.Instance)
	is := was
	news := is.apply(m.Enterprise, m.Flag, w.version)
	after := ProjectTenant(m.Tenant, withInstance(instances, is))
	// A person said yes to what an end destroys: the end itself is known already. The instance
	// may be bound again; a return that comes after the end spares it, see supersedes.
	spared := w.approved && m.Realm == Production && m.Flag == FlagRemove && was.Ended >= w.version
	held, err := w.holdsHost(before, was, instances)
	switch {
	case err != nil:
		return err
	case held: // the rest of the message applies; its change is counted as held
		m.Enterprise.Domain, is = nil, was
		is.apply(m.Enterprise, m.Flag, w.version)
		after = ProjectTenant(m.Tenant, withInstance(instances, is))
	default:
		w.count(news || spared)
		if err := w.supersede(); err != nil {
			return err
		}
	}
	instances = withInstance(instances, is)
	if err := w.tx.PutInstance(is); err != nil {
		return err
	}
	if err := w.tx.PutTenant(after); err != nil {
		return err
	}
	if after != before {
		if err := w.tx.MarkDirty([]DirtyKey{{Key{Kind: TenantKey}, tenantUrgency(after)}}); err != nil {
			return err
		}
	}
	// A sink may be meant for a tenant by its code, so a new code may bring it new sinks.
	w.markAll = spared || before.Code != after.Code || returnsListed(was, is, instances)
	if !w.markAll && was.IsBound() == is.IsBound() && was.Ended == is.Ended && before.Announced == after.Announced {
		return nil
	}
	return w.rebind(instances, is, after)
}

// returnsListed says whether the instance is bound now and its list of departments came
// before: the sinks kept what stood when the tenant ended, and what is not in that list
// may go.
func returnsListed(was, is Instance, instances []Instance) bool {
	return !was.IsBound() && is.IsBound() && is.Listed > is.Ended && hasEnded(instances)
}

func hasEnded(instances []Instance) bool {
	return slices.ContainsFunc(instances, func(i Instance) bool { return i.Ended != "" })
}

func tenantUrgency(t Tenant) Urgency {
	if !t.Active {
		return Reduce
	}
	return Announce
}

func withInstance(instances []Instance, i Instance) []Instance {
	out := make([]Instance, 0, len(instances)+1)
	for _, have := range instances {
		if have.ID != i.ID {
			out = append(out, have)
		}
	}
	return append(out, i)
}

// rebind follows an instance that was bound or ended: everything said for it may have
// become visible or invisible.
func (w *work) rebind(instances []Instance, i Instance, t Tenant) error {
	if err := w.reprojectUsers(instances, i); err != nil {
		return err
	}
	codes, err := w.tx.Codes()
	if err != nil {
		return err
	}
	// The departments of a tenant that ended stay in the sinks until it is purged, so
	// that a return finds the same entries.
	return w.reprojectDepartments(instances, codes, t.Active)
}

func (w *work) reprojectUsers(instances []Instance, changed Instance) error {
	for after := UserName(""); ; {
		names, err := w.tx.UserNames(after, pageOfUsers)
		if err != nil || len(names) == 0 {
			return err
		}
		after = names[len(names)-1]
		grants, err := w.tx.Grants(names)
		if err != nil {
			return err
		}
		if err := w.rejudge(changed, grants); err != nil {
			return err
		}
		users := make([]User, 0, len(names))
		for _, name := range names {
			// A user never turns absent again, so an absent one has no row to correct.
			if u := ProjectUser(name, instances, grants[name]); u.Status != StatusAbsent {
				users = append(users, u)
			}
		}
		if err := w.putUsers(users); err != nil {
			return err
		}
	}
}

// rejudge gives the grants of an instance that was bound or ended their verdicts.
func (w *work) rejudge(i Instance, grants map[UserName][]Grant) error {
	var ids []string
	var mine []Grant
	for _, name := range slices.Sorted(maps.Keys(grants)) {
		for _, g := range grants[name] {
			if g.Instance == i.ID {
				mine = append(mine, g)
				ids = append(ids, grantID(g.Instance, g.App, g.User))
			}
		}
	}
	parked, err := w.tx.Parked(ids)
	if err != nil {
		return err
	}
	if parked == nil {
		parked = make(map[string]ParkedChange)
	}
	for _, g := range mine {
		if err := w.judgeGrant(g, i, parked); err != nil {
			return err
		}
	}
	return nil
}

// putUsers writes projections and makes their keys dirty.
func (w *work) putUsers(users []User) error {
	if len(users) == 0 {
		return nil
	}
	if err := w.tx.PutUsers(users); err != nil {
		return err
	}
	keys := make([]DirtyKey, 0, len(users))
	for _, u := range users {
		urgency := Fill
		if u.Status != StatusEnabled {
			urgency = Reduce
		}
		keys = append(keys, DirtyKey{Key{Kind: UserKey, ID: string(u.Name)}, urgency})
	}
	return w.tx.MarkDirty(keys)
}
