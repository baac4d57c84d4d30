//go:build integration

package integration_test

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is a chronicle with one small database, told by hand.
type scripted struct {
	*chronicle
	at     time.Time
	number int
}

func startScripted(t testing.TB, guard string) *scripted {
	t.Helper()
	file := filepath.Join(t.TempDir(), "product.db")
	p := openProduct(t, "sqlite", "sqlite:"+file, "sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&mode=rwc")
	return &scripted{chronicle: startChronicle(t, []*product{p}, guard, ""), at: anHourAgo()}
}

// say tells a statement of that tenant, so many seconds after the beginning, and
// waits until the database has what follows from it.
func (c *scripted) say(t testing.TB, tenant, after int, s statement) {
	t.Helper()
	s.tenant = tenantName(tenant)
	s.at = c.at.Add(time.Duration(after) * time.Second)
	s.stamp = s.at
	if s.name == "tenantSync" && s.flag != flagRemove {
		s.enterprise = map[string]string{"tenantCode": "c", "name": "n", "domainName": "https://a.example.com"}
	}
	c.number++
	c.tell(t, 1, []delivery{{statement: s, number: c.number}})
	c.settle(t)
}

func (c *chronicle) settle(t testing.TB) {
	t.Helper()
	await(t, 10*time.Second, func() string {
		if c.status(t).pending() > 0 {
			return "keys are pending"
		}
		return ""
	})
}

// forget takes back that the last statement was told: it is held or refused.
func (c *scripted) forget() (last statement) {
	last = c.told[len(c.told)-1]
	c.told = c.told[:len(c.told)-1]
	return last
}

func listOf(instance string, codes ...string) statement {
	s := statement{name: "allOrgSync", instance: instance}
	for _, code := range codes {
		s.departments = append(s.departments, listedDepartment{code: code, name: "产品部"})
	}
	return s
}

func bindingOf(instance string, flag int) statement {
	return statement{name: "tenantSync", instance: instance, flag: flag}
}

// TestHeldList: a list that removes much changes nothing until a person says yes;
// the yes applies exactly it; a no leaves all, and the same list stays refused.
func TestHeldList(t *testing.T) {
	t.Parallel()
	c := startScripted(t, "{count: 2, percent: 10}")
	for n := range historyTenants {
		c.say(t, n, 1, bindingOf("i1", flagAdd))
		c.say(t, n, 2, listOf("i1", "a", "b", "c", "d", "e", "f"))
	}
	c.agrees(t, "at first", true)
	before := c.products[0].everything(t)
	changesNothing := func(when string) {
		t.Helper()
		c.settle(t)
		if diff := cmp.Diff(before, c.products[0].everything(t)); diff != "" {
			t.Fatalf("%s the tables are others (-before +after):\n%s", when, diff)
		}
	}
	verdicts := func(when string, held, refused int64) {
		t.Helper()
		if j := c.status(t).Journal; j.Held != held || j.Refused != refused {
			t.Errorf("%s the journal has %+v, want %d held and %d refused", when, j, held, refused)
		}
	}
	small := listOf("i1", "b", "new")
	for n := range historyTenants {
		c.say(t, n, 3, small)
		c.forget()
	}
	changesNothing("while the lists are held")
	verdicts("while the lists are held", 6, 0)
	waiting := map[string]int64{}
	for _, h := range c.held(t) {
		waiting[h.Tenant] = h.ID
		if h.Why != "guard" || h.Reason == "" {
			t.Errorf("held is %+v, want it to say that it is the guard, and why", h)
		}
	}
	if len(waiting) != historyTenants {
		t.Fatalf("held are %v, want one of each tenant", waiting)
	}

	// What comes after a held list goes on as if it had not come.
	c.say(t, 2, 4, statement{name: "singleOrgSync", instance: "i1", flag: flagAdd, departments: []listedDepartment{{code: "g", name: "g", parent: "a"}}})
	c.agrees(t, "after another change", true)
	before = c.products[0].everything(t)

	if code := c.decide(t, waiting[tenantName(0)], "reject"); code != http.StatusOK {
		t.Fatalf("reject: %d", code)
	}
	changesNothing("after the no")
	verdicts("after the no", 4, 2)
	c.say(t, 0, 5, small)
	c.forget()
	changesNothing("after the refused list came again")
	verdicts("after the refused list came again", 4, 4)
	if code := c.decide(t, waiting[tenantName(0)], "approve"); code != http.StatusNotFound {
		t.Errorf("approve after the no: %d, want 404", code)
	}

	approve := func(n int) {
		t.Helper()
		if code := c.decide(t, waiting[tenantName(n)], "approve"); code != http.StatusOK {
			t.Fatalf("approve: %d", code)
		}
		held := small
		held.tenant, held.at, held.stamp = tenantName(n), c.at.Add(3*time.Second), c.at.Add(3*time.Second)
		c.told = append(c.told, held)
		c.agrees(t, "after the yes", true)
	}
	others := maps.Clone(before)
	delete(others, tenantName(1))
	approve(1)
	after := c.products[0].everything(t)
	delete(after, tenantName(1))
	if diff := cmp.Diff(others, after); diff != "" {
		t.Errorf("the yes for one tenant changed others (-before +after):\n%s", diff)
	}
	approve(2) // g is newer than the list and stays
	verdicts("in the end", 0, 4)
	if left := c.held(t); len(left) != 0 {
		t.Errorf("in the end %+v is held", left)
	}
}

// TestDepartmentsOfAReturn: a tenant that comes back, by the same subscription or
// by another, has the departments that are listed then, and no others, in
// whatever order binding and list arrive.
func TestDepartmentsOfAReturn(t *testing.T) {
	t.Parallel()
	c := startScripted(t, generous)
	for n := range historyTenants {
		c.say(t, n, 1, bindingOf("i1", flagAdd))
		c.say(t, n, 2, listOf("i1", "a", "b"))
		c.say(t, n, 3, bindingOf("i1", flagRemove))
	}
	c.say(t, 0, 4, bindingOf("i1", flagAdd))
	c.say(t, 0, 5, listOf("i1", "a"))
	c.say(t, 1, 4, bindingOf("i2", flagAdd))
	c.say(t, 1, 5, listOf("i2", "a"))
	c.say(t, 2, 5, listOf("i2", "a")) // before its binding
	c.say(t, 2, 4, bindingOf("i2", flagAdd))
	c.agrees(t, "after the returns", true)
}

// TestHistoriesHeld: with a guard that holds much, and a person who says yes to all
// of it in the end, in whatever order, the tables are what a replay says.
func TestHistoriesHeld(t *testing.T) {
	t.Parallel()
	servers := startHistoryServers(t)
	for _, seed := range historySeeds(t, 2) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			h := newHistorian(t, seed)
			history := h.history(false)
			c := startChronicle(t, servers.products(t), "{count: 1, percent: 2}", "")
			c.tell(t, 1, h.shuffled(history))
			held := c.held(t)
			t.Logf("%d messages are held", len(held))
			c.settle(t)
			h.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
			for _, m := range held {
				if code := c.decide(t, m.ID, "approve"); code != http.StatusOK && code != http.StatusNotFound {
					t.Fatalf("approve %+v: %d", m, code)
				}
				c.status(t) // its counts must add up at any time
			}
			c.approveAll(t)
			c.agrees(t, "after all was approved", true)
			c.Stop()
		})
	}
}
