package ldaptest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// fail is an answer of the server.
func fail(code uint16, format string, values ...any) error {
	return ldap.NewError(code, fmt.Errorf(format, values...))
}

// checkValues looks at the values of one attribute of a request, before any entry is.
func checkValues(name string, values []string) (*attributeType, error) {
	a := attributeOf(name)
	if a == nil {
		return nil, fail(ldap.LDAPResultUndefinedAttributeType, "%s: attribute type undefined", name)
	}
	if a.fixed {
		return nil, fail(ldap.LDAPResultConstraintViolation, "%s: no user modification allowed", a.name)
	}
	seen := map[string]bool{}
	for i, v := range values {
		if !a.syntax.isValid(v) {
			return nil, fail(ldap.LDAPResultInvalidAttributeSyntax, "%s: value #%d invalid per syntax", a.name, i)
		}
		if key := a.syntax.key(v); seen[key] {
			return nil, fail(ldap.LDAPResultAttributeOrValueExists, "%s: value #%d provided more than once", a.name, i)
		} else {
			seen[key] = true
		}
	}
	if a.single && len(values) > 1 {
		return nil, fail(ldap.LDAPResultConstraintViolation, "%s: multiple values provided", a.name)
	}
	return a, nil
}

// checkEntry looks at an entry as it would be, as slapd's entry_schema_check does.
func checkEntry(e *entry) error {
	for _, a := range e.attributes {
		if a.kind.single && len(a.values) > 1 {
			return fail(ldap.LDAPResultConstraintViolation, "attribute '%s' cannot have multiple values", a.kind.name)
		}
	}
	classes := e.values("objectClass")
	if len(classes) == 0 {
		return fail(ldap.LDAPResultObjectClassViolation, "no objectClass attribute")
	}
	most, err := structuralOf(classes)
	if err != nil {
		return err
	}
	if e.structural != "" && !strings.EqualFold(e.structural, most.name) {
		return fail(ldap.LDAPResultObjectClassModsProhibited, "structural object class modification from '%s' to '%s' not allowed", e.structural, most.name)
	}
	for _, ava := range e.at.avas {
		if !e.has(ava[0], ava[1]) {
			return fail(ldap.LDAPResultNamingViolation, "value of naming attribute '%s' is not present in entry", ava[0])
		}
	}
	may := map[string]bool{}
	for _, name := range classes {
		for _, c := range classOf(name).lineage() {
			for _, must := range c.must {
				if len(e.values(must)) == 0 {
					return fail(ldap.LDAPResultObjectClassViolation, "object class '%s' requires attribute '%s'", c.name, must)
				}
				may[must] = true
			}
			for _, allowed := range c.may {
				may[allowed] = true
			}
		}
	}
	for _, a := range e.attributes {
		if !may[a.kind.name] {
			return fail(ldap.LDAPResultObjectClassViolation, "attribute '%s' not allowed", a.kind.name)
		}
	}
	return nil
}

// structuralOf is the class that an entry is: the one structural class that stands above no
// other of its classes.
func structuralOf(classes []string) (*objectClass, error) {
	var most *objectClass
	for _, name := range classes {
		c := classOf(name)
		switch {
		case c.kind != structural:
		case most == nil || slices.ContainsFunc(c.lineage(), func(up *objectClass) bool { return up.name == most.name }):
			most = c
		case !slices.ContainsFunc(most.lineage(), func(up *objectClass) bool { return up.name == c.name }):
			return nil, fail(ldap.LDAPResultObjectClassViolation, "invalid structural object class chain (%s/%s)", most.name, c.name)
		}
	}
	if most == nil {
		return nil, fail(ldap.LDAPResultObjectClassViolation, "no structural object class provided")
	}
	return most, nil
}

// checkRDN is the room that the database has for a name: its two forms share one record.
func checkRDN(s step) error {
	const most = 490
	if len(s.text)+len(s.key) > most {
		return fail(ldap.LDAPResultOther, "index generation failed")
	}
	return nil
}
