package sqlsink_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// ledger is a bridge that knows its history. Each question finds the state one change
// further.
type ledger struct {
	mu      sync.Mutex
	history orgsync.History // under mu
	takes   bool            // under mu: it takes whatever it finds
	asked   []orgsync.Deed  // under mu: what was found
	told    orgsync.Deed    // under mu: the last answer
}

func newLedger(bridge string) *ledger {
	return &ledger{history: orgsync.History{Bridge: bridge, Eras: []orgsync.Era{{ID: bridge + "-era"}}}}
}

func (l *ledger) register(_ context.Context, found orgsync.Deed) (orgsync.Deed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, found)
	if s := l.history.Judge(found, orgsync.Mark{}); s != orgsync.StandingOurs && !l.takes {
		return orgsync.Deed{}, &orgsync.ClosedError{Sink: "product", Standing: s, Owner: found.Owner, Bridge: l.history.Bridge}
	}
	l.history.Changes++
	l.told = orgsync.Deed{Owner: l.history.Bridge, Mark: l.history.Now()}
	return l.told, nil
}

func (l *ledger) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told.Owner + "|" + l.told.Mark.String()
}

func kept(l *ledger) func(*sqlsink.Config) {
	return func(c *sqlsink.Config) { c.Register = l.register }
}

const readDeed = "SELECT owner, mark FROM kit_meta"

// testMark: what is written and how far the state was go together, and the mark is read
// after the state: what is in the rows is never newer than the mark says.
func testMark(t *testing.T, p product) {
	v, l := newState(), newLedger("us")
	v.bind()
	s := newSink(t, p, kept(l))
	converge(t, s, v, v.keys()...)
	p.want(t, readDeed, l.last())
	before := l.last()
	converge(t, s, v, v.keys()...) // nothing to write, nothing to say
	p.want(t, readDeed, before)
	if err := s.Reach(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want(t, readDeed, l.last())
	if l.last() == before {
		t.Errorf("a look left the mark at %s", before)
	}
}

// testClosed: tables that a further or another state was written to are left as they are,
// by whatever would write.
func testClosed(t *testing.T, p product) {
	v, l := newState(), newLedger("us")
	v.bind()
	s := newSink(t, p, kept(l))
	converge(t, s, v, v.keys()...)
	rows := p.rows(t, "SELECT * FROM kit_user ORDER BY user_name")
	for name, deed := range map[string]string{
		"another bridge":  "owner = 'them'",
		"a further state": "owner = 'us', mark = 'us-era:999999'",
		"another history": "owner = 'us', mark = 'fork:3'",
		"no mark at all":  "owner = 'us', mark = 'by hand'",
	} {
		p.exec(t, "UPDATE kit_meta SET "+deed)
		want := p.rows(t, readDeed)
		v.user("li", "position", name)
		_, err := s.Converge(t.Context(), v, v.keys())
		for what, err := range map[string]error{"Converge": err, "Reach": s.Reach(t.Context()), "Reach of a new sink": newSink(t, p, kept(l)).Reach(t.Context())} {
			closed, ok := errors.AsType[*orgsync.ClosedError](err)
			if !ok || !errors.Is(err, orgsync.ErrUnavailable) || !strings.Contains(closed.Error(), "kitbridge take-over product") {
				t.Errorf("%s: %s = %v, want a ClosedError", name, what, err)
			}
		}
		p.want(t, readDeed, want...)
		p.want(t, "SELECT * FROM kit_user ORDER BY user_name", rows...)
	}
}

// testTakeOver: who takes the tables over brings up to date what it knows and leaves what
// it does not.
func testTakeOver(t *testing.T, p product) {
	v := newState()
	v.bind()
	converge(t, newSink(t, p, kept(newLedger("them"))), v, v.keys()...)
	l := newLedger("us")
	s := newSink(t, p, kept(l))
	if err := s.Reach(t.Context()); !errors.Is(err, orgsync.ErrUnavailable) {
		t.Fatalf("Reach = %v, want ErrUnavailable", err)
	}
	l.mu.Lock()
	l.takes = true
	l.mu.Unlock()
	if err := s.Reach(t.Context()); err != nil {
		t.Fatalf("Reach of who takes over = %v", err)
	}
	p.want(t, readDeed, l.last())
	users := p.rows(t, "SELECT user_name FROM kit_user ORDER BY user_name")
	less := newState()
	converge(t, s, less, orgsync.Key{Kind: orgsync.TenantKey}, less.user("user01", "position", "new here"))
	p.want(t, "SELECT user_name FROM kit_user ORDER BY user_name", users...)
	p.want(t, "SELECT position FROM kit_user WHERE user_name = 'user01'", "new here")
	p.want(t, readDeed, l.last())
}

// testMarkIsAdded: tables of a version without marks stay what they are and get one; those
// of another bridge get none.
func testMarkIsAdded(t *testing.T, p product) {
	v, l := newState(), newLedger("us")
	v.bind()
	converge(t, newSink(t, p, kept(l)), v, v.keys()...)
	p.exec(t, "ALTER TABLE kit_meta DROP COLUMN mark")
	verify := newSink(t, p, kept(l), func(c *sqlsink.Config) { c.Verify = true })
	if err := verify.Reach(t.Context()); err == nil || !strings.Contains(err.Error(), "ALTER TABLE") {
		t.Errorf("Reach with schema: verify = %v, want the statement that helps", err)
	}
	if err := newSink(t, p, kept(newLedger("them"))).Reach(t.Context()); !errors.Is(err, orgsync.ErrUnavailable) {
		t.Errorf("another bridge's Reach = %v, want ErrUnavailable", err)
	}
	if _, err := p.db.ExecContext(t.Context(), "SELECT mark FROM kit_meta"); err == nil {
		t.Error("another bridge added a column")
	}
	if err := newSink(t, p, kept(l)).Reach(t.Context()); err != nil {
		t.Fatalf("Reach = %v", err)
	}
	p.want(t, readDeed, l.last())
}

// TestRegistrarFails: a state that cannot be asked is no reason to write.
func TestRegistrarFails(t *testing.T) {
	t.Parallel()
	p := sqliteProduct(t)
	v := newState()
	down := errors.New("our database does not answer")
	s := newSink(t, p, func(c *sqlsink.Config) {
		c.Register = func(context.Context, orgsync.Deed) (orgsync.Deed, error) { return orgsync.Deed{}, down }
	})
	if _, err := s.Converge(t.Context(), v, v.keys()); !errors.Is(err, down) {
		t.Errorf("Converge = %v, want %v", err, down)
	}
	p.want(t, "SELECT owner FROM kit_meta")
}
