package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/internal/peers"
)

// directoryWorld runs a bridge with a directory, and the first demonstration buyer in it.
func directoryWorld(t *testing.T, options string) (*world, *peers.Directory) {
	t.Helper()
	d := peers.Slapd(t, peers.SlapdOptions{})
	w := startWorldOn(t, withDirectory(d, options))
	if err := w.send(t.Context(), market.DemoBuyers()[0].Binding()...); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w, d
}

// withDirectory is the world's configuration with one more sink.
func withDirectory(d *peers.Directory, options string) string {
	sink := `
  - {name: corp, type: ldap, url: "` + d.URL() + `", bind_dn: "` + peers.ServiceDN + `", bind_password: "` + peers.ServicePassword + `", base_dn: "` + peers.BaseDN + `", tenants: ["*"]` + options + `}`
	return strings.Replace(worldYAML, `url: "sqlite:product.db"}`, `url: "sqlite:product.db"}`+sink, 1)
}

const demoRoot = "ou=68cbc86abc2018ab880d92f36422fa0e," + peers.BaseDN

func dialAdmin(t *testing.T, d *peers.Directory) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(d.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind(peers.AdminDN, peers.AdminPassword); err != nil {
		t.Fatal(err)
	}
	return conn
}

// sabotage does to the directory what people do by hand, and makes an entry and an
// attribute that are to survive.
func sabotage(t *testing.T, conn *ldap.Conn) {
	t.Helper()
	title := ldap.NewModifyRequest("uid=lisi,ou=people,"+demoRoot, nil)
	title.Replace("title", []string{"boss\x1b[31m\u202e"})
	title.Replace("roomNumber", []string{"A-101"})
	printer := ldap.NewAddRequest("cn=printer,ou=20000,ou=departments,"+demoRoot, nil)
	printer.Attribute("objectClass", []string{"device"})
	for _, err := range []error{
		conn.Modify(title), conn.Add(printer),
		conn.Del(ldap.NewDelRequest("uid=zhaolei,ou=people,"+demoRoot, nil)),
		conn.ModifyDN(ldap.NewModifyDNRequest("uid=wangfang,ou=people,"+demoRoot, "uid=fang", true, "")),
		conn.ModifyDN(ldap.NewModifyDNRequest("ou=20200,ou=20000,ou=departments,"+demoRoot, "ou=20200", true, "ou=departments,"+demoRoot)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// contents is what the directory holds, with what tells of a write.
func contents(t *testing.T, conn *ldap.Conn) map[string][]string {
	t.Helper()
	found, err := conn.Search(ldap.NewSearchRequest(peers.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"entryCSN", "contextCSN", "roomNumber"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, e := range found.Entries {
		all[e.DN] = append(e.GetAttributeValues("entryCSN"), append(e.GetAttributeValues("contextCSN"), e.GetAttributeValues("roomNumber")...)...)
	}
	return all
}

// TestPlan: an equal directory has an empty plan; sabotage is named, each of it, and nothing
// is written. What ldapmodify makes of the LDIF leaves only to adopt.
func TestPlan(t *testing.T) {
	t.Parallel()
	w, d := directoryWorld(t, "")
	if got := w.command(t, exitOK, "plan"); !strings.HasPrefix(got, "nothing to do (compared: 2 tenants and sinks)\n") {
		t.Errorf("plan of what is equal: %s", got)
	}
	conn := dialAdmin(t, d)
	sabotage(t, conn)
	before := contents(t, conn)
	text := w.command(t, codePlanned, "plan", "--sink", "corp")
	for _, want := range []string{
		"sink corp, tenant 68cbc86abc2018ab880d92f36422fa0e 晨光制造: users: 1 add, 1 rename, 1 modify; departments: 1 rename",
		"1 entry of others among them, never changed",
		"  add     user zhaolei  uid=zhaolei,ou=people,",
		"  rename  user wangfang  uid=fang,ou=people,",
		"  modify  user lisi  uid=lisi,ou=people,",
		"            title: replace \"高级工程师\"\n",
		"  rename  department 20200  ou=20200,ou=departments," + demoRoot + " -> ou=20200,ou=20000,ou=departments," + demoRoot + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	var saved savedPlan
	if err := json.Unmarshal([]byte(w.command(t, codePlanned, "plan", "--format", "json")), &saved); err != nil {
		t.Fatal(err)
	}
	if saved.Version != planVersion || len(saved.Plans) != 2 || saved.Operations < 4 || saved.Plans[0].Sink != "product" || !saved.Plans[1].needs() {
		t.Errorf("the JSON says %+v", saved)
	}
	ldif := w.command(t, codePlanned, "plan", "--sink", "corp", "--format", "ldif")
	if diff := cmp.Diff(before, contents(t, conn)); diff != "" {
		t.Errorf("plan wrote (-before +after):\n%s", diff)
	}
	modify := exec.CommandContext(t.Context(), "ldapmodify", "-x", "-H", d.URL(), "-D", peers.ServiceDN, "-w", peers.ServicePassword)
	modify.Stdin = strings.NewReader(ldif)
	if out, err := modify.CombinedOutput(); err != nil {
		t.Fatalf("ldapmodify: %v: %s\n%s", err, out, ldif)
	}
	after := w.command(t, codePlanned, "plan", "--sink", "corp", "--adopt")
	if !strings.HasPrefix(after, "nothing to do, 1 to adopt (compared: 1 tenant and sink)\n") || !strings.Contains(after, "  adopt   user zhaolei  uid=zhaolei,ou=people,") {
		t.Errorf("plan after ldapmodify: %s", after)
	}
}

// TestPlanFile: a plan in a file is whole, readable only by its owner, and not coloured.
func TestPlanFile(t *testing.T) {
	t.Parallel()
	w := startBoundWorld(t)
	name := filepath.Join(t.TempDir(), "plan.json")
	code, stdout, stderr := runHere(t, "plan", "--format", "json", "--out", name, "--config", w.config)
	if code != exitOK || stdout != "" || stderr != "nothing to do, written to "+name+"\n" {
		t.Errorf("exit %d, it printed %q and %q", code, stdout, stderr)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	p, err := readPlan(name)
	if err != nil || len(p.Plans) != 1 || len(p.Plans[0].Operations) != 0 || p.Plans[0].Compared.Users != 12 {
		t.Errorf("the file holds %+v, %v", p, err)
	}
	for _, args := range [][]string{{"plan", "--format", "xml"}, {"plan", "--format", "ldif"}, {"plan", "--sink", "nobody"}} {
		w.command(t, exitConfig, args...)
	}
	w.command(t, exitFailed, "plan", "--tenant", "nobody")
}

// TestPlanText: counts come first, what could move the cursor is written as its code, and
// colours are there only where they are wanted.
func TestPlanText(t *testing.T) {
	t.Parallel()
	from := "old\x07"
	list := []comparison{{
		Sink: "corp", Tenant: "t\u202e1", Name: "A\x1b[2J", Held: "deletes 60 of 70 users",
		Operations: []plannedOperation{
			{Op: "delete", Kind: "department", Name: "d", At: "ou=d"},
			{Op: "add", Kind: "user", Name: "li\nsi", At: "uid=li", Changes: []plannedChange{{Op: "add", Attribute: "cn", Values: []string{"x"}}}},
			{Op: "update", Kind: "user", Name: "u", At: "kit_user", Changes: []plannedChange{{Op: "replace", Attribute: "name", From: &from, Values: []string{"new"}}}},
		},
		Adopts:  []adoptedEntry{{"user", "a", "uid=a"}},
		Reports: []entryReport{{"user", "r", "its id is too long"}},
	}}
	var plain, coloured bytes.Buffer
	planText{&plain, false}.print(list, nil)
	planText{&coloured, true}.print(list, nil)
	want := `3 changes, 1 to adopt, 1 that cannot be done (compared: 1 tenant and sink)

sink corp, tenant t\u202e1 A\u001b[2J: users: 1 add, 1 update; departments: 1 delete
  there now: 0 users and 0 departments
  held: it deletes 60 of 70 users; reconcile asks, or wants --yes
  add     user li\u000asi  uid=li
  update  user u  kit_user
            name: "old\u0007" -> "new"
  delete  department d  ou=d
  adopt   user a  uid=a
  cannot  user r: its id is too long
`
	if diff := cmp.Diff(want, plain.String()); diff != "" {
		t.Errorf("plain (-want +got):\n%s", diff)
	}
	if !strings.Contains(coloured.String(), "\x1b[31mdelete \x1b[0m department") {
		t.Errorf("coloured: %q", coloured.String())
	}
	if isColoured(os.Stdout, lookup("NO_COLOR=1")) || isColoured(&plain, lookup()) {
		t.Error("it is coloured where nobody wants it")
	}
}
