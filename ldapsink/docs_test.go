package ldapsink_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// The account and the base of the pages.
const (
	syncDN       = peers.ServiceDN
	syncPassword = "choose-one"
	customers    = "ou=customers," + peers.BaseDN
)

// guide is a page of the documentation about a kind of server.
type guide struct {
	page  string
	kind  string // name of a target
	start func(testing.TB) *peers.Directory
	// suffix, if not empty, ends the name of the base, so that the page can be applied more
	// than once.
	suffix string
}

// named puts the suffix to the name.
func (g guide) named(text string) string {
	if g.suffix == "" {
		return text
	}
	return regexp.MustCompile(`\b(customers)\b`).ReplaceAllString(text, "${1}"+g.suffix)
}

func guides() []guide {
	return []guide{
		{page: "directory-openldap.md", kind: "OpenLDAP", start: func(t testing.TB) *peers.Directory {
			return peers.Slapd(t, peers.SlapdOptions{NoSync: true, AsPackaged: true})
		}},
		{page: "directory-389ds.md", kind: "389DS", start: func(t testing.TB) *peers.Directory {
			return peers.DS389(t, peers.DS389Options{NoSync: true})
		}},
		{page: "directory-ad.md", kind: "Samba", start: func(t testing.TB) *peers.Directory { return peers.Samba(t) }},
	}
}

// target is what an outsider knows of the kind of server.
func (g guide) target() target {
	all := targets()
	return all[slices.IndexFunc(all, func(k target) bool { return k.name == g.kind })]
}

// blocks are what the page says to do: LDIF, and scripts.
func (g guide) blocks(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/" + g.page)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, block := range regexp.MustCompile("(?s)```(?:ldif|sh)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		list = append(list, block[1])
	}
	if len(list) == 0 {
		t.Fatalf("%s says nothing to do", g.page)
	}
	return list
}

// bare takes away what the pages add and the server of a test has from the start: the account,
// where it stands, and its rights.
func (g guide) bare(t *testing.T, dir *peers.Directory) {
	t.Helper()
	services := "ou=services," + peers.BaseDN
	if g.kind == "Samba" {
		dir.Administer(`samba-tool ou delete --force-subtree-delete "` + services + `"`)
		return
	}
	account := []string{"-x", "-H", dir.URL(), "-D", peers.AdminDN, "-w", peers.AdminPassword}
	if g.kind == "OpenLDAP" { // that page begins with an empty database
		g.run(t, "ldapdelete", append(account, "-r", peers.BaseDN), "")
		return
	}
	g.run(t, "ldapdelete", append(account, "-r", services), "")
	g.run(t, "ldapmodify", account, "dn: "+peers.BaseDN+"\nchangetype: modify\ndelete: aci\n")
}

// run gives a command its input.
func (g guide) run(t *testing.T, name string, args []string, input string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %s: %v\n%s\n%s", g.page, name, err, out, input)
	}
}

// apply does what the page says, as the administrator, with something of it replaced.
func (g guide) apply(t *testing.T, dir *peers.Directory, instead, by string) {
	t.Helper()
	g.bare(t, dir)
	replaced := instead == ""
	for _, block := range g.blocks(t) {
		if instead != "" && strings.Contains(block, instead) {
			block, replaced = strings.ReplaceAll(block, instead, by), true
		}
		block = g.named(block)
		if !strings.HasPrefix(block, "dn: ") {
			dir.Administer(block)
			continue
		}
		account, password := peers.AdminDN, peers.AdminPassword
		if strings.Contains(block, "olcDatabase") {
			account, password = "cn=admin,cn=config", "config"
		}
		g.run(t, "ldapmodify", []string{"-x", "-H", dir.URL(), "-D", account, "-w", password}, block)
	}
	if !replaced {
		t.Fatalf("%s does not say %q", g.page, instead)
	}
}

// fixture is a sink that logs in as the page says.
func (g guide) fixture(t *testing.T, dir *peers.Directory, tenant string, change ...func(*ldapsink.Config)) *fixture {
	t.Helper()
	f := emptyFixture(t, dir)
	f.state.tenant.ID = orgsync.TenantID(tenant)
	f.sink = f.open(append([]func(*ldapsink.Config){func(c *ldapsink.Config) {
		c.BindDN, c.BindPassword, c.BaseDN = g.named(syncDN), syncPassword, g.named(customers)
	}}, change...)...)
	return f
}

// examine runs Check and returns what is wrong, each with what was looked at.
func (f *fixture) examine() (faults []string) {
	f.t.Helper()
	for what, err := range f.sink.Check(f.t.Context()) {
		if err != nil {
			faults = append(faults, what+": "+err.Error())
		}
	}
	return faults
}

// probes lists what checks left behind below the base of the pages.
func (f *fixture) probes() (list []string) {
	f.t.Helper()
	for dn := range f.read(customers, "1.1") {
		if strings.Contains(dn, "kitbridge-probe-") {
			list = append(list, dn)
		}
	}
	return list
}

// TestDocs: the account of each page keeps a directory in both layouts, may do nothing else,
// and check finds nothing wrong.
func TestDocs(t *testing.T) {
	t.Parallel()
	for _, g := range guides() {
		t.Run(g.page, func(t *testing.T) {
			t.Parallel()
			dir := g.start(t)
			g.apply(t, dir, "", "")
			people, ours := 30, newLedger("us")
			if g.target().slow {
				people = 15
			}
			for _, layout := range []ldapsink.Layout{ldapsink.People, ldapsink.Tree} {
				f := g.fixture(t, dir, fmt.Sprintf("t%d", layout), func(c *ldapsink.Config) { c.Layout = layout }, ours.on)
				if faults := f.examine(); len(faults) > 0 {
					t.Errorf("Check: %s", strings.Join(faults, "\n"))
				}
				if left := f.probes(); len(left) > 0 {
					t.Errorf("Check left %v", left)
				}
				m := model{kind: g.target(), layout: layout, state: f.state, root: fmt.Sprintf("ou=t%d,%s", layout, customers)}
				for round := range uint64(3) {
					shuffle(f.state, rand.New(rand.NewPCG(6, round)), people)
					f.all()
					m.check(f)
				}
				if whole := f.plan(ldapsink.WholeOptions{}); len(whole.Operations)+len(whole.Reports) > 0 {
					t.Errorf("left to do: %v %v", whole.Operations, whole.Reports)
				}
				f.state.tenant.Active = false // and takes it all away again
				f.all()
			}
			g.forbids(t, dir)
			if g.kind == "OpenLDAP" {
				for line := range strings.Lines(dir.Log()) {
					if strings.Contains(line, "not indexed") && !strings.Contains(line, "substr") {
						t.Errorf("the page lacks an index: %s", line)
					}
				}
			}
		})
	}
}

// forbids: the account may not do more than the page says.
func (g guide) forbids(t *testing.T, dir *peers.Directory) {
	t.Helper()
	password, secret := "userPassword", "x"
	if g.kind == "Samba" {
		password, secret = "unicodePwd", quoted("x")
	}
	address, config := secure(t, dir)
	d, err := ldapsink.NewDirectory(config, syncDN, syncPassword, 10*time.Second, address)
	if err != nil {
		t.Fatal(err)
	}
	user := g.target().userRDN + "=somebody," + customers
	f := &fixture{t: t, dir: dir}
	class := map[bool]string{true: "user", false: "inetOrgPerson"}[g.kind == "Samba"]
	f.add(user, "objectClass", class, "cn", "somebody", "sn", "x")
	for what, o := range map[string]ldapsink.Operation{
		"write beside the base": {
			Kind: ldapsink.Add, DN: mustDN(t, "ou=x,"+peers.BaseDN), Attributes: ldapsink.Attributes{"objectClass": {"organizationalUnit"}, "ou": {"x"}},
		},
		"write a password": {
			Kind: ldapsink.Modify, DN: mustDN(t, user), Changes: []ldapsink.Change{{Kind: ldapsink.ReplaceValues, Name: password, Values: []string{secret}}},
		},
		"give itself rights": {
			Kind: ldapsink.Modify, DN: mustDN(t, syncDN), Changes: []ldapsink.Change{{Kind: ldapsink.ReplaceValues, Name: "description", Values: []string{"x"}}},
		},
	} {
		if err := d.Write(t.Context(), o); err == nil || !strings.Contains(err.Error(), "(50)") {
			t.Errorf("the account may %s: %v", what, err)
		}
	}
}

// quoted is a password as unicodePwd wants it (MS-ADTS, section 3.1.1.3.1.5).
func quoted(password string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return string(b)
}

// lacking is a page of which one right is not given, and what is then told.
type lacking struct {
	name        string
	instead, by string
	check       []string // what Check says
	key         string   // what the keys say, as error or as warning
	costs       bool     // the user is not there, or not as they should be
}

func lackings() map[string][]lacking {
	const addBelowBase = "the right to add entries below " + customers
	return map[string][]lacking{
		"OpenLDAP": {
			{
				"add below the base", "attrs=children\n  by dn.exact=\"" + syncDN + "\" write", "attrs=children\n  by dn.exact=\"" + syncDN + "\" read",
				[]string{"right to add departments below " + customers + ": ", addBelowBase},
				addBelowBase, true,
			},
			{
				"see the base", "{2}to dn.base=\"" + customers + "\"\n  by dn.exact=\"" + syncDN + "\" read", "{2}to dn.base=\"" + customers + "\"\n  by dn.exact=\"" + syncDN + "\" none",
				[]string{"base_dn: " + customers + ": no such entry, or the bind account cannot read it"},
				"the bind account cannot read it", true,
			},
			{
				"title", "olcAccess: {3}to", "olcAccess: {3}to dn.children=\"" + customers + "\" attrs=title\n  by dn.exact=\"" + syncDN + "\" read\n  by * break\nolcAccess: {4}to",
				[]string{"right to change users: title below " + customers + ": ", "the right to write title of uid=probe-"},
				"title left out: the bind account may not write it", false,
			},
			{
				"delete and rename", "olcAccess: {3}to", "olcAccess: {3}to dn.children=\"" + customers + "\" attrs=entry\n  by dn.exact=\"" + syncDN + "\" =ascrx\n  by * break\nolcAccess: {4}to",
				[]string{"right to rename users below " + customers + ": ", "the right to rename uid=probe-", "right to delete entries below " + customers + ": ", "yourself"},
				"", false,
			},
			{
				"read entryUUID", "olcAccess: {3}to", "olcAccess: {3}to dn.children=\"" + customers + "\" attrs=entryUUID\n  by dn.exact=\"" + syncDN + "\" none\n  by * break\nolcAccess: {4}to",
				[]string{"right to read entryUUID below " + customers + ": ", "give the bind account the right to read and search it"},
				"is not ours", true,
			},
			{
				"no limits", "size=unlimited", "size=1",
				nil, "lift the size and time limits", true,
			},
		},
		"389DS": {
			{
				"add", "compare, write, add, delete)", "compare, write, delete)",
				[]string{"right to add departments below " + customers + ": ", addBelowBase},
				addBelowBase, true,
			},
			{
				"delete", "compare, write, add, delete)", "compare, write, add)",
				[]string{"right to delete entries below " + customers + ": ", "the right to delete uid=probe-"},
				"", false,
			},
			{
				"title", "aci: (target = ", "aci: (targetattr = \"title\")(version 3.0; acl \"no titles\"; deny (write)\n  userdn = \"ldap:///" + syncDN + "\";)\naci: (target = ",
				[]string{"right to change users: title below " + customers + ": ", "the right to write title of uid=probe-"},
				"title left out: the bind account may not write it", false,
			},
			{
				"move", "allow (moddn)", "allow (compare)",
				[]string{"right to move users below " + customers + ": ", "the right to move uid=probe-"},
				"", false,
			},
			{
				"no limits", "nsPagedSizeLimit: -1", "nsPagedSizeLimit: 1",
				nil, "lift the size and time limits", true,
			},
		},
		"Samba": {
			{
				"create units", "(OA;CI;CC;$unit;;$sid)", "",
				[]string{"right to add departments below " + customers + ": ", addBelowBase},
				addBelowBase, true,
			},
			{
				"delete users", "WPSD;;$user", "WP;;$user",
				[]string{"right to move users below " + customers + ": ", "right to delete entries below " + customers + ": ", "the right to delete cn=probe-"},
				"", false,
			},
			{
				"write groups", "WPSD;;$group", "SD;;$group",
				[]string{"right to put members into groups below " + customers + ": ", "the right to write member of cn="},
				"the right to write member of cn=", false,
			},
			{
				"title", "(OA;CIIO;WPSD;;$device;$sid)", "(OA;CIIO;WPSD;;$device;$sid)(OD;CIIO;WP;bf967a55-0de6-11d0-a285-00aa003049e2;$user;$sid)",
				[]string{"right to change users: title below " + customers + ": ", "the right to write title of cn=probe-"},
				"title left out: the bind account may not write it", false,
			},
			{
				"the owner's entry", "(OA;;CC;$device;;$sid)", "",
				[]string{"right to add cn=kitbridge below " + customers + ": ", addBelowBase},
				"", false,
			},
		},
	}
}

// TestDocsRights: with each right of a page taken away, Check and the key concerned say which
// it is, on which entry, and what to do; who can be there is there.
func TestDocsRights(t *testing.T) {
	t.Parallel()
	for _, g := range guides() {
		t.Run(g.kind, func(t *testing.T) {
			t.Parallel()
			var shared *peers.Directory
			if g.kind == "Samba" { // a domain is dear
				shared = g.start(t)
			}
			for n, c := range lackings()[g.kind] {
				t.Run("without "+c.name, func(t *testing.T) {
					dir := shared
					if dir == nil {
						dir = g.start(t)
					} else {
						g.suffix = fmt.Sprint(n)
					}
					g.withoutRight(t, dir, c)
				})
			}
		})
	}
}

func (g guide) withoutRight(t *testing.T, dir *peers.Directory, c lacking) {
	t.Helper()
	g.apply(t, dir, c.instead, c.by)
	f := g.fixture(t, dir, "t1")
	faults := strings.Join(f.examine(), "\n")
	for _, want := range c.check {
		if want = g.named(want); !strings.Contains(faults, want) {
			t.Errorf("Check lacks %q:\n%s", want, faults)
		}
	}
	if len(c.check) == 0 && faults != "" {
		t.Errorf("Check: %s", faults)
	}
	c.key = g.named(c.key)
	f.lackingRight(c, g.named(g.target().userRDN+"=zhang"+g.suffix+",ou=people,ou=t1,"+customers), "zhang"+g.suffix, "li"+g.suffix)
}

// lackingRight delivers a user, and what the account may not do to one.
func (f *fixture) lackingRight(c lacking, dn, name, other string) {
	f.t.Helper()
	li := f.state.user(other, "李四", "rd")
	f.state.department("rd", "研发", "")
	zhang := f.state.user(name, "张三", "rd")
	first, err := f.sink.Converge(f.t.Context(), f.state, f.state.keys())
	var said []string
	note := func(results []orgsync.Result, err error) {
		if err != nil {
			said = append(said, err.Error())
		}
		for _, r := range results {
			said = append(said, r.Warnings...)
			if r.Err != nil {
				said = append(said, r.Err.Error())
			}
		}
	}
	note(first, err)
	f.state.user(name, "张三", "rd", orgsync.AttrPosition, "工程师", orgsync.AttrEmail, "zhang@example.org")
	note(f.sink.Converge(f.t.Context(), f.state, []orgsync.Key{zhang, li}))
	if text := strings.Join(said, "\n"); !strings.Contains(text, c.key) {
		f.t.Errorf("the keys do not say %q:\n%s", c.key, text)
	}
	var mails []string
	for _, e := range f.read(dn, "mail") {
		mails = append(mails, e["mail"]...)
	}
	if !c.costs && !slices.Equal(mails, []string{"zhang@example.org"}) {
		f.t.Errorf("zhang's mail is %v: they are to have what the account may write\n%s", mails, strings.Join(said, "\n"))
	}
}
