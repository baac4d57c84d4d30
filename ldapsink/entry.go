package ldapsink

import (
	"maps"
	"slices"
	"strings"
)

// EntryKind is the kind of thing an entry stands for. The texts are stored by [Links];
// they never change.
type EntryKind string

// The kinds of entries, in the order in which they are made.
const (
	ContainerEntry  EntryKind = "container"  // ou=people and its siblings
	TenantEntry     EntryKind = "tenant"     // ou=<tenantId>
	DepartmentEntry EntryKind = "department" // ou=<orgCode>
	RoleGroup       EntryKind = "role"       // cn=admin, cn=user
	DepartmentGroup EntryKind = "group"      // cn=<orgCode>
	AppGroup        EntryKind = "app"        // cn=<appId>
	UserEntry       EntryKind = "user"       // uid=<userName>
)

// rank orders kinds so that an entry never comes before one it may stand below.
func (k EntryKind) rank() int {
	switch k {
	case TenantEntry:
		return 0
	case ContainerEntry:
		return 1
	case DepartmentEntry:
		return 2
	case RoleGroup:
		return 3
	case DepartmentGroup:
		return 4
	case AppGroup:
		return 5
	default:
		return 6
	}
}

// isGroup says whether entries of the kind have members.
func (k EntryKind) isGroup() bool {
	return k == RoleGroup || k == DepartmentGroup || k == AppGroup
}

// isStructure says whether other entries of ours stand below entries of the kind.
func (k EntryKind) isStructure() bool { return k.rank() <= DepartmentEntry.rank() }

// EntryID is the stable id of an entry of ours inside one tenant, whatever its name. The
// zero value means an entry that is not ours.
type EntryID struct {
	Kind EntryKind
	Name string // orgCode, user name, role or name of the container; empty for the tenant
}

// Attributes are attribute values by name. The order of values does not count.
type Attributes map[string][]string

// equal says whether an attribute has exactly these values.
func (a Attributes) equal(name string, values []string) bool {
	have := a[name]
	if len(have) != len(values) {
		return false
	}
	if len(have) == 1 {
		return have[0] == values[0]
	}
	have, values = slices.Sorted(slices.Values(have)), slices.Sorted(slices.Values(values))
	return slices.Equal(have, values)
}

// names returns the attributes' names: objectClass first, then sorted.
func (a Attributes) names() []string {
	names := slices.Sorted(maps.Keys(a))
	if i := slices.Index(names, "objectClass"); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, "objectClass")
	}
	return names
}

// Entry is what stands in the directory.
type Entry struct {
	ID         EntryID
	DN         DN
	Attributes Attributes
}

// Want is what should stand in the directory.
type Want struct {
	ID EntryID
	DN DN
	// Attributes are kept equal; one without values is kept absent. Attributes that are
	// not mentioned are left as they are.
	Attributes Attributes
	// Initial attributes are written only when the entry is added.
	Initial Attributes
	// Classes are auxiliary object classes that the entry has at least.
	Classes []string
	// Reduce: the entry stands for less access than before; it goes first.
	Reduce bool
	// Else is where the entry stands while what it should stand below is not there; the
	// zero value: nowhere.
	Else DN
	// First names an attribute of Attributes that takes access away: it is changed before
	// anything else.
	First string
	// IfPresent: the entry is kept as it should be if it is there, and never added.
	IfPresent bool
}

// hasFold says whether one of an attribute's values is value, whatever its case.
func (a Attributes) hasFold(name, value string) bool {
	return slices.ContainsFunc(a[name], func(v string) bool { return strings.EqualFold(v, value) })
}
