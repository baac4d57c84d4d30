package ldapsink

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Mapping says how attributes of users are made that differ from the table of the
// documentation. The zero value changes nothing. It is a value and safe to share.
type Mapping struct {
	templates map[string]template // by attribute
	classes   []string            // auxiliary object classes
}

// MappingError is one attribute of a mapping that cannot be.
type MappingError struct{ Attribute, Reason string }

// Error names the attribute.
func (e *MappingError) Error() string { return e.Attribute + ": " + e.Reason }

// ParseMapping reads templates by LDAP attribute; all faults are joined, each a
// [*MappingError].
//
// A template is text with fields in braces: {name} ({position}). Filters change a field's
// value, one after the other: {userName|lower|truncate:20}. A template whose fields are all
// empty gives no value; an empty template leaves the attribute to others. objectClass takes
// the names of auxiliary classes, with blanks between them.
func ParseMapping(attributes map[string]string) (Mapping, error) {
	m := Mapping{templates: map[string]template{}}
	var faults []error
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		fault := func(format string, args ...any) {
			faults = append(faults, &MappingError{name, fmt.Sprintf(format, args...)})
		}
		key := strings.ToLower(name)
		if other, twice := seen[key]; twice {
			fault("is the attribute %s, which stands above already", other)
			continue
		}
		seen[key] = name
		if reason := untouchable(key); reason != "" {
			fault("%s", reason)
			continue
		}
		if !isAttributeType(name) {
			fault("is no name of an LDAP attribute")
			continue
		}
		if key == "objectclass" {
			m.classes = strings.Fields(attributes[name])
			for _, class := range m.classes {
				if !isAttributeType(class) {
					fault("%q is no name of an object class; write them with blanks between", class)
				}
			}
			continue
		}
		t, err := parseTemplate(attributes[name])
		if err != nil {
			fault("%v", err)
			continue
		}
		m.templates[spelled(key, name)] = t
	}
	return m, errors.Join(faults...)
}

// spelled is an attribute's name as the rest of the package writes it.
func spelled(key, name string) string {
	for _, ours := range defaultAttributes() {
		if strings.ToLower(ours) == key {
			return ours
		}
	}
	return name
}

// defaultAttributes are the attributes of a user that are kept without a mapping.
func defaultAttributes() []string {
	return []string{
		"uid", "cn", "sn", "displayName", "o", "departmentNumber", "title", "employeeNumber", "employeeType", "mobile", "mail",
		"physicalDeliveryOfficeName",
	}
}

// untouchable says why an attribute, in lower case, is not for a mapping.
func untouchable(key string) string {
	switch key {
	case "userpassword", "unicodepwd", "dbcspwd", "sambantpassword", "sambalmpassword", "krbprincipalkey", "shadowpassword", "authpassword",
		"msds-managedpassword", "ms-mcs-admpwd":
		return "kitbridge writes no passwords"
	case "uid", "ou", "samaccountname":
		return "is what entries are known by and cannot be changed"
	case "useraccountcontrol", "nsaccountlock", "pwdaccountlockedtime", "pwdlastset":
		return "says who may sign in and is kept by kitbridge"
	case "member", "memberof", "uniquemember":
		return "belongs to the groups"
	case "entryuuid", "nsuniqueid", "objectguid", "objectsid", "creatorsname", "modifiersname", "createtimestamp", "modifytimestamp",
		"structuralobjectclass", "entrydn", "entrycsn":
		return "is kept by the server"
	default:
		return ""
	}
}

// names lists the attributes that the mapping writes, sorted.
func (m Mapping) names() []string { return slices.Sorted(maps.Keys(m.templates)) }

// adds says whether the attribute is written for the mapping's sake only.
func (m Mapping) adds(name string) bool {
	_, mapped := m.templates[name]
	return mapped && !slices.Contains(defaultAttributes(), name)
}

// numbers lists the attributes whose values are allocated, sorted.
func (m Mapping) numbers() []string {
	return slices.DeleteFunc(m.names(), func(name string) bool { return m.templates[name].pool == nil })
}

// apply changes the attributes of a user. A required attribute that would have no value
// keeps the one it has.
func (m Mapping) apply(v *values, fields map[string]string, p Profile) {
	for _, name := range m.names() {
		t := m.templates[name]
		switch {
		case t.isEmpty(), t.pool != nil: // left to others, or allocated later
			delete(v.attributes, name)
		default:
			before := v.attributes[name]
			v.set(name, t.expand(fields), p.syntax(name))
			if v.attributes[name] == nil && (name == "cn" || name == "sn") {
				v.attributes[name] = before
			}
		}
	}
}
