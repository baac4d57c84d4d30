//go:build integration

package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// The base of docs/directory-openldap.md.
const customersDN = "ou=customers," + peers.BaseDN

// prepareAsDocumented does what docs/directory-openldap.md says, to an empty database.
func prepareAsDocumented(t *testing.T, d *peers.Directory) {
	t.Helper()
	page, err := os.ReadFile("../docs/directory-openldap.md")
	if err != nil {
		t.Fatal(err)
	}
	empty := exec.CommandContext(t.Context(), "ldapdelete", "-x", "-r", "-H", d.URL(), "-D", peers.AdminDN, "-w", peers.AdminPassword, peers.BaseDN)
	if out, err := empty.CombinedOutput(); err != nil {
		t.Fatalf("ldapdelete: %v\n%s", err, out)
	}
	for _, block := range regexp.MustCompile("(?s)```ldif\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		account, password := peers.AdminDN, peers.AdminPassword
		if strings.Contains(block[1], "olcDatabase") {
			account, password = "cn=admin,cn=config", "config"
		}
		c := exec.CommandContext(t.Context(), "ldapmodify", "-x", "-H", d.URL(), "-D", account, "-w", password)
		c.Stdin = strings.NewReader(block[1])
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("ldapmodify: %v\n%s\n%s", err, out, block[1])
		}
	}
}

// populated puts what an administrator kept by hand until now into the directory: two of
// three users, elsewhere than kitbridge would put them, a department, and a printer.
func populated(t *testing.T, conn *ldap.Conn, tenant string) {
	t.Helper()
	for _, e := range []struct {
		dn string
		entry
	}{
		{"ou=" + tenant, entry{"objectClass": {"organizationalUnit"}, "l": {"上海"}}},
		{"ou=staff,ou=" + tenant, entry{"objectClass": {"organizationalUnit"}}},
		{"uid=zhangsan,ou=staff,ou=" + tenant, entry{
			"objectClass": {"inetOrgPerson"}, "cn": {"Zhang San"}, "sn": {"Zhang"}, "telephoneNumber": {"+86 21 5555"}, "userPassword": {"{SSHA}by-hand"},
		}},
		{"uid=lisi,ou=staff,ou=" + tenant, entry{"objectClass": {"inetOrgPerson"}, "cn": {"李四"}, "sn": {"李"}, "mail": {"old@example.com"}}},
		{"ou=departments,ou=" + tenant, entry{"objectClass": {"organizationalUnit"}}},
		{"ou=YH-01,ou=departments,ou=" + tenant, entry{"objectClass": {"organizationalUnit"}, "telephoneNumber": {"5556"}}},
		{"cn=lp0,ou=YH-01,ou=departments,ou=" + tenant, entry{"objectClass": {"device"}}},
	} {
		request := ldap.NewAddRequest(e.dn+","+customersDN, nil)
		for attribute, values := range e.entry {
			request.Attribute(attribute, values)
		}
		if err := conn.Add(request); err != nil {
			t.Fatalf("add %s: %v", e.dn, err)
		}
	}
}

// consoleSession is a command of the page, its exit code and some lines of what it prints.
type consoleSession struct {
	args  []string
	lines []string
}

// consoleSessions are the commands that docs/directory.md shows.
func consoleSessions(t *testing.T) (list []consoleSession) {
	t.Helper()
	page, err := os.ReadFile("../docs/directory.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSuffix(line, "\n")
			if command, is := strings.CutPrefix(line, "$ kitbridge "); is {
				list = append(list, consoleSession{args: strings.Fields(command)})
			} else if line != "…" {
				list[len(list)-1].lines = append(list[len(list)-1].lines, line)
			}
		}
	}
	return list
}

// TestStartInADirectoryInUse does what docs/directory.md shows under that title, with the
// binary and a directory that somebody kept by hand, and it prints what the page says. What
// was there before survives, and serve has then nothing to do.
func TestStartInADirectoryInUse(t *testing.T) {
	t.Parallel()
	d := peers.Slapd(t, peers.SlapdOptions{AsPackaged: true})
	prepareAsDocumented(t, d)
	conn := openDirectory(t, d.URL())
	b := newBuyer("yuanhang")
	b.name = "远航物流"
	b.departments["YH-01"] = department{name: "运营中心"}
	b.departments["YH-02"] = department{name: "财务部"}
	b.users["zhangsan"] = user{name: "张三", orgCode: "YH-01", role: "user", email: "zhangsan@yuanhang.example"}
	b.users["lisi"] = user{name: "李四", orgCode: "YH-02", role: "admin", email: "李四@yuanhang.example"}
	b.users["wangwu"] = user{name: "王五", orgCode: "YH-02", role: "user"}
	populated(t, conn, b.id)
	bridge := startBridge(t, "sinks: []\n")
	for _, m := range b.binding(t, anHourAgo()) {
		if got := bridge.push(t, m.name, m.body); got.Code != accepted {
			t.Fatalf("%s answered %+v", m.name, got)
		}
	}
	bridge.Stop()
	bridge.addSink(t, d.URL())

	before := search(t, conn, customersDN, "*", "+")
	sessions := consoleSessions(t)
	if len(sessions) < 5 {
		t.Fatalf("docs/directory.md shows %d commands", len(sessions))
	}
	for _, c := range sessions {
		// Its auth centre, which is none, is a fault to check.
		code := map[string]int{"check": 1, "plan": 3}[c.args[0]]
		if slices.Contains(c.lines, "nothing to do (compared: 1 tenant and sink)") {
			code = 0
		}
		for i, arg := range c.args {
			if arg == "plan.json" {
				c.args[i] = filepath.Join(bridge.dir, "plan.json")
			}
		}
		if c.args[0] == "reconcile" { // nothing was touched until now
			if diff := cmp.Diff(before, search(t, conn, customersDN, "*", "+")); diff != "" {
				t.Errorf("before %v (-was +is):\n%s", c.args, diff)
			}
		}
		out := strings.Split(bridge.exits(t, code, c.args...), "\n")
		for _, want := range c.lines {
			i := slices.Index(out, want)
			if i < 0 {
				t.Errorf("kitbridge %s does not print %q; it prints:\n%s", strings.Join(c.args, " "), want, strings.Join(out, "\n"))
				continue
			}
			out = out[i+1:]
		}
	}
	bridge.keptByHand(t, conn, b)
	bridge.Start()
	await(t, 30*time.Second, func() string {
		if n := bridge.status(t).pending(); n > 0 {
			return fmt.Sprintf("%d keys pending", n)
		}
		return ""
	})
	bridge.exits(t, 0, "plan")
	bridge.keptByHand(t, conn, b)
}

// addSink adds a sink to the configuration, as the page has it.
func (b *bridge) addSink(t *testing.T, url string) {
	t.Helper()
	file := filepath.Join(b.dir, "kitbridge.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sink := fmt.Sprintf("sinks:\n  - name: corp\n    type: ldap\n    url: %q\n    bind_dn: %q\n    bind_password: choose-one\n    base_dn: %q\n    tenants: [\"*\"]\n",
		url, peers.ServiceDN, customersDN)
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "sinks: []\n", sink, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// keptByHand: what the administrator had is there, on the entries that are kitbridge's now,
// and beside them.
func (b *bridge) keptByHand(t *testing.T, conn *ldap.Conn, of *buyer) {
	t.Helper()
	root := "ou=" + of.id + "," + customersDN
	got := search(t, conn, root, "*")
	for dn, want := range map[string]entry{
		root: {"l": {"上海"}, "description": {"远航物流"}},
		"uid=zhangsan,ou=people," + root: {
			"cn": {"张三"}, "mail": {"zhangsan@yuanhang.example"}, "telephoneNumber": {"+86 21 5555"}, "userPassword": {"{SSHA}by-hand"},
		},
		"uid=lisi,ou=people," + root:             {"cn": {"李四"}, "mail": nil},
		"uid=wangwu,ou=people," + root:           {"cn": {"王五"}},
		"ou=YH-01,ou=departments," + root:        {"telephoneNumber": {"5556"}, "description": {"运营中心"}},
		"cn=lp0,ou=YH-01,ou=departments," + root: {"objectClass": {"device"}},
		"ou=staff," + root:                       {"ou": {"staff"}},
		"cn=YH-01,ou=groups," + root:             {"member": {"uid=zhangsan,ou=people," + root}},
		"cn=admin,ou=roles," + root:              {"member": {"uid=lisi,ou=people," + root}},
	} {
		for attribute, values := range want {
			if diff := cmp.Diff(values, got[dn][attribute]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", dn, attribute, diff)
			}
		}
	}
}
