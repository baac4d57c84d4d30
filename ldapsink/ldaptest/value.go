package ldaptest

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

// syntax is what values of an attribute may be, and when two of them are equal.
type syntax uint8

const (
	directoryString syntax = iota // caseIgnoreMatch
	exactString                   // caseExactMatch
	ia5String                     // caseIgnoreIA5Match
	exactIA5String                // caseExactIA5Match
	telephoneNumber
	distinguishedName
	integer
	octets
	oid // objectClass
)

// isValid is the check of RFC 4517, section 3.3, as slapd does it.
func (s syntax) isValid(value string) bool {
	switch s {
	case directoryString, exactString:
		return value != "" && utf8.ValidString(value)
	case ia5String, exactIA5String:
		return !strings.ContainsFunc(value, func(r rune) bool { return r >= 0x80 })
	case telephoneNumber:
		return value != "" && !strings.ContainsFunc(value, func(r rune) bool { return !isPrintable(r) })
	case distinguishedName:
		_, err := parseDN(value)
		return err == nil && (value == "" || strings.Trim(value, " ") != "")
	case integer:
		_, err := strconv.ParseInt(value, 10, 64)
		return err == nil
	case oid:
		return classOf(value) != nil
	case octets:
		return true
	default:
		return false
	}
}

// isPrintable is PrintableString with slapd's addition of the equals sign.
func isPrintable(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("'()+,-./:?= ", r)
}

// key is equal for values that match.
func (s syntax) key(value string) string {
	switch s {
	case directoryString:
		return squeeze(strings.ToLower(norm.NFKC.String(value)))
	case exactString:
		return squeeze(norm.NFKC.String(value))
	case ia5String, oid:
		return squeeze(strings.ToLower(value))
	case exactIA5String:
		return squeeze(value)
	case telephoneNumber:
		return strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(value))
	case distinguishedName:
		dn, err := parseDN(value)
		if err != nil {
			return value
		}
		return dn.key()
	default:
		return value
	}
}

// squeeze drops outer blanks and makes one of several, RFC 4518, section 2.6.1. Only blanks
// make a value of one.
func squeeze(s string) string {
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' })
	if len(words) == 0 && s != "" {
		return " "
	}
	return strings.Join(words, " ")
}

// name is a DN, leaf first.
type name []step

// step is one RDN.
type step struct {
	text string      // as it is printed
	key  string      // equal for RDNs that match
	avas [][2]string // attribute and value
}

// parseDN reads a name and looks at what it is made of: an attribute that is not known is
// an error.
func parseDN(text string) (name, error) {
	parsed, err := ldap.ParseDN(text)
	if err != nil {
		return nil, ldap.NewError(ldap.LDAPResultInvalidDNSyntax, err)
	}
	n := make(name, len(parsed.RDNs))
	for i, r := range parsed.RDNs {
		var texts, keys []string
		for _, a := range r.Attributes {
			kind := attributeOf(a.Type)
			if kind == nil || a.Value == "" && kind.syntax != octets || !kind.syntax.isValid(a.Value) {
				return nil, fail(ldap.LDAPResultInvalidDNSyntax, "invalid DN")
			}
			n[i].avas = append(n[i].avas, [2]string{kind.name, a.Value})
			texts = append(texts, kind.name+"="+escape(a.Value))
			keys = append(keys, strings.ToLower(kind.name)+"="+escape(kind.syntax.key(a.Value)))
		}
		slices.Sort(keys)
		n[i].text, n[i].key = strings.Join(texts, "+"), strings.Join(keys, "+")
	}
	return n, nil
}

func (n name) key() string {
	keys := make([]string, len(n))
	for i, s := range n {
		keys[i] = s.key
	}
	return strings.Join(keys, ",")
}

// escape writes specials as hex pairs, as slapd prints them.
func escape(value string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if strings.IndexByte("\"+,;<>\\=", c) >= 0 || c == 0 || i == 0 && (c == ' ' || c == '#') || i == len(value)-1 && c == ' ' {
			b.WriteByte('\\')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
