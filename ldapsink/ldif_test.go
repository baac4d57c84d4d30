package ldapsink_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/ldapsink"
)

func TestLDIF(t *testing.T) {
	t.Parallel()
	base := dn(t, "dc=example")
	long := strings.Repeat("x", 100)
	tests := []struct {
		name      string
		operation ldapsink.Operation
		want      string
	}{
		{
			"add",
			ldapsink.Operation{Kind: ldapsink.Add, DN: base.Child("ou", "a"), Attributes: ldapsink.Attributes{
				"ou": {"a"}, "objectClass": {"top", "organizationalUnit"}, "description": {" x", "x ", ":x", "<x", "x\ny", "研", long},
			}},
			"dn: ou=a,dc=example\nchangetype: add\nobjectClass: top\nobjectClass: organizationalUnit\n" +
				"description:: IHg=\ndescription:: eCA=\ndescription:: Ong=\ndescription:: PHg=\ndescription:: eAp5\ndescription:: 56CU\n" +
				"description: " + long[:63] + "\n " + long[63:] + "\nou: a\n",
		},
		{
			"name that is not ASCII",
			ldapsink.Operation{Kind: ldapsink.Delete, DN: base.Child("ou", "研")},
			"dn:: " + base64.StdEncoding.EncodeToString([]byte("ou=研,dc=example")) + "\nchangetype: delete\n",
		},
		{
			"modify",
			ldapsink.Operation{Kind: ldapsink.Modify, DN: base, Changes: []ldapsink.Change{
				{Kind: ldapsink.ReplaceValues, Name: "mail"},
				{Kind: ldapsink.AddValues, Name: "member", Values: []string{"cn=x"}},
				{Kind: ldapsink.DeleteValues, Name: "member", Values: []string{"cn=y"}},
			}},
			"dn: dc=example\nchangetype: modify\nreplace: mail\n-\nadd: member\nmember: cn=x\n-\ndelete: member\nmember: cn=y\n-\n",
		},
		{
			"rename in place",
			ldapsink.Operation{Kind: ldapsink.Rename, DN: base.Child("ou", "a"), NewDN: base.Child("ou", "b")},
			"dn: ou=a,dc=example\nchangetype: modrdn\nnewrdn: ou=b\ndeleteoldrdn: 1\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.operation.String()); diff != "" {
				t.Errorf("LDIF (-want +got):\n%s", diff)
			}
		})
	}
}
