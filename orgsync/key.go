package orgsync

import "fmt"

// KeyKind is the kind of thing a sink holds.
type KeyKind uint8

// The kinds of keys, in the order in which a lane works them off.
const (
	TenantKey KeyKind = iota + 1
	DepartmentKey
	UserKey
)

// String returns the kind in one word.
func (k KeyKind) String() string {
	switch k {
	case TenantKey:
		return "tenant"
	case DepartmentKey:
		return "department"
	case UserKey:
		return "user"
	default:
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
}

// Key names one thing of a tenant that a sink must hold, or must no longer hold. ID is
// an OrgCode, a UserName, or empty for the tenant itself.
type Key struct {
	Kind KeyKind
	ID   string
}

// String is for people and logs' counts, not for parsing.
func (k Key) String() string {
	if k.Kind == TenantKey {
		return "tenant"
	}
	return fmt.Sprintf("%s %q", k.Kind, k.ID)
}

// Urgency orders the keys of a lane: what takes access away goes first, what takes
// structure away last.
type Urgency uint8

// The urgencies, most urgent first.
const (
	Reduce   Urgency = iota // disable or remove a user, end a tenant
	Announce                // the tenant itself
	Build                   // departments
	Fill                    // users
	Demolish                // departments that are gone
)

// DirtyKey is a key that every sink owes itself to look at.
type DirtyKey struct {
	Key
	Urgency Urgency
}
