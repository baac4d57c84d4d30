package ldapsink_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestFaultAtEveryWrite breaks the connection at the n-th write, before the directory does
// it or after, for every n there is; then the work goes on and ends as if nothing had been.
func TestFaultAtEveryWrite(t *testing.T) {
	t.Parallel()
	for _, layout := range []ldapsink.Layout{ldapsink.People, ldapsink.Tree} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("layout %d, done %t", layout, done), func(t *testing.T) {
				t.Parallel()
				n := 1
				for ; breakAt(t, layout, done, n) && !t.Failed(); n += 1 + n/20 {
				}
				if n < 40 {
					t.Errorf("it took %d writes: they show little", n)
				}
			})
		}
	}
}

// breakAt breaks the n-th write of a change and says whether it came to that.
func breakAt(t *testing.T, layout ldapsink.Layout, done bool, n int) bool {
	t.Helper()
	f := emptyFixture(t, nil)
	f.sink = f.open(func(c *ldapsink.Config) { c.Layout = layout })
	shuffle(f.state, rand.New(rand.NewPCG(3, 1)), 14)
	f.all()
	shuffle(f.state, rand.New(rand.NewPCG(3, 2)), 14)
	broken := f.breakWrites(n, done)
	if _, err := f.sink.Converge(t.Context(), f.state, f.state.keys()); err != nil && !errors.Is(err, orgsync.ErrUnavailable) {
		t.Errorf("broken at write %d: Converge = %v, want ErrUnavailable", n, err)
	}
	f.memory.Fault(nil)
	f.all()
	kind := targets()[0]
	model{kind: kind, layout: layout, state: f.state, root: root}.check(f)
	if writes := f.all(); len(writes) > 0 {
		t.Errorf("broken at write %d: nothing to do, and wrote %v", n, writes)
	}
	return *broken
}

// breakWrites breaks the connection at the n-th write, and at the next: the second attempt
// breaks, too. It returns whether it came to that.
func (f *fixture) breakWrites(n int, done bool) *bool {
	writes, broken := 0, false
	f.memory.Fault(func(ldapsink.Operation) (before, after error) {
		if writes++; writes < n || broken && writes != n+1 {
			return nil, nil
		}
		broken = true
		lost := ldap.NewError(ldap.ErrorNetwork, errors.New("connection closed"))
		if done {
			return nil, lost
		}
		return lost, nil
	})
	return &broken
}

// TestFaultOfWhatIsOwed: the same where only that is owed which changed. Whom nobody owes is
// not forgotten over it.
func TestFaultOfWhatIsOwed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *state) orgsync.Key{
		"a department goes, and leaves users":   func(s *state) orgsync.Key { return s.remove("gone") },
		"a department comes, and users wait":    func(s *state) orgsync.Key { return s.department("coming", "来", "top") },
		"a department moves, and takes users":   func(s *state) orgsync.Key { return s.department("moving", "动", "") },
		"a department stays, with another name": func(s *state) orgsync.Key { return s.department("moving", "改", "top") },
	} {
		for shape, c := range shapes() {
			for _, done := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, done %t", name, shape, done), func(t *testing.T) {
					t.Parallel()
					for n := 1; breakOwed(t, c, change, done, n) && !t.Failed(); n++ {
					}
				})
			}
		}
	}
}

// breakOwed breaks the n-th write of a change, and the one after it, and says whether it came
// to that.
func breakOwed(t *testing.T, shape func(*ldapsink.Config), change func(s *state) orgsync.Key, done bool, n int) bool {
	t.Helper()
	f := emptyFixture(t, nil)
	f.sink = f.open(shape)
	f.state.department("top", "顶", "")
	for _, code := range []string{"gone", "moving"} {
		f.state.department(code, "部", "top")
	}
	for _, code := range []string{"top", "gone", "moving", "coming"} {
		f.state.user("user of "+code, "某", code)
		f.state.user("admin of "+code, "某", code, orgsync.AttrRole, "admin")
	}
	f.all()
	key := change(f.state)
	broken := f.breakWrites(n, done)
	for range 2 {
		if _, err := f.sink.Converge(t.Context(), f.state, []orgsync.Key{key}); err != nil && !errors.Is(err, orgsync.ErrUnavailable) {
			t.Errorf("broken at write %d: Converge = %v, want ErrUnavailable", n, err)
		}
		f.memory.Fault(nil)
	}
	if whole := f.plan(ldapsink.WholeOptions{}); len(whole.Operations)+len(whole.Reports) > 0 {
		t.Errorf("broken at write %d: planned %v, reported %v", n, whole.Operations, whole.Reports)
	}
	return *broken
}

// processes are the targets that can die.
func processes() []target {
	var list []target
	for _, kind := range targets() {
		if kind.name == "OpenLDAP" || kind.name == "389DS" || kind.name == "Samba" {
			list = append(list, kind)
		}
	}
	return list
}

// TestKilledInMidPlan: the server dies in the middle and comes back.
func TestKilledInMidPlan(t *testing.T) {
	t.Parallel()
	for _, kind := range processes() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			f := emptyFixture(t, kind.start(t))
			midPlan, writes := make(chan struct{}), 0
			f.sink = f.open(func(c *ldapsink.Config) {
				c.Layout = ldapsink.Tree
				c.Observe = func(ldapsink.Operation, error) {
					f.mu.Lock()
					defer f.mu.Unlock()
					if writes++; writes == 25 {
						close(midPlan)
					}
				}
			})
			shuffle(f.state, rand.New(rand.NewPCG(4, 1)), 30)
			ended := make(chan error, 1)
			go func() {
				_, err := f.sink.Converge(t.Context(), f.state, f.state.keys())
				ended <- err
			}()
			<-midPlan
			f.dir.Kill()
			if err := <-ended; !errors.Is(err, orgsync.ErrUnavailable) {
				t.Errorf("Converge over the death of the server = %v, want ErrUnavailable", err)
			}
			f.dir.Start()
			f.all()
			model{kind: kind, layout: ldapsink.Tree, state: f.state, root: root}.check(f)
		})
	}
}

// TestReadOnlyServer: nothing is lost while the server takes no writes, and the reason says
// what it is.
func TestReadOnlyServer(t *testing.T) {
	t.Parallel()
	for _, kind := range processes() {
		if kind.name == "Samba" {
			continue // it has no such mode
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			f := emptyFixture(t, kind.start(t))
			f.sink = f.open()
			shuffle(f.state, rand.New(rand.NewPCG(5, 1)), 12)
			f.all()
			shuffle(f.state, rand.New(rand.NewPCG(5, 2)), 12)
			f.dir.SetReadOnly(true)
			results, err := f.sink.Converge(t.Context(), f.state, f.state.keys())
			refused := 0
			for _, r := range results {
				if r.Err != nil {
					refused++
					if errors.Is(r.Err, orgsync.ErrRejected) || !strings.Contains(r.Err.Error(), "read-only") {
						t.Errorf("%s: %v, want it tried again and the mode named", r.Key, r.Err)
					}
				}
			}
			if err == nil && refused == 0 {
				t.Error("a read-only server refused nothing")
			}
			f.dir.SetReadOnly(false)
			f.all()
			model{kind: kind, state: f.state, root: root}.check(f)
		})
	}
}
