package ldapsink

import "fmt"

// Dialect is a family of directory servers. It decides which classes and attributes are
// written and where entries stand.
type Dialect uint8

// The dialects.
const (
	// AutoDialect: found from what the server says of itself.
	AutoDialect Dialect = iota
	OpenLDAP
	DirectoryServer389 // 389 Directory Server and Red Hat Directory Server
	ActiveDirectory    // also Samba as a domain controller
)

// dialects are the words of the configuration.
func dialects() map[string]Dialect {
	return map[string]Dialect{
		"auto": AutoDialect, "openldap": OpenLDAP, "389ds": DirectoryServer389, "ad": ActiveDirectory,
	}
}

// ParseDialect reads the word of the configuration: auto, openldap, 389ds or ad.
func ParseDialect(word string) (Dialect, error) {
	d, ok := dialects()[word]
	if !ok {
		return 0, fmt.Errorf("dialect %q: want auto, openldap, 389ds or ad", word)
	}
	return d, nil
}

// String returns the word of the configuration.
func (d Dialect) String() string {
	for word, other := range dialects() {
		if other == d {
			return word
		}
	}
	return fmt.Sprintf("dialect(%d)", uint8(d))
}

// recogniseServer tells the dialect by the root DSE (RFC 4512, section 5.1); AutoDialect if it is
// none of those that are known.
func recogniseServer(root Attributes) Dialect {
	const activeDirectory = "1.2.840.113556.1.4.800" // MS-ADTS, section 3.1.1.3.4.3.1
	switch {
	case root.hasFold("supportedCapabilities", activeDirectory):
		return ActiveDirectory
	case root.hasFold("objectClass", "OpenLDAProotDSE"), root.hasFold("structuralObjectClass", "OpenLDAProotDSE"):
		return OpenLDAP
	}
	for _, name := range []string{"vendorVersion", "vendorName"} {
		for _, value := range root[name] {
			if begins(value, "389") || begins(value, "Red Hat-Directory") {
				return DirectoryServer389
			}
		}
	}
	return AutoDialect
}
