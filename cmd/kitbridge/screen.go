package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// visible returns a buyer's text as a terminal may show it: whatever could move the
// cursor, turn the direction of writing or hide is written as its code.
func visible(s string) string {
	if !strings.ContainsFunc(s, isHidden) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case !isHidden(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[size:]
	}
	return b.String()
}

// isHidden says whether a terminal would do something other than draw the character:
// control, format (bidirectional marks among them), private and unassigned characters,
// line separators, and bytes that are not UTF-8.
func isHidden(r rune) bool { return r == utf8.RuneError || !unicode.IsGraphic(r) }

// writeJSON writes v, indented, with every hidden character as \uXXXX, so that it is
// the same JSON and safe on a terminal.
func writeJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, safeJSON(string(text)))
	return err
}

// safeJSON escapes the hidden characters of a JSON text; they only ever stand in
// strings, line ends apart.
func safeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || !isHidden(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// columns prints rows below a heading, as wide as they need. Chinese characters take
// two places each.
func columns(w io.Writer, heading []string, rows [][]string) {
	all := append([][]string{heading}, rows...)
	widths := make([]int, len(heading))
	for _, row := range all {
		for n := range row {
			row[n] = visible(row[n])
			widths[n] = max(widths[n], displayWidth(row[n]))
		}
	}
	for _, row := range all {
		var line strings.Builder
		for n, cell := range row {
			line.WriteString(cell)
			if n < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[n]-displayWidth(cell)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		switch k := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case k == width.EastAsianWide || k == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// screened returns w, made safe if it is a terminal: what is meant for a file stays as
// it is in a file.
func screened(w io.Writer) io.Writer {
	f, ok := w.(*os.File)
	if !ok {
		return w
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return w
	}
	return screen{w}
}

// screen escapes what a terminal must not get. Each write must hold whole characters.
type screen struct{ io.Writer }

// Write writes p as visible does, line by line.
func (s screen) Write(p []byte) (int, error) {
	for n, line := range strings.Split(string(p), "\n") {
		if n > 0 {
			line = "\n" + visible(line)
		} else {
			line = visible(line)
		}
		if _, err := io.WriteString(s.Writer, line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
