package push

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"slices"
	"unicode/utf8"
)

// form says how a body is written again before it is signed. All forms are compact,
// escape no more than the peer's library (Jackson) does, and keep number literals.
type form struct {
	keepNulls  bool // otherwise members of the body itself that are null are left out
	deep       bool // objects inside are sorted too; otherwise they keep their order
	descending bool // the names of the body itself run backwards
	texts      bool // numbers and truth values of the body itself are text
}

// write writes the document in that form. A name that stands twice in an object is
// written once, in its first place with its last value, as a Java map does.
func (d *document) write(w io.Writer, f form) {
	b := bufio.NewWriter(w) // a hash never fails
	writer{b, f}.object(d.root(), true)
	_ = b.Flush()
}

type writer struct {
	*bufio.Writer
	form form
}

type member struct {
	name        string
	label, body node
}

func (w writer) value(n node) {
	switch n.kind() {
	case objectToken:
		w.object(n, false)
	case arrayToken:
		w.list(n)
	case stringToken:
		w.string(n)
	default:
		_, _ = w.Write(n.literal())
	}
}

func (w writer) list(n node) {
	_ = w.WriteByte('[')
	first := true
	for e := range n.elements() {
		w.comma(&first)
		w.value(e)
	}
	_ = w.WriteByte(']')
}

func (w writer) object(n node, top bool) {
	members := unique(n)
	if top || w.form.deep {
		slices.SortFunc(members, func(a, b member) int { return compareUTF16(a.name, b.name) })
	}
	if top && w.form.descending {
		slices.Reverse(members)
	}
	_ = w.WriteByte('{')
	first := true
	for _, m := range members {
		if top && !w.form.keepNulls && m.body.kind() == nullToken {
			continue
		}
		w.comma(&first)
		w.string(m.label)
		_ = w.WriteByte(':')
		w.member(m.body, top)
	}
	_ = w.WriteByte('}')
}

// member writes the value of a member.
func (w writer) member(n node, top bool) {
	switch kind := n.kind(); {
	case !top || !w.form.texts, kind == objectToken, kind == arrayToken, kind == stringToken, kind == nullToken:
		w.value(n)
	default:
		_, _ = w.Write([]byte(`"` + string(n.literal()) + `"`))
	}
}

func (w writer) comma(first *bool) {
	if !*first {
		_ = w.WriteByte(',')
	}
	*first = false
}

// unique lists the members of an object, each name once.
func unique(n node) []member {
	var members []member
	places := map[string]int{}
	for label, body := range n.members() {
		name := label.unquote()
		if i, ok := places[name]; ok {
			members[i].body = body
			continue
		}
		places[name] = len(members)
		members = append(members, member{name, label, body})
	}
	return members
}

// string writes a string as Jackson does by default: it escapes the quote, the backslash
// and what is below the blank, the last with capital hex digits, and nothing else.
func (w writer) string(n node) {
	if lit := n.literal(); bytes.IndexByte(lit, '\\') < 0 {
		_, _ = w.Write(lit)
		return
	}
	const capitals = "0123456789ABCDEF"
	s := n.unquote()
	_ = w.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			_, _ = w.Write([]byte{'\\', c})
		case c >= ' ':
			_ = w.WriteByte(c)
		case shortEscape(c) != 0:
			_, _ = w.Write([]byte{'\\', shortEscape(c)})
		default:
			_, _ = w.Write([]byte{'\\', 'u', '0', '0', capitals[c>>4], capitals[c&15]})
		}
	}
	_ = w.WriteByte('"')
}

// shortEscape is the letter of a control character that has one.
func shortEscape(c byte) byte {
	switch c {
	case '\b':
		return 'b'
	case '\t':
		return 't'
	case '\n':
		return 'n'
	case '\f':
		return 'f'
	case '\r':
		return 'r'
	default:
		return 0
	}
}

// compareUTF16 is the order of Java's String.compareTo: by UTF-16 code units. It differs
// from the order of bytes where a character beyond U+FFFF meets one of U+E000–U+FFFF.
func compareUTF16(a, b string) int {
	for a != "" && b != "" {
		ra, na := utf8.DecodeRuneInString(a)
		rb, nb := utf8.DecodeRuneInString(b)
		if ra != rb {
			const firstPair, afterSurrogates = 0x10000, 0xe000
			if (ra >= firstPair) != (rb >= firstPair) && min(ra, rb) >= afterSurrogates {
				return cmp.Compare(rb, ra)
			}
			return cmp.Compare(ra, rb)
		}
		a, b = a[na:], b[nb:]
	}
	return cmp.Compare(len(a), len(b))
}
