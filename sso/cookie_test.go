package sso_test

import (
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/sso"
)

// TestCookieIsReadAsNetHTTPReadsIt: reading one cookie without making all of them comes to the same.
func TestCookieIsReadAsNetHTTPReadsIt(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{
		"__Host-kitbridge", "=", ";", "; ", " ", "\t", "a", "b", `"`, "\\", "\x00", "é", "__Host-kitbridge=", "__host-kitbridge=a", "__Host-kitbridge=a", "__Host-kitbridge=a;", "__Host-kitbridge=b; ", "__Host-kitbridge=c;", `="a"`, ",", "$Version=1",
		"__Host-kitbridge-x=a", "\n",
	})
	rapid.Check(t, func(t *rapid.T) {
		r := &http.Request{Header: http.Header{}}
		for range rapid.IntRange(0, 3).Draw(t, "lines") {
			line := ""
			for _, p := range rapid.SliceOfN(piece, 0, 12).Draw(t, "line") {
				line += p
			}
			r.Header["Cookie"] = append(r.Header["Cookie"], line)
		}
		want := ""
		for i, c := range r.CookiesNamed("__Host-kitbridge") {
			if i > 0 && c.Value != want {
				want = ""
				break
			}
			want = c.Value
		}
		if got := sso.CookieOf(r); got != want {
			t.Fatalf("cookie in %q = %q, want %q", r.Header["Cookie"], got, want)
		}
	})
}

// TestFoldsTo: the cheap look at a header's name comes to the same as folding it.
func TestFoldsTo(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"x", "X", "-", "_", ".", " ", "auth", "AUTH", "forwarded", "é", "\xff", "0", "K", "user", ""})
	rapid.Check(t, func(t *rapid.T) {
		name := ""
		for _, p := range rapid.SliceOfN(piece, 0, 8).Draw(t, "name") {
			name += p
		}
		for _, prefix := range []string{"", "x-auth-", "x-forwarded-", "x-", "--"} {
			if got, want := sso.FoldsTo(name, prefix), strings.HasPrefix(sso.FoldHeader(name), prefix); got != want {
				t.Fatalf("%q begins with %q: %t, want %t", name, prefix, got, want)
			}
		}
	})
}
