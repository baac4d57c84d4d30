package templates_test

import (
	"html"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/kitbridge/kitbridge/templates"
)

// Every reason has its own code, title, explanation and advice, in both
// languages, and the Chinese ones are Chinese.
func TestEveryReasonHasItsTexts(t *testing.T) {
	p := newPages(t)
	if len(templates.Reasons()) < 25 {
		t.Fatalf("Reasons() gives %d reasons", len(templates.Reasons()))
	}
	parts := regexp.MustCompile(`(?s)<h1>(.*?)</h1>\s*<p>(.*?)</p>\s*<p>(.*?)</p>`)
	codes := map[string]bool{}
	for _, lang := range []templates.Lang{templates.Chinese, templates.English} {
		titles := map[string]templates.Reason{}
		for _, reason := range templates.Reasons() {
			w := httptest.NewRecorder()
			if err := p.Problem(w, 400, lang, templates.ProblemPage{Reason: reason}); err != nil {
				t.Fatalf("Problem(%v, %s) = %v", reason, lang, err)
			}
			m := parts.FindStringSubmatch(w.Body.String())
			if m == nil {
				t.Fatalf("Problem(%v, %s) lacks title, explanation or advice:\n%s", reason, lang, w.Body)
			}
			for _, text := range m[1:] {
				text = html.UnescapeString(text)
				chinese := strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
				if strings.TrimSpace(text) == "" || chinese != (lang == templates.Chinese) {
					t.Errorf("Problem(%v, %s) says %q", reason, lang, text)
				}
			}
			if other, ok := titles[m[1]]; ok {
				t.Errorf("Problem(%v, %s) has the title of %v: %q", reason, lang, other, m[1])
			}
			titles[m[1]] = reason
			if !strings.Contains(w.Body.String(), "<code>"+reason.String()+"</code>") {
				t.Errorf("Problem(%v, %s) does not show its code", reason, lang)
			}
			codes[reason.String()] = true
		}
	}
	if len(codes) != len(templates.Reasons()) {
		t.Errorf("%d codes for %d reasons: two share one", len(codes), len(templates.Reasons()))
	}
}

func TestUnknownReasonIsInternal(t *testing.T) {
	p := newPages(t)
	for _, reason := range []templates.Reason{-1, 0, 1000} {
		w := httptest.NewRecorder()
		if err := p.Problem(w, 500, templates.English, templates.ProblemPage{Reason: reason}); err != nil {
			t.Fatalf("Problem(%d) = %v", reason, err)
		}
		if !strings.Contains(w.Body.String(), "<code>internal</code>") {
			t.Errorf("Problem(%d) is not shown as internal", reason)
		}
	}
}
