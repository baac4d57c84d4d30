package ldaptest

import (
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// truth is what a filter says of an entry, RFC 4511, section 4.5.1.7. No is the least.
type truth uint8

const (
	no truth = iota
	undefined
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// matches evaluates a filter: its kind is the tag.
func (e *entry) matches(filter *ber.Packet) truth {
	switch filter.Tag {
	case ldap.FilterAnd:
		result := yes
		for _, part := range filter.Children {
			result = min(result, e.matches(part))
		}
		return result
	case ldap.FilterOr:
		result := no
		for _, part := range filter.Children {
			result = max(result, e.matches(part))
		}
		return result
	case ldap.FilterNot:
		return yes - e.matches(filter.Children[0])
	case ldap.FilterPresent:
		return e.matchesAny(ber.DecodeString(filter.Data.Bytes()), func(*attributeType, string) bool { return true })
	case ldap.FilterEqualityMatch:
		want := ber.DecodeString(filter.Children[1].Data.Bytes())
		a := attributeOf(ber.DecodeString(filter.Children[0].Data.Bytes()))
		if a == nil || !a.syntax.isValid(want) {
			return undefined
		}
		return e.matchesAny(a.name, func(a *attributeType, v string) bool {
			return a.syntax.key(v) == a.syntax.key(want) || a.syntax == oid && isSubclass(v, want)
		})
	case ldap.FilterSubstrings:
		return e.matchesAny(ber.DecodeString(filter.Children[0].Data.Bytes()), func(a *attributeType, v string) bool {
			return hasSubstrings(a.syntax, v, filter.Children[1].Children)
		})
	default:
		return undefined // ordering, approximate and extensible matches
	}
}

func (e *entry) matchesAny(name string, test func(*attributeType, string) bool) truth {
	a := attributeOf(name)
	if a == nil {
		return undefined
	}
	values := e.values(a.name)
	if v, ok := e.operating[a.name]; ok {
		values = []string{v}
	}
	return truthOf(slices.ContainsFunc(values, func(v string) bool { return test(a, v) }))
}

// isSubclass: an entry is of all the classes that its own stand below.
func isSubclass(class, of string) bool {
	c := classOf(class)
	return slices.ContainsFunc(c.lineage(), func(up *objectClass) bool { return strings.EqualFold(up.name, of) })
}

func hasSubstrings(s syntax, value string, parts []*ber.Packet) bool {
	if s == distinguishedName || s == octets || s == integer || s == oid {
		return false // no rule for substrings
	}
	rest := s.key(value)
	for _, part := range parts {
		want := s.key(ber.DecodeString(part.Data.Bytes()))
		i := strings.Index(rest, want)
		if part.Tag == ldap.FilterSubstringsInitial && i != 0 {
			return false
		}
		if part.Tag == ldap.FilterSubstringsFinal {
			if !strings.HasSuffix(rest, want) {
				return false
			}
			i = len(rest) - len(want)
		}
		if i < 0 {
			return false
		}
		rest = rest[i+len(want):]
	}
	return true
}
