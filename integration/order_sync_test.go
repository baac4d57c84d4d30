//go:build integration

package integration_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// history is an eventful hour of a buyer, who in the end is what b has become.
func history(t testing.TB, b *buyer) []message {
	t.Helper()
	second := anHourAgo()
	next := func() time.Time { second = second.Add(time.Second); return second }
	change := func(name string, with func(*user)) message {
		u := b.users[name]
		with(&u)
		b.users[name] = u
		return b.authorise(flagModify, next(), name)
	}
	messages := b.binding(t, next())
	second = second.Add(4 * time.Second)
	b.name = "renamed, Ltd." // not the domain: a new auth centre waits for a person
	return append(messages,
		b.tenantSync(flagModify, next()),
		b.putDepartment(flagModify, next(), "研发", department{name: "研发与创新"}),
		b.putDepartment(flagAdd, next(), "new", department{name: "新部门", parent: "研发"}),
		b.putDepartment(flagModify, next(), "#1", department{name: displayName(4), parent: "new"}), // with what is below
		b.putDepartment(flagModify, next(), "k=v", department{name: "an orphan", parent: "unheard of"}),
		b.putDepartment(flagModify, next(), "<angle>", department{name: "in a circle", parent: `back\slash`}),
		b.putDepartment(flagModify, next(), `back\slash`, department{name: "in a circle", parent: "<angle>"}),
		b.removeDepartment(next(), "team-a"),
		change("研发", func(u *user) { u.orgCode, u.position, u.role = "new", "", "user" }),
		change("new one", func(u *user) { u.name, u.orgCode, u.role = "新人", "new", "admin" }), // flag 2 of somebody unknown
		b.withdraw(flagRemove, next(), "#1", "a+b"),
		b.authorise(flagAdd, next(), "a+b"), // perhaps another person
		b.disable(next(), "k=v"),
		b.disable(next(), "x;y"),
		change("x;y", func(*user) {}), // and enabled again
		b.withdraw(flagRevoke, next(), "<angle>", "per%cent"),
		b.authorise(flagAdd, next(), "per%cent"),
		b.allOrgSync(next()),
	)
}

// TestSyncOrder: whatever comes twice, late, or before what it needs, the end is
// the same directory and the same tables.
func TestSyncOrder(t *testing.T) {
	t.Parallel()
	s := startScene(t, peers.Slapd(t, peers.SlapdOptions{MemberOf: true}).URL(), peers.MariaDB(t).Product())
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	shuffled := func(messages []message) []message {
		messages = slices.Clone(messages)
		random.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
		return messages
	}
	orders := []struct {
		name  string
		order func([]message) []message
	}{
		{"as it was", func(m []message) []message { return m }},
		{"twice", func(m []message) []message { return slices.Concat(m, m) }},
		{"each twice", func(m []message) []message {
			var out []message
			for _, x := range m {
				out = append(out, x, x)
			}
			return out
		}},
		{"backwards", func(m []message) []message {
			m = slices.Clone(m)
			slices.Reverse(m)
			return m
		}},
		{"users before departments before the tenant", func(m []message) []message {
			order := []string{"authSync", "singleOrgSync", "allOrgSync", "applicationSync", "tenantSync"}
			m = slices.Clone(m)
			slices.SortStableFunc(m, func(a, b message) int { return slices.Index(order, a.name) - slices.Index(order, b.name) })
			return m
		}},
	}
	for n := range 6 {
		orders = append(orders, struct {
			name  string
			order func([]message) []message
		}{fmt.Sprintf("shuffled %d", n), func(m []message) []message { return shuffled(slices.Concat(m, m[:n*3])) }})
	}
	var buyers []*buyer
	for n, o := range orders {
		t.Log(o.name)
		b := headquarters(fmt.Sprintf("tenant-%02d", n))
		s.deliver(t, o.order(history(t, b))...)
		buyers = append(buyers, b)
	}
	s.settles(t, 30*time.Second, buyers...)
	s.quiet(t)
	s.settles(t, time.Second, buyers...)
	s.Stop()
}

// TestSyncChildrenFirst: a tree that comes leaf by leaf, children before their
// parents, is whole in the end.
func TestSyncChildrenFirst(t *testing.T) {
	t.Parallel()
	s := startScene(t, peers.Slapd(t, peers.SlapdOptions{}).URL(), peers.MariaDB(t).Product())
	b := headquarters("t1")
	at := anHourAgo()
	codes := sortedKeys(b.departments)
	slices.SortStableFunc(codes, func(x, y string) int {
		above := func(code string) int { codes, _ := b.path(code); return len(codes) }
		return above(y) - above(x)
	})
	s.deliver(t, b.authorise(flagAdd, at, sortedKeys(b.users)...), b.tenantSync(flagAdd, at))
	for _, code := range codes {
		s.deliver(t, b.putDepartment(flagAdd, at, code, b.departments[code]))
	}
	s.settles(t, 10*time.Second, b)
	if got := s.status(t).Journal.Parked; got != 0 {
		t.Errorf("%d changes are parked, though everything has its place", got)
	}
}
