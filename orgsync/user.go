package orgsync

import (
	"slices"
	"time"
)

// Status says how a user stands with the tenant.
type Status uint8

// The statuses of a user.
const (
	// StatusAbsent: nothing is known that a sink should hold – nobody was ever
	// granted, or the instance was never bound.
	StatusAbsent Status = iota
	// StatusEnabled: some live grant is switched on.
	StatusEnabled
	// StatusDisabled: granted but switched off, or the authorisation was taken back.
	StatusDisabled
	// StatusRemoved: the last grant was removed, or the instance ended.
	StatusRemoved
)

// String returns the status in one word.
func (s Status) String() string {
	switch s {
	case StatusEnabled:
		return "enabled"
	case StatusDisabled:
		return "disabled"
	case StatusRemoved:
		return "removed"
	default:
		return "absent"
	}
}

// User is a person of a tenant as they stand now: the projection of all their grants.
type User struct {
	Name       UserName
	Status     Status
	Role       Role
	Attributes Attributes // AttrRole and AttrEnable agree with Role and Status
	// Generation is the time in milliseconds of the newest flag 0, 0 if there was
	// none. It changes when a removed user is added again, perhaps another person.
	Generation int64
	// RemovedAt is set with StatusRemoved: when the newest removal was made.
	RemovedAt time.Time
	Grants    []UserGrant // sorted by instance and application
}

// equal says whether two projections are the same.
func (u User) equal(v User) bool {
	return u.Name == v.Name && u.Status == v.Status && u.Role == v.Role && u.Attributes == v.Attributes &&
		u.Generation == v.Generation && u.RemovedAt.Equal(v.RemovedAt) && slices.Equal(u.Grants, v.Grants)
}

// UserGrant is one grant of a [User] as it stands now.
type UserGrant struct {
	Instance InstanceID
	App      AppID
	Role     Role
	Enabled  bool
}

// InstanceOf returns the instance with that id, or one of which nothing is known.
func InstanceOf(instances []Instance, id InstanceID) Instance {
	for _, i := range instances {
		if i.ID == id {
			return i
		}
	}
	return Instance{ID: id}
}

// IsLive says whether the grant gives access: granted, and its instance is bound.
func (g Grant) IsLive(i Instance) bool { return i.IsBound() && g.Presence(i.Ended) == Granted }

// IsEnabled says whether the grant is live and switched on.
func (g Grant) IsEnabled(i Instance) bool { return g.IsLive(i) && g.enabled(i.Ended) }

// ProjectUser derives a user from their grants. Each attribute is the newest among the
// live grants. Of a user without any, the newest ever said is kept, for display and so
// that a sink holds the same whatever arrived first.
func ProjectUser(name UserName, instances []Instance, grants []Grant) User {
	u := User{Name: name, Status: StatusAbsent, Role: RoleUser}
	var removed, roleAt Version
	var live, known bool
	for _, g := range grants {
		i := InstanceOf(instances, g.Instance)
		known = known || g.Attributes[AttrName].Version != "" || g.Granted != "" || g.Changed != ""
		u.Generation = max(u.Generation, g.Removed.Millis())
		removed = max(removed, g.Removed, i.Ended)
		presence := g.Presence(i.Ended)
		switch {
		case presence == Withdrawn && i.IsBound():
			u.Status = maxStatus(u.Status, StatusDisabled)
		case presence == Granted && i.IsBound():
			live = true
			u.Status = maxStatus(u.Status, StatusDisabled)
		case i.Ended != "", presence == Removed && i.IsBound():
			u.Status = maxStatus(u.Status, StatusRemoved)
		}
		if g.IsEnabled(i) {
			u.Status = StatusEnabled
			u.Role, roleAt = newerRole(u.Role, roleAt, g, i.Ended)
		}
		if presence == Granted || presence == Withdrawn {
			u.Grants = append(u.Grants, g.project(i))
		}
	}
	if !known {
		return User{Name: name, Status: StatusAbsent, Role: RoleUser, Generation: u.Generation}
	}
	if u.Status == StatusRemoved {
		u.RemovedAt = removed.Time()
	}
	u.Attributes = projectAttributes(instances, grants, live)
	if role, said := u.Attributes.Get(AttrRole); said && u.Status != StatusEnabled {
		u.Role = Role(role)
	}
	u.Attributes.put(AttrRole, string(u.Role))
	u.Attributes.put(AttrEnable, boolText(u.Status == StatusEnabled))
	slices.SortFunc(u.Grants, func(a, b UserGrant) int { return compareKeys(a.Instance, b.Instance, a.App, b.App) })
	return u
}

// maxStatus prefers enabled to disabled to removed to absent.
func maxStatus(a, b Status) Status {
	if a == StatusAbsent {
		return b
	}
	return min(a, b)
}

func (g Grant) project(i Instance) UserGrant {
	role := RoleUser
	if r, ok := g.visible(AttrRole, i.Ended); ok {
		role = Role(r.Value)
	}
	return UserGrant{Instance: g.Instance, App: g.App, Role: role, Enabled: g.IsEnabled(i)}
}

// newerRole keeps the newer word about the role. A grant that says nothing of it does not
// count; if none does, the user is a user.
func newerRole(role Role, at Version, g Grant, floor Version) (Role, Version) {
	r, ok := g.visible(AttrRole, floor)
	if ok && (at == "" || supersedes(AttrRole, r, Register{string(role), at})) {
		return Role(r.Value), r.Version
	}
	return role, at
}

func projectAttributes(instances []Instance, grants []Grant, live bool) Attributes {
	var best [attributeCount]Register
	for n := range grants {
		g := &grants[n]
		floor := Version("")
		if live {
			i := InstanceOf(instances, g.Instance)
			if !g.IsLive(i) {
				continue
			}
			floor = max(i.Ended, g.Removed)
		}
		for a := range attributeCount {
			r := g.Attributes[a]
			if r.Version != "" && r.Version > floor && (best[a].Version == "" || supersedes(a, r, best[a])) {
				best[a] = r
			}
		}
	}
	var as Attributes
	for a, r := range best {
		if r.Version != "" {
			as.put(Attribute(a), r.Value)
		}
	}
	return as
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
