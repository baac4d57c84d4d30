package push_test

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

var update = flag.Bool("update", false, "rewrite the result table in docs/protocol.md")

func TestResultOf(t *testing.T) {
	t.Parallel()
	internal := push.Result{Code: "000005", Message: "other inner error"}
	long := &orgsync.FieldError{Field: "userList", Reason: strings.Repeat("x", 400)}
	tests := []struct {
		name string
		err  error
		want push.Result
	}{
		{"success", nil, push.Result{Code: "000000", Message: "success."}},
		{"wrapped", fmt.Errorf("a: %w", push.ErrSignature), push.Result{Code: "000001", Message: "token is invalid"}},
		{"field", fmt.Errorf("a: %w", &orgsync.FieldError{Field: "flag", Reason: "is unknown"}), push.Result{Code: "000002", Message: "param is invalid: flag is unknown"}},
		{"long", long, push.Result{Code: "000002", Message: ("param is invalid: userList " + strings.Repeat("x", 400))[:255]}},
		{"invalid without a field", orgsync.ErrInvalid, push.Result{Code: "000002", Message: "param is invalid"}},
		{"unknown", errors.New("pq: password for user bridge"), internal},
		{"unavailable", orgsync.ErrUnavailable, internal},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, push.ResultOf(tt.err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestEverySentinelHasARow reads the sentinels and the table from the source.
func TestEverySentinelHasARow(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	sentinels := sentinelsOf(t, "orgsync.", "../errors.go")
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			sentinels = append(sentinels, sentinelsOf(t, "", file)...)
		}
	}
	if len(sentinels) < 7 {
		t.Fatalf("only found %q", sentinels)
	}
	rows := rowsOf(t)
	for _, name := range sentinels {
		if !slices.Contains(rows, name) {
			t.Errorf("%s has no row in the table of result.go", name)
		}
	}
}

func parseFile(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func sentinelsOf(t *testing.T, prefix, file string) []string {
	t.Helper()
	var names []string
	for _, decl := range parseFile(t, file).Decls {
		vars, ok := decl.(*ast.GenDecl)
		if !ok || vars.Tok != token.VAR {
			continue
		}
		for _, spec := range vars.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if strings.HasPrefix(name.Name, "Err") {
					names = append(names, prefix+name.Name)
				}
			}
		}
	}
	return names
}

// rowsOf lists the errors with which the rows of the table begin.
func rowsOf(t *testing.T) []string {
	t.Helper()
	var names []string
	ast.Inspect(parseFile(t, "result.go"), func(n ast.Node) bool {
		row, ok := n.(*ast.CompositeLit)
		if !ok || row.Type != nil || len(row.Elts) == 0 {
			return true
		}
		switch e := row.Elts[0].(type) {
		case *ast.Ident:
			names = append(names, e.Name)
		case *ast.SelectorExpr:
			names = append(names, e.X.(*ast.Ident).Name+"."+e.Sel.Name)
		}
		return true
	})
	return names
}

const protocolPage = "../../docs/protocol.md"

// TestProtocolPage holds the page for the other side against the code.
func TestProtocolPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(protocolPage)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- result table: begin -->\n", "<!-- result table: end -->"
	before, rest, found := strings.Cut(string(page), begin)
	have, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatal("the page has no result table")
	}
	want := resultTable()
	if *update {
		if err := os.WriteFile(protocolPage, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("result table of docs/protocol.md; go test -run ProtocolPage -update rewrites it (-want +got):\n%s", diff)
	}
	v := vectors(t)[0]
	for _, fact := range []string{
		v.Key, v.Nonce, v.Timestamp, v.Body, v.DoubleHMAC,
		v.Signatures[push.CandidateRaw], v.Signatures[push.CandidateSorted],
	} {
		if !strings.Contains(string(page), fact) {
			t.Errorf("the worked example of docs/protocol.md lacks %s", fact)
		}
	}
	v1 := vectorsV1(t)[0]
	success := `{"resultCode":"000000","resultMsg":"success."}`
	for _, fact := range []string{
		v1.Key, v1.Body, v1.String, success, push.BodySign(v1.Key, []byte(success)),
		v1.Tokens[push.CandidateBlanksDropped], v1.Tokens[push.CandidateBlanksKept],
	} {
		if !strings.Contains(string(page), fact) {
			t.Errorf("the worked example of V1 in docs/protocol.md lacks %s", fact)
		}
	}
	for _, c := range push.Candidates() {
		if !strings.Contains(string(page), "| `"+string(c)+"` |") {
			t.Errorf("docs/protocol.md has no row for the candidate %s", c)
		}
	}
}

func resultTable() string {
	var b strings.Builder
	row := func(r push.Result, when string) { fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Code, r.Message, when) }
	b.WriteString("| resultCode | resultMsg | when |\n|---|---|---|\n")
	row(push.ResultOf(nil), "the push is durable; or it was before, with the same nonce and body")
	for _, r := range push.TableRows() {
		row(r.Result, r.When)
	}
	return b.String()
}
