package templates_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/templates"
)

func TestLocale(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		want         templates.Lang
	}{
		{"none", "", templates.Chinese},
		{"China", "zh-CN,zh;q=0.9,en;q=0.8", templates.Chinese},
		{"Chinese", "zh", templates.Chinese},
		{"Taiwan", "zh-TW,en;q=0.5", templates.Chinese},
		{"Hong Kong", "zh-Hant-HK", templates.Chinese},
		{"English", "en", templates.English},
		{"British", "en-GB,en;q=0.9", templates.English},
		{"English first", "en-US,zh-CN;q=0.8", templates.English},
		{"Chinese by weight", "en;q=0.1,zh-CN;q=0.9", templates.Chinese},
		{"neither", "fr-FR,de;q=0.5", templates.English},
		{"second choice", "fr,zh;q=0.5", templates.Chinese},
		{"unreadable", "\x00;;q=,,", templates.Chinese},
		{"endless", strings.Repeat("en-", 100_000), templates.Chinese},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			if tt.header != "" {
				r.Header.Set("Accept-Language", tt.header)
			}
			if got := templates.Locale(r); got != tt.want {
				t.Errorf("Locale(%.40q) = %q, want %q", tt.header, got, tt.want)
			}
		})
	}
}

func TestUnknownLanguageIsChinese(t *testing.T) {
	p := newPages(t)
	w := httptest.NewRecorder()
	if err := p.Problem(w, 400, "fr", templates.ProblemPage{Reason: templates.NotFound}); err != nil {
		t.Fatalf("Problem(fr) = %v", err)
	}
	if body := w.Body.String(); !strings.Contains(body, `<html lang="zh-CN">`) || !strings.Contains(body, "页面不存在") {
		t.Errorf("page is not Chinese:\n%s", body)
	}
}
