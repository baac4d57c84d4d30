package orgsync

// Grant holds the registers of one user's access to one application in one instance,
// fed by authSync. Nothing in it is ever taken back, so the order of arrival leaves no
// trace: what an older removal hides stays recorded, because a statement that arrives
// later may make it visible.
type Grant struct {
	Instance InstanceID
	App      AppID
	User     UserName

	// Granted, Changed, Revoked and Removed are the newest statements with flag 1,
	// 2, 3 and 0.
	Granted, Changed, Revoked, Removed Version

	// Attributes carry a version each.
	Attributes [attributeCount]Register

	// Mark is the newest removal, revocation or disabling; it revokes sessions.
	Mark Moment
}

// Presence is whether a grant exists.
type Presence uint8

// The presences of a grant.
const (
	Unknown   Presence = iota // nothing said, or all of it before the instance's end
	Granted                   // flag 1, or flag 2 while nothing else is known
	Withdrawn                 // flag 3: access taken back, attributes kept
	Removed                   // flag 0: also a floor for every attribute
)

// Presence is the newest of granted, withdrawn and removed that is newer than floor,
// the end of the instance.
func (g Grant) Presence(floor Version) Presence {
	p, v := Unknown, floor
	for _, c := range []struct {
		presence Presence
		version  Version
	}{{Granted, g.Granted}, {Withdrawn, g.Revoked}, {Removed, g.Removed}} {
		if c.version > v {
			p, v = c.presence, c.version
		}
	}
	if p == Unknown && g.Changed > floor {
		return Granted
	}
	return p
}

// visible returns the attribute if it is newer than the grant's last removal and than
// floor.
func (g Grant) visible(a Attribute, floor Version) (Register, bool) {
	r := g.Attributes[a]
	return r, r.Version > max(floor, g.Removed)
}

// enabled says whether a granted grant is switched on; without a word it is.
func (g Grant) enabled(floor Version) bool {
	r, ok := g.visible(AttrEnable, floor)
	return !ok || r.Value == "true"
}

// waits says whether the newest thing said about the grant is recorded but does not
// show yet, why, and which statement it is.
func (g Grant) waits(i Instance) (reason string, v Version) {
	switch p := g.Presence(i.Ended); {
	case p == Granted && !i.IsBound():
		return ReasonUnbound, max(g.Granted, g.Changed)
	case (p == Withdrawn || p == Removed) && g.Changed > max(g.Granted, g.Revoked, g.Removed):
		return ReasonChangedRemoved, g.Changed
	}
	return "", ""
}

// apply takes one element of an authSync in and reports whether it was news. floor is
// the end of the grant's instance.
func (g *Grant) apply(as Attributes, flag Flag, v Version, floor Version) bool {
	raised, said := false, false
	switch flag {
	case FlagRemove:
		raised = raise(&g.Removed, v)
		raiseMark(&g.Mark, v)
	case FlagRevoke:
		raised = raise(&g.Revoked, v) && v > max(g.Granted, g.Removed)
		raiseMark(&g.Mark, v)
	case FlagAdd:
		raised = raise(&g.Granted, v) && v > max(g.Revoked, g.Removed)
		if _, ok := as.Get(AttrEnable); !ok {
			as = as.Set(AttrEnable, "true")
		}
		said = g.setAttributes(as, v)
	case FlagModify:
		raised = raise(&g.Changed, v)
		said = g.setAttributes(as, v)
	}
	return (raised || said) && v > floor && v >= g.Removed
}

func (g *Grant) setAttributes(as Attributes, v Version) bool {
	if value, ok := as.Get(AttrEnable); ok && value == "false" {
		raiseMark(&g.Mark, v)
	}
	news := false
	for a := range attributeCount {
		value, ok := as.Get(a)
		if ok && supersedes(a, Register{value, v}, g.Attributes[a]) {
			g.Attributes[a] = Register{value, v}
			news = true
		}
	}
	return news
}

// supersedes says whether b's place is a's. At the same moment less access wins
// whatever the rank, so that neither the order of two messages nor the order of two
// flags can give more.
func supersedes(attr Attribute, a, b Register) bool {
	if a.Version.Moment() == b.Version.Moment() && a.Value != b.Value {
		switch attr {
		case AttrEnable:
			return a.Value == "false"
		case AttrRole:
			return a.Value == string(RoleUser)
		default:
		}
	}
	return a.Version > b.Version
}
