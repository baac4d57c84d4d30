package ldapsink

import (
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// withoutRefused returns the operation without the optional value that the server refused,
// and the name of its attribute. Servers begin their words with that name ("mail: value #0
// invalid per syntax"); it is false if these words do not help.
func (r *round) withoutRefused(o Operation, err error) (Operation, string, bool) {
	switch codeOf(err) {
	case ldap.LDAPResultInvalidAttributeSyntax, ldap.LDAPResultConstraintViolation,
		ldap.LDAPResultUndefinedAttributeType, ldap.LDAPResultAttributeOrValueExists:
	case ldap.LDAPResultObjectClassViolation:
		lesser, ok := r.withoutMapped(o)
		return lesser, r.classesText(), ok
	case ldap.LDAPResultNoSuchAttribute: // Samba, of an object class that it does not know
		if o.Kind != Add {
			return o, "", false
		}
	default:
		return o, "", false
	}
	if lesser, ok := r.withoutMapped(o); ok && mentions(err, "objectClass") {
		return lesser, r.classesText(), true
	}
	for _, name := range r.optionalAttributes(o.ID.Kind) {
		if !mentions(err, name) {
			continue
		}
		if lesser, ok := o.without(name); ok {
			return lesser, name, true
		}
	}
	return o, "", false
}

// withoutMapped leaves out the auxiliary classes of the configuration, and the attributes
// that it adds: together they are more than the server takes.
func (r *round) withoutMapped(o Operation) (Operation, bool) {
	if o.ID.Kind != UserEntry || len(r.org.mapping.classes) == 0 {
		return o, false
	}
	isAdded := func(name string) bool { return name == "objectClass" || r.org.mapping.adds(name) }
	if o.Kind == Modify {
		rest := slices.DeleteFunc(slices.Clone(o.Changes), func(c Change) bool { return isAdded(c.Name) })
		lost := len(rest) < len(o.Changes)
		o.Changes = rest
		return o, lost
	}
	classes := r.server.profile.classes(UserEntry)
	lost := len(o.Attributes["objectClass"]) > len(classes)
	o.Attributes = maps.Clone(o.Attributes)
	maps.DeleteFunc(o.Attributes, func(name string, _ []string) bool { return isAdded(name) })
	o.Attributes["objectClass"] = classes
	return o, lost
}

// classesText names the auxiliary classes.
func (r *round) classesText() string {
	return "objectClass " + strings.Join(r.org.mapping.classes, " ")
}

// mentions says whether the server's words contain the name of the attribute.
func mentions(err error, name string) bool {
	words := strings.FieldsFunc(strings.ToLower(messageOf(err)), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return slices.Contains(words, strings.ToLower(name))
}

// optionalAttributes can be left out of an entry. Of ou and cn, which hold the id, only the
// display name is.
func (r *round) optionalAttributes(kind EntryKind) []string {
	switch kind {
	case UserEntry:
		return append(slices.DeleteFunc(r.org.mapping.names(), func(name string) bool { return name == "cn" || name == "sn" }),
			"displayName", "o", "departmentNumber", "title", "employeeNumber", "employeeType", "mobile", "mail",
			"physicalDeliveryOfficeName",
		)
	case DepartmentEntry:
		return []string{"ou", "businessCategory", "description"}
	case DepartmentGroup:
		return []string{"cn"}
	default:
		return []string{"description"}
	}
}

// without returns the operation without the optional values of an attribute.
func (o Operation) without(name string) (Operation, bool) {
	isID := name == "ou" || name == "cn"
	if values, ok := o.Attributes[name]; ok {
		o.Attributes = maps.Clone(o.Attributes)
		switch {
		case !isID:
			delete(o.Attributes, name)
		case len(values) > 1:
			o.Attributes[name] = values[:1]
		default:
			return o, false
		}
		return o, true
	}
	i := slices.IndexFunc(o.Changes, func(c Change) bool { return c.Name == name })
	if i < 0 || len(o.Changes[i].Values) == 0 || isID && len(o.Changes[i].Values) == 1 {
		return o, false
	}
	o.Changes = slices.Clone(o.Changes)
	o.Changes[i].Values = nil
	if isID {
		o.Changes[i].Values = []string{o.DN.Value()}
	}
	return o, true
}
