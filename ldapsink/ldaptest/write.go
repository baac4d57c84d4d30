package ldaptest

import (
	"maps"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/ldapsink"
)

func (d *Directory) add(dn ldapsink.DN, attributes ldapsink.Attributes) error {
	n, err := parseDN(dn.String())
	if err != nil {
		return err
	}
	e := &entry{children: map[string]*entry{}}
	if len(n) > 0 {
		e.at = n[0]
	}
	for _, text := range slices.Sorted(maps.Keys(attributes)) {
		kind, err := checkValues(text, attributes[text])
		if err != nil {
			return err
		}
		if len(attributes[text]) == 0 {
			return fail(ldap.LDAPResultProtocolError, "no values for attribute type")
		}
		e.attributes = append(e.attributes, newAttribute(kind, attributes[text]))
	}
	if !d.holds(n) {
		return elsewhere()
	}
	for _, ava := range e.at.avas { // slapd adds what the name says
		if !e.has(ava[0], ava[1]) {
			if err := e.change(ldapsink.Change{Kind: ldapsink.AddValues, Name: ava[0], Values: []string{ava[1]}}, attributeOf(ava[0])); err != nil {
				return err
			}
		}
	}
	if err := checkEntry(e); err != nil {
		return err
	}
	found, _ := d.find(n)
	if found != nil {
		return fail(ldap.LDAPResultEntryAlreadyExists, "")
	}
	switch {
	case n.key() == d.suffix.key():
		d.root = e
	default:
		if len(n) > 0 {
			e.parent, _ = d.find(n[1:])
		}
		if e.parent == nil {
			return fail(ldap.LDAPResultNoSuchObject, "no such object")
		}
		if err := checkRDN(e.at); err != nil {
			return err
		}
		e.parent.children[e.at.key] = e
	}
	most, err := structuralOf(e.values("objectClass"))
	if err != nil {
		return err
	}
	e.structural = most.name
	e.operating = map[string]string{
		"entryUUID": newUUID(), "creatorsName": d.account, "modifiersName": d.account, "structuralObjectClass": most.name,
	}
	return nil
}

func (d *Directory) modify(dn ldapsink.DN, changes []ldapsink.Change) error {
	kinds := make([]*attributeType, len(changes))
	for i, c := range changes {
		var err error
		if kinds[i], err = checkValues(c.Name, c.Values); err != nil {
			return err
		}
		if c.Kind == ldapsink.AddValues && len(c.Values) == 0 {
			return fail(ldap.LDAPResultProtocolError, "modify/add operation requires values")
		}
	}
	e, _, err := d.mustFind(dn)
	if err != nil {
		return err
	}
	after := e.copy()
	for i, c := range changes {
		if err := after.change(c, kinds[i]); err != nil {
			return err
		}
	}
	if err := checkEntry(after); err != nil {
		return err
	}
	e.attributes = after.attributes
	e.operating["modifiersName"] = d.account
	return nil
}

// rename moves an entry with all that stands below it. The old RDN's values go, as in all
// renames of this port.
func (d *Directory) rename(dn, newDN ldapsink.DN) error {
	to, err := parseDN(newDN.String())
	if err != nil {
		return err
	}
	from, err := parseDN(dn.String())
	if err != nil {
		return err
	}
	above := to[1:]
	moves := above.key() != from[1:].key()
	if depth := len(above) - len(from); moves && depth >= 0 && above[depth:].key() == from.key() {
		return fail(ldap.LDAPResultUnwillingToPerform, "new superior is the entry or stands below it")
	}
	if len(to) < len(from) && from[len(from)-len(to):].key() == to.key() {
		return fail(ldap.LDAPResultUnwillingToPerform, "the new name is that of an entry above")
	}
	e, _, err := d.mustFind(dn)
	if err != nil {
		return err
	}
	if e.parent == nil {
		return fail(ldap.LDAPResultUnwillingToPerform, "cannot rename the suffix")
	}
	parent, _ := d.find(above)
	if parent == nil {
		return fail(ldap.LDAPResultNoSuchObject, "new superior not found")
	}
	if other := parent.children[to[0].key]; other != nil && other != e {
		return fail(ldap.LDAPResultEntryAlreadyExists, "")
	}
	after := e.copy()
	after.at = to[0]
	if err := after.renamed(e.at); err != nil {
		return err
	}
	if err := checkEntry(after); err != nil {
		return err
	}
	if err := checkRDN(to[0]); err != nil {
		return err
	}
	delete(e.parent.children, e.at.key)
	e.at, e.parent, e.attributes = to[0], parent, after.attributes
	parent.children[e.at.key] = e
	return nil
}

// renamed gives the entry the values of its new RDN in place of those of the old one, also
// where only the spelling differs.
func (e *entry) renamed(old step) error {
	for _, ava := range old.avas {
		if err := e.change(ldapsink.Change{Kind: ldapsink.DeleteValues, Name: ava[0], Values: []string{ava[1]}}, attributeOf(ava[0])); err != nil {
			return err
		}
	}
	for _, ava := range e.at.avas {
		if e.has(ava[0], ava[1]) {
			continue
		}
		if err := e.change(ldapsink.Change{Kind: ldapsink.AddValues, Name: ava[0], Values: []string{ava[1]}}, attributeOf(ava[0])); err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) remove(dn ldapsink.DN) error {
	e, _, err := d.mustFind(dn)
	if err != nil {
		return err
	}
	if len(e.children) > 0 {
		return fail(ldap.LDAPResultNotAllowedOnNonLeaf, "subordinate objects must be deleted first")
	}
	if e.parent == nil {
		d.root = nil
		return nil
	}
	delete(e.parent.children, e.at.key)
	return nil
}
