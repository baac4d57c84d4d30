package ldapsink

import (
	"slices"
	"strconv"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// RemovedUsers is what becomes of the entry of a user who was removed.
type RemovedUsers uint8

// What can become of removed users.
const (
	// DisableRemoved: the entry is disabled, and deleted after a while.
	DisableRemoved RemovedUsers = iota
	// DeleteRemoved: the entry is deleted at once.
	DeleteRemoved
)

// organisation turns the state of one tenant into entries. It is pure.
type organisation struct {
	layout
	profile    Profile
	state      orgsync.Tenant
	removed    RemovedUsers
	purgeAfter time.Duration
	now        time.Time
	mapping    Mapping
	nested     bool // a department's group holds the users below it, too
	enable     bool // accounts of Active Directory may be enabled
}

// tenantWant is the tenant's own entry.
func (o organisation) tenantWant() (Want, []string) {
	v := values{attributes: Attributes{}}
	v.set("description", o.state.Name, o.profile.syntax("description"))
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
			ID: EntryID{RoleGroup, string(role)}, DN: o.role(role), Initial: o.emptyGroup(RoleGroup, string(role)),
		})
	}
	return wants
}

func organizationalUnit(dn DN) Attributes {
	return Attributes{"objectClass": {"top", "organizationalUnit"}, "ou": {dn.Value()}}
}

// emptyGroup is a new group.
func (o organisation) emptyGroup(kind EntryKind, name string) Attributes {
	as := Attributes{"objectClass": o.profile.classes(kind), "cn": {name}}
	if !o.profile.EmptyGroups {
		as["member"] = []string{o.nobody().String()}
	}
	return as
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

// userDN is where the entry of the user is to stand.
func (o organisation) userDN(name orgsync.UserName, u orgsync.User, of lookup) DN {
	return o.user(name, o.isEnabled(u), departmentOf(u), of)
}

// userWant is the entry of a user; false if there should be none. Of a user of whom the
// state holds nothing, an entry that is there is put away, never deleted. present is the
// entry as it stands, nil if there is none; taken are account names that others have.
func (o organisation) userWant(name orgsync.UserName, u orgsync.User, of lookup, present *Entry, taken map[string]bool) (Want, []string, bool) {
	if o.isDue(u) || u.Status == orgsync.StatusAbsent && o.removed == DeleteRemoved {
		return Want{}, nil, false
	}
	enabled := o.isEnabled(u)
	w := Want{ID: EntryID{UserEntry, string(name)}, DN: o.userDN(name, u, of), Reduce: !enabled && o.apart}
	if o.users == Tree && (enabled || !o.apart) {
		w.Else = o.container(pending).Child(o.userRDN, string(name))
	}
	var attributesNow Attributes
	if present != nil {
		attributesNow = present.Attributes
		if !o.state.Active && !o.apart { // its department is not live, and may return
			w.DN = present.DN
		}
	}
	if u.Status == orgsync.StatusAbsent {
		w.IfPresent = true
		w.Attributes = Attributes{}
		o.lock(&w, enabled, attributesNow)
		return w, nil, true
	}
	attributes, warnings := o.userAttributes(name, u.Attributes)
	w.Attributes = attributes
	w.Initial = Attributes{"objectClass": slices.Concat(o.profile.classes(UserEntry), o.mapping.classes)}
	w.Classes = o.mapping.classes
	if o.profile.isAD() {
		w.Initial["cn"] = []string{string(name)}
		w.Attributes["sAMAccountName"] = []string{o.account(name, attributesNow, taken)}
	}
	o.lock(&w, enabled, attributesNow)
	if o.profile.isAD() && o.enable && enabled && !hasPassword(attributesNow) {
		warnings = append(warnings, "account left disabled: it has no password; set one in the directory")
	}
	return w, warnings, true
}

// accountDisabled is the bit of userAccountControl (MS-ADTS, section 2.2.16); normalAccount
// the one that every user has.
const (
	accountDisabled = 0x2
	normalAccount   = 0x200
)

// lock sets the switch that takes access away, where the server has one.
func (o organisation) lock(w *Want, enabled bool, present Attributes) {
	switch o.profile.DisableBy {
	case "":
		return
	case "userAccountControl":
		w.Attributes["userAccountControl"] = []string{o.accountControl(enabled && o.enable && hasPassword(present), present)}
	default:
		w.Attributes[o.profile.DisableBy] = nil
		if !enabled {
			w.Attributes[o.profile.DisableBy] = []string{"true"}
		}
	}
	if !enabled || o.profile.isAD() && !o.enable {
		w.First = o.profile.DisableBy
	}
}

// hasPassword says whether somebody gave the account a password. Some servers would enable
// one without.
func hasPassword(present Attributes) bool {
	v := present["pwdLastSet"]
	return len(v) == 1 && v[0] != "0"
}

// accountControl changes the one bit and leaves the others. A new account is disabled.
func (o organisation) accountControl(enabled bool, present Attributes) string {
	bits := normalAccount | accountDisabled
	if v := present["userAccountControl"]; len(v) == 1 {
		if n, err := strconv.Atoi(v[0]); err == nil {
			bits = n | accountDisabled
			if enabled {
				bits = n &^ accountDisabled
			}
		}
	}
	return strconv.Itoa(bits)
}

// userAttributes are the attributes of a user that we keep, by what the directory is
// configured to hold.
func (o organisation) userAttributes(name orgsync.UserName, as orgsync.Attributes) (Attributes, []string) {
	v := values{attributes: make(Attributes, 16)}
	v.attributes["uid"] = []string{string(name)}
	set := func(attribute, value string) { v.set(attribute, value, o.profile.syntax(attribute)) }
	set("displayName", as.Value(orgsync.AttrName))
	full := string(name) // cn and sn are required (RFC 4519, section 3.12)
	if display := v.attributes["displayName"]; display != nil {
		full = display[0]
	}
	if o.profile.isAD() { // cn is the RDN, and sn is short
		set("sn", full)
	} else {
		v.attributes["cn"], v.attributes["sn"] = []string{full}, []string{full}
	}
	set("o", string(o.state.ID))
	set("departmentNumber", as.Value(orgsync.AttrOrgCode))
	set("title", as.Value(orgsync.AttrPosition))
	set("employeeNumber", as.Value(orgsync.AttrEmployeeCode))
	set("mobile", as.Value(orgsync.AttrMobile))
	set("mail", as.Value(orgsync.AttrEmail))
	set("physicalDeliveryOfficeName", as.Value(orgsync.AttrWorkPlace))
	word, ok := employeeType(as.Value(orgsync.AttrEmployeeType))
	set("employeeType", word)
	if !ok {
		v.warnings = append(v.warnings, "employeeType left out: not one of 1, 2, 3, 4")
	}
	if len(o.mapping.templates) > 0 {
		o.mapping.apply(&v, fieldsOf(o.state, name, as), o.profile)
	}
	return v.attributes, v.warnings
}

// departmentWant is the entry of a live department.
func (o organisation) departmentWant(d orgsync.PlacedDepartment) (Want, []string) {
	dn, code := o.department(d), string(d.Code)
	v := values{attributes: Attributes{"businessCategory": {code}}}
	if !o.profile.isAD() {
		v.attributes["ou"] = o.withName(code, d.Name)
	}
	v.set("description", d.Name, o.profile.syntax("description"))
	return Want{
		ID: EntryID{DepartmentEntry, code}, DN: dn,
		Attributes: v.attributes,
		Initial:    Attributes{"objectClass": o.profile.classes(DepartmentEntry), "ou": {code}},
	}, v.warnings
}

// groupWant is the group of a live department. Its members are kept apart.
func (o organisation) groupWant(d orgsync.Department) Want {
	code := string(d.Code)
	w := Want{
		ID: EntryID{DepartmentGroup, code}, DN: o.group(d.Code),
		Attributes: Attributes{"cn": o.withName(code, d.Name)},
		Initial:    o.emptyGroup(DepartmentGroup, code),
	}
	if o.profile.isAD() { // there cn has one value
		v := values{attributes: Attributes{}}
		v.set("description", d.Name, o.profile.syntax("description"))
		w.Attributes = v.attributes
	}
	return w
}

// withName is the values of an attribute that holds an id and, second, a display name. The
// name is left out where the server would take it for the id again.
func (o organisation) withName(id, name string) []string {
	fold := o.profile.Folding.fold
	if name == "" || fold(name) == "" || fold(name) == fold(id) || directoryString(name) != "" {
		return []string{id}
	}
	return []string{id, name}
}

// kept are all attributes that we may write, except member, and what tells an entry's
// origin.
func (o organisation) kept() []string {
	names := []string{
		"objectClass", o.profile.StableID,
		"ou", "cn", "description", "businessCategory",
		"uid", "sn", "displayName", "o", "departmentNumber", "title", "employeeNumber", "employeeType",
		"mobile", "mail", "physicalDeliveryOfficeName",
	}
	for _, name := range []string{o.profile.Creator, o.profile.DisableBy} {
		if name != "" {
			names = append(names, name)
		}
	}
	if o.profile.isAD() {
		names = append(names, "sAMAccountName", "pwdLastSet")
	}
	for _, name := range o.mapping.names() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// appGroups are the groups of the applications that the user may use.
func (o organisation) appGroups(u orgsync.User) []EntryID {
	var ids []EntryID
	for _, g := range u.Grants {
		id := EntryID{AppGroup, string(g.App)}
		if o.perApp && g.Enabled && g.App != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// appWant is the group of an application.
func (o organisation) appWant(id EntryID) Want {
	return Want{ID: id, DN: o.groupOf(id), Initial: o.emptyGroup(id.Kind, id.Name)}
}

// appWants are the groups of all applications that these users may use. What others add to
// them stays, and none is ever deleted.
func (o organisation) appWants(users map[orgsync.UserName]orgsync.User) []Want {
	seen := map[EntryID]bool{}
	for _, u := range users {
		for _, id := range o.appGroups(u) {
			seen[id] = o.isEnabled(u) || seen[id]
		}
	}
	var wants []Want
	for _, id := range sortedIDs(seen) {
		if seen[id] {
			wants = append(wants, o.appWant(id))
		}
	}
	return wants
}
