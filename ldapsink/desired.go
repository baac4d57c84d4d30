package ldapsink

import (
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// RemovedUsers is what becomes of the entry of a user who was removed.
type RemovedUsers uint8

// What can become of removed users.
const (
	// DisableRemoved: the entry stands among the disabled and is deleted after a while.
	DisableRemoved RemovedUsers = iota
	// DeleteRemoved: the entry is deleted at once.
	DeleteRemoved
)

// organisation turns the state of one tenant into entries. It is pure.
type organisation struct {
	layout
	state      orgsync.Tenant
	removed    RemovedUsers
	purgeAfter time.Duration
	now        time.Time
}

// tenantWant is the tenant's own entry.
func (o organisation) tenantWant() (Want, []string) {
	v := values{attributes: Attributes{}}
	v.set("description", o.state.Name, directoryString)
	return Want{
		ID:         EntryID{Kind: TenantEntry},
		DN:         o.tenant,
		Attributes: v.attributes,
		Initial:    organizationalUnit(o.tenant),
	}, v.warnings
}

// containerWants are the entries that hold the others. What others add to them stays.
func (o organisation) containerWants() []Want {
	var wants []Want
	for _, name := range o.containers() {
		dn := o.container(name)
		wants = append(wants, Want{ID: EntryID{ContainerEntry, name}, DN: dn, Initial: organizationalUnit(dn)})
	}
	for _, role := range []orgsync.Role{orgsync.RoleAdmin, orgsync.RoleUser} {
		wants = append(wants, Want{
			ID: EntryID{RoleGroup, string(role)}, DN: o.role(role),
			Initial: Attributes{
				"objectClass": {"top", "groupOfNames"},
				"cn":          {string(role)},
				"member":      {o.nobody().String()},
			},
		})
	}
	return wants
}

func organizationalUnit(dn DN) Attributes {
	return Attributes{"objectClass": {"top", "organizationalUnit"}, "ou": {dn.Value()}}
}

// isDue says whether a removed user has been kept for long enough.
func (o organisation) isDue(u orgsync.User) bool {
	return u.Status == orgsync.StatusRemoved &&
		(o.removed == DeleteRemoved || !o.now.Before(u.RemovedAt.Add(o.purgeAfter)))
}

// isEnabled says whether the user has access.
func (o organisation) isEnabled(u orgsync.User) bool {
	return o.state.Active && u.Status == orgsync.StatusEnabled
}

// userWant is the entry of a user; false if there should be none. Of a user of whom the
// state holds nothing, an entry that is there is put away, never deleted.
func (o organisation) userWant(name orgsync.UserName, u orgsync.User) (Want, []string, bool) {
	if o.isDue(u) || u.Status == orgsync.StatusAbsent && o.removed == DeleteRemoved {
		return Want{}, nil, false
	}
	enabled := o.isEnabled(u)
	w := Want{ID: EntryID{UserEntry, string(name)}, DN: o.user(name, enabled), Reduce: !enabled}
	if u.Status == orgsync.StatusAbsent {
		w.IfPresent = true
		return w, nil, true
	}
	attributes, warnings := o.userAttributes(name, u.Attributes)
	w.Attributes = attributes
	w.Initial = Attributes{"objectClass": {"top", "person", "organizationalPerson", "inetOrgPerson"}}
	return w, warnings, true
}

// userAttributes are all attributes of a user that we keep.
func (o organisation) userAttributes(name orgsync.UserName, as orgsync.Attributes) (Attributes, []string) {
	v := values{attributes: Attributes{"uid": {string(name)}}}
	v.set("displayName", as.Value(orgsync.AttrName), directoryString)
	full := string(name) // cn and sn are required (RFC 4519, section 3.12)
	if display := v.attributes["displayName"]; display != nil {
		full = display[0]
	}
	v.attributes["cn"], v.attributes["sn"] = []string{full}, []string{full}
	v.set("o", string(o.state.ID), directoryString)
	v.set("departmentNumber", as.Value(orgsync.AttrOrgCode), directoryString)
	v.set("title", as.Value(orgsync.AttrPosition), directoryString)
	v.set("employeeNumber", as.Value(orgsync.AttrEmployeeCode), directoryString)
	v.set("mobile", as.Value(orgsync.AttrMobile), telephoneNumber)
	v.set("mail", as.Value(orgsync.AttrEmail), ia5String)
	v.set("physicalDeliveryOfficeName", as.Value(orgsync.AttrWorkPlace), directoryString)
	word, ok := employeeType(as.Value(orgsync.AttrEmployeeType))
	v.set("employeeType", word, directoryString)
	if !ok {
		v.warnings = append(v.warnings, "employeeType left out: not one of 1, 2, 3, 4")
	}
	return v.attributes, v.warnings
}

// departmentWant is the entry of a live department.
func (o organisation) departmentWant(d orgsync.PlacedDepartment, lookup func(orgsync.OrgCode) orgsync.PlacedDepartment) (Want, []string) {
	dn, code := o.department(d, lookup), string(d.Code)
	v := values{attributes: Attributes{"ou": withName(code, d.Name), "businessCategory": {code}}}
	v.set("description", d.Name, directoryString)
	return Want{
		ID: EntryID{DepartmentEntry, code}, DN: dn,
		Attributes: v.attributes,
		Initial:    Attributes{"objectClass": {"top", "organizationalUnit"}},
	}, v.warnings
}

// groupWant is the group of a live department. Its members are kept apart.
func (o organisation) groupWant(d orgsync.Department) Want {
	code := string(d.Code)
	return Want{
		ID: EntryID{DepartmentGroup, code}, DN: o.group(d.Code),
		Attributes: Attributes{"cn": withName(code, d.Name)},
		Initial:    Attributes{"objectClass": {"top", "groupOfNames"}, "member": {o.nobody().String()}},
	}
}
