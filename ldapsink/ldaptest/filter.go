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

// condition says whether an entry is found.
type condition func(*entry) truth

// compile prepares a filter: its kind is the tag.
func compile(filter *ber.Packet) condition {
	switch filter.Tag {
	case ldap.FilterAnd:
		parts := compileAll(filter.Children)
		return func(e *entry) truth {
			result := yes
			for _, part := range parts {
				result = min(result, part(e))
			}
			return result
		}
	case ldap.FilterOr:
		return compileOr(filter.Children)
	case ldap.FilterNot:
		part := compile(filter.Children[0])
		return func(e *entry) truth { return yes - part(e) }
	case ldap.FilterPresent:
		return anyValue(ber.DecodeString(filter.Data.Bytes()), func(*attributeType, string) bool { return true })
	case ldap.FilterEqualityMatch:
		a, key := equality(filter)
		if a == nil {
			return func(*entry) truth { return undefined }
		}
		return anyValue(a.name, func(a *attributeType, k string) bool { return k == key || a.syntax == oid && isSubclass(k, key) })
	case ldap.FilterSubstrings:
		return anyValue(ber.DecodeString(filter.Children[0].Data.Bytes()), func(a *attributeType, k string) bool {
			return hasSubstrings(a.syntax, k, filter.Children[1].Children)
		})
	default:
		return func(*entry) truth { return undefined } // ordering, approximate and extensible matches
	}
}

func compileAll(filters []*ber.Packet) []condition {
	list := make([]condition, len(filters))
	for i, f := range filters {
		list[i] = compile(f)
	}
	return list
}

// compileOr looks up what is equal to one of many values, as an index does.
func compileOr(filters []*ber.Packet) condition {
	sets := map[string]map[string]bool{}
	var others []condition
	for _, f := range filters {
		a, key := equality(f)
		if a == nil || a.syntax == oid {
			others = append(others, compile(f))
			continue
		}
		if sets[a.name] == nil {
			sets[a.name] = map[string]bool{}
		}
		sets[a.name][key] = true
	}
	for name, set := range sets {
		others = append(others, anyValue(name, func(_ *attributeType, k string) bool { return set[k] }))
	}
	return func(e *entry) truth {
		result := no
		for _, part := range others {
			result = max(result, part(e))
		}
		return result
	}
}

// equality is the attribute and the key of its value that a filter asks for; nil if it
// asks for something else or for what no value can be.
func equality(filter *ber.Packet) (*attributeType, string) {
	if filter.Tag != ldap.FilterEqualityMatch {
		return nil, ""
	}
	want := ber.DecodeString(filter.Children[1].Data.Bytes())
	a := attributeOf(ber.DecodeString(filter.Children[0].Data.Bytes()))
	if a == nil || !a.syntax.isValid(want) {
		return nil, ""
	}
	return a, a.syntax.key(want)
}

// anyValue tests the keys of an attribute's values.
func anyValue(name string, test func(*attributeType, string) bool) condition {
	a := attributeOf(name)
	if a == nil {
		return func(*entry) truth { return undefined }
	}
	return func(e *entry) truth {
		if v, ok := e.operating[a.name]; ok {
			return truthOf(test(a, a.syntax.key(v)))
		}
		values := e.attribute(a.name)
		return truthOf(values != nil && slices.ContainsFunc(values.keys, func(k string) bool { return test(a, k) }))
	}
}

// isSubclass: an entry is of all the classes that its own stand below.
func isSubclass(class, of string) bool {
	c := classOf(class)
	return slices.ContainsFunc(c.lineage(), func(up *objectClass) bool { return strings.EqualFold(up.name, of) })
}

func hasSubstrings(s syntax, key string, parts []*ber.Packet) bool {
	if s == distinguishedName || s == octets || s == integer || s == oid {
		return false // no rule for substrings
	}
	rest := key
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
