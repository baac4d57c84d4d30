package ldapsink_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/ldapsink"
)

func TestDefinition(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       map[string][]string
	}{
		{"RFC 4519, person", `( 2.5.6.6 NAME 'person' SUP top STRUCTURAL MUST ( sn $ cn ) MAY ( userPassword $ telephoneNumber $ seeAlso $ description ) )`, map[string][]string{
			"OID": {"2.5.6.6"}, "NAME": {"person"}, "SUP": {"top"}, "MUST": {"sn", "cn"}, "MAY": {"userpassword", "telephonenumber", "seealso", "description"},
		}},
		{"several names, no blanks", `(2.5.4.4 NAME('sn' 'surname')DESC 'RFC4519: last (family) name(s)'SUP name)`, map[string][]string{
			"OID": {"2.5.4.4"}, "NAME": {"sn", "surname"}, "DESC": {"rfc4519: last (family) name(s)"}, "SUP": {"name"},
		}},
		{"extensions", `( 1.2.3 NAME 'x' MUST cn X-ORIGIN ( 'RFC 1' 'user defined' ) X-SCHEMA-FILE '99user.ldif' )`, map[string][]string{
			"OID": {"1.2.3"}, "NAME": {"x"}, "MUST": {"cn"}, "X-ORIGIN": {"rfc 1", "user defined"}, "X-SCHEMA-FILE": {"99user.ldif"},
		}},
		{"cut off", `( 1.2.3 NAME 'x`, map[string][]string{"OID": {"1.2.3"}}},
		{"nothing", ``, map[string][]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, ldapsink.Definition(tt.text)); diff != "" {
				t.Errorf("Definition(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

// TestLacksInherited: what a class above allows is allowed, and demanded attributes count
// under any of their names.
func TestLacksInherited(t *testing.T) {
	t.Parallel()
	m, err := ldapsink.ParseMapping(map[string]string{"objectClass": "low", "familyName": "x", "color": "y", "shape": "z"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, text := range ldapsink.Lacks(
		[]string{`( 1 NAME 'high' AUXILIARY MUST surname MAY colour )`, `( 2 NAME 'low' SUP high AUXILIARY MUST size )`},
		[]string{`( 3 NAME ( 'sn' 'surname' 'familyName' ) )`, `( 4 NAME ( 'colour' 'color' ) )`, `( 5 NAME 'size' )`, `( 6 NAME 'shape' )`}, m,
	) {
		if !strings.Contains(text, "core, cosine and inetorgperson") { // it has nothing of those
			got = append(got, text)
		}
	}
	want := []string{
		"attribute shape of attributes: no object class of users has it; name one that does in attributes.objectClass",
		"object class low of attributes.objectClass demands size: add it to attributes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lacks (-want +got):\n%s", diff)
	}
}

// FuzzDefinition: a server's schema, however broken, is read without a crash, and what comes
// out is in lower case.
func FuzzDefinition(f *testing.F) {
	f.Add(`( 2.5.6.6 NAME 'person' SUP top STRUCTURAL MUST ( sn $ cn ) MAY ( userPassword $ telephoneNumber ) )`)
	f.Add(`( ( ) ' $`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, values := range ldapsink.Definition(text) {
			for _, v := range values {
				if v != strings.ToLower(v) {
					t.Errorf("Definition(%q) has %q", text, v)
				}
			}
		}
		ldapsink.Lacks([]string{text}, []string{text}, ldapsink.Mapping{})
	})
}
