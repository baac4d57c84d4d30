package templates

import (
	"net/http"

	"golang.org/x/text/language"
)

// Lang is a language that every page has texts in. Its value is the BCP 47
// tag that the page carries in its lang attribute.
type Lang string

// The languages of the pages.
const (
	Chinese Lang = "zh-CN"
	English Lang = "en"
)

// maxAcceptLanguage bounds the work a stranger's header can cause. Browsers
// send well under 200 bytes.
const maxAcceptLanguage = 1 << 10

// Locale returns the language to answer r in, by its Accept-Language header
// (RFC 9110, section 12.5.4): Chinese of any region or script and a missing
// or unreadable header give [Chinese], any other language gives [English].
func Locale(r *http.Request) Lang {
	header := r.Header.Get("Accept-Language")
	if header == "" || len(header) > maxAcceptLanguage {
		return Chinese
	}
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(wanted) == 0 {
		return Chinese
	}
	// Not language.NewMatcher: it finds English nearer to zh-TW than zh-CN.
	for _, tag := range wanted {
		switch base, _ := tag.Base(); base.String() {
		case "zh":
			return Chinese
		case "en":
			return English
		}
	}
	return English
}
