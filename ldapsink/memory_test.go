package ldapsink_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// crowd is a directory, the links and the state of a tenant with a great many users, who are
// made up one by one from the one who is there, and as they should be. Nothing grows with
// their number but what looks at them.
type crowd struct {
	*fixture
	n    int
	base uint64 // what the heap held before
	most uint64 // what it held at most, beyond
}

const crowdDepartments = 10

func newCrowd(t *testing.T, n int, layout ldapsink.Layout) *crowd {
	t.Helper()
	c := &crowd{fixture: emptyFixture(t, nil), n: n}
	c.sink = c.open(func(cfg *ldapsink.Config) { cfg.Layout = layout })
	for i := range crowdDepartments {
		c.state.department(fmt.Sprint("d", i), "部门", "")
	}
	c.state.user(crowdName(0), "张三", "d0", orgsync.AttrMobile, "+86 138 0000 0000", orgsync.AttrEmail, "zhang@example.org",
		orgsync.AttrPosition, "工程师", orgsync.AttrEmployeeCode, "E1", orgsync.AttrEmployeeType, "1")
	c.all()
	c.sink = c.open(func(cfg *ldapsink.Config) {
		cfg.Layout, cfg.Directory, cfg.Links = layout, crowdDirectory{c.memory, c}, crowdLinks{c.links, c}
	})
	return c
}

func crowdName(i int) string { return fmt.Sprintf("user%06d", i) }

func crowdUUID(name string) string { return "uuid-of-" + name }

// user is the i-th user of the state.
func (c *crowd) user(i int) orgsync.User {
	u := c.state.users[orgsync.UserName(crowdName(0))]
	u.Name = orgsync.UserName(crowdName(i))
	u.Attributes = u.Attributes.Set(orgsync.AttrOrgCode, fmt.Sprint("d", i%crowdDepartments))
	return u
}

// look notes how much the heap holds, all that is garbage left out.
func (c *crowd) look() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	c.most = max(c.most, m.HeapAlloc-min(m.HeapAlloc, c.base))
}

// measure plans, and returns how much that held at most.
func (c *crowd) measure() uint64 {
	c.t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	c.base = m.HeapAlloc
	whole, err := c.sink.Plan(c.t.Context(), crowdView{c.state, c}, ldapsink.WholeOptions{})
	if err != nil || len(whole.Operations)+len(whole.Reports) > 0 || whole.Users != c.n {
		c.t.Fatalf("Plan = %v, %v of %d users, %v; want nothing to do for %d", shortly(whole.Operations), whole.Reports, whole.Users, err, c.n)
	}
	return c.most
}

type crowdView struct {
	*state
	c *crowd
}

func (v crowdView) AllUsers(_ context.Context, yield func(orgsync.User) error) error {
	for i := range v.c.n {
		if err := yield(v.c.user(i)); err != nil {
			return err
		}
	}
	v.c.look()
	return nil
}

type crowdLinks struct {
	*ldapsink.MemoryLinks
	c *crowd
}

func (l crowdLinks) Get(ctx context.Context, tenant orgsync.TenantID, ids []ldapsink.EntryID) (map[ldapsink.EntryID]ldapsink.Link, error) {
	found, err := l.MemoryLinks.Get(ctx, tenant, ids)
	for _, id := range ids {
		if id.Kind == ldapsink.UserEntry {
			found[id] = ldapsink.Link{ID: id, UUID: crowdUUID(id.Name), DN: l.c.name(id.Name)}
		}
	}
	return found, err
}

// name is where a user stands.
func (c *crowd) name(user string) string { return "uid=" + user + ",ou=people," + root }

type crowdDirectory struct {
	ldapsink.Directory
	c *crowd
}

func (d crowdDirectory) Search(ctx context.Context, q ldapsink.Search, yield func(ldapsink.Found) error) error {
	c, seen := d.c, 0
	return d.Directory.Search(ctx, q, func(e ldapsink.Found) error {
		if e.DN == c.name(crowdName(0)) {
			for i := range c.n {
				if err := yield(c.entry(e, i)); err != nil {
					return err
				}
				if seen++; seen%(c.n/3) == 0 {
					c.look()
				}
			}
			return nil
		}
		if len(e.Attributes["member"]) > 0 {
			e.Attributes = maps.Clone(e.Attributes)
			e.Attributes["member"] = c.members(e.DN)
		}
		defer c.look()
		return yield(e)
	})
}

// entry is that of the i-th user, made of the one who is there.
func (c *crowd) entry(e ldapsink.Found, i int) ldapsink.Found {
	name := crowdName(i)
	e.DN, e.Attributes = c.name(name), maps.Clone(e.Attributes)
	e.Attributes["uid"], e.Attributes["entryUUID"] = []string{name}, []string{crowdUUID(name)}
	e.Attributes["departmentNumber"] = []string{fmt.Sprint("d", i%crowdDepartments)}
	return e
}

func (c *crowd) members(group string) []string {
	members := []string{"cn=nobody," + root}
	for i := range c.n {
		in := strings.HasPrefix(group, "cn=user,") || strings.HasPrefix(group, fmt.Sprintf("cn=d%d,", i%crowdDepartments))
		if in {
			members = append(members, c.name(crowdName(i)))
		}
	}
	return slices.Clip(members)
}

// TestReconcileMemory: to find out that nothing is to be done takes some two hundred bytes of
// memory a user, the longest list of members included, whatever their entries hold.
func TestReconcileMemory(t *testing.T) { // alone: it measures the heap
	const few, many = 4_000, 16_000
	small, large := newCrowd(t, few, ldapsink.People).measure(), newCrowd(t, many, ldapsink.People).measure()
	each := (int64(large) - int64(small)) / (many - few)
	t.Logf("%d kB for %d users, %d kB for %d: %d bytes a user", small/1000, few, large/1000, many, each)
	if each > 300 {
		t.Errorf("%d bytes a user, want at most 300", each)
	}
}
