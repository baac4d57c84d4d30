package ldapsink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

const ownerDN = "cn=kitbridge," + peers.BaseDN

// ledger is a bridge that knows its history and goes on with each question.
type ledger struct {
	mu      sync.Mutex
	history orgsync.History // under mu
	takes   bool            // under mu: it takes whatever it finds
	asked   int             // under mu
	told    orgsync.Deed    // under mu: the last answer
}

func newLedger(bridge string) *ledger {
	return &ledger{history: orgsync.History{Bridge: bridge, Eras: []orgsync.Era{{ID: bridge + "era"}}}}
}

func (l *ledger) register(_ context.Context, found orgsync.Deed) (orgsync.Deed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if s := l.history.Judge(found, orgsync.Mark{}); s != orgsync.StandingOurs && !l.takes {
		return orgsync.Deed{}, &orgsync.ClosedError{Sink: "corp", Standing: s, Owner: found.Owner, Bridge: l.history.Bridge}
	}
	l.history.Changes++
	l.told = orgsync.Deed{Owner: l.history.Bridge, Mark: l.history.Now()}
	return l.told, nil
}

func (l *ledger) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return "bridge=" + l.told.Owner + " state=" + l.told.Mark.String()
}

func (l *ledger) on(c *ldapsink.Config) { c.Register = l.register }

// owner reads the entry as an administrator sees it; the names of attributes and the DN
// are the server's.
func (f *fixture) owner() string {
	f.t.Helper()
	for dn, e := range f.read(peers.BaseDN, "description") {
		if strings.EqualFold(dn, ownerDN) {
			return strings.Join(e["description"], "|")
		}
	}
	return ""
}

// TestOwner: on every kind of server the entry is made, tells how far the state is, and
// closes the directory to another bridge until that takes it over.
func TestOwner(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		if kind.late {
			continue // the same server as another one
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			us := newLedger("us")
			f := newTargetFixture(t, kind, us.on)
			f.state.user("li", "Li", "")
			f.all()
			if got := f.owner(); got != us.text() || got == "" {
				t.Errorf("the entry says %q, want %q", got, us.text())
			}
			before, asked := us.text(), us.asked
			f.state.user("wang", "Wang", "")
			f.all()
			if us.asked != asked {
				t.Error("the entry was read again within ten seconds")
			}
			f.now = f.now.Add(11 * time.Second)
			f.all()
			if got := f.owner(); got != us.text() || got == before {
				t.Errorf("ten seconds later the entry says %q, want %q", got, us.text())
			}
			them := newLedger("them")
			other := f.open(them.on)
			tree := f.read(peers.BaseDN, "description", "member", "cn")
			f.state.user("sun", "Sun", "")
			f.closedTo(other, "belongs to bridge us")
			if diff := cmp.Diff(tree, f.read(peers.BaseDN, "description", "member", "cn")); diff != "" {
				t.Errorf("another bridge wrote (-want +got):\n%s", diff)
			}
			them.mu.Lock()
			them.takes = true
			them.mu.Unlock()
			if err := other.Reach(t.Context()); err != nil {
				t.Fatalf("Reach of who takes over = %v", err)
			}
			if got := f.owner(); got != them.text() {
				t.Errorf("after the take-over the entry says %q, want %q", got, them.text())
			}
			f.now = f.now.Add(11 * time.Second)
			f.closedTo(f.sink, "belongs to bridge them")
		})
	}
}

// closedTo wants the sink to write nothing.
func (f *fixture) closedTo(s *ldapsink.Sink, why string) {
	f.t.Helper()
	results, err := s.Converge(f.t.Context(), f.state, f.state.keys())
	for what, err := range map[string]error{"Converge": err, "Reach": s.Reach(f.t.Context())} {
		if _, ok := errors.AsType[*orgsync.ClosedError](err); !ok || !errors.Is(err, orgsync.ErrUnavailable) || !strings.Contains(err.Error(), why) {
			f.t.Errorf("%s = %v, want a ClosedError that says %q", what, err, why)
		}
	}
	if len(results) > 0 {
		f.t.Errorf("Converge gave %d results", len(results))
	}
}

// TestOwnerIsAhead: a state that is older than the directory's, or another than went on
// from it, writes nothing; nor does anybody where the entry was changed by hand.
func TestOwnerIsAhead(t *testing.T) {
	t.Parallel()
	us := newLedger("us")
	f := newFixture(t, peers.SlapdOptions{}, us.on)
	f.state.user("li", "Li", "")
	f.all()
	for _, c := range []struct{ description, why string }{
		{"bridge=us state=usera:99", "restored from an older copy"},
		{"bridge=us state=usera", "was changed"},
		{"hello", "was changed"},
		{"bridge=us state=fork:1", "restored from an older copy"},
	} {
		f.modify(ownerDN, "description", c.description)
		f.now = f.now.Add(time.Minute)
		f.closedTo(f.sink, c.why)
		if got := f.owner(); got != c.description {
			t.Errorf("the entry says %q, want %q", got, c.description)
		}
	}
	us.mu.Lock()
	us.takes = true
	us.mu.Unlock()
	f.modify(ownerDN, "description", "one", "two")
	f.all()
	if got := f.owner(); got != us.text() {
		t.Errorf("after the take-over the entry says %q, want %q", got, us.text())
	}
	// Somebody deleted it: it is made again, and the bridge is asked what that means.
	f.deleteEntry(ownerDN)
	f.now = f.now.Add(time.Minute)
	f.all()
	if got := f.owner(); got != us.text() {
		t.Errorf("after it was deleted the entry says %q, want %q", got, us.text())
	}
}

// TestOwnerOfMany: of bridges that find an empty directory at the same moment one gets it;
// replicas of one bridge all do, and none sets the entry back.
func TestOwnerOfMany(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	for round := range 10 {
		var group sync.WaitGroup
		errs := make([]error, 4)
		ledgers := []*ledger{newLedger("a"), newLedger("b")}
		for i := range errs {
			sink := f.open(ledgers[i%2].on) // two replicas of each
			group.Go(func() { errs[i] = sink.Reach(t.Context()) })
		}
		group.Wait()
		owner := f.owner()
		for i, err := range errs {
			name := ledgers[i%2].history.Bridge
			if ours := strings.HasPrefix(owner, "bridge="+name+" "); ours != (err == nil) {
				t.Errorf("round %d: bridge %s: Reach = %v, and the entry says %q", round, name, err, owner)
			}
		}
		f.deleteEntry(ownerDN)
	}
}

// TestOwnerNeedsRights: what is missing is told, and nothing is written without it.
func TestOwnerNeedsRights(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{}, newLedger("us").on)
	f.readOnly()
	err := f.sink.Reach(t.Context())
	if !errors.Is(err, orgsync.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "must be allowed to add this entry") {
		t.Errorf("Reach = %v, want what is missing", err)
	}
}

// TestAdoptAfterTakeOver: entries that our own account made are ours after a take-over,
// though nobody remembers them, and others stay others'.
func TestAdoptAfterTakeOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{}, newLedger("us").on)
	f.state.department("d", "研发", "")
	f.state.user("li", "Li", "d")
	f.all()
	f.add("uid=wang,ou=people,"+root, "objectClass", "inetOrgPerson", "uid", "wang", "cn", "Wang", "sn", "Wang")
	uuid := f.uuid("uid=li,ou=people," + root)
	taken := newLedger("us")
	taken.takes = true
	f.links = &ldapsink.MemoryLinks{} // those of an older copy
	f.state.user("li", "Li the second", "d")
	f.state.user("wang", "Wang", "d")
	for _, adopts := range []bool{false, true} {
		f.sink = f.open(taken.on, func(c *ldapsink.Config) { c.Adopt = func() bool { return adopts } })
		results, _ := f.converge(f.state.keys()...)
		if got := results[userKey("li")].Err == nil; got != adopts {
			t.Errorf("adopts %t: what our account made: %v", adopts, results[userKey("li")].Err)
		}
		if results[userKey("wang")].Err == nil {
			t.Errorf("adopts %t: somebody else's entry was taken for ours", adopts)
		}
	}
	if got := f.uuid("uid=li,ou=people," + root); got != uuid {
		t.Errorf("the entry is another one: %s, was %s", got, uuid)
	}
	if got := f.read("uid=li,ou=people,"+root, "displayName"); got["uid=li,ou=people,"+root]["displayName"][0] != "Li the second" {
		t.Errorf("the adopted entry was not brought up to date: %v", got)
	}
}

// readOnly takes the service account's right to write.
func (f *fixture) readOnly() {
	f.t.Helper()
	conn := f.admin()
	if err := conn.Bind("cn=admin,cn=config", "config"); err != nil {
		f.t.Fatal(err)
	}
	if err := conn.Modify(readOnlyAccess()); err != nil {
		f.t.Fatal(err)
	}
}

func readOnlyAccess() *ldap.ModifyRequest {
	request := ldap.NewModifyRequest("olcDatabase={1}mdb,cn=config", nil)
	request.Replace("olcAccess", []string{"to attrs=userPassword by anonymous auth", "to * by dn.exact=" + peers.ServiceDN + " read"})
	return request
}
