//go:build integration

package integration_test

import (
	"maps"
	"slices"
)

// inDirectory is what a directory of that kind must hold of an announced tenant, by the
// documentation. Of one that is not active, departments are not said: they stay as they were.
func (m *model) inDirectory(k directoryKind, tenant, layout string) holding {
	s := holding{Name: m.enterprise()["name"].value, Users: map[string]holdingUser{}, Departments: map[string]holdingDepartment{}}
	s.Groups = []string{"cn=admin < ou=roles", "cn=user < ou=roles"}
	live := map[string]modelDepartment{}
	if m.isActive() {
		live = m.liveDepartments()
		for code, d := range live {
			s.Departments[code] = holdingDepartment{departmentPlace(live, code), d.name}
			s.Groups = append(s.Groups, plain("cn="+code, "ou=groups"))
		}
	}
	for userName := range m.described {
		p, isThere := m.project(userName)
		if !isThere {
			continue
		}
		s.Users[userName] = m.userInDirectory(k, tenant, layout, userName, p, live)
	}
	slices.Sort(s.Groups)
	return s
}

func (m *model) userInDirectory(k directoryKind, tenant, layout, userName string, p modelUser, live map[string]modelDepartment) holdingUser {
	word := func(field string) string { return p.words[field].value }
	u := holdingUser{Values: map[string]string{}, Off: k.isAD || !k.isApart && !p.isEnabled}
	name := word("name")
	if name == "" {
		name = userName
	}
	words := map[string]string{"1": "regular", "2": "intern", "3": "dispatched", "4": "outsourced"}
	for attribute, value := range map[string]string{
		"sn": name, "displayName": word("name"), "o": tenant, "departmentNumber": word("orgCode"), "title": word("position"),
		"employeeNumber": word("employeeCode"), "employeeType": words[word("employeeType")], "mobile": word("mobile"),
		"mail": word("email"), "physicalDeliveryOfficeName": word("workPlace"),
	} {
		isRefused := attribute == "mail" && k.mailIA5 && !isASCII(value)
		if value != "" && !isRefused {
			u.Values[attribute] = value
		}
	}
	rdn := k.userRDN + "=" + userName
	code := word("orgCode")
	home, hasHome := live[code]
	switch {
	case k.isApart && !p.isEnabled:
		u.Place = plain(rdn, "ou=disabled")
	case layout == "people":
		u.Place = plain(rdn, "ou=people")
	case !m.isActive():
		u.Place = "" // wherever it stood
	case hasHome && code != "":
		u.Place = plain(rdn, departmentPlace(live, code))
	default:
		u.Place = plain(rdn, "ou=pending")
	}
	if p.isEnabled {
		u.Groups = append(u.Groups, plain("cn="+orUser(p.role), "ou=roles"))
		if home.name != "" || hasHome && code != "" {
			u.Groups = append(u.Groups, plain("cn="+code, "ou=groups"))
		}
	}
	slices.Sort(u.Groups)
	return u
}

func isASCII(s string) bool {
	return !slices.ContainsFunc([]rune(s), func(r rune) bool { return r > 0x7e })
}

// departmentPlace is where a department stands: below those above it, up to ou=departments;
// or, if there is one missing or a circle, to ou=pending. Those of a circle stand there each
// for itself.
func departmentPlace(live map[string]modelDepartment, code string) string {
	above := func(code string) (string, bool) {
		parent := live[code].parent
		_, isLive := live[parent]
		return parent, isLive
	}
	inCircle := func(code string) bool {
		seen := map[string]bool{}
		for at, ok := above(code); ok && !seen[at]; at, ok = above(at) {
			if at == code {
				return true
			}
			seen[at] = true
		}
		return false
	}
	rdns := []string{"ou=" + code}
	for at := code; ; {
		parent, isLive := above(at)
		switch {
		case live[at].parent == "":
			return plain(append(rdns, "ou=departments")...)
		case !isLive || inCircle(at):
			return plain(append(rdns, "ou=pending")...)
		}
		rdns = append(rdns, "ou="+parent)
		at = parent
	}
}

// twins are the names of a kind of entries that such a server takes for the same as another's.
func twins[V any](k directoryKind, entries map[string]V) map[string][]string {
	same := map[string][]string{}
	for name := range entries {
		same[k.fold(name)] = append(same[k.fold(name)], name)
	}
	maps.DeleteFunc(same, func(_ string, names []string) bool { return len(names) < 2 })
	return same
}
