package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keyPaths lists every key that holds a value as the documentation writes it,
// such as sinks[].base_dn, and whether it is secret.
func keyPaths(t reflect.Type, path string) map[string]bool {
	paths := map[string]bool{}
	for i := range t.NumField() {
		f, ok := fieldOf(t.Field(i))
		if !ok {
			continue
		}
		at, sub := join(path, f.name), t.Field(i).Type
		if sub.Kind() == reflect.Slice && !isScalar(sub.Elem()) {
			at, sub = at+"[]", sub.Elem()
		}
		if sub == reflect.TypeFor[Allow]() {
			paths[at] = false // also a word
		}
		if sub.Kind() != reflect.Struct || isScalar(sub) {
			paths[at] = f.secret
			continue
		}
		for below, secret := range keyPaths(sub, at) {
			paths[below] = secret
		}
	}
	return paths
}

// TestDocumentation: docs/configuration.md has a row for every key, says which
// are secret, and knows no others.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	name := regexp.MustCompile("`([a-z0-9_.\\[\\]]+)`( \\(secret\\))?")
	for line := range strings.Lines(string(text)) {
		cell, _, isRow := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !isRow || !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, m := range name.FindAllStringSubmatch(cell, -1) {
			got[m[1]] = m[2] != ""
		}
	}
	if diff := cmp.Diff(keyPaths(reflect.TypeFor[Config](), ""), got); diff != "" {
		t.Errorf("documented keys and whether they are secret (-in the program +in the page):\n%s", diff)
	}
}

// TestSample: the file that init writes loads, and what it warns of is what its reader has
// yet to fill in.
func TestSample(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, file := range []string{rsaKeyName, configName} {
		if err := os.WriteFile(filepath.Join(dir, file), sampleConfig, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, warnings, err := loadConfig(filepath.Join(dir, configName), lookup())
	var keys []string
	for _, w := range warnings {
		keys = append(keys, w.Key)
	}
	if diff := cmp.Diff([]string{"sinks", "marketplace.keys"}, keys); err != nil || diff != "" {
		t.Errorf("sample: %v, warnings (-want +got):\n%s", err, diff)
	}
}

// TestSampleUncommented: with every commented setting switched on, the sample
// still loads; nobody meets a fault by removing a # sign.
func TestSampleUncommented(t *testing.T) {
	t.Parallel()
	off := regexp.MustCompile(`(?m)^( *)#([^ #\n])`)
	text := off.ReplaceAllString(string(sampleConfig), "$1$2")
	if n := len(off.FindAllString(string(sampleConfig), -1)); n < 40 {
		t.Errorf("sample has %d settings to switch on, want at least 40", n)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, rsaKeyName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := readConfig(filepath.Join(dir, configName), []byte(text),
		lookup("LDAP_PASSWORD=a", "MYSQL_PASSWORD=b", "KITBRIDGE_ADMIN_TOKEN="+strings.Repeat("t", 32)))
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	if len(cfg.Sinks) != 2 || cfg.Proxy.Upstream == "" || cfg.Log.Level != "info" || cfg.SSO.Chooser != "search" {
		t.Errorf("uncommented sample is not what it shows: %+v", cfg)
	}
}
