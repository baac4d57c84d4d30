package ldapsink_test

import (
	"fmt"
	"os"

	"github.com/kitbridge/kitbridge/ldapsink"
)

// A department moves with everything below it, and its name changes.
func ExamplePlan() {
	base, err := ldapsink.ParseDN("ou=departments,ou=t1,dc=example,dc=org")
	if err != nil {
		fmt.Println(err)
		return
	}
	sales := ldapsink.EntryID{Kind: ldapsink.DepartmentEntry, Name: "sales"}
	have := []ldapsink.Entry{
		{DN: base.Child("ou", "east")},
		{ID: sales, DN: base.Child("ou", "sales"), Attributes: ldapsink.Attributes{"description": {"Sales"}}},
	}
	want := []ldapsink.Want{{
		ID: sales, DN: base.Child("ou", "east").Child("ou", "sales"),
		Attributes: ldapsink.Attributes{"description": {"销售部"}},
	}}
	operations, _ := ldapsink.Plan(have, want)
	if err := ldapsink.WriteLDIF(os.Stdout, operations); err != nil {
		fmt.Println(err)
	}
	// Output:
	// version: 1
	// dn: ou=sales,ou=departments,ou=t1,dc=example,dc=org
	// changetype: modrdn
	// newrdn: ou=sales
	// deleteoldrdn: 1
	// newsuperior: ou=east,ou=departments,ou=t1,dc=example,dc=org
	//
	// dn: ou=sales,ou=east,ou=departments,ou=t1,dc=example,dc=org
	// changetype: modify
	// replace: description
	// description:: 6ZSA5ZSu6YOo
	// -
}
