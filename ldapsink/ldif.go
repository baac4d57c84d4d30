package ldapsink

import (
	"encoding/base64"
	"io"
	"strings"
)

// ldifWidth is where lines are folded (RFC 2849, note 10: 76 is recommended).
const ldifWidth = 76

// WriteLDIF prints operations as change records that ldapmodify accepts (RFC 2849).
func WriteLDIF(w io.Writer, operations []Operation) error {
	var b strings.Builder
	b.WriteString("version: 1\n")
	for n, o := range operations {
		if n > 0 { // slapadd takes no blank line after the version
			b.WriteByte('\n')
		}
		writeRecord(&b, o)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeRecord(b *strings.Builder, o Operation) {
	writeLine(b, "dn", o.DN.String())
	switch o.Kind {
	case Add:
		writeLine(b, "changetype", "add")
		for _, name := range o.Attributes.names() {
			for _, value := range o.Attributes[name] {
				writeLine(b, name, value)
			}
		}
	case Modify:
		writeLine(b, "changetype", "modify")
		for _, c := range o.Changes {
			writeLine(b, c.Kind.String(), c.Name)
			for _, value := range c.Values {
				writeLine(b, c.Name, value)
			}
			b.WriteString("-\n")
		}
	case Rename:
		writeLine(b, "changetype", "modrdn")
		writeLine(b, "newrdn", o.NewDN.RDN())
		writeLine(b, "deleteoldrdn", "1")
		if !o.NewDN.Parent().Equal(o.DN.Parent()) {
			writeLine(b, "newsuperior", o.NewDN.Parent().String())
		}
	case Delete:
		writeLine(b, "changetype", "delete")
	}
}

// writeLine writes name: value, in base64 where the value is not a SAFE-STRING, folded.
func writeLine(b *strings.Builder, name, value string) {
	line := name + ": " + value
	if !isSafe(value) {
		line = name + ":: " + base64.StdEncoding.EncodeToString([]byte(value))
	}
	for i, width := 0, ldifWidth; i < len(line); width = ldifWidth - 1 {
		if i > 0 {
			b.WriteByte(' ')
		}
		end := min(i+width, len(line))
		b.WriteString(line[i:end])
		b.WriteByte('\n')
		i = end
	}
}

// isSafe is SAFE-STRING of RFC 2849, stricter by one: a blank at the end counts as unsafe
// (note 8), and so do all control characters, because plans are shown on terminals.
func isSafe(s string) bool {
	if s == "" {
		return true
	}
	if strings.ContainsRune(" :<", rune(s[0])) || s[len(s)-1] == ' ' {
		return false
	}
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
