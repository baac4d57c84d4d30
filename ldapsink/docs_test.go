package ldapsink_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// applyDocs does what a page of the documentation says, as the administrator.
func applyDocs(t *testing.T, dir *peers.Directory, page string) {
	t.Helper()
	text, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```ldif\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 {
		t.Fatalf("%s has no LDIF", page)
	}
	for _, block := range blocks {
		cmd := exec.CommandContext(t.Context(), "ldapmodify", "-x", "-H", dir.URL(), "-D", peers.AdminDN, "-w", peers.AdminPassword)
		cmd.Stdin = strings.NewReader(block[1])
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: ldapmodify: %v\n%s\n%s", page, err, out, block[1])
		}
	}
}

// TestDocs389DS: the account of the page keeps a directory, and may do nothing else.
func TestDocs389DS(t *testing.T) {
	t.Parallel()
	dir := peers.DS389(t, peers.DS389Options{NoSync: true})
	applyDocs(t, dir, "directory-389ds.md")
	const account, password, base = "cn=sync,ou=services," + peers.BaseDN, "choose-one", "ou=customers," + peers.BaseDN
	for _, layout := range []ldapsink.Layout{ldapsink.People, ldapsink.Tree} {
		f := emptyFixture(t, dir)
		f.state.tenant.ID = orgsync.TenantID(fmt.Sprintf("t%d", layout))
		f.sink = f.open(func(c *ldapsink.Config) {
			c.BindDN, c.BindPassword, c.BaseDN, c.Layout = account, password, base, layout
		})
		kind := processes()[1]
		m := model{kind: kind, layout: layout, state: f.state, root: fmt.Sprintf("ou=t%d,%s", layout, base)}
		for round := range uint64(3) {
			shuffle(f.state, rand.New(rand.NewPCG(6, round)), 30)
			f.all()
			m.check(f)
		}
	}
	for what, o := range map[string]ldapsink.Operation{
		"write beside the base": {
			Kind: ldapsink.Add, DN: mustDN(t, "ou=x,"+peers.BaseDN), Attributes: ldapsink.Attributes{"objectClass": {"organizationalUnit"}, "ou": {"x"}},
		},
		"write a password": {
			Kind: ldapsink.Modify, DN: mustDN(t, base), Changes: []ldapsink.Change{{Kind: ldapsink.ReplaceValues, Name: "userPassword", Values: []string{"x"}}},
		},
		"change its rights": {
			Kind: ldapsink.Modify, DN: mustDN(t, base), Changes: []ldapsink.Change{{Kind: ldapsink.ReplaceValues, Name: "aci"}},
		},
	} {
		d, err := ldapsink.NewDirectory(nil, account, password, 10*time.Second, dir.URL())
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Write(t.Context(), o); err == nil || !strings.Contains(err.Error(), "(50)") {
			t.Errorf("the account may %s: %v", what, err)
		}
	}
}
