package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		"张三 Zhang, 全角　":            "张三 Zhang, 全角　",
		"a\tb\r\nc":                `a\u0009b\u000d\u000ac`,
		"\x1b[2Jgone":              `\u001b[2Jgone`,
		"\u202egnp.exe\u2066":      `\u202egnp.exe\u2066`,
		"\u009b31m":                `\u009b31m`,
		"zero\u200bwidth\u2028":    `zero\u200bwidth\u2028`,
		"bad\xff\xfeutf":           `bad\xff\xfeutf`,
		"tag \U000e0041":           `tag \U000e0041`,
		"replacement \uFFFD as is": `replacement \ufffd as is`,
	} {
		if got := visible(text); got != want {
			t.Errorf("visible(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestNothingHiddenIsShown: whatever a buyer calls things, a terminal only draws it, and
// JSON says the same.
func TestNothingHiddenIsShown(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		for _, r := range visible(text) {
			if !unicode.IsGraphic(r) {
				t.Fatalf("visible(%q) shows %U", text, r)
			}
		}
		var screenText, jsonText strings.Builder
		if _, err := (screen{&screenText}).Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := writeJSON(&jsonText, map[string]string{"text": text}); err != nil {
			t.Fatal(err)
		}
		for _, r := range screenText.String() + jsonText.String() {
			if r != '\n' && !unicode.IsGraphic(r) {
				t.Fatalf("%q is shown with %U", text, r)
			}
		}
		var back map[string]string
		if err := json.Unmarshal([]byte(jsonText.String()), &back); err != nil {
			t.Fatalf("%s: %v", jsonText.String(), err)
		}
		if want := strings.ToValidUTF8(text, "\uFFFD"); back["text"] != want && strings.ToValidUTF8(text, "") == text {
			t.Fatalf("JSON says %q, want %q", back["text"], want)
		}
	})
}

func TestColumns(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	columns(&b, []string{"NAME", "N"}, [][]string{{"晨光", "1"}, {"e\u0301a", "22"}, {"\x1b", "3"}})
	want := "NAME    N\n晨光    1\ne\u0301a      22\n\\u001b  3\n"
	if got := b.String(); got != want {
		t.Errorf("columns = %q, want %q", got, want)
	}
}
