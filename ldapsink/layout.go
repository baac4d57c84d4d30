package ldapsink

import "github.com/kitbridge/kitbridge/orgsync"

// The containers below a tenant's entry, layout people.
const (
	people      = "people"
	disabled    = "disabled"
	departments = "departments"
	pending     = "pending"
	groups      = "groups"
	roles       = "roles"
)

// layout says where the entries of one tenant stand.
type layout struct {
	tenant DN
}

func newLayout(base DN, tenant orgsync.TenantID) layout {
	return layout{tenant: base.Child("ou", string(tenant))}
}

// containers lists the containers in the order in which they are made.
func (layout) containers() []string {
	return []string{people, disabled, departments, pending, groups, roles}
}

func (l layout) container(name string) DN { return l.tenant.Child("ou", name) }

// user is the entry of a user; on OpenLDAP, which has no switch on the entry itself,
// users without access stand apart.
func (l layout) user(name orgsync.UserName, enabled bool) DN {
	if enabled {
		return l.container(people).Child("uid", string(name))
	}
	return l.container(disabled).Child("uid", string(name))
}

func (l layout) group(code orgsync.OrgCode) DN {
	return l.container(groups).Child("cn", string(code))
}

func (l layout) role(role orgsync.Role) DN {
	return l.container(roles).Child("cn", string(role))
}

// nobody is the member of an empty group: groupOfNames demands one (RFC 4519, section
// 3.5). There is no such entry.
func (l layout) nobody() DN { return l.tenant.Child("cn", "nobody") }

// department is the entry of a department that is placed or parked. lookup returns the
// departments on its path.
func (l layout) department(d orgsync.PlacedDepartment, lookup func(orgsync.OrgCode) orgsync.PlacedDepartment) DN {
	dn, path := l.container(departments), d.Path
	if !d.Placed {
		dn, path = l.container(pending), belowCycle(path, lookup)
	}
	for _, code := range path {
		dn = dn.Child("ou", string(code))
	}
	return dn
}

// belowCycle cuts a parked path. Departments that are each other's ancestors cannot stand
// below each other: each of them stands at the top, and what hangs from one of them below
// it. If the top of the path names a parent that is itself on the path, everything from
// the top to that parent is such a circle.
func belowCycle(path []orgsync.OrgCode, lookup func(orgsync.OrgCode) orgsync.PlacedDepartment) []orgsync.OrgCode {
	if len(path) == 0 {
		return path
	}
	parent := lookup(path[0]).Parent
	for i, code := range path {
		if code == parent {
			return path[i:]
		}
	}
	return path
}
