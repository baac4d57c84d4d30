//go:build integration

package integration_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// plain is a distinguished name that one can read and compare: the attributes
// and values of its parts as they are, without any escapes, from the entry up
// to the tenant's own, which is left out.
func plain(rdns ...string) string { return strings.Join(rdns, " < ") }

// plainName is a DN as a server writes it, as plain.
func plainName(t testing.TB, dn, tenantDN string) string {
	t.Helper()
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		t.Fatalf("the directory holds %q: %v", dn, err)
	}
	base, err := ldap.ParseDN(tenantDN)
	if err != nil {
		t.Fatal(err)
	}
	var rdns []string
	for _, rdn := range parsed.RDNs[:max(len(parsed.RDNs)-len(base.RDNs), 0)] {
		a := rdn.Attributes[0]
		rdns = append(rdns, strings.ToLower(a.Type)+"="+a.Value)
	}
	return plain(rdns...)
}

func (b *buyer) dn() string { return "ou=" + b.id + "," + peers.BaseDN }

// readTenant returns a tenant's subtree by plain names, DN values likewise.
func readTenant(t testing.TB, url string, b *buyer) map[string]entry {
	t.Helper()
	entries := map[string]entry{}
	for dn, e := range readDirectory(t, url, b.dn()) {
		for n, member := range e["member"] {
			e["member"][n] = plainName(t, member, b.dn())
		}
		slices.Sort(e["member"])
		entries[plainName(t, dn, b.dn())] = e
	}
	return entries
}

// expectedEntries is what the directory must hold of a buyer, in the layout people.
func (b *buyer) expectedEntries() map[string]entry {
	unit := func(ou ...string) entry {
		return entry{"objectClass": {"organizationalUnit", "top"}, "ou": ou}
	}
	entries := map[string]entry{"": unit(b.id)}
	entries[""]["description"] = []string{b.name}
	for _, container := range []string{"people", "disabled", "departments", "pending", "groups", "roles"} {
		entries["ou="+container] = unit(container)
	}
	for code, d := range b.departments {
		e := unit(withName(code, d.name)...)
		e["businessCategory"], e["description"] = []string{code}, []string{d.name}
		entries[b.departmentName(code)] = e
		entries[plain("cn="+code, "ou=groups")] = entry{
			"objectClass": {"groupOfNames", "top"}, "cn": withName(code, d.name),
			"member": b.members(func(u user) bool { return u.orgCode == code }),
		}
	}
	for _, role := range []string{"admin", "user"} {
		entries[plain("cn="+role, "ou=roles")] = entry{
			"objectClass": {"groupOfNames", "top"}, "cn": {role},
			"member": b.members(func(u user) bool { return u.role == role }),
		}
	}
	for userName, u := range b.users {
		if u.isTooLongForDN {
			continue
		}
		container := "ou=disabled"
		if b.has(u) {
			container = "ou=people"
		}
		entries[plain("uid="+userName, container)] = b.expectedUser(userName, u)
	}
	return entries
}

func (b *buyer) expectedUser(userName string, u user) entry {
	e := entry{
		"objectClass": {"inetOrgPerson", "organizationalPerson", "person", "top"}, "uid": {userName},
		"cn": {u.name}, "sn": {u.name}, "displayName": {u.name}, "o": {b.id}, "departmentNumber": {u.orgCode},
	}
	words := map[string]string{"1": "regular", "2": "intern", "3": "dispatched", "4": "outsourced"}
	for attribute, value := range map[string]string{
		"title": u.position, "employeeNumber": u.employeeCode, "employeeType": words[u.employeeType],
		"mobile": u.mobile, "mail": u.email, "physicalDeliveryOfficeName": u.workPlace,
	} {
		isRefused := attribute == "mail" && u.mailIsRefused || attribute == "mobile" && u.mobileIsRefused
		if value != "" && !isRefused {
			e[attribute] = []string{value}
		}
	}
	return e
}

// members are the enabled users that belong, or the placeholder that stands for
// nobody, as groupOfNames must not be empty (RFC 4519, section 3.5).
func (b *buyer) members(belongs func(user) bool) []string {
	var members []string
	for userName, u := range b.users {
		if b.has(u) && belongs(u) && !u.isTooLongForDN {
			members = append(members, plain("uid="+userName, "ou=people"))
		}
	}
	if members == nil {
		return []string{"cn=nobody"}
	}
	slices.Sort(members)
	return members
}

// withName is an id and a display name as values of one attribute, which cannot
// hold the same text twice, letters' case and the number of blanks aside.
func withName(id, display string) []string {
	if strings.EqualFold(id, strings.Join(strings.Fields(display), " ")) {
		return []string{id}
	}
	values := []string{id, display}
	slices.Sort(values)
	return values
}

// path is the codes from the top to the department, and whether that is placed.
func (b *buyer) path(code string) (codes []string, placed bool) {
	for seen := map[string]bool{}; code != ""; code = b.departments[code].parent {
		if _, known := b.departments[code]; !known || seen[code] {
			return codes, false
		}
		seen[code] = true
		codes = slices.Insert(codes, 0, code)
	}
	return codes, true
}

// departmentName is where a department stands. One that has no place is pending,
// with what is below it; none of a circle can stand below another of it.
func (b *buyer) departmentName(code string) string {
	codes, placed := b.path(code)
	rdns := []string{"ou=departments"}
	if !placed {
		rdns[0] = "ou=pending"
	}
	for n, c := range codes {
		above, _ := b.path(b.departments[c].parent)
		isInCircle := slices.Contains(above, c)
		isLastInCircle := isInCircle && (n == len(codes)-1 || !slices.Contains(above, codes[n+1]))
		if isInCircle && !isLastInCircle {
			continue
		}
		rdns = slices.Insert(rdns, 0, "ou="+c)
	}
	return plain(rdns...)
}

// The tables as the test reads them. Times of writing are left out.
const (
	tenantQuery = "SELECT tenant_id, tenant_code, name, domain_name, active FROM kit_tenant WHERE tenant_id = ?"

	departmentQuery = "SELECT org_code, name, parent_code, path, depth, parked FROM kit_department WHERE tenant_id = ?"

	userQuery = `SELECT user_name, name, org_code, role, enabled, position, employee_code, employee_type, mobile, email, work_place,
		DATE_FORMAT(entry_date, '%Y-%m-%d'), generation, DATE_FORMAT(removed_at, '%Y-%m-%dT%H:%i:%s.%f') FROM kit_user WHERE tenant_id = ?`

	grantQuery = "SELECT user_name, instance_id, app_id, role, enabled FROM kit_grant WHERE tenant_id = ?"
)

func (b *buyer) expectedRows() map[string][][]string {
	rows := map[string][][]string{tenantQuery: {{b.id, b.code, b.name, b.domain, bit(b.active)}}}
	for _, code := range slices.Sorted(maps.Keys(b.departments)) {
		d := b.departments[code]
		codes, placed := b.path(code)
		rows[departmentQuery] = append(rows[departmentQuery],
			[]string{code, d.name, d.parent, encodedPath(codes), strconv.Itoa(len(codes)), bit(!placed)})
	}
	for _, userName := range slices.Sorted(maps.Keys(b.users)) {
		u := b.users[userName]
		removedAt := "NULL"
		if !u.removedAt.IsZero() {
			removedAt = u.removedAt.UTC().Format("2006-01-02T15:04:05.000000")
		}
		entryDate := u.entryISO
		if entryDate == "" {
			entryDate = "NULL"
		}
		rows[userQuery] = append(rows[userQuery], []string{
			userName, u.name, u.orgCode, u.role, bit(b.has(u)), u.position, u.employeeCode, u.employeeType,
			u.mobile, u.email, u.workPlace, entryDate, strconv.FormatInt(u.generation, 10), removedAt,
		})
		if u.standing != userRemoved {
			rows[grantQuery] = append(rows[grantQuery], []string{userName, b.instance, b.app, u.role, bit(b.has(u))})
		}
	}
	return rows
}

// encodedPath is the codes with everything encoded that is not unreserved (RFC
// 3986, section 2.3), a slash before, between and after.
func encodedPath(codes []string) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	path := "/"
	for _, code := range codes {
		for _, c := range []byte(code) {
			if strings.IndexByte(unreserved, c) >= 0 {
				path += string(rune(c))
			} else {
				path += fmt.Sprintf("%%%02X", c)
			}
		}
		path += "/"
	}
	return path
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
