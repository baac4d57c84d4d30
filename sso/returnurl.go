package sso

import (
	"net/url"
	"strings"
)

// maxReturn is the longest return target, in bytes. It travels in a cookie.
const maxReturn = 2 << 10

// returnPath judges where a browser asks to go after sign-in. It returns a path with query on our own origin, or false.
//
// The rule accepts printable ASCII without space and backslash, starting with one slash, whose path has no empty and no
// dot segment, no encoded slash, backslash, dot segment or control character; or an absolute address whose origin is
// exactly publicURL's, which is cut down to its path. Everything else, harmless oddities included, is refused, and our own
// sign-in addresses with it, since they would loop. What is returned is sent as Location byte for byte: nothing cleans it
// after the check.
func returnPath(text string, publicURL *url.URL) (string, bool) {
	if text == "" || len(text) > maxReturn || !plainASCII(text) {
		return "", false
	}
	if !strings.HasPrefix(text, "/") {
		rest, found := strings.CutPrefix(text, publicURL.Scheme+"://"+publicURL.Host)
		if !found {
			return "", false
		}
		if text = rest; text == "" {
			text = "/"
		}
	}
	path := text
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	if !strings.HasPrefix(path, "/") || !plainSegments(path) {
		return "", false
	}
	if decoded, err := url.PathUnescape(path); err != nil || strings.HasPrefix(decoded+"/", ssoPrefix+"/") {
		return "", false
	}
	if _, err := url.Parse(text); err != nil {
		return "", false
	}
	return text, true
}

// plainASCII reports whether text is printable ASCII without space and backslash.
func plainASCII(text string) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

// plainSegments reports whether no parser can read path as leading elsewhere.
func plainSegments(path string) bool {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return false
	}
	for i := range 2 { // once as it stands, once decoded
		p := path
		if i == 1 {
			p = decoded
		}
		if strings.Contains(p, "//") || strings.Contains(p+"/", "/../") || strings.Contains(p+"/", "/./") || strings.Contains(p, `\`) {
			return false
		}
	}
	for _, c := range []byte(decoded) {
		if c < ' ' || c == 0x7F {
			return false
		}
	}
	return true
}
