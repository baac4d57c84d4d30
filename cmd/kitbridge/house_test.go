package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/kitbridge/kitbridge/"

// goPackages returns the module's Go files by the folder of their package.
func goPackages(t *testing.T) map[string][]string {
	t.Helper()
	root := filepath.Join("..", "..")
	packages := make(map[string][]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ".go"):
			folder, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			packages[filepath.ToSlash(folder)] = append(packages[filepath.ToSlash(folder)], path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// TestImports keeps the direction of imports: they point inward, and only this package
// knows everybody.
func TestImports(t *testing.T) {
	t.Parallel()
	allowed := map[string][]string{
		"orgsync":             {},
		"orgsync/orgsynctest": {"orgsync"},
		"orgsync/push":        {"orgsync"},
		"ldapsink":            {"orgsync"},
		"ldapsink/ldaptest":   {"ldapsink"},
		"templates":           {},
		"sso":                 {"templates"},
		"sso/ssotest":         {"sso", "templates"},
		"internal/keyring":    {},
		"internal/console":    {},
		"internal/sqlsink":    {"orgsync"},
		"internal/store":      {"orgsync", "sso", "ldapsink"},
		"internal/market":     {"sso/ssotest"},
		"internal/peers":      {},
		"integration":         {"internal/peers"},
	}
	for folder, files := range goPackages(t) {
		if folder == "cmd/kitbridge" {
			continue
		}
		want, ruled := allowed[folder]
		if !ruled {
			t.Errorf("package %s is not in the table of imports: say what it may import", folder)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") && folder != "integration" {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				name, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module)
				if ours && !slices.Contains(want, name) {
					t.Errorf("%s imports %s, but %s may import only %v of the house", file, name, folder, want)
				}
			}
		}
	}
}

// TestPackageDocs: every package says in its doc.go, and only there, what it is.
func TestPackageDocs(t *testing.T) {
	t.Parallel()
	for folder, files := range goPackages(t) {
		documented := 0
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc == nil {
				continue
			}
			documented++
			if filepath.Base(file) != "doc.go" {
				t.Errorf("%s has a package comment; it belongs into doc.go", file)
			}
		}
		if documented != 1 {
			t.Errorf("package %s has %d package comments, want one in doc.go", folder, documented)
		}
	}
}
