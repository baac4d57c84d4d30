package ldapsink

import (
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Layout says where users stand.
type Layout uint8

// The layouts.
const (
	// People: all users stand in one place, whatever their department.
	People Layout = iota
	// Tree: users stand below the entry of their department.
	Tree
)

// ParseLayout reads the word of the configuration: people or tree.
func ParseLayout(word string) (Layout, error) {
	switch word {
	case "people":
		return People, nil
	case "tree":
		return Tree, nil
	default:
		return 0, fmt.Errorf("layout %q: want people or tree", word)
	}
}

// The containers below a tenant's entry.
const (
	people      = "people"
	disabled    = "disabled"
	departments = "departments"
	pending     = "pending"
	groups      = "groups"
	roles       = "roles"
	apps        = "apps"
)

// layout says where the entries of one tenant stand.
type layout struct {
	tenant  DN // the tenant's entry, or with root: base the base itself
	users   Layout
	apart   bool   // users without access stand apart: the server has no switch
	perApp  bool   // there are groups of applications
	userRDN string // uid, or cn on Active Directory

	made map[string]DN // the containers' names; nil: they are made each time
}

// lookup returns departments by code. What is not live, or not loaded, has a zero value.
type lookup func(orgsync.OrgCode) orgsync.PlacedDepartment

// containers lists the containers in the order in which they are made.
func (l layout) containers() []string {
	var names []string
	if l.users == People {
		names = append(names, people)
	}
	if l.apart {
		names = append(names, disabled)
	}
	names = append(names, departments, pending, groups, roles)
	if l.perApp {
		names = append(names, apps)
	}
	return names
}

func (l layout) container(name string) DN {
	if dn, ok := l.made[name]; ok {
		return dn
	}
	return l.tenant.Child("ou", name)
}

// user is the entry of a user. code is their department, empty if they have none.
func (l layout) user(name orgsync.UserName, enabled bool, code orgsync.OrgCode, of lookup) DN {
	return l.home(enabled, code, of).Child(l.userRDN, string(name))
}

// home is what a user's entry stands directly below. In a tree, those of whose department
// nothing is known stand below pending.
func (l layout) home(enabled bool, code orgsync.OrgCode, of lookup) DN {
	switch {
	case l.apart && !enabled:
		return l.container(disabled)
	case l.users == People:
		return l.container(people)
	}
	if d := of(code); code != "" && d.Live {
		return l.department(d)
	}
	return l.container(pending)
}

func (l layout) group(code orgsync.OrgCode) DN {
	return l.container(groups).Child("cn", string(code))
}

func (l layout) role(role orgsync.Role) DN {
	return l.container(roles).Child("cn", string(role))
}

func (l layout) app(id orgsync.AppID) DN { return l.container(apps).Child("cn", string(id)) }

// groupOf is the entry of a group of any kind.
func (l layout) groupOf(id EntryID) DN {
	switch id.Kind {
	case RoleGroup:
		return l.role(orgsync.Role(id.Name))
	case AppGroup:
		return l.app(orgsync.AppID(id.Name))
	default:
		return l.group(orgsync.OrgCode(id.Name))
	}
}

// nobody is the member of an empty group: groupOfNames demands one (RFC 4519, section
// 3.5). There is no such entry.
func (l layout) nobody() DN { return l.tenant.Child("cn", "nobody") }

// department is the entry of a department that is placed or parked.
func (l layout) department(d orgsync.PlacedDepartment) DN {
	dn := l.container(departments)
	if !d.Placed {
		dn = l.container(pending)
	}
	for _, code := range d.Path {
		dn = dn.Child("ou", string(code))
	}
	return dn
}
