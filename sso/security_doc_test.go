package sso_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSecurityPage: the tests that docs/security.md names are there.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, pattern := range []string{"*_test.go", "../integration/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(string(text), -1) {
				known[found[1]] = true
			}
		}
	}
	advisories := slices.Concat(decisionAdvisories(), headerAdvisories(), pathAdvisories(), sessionAdvisories(), signInAdvisories())
	named := 0
	for _, found := range regexp.MustCompile("((?:Test|Fuzz)\\w+)(?:/([^` ]+))?").FindAllStringSubmatch(string(page), -1) {
		named++
		if !known[found[1]] {
			t.Errorf("docs/security.md names %s, which is no test", found[1])
		}
		if found[2] != "" && !slices.ContainsFunc(advisories, func(a advisory) bool { return strings.HasPrefix(strings.ReplaceAll(a.name, " ", "_"), found[2]) }) {
			t.Errorf("docs/security.md names the case %s, which is none of TestAdvisories", found[2])
		}
	}
	if named < 50 {
		t.Errorf("%d tests are named: the page was not read", named)
	}
}
