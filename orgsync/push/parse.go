package push

import (
	"bytes"
	"errors"
	"math"
	"unicode/utf8"
)

// Limits of a document. A list of 100 000 departments has 700 000 values; the largest
// object of the protocol has about twenty members.
const (
	maxDepth   = 64
	maxValues  = 1 << 20
	maxMembers = 1 << 10
)

// parse reads a text that is one JSON value and nothing else (RFC 8259). A byte order
// mark before it is skipped.
func parse(text []byte) (*document, error) {
	return (&parser{text: text}).document()
}

// parseLenient reads what people write by hand, as the marketplace access guide itself
// does for orgInfoList: beside JSON it takes names without quotes, single quotes and a
// comma after the last element. Of a list that cannot be read to its end it returns the
// elements before the fault, if there are any.
func parseLenient(text []byte) (*document, error) {
	return (&parser{text: text, lenient: true}).document()
}

type parser struct {
	text    []byte
	pos     int
	lenient bool
	tokens  []token
	listed  int // the tokens up to the last whole element of the outermost list
}

func (p *parser) document() (*document, error) {
	switch {
	case !utf8.Valid(p.text):
		return nil, errors.New("is not UTF-8")
	case len(p.text) >= math.MaxInt32:
		return nil, errors.New("is too large")
	}
	if bytes.HasPrefix(p.text, []byte("\ufeff")) {
		p.pos = len("\ufeff")
	}
	p.tokens = make([]token, 0, p.estimate())
	err := p.value(1)
	p.space()
	if err == nil && p.pos < len(p.text) {
		err = errNotJSON()
	}
	d := &document{text: p.text, tokens: p.tokens}
	if err == nil {
		return d, nil
	}
	if !p.lenient || p.listed == 0 {
		return nil, err
	}
	d.cut = true
	d.tokens = d.tokens[:p.listed]
	d.tokens[0].end, d.tokens[0].next = u32(p.pos), u32(p.listed)
	return d, nil
}

// estimate is how many values the text can have at most: each but the first stands
// behind one of these characters.
func (p *parser) estimate() int {
	n := 1
	for _, c := range []byte(",:[{") {
		n += bytes.Count(p.text, []byte{c})
	}
	return min(n, maxValues)
}

func errNotJSON() error { return errors.New("is not JSON") }

// u32 narrows an offset; document has limited the length of the text.
func u32(i int) uint32 { return uint32(i) } //nolint:gosec // G115: i < math.MaxInt32, see document

// peek returns the next byte, 0 at the end. A NUL byte is never valid outside a string.
func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *parser) value(depth int) error {
	p.space()
	switch {
	case depth > maxDepth:
		return errors.New("is nested too deeply")
	case len(p.tokens) >= maxValues:
		return errors.New("has too many values")
	}
	switch c := p.peek(); c {
	case '{':
		return p.container(objectToken, '}', depth, p.member)
	case '[':
		return p.container(arrayToken, ']', depth, p.element)
	case '"':
		return p.quoted()
	case '\'':
		return p.single()
	case 't':
		return p.word(trueToken, "true")
	case 'f':
		return p.word(falseToken, "false")
	case 'n':
		return p.word(nullToken, "null")
	default:
		return p.number()
	}
}

// container reads an object or list; content reads one member or element of it.
func (p *parser) container(kind tokenKind, end byte, depth int, content func(depth int) error) error {
	at := len(p.tokens)
	p.tokens = append(p.tokens, token{kind: kind, start: u32(p.pos)})
	p.pos++
	p.space()
	comma := false
	for n := 1; p.peek() != end || (comma && !p.lenient); n++ {
		if kind == objectToken && n > maxMembers {
			return errors.New("has too many members in one object")
		}
		if err := content(depth + 1); err != nil {
			return err
		}
		if at == 0 && kind == arrayToken {
			p.listed = len(p.tokens)
		}
		p.space()
		if comma = p.peek() == ','; comma {
			p.pos++
			p.space()
		} else if p.peek() != end {
			return errNotJSON()
		}
	}
	p.pos++
	p.tokens[at].end, p.tokens[at].next = u32(p.pos), u32(len(p.tokens))
	return nil
}

func (p *parser) element(depth int) error { return p.value(depth) }

func (p *parser) member(depth int) error {
	var err error
	switch p.peek() {
	case '"':
		err = p.quoted()
	case '\'':
		err = p.single()
	default:
		err = p.bareName()
	}
	if err != nil {
		return err
	}
	p.space()
	if p.peek() != ':' {
		return errNotJSON()
	}
	p.pos++
	return p.value(depth)
}

// scalar adds the token of a value without parts, which ends at end.
func (p *parser) scalar(kind tokenKind, end int) error {
	p.tokens = append(p.tokens, token{
		kind: kind, start: u32(p.pos), end: u32(end), next: u32(len(p.tokens) + 1),
	})
	p.pos = end
	return nil
}

func (p *parser) word(kind tokenKind, word string) error {
	if !bytes.HasPrefix(p.text[p.pos:], []byte(word)) {
		return errNotJSON()
	}
	return p.scalar(kind, p.pos+len(word))
}

// bareName reads a name without quotes, as the guide's V2 example of orgInfoList has.
func (p *parser) bareName() error {
	end := p.pos
	for end < len(p.text) && isNameByte(p.text[end]) {
		end++
	}
	if !p.lenient || end == p.pos {
		return errNotJSON()
	}
	return p.scalar(stringToken, end)
}

func isNameByte(c byte) bool {
	return c == '_' || c == '$' || isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func (p *parser) single() error {
	if !p.lenient {
		return errNotJSON()
	}
	return p.quoted()
}

// quoted reads a string up to the quote with which it begins.
func (p *parser) quoted() error {
	quote := p.text[p.pos]
	for end := p.pos + 1; end < len(p.text); end++ {
		switch c := p.text[end]; {
		case c == quote:
			return p.scalar(stringToken, end+1)
		case c < ' ':
			return errNotJSON()
		case c == '\\':
			n := p.escape(end)
			if n == 0 {
				return errNotJSON()
			}
			end += n - 1
		}
	}
	return errNotJSON()
}

// escape returns the length of the escape at that place, 0 if it is none.
func (p *parser) escape(at int) int {
	rest := p.text[at:]
	if len(rest) < 2 {
		return 0
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case '\'':
		if p.lenient {
			return 2
		}
	case 'u':
		const length = len(`\u0000`)
		if len(rest) >= length && isHex(rest[2]) && isHex(rest[3]) && isHex(rest[4]) && isHex(rest[5]) {
			return length
		}
	}
	return 0
}

// number reads a number and keeps it as a literal: a number type would change it.
func (p *parser) number() error {
	end := p.pos
	if end < len(p.text) && p.text[end] == '-' {
		end++
	}
	whole := p.digits(end)
	if whole == end || p.text[end] == '0' && whole > end+1 {
		return errNotJSON()
	}
	end = whole
	if end < len(p.text) && p.text[end] == '.' {
		fraction := p.digits(end + 1)
		if fraction == end+1 {
			return errNotJSON()
		}
		end = fraction
	}
	if end < len(p.text) && p.text[end]|0x20 == 'e' {
		end++
		if end < len(p.text) && (p.text[end] == '+' || p.text[end] == '-') {
			end++
		}
		exponent := p.digits(end)
		if exponent == end {
			return errNotJSON()
		}
		end = exponent
	}
	return p.scalar(numberToken, end)
}

// digits returns the end of the digits that begin there.
func (p *parser) digits(at int) int {
	for at < len(p.text) && isDigit(p.text[at]) {
		at++
	}
	return at
}
