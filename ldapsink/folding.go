package ldapsink

import (
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Folding says which names that differ are the same entry to a server. The zero value
// takes the most for the same.
type Folding uint8

// The foldings there are.
const (
	// FoldCompatible is OpenLDAP's, the whole of RFC 4518, section 2: letter case, runs of
	// blanks, and all that NFKC makes equal – full-width forms, composed and decomposed
	// letters, ㎡ and m2.
	FoldCompatible Folding = iota
	// FoldCase is that of 389 Directory Server and Active Directory: letter case and runs
	// of blanks.
	FoldCase
)

// String names what does not count.
func (f Folding) String() string {
	switch f {
	case FoldCompatible:
		return "case, blanks, width and composition"
	case FoldCase:
		return "case and blanks"
	default:
		return fmt.Sprintf("folding(%d)", uint8(f))
	}
}

// fold prepares a value for comparison.
func (f Folding) fold(s string) string {
	if isFolded(s) {
		return s
	}
	if f == FoldCompatible {
		s = norm.NFKC.String(s)
	}
	return strings.Join(strings.Fields(strings.ToLower(s)), " ")
}
