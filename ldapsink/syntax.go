package ldapsink

import (
	"strings"
	"unicode/utf8"
)

// values collects the attributes of an entry and the warnings about what was left out.
type values struct {
	attributes Attributes
	warnings   []string
}

// set takes a value in that the server will accept, and otherwise keeps the attribute
// absent: an optional value never costs the entry. A warning does not repeat the value,
// which may be personal.
func (v *values) set(name, value string, syntax func(string) string) {
	v.attributes[name] = nil
	if value == "" {
		return
	}
	if fault := syntax(value); fault != "" {
		v.warnings = append(v.warnings, name+" left out: "+fault)
		return
	}
	v.attributes[name] = []string{value}
}

// directoryString is the syntax of RFC 4517, section 3.3.6.
func directoryString(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "not UTF-8"
	case strings.ContainsRune(s, 0):
		return "holds a NUL character"
	default:
		return ""
	}
}

// ia5String is the syntax of RFC 4517, section 3.3.15: mail takes ASCII only.
func ia5String(s string) string {
	for _, c := range []byte(s) {
		if c == 0 || c > 0x7f {
			return "not an IA5 string: only ASCII characters are allowed"
		}
	}
	return ""
}

// telephoneNumber is the syntax of RFC 4517, section 3.3.31, as OpenLDAP enforces it: a
// printable string that is more than blanks and hyphens, which do not count.
func telephoneNumber(s string) string {
	for _, c := range []byte(s) {
		isLetter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !isLetter && !strings.ContainsRune("'()+,-./:? ", rune(c)) {
			return "not a printable string: only digits, ASCII letters and '()+,-./:? are allowed"
		}
	}
	if strings.Trim(s, " -") == "" {
		return "holds no digit or letter"
	}
	return ""
}

// employeeType is the word for the marketplace's code (marketplace access guide, authSync,
// field employeeType).
func employeeType(code string) (string, bool) {
	switch code {
	case "":
		return "", true
	case "1":
		return "regular", true
	case "2":
		return "intern", true
	case "3":
		return "dispatched", true
	case "4":
		return "outsourced", true
	default:
		return "", false
	}
}
