package sso

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// canonicalPath returns the path that every reader makes of an escaped one (RFC 3986, section 3.3), decoded once. It reports
// false for a path that two readers could take for different ones; nothing is decided about such a path, it is refused:
//
//   - backslashes, encoded slashes, question and number signs, control characters, bytes that should have been encoded;
//   - empty and dot segments, also encoded and before parameters (`/..;/`);
//   - percent-encoding that is broken, or that decodes to percent-encoding again;
//   - text that is not UTF-8, and characters that normalisation (NFKC, best fit) makes a slash, a dot or the like of;
//   - segments that begin or end with white space or end with a dot, which Windows drops.
func canonicalPath(escaped string) (string, bool) {
	if !strings.HasPrefix(escaped, "/") || !plainASCII(escaped) || strings.ContainsAny(escaped, "?#") {
		return "", false
	}
	for i := range len(escaped) - 2 {
		if escaped[i] == '%' && strings.EqualFold(escaped[i:i+3], "%2f") {
			return "", false // once decoded it could not be told from a separator
		}
	}
	path, err := url.PathUnescape(escaped)
	if err != nil || !utf8.ValidString(path) || strings.IndexFunc(path, isPathTrick) >= 0 || hasEscape(path) {
		return "", false
	}
	for segments := path[1:]; ; {
		segment, rest, more := strings.Cut(segments, "/")
		if !plainSegment(segment, !more) {
			return "", false
		}
		if !more {
			return path, true
		}
		segments = rest
	}
}

// plainSegment reports whether nobody drops or resolves a segment. The last one may be empty: a slash at the end.
func plainSegment(segment string, last bool) bool {
	name, _, parameters := strings.Cut(segment, ";")
	if name == "" {
		return last && !parameters
	}
	first, _ := utf8.DecodeRuneInString(segment)
	return !unicode.IsSpace(first) && strings.TrimRightFunc(name, endsNoName) == name && strings.TrimRightFunc(segment, endsNoName) == segment
}

func endsNoName(c rune) bool { return c == '.' || unicode.IsSpace(c) }

// isPathTrick reports whether a decoded character is, or may become, one that separates, ends or escapes something.
func isPathTrick(c rune) bool {
	switch {
	case c < ' ', c == 0x7F, c >= 0x80 && c < 0xA0, c == '\\', c == '?', c == '#':
		return true
	case c < 0x80:
		return false
	case c >= 0xFF01 && c <= 0xFF5E: // full-width forms of ASCII
		return strings.ContainsRune(`/\.;%?#`, c-0xFEE0)
	}
	switch c {
	case 0x2024, 0x2025, 0x2026, 0xFE52, // dot leaders, small full stop
		0x2044, 0x2215, 0x29F8, 0x2571, // slashes
		0x2216, 0x29F5, 0x29F9, 0xFE68, // backslashes
		0x2100, 0x2101, 0x2105, 0x2106, // a/c, a/s, c/o, c/u
		0x037E, 0xFE54, 0xFE6A, 0xFE56, 0xFE5F, // Greek question mark (a semicolon), small ; % ? #
		utf8.RuneError:
		return true
	}
	return false
}

// hasEscape reports whether decoding text again would change it.
func hasEscape(text string) bool {
	isHex := func(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }
	for i := range len(text) - 2 {
		if text[i] == '%' && isHex(text[i+1]) && isHex(text[i+2]) {
			return true
		}
	}
	return false
}

// withoutParameters is a canonical path as servers read it that cut `;name=value` off each segment.
func withoutParameters(path string) string {
	if !strings.Contains(path, ";") {
		return path
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

// foldPath is a path as systems read it that do not tell small letters from capital ones, nor full-width ones from ASCII.
func foldPath(path string) string {
	plain := true
	for _, c := range []byte(path) {
		plain = plain && c < 0x80 && (c < 'A' || c > 'Z')
	}
	if plain {
		return path
	}
	return strings.Map(func(c rune) rune {
		if c >= 0xFF01 && c <= 0xFF5E {
			c -= 0xFEE0
		}
		return unicode.ToLower(unicode.ToUpper(c)) // both ways: ı and ſ have no other ASCII letter's capital
	}, path)
}
