package ldapsink_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestFull: a directory without room is no fault of those who are to come into it. The error
// says what it is, nobody is given up, and with room all is as it should be.
func TestFull(t *testing.T) {
	t.Parallel()
	kind := targets()[1]
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		disk := peers.NewDisk(t, 8)
		f := newFixture(t, peers.SlapdOptions{Disk: disk})
		f.grow(0, 50)
		f.all()
		disk.Fill()
		f.untilFull()
		disk.Free()
		f.all()
		model{kind: kind, state: f.state, root: root}.check(f)
	})
	t.Run("olcDbMaxSize", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, peers.SlapdOptions{MaxSize: 1 << 20})
		f.untilFull()
		conn := f.admin()
		if err := conn.Bind("cn=admin,cn=config", "config"); err != nil {
			t.Fatal(err)
		}
		request := ldap.NewModifyRequest("olcDatabase={1}mdb,cn=config", nil)
		request.Replace("olcDbMaxSize", []string{fmt.Sprint(1 << 28)})
		if err := conn.Modify(request); err != nil {
			t.Fatal(err)
		}
		f.all()
		model{kind: kind, state: f.state, root: root}.check(f)
	})
}

// grow adds users.
func (f *fixture) grow(from, to int) {
	for n := from; n < to; n++ {
		f.state.user(fmt.Sprintf("user%05d", n), strings.Repeat("名", 100), "", orgsync.AttrWorkPlace, strings.Repeat("x", 1000))
	}
}

// untilFull adds users until there is no room for more.
func (f *fixture) untilFull() {
	f.t.Helper()
	for n := 0; n < 5000; n += 100 {
		f.grow(n, n+100)
		results, err := f.sink.Converge(f.t.Context(), f.state, f.state.keys())
		for _, r := range results {
			if r.Err != nil {
				f.t.Fatalf("%s: %v, want it to be the whole directory's fault", r.Key, r.Err)
			}
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, orgsync.ErrUnavailable) || !strings.Contains(err.Error(), "full") {
			f.t.Fatalf("Converge = %v, want ErrUnavailable that says what is full", err)
		}
		f.t.Logf("at %d users: %v", n, err)
		public, ok := errors.AsType[*ldapsink.OperationError](err)
		if !ok || !strings.Contains(public.Public(), "full") {
			f.t.Errorf("Public does not say it: %v", err)
		}
		return
	}
	f.t.Fatal("it is never full")
}
