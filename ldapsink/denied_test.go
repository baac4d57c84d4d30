package ldapsink_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestAttributeDenied: an attribute that the account may not write is left out with a warning
// that names it; all others are written, also those of the same request, and come when the
// right does. So it is on a server that asks for the right to each attribute of a new entry.
func TestAttributeDenied(t *testing.T) {
	t.Parallel()
	for _, checksContent := range []bool{false, true} {
		t.Run(fmt.Sprintf("content %t", checksContent), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, peers.SlapdOptions{CheckContent: checksContent, Access: []string{
				`to attrs=title,mobile by dn.exact="` + peers.ServiceDN + `" read by * none`,
			}})
			f.must(f.state.user("li", "李四", ""))
			li := f.state.user("li", "李四", "", orgsync.AttrPosition, "工程师", orgsync.AttrMobile, "1", orgsync.AttrEmail, "li@example.org")
			zhang := f.state.user("zhang", "张三", "", orgsync.AttrPosition, "工程师", orgsync.AttrEmail, "zhang@example.org")
			results, _ := f.converge(li, zhang)
			warning := func(names ...string) (list []string) {
				for _, name := range names {
					list = append(list, name+" left out: the bind account may not write it; give it that right")
				}
				return list
			}
			want := map[orgsync.Key][]string{li: warning("mobile", "title"), zhang: nil}
			if checksContent {
				want[zhang] = warning("title")
			}
			for _, k := range []orgsync.Key{li, zhang} {
				if r := results[k]; r.Err != nil || cmp.Diff(want[k], r.Warnings) != "" {
					t.Errorf("%s: %v, warnings %q, want %q", k, r.Err, r.Warnings, want[k])
				}
			}
			got := f.read("ou=people,"+root, "mail", "title")
			for _, name := range []string{"li", "zhang"} {
				if mail := got["uid="+name+",ou=people,"+root]["mail"]; len(mail) != 1 {
					t.Errorf("%s: mail is %v", name, mail)
				}
			}
			whole, err := f.sink.Reconcile(t.Context(), f.state, ldapsink.WholeOptions{})
			if err != nil || len(whole.Reports) > 0 || len(whole.Warnings) < 2 {
				t.Errorf("Reconcile: %v, reports %v, warnings %v", err, whole.Reports, whole.Warnings)
			}
			f.setAccess("to attrs=userPassword by anonymous auth", `to * by dn.exact="`+peers.ServiceDN+`" write by users read`)
			f.reconcile(ldapsink.WholeOptions{})
			if title := f.read("uid=li,ou=people,"+root, "title")["uid=li,ou=people,"+root]["title"]; len(title) != 1 {
				t.Errorf("with the right given back, the title is %v", title)
			}
		})
	}
}

// setAccess replaces the rules of the server.
func (f *fixture) setAccess(rules ...string) {
	f.t.Helper()
	conn := f.admin()
	if err := conn.Bind("cn=admin,cn=config", "config"); err != nil {
		f.t.Fatal(err)
	}
	request := ldap.NewModifyRequest("olcDatabase={1}mdb,cn=config", nil)
	request.Replace("olcAccess", rules)
	if err := conn.Modify(request); err != nil {
		f.t.Fatal(err)
	}
}

// TestDeniedIsLearnt: what was denied on one user is not tried again for each of the others.
func TestDeniedIsLearnt(t *testing.T) {
	t.Parallel()
	f := emptyFixture(t, nil)
	f.sink = f.open()
	const users = 40
	var keys []orgsync.Key
	for n := range users {
		keys = append(keys, f.state.user(fmt.Sprintf("user%02d", n), "名", ""))
	}
	f.all()
	for n := range users {
		f.state.user(fmt.Sprintf("user%02d", n), "名", "", orgsync.AttrPosition, "工程师", orgsync.AttrEmail, "a@example.org", orgsync.AttrWorkPlace, "上海")
	}
	sent := 0
	f.memory.Fault(func(o ldapsink.Operation) (before, after error) {
		sent++
		_, isAdded := o.Attributes["title"]
		if isAdded || slices.ContainsFunc(o.Changes, func(c ldapsink.Change) bool { return c.Name == "title" }) {
			return ldap.NewError(ldap.LDAPResultInsufficientAccessRights, errors.New("")), nil
		}
		return nil, nil
	})
	check := func(what string, most int) {
		t.Helper()
		sent = 0
		results, _ := f.converge(keys...)
		for _, k := range keys {
			if r := results[k]; r.Err != nil || len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], "title left out") {
				t.Errorf("%s: %s: %v, warnings %q", what, k, r.Err, r.Warnings)
			}
		}
		if sent > most {
			t.Errorf("%s: %d requests for %d users, want at most %d", what, sent, users, most)
		}
	}
	check("changed", 2*users+4*4) // the first of each of four connections finds it out
	keys = nil
	for n := range users {
		keys = append(keys, f.state.user(fmt.Sprintf("other%02d", n), "名", "", orgsync.AttrPosition, "工程师", orgsync.AttrEmail, "a@example.org"))
	}
	check("added", 2*users+4*12+1) // and the members of a group
}

// TestAccessIsNeverLeftOut: what takes access away is no value to do without.
func TestAccessIsNeverLeftOut(t *testing.T) {
	t.Parallel()
	kind := targets()[3]
	f := newTargetFixture(t, kind)
	zhang := f.state.user("zhang", "张三", "")
	f.must(zhang, orgsync.Key{Kind: orgsync.TenantKey})
	deny := `(targetattr="nsAccountLock")(version 3.0; acl "no locks"; deny (write) userdn="ldap:///` + peers.ServiceDN + `";)`
	request := ldap.NewModifyRequest(peers.BaseDN, nil)
	request.Add("aci", []string{deny})
	if err := f.admin().Modify(request); err != nil {
		t.Fatal(err)
	}
	f.state.status("zhang", orgsync.StatusDisabled)
	results, _ := f.converge(zhang)
	err := results[zhang].Err
	if err == nil || errors.Is(err, orgsync.ErrRejected) || !strings.Contains(err.Error(), "the right to write nsAccountLock of uid=zhang,ou=people,"+root) {
		t.Errorf("%s: %v, want it tried again and the right named", zhang, err)
	}
}
