package sso_test

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/sso"
)

// ambiguousPaths are ways to write /admin that some server reads as that path, and others as another.
func ambiguousPaths() []string {
	return []string{
		"", "admin", "*", "http://app.example/admin", "//admin", "/admin//", "/public//admin", "/./admin", "/admin/.", "/public/../admin", "/..",
		"/public/%2e%2e/admin", "/public/.%2E/admin", "/%2e/admin", "/admin%2fx", "/public%2F..%2Fadmin", "/%2Fadmin", "/..;/admin", "/public/..;a=b/admin",
		"/public/.;/admin", "/;/admin", "/;a/admin", "/public/;a", `/\admin`, `/public\..\admin`, "/%5cadmin", "/public%5C..%5Cadmin",
		"/admin%00", "/admin%00.png", "/admin%0a", "/admin%0d%0aX:y", "/admin%7f", "/admin%C2%85", "/admin%09", "/admin\x00", "/admin\t",
		"/admin%", "/admin%4", "/admin%zz", "/admin%u002f", "/%2561dmin", "/%252fadmin", "/public/%252e%252e/admin", "/%25%32%66",
		"/%c0%ae%c0%ae/admin", "/%c0%afadmin", "/%e0%80%afadmin", "/%f0%80%80%afadmin", "/%fc%80%80%80%80%af", "/%ff", "/%ed%a0%80", "/管理",
		"/%EF%BC%8Fadmin", "/public/%EF%BC%8E%EF%BC%8E/admin", "/%E2%88%95admin", "/%E2%81%84admin", "/%EF%BC%BCadmin", "/%E2%80%A4%E2%80%A4/admin", "/admin%EF%BC%9Bx",
		"/admin.", "/admin./x", "/admin..", "/admin%20", "/admin%20/x", "/%20admin", "/admin%C2%A0", "/admin%E3%80%80/x", "/admin.;a=b", "/a;b.",
		"/admin?x", "/admin#/public", "/admin%23/public", "/admin%3Fx=/public", "/admin x", "/ad\u00a0min",
	}
}

func TestCanonicalPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/": "/", "/admin": "/admin", "/admin/": "/admin/", "/%61dmin": "/admin", "/a%20b": "/a b", "/%E7%AE%A1": "/管", "/100%25": "/100%", "/a%2Bb+c": "/a+b+c",
		"/.well-known/x": "/.well-known/x", "/a..b/c.d": "/a..b/c.d", "/...a": "/...a", "/x;jsessionid=1": "/x;jsessionid=1", "/x;a/": "/x;a/", "/~u/@me/$1,2:3": "/~u/@me/$1,2:3",
	} {
		if got, ok := sso.CanonicalPath(in); !ok || got != want {
			t.Errorf("canonicalPath(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range ambiguousPaths() {
		if got, ok := sso.CanonicalPath(in); ok {
			t.Errorf("canonicalPath(%q) = %q, want a refusal", in, got)
		}
	}
}

// checkCanonical holds what canonicalPath accepts against what servers do to paths: none of it may change anything.
func checkCanonical(t interface{ Fatalf(string, ...any) }, in string) {
	got, ok := sso.CanonicalPath(in)
	if !ok {
		return
	}
	u, err := url.ParseRequestURI(in)
	if err != nil || u.Path != got || u.RawQuery != "" || u.Fragment != "" {
		t.Fatalf("canonicalPath(%q) = %q, where net/url reads %+v, %v", in, got, u, err)
	}
	if forwarded, err := url.ParseRequestURI(u.EscapedPath()); err != nil || forwarded.Path != got {
		t.Fatalf("%q is decided as %q and forwarded as %q", in, got, u.EscapedPath())
	}
	if again, err := url.PathUnescape(got); err == nil && again != got {
		t.Fatalf("canonicalPath(%q) = %q, which decodes to %q", in, got, again)
	}
	for _, reading := range []string{got, sso.WithoutParameters(got), sso.FoldPath(got), sso.FoldPath(sso.WithoutParameters(got))} {
		if cleaned := path.Clean(reading); cleaned != strings.TrimSuffix(reading, "/") && reading != "/" {
			t.Fatalf("canonicalPath(%q): its reading %q cleans to %q", in, reading, cleaned)
		}
	}
	if !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\\?#\r\n") || strings.Contains(strings.ToLower(in), "%2f") {
		t.Fatalf("canonicalPath(%q) = %q", in, got)
	}
	if before, _, _ := strings.Cut(got, "\x00"); before != got {
		t.Fatalf("canonicalPath(%q) = %q", in, got)
	}
}

func FuzzCanonicalPath(f *testing.F) {
	for _, in := range append(ambiguousPaths(), "/", "/admin/x;a=b", "/%E7%AE%A1", "/%EF%BD%81dmin") {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) { checkCanonical(t, in) })
}

// pathPieces are what trick paths are made of.
func pathPieces() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
			"admin", "ADMIN", "public", "/", ".", "..", "%2e", "%2F", "%5c", ";", "a=b", "%00", "%20", "%25", "32", "66", "%61", "ï", "%C4%B1", "%EF%BD%81", "%c0%af", "%E2%84%AA", "?", "#", " ", "\\",
		}), 0, 8).Draw(t, "pieces"), "")
	})
}

func TestCanonicalPathProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { checkCanonical(t, pathPieces().Draw(t, "path")) })
}

// TestNoReadingEscapesARule: where the rules let a path through as public, no server's reading of it lies below a path that
// is not.
func TestNoReadingEscapesARule(t *testing.T) {
	t.Parallel()
	rules := []sso.Rule{
		{Path: "/public", Allow: sso.Allow{Public: true}},
		{Path: "/admin", Allow: sso.Allow{Role: sso.RoleAdmin}},
		{Path: "/", Allow: sso.Allow{Public: true}},
	}
	rapid.Check(t, func(t *rapid.T) {
		in := pathPieces().Draw(t, "path")
		allow, err := sso.ChooseRule(rules, []string{"GET"}, in)
		if err != nil || !allow.Public {
			return
		}
		decoded, err := url.PathUnescape(in)
		if err != nil {
			t.Fatalf("%q is public and does not decode", in)
		}
		again, err := url.PathUnescape(decoded)
		if err != nil {
			again = decoded
		}
		for _, reading := range []string{in, decoded, again} {
			for _, cut := range []func(string) string{
				func(s string) string { return s },
				func(s string) string { before, _, _ := strings.Cut(s, ";"); return before },
				func(s string) string { before, _, _ := strings.Cut(s, "\x00"); return before },
				func(s string) string { return strings.ReplaceAll(s, `\`, "/") },
				func(s string) string { return strings.TrimRight(s, ". ") },
			} {
				if got := strings.ToLower(path.Clean(cut(reading))); got == "/admin" || strings.HasPrefix(got, "/admin/") {
					t.Fatalf("%q is public, and some server reads %q", in, got)
				}
			}
		}
	})
}

func TestRuleChoice(t *testing.T) {
	t.Parallel()
	public, signedIn, admin := sso.Allow{Public: true}, sso.Allow{SignedIn: true}, sso.Allow{Role: sso.RoleAdmin}
	rules := []sso.Rule{
		{Path: "/admin/", Allow: admin},
		{Path: "/api", Methods: []string{"GET"}, Allow: signedIn},
		{Path: "/api", Allow: admin},
		{Path: "/public", Allow: public},
		{Path: "/报表", Allow: admin},
		{Path: "/%E5%B8%AE", Allow: public},
	}
	for _, tt := range []struct {
		method, path string
		want         string // public, signed_in, admin or refused
	}{
		{"GET", "/admin", "admin"},
		{"GET", "/admin/", "admin"},
		{"POST", "/admin/users", "admin"},
		{"GET", "/%61dmin/users", "admin"},
		{"GET", "/administration", "signed_in"},
		{"GET", "/", "signed_in"},
		{"GET", "/x/admin", "signed_in"},
		{"GET", "/api", "signed_in"},
		{"HEAD", "/api/x", "signed_in"},
		{"POST", "/api/x", "admin"},
		{"PATCH", "/api", "admin"},
		{"GET", "/public/logo.svg", "public"},
		{"GET", "/publicity", "signed_in"},
		{"GET", "/%E6%8A%A5%E8%A1%A8/1", "admin"},
		{"GET", "/%E5%B8%AE/x", "public"},
		{"GET", "/ADMIN", "refused"},
		{"GET", "/Admin/x", "refused"},
		{"GET", "/PUBLIC/x", "refused"},
		{"GET", "/%EF%BD%81dmin", "refused"},
		{"GET", "/adm%C4%B1n", "refused"},
		{"GET", "/Orders", "signed_in"},
		{"GET", "/orders;jsessionid=1", "signed_in"},
		{"GET", "/admin/x;jsessionid=1", "admin"},
		{"GET", "/admin;x", "refused"},
		{"GET", "/admin;x=/public", "refused"},
		{"GET", "/public;x/a", "refused"},
		{"get", "/public/x", "refused"},
		{"GE T", "/public", "refused"},
		{"", "/public", "refused"},
		{"G\x00", "/public", "refused"},
	} {
		got := "refused"
		allow, err := sso.ChooseRule(rules, []string{tt.method}, tt.path)
		switch {
		case err != nil:
		case allow.Public:
			got = "public"
		case allow.Role == sso.RoleAdmin:
			got = "admin"
		case allow.SignedIn:
			got = "signed_in"
		}
		if got != tt.want {
			t.Errorf("%s %s = %s (%v), want %s", tt.method, tt.path, got, err, tt.want)
		}
	}
	for _, methods := range [][]string{{"GET", "POST"}, {"POST", "GET"}, {"GET", "delete"}, {}} {
		if allow, err := sso.ChooseRule(rules, methods, "/api"); err == nil {
			t.Errorf("methods %q = %+v, want a refusal", methods, allow)
		}
	}
	if _, err := sso.ChooseRule(rules, []string{"GET", "POST"}, "/public"); err != nil {
		t.Errorf("an override that changes nothing is refused: %v", err)
	}
}

func TestRuleValidate(t *testing.T) {
	t.Parallel()
	for want, rule := range map[string]sso.Rule{
		"":                        {Path: "/admin/", Methods: []string{"GET", "PROPFIND"}, Allow: sso.Allow{Role: sso.RoleAdmin, Tenants: []string{"t"}, Orgs: []string{"o"}}},
		"begin with /":            {Path: "admin", Allow: sso.Allow{Public: true}},
		"knows no *":              {Path: "/admin/*", Allow: sso.Allow{Public: true}},
		"read in two ways":        {Path: "/a/../b", Allow: sso.Allow{Public: true}},
		`"get" is no HTTP method`: {Path: "/", Methods: []string{"get"}, Allow: sso.Allow{Public: true}},
		"must be public":          {Path: "/"},
		"or restrictions":         {Path: "/", Allow: sso.Allow{Public: true, Role: sso.RoleUser}},
		`role "root"`:             {Path: "/", Allow: sso.Allow{Role: "root"}},
	} {
		err := rule.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", rule, err, want)
		}
	}
	c := config(t, newMemory(), nil)
	c.Settings.Rules = []sso.Rule{{Path: "/", Allow: sso.Allow{Public: true}}, {Path: "x"}}
	if _, err := sso.New(c); err == nil || !strings.Contains(err.Error(), "rules[1].path") {
		t.Errorf("New = %v, want the fault of rules[1]", err)
	}
}
