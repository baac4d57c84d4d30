package push

import (
	"bytes"
	"iter"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// tokenKind says what a token of a document is.
type tokenKind uint8

const (
	absentToken tokenKind = iota // no value at all
	objectToken
	arrayToken
	stringToken
	numberToken
	trueToken
	falseToken
	nullToken
)

// token is one value of a document. The tokens of a container follow it; those of an
// object are names and values in turn.
type token struct {
	kind       tokenKind
	start, end uint32 // its span in the text, quotes included
	next       uint32 // the index of the first token behind the value
}

// document is a JSON text and the places of its values. It keeps what a decoder to Go
// values would lose and what the signature needs: number literals, the order of members,
// duplicates. A token is 16 bytes, so even a hostile text costs little more than itself.
type document struct {
	text   []byte
	tokens []token
	// cut: the text was a list that could not be read to its end, and tokens holds the
	// elements before the fault.
	cut bool
}

// node is a value of a document. The zero node is an absent value.
type node struct {
	doc   *document
	index uint32
}

func (d *document) root() node { return node{doc: d} }

func (n node) token() token {
	if n.doc == nil {
		return token{}
	}
	return n.doc.tokens[n.index]
}

func (n node) kind() tokenKind { return n.token().kind }

// literal is the value as it stands in the text.
func (n node) literal() []byte {
	t := n.token()
	if n.doc == nil {
		return nil
	}
	return n.doc.text[t.start:t.end]
}

// elements yields the elements of a list, and nothing for any other value.
func (n node) elements() iter.Seq[node] {
	return func(yield func(node) bool) {
		t := n.token()
		if t.kind != arrayToken {
			return
		}
		for i := n.index + 1; i < t.next; i = n.doc.tokens[i].next {
			if !yield(node{n.doc, i}) {
				return
			}
		}
	}
}

// members yields the names and values of an object as they stand there, and nothing for
// any other value.
func (n node) members() iter.Seq2[node, node] {
	return func(yield func(name, value node) bool) {
		t := n.token()
		if t.kind != objectToken {
			return
		}
		for i := n.index + 1; i < t.next; i = n.doc.tokens[i+1].next {
			if !yield(node{n.doc, i}, node{n.doc, i + 1}) {
				return
			}
		}
	}
}

// member returns the value of the first of these names that the object has; null counts
// as not having it. Of a name that stands there twice the last counts (the guide's own
// singleOrgSync example has instanceId twice).
func (n node) member(names ...string) node {
	for _, name := range names {
		var found node
		for key, value := range n.members() {
			if key.isText(name) {
				found = value
			}
		}
		if k := found.kind(); k != absentToken && k != nullToken {
			return found
		}
	}
	return node{}
}

// scalar is the text of a string, number or boolean.
func (n node) scalar() (string, bool) {
	switch n.kind() {
	case stringToken:
		return n.unquote(), true
	case numberToken, trueToken, falseToken:
		return string(n.literal()), true
	default:
		return "", false
	}
}

// isText says whether a string token means s.
func (n node) isText(s string) bool {
	lit := n.literal()
	if bytes.IndexByte(lit, '\\') < 0 {
		return string(trimQuotes(lit)) == s
	}
	return n.unquote() == s
}

// unquote is the text that a string token means.
func (n node) unquote() string {
	lit := trimQuotes(n.literal())
	if bytes.IndexByte(lit, '\\') < 0 {
		return string(lit)
	}
	var b strings.Builder
	b.Grow(len(lit))
	for i := 0; i < len(lit); {
		if lit[i] != '\\' {
			b.WriteByte(lit[i])
			i++
			continue
		}
		i += unescape(&b, lit[i:])
	}
	return b.String()
}

// trimQuotes takes the quotes off. A lenient document has names without any.
func trimQuotes(lit []byte) []byte {
	if len(lit) >= 2 && (lit[0] == '"' || lit[0] == '\'') {
		return lit[1 : len(lit)-1]
	}
	return lit
}

// unescape writes what the escape at the beginning of s means and returns its length.
// The parser has checked its form.
func unescape(b *strings.Builder, s []byte) int {
	switch c := s[1]; c {
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'u':
		return unescapeUnicode(b, s)
	default:
		b.WriteByte(c)
	}
	return 2
}

// loneSurrogate stands for half a character. The control character in it makes a key
// that holds one a bad key, so that two broken keys never become the same good one; in
// other text control characters are dropped and U+FFFD stays.
const loneSurrogate = "\x1a\ufffd"

func unescapeUnicode(b *strings.Builder, s []byte) int {
	const short, long = len(`\u0000`), len(`\u0000\u0000`)
	r := hex4(s[2:short])
	if !utf16.IsSurrogate(r) {
		b.WriteRune(r)
		return short
	}
	if len(s) >= long && s[short] == '\\' && s[short+1] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(s[short+2:long])); pair != utf8.RuneError {
			b.WriteRune(pair)
			return long
		}
	}
	b.WriteString(loneSurrogate)
	return short
}

func hex4(s []byte) rune {
	var r rune
	for _, c := range s {
		switch {
		case c <= '9':
			r = r<<4 | rune(c-'0')
		default:
			r = r<<4 | rune(c|0x20-'a'+10)
		}
	}
	return r
}
