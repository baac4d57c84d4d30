//go:build integration

package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// writesOf says how much was ever written to a server, by the server's own account: an entry
// that was added and deleted again counts, too.
func (k directoryKind) writesOf(t testing.TB, d *peers.Directory) string {
	t.Helper()
	conn := dialDirectory(t, d)
	defer conn.Close() //nolint:errcheck // only read
	read := func(base string, scope int, filter string, attributes ...string) []*ldap.Entry {
		found, err := conn.Search(ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil))
		if err != nil || len(found.Entries) == 0 {
			t.Fatalf("counters of %s: %v", k.name, err)
		}
		return found.Entries
	}
	var counts []string
	switch {
	case k.isAD:
		counts = append(counts, read("", ldap.ScopeBaseObject, "(objectClass=*)", "highestCommittedUSN")[0].GetAttributeValue("highestCommittedUSN"))
	case k.isApart:
		for _, e := range read("cn=Operations,cn=Monitor", ldap.ScopeSingleLevel, "(|(cn=Add)(cn=Modify)(cn=Modrdn)(cn=Delete))", "monitorOpCompleted") {
			counts = append(counts, e.DN+": "+e.GetAttributeValue("monitorOpCompleted"))
		}
	default:
		names := []string{"addentryops", "removeentryops", "modifyentryops", "modifyrdnops"}
		e := read("cn=snmp,cn=monitor", ldap.ScopeBaseObject, "(objectClass=*)", names...)[0]
		for _, name := range names {
			counts = append(counts, name+" "+e.GetAttributeValue(name))
		}
	}
	slices.Sort(counts)
	return strings.Join(counts, ", ")
}

// withMonitor makes an OpenLDAP count its operations (slapd-monitor(5)).
func withMonitor(t testing.TB, d *peers.Directory) {
	t.Helper()
	conn := dialDirectory(t, d)
	module := ldap.NewModifyRequest("cn=module{0},cn=config", nil)
	module.Add("olcModuleLoad", []string{"back_monitor"})
	database := ldap.NewAddRequest("olcDatabase=monitor,cn=config", nil)
	database.Attribute("objectClass", []string{"olcDatabaseConfig", "olcMonitorConfig"})
	database.Attribute("olcDatabase", []string{"monitor"})
	database.Attribute("olcAccess", []string{fmt.Sprintf("to * by dn.exact=%q read by * none", peers.AdminDN)})
	if err := errors.Join(conn.Bind("cn=admin,cn=config", "config"), conn.Modify(module), conn.Add(database)); err != nil {
		t.Fatal(err)
	}
}

// awkwardBuyer has three users in three departments, with names that are hard.
func awkwardBuyer(id string) *buyer {
	b := newBuyer(id)
	b.departments["hq"] = department{name: `总部 ,+"\<>;=#`}
	b.departments[`r&d,"e=1"`] = department{name: "  研发Ａ ", parent: "hq"}
	b.departments["qa"] = department{name: "研发A", parent: `r&d,"e=1"`}
	for n, name := range []string{"zhang", "张,三", "li", "wang", "sun"} {
		b.users[name] = user{name: displayName(n), orgCode: "qa", role: []string{"admin", "user"}[n%2], standing: userEnabled, position: "工程师", mobile: "13800138000"}
	}
	return b
}

// TestPlanOnServers: on every kind of server, in both layouts: the plan of an equal directory is
// empty and writes nothing, nor does a reconciliation; what somebody renames, deletes, moves and
// changes by hand is named, each; a saved plan is refused once the directory changed; reconcile
// heals it all, and lets be what is not ours.
func TestPlanOnServers(t *testing.T) {
	t.Parallel()
	for _, k := range directoryKinds() {
		for _, layout := range []string{"people", "tree"} {
			t.Run(k.name+" "+layout, func(t *testing.T) {
				t.Parallel()
				k := k
				k.memberOf = k.memberOf && layout == "people"
				planOnServer(t, k, layout)
			})
		}
	}
}

func planOnServer(t *testing.T, k directoryKind, layout string) {
	d := k.start(t)
	if k.isApart {
		withMonitor(t, d)
	}
	s := &scene{bridge: startBridge(t, "sinks:\n"+directorySink("corp", d, layout, "")), directory: d.URL()}
	const tenant = "33333333333333333333333333333333"
	b := awkwardBuyer(tenant)
	s.deliver(t, b.binding(t, anHourAgo())...)
	s.quiet(t)
	s.Stop()

	const nothing = "nothing to do"
	before := k.writesOf(t, d)
	if got := s.exits(t, 0, "plan"); !strings.Contains(got, nothing) {
		t.Errorf("plan of an equal directory: %s", got)
	}
	if after := k.writesOf(t, d); after != before {
		t.Errorf("plan wrote: %s, then %s", before, after)
	}
	if got := s.exits(t, 0, "reconcile"); !strings.Contains(got, "equal, "+nothing) {
		t.Errorf("reconcile of an equal directory: %s", got)
	}
	before = k.writesOf(t, d)
	s.exits(t, 0, "reconcile")
	if after := k.writesOf(t, d); after != before {
		t.Errorf("reconcile of an equal directory wrote: %s, then %s", before, after)
	}

	conn := dialDirectory(t, d)
	equal := k.readHolding(t, conn, tenant, isTheirs)
	if len(equal.Users) != 5 || len(equal.Departments) != 3 {
		t.Fatalf("the directory holds %v", equal)
	}
	v := &vandal{t: t, kind: k, conn: conn, root: "ou=" + tenant + "," + peers.BaseDN, layout: layout}
	v.ruin()
	text := s.exits(t, 3, "plan")
	for _, want := range v.named {
		if !strings.Contains(text, want) {
			t.Errorf("the plan lacks %q:\n%s", want, text)
		}
	}
	file := filepath.Join(t.TempDir(), "plan.json")
	s.exits(t, 3, "plan", "--format", "json", "--out", file)
	v.modify(v.user("sun"), "title", "changed meanwhile")
	before = k.writesOf(t, d)
	if got := s.exits(t, 1, "reconcile", "--plan-file", file); !strings.Contains(got, "nothing was done") {
		t.Errorf("reconcile with a plan that is not true any more: %s", got)
	}
	if after := k.writesOf(t, d); after != before {
		t.Errorf("it was done nonetheless: %s, then %s", before, after)
	}
	s.exits(t, 3, "plan", "--format", "json", "--out", file)
	s.exits(t, 0, "reconcile", "--plan-file", file)
	s.exits(t, 0, "plan")
	var plan struct {
		Operations int `json:"operations"`
	}
	if err := json.Unmarshal([]byte(s.exits(t, 0, "plan", "--format", "json")), &plan); err != nil || plan.Operations != 0 {
		t.Errorf("the plan as JSON: %d operations, %v", plan.Operations, err)
	}
	mustEqual(t, "the directory after it was healed", equal, k.readHolding(t, conn, tenant, isTheirs))
	v.keptTheirs()
}

// vandal does to a directory what people do by hand.
type vandal struct {
	t      testing.TB
	kind   directoryKind
	conn   *ldap.Conn
	root   string
	layout string
	named  []string // what a plan says of it
}

func (v *vandal) home() string {
	if v.layout == "people" {
		return "ou=people," + v.root
	}
	return `ou=qa,ou=r&d\2C\22e\3D1\22,ou=hq,ou=departments,` + v.root
}

func (v *vandal) user(name string) string {
	return v.kind.userRDN + "=" + ldap.EscapeDN(name) + "," + v.home()
}

func (v *vandal) must(what string, err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatalf("%s: %v", what, err)
	}
}

func (v *vandal) modify(dn, attribute string, values ...string) {
	v.t.Helper()
	request := ldap.NewModifyRequest(dn, nil)
	request.Replace(attribute, values)
	v.must("modify "+dn, v.conn.Modify(request))
}

func (v *vandal) ruin() {
	v.t.Helper()
	rename := func(dn, rdn, above string) {
		v.t.Helper()
		v.must("rename "+dn, v.conn.ModifyDN(ldap.NewModifyDNRequest(dn, rdn, true, above)))
	}
	// What is theirs.
	for dn, classes := range map[string][]string{"ou=printers," + v.root: {"organizationalUnit"}, "cn=hand device,ou=groups," + v.root: {"device"}} {
		request := ldap.NewAddRequest(dn, nil)
		request.Attribute("objectClass", classes)
		v.must("add "+dn, v.conn.Add(request))
	}
	v.modify(v.user("wang"), "telephoneNumber", byHand)
	// What is ours.
	v.must("delete zhang", v.conn.Del(ldap.NewDelRequest(v.user("zhang"), nil)))
	rename(v.user("li"), v.kind.userRDN+"=lo", "")
	v.modify(v.user("wang"), "title", "somebody else")
	rename(v.user("张,三"), v.kind.userRDN+`=张\2C三`, "ou=pending,"+v.root)
	v.modify("ou=hq,ou=departments,"+v.root, "description", "renamed by hand")
	group := ldap.NewModifyRequest("cn=admin,ou=roles,"+v.root, nil)
	group.Delete("member", []string{v.user("sun")})
	v.must("take sun out of the group", v.conn.Modify(group))
	v.named = []string{
		"add     user zhang  ", "rename  user li  ", "modify  user wang  ", `title: replace "工程师"`,
		"rename  user 张,三  ", "modify  department hq  ", "modify  role admin  ",
	}
	if v.layout == "people" { // users do not stand in the way
		rename(`ou=qa,ou=r&d\2C\22e\3D1\22,ou=hq,ou=departments,`+v.root, "ou=qa", "ou=departments,"+v.root)
		v.named = append(v.named, "rename  department qa  ")
	}
}

func (v *vandal) keptTheirs() {
	v.t.Helper()
	found := map[string]string{}
	for _, e := range readPaged(v.t, v.conn, v.root, "telephoneNumber", "uid") {
		at := plainName(v.t, e.DN, v.root)
		if isTheirs(at) {
			found[at] = "there"
		}
		if e.GetAttributeValue("uid") == "wang" {
			found["wang"] = e.GetAttributeValue("telephoneNumber")
		}
	}
	mustEqual(v.t, "what was made by hand", map[string]string{"ou=printers": "there", "cn=hand device < ou=groups": "there", "wang": byHand}, found)
}
