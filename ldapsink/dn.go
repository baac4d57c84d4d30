package ldapsink

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

// DN is the name of an entry. It is a value: no method changes it. Two DNs are the same
// entry if their keys are equal; the texts may differ, as servers print names in their own
// way. The zero value is the root of all entries.
type DN struct {
	rdns    []rdn // leaf first
	folding Folding
}

// rdn is one step of a name.
type rdn struct {
	text  string // as we write it: RFC 4514, specials as hex pairs
	key   string // as a server compares it
	value string // the value; of the first type and value if there are several
}

// ParseDN reads a name in the form of RFC 4514. It is compared as OpenLDAP does; see
// [Folding.ParseDN].
func ParseDN(s string) (DN, error) { return FoldCompatible.ParseDN(s) }

// ParseDN reads a name in the form of RFC 4514 that is compared by this folding, as are all
// names made from it.
func (f Folding) ParseDN(s string) (DN, error) {
	parsed, err := ldap.ParseDN(s)
	if err != nil {
		return DN{}, fmt.Errorf("parse name of entry: %w", err)
	}
	dn := DN{rdns: make([]rdn, len(parsed.RDNs)), folding: f}
	for i, r := range parsed.RDNs {
		texts, keys := make([]string, len(r.Attributes)), make([]string, len(r.Attributes))
		for j, a := range r.Attributes {
			if !isAttributeType(a.Type) {
				return DN{}, fmt.Errorf("parse name of entry: an RDN without a proper type")
			}
			one := f.newRDN(a.Type, a.Value)
			texts[j], keys[j] = one.text, one.key
		}
		slices.Sort(keys)
		dn.rdns[i] = rdn{text: strings.Join(texts, "+"), key: strings.Join(keys, "+"), value: r.Attributes[0].Value}
	}
	return dn, nil
}

// isAttributeType is a descriptor or an OID, RFC 4512, section 1.4.
func isAttributeType(s string) bool {
	for _, c := range []byte(s) {
		isLetter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !isLetter && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}

func (f Folding) newRDN(attribute, value string) rdn {
	r := rdn{text: attribute + "=" + escapeValue(value), value: value}
	if r.key = r.text; !isFolded(attribute) || !isFolded(value) {
		r.key = strings.ToLower(attribute) + "=" + escapeValue(f.fold(value))
	}
	return r
}

// Child returns the name of an entry directly below, whose RDN is attribute=value. The
// value is escaped.
func (d DN) Child(attribute, value string) DN { return d.child(d.folding.newRDN(attribute, value)) }

func (d DN) child(r rdn) DN {
	return DN{rdns: append([]rdn{r}, d.rdns...), folding: d.folding}
}

// Parent returns the name one level up; the parent of the root is the root.
func (d DN) Parent() DN {
	if len(d.rdns) == 0 {
		return d
	}
	return DN{rdns: d.rdns[1:], folding: d.folding}
}

// Depth is the number of steps from the root.
func (d DN) Depth() int { return len(d.rdns) }

// RDN returns the first step, for example uid=zhangsan, empty for the root.
func (d DN) RDN() string { return d.leaf().text }

// Value returns the unescaped value of the first step.
func (d DN) Value() string { return d.leaf().value }

// attribute is the type of the first step.
func (d DN) attribute() string {
	name, _, _ := strings.Cut(d.RDN(), "=")
	return name
}

func (d DN) leaf() rdn {
	if len(d.rdns) == 0 {
		return rdn{}
	}
	return d.rdns[0]
}

// String returns the name in the form of RFC 4514.
func (d DN) String() string {
	return d.join(func(r rdn) string { return r.text })
}

// Key returns a text that is equal for names of the same entry, by the name's folding.
func (d DN) Key() string {
	return d.join(func(r rdn) string { return r.key })
}

func (d DN) join(part func(rdn) string) string {
	var b strings.Builder
	size := len(d.rdns)
	for _, r := range d.rdns {
		size += len(part(r))
	}
	b.Grow(size)
	for i, r := range d.rdns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(part(r))
	}
	return b.String()
}

// Equal says whether both name the same entry.
func (d DN) Equal(other DN) bool {
	return slices.EqualFunc(d.rdns, other.rdns, func(a, b rdn) bool { return a.key == b.key })
}

// IsBelow says whether the entry is a descendant of other.
func (d DN) IsBelow(other DN) bool {
	above := len(d.rdns) - len(other.rdns)
	return above > 0 && DN{rdns: d.rdns[above:]}.Equal(other)
}

// escapeValue writes a value for use in a name. It escapes what RFC 4514, section 2.4,
// requires, control characters, and '=', which Active Directory refuses bare.
func escapeValue(s string) string {
	if isPlain(s) {
		return s
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i, r := range s {
		size := utf8.RuneLen(r)
		escape := strings.ContainsRune(`"+,;<>\=`, r) || r < ' ' || r == 0x7f ||
			i == 0 && (r == ' ' || r == '#') || i == len(s)-1 && r == ' '
		if r == utf8.RuneError {
			if _, size = utf8.DecodeRuneInString(s[i:]); size == 1 { // not UTF-8
				escape = true
			}
		}
		for _, c := range []byte(s[i : i+size]) {
			if escape {
				b.WriteByte('\\')
				b.WriteByte(digits[c>>4])
				b.WriteByte(digits[c&15])
				continue
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}
