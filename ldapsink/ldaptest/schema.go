package ldaptest

import (
	"slices"
	"strings"
	"sync"
)

// attributeType is one attribute of the schema.
type attributeType struct {
	name    string
	aliases []string
	syntax  syntax
	single  bool // one value at most
	fixed   bool // only the server writes it
}

// attributeOf finds an attribute by any of its names, nil if the schema has none.
func attributeOf(name string) *attributeType { return schema().attributes[strings.ToLower(name)] }

// index is what can be looked up, by names in lower case.
type index struct {
	attributes map[string]*attributeType
	classes    map[string]*objectClass
}

var schema = sync.OnceValue(newIndex) //nolint:gochecknoglobals // a constant

func newIndex() index {
	s := index{map[string]*attributeType{}, map[string]*objectClass{}}
	for _, a := range attributeTypes() {
		for _, name := range append([]string{a.name}, a.aliases...) {
			s.attributes[strings.ToLower(name)] = &a
		}
	}
	for _, c := range objectClasses() {
		s.classes[strings.ToLower(c.name)] = &c
	}
	return s
}

// attributeTypes are those of core, cosine, nis and inetorgperson that are known here.
func attributeTypes() []attributeType {
	text := func(names ...string) attributeType {
		return attributeType{name: names[0], aliases: names[1:]}
	}
	of := func(s syntax, names ...string) attributeType {
		return attributeType{name: names[0], aliases: names[1:], syntax: s}
	}
	single := func(a attributeType) attributeType { a.single = true; return a }
	fixed := func(a attributeType) attributeType { a.single, a.fixed = true, true; return a }
	return []attributeType{
		of(oid, "objectClass"), text("cn", "commonName"), text("sn", "surname"), text("ou", "organizationalUnitName"),
		text("o", "organizationName"), text("uid", "userid"), text("description"), text("businessCategory"), text("title"),
		text("departmentNumber"), text("employeeType"), text("physicalDeliveryOfficeName"), text("roomNumber"), text("carLicense"),
		text("givenName", "gn"), text("initials"), text("l", "localityName"), text("st", "stateOrProvinceName"), text("postalCode"),
		text("street", "streetAddress"), text("host"), single(text("displayName")), single(text("employeeNumber")),
		of(exactString, "labeledURI"), of(ia5String, "mail", "rfc822Mailbox"), single(of(ia5String, "dc", "domainComponent")),
		of(telephoneNumber, "mobile", "mobileTelephoneNumber"), of(telephoneNumber, "telephoneNumber"),
		of(telephoneNumber, "homePhone", "homeTelephoneNumber"), of(telephoneNumber, "pager", "pagerTelephoneNumber"),
		of(distinguishedName, "member"), of(distinguishedName, "manager"), of(distinguishedName, "seeAlso"),
		of(distinguishedName, "secretary"), of(distinguishedName, "owner"), of(distinguishedName, "roleOccupant"),
		of(octets, "userPassword"), of(octets, "jpegPhoto"), single(of(integer, "uidNumber")), single(of(integer, "gidNumber")),
		single(of(exactIA5String, "homeDirectory")), single(of(exactIA5String, "loginShell")), single(of(ia5String, "gecos")),
		of(exactIA5String, "memberUid"), of(telephoneNumber, "serialNumber"),
		fixed(of(octets, "entryUUID")), fixed(of(distinguishedName, "creatorsName")), fixed(of(distinguishedName, "modifiersName")),
		fixed(of(octets, "structuralObjectClass")), fixed(of(octets, "createTimestamp")), fixed(of(octets, "modifyTimestamp")),
	}
}

// classKind is the kind of an object class, RFC 4512, section 2.4.
type classKind uint8

const (
	abstract classKind = iota
	structural
	auxiliary
)

// objectClass is one object class of the schema.
type objectClass struct {
	name, above string
	kind        classKind
	must, may   []string
}

func classOf(name string) *objectClass { return schema().classes[strings.ToLower(name)] }

// objectClasses are those of core, cosine, nis and inetorgperson that are known here, with
// what of their attributes is known.
func objectClasses() []objectClass {
	postal := []string{"businessCategory", "description", "l", "st", "street", "postalCode", "physicalDeliveryOfficeName", "seeAlso", "telephoneNumber"}
	return []objectClass{
		{name: "top", must: []string{"objectClass"}},
		{name: "person", above: "top", kind: structural, must: []string{"sn", "cn"}, may: []string{"userPassword", "telephoneNumber", "seeAlso", "description"}},
		{name: "organizationalPerson", above: "person", kind: structural, may: []string{
			"title", "ou", "st", "l", "street", "postalCode", "physicalDeliveryOfficeName",
		}},
		{name: "inetOrgPerson", above: "organizationalPerson", kind: structural, may: []string{
			"businessCategory", "carLicense", "departmentNumber", "displayName", "employeeNumber", "employeeType", "givenName", "homePhone",
			"initials", "jpegPhoto", "labeledURI", "mail", "manager", "mobile", "o", "pager", "roomNumber", "secretary", "uid",
		}},
		{name: "organizationalUnit", above: "top", kind: structural, must: []string{"ou"}, may: append(slices.Clone(postal), "userPassword")},
		{name: "organization", above: "top", kind: structural, must: []string{"o"}, may: append(slices.Clone(postal), "userPassword")},
		{name: "organizationalRole", above: "top", kind: structural, must: []string{"cn"}, may: append(slices.Clone(postal[1:]), "roleOccupant", "ou")},
		{name: "groupOfNames", above: "top", kind: structural, must: []string{"member", "cn"}, may: []string{
			"businessCategory", "seeAlso", "owner", "ou", "o", "description",
		}},
		{name: "device", above: "top", kind: structural, must: []string{"cn"}, may: []string{"serialNumber", "seeAlso", "owner", "ou", "o", "l", "description"}},
		{name: "account", above: "top", kind: structural, must: []string{"uid"}, may: []string{"description", "seeAlso", "l", "o", "ou", "host"}},
		{name: "posixGroup", above: "top", kind: structural, must: []string{"cn", "gidNumber"}, may: []string{"userPassword", "memberUid", "description"}},
		{name: "dcObject", above: "top", kind: auxiliary, must: []string{"dc"}},
		{name: "simpleSecurityObject", above: "top", kind: auxiliary, must: []string{"userPassword"}},
		{name: "uidObject", above: "top", kind: auxiliary, must: []string{"uid"}},
		{name: "posixAccount", above: "top", kind: auxiliary, must: []string{"cn", "uid", "uidNumber", "gidNumber", "homeDirectory"}, may: []string{
			"userPassword", "loginShell", "gecos", "description",
		}},
	}
}

// lineage is a class and what it stands below.
func (c *objectClass) lineage() []*objectClass {
	var line []*objectClass
	for c != nil {
		line = append(line, c)
		c = classOf(c.above)
	}
	return line
}
