package ldapsink_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// changing is a state that others change while a sink reads it, and the keys that are owed
// for that, each with how often it changed.
type changing struct {
	*state
	mu      sync.Mutex
	rand    *rand.Rand // under mu, as all that follows
	isBusy  bool       // something changes before every other look
	changes int
	owed    map[orgsync.Key]int
}

func (c *changing) Departments(ctx context.Context, codes []orgsync.OrgCode) (map[orgsync.OrgCode]orgsync.PlacedDepartment, error) {
	defer c.look()()
	return c.state.Departments(ctx, codes)
}

func (c *changing) Users(ctx context.Context, names []orgsync.UserName) (map[orgsync.UserName]orgsync.User, error) {
	defer c.look()()
	return c.state.Users(ctx, names)
}

func (c *changing) Members(ctx context.Context, code orgsync.OrgCode, yield func(orgsync.UserName) error) error {
	defer c.look()()
	return c.state.Members(ctx, code, yield)
}

func (c *changing) AllDepartments(ctx context.Context, yield func(orgsync.Department) error) error {
	defer c.look()()
	return c.state.AllDepartments(ctx, yield)
}

// look lets one reader in, before whom something may change.
func (c *changing) look() (leave func()) {
	c.mu.Lock()
	for c.isBusy && c.rand.IntN(2) == 0 {
		c.change()
	}
	return c.mu.Unlock
}

// change is one statement about a department or a user.
func (c *changing) change() {
	c.changes++
	code := func() string { return fmt.Sprint("d", c.rand.IntN(5)) }
	name := fmt.Sprint("u", c.rand.IntN(6))
	switch c.rand.IntN(5) {
	case 0:
		c.owe(c.remove(code()))
	case 1, 2:
		above := code()
		if c.rand.IntN(3) == 0 {
			above = ""
		}
		c.owe(c.department(code(), "部门", above))
	case 3:
		c.owe(c.user(name, "某", code()))
	default:
		if _, known := c.users[orgsync.UserName(name)]; known {
			c.owe(c.status(name, []orgsync.Status{orgsync.StatusEnabled, orgsync.StatusDisabled, orgsync.StatusRemoved}[c.rand.IntN(3)]))
		}
	}
}

// owe is what the store does: what stands below a department is owed with it.
func (c *changing) owe(k orgsync.Key) {
	c.owed[k]++
	if k.Kind != orgsync.DepartmentKey {
		return
	}
	seen := map[string]bool{k.ID: true}
	for level := []string{k.ID}; len(level) > 0; level = level[1:] {
		for code, d := range c.departments {
			if string(d.Parent) == level[0] && !seen[string(code)] {
				seen[string(code)] = true
				level = append(level, string(code))
				c.owed[orgsync.Key{Kind: orgsync.DepartmentKey, ID: string(code)}]++
			}
		}
	}
}

// claim returns some of the owed keys as they are now.
func (c *changing) claim() map[orgsync.Key]int {
	defer c.look()()
	all := slices.SortedFunc(maps.Keys(c.owed), func(a, b orgsync.Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	c.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	claimed := map[orgsync.Key]int{}
	for _, k := range all[:min(len(all), 1+c.rand.IntN(6))] {
		claimed[k] = c.owed[k]
	}
	return claimed
}

// settle forgets what went well and did not change since it was claimed.
func (c *changing) settle(claimed map[orgsync.Key]int, results []orgsync.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range results {
		if r.Err == nil && c.owed[r.Key] == claimed[r.Key] {
			delete(c.owed, r.Key)
		}
	}
}

// fail breaks one write in ten while the state is busy, before or after it is done.
func (c *changing) fail(ldapsink.Operation) (before, after error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := ldap.NewError(ldap.ErrorNetwork, errors.New("connection closed"))
	switch {
	case !c.isBusy || c.rand.IntN(10) > 0:
		return nil, nil
	case c.rand.IntN(2) == 0:
		return lost, nil
	default:
		return nil, lost
	}
}

// TestChangesWhileReading: whatever changes between one look at the state and the next, and
// whatever write breaks, once nothing is owed any more the directory is equal. In a tree a
// department that moves twice, both times broken off, may leave a name behind that no link
// knows; that is for the next comparison.
func TestChangesWhileReading(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		layout   ldapsink.Layout
		isNested bool
		breaks   bool
	}{
		{"people", ldapsink.People, false, false},
		{"tree", ldapsink.Tree, false, false},
		{"nested people", ldapsink.People, true, false},
		{"nested tree", ldapsink.Tree, true, false},
		{"people that break", ldapsink.People, false, true},
		{"nested people that break", ldapsink.People, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first := rand.Uint64()
			for n := range uint64(100) {
				f := emptyFixture(t, nil)
				f.sink = f.open(func(c *ldapsink.Config) { c.Layout, c.NestedGroups = tt.layout, tt.isNested })
				c := &changing{state: f.state, rand: rand.New(rand.NewPCG(first, n)), owed: map[orgsync.Key]int{}}
				if tt.breaks {
					f.memory.Fault(c.fail)
				}
				if err := c.deliver(t, f.sink); err != nil {
					t.Fatalf("seed %d, %d: %v", first, n, err)
				}
				if whole := f.plan(ldapsink.WholeOptions{}); len(whole.Operations)+len(whole.Reports) > 0 {
					t.Fatalf("seed %d, %d: nothing is owed, and planned %v, reported %v", first, n, whole.Operations, whole.Reports)
				}
			}
		})
	}
}

// deliver lets so much change, and goes on until nothing is owed.
func (c *changing) deliver(t *testing.T, sink *ldapsink.Sink) error {
	t.Helper()
	const most = 60
	for range 2000 {
		c.isBusy = c.changes < most
		claimed := c.claim()
		results, err := sink.Converge(t.Context(), c, slices.Collect(maps.Keys(claimed)))
		if err != nil && !errors.Is(err, orgsync.ErrUnavailable) {
			return err
		}
		if c.settle(claimed, results); c.changes >= most && len(c.owed) == 0 {
			return nil
		}
	}
	return fmt.Errorf("still owed: %v", c.owed)
}
