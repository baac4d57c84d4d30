package ldapsink_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

func TestParseMappingFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, attribute, template, want string }{
		{"unknown field", "mail", "{mail}", "there is no field {mail}"},
		{"unknown filter", "mail", "{email|lowercase}", `no filter "lowercase"`},
		{"no end", "mail", "a{email", "{ without its }"},
		{"no beginning", "mail", "email}", "} without its {"},
		{"truncate without number", "mail", "{email|truncate}", "want a number"},
		{"hash too long", "mail", "{email|hash:65}", "want a number"},
		{"lower with argument", "mail", "{email|lower:3}", "no argument"},
		{"number beside text", "uidNumber", "u{userName|number:1-9}", "whole value"},
		{"number of another field", "uidNumber", "{email|number:1-9}", "stands alone"},
		{"number backwards", "uidNumber", "{userName|number:9-1}", "smallest"},
		{"password", "userPassword", "{userName}", "no passwords"},
		{"password of AD", "unicodePwd", "x", "no passwords"},
		{"name of the entry", "UID", "{email}", "known by"},
		{"switch", "nsAccountLock", "false", "sign in"},
		{"no attribute", "e mail", "x", "no name"},
		{"no class", "objectClass", "posix_account", "no name of an object class"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ldapsink.ParseMapping(map[string]string{tt.attribute: tt.template})
			fault, ok := errors.AsType[*ldapsink.MappingError](err)
			if !ok || fault.Attribute != tt.attribute || !strings.Contains(fault.Reason, tt.want) {
				t.Errorf("ParseMapping(%q: %q) = %v, want it to say %q", tt.attribute, tt.template, err, tt.want)
			}
		})
	}
	if _, err := ldapsink.ParseMapping(map[string]string{"mail": "x", "MAIL": "y"}); err == nil {
		t.Error("ParseMapping takes an attribute twice")
	}
}

// mapping is one that must be right.
func mapping(t testing.TB, attributes map[string]string) func(*ldapsink.Config) {
	t.Helper()
	m, err := ldapsink.ParseMapping(attributes)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *ldapsink.Config) { c.Mapping = m }
}

func TestMapping(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.state.user("Zhang", " 张三 ", "rd", orgsync.AttrEmail, "Zhang@Example.ORG", orgsync.AttrPosition, "工程师", orgsync.AttrMobile, "1")
	f.state.user("li", "李四", "")
	f.all()
	f.modify("uid=Zhang,ou=people,"+root, "mobile", "555")
	f.sink = f.open(mapping(t, map[string]string{
		"mail": "{email|lower}", "displayName": "{name|trim} ({position})", "description": "from {{kitbridge}}", "mobile": "",
		"initials": "{userName|upper|truncate:2}", "carLicense": "{userName|hash:8}", "sn": "{employeeCode}", "title": "{position}",
	}))
	f.all()
	got := f.read("ou=people,"+root, "mail", "displayName", "description", "mobile", "initials", "carLicense", "sn", "title")
	want := map[string]map[string][]string{
		"ou=people," + root: {},
		"uid=Zhang,ou=people," + root: {
			"mail": {"zhang@example.org"}, "displayName": {"张三 (工程师)"}, "description": {"from {kitbridge}"}, "mobile": {"555"},
			"initials": {"ZH"}, "carLicense": {"18af5ba2"}, "sn": {"张三 (工程师)"}, "title": {"工程师"},
		},
		"uid=li,ou=people," + root: {
			"displayName": {"李四 ()"}, "description": {"from {kitbridge}"}, "initials": {"LI"}, "carLicense": {"be0a46fa"}, "sn": {"李四"},
		},
	}
	got["uid=Zhang,ou=people,"+root]["carLicense"], got["uid=li,ou=people,"+root]["carLicense"] = nil, nil
	want["uid=Zhang,ou=people,"+root]["carLicense"], want["uid=li,ou=people,"+root]["carLicense"] = nil, nil
	want["uid=Zhang,ou=people,"+root]["sn"] = []string{" 张三 "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if planned := f.plan(ldapsink.WholeOptions{}); len(planned.Operations) > 0 {
		t.Errorf("planned again: %v", planned.Operations)
	}
}

func posix(t testing.TB, numbers string) func(*ldapsink.Config) {
	return mapping(t, map[string]string{
		"objectClass": "posixAccount", "uidNumber": "{userName|number:" + numbers + "}", "gidNumber": "100",
		"homeDirectory": "/home/{userName}", "loginShell": "/bin/bash",
	})
}

// uidNumbers are those of the people of a tenant by name.
func (f *fixture) uidNumbers(tenant string) map[string]int {
	f.t.Helper()
	out := map[string]int{}
	for dn, e := range f.read("ou=people,ou="+tenant+","+peers.BaseDN, "uid", "uidNumber") {
		if len(e["uid"]) == 0 {
			continue
		}
		n, err := strconv.Atoi(strings.Join(e["uidNumber"], "|"))
		if err != nil {
			f.t.Errorf("%s: uidNumber %v", dn, e["uidNumber"])
		}
		out[e["uid"][0]] = n
	}
	return out
}

// TestNumbers: numbers are unique over all tenants, fit into their range though it is
// narrow, and stay what they are.
func TestNumbers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{}, posix(t, "1000-1039"))
	other := emptyFixture(t, f.dir)
	other.sink, other.state.tenant.ID = f.sink, "t2"
	f.add("uid=root,"+peers.BaseDN, "objectClass", "account", "objectClass", "posixAccount", "uid", "root", "cn", "r",
		"uidNumber", "1007", "gidNumber", "0", "homeDirectory", "/")
	for n := range 20 {
		f.state.user(fmt.Sprint("a", n), "某", "")
		if n < 18 {
			other.state.user(fmt.Sprint("b", n), "某", "")
		}
	}
	done := make(chan error, 2)
	for _, s := range []*state{f.state, other.state} { // at the same time, as lanes do
		go func() {
			_, err := f.sink.Converge(t.Context(), s, s.keys())
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	one, two := f.uidNumbers("t1"), f.uidNumbers("t2")
	seen := map[int]bool{1007: true}
	for _, list := range []map[string]int{one, two} {
		for name, n := range list {
			if n < 1000 || n > 1039 || seen[n] {
				t.Errorf("uidNumber of %s is %d", name, n)
			}
			seen[n] = true
		}
	}
	if len(one) != 20 || len(two) != 18 {
		t.Errorf("%d and %d users, want 20 and 18", len(one), len(two))
	}
	if writes := f.all(); len(writes) > 0 {
		t.Errorf("wrote %v again", writes)
	}
	if planned := f.plan(ldapsink.WholeOptions{}); len(planned.Operations) > 0 {
		t.Errorf("planned again: %v", planned.Operations)
	}
	// One more than there are: the user is not lost for it.
	f.state.user("a20", "某", "")
	f.state.user("a21", "某", "")
	last := []orgsync.Key{userKey("a20"), userKey("a21")}
	results, _ := f.converge(last...)
	warned := slices.ContainsFunc(last, func(k orgsync.Key) bool { return len(results[k].Warnings) > 0 })
	if results[last[0]].Err != nil || results[last[1]].Err != nil || !warned {
		t.Errorf("results are %+v, want both there and a warning", results)
	}
	delete(f.state.users, "a20")
	delete(f.state.users, "a21")
	// A number that somebody changed to one that is taken is changed back to a free one.
	f.modify("uid=a1,ou=people,"+root, "uidNumber", strconv.Itoa(one["a0"]))
	f.reconcile(ldapsink.WholeOptions{})
	after := f.uidNumbersOf("a0", "a1")
	if after["a0"] == after["a1"] {
		t.Errorf("a0 and a1 have the same number %v", after)
	}
}

func (f *fixture) uidNumbersOf(names ...string) map[string]string {
	f.t.Helper()
	out := map[string]string{}
	for _, name := range names {
		dn := "uid=" + name + ",ou=people," + root
		out[name] = strings.Join(f.read(dn, "uidNumber")[dn]["uidNumber"], "|")
	}
	return out
}
