package ldapsink

import (
	"hash/maphash"
	"strings"
)

// names reads names as a server prints them. Entries that are found together stand below few
// others, so what is above an entry is taken apart once. It is for one goroutine.
type names struct {
	folding Folding
	parents map[string]DN // by text
}

// mostParents bounds what is remembered.
const mostParents = 1000

func newNames(f Folding) *names { return &names{f, map[string]DN{}} }

// parse is [Folding.ParseDN].
func (n *names) parse(text string) (DN, error) {
	first, above := cutRDN(text)
	if strings.TrimSpace(above) == "" {
		return n.folding.ParseDN(text)
	}
	leaf, ok := n.folding.plainRDN(first)
	if !ok {
		dn, err := n.folding.ParseDN(first)
		if err != nil || dn.Depth() != 1 {
			return n.folding.ParseDN(text)
		}
		leaf = dn.leaf()
	}
	parent, known := n.parents[above]
	if !known {
		var err error
		if parent, err = n.folding.ParseDN(above); err != nil {
			return DN{}, err
		}
		if len(n.parents) >= mostParents {
			clear(n.parents)
		}
		n.parents[above] = parent
	}
	return parent.child(leaf), nil
}

// cutRDN cuts a name behind its first step.
func cutRDN(text string) (first, above string) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ',', ';':
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

// plainRDN reads a step in which nothing is escaped; false if it does not look like one.
func (f Folding) plainRDN(text string) (rdn, bool) {
	for i := range len(text) {
		if text[i] != '=' {
			continue
		}
		attribute, value := text[:i], text[i+1:]
		if value == "" || !isAttributeType(attribute) || !isPlain(value) {
			return rdn{}, false
		}
		return f.newRDN(attribute, value), true
	}
	return rdn{}, false
}

// hash is the hash of the name's key, see [inventory.hashOf]; false if it is no name.
func (n *names) hash(v *inventory, text string) (uint64, bool) {
	first, above := cutRDN(text)
	if parent, known := n.parents[above]; known && isKey(first) {
		var h maphash.Hash
		h.SetSeed(v.seed)
		_, _ = h.WriteString(first)
		for _, r := range parent.rdns {
			_ = h.WriteByte(',')
			_, _ = h.WriteString(r.key)
		}
		return h.Sum64(), true
	}
	dn, err := n.parse(text)
	return v.hashOf(dn), err == nil
}

// isKey says whether a step is its own key for certain.
func isKey(step string) bool {
	attribute, value, ok := strings.Cut(step, "=")
	return ok && isPlain(value) && isFolded(value) && isAttributeType(attribute) && isFolded(attribute)
}

// isPlain: the text is ASCII without blanks and without any character that is written in
// another way in a name.
func isPlain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c >= 0x7f:
			return false
		case c == '"', c == '#', c == '+', c == ',', c == ';', c == '<', c == '=', c == '>', c == '\\':
			return false
		}
	}
	return true
}

// isFolded: the text is plain and no letter is a capital, so every folding leaves it as it is.
func isFolded(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}
