package ldaptest

import (
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/ldapsink"
)

// entry is one entry of the tree.
type entry struct {
	at         step
	parent     *entry // nil: the suffix
	children   map[string]*entry
	attributes []*attribute
	structural string
	operating  map[string]string // operational attributes
}

// attribute is the values of one attribute, with what is equal for those that match.
type attribute struct {
	kind         *attributeType
	values, keys []string
}

func newAttribute(kind *attributeType, values []string) *attribute {
	a := &attribute{kind: kind}
	for _, v := range values {
		a.add(v, kind.syntax.key(v))
	}
	return a
}

func (a *attribute) add(value, key string) {
	a.values, a.keys = append(a.values, value), append(a.keys, key)
}

func (a *attribute) remove(i int) {
	a.values, a.keys = slices.Delete(a.values, i, i+1), slices.Delete(a.keys, i, i+1)
}

func (e *entry) attribute(name string) *attribute {
	for _, a := range e.attributes {
		if a.kind.name == name {
			return a
		}
	}
	return nil
}

// values are those of an attribute by the schema's name for it.
func (e *entry) values(name string) []string {
	if a := e.attribute(name); a != nil {
		return a.values
	}
	return nil
}

func (e *entry) has(name, value string) bool {
	a := e.attribute(name)
	return a != nil && slices.Contains(a.keys, a.kind.syntax.key(value))
}

// copy is the entry for a change that may fail: its values are its own, its place is not.
func (e *entry) copy() *entry {
	c := *e
	c.attributes = make([]*attribute, len(e.attributes))
	for i, a := range e.attributes {
		c.attributes[i] = &attribute{a.kind, slices.Clone(a.values), slices.Clone(a.keys)}
	}
	return &c
}

// dn is the entry's name as it is printed.
func (e *entry) dn(suffix string) string {
	if e.parent == nil {
		return suffix
	}
	return e.at.text + "," + e.parent.dn(suffix)
}

// change applies one part of a modification, RFC 4511, section 4.6.
func (e *entry) change(c ldapsink.Change, kind *attributeType) error {
	a := e.attribute(kind.name)
	if a == nil {
		a = &attribute{kind: kind}
		e.attributes = append(e.attributes, a)
	}
	switch {
	case c.Kind == ldapsink.ReplaceValues:
		*a = *newAttribute(kind, c.Values)
	case c.Kind == ldapsink.AddValues:
		for _, v := range c.Values {
			key := kind.syntax.key(v)
			if slices.Contains(a.keys, key) {
				return fail(ldap.LDAPResultAttributeOrValueExists, "modify/add: %s: value already exists", kind.name)
			}
			a.add(v, key)
		}
	case len(a.values) == 0:
		return fail(ldap.LDAPResultNoSuchAttribute, "modify/delete: %s: no such attribute", kind.name)
	case len(c.Values) == 0:
		a.values, a.keys = nil, nil
	default:
		for _, v := range c.Values {
			i := slices.Index(a.keys, kind.syntax.key(v))
			if i < 0 {
				return fail(ldap.LDAPResultNoSuchAttribute, "modify/delete: %s: no such value", kind.name)
			}
			a.remove(i)
		}
	}
	e.attributes = slices.DeleteFunc(e.attributes, func(a *attribute) bool { return len(a.values) == 0 })
	return nil
}
