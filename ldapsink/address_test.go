package ldapsink_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/ldapsink"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want ldapsink.Address // zero: refused
		back string           // String, if it is another text
	}{
		{"ldap://127.0.0.1", ldapsink.Address{Scheme: "ldap", Host: "127.0.0.1", Port: "389"}, "ldap://127.0.0.1:389"},
		{"ldap://a.example:1389/", ldapsink.Address{Scheme: "ldap", Host: "a.example", Port: "1389"}, "ldap://a.example:1389"},
		{"ldaps://[::1]", ldapsink.Address{Scheme: "ldaps", Host: "::1", Port: "636"}, "ldaps://[::1]:636"},
		{"ldapi://%2Frun%2Fslapd%2Fldapi", ldapsink.Address{Scheme: "ldapi", Host: "/run/slapd/ldapi"}, ""},
		{"ldapi://%2frun%2fldapi/", ldapsink.Address{Scheme: "ldapi", Host: "/run/ldapi"}, "ldapi://%2Frun%2Fldapi"},
		{"ldapi:///run/slapd/ldapi", ldapsink.Address{Scheme: "ldapi", Host: "/run/slapd/ldapi"}, "ldapi://%2Frun%2Fslapd%2Fldapi"},
		{"ldapi:///", ldapsink.Address{Scheme: "ldapi", Host: "/var/run/slapd/ldapi"}, "ldapi://%2Fvar%2Frun%2Fslapd%2Fldapi"},
		{"ldapi://run/ldapi", ldapsink.Address{}, ""},
		{"ldapi://%zz", ldapsink.Address{}, ""},
		{"http://a.example", ldapsink.Address{}, ""},
		{"ldap://user@a.example", ldapsink.Address{}, ""},
		{"ldap://a.example/dc=org", ldapsink.Address{}, ""},
		{"ldap://a.example?cn", ldapsink.Address{}, ""},
		{"ldap://", ldapsink.Address{}, ""},
		{"a.example", ldapsink.Address{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			got, err := ldapsink.ParseAddress(tt.text)
			if diff := cmp.Diff(tt.want, got); diff != "" || (err != nil) != (tt.want == ldapsink.Address{}) {
				t.Fatalf("ParseAddress (-want +got):\n%s\n%v", diff, err)
			}
			if err != nil {
				return
			}
			back := tt.back
			if back == "" {
				back = tt.text
			}
			if got.String() != back {
				t.Errorf("String() = %q, want %q", got.String(), back)
			}
		})
	}
}
