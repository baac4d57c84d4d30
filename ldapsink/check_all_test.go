package ldapsink_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestCheck: each thing is told in order, up to the first that is wrong, and nothing is left
// behind.
func TestCheck(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	const bind, base = "reach, TLS and bind", "base_dn"
	all := []string{
		bind, base, "rights: to add, read, change, rename, move and delete entries below " + peers.BaseDN,
		"server: openldap, dialect openldap (by what it says of itself, and tried); entries are known again by entryUUID; names are the same that differ in " +
			"nothing but case, blanks, width and composition; an id with its type has at most 245 bytes; disabled users stand below ou=disabled; " +
			"an empty group holds a placeholder; kitbridge makes groups follow entries that move; large answers come in pages",
		"schema: it has all object classes and attributes",
	}
	before := f.read(peers.BaseDN, "*")
	for name, c := range map[string]struct {
		change       func(*ldapsink.Config)
		right, wrong []string
	}{
		"in order":       {func(*ldapsink.Config) {}, all, nil},
		"no such base":   {func(c *ldapsink.Config) { c.BaseDN = "ou=nowhere," + peers.BaseDN }, []string{bind}, []string{base}},
		"wrong password": {func(c *ldapsink.Config) { c.BindPassword = "wrong" }, nil, []string{bind}},
	} {
		var right, wrong []string
		for what, err := range f.open(c.change).Check(t.Context()) {
			if err == nil {
				right = append(right, what)
			} else {
				wrong = append(wrong, what)
			}
		}
		if diff := cmp.Diff([][]string{c.right, c.wrong}, [][]string{right, wrong}); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(before, f.read(peers.BaseDN, "*")); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// TestCheckTenant: rights that end at a tenant's entry are found.
func TestCheckTenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	if err := f.sink.CheckTenant(t.Context(), "t1"); err != nil {
		t.Errorf("CheckTenant before there is one = %v", err)
	}
	f.all()
	before := f.read(peers.BaseDN, "*")
	if err := f.sink.CheckTenant(t.Context(), "t1"); err != nil {
		t.Errorf("CheckTenant = %v", err)
	}
	f.setAccess("to attrs=userPassword by anonymous auth", `to dn.subtree="`+root+`" by * read`, `to * by dn.exact="`+peers.ServiceDN+`" write by users read`)
	if faults := f.examine(); len(faults) > 0 {
		t.Errorf("Check = %v, want nothing wrong below the base", faults)
	}
	if err := f.sink.CheckTenant(t.Context(), "t1"); err == nil || !strings.Contains(err.Error(), "the right to add entries below "+root) {
		t.Errorf("CheckTenant without rights = %v, want the right named", err)
	}
	if diff := cmp.Diff(before, f.read(peers.BaseDN, "*")); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// ending is a directory that is gone after so many writes.
type ending struct {
	ldapsink.Directory
	left int
}

// Write implements ldapsink.Directory.
func (e *ending) Write(ctx context.Context, o ldapsink.Operation) error {
	if e.left--; e.left < 0 {
		return ldap.NewError(ldap.ErrorNetwork, errors.New("gone"))
	}
	return e.Directory.Write(ctx, o)
}

// TestCheckCrash: what a check that broke off at any of its writes left behind goes with a
// later one.
func TestCheckCrash(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.now = time.Now()
	before := f.read(peers.BaseDN, "*")
	n := 1
	for ends := false; !ends && !t.Failed(); n += 1 + n/8 {
		f.sink = f.open(func(c *ldapsink.Config) {
			c.Directory = &ending{behind(t, f.dir.URL(), nil), n}
		})
		ends = len(f.examine()) == 0
		f.now = f.now.Add(time.Hour)
		f.sink = f.open()
		if faults := f.examine(); len(faults) > 0 {
			t.Errorf("after a crash at write %d: %v", n, faults)
		}
		if diff := cmp.Diff(before, f.read(peers.BaseDN, "*")); diff != "" {
			t.Errorf("after a crash at write %d (-before +after):\n%s", n, diff)
		}
	}
	if n < 40 {
		t.Errorf("a check is %d writes: this shows little", n)
	}
}

// TestEverybody: what is left out of whom is told also of those who are as they should be, if
// that is asked for.
func TestEverybody(t *testing.T) {
	t.Parallel()
	f := emptyFixture(t, nil)
	f.sink = f.open()
	f.state.user("li", "李四", "", orgsync.AttrEmail, "李@example.org")
	f.state.user("zhang", "张三", "", orgsync.AttrEmail, "zhang@example.org")
	f.all()
	for everybody, want := range map[bool][]ldapsink.Warning{
		false: nil,
		true: {{
			ID:   ldapsink.EntryID{Kind: ldapsink.UserEntry, Name: "li"},
			Text: "mail left out: not an IA5 string: only ASCII characters are allowed",
		}},
	} {
		whole := f.plan(ldapsink.WholeOptions{Everybody: everybody})
		if diff := cmp.Diff(want, whole.Warnings); diff != "" || len(whole.Operations) > 0 {
			t.Errorf("everybody %t: %v, warnings (-want +got):\n%s", everybody, whole.Operations, diff)
		}
	}
}

// TestCheckOwner: in a directory that is another bridge's nothing is tried.
func TestCheckOwner(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{}, newLedger("us").on)
	if faults := f.examine(); len(faults) > 0 {
		t.Errorf("Check of a directory without an owner: %v", faults)
	}
	f.all()
	var said []string
	for what, err := range f.sink.Check(t.Context()) {
		said = append(said, what)
		if err != nil {
			t.Errorf("Check of our own directory: %s: %v", what, err)
		}
	}
	if !slices.Contains(said, "owner") {
		t.Errorf("Check of our own directory says %q, want the owner among it", said)
	}
	f.sink = f.open(newLedger("them").on)
	f.writes = nil
	faults := f.examine()
	if len(faults) != 1 || !strings.HasPrefix(faults[0], "owner: ") || len(f.writes) > 0 {
		t.Errorf("Check of another's directory: %v, wrote %v", faults, f.writes)
	}
}
