package store

import (
	"strings"
	"unicode/utf8"

	"github.com/kitbridge/kitbridge/orgsync"
)

// longestText bounds a text in a list, in characters.
const longestText = 256

// brief cuts a text that would make a list too long.
func brief(s string) string {
	if utf8.RuneCountInString(s) <= longestText {
		return s
	}
	return string([]rune(s)[:longestText]) + "…"
}

// redact is an attribute's value as lists may show it.
func redact(a orgsync.Attribute, value string) string {
	switch a {
	case orgsync.AttrMobile:
		return redactMobile(value)
	case orgsync.AttrEmail:
		return redactEmail(value)
	default:
		return brief(value)
	}
}

// RedactName is a user name as a log may show it: one that is a mail address, or as long a
// number as a mobile's, is cut as those are in lists.
func RedactName(s string) string {
	switch {
	case strings.Contains(s, "@"):
		return redactEmail(s)
	case len(s) >= 11 && strings.Trim(s, "+0123456789") == "":
		return redactMobile(s)
	default:
		return s
	}
}

// redactMobile keeps what tells one's own number from another: 138****0001.
func redactMobile(s string) string {
	r := []rune(s)
	switch n := len(r); {
	case n == 0:
		return ""
	case n < 7:
		return "****"
	case n < 11:
		return string(r[:1]) + "****" + string(r[n-2:])
	case n > longestText:
		return "****"
	default:
		return string(r[:n-8]) + "****" + string(r[n-4:])
	}
}

// redactEmail keeps the first letter and the domain: z***@example.com.
func redactEmail(s string) string {
	if s == "" {
		return ""
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 {
		return "***"
	}
	first, _ := utf8.DecodeRuneInString(s)
	return string(first) + "***" + brief(s[at:])
}
