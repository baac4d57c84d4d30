package ldapsink_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/ldapsink"
)

func TestDNText(t *testing.T) {
	t.Parallel()
	tests := []struct{ value, want string }{
		{"plain", "ou=plain,dc=x"},
		{"研发部", "ou=研发部,dc=x"},
		{`a,b+c"d\e<f>g;h=i`, `ou=a\2Cb\2Bc\22d\5Ce\3Cf\3Eg\3Bh\3Di,dc=x`},
		{"#a#", `ou=\23a#,dc=x`},
		{" a b ", `ou=\20a b\20,dc=x`},
		{" ", `ou=\20,dc=x`},
		{"a\x00b\nc", `ou=a\00b\0Ac,dc=x`},
		{"\xff", `ou=\FF,dc=x`},
		{"\uFFFD", "ou=\uFFFD,dc=x"},
	}
	base := dn(t, "dc=x")
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			got := base.Child("ou", tt.value)
			if got.String() != tt.want {
				t.Errorf("Child(%q) = %s, want %s", tt.value, got, tt.want)
			}
			if back := dn(t, got.String()); back.Value() != tt.value {
				t.Errorf("Child(%q) comes back as %q", tt.value, back.Value())
			}
		})
	}
}

func TestDNEqual(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want bool
	}{
		{"ou=a,dc=x", "OU=A,DC=X", true},
		{`ou=a\2Cb,dc=x`, `ou=a\,b,dc=x`, true},
		{"ou=a  b,dc=x", "ou=a b,dc=x", true},
		{"ou=研发Ａ,dc=x", "ou=研发a,dc=x", true},
		{"cn=a+sn=b,dc=x", "sn=b+cn=a,dc=x", true},
		{"ou=straße,dc=x", "ou=strasse,dc=x", false},
		{"ou=a,dc=x", "cn=a,dc=x", false},
		{"ou=a,dc=x", "ou=a,ou=a,dc=x", false},
	}
	for _, tt := range tests {
		a, b := dn(t, tt.a), dn(t, tt.b)
		if got := a.Equal(b); got != tt.want || (a.Key() == b.Key()) != tt.want {
			t.Errorf("%s Equal %s = %v, keys %q %q, want %v", tt.a, tt.b, got, a.Key(), b.Key(), tt.want)
		}
	}
}

func TestDNRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`(?s).+`).Draw(t, "value")
		if strings.ContainsRune(value, utf8.RuneError) {
			t.Skip("not a text")
		}
		made := dn(t, "dc=x").Child("ou", value).Child("uid", "u")
		back := dn(t, made.String())
		if back.String() != made.String() || back.Key() != made.Key() || back.Parent().Value() != value {
			t.Errorf("%q: %s comes back as %s", value, made, back)
		}
		if !back.IsBelow(made.Parent()) || made.IsBelow(made) || made.Parent().IsBelow(made) {
			t.Errorf("%s: IsBelow is wrong", made)
		}
	})
}

func FuzzParseDN(f *testing.F) {
	for _, s := range []string{"", "dc=x", `ou=a\2Cb+cn=\23,dc=x`, "ou=#0401ff,dc=x", `ou=\`, "=", "ou= a ,dc=x", `ou=\ff\fe`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := ldapsink.ParseDN(s)
		if err != nil {
			return
		}
		again, err := ldapsink.ParseDN(parsed.String())
		if err != nil || again.String() != parsed.String() || again.Key() != parsed.Key() {
			t.Errorf("ParseDN(%q) = %s, which reads as %s, %v", s, parsed, again, err)
		}
	})
}
