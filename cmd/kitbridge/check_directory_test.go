package main

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// TestCheckDirectory: check says what the server can do and who does not fit, and writes
// nothing.
func TestCheckDirectory(t *testing.T) {
	t.Parallel()
	w, d := directoryWorld(t, "")
	conn := dialAdmin(t, d)
	tenant := "sink corp: tenant " + string(demoTenant)
	_, got, _ := runHere(t, "check", "--config", w.config)
	for _, want := range []string{
		"ok       sink corp: rights: to add, read, change, rename, move and delete entries below " + peers.BaseDN + "\n",
		"ok       sink corp: server: openldap, dialect openldap (by what it says of itself, and tried); entries are known again by entryUUID;",
		"ok       sink corp: schema: it has all object classes and attributes\n",
		"ok       " + tenant + ": everything fits\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("check lacks %q:\n%s", want, got)
		}
	}
	in := ldap.NewAddRequest("uid=zhaolei,ou=people,"+demoRoot, nil)
	in.Attribute("objectClass", []string{"inetOrgPerson"})
	in.Attribute("cn", []string{"old"})
	in.Attribute("sn", []string{"old"})
	if err := conn.Del(ldap.NewDelRequest(in.DN, nil)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Add(in); err != nil {
		t.Fatal(err)
	}
	before := contents(t, conn)[in.DN]
	if _, got, _ = runHere(t, "check", "--config", w.config); !strings.Contains(got, "WARNING  "+tenant+": user zhaolei: ") {
		t.Errorf("check does not say who does not fit:\n%s", got)
	}
	if after := contents(t, conn)[in.DN]; strings.Join(before, " ") != strings.Join(after, " ") {
		t.Errorf("check wrote: %v, then %v", before, after)
	}
}

// TestCheckDirectoryRights: a right that lacks is a fault, and named; nothing stays.
func TestCheckDirectoryRights(t *testing.T) {
	t.Parallel()
	w, d := directoryWorld(t, "")
	conn := dialAdmin(t, d)
	before := contents(t, conn)
	if err := conn.Bind("cn=admin,cn=config", "config"); err != nil {
		t.Fatal(err)
	}
	request := ldap.NewModifyRequest("olcDatabase={1}mdb,cn=config", nil)
	request.Add("olcAccess", []string{`{0}to attrs=title by dn.exact="` + peers.ServiceDN + `" read by * break`})
	if err := conn.Modify(request); err != nil {
		t.Fatal(err)
	}
	code, got, _ := runHere(t, "check", "--config", w.config)
	for _, want := range []string{
		"FAULT    sink corp: right to change users: title below " + peers.BaseDN + ": modify uid=probe-",
		"Insufficient Access Rights (50); give the bind account write access: the right to write title of uid=probe-",
	} {
		if code != exitFailed || !strings.Contains(got, want) {
			t.Errorf("check: exit %d, lacks %q:\n%s", code, want, got)
		}
	}
	if err := conn.Bind(peers.AdminDN, peers.AdminPassword); err != nil {
		t.Fatal(err)
	}
	after := contents(t, conn)
	delete(before, peers.BaseDN) // its contextCSN counts the writes
	delete(after, peers.BaseDN)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("check left behind (-before +after):\n%s", diff)
	}
}
