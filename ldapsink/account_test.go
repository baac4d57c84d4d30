package ldapsink_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// samba is the target that is an Active Directory.
func samba() target {
	return targets()[slices.IndexFunc(targets(), func(k target) bool { return k.name == "Samba" })]
}

// account returns the sAMAccountName of a user below ou=people.
func (f *fixture) account(tenant, name string) string {
	f.t.Helper()
	dn := "cn=" + ldap.EscapeDN(name) + ",ou=people,ou=" + tenant + "," + peers.BaseDN
	for _, e := range f.read(dn, "sAMAccountName") {
		return strings.Join(e["sAMAccountName"], "|")
	}
	return ""
}

// TestAccounts: account names of Active Directory are unique in the domain, fit, and stay
// what they are.
func TestAccounts(t *testing.T) {
	t.Parallel()
	f := newTargetFixture(t, samba())
	f.state.tenant.ID = "one"
	long := "a-user-name-of-more-than-twenty-letters"
	for _, name := range []string{"zhang", "a,b", long, "王五", "dot."} {
		f.state.user(name, "某", "")
	}
	f.all()
	if got := f.account("one", "zhang"); got != "zhang" {
		t.Errorf("account of zhang is %q, want the userName", got)
	}
	seen := map[string]bool{}
	for _, name := range []string{"zhang", "a,b", long, "王五", "dot."} {
		got := f.account("one", name)
		if n := len(utf16.Encode([]rune(got))); got == "" || n > 20 || strings.ContainsAny(got, `"/\[]:;|=,+*?<>@`) || seen[got] {
			t.Errorf("account of %q is %q", name, got)
		}
		seen[got] = true
	}

	// Another tenant has a zhang, too, and both stay what they are.
	other := emptyFixture(t, f.dir)
	other.sink = other.open()
	other.state.tenant.ID = "two"
	zhang := other.state.user("zhang", "另", "")
	other.all()
	second := other.account("two", "zhang")
	if !strings.HasPrefix(second, "zhang~") {
		t.Errorf("account of the second zhang is %q, want one of its own", second)
	}
	f.sink = f.open(func(c *ldapsink.Config) { c.Removed = ldapsink.DeleteRemoved })
	f.must(f.state.status("zhang", orgsync.StatusRemoved))
	other.state.user("zhang", "另外", "")
	other.must(zhang)
	if got := other.account("two", "zhang"); got != second {
		t.Errorf("account was %q, and is %q after the first went", second, got)
	}
}

// TestAccountsStayDisabled: without enable_accounts nobody can sign in to the domain, and
// with it those to whom somebody gave a password.
func TestAccountsStayDisabled(t *testing.T) {
	t.Parallel()
	f := newTargetFixture(t, samba())
	zhang, li := f.state.user("zhang", "张三", ""), f.state.user("li", "李四", "")
	f.all()
	isOn := func(name string) bool {
		for _, e := range f.read("cn="+name+",ou=people,"+root, "userAccountControl") {
			return !isOff(e["userAccountControl"][0])
		}
		t.Fatalf("no entry of %s", name)
		return false
	}
	password := func(name string) {
		request := ldap.NewModifyRequest("cn="+name+",ou=people,"+root, nil)
		quoted := utf16.Encode([]rune(`"Correct-Horse-7"`))
		var b strings.Builder
		for _, unit := range quoted {
			b.WriteByte(byte(unit))
			b.WriteByte(byte(unit >> 8))
		}
		request.Replace("unicodePwd", []string{b.String()})
		if err := f.admin().Modify(request); err != nil {
			t.Fatal(err)
		}
	}
	password("zhang")
	f.modify("cn=zhang,ou=people,"+root, "userAccountControl", "512")
	f.must(zhang)
	if isOn("zhang") {
		t.Error("an account is enabled without enable_accounts")
	}
	f.sink = f.open(func(c *ldapsink.Config) { c.EnableAccounts = true })
	results, _ := f.converge(zhang, li)
	if !isOn("zhang") || isOn("li") {
		t.Errorf("enabled: zhang %v, li %v; want who has a password", isOn("zhang"), isOn("li"))
	}
	if r := results[li]; r.Err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "password") {
		t.Errorf("li: %+v, want success and a warning about the password", r)
	}
	f.must(f.state.status("zhang", orgsync.StatusDisabled))
	if isOn("zhang") {
		t.Error("the account of a disabled user is enabled")
	}
}

func ExampleParseDialect() {
	d, err := ldapsink.ParseDialect("389ds")
	fmt.Println(d, err)
	// Output: 389ds <nil>
}
