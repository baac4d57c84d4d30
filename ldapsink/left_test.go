package ldapsink_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// leaving is a tenant of two departments and two users in a directory that is meant for it as
// long as its code is ours.
func leaving(t *testing.T, dir *peers.Directory, tenant string, change ...func(*ldapsink.Config)) *fixture {
	t.Helper()
	f := emptyFixture(t, dir)
	f.state.tenant.ID = orgsync.TenantID(tenant)
	f.sink = f.open(append(change, func(c *ldapsink.Config) {
		c.Tenants = func(t orgsync.Tenant) bool { return t.Code == "ours" }
	})...)
	f.state.tenant.Code = "ours"
	f.state.department("a", "甲", "")
	f.state.department("b", "乙", "a")
	f.state.user("zhang", "张三", "b")
	f.state.user("li", "李四", "a")
	for name, u := range f.state.users {
		u.Grants = []orgsync.UserGrant{{Instance: "i", App: "crm", Role: u.Role, Enabled: true}}
		f.state.users[name] = u
	}
	f.all()
	return f
}

func (f *fixture) leftAt() time.Time {
	f.t.Helper()
	at, err := ldapsink.LeftAt(f.t.Context(), f.links, f.state.tenant.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return at
}

// TestLeftTenantGoes: what a directory holds of a tenant for which it is not meant any more is
// disabled, and deleted in its time, by lanes and by a reconciliation, on every kind of server.
func TestLeftTenantGoes(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		if kind.late || kind.large == 0 {
			continue // the same server as another one
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			dir := kind.start(t)
			for n, layout := range []ldapsink.Layout{ldapsink.People, ldapsink.Tree} {
				for m, byLanes := range []bool{true, false} {
					t.Run(fmt.Sprintf("layout %d, by lanes %v", layout, byLanes), func(t *testing.T) { // one after the other: they share the directory
						f := leaving(t, dir, fmt.Sprintf("left%d%d", n, m), func(c *ldapsink.Config) { c.Layout, c.AppGroups = layout, n == 0 })
						base := fmt.Sprintf("ou=left%d%d,%s", n, m, peers.BaseDN)
						before := len(f.read(base, "1.1"))
						if w := f.plan(ldapsink.WholeOptions{}); w.Users != 2 {
							t.Errorf("%d of 2 users are known for certain", w.Users)
						}
						f.state.tenant.Code = "another"
						f.state.user("new", "新人", "a")
						if w := f.plan(ldapsink.WholeOptions{}); !w.IsLeft || !w.LeftAt.IsZero() || len(w.Deletions()) > 0 || len(w.Operations) == 0 {
							t.Errorf("the plan when it has just left: %+v", w)
						}
						if byLanes {
							f.all()
						} else {
							f.reconcile(ldapsink.WholeOptions{})
						}
						if at := f.leftAt(); !at.Equal(f.now) {
							t.Errorf("it left at %v, want %v", at, f.now)
						}
						for dn, e := range f.read(base, "member") {
							if slices.ContainsFunc(e["member"], func(m string) bool { return !strings.HasPrefix(m, "cn=nobody,") }) {
								t.Errorf("%s still has %v", dn, e["member"])
							}
						}
						if got := len(f.read(base, "1.1")); got != before {
							t.Errorf("there are %d entries, want %d", got, before)
						}
						f.now = f.now.Add(30*24*time.Hour - time.Second)
						if w := f.plan(ldapsink.WholeOptions{}); len(w.Operations) > 0 || !w.DeletedFrom.Equal(f.now.Add(time.Second)) {
							t.Errorf("a second before its time the plan is %v, from %v on", w.Operations, w.DeletedFrom)
						}
						f.now = f.now.Add(time.Second)
						w := f.plan(ldapsink.WholeOptions{})
						if d := w.Deletions(); d[ldapsink.UserEntry] != 2 || d[ldapsink.DepartmentEntry] != 2 || d[ldapsink.TenantEntry] != 1 {
							t.Errorf("in its time the plan deletes %v", d)
						}
						if byLanes {
							keys := f.state.keys()
							slices.SortFunc(keys, func(a, b orgsync.Key) int { return int(b.Kind) - int(a.Kind) }) // as lanes do
							for chunk := range slices.Chunk(keys, 2) {
								f.must(chunk...)
							}
						} else {
							f.reconcile(ldapsink.WholeOptions{Only: w.Digest})
						}
						if left := f.read(base, "1.1"); len(left) > 0 {
							t.Errorf("there are still %v", left)
						}
						if at := f.leftAt(); !at.IsZero() {
							t.Errorf("it is still noted that it left at %v", at)
						}
						if w := f.plan(ldapsink.WholeOptions{}); len(w.Operations)+len(w.Reports) > 0 {
							t.Errorf("then the plan is %v, %v", w.Operations, w.Reports)
						}
						if writes := f.all(); len(writes) > 0 {
							t.Errorf("then it wrote %v", writes)
						}
						f.state.tenant.Code = "ours"
						f.all()
						if w := f.plan(ldapsink.WholeOptions{}); len(w.Operations) > 0 || w.IsLeft || w.Users != 3 {
							t.Errorf("after the return the plan is %v, of %d users", w.Operations, w.Users)
						}
					})
				}
			}
		})
	}
}

// TestLeftTenantReturns: the time begins anew when a tenant leaves once more, and with root:
// base nothing of the base itself goes.
func TestLeftTenantReturns(t *testing.T) {
	t.Parallel()
	for _, byLanes := range []bool{true, false} {
		f := leaving(t, nil, "t1", func(c *ldapsink.Config) { c.RootBase = true })
		f.add("cn=theirs,ou=people,"+peers.BaseDN, "objectClass", "device", "cn", "theirs")
		pass := func() {
			t.Helper()
			if byLanes {
				f.all()
			} else {
				f.reconcile(ldapsink.WholeOptions{})
			}
		}
		f.state.tenant.Code = "another"
		pass()
		f.now = f.now.Add(29 * 24 * time.Hour)
		f.state.tenant.Code = "ours"
		pass()
		if at := f.leftAt(); !at.IsZero() {
			t.Errorf("it came back, and left at %v", at)
		}
		f.state.tenant.Code = "another"
		pass()
		f.now = f.now.Add(29 * 24 * time.Hour)
		f.state.tenant.Name = "renamed"
		pass()
		if n := len(f.read(peers.BaseDN, "1.1")); n < 10 {
			t.Errorf("29 days after it left again there are %d entries", n)
		}
		f.now = f.now.Add(24 * time.Hour)
		if byLanes {
			results, _ := f.converge(f.state.keys()...)
			if err := results[orgsync.Key{Kind: orgsync.TenantKey}].Err; err == nil {
				t.Error("an entry of others is in the way, and nobody says so")
			}
			f.deleteEntry("cn=theirs,ou=people," + peers.BaseDN)
			pass()
		} else {
			w, err := f.sink.Reconcile(t.Context(), f.state, ldapsink.WholeOptions{})
			if err != nil || len(w.Reports) == 0 {
				t.Errorf("an entry of others is in the way: reports %v, %v", w.Reports, err)
			}
			f.deleteEntry("cn=theirs,ou=people," + peers.BaseDN)
			pass()
		}
		left := f.read(peers.BaseDN, "1.1")
		for _, own := range []string{peers.BaseDN, "ou=services," + peers.BaseDN, peers.ServiceDN, "cn=kitbridge," + peers.BaseDN} {
			delete(left, own)
		}
		if len(left) > 0 || !f.leftAt().IsZero() {
			t.Errorf("there are still %v, and it left at %v", left, f.leftAt())
		}
	}
}
