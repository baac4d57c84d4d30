package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// FuzzReadConfig: any text gives a Config or faults that name the file; never a
// panic, never both.
func FuzzReadConfig(f *testing.F) {
	every, err := os.ReadFile(filepath.Join("testdata", "every-key.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(every))
	f.Add(string(sampleConfig))
	for _, text := range []string{
		ok, "", "a", "- a", "{", "? a\n: b", "<<: *a", "&a a: *a", "!!x", "a: |\n b\n c", "sinks: [{}]", "sinks: [[]]", "? {a: b}\n: c",
		"public_url: ${X}", "---\n---\n", "%YAML 1.2\n---\na: b", "sso: {rules: [{allow: {role: [a]}}]}", "sinks:\n - attributes:\n    ? [a]\n    : b\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_file") {
			t.Skip("names files of this machine")
		}
		_, _, err := readConfig("k.yaml", []byte(text), lookup("X=https://x.example"))
		if err == nil {
			return
		}
		faults, isConfig := errors.AsType[*configError](err)
		if !isConfig || len(faults.faults) == 0 {
			t.Fatalf("error %v is no list of faults", err)
		}
		for _, one := range faults.faults {
			if one.File != "k.yaml" || one.Text == "" || !strings.Contains(one.Text, ";") && one.Key != "" {
				t.Errorf("fault %q does not say where, what and what to do", one.Error())
			}
		}
	})
}

// TestExpandKeepsText: text without ${ is left alone, and a variable's value
// arrives byte for byte, whatever it holds.
func TestExpandKeepsText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		before := strings.ReplaceAll(rapid.String().Draw(t, "before"), "$", "")
		after := strings.ReplaceAll(rapid.String().Draw(t, "after"), "${", "")
		got, err := expand(before+"${NAME}"+after, func(string) (string, bool) { return value, true })
		if want := before + value + after; err != nil || got != want {
			t.Fatalf("expand = %q, %v; want %q", got, err, want)
		}
		escaped := strings.ReplaceAll(value, "${", "$${")
		if strings.HasSuffix(before, "$") || strings.Contains(value, "$${") {
			return
		}
		got, err = expand(escaped, func(string) (string, bool) { return "", false })
		if err != nil || got != value {
			t.Fatalf("expand(%q) = %q, %v; want %q", escaped, got, err, value)
		}
	})
}

// TestDurationsRoundTrip: what time.Duration prints is read as the same.
func TestDurationsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int64Min(0).Draw(t, "nanoseconds")
		days := rapid.Int64Range(0, 1000).Draw(t, "days")
		if want > int64(day)*100000 {
			want %= int64(day) * 100000
		}
		text := durationText(days, want)
		got, err := parseDuration(text)
		if err != nil || int64(got) != days*int64(day)+want {
			t.Fatalf("parseDuration(%q) = %v, %v", text, got, err)
		}
	})
}

func durationText(days, nanoseconds int64) string {
	return fmt.Sprintf("%dd%s", days, time.Duration(nanoseconds))
}
