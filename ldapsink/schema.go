package ldapsink

// isAD says whether entries have Active Directory's classes.
func (p Profile) isAD() bool { return p.Dialect == ActiveDirectory }

// classes are the object classes of entries of the kind; the last is the structural one,
// by which they are known.
func (p Profile) classes(k EntryKind) []string {
	switch k {
	case UserEntry:
		if p.isAD() {
			return []string{"top", "person", "organizationalPerson", "user"}
		}
		return []string{"top", "person", "organizationalPerson", "inetOrgPerson"}
	case DepartmentGroup, RoleGroup, AppGroup:
		return []string{"top", p.groupClass()}
	default:
		return []string{"top", "organizationalUnit"}
	}
}

// class is the structural object class of entries of the kind.
func (p Profile) class(k EntryKind) string {
	classes := p.classes(k)
	return classes[len(classes)-1]
}

// origin are the attributes that tell what an entry is, which one, and by whom.
func (p Profile) origin() []string {
	names := []string{"objectClass", p.StableID}
	if p.Creator != "" {
		names = append(names, p.Creator)
	}
	return names
}

func (p Profile) groupClass() string {
	if p.isAD() {
		return "group"
	}
	return "groupOfNames"
}

// userRDN is the attribute that makes the name of a user's entry. In Active Directory it
// can be no other.
func (p Profile) userRDN() string {
	if p.isAD() {
		return "cn"
	}
	return "uid"
}

// limited is a syntax of at most so many characters where the server counts them.
func (p Profile) limited(syntax func(string) string, most int) func(string) string {
	if !p.isAD() {
		return syntax
	}
	return func(s string) string {
		if len([]rune(s)) > most {
			return "longer than the directory takes"
		}
		return directoryString(s) // Active Directory has Unicode strings only
	}
}

// userSyntaxes are the syntaxes of a user's optional attributes, with the upper bounds of
// Active Directory's schema.
func (p Profile) syntax(attribute string) func(string) string {
	switch attribute {
	case "mail":
		return p.limited(ia5String, 256)
	case "mobile":
		return p.limited(telephoneNumber, 64)
	case "o", "sn":
		return p.limited(directoryString, 64)
	case "title", "physicalDeliveryOfficeName", "businessCategory":
		return p.limited(directoryString, 128)
	case "employeeNumber":
		return p.limited(directoryString, 512)
	case "description":
		return p.limited(directoryString, 1024)
	default:
		return p.limited(directoryString, 256)
	}
}
