package ldapsink_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// suiteCase is an organisation that is hard for directories, and what then happens to it.
type suiteCase struct {
	name string
	fill func(s *state, large int)
	// perturb changes the state; it is called so many times.
	perturb func(s *state, round, large int)
	rounds  int
}

// hardTexts are names of people and departments; unlike ids they may be anything.
func hardTexts() []string {
	return []string{
		`,+"\<>;=#`, "#井号", " 前导空格", "结尾空格 ", "  两端  ", "两  个空格", "全角ＡＢＣ１２３", "ABC123", "é", "e\u0301", "😀🏳️‍🌈👨‍👩‍👧", "\u200fعربي",
		"O'Neil, Jr.", `C:\路径\`, "a/b/c", "100%", "*通配(符)*", "𠮷野家", "ß", "İstanbul", "研发部", strings.Repeat("汉", 128), strings.Repeat("深圳研发", 32),
	}
}

func suiteCases() []suiteCase {
	return []suiteCase{
		{name: "names", fill: func(s *state, _ int) {
			for i, text := range hardTexts() {
				code := fmt.Sprintf("n%02d", i)
				s.department(code, text, map[bool]string{true: "n00"}[i%3 == 1])
				s.user(fmt.Sprintf("user%02d", i), text, code, orgsync.AttrPosition, text, orgsync.AttrWorkPlace, text, orgsync.AttrEmail, "a@b", orgsync.AttrMobile, text)
			}
		}, rounds: 1, perturb: func(s *state, _, _ int) { // everybody and everything is called what the next one was
			texts := hardTexts()
			for i := range texts {
				code := fmt.Sprintf("n%02d", i)
				s.department(code, texts[(i+1)%len(texts)], map[bool]string{true: "n01"}[i%4 == 2])
				s.user(fmt.Sprintf("user%02d", i), texts[(i+1)%len(texts)], code)
			}
		}},
		{name: "ids", fill: func(s *state, _ int) {
			ids := []string{
				`a,+"\<>;=#b`, "#x", "x#", `"quoted"`, `back\\slash`, "a b", "a=b", "<>", ";", "深圳-研发中心", "😀", "1.2.3", "cn=x", "a,ou=b", "ü", strings.Repeat("长", 21), "*",
			}
			for i, id := range ids {
				s.department(id, "部门", ids[max(i-1, 0)])
				s.user(fmt.Sprintf("id%02d", i), "名", id)
			}
			s.department(ids[0], "顶", "")
		}},
		{name: "depth 40", fill: func(s *state, _ int) {
			for i := range 40 {
				s.department(fmt.Sprintf("层%02d", i), fmt.Sprintf("第%d层", i), map[bool]string{true: fmt.Sprintf("层%02d", i-1)}[i > 0])
				s.user(fmt.Sprintf("deep%02d", i), "深", fmt.Sprintf("层%02d", i))
			}
		}, rounds: 2, perturb: func(s *state, round, _ int) { // the chain is turned over, and back
			for i := range 40 {
				above := i + 1
				if round == 1 {
					above = i - 1
				}
				s.department(fmt.Sprintf("层%02d", i), "翻", map[bool]string{true: fmt.Sprintf("层%02d", above)}[above >= 0 && above < 40])
			}
		}},
		{name: "large group", fill: func(s *state, large int) {
			s.department("big", "大", "")
			s.department("small", "小", "")
			for i := range large {
				s.user(fmt.Sprintf("member%04d", i), "成员", "big")
			}
		}, rounds: 1, perturb: func(s *state, _, _ int) { // a third leaves, all in the department that moves
			s.department("big", "大", "small")
			names := make([]string, 0, len(s.users))
			for name := range s.users {
				names = append(names, string(name))
			}
			slices.Sort(names)
			for i, name := range names {
				if i%3 == 0 {
					s.user(name, "成员", "small")
				}
			}
		}},
		{
			name: "perturbed twice", fill: func(s *state, large int) { shuffle(s, rand.New(rand.NewPCG(1, 1)), large) },
			rounds: 2, perturb: func(s *state, round, large int) { shuffle(s, rand.New(rand.NewPCG(2, uint64(round))), large) },
		},
	}
}

// shuffle gives up to forty departments and a hundred users new names, places and standings.
func shuffle(s *state, r *rand.Rand, large int) {
	for i := range min(40, large) {
		code := fmt.Sprintf("d%02d", i)
		if r.IntN(8) == 0 {
			s.remove(code)
			continue
		}
		s.department(code, hardTexts()[r.IntN(8)], map[bool]string{true: fmt.Sprintf("d%02d", r.IntN(40))}[r.IntN(6) > 0])
	}
	for i := range min(100, large) {
		name := fmt.Sprintf("p%03d", i)
		s.user(name, hardTexts()[r.IntN(8)], fmt.Sprintf("d%02d", r.IntN(44)), orgsync.AttrRole, []string{"user", "user", "admin"}[r.IntN(3)])
		if r.IntN(6) == 0 {
			s.status(name, orgsync.StatusDisabled)
		}
	}
}

// TestSuite: every case on every kind of server, in both layouts. An independent client
// reads what the model says, and there is nothing left to do by any way of looking.
func TestSuite(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		if kind.large == 0 {
			continue // the same server as another one, whose plug-in may leave memberOf of moved users as it was
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			runSuite(t, kind)
		})
	}
}

// countedLinks are links that count how often something is remembered.
type countedLinks struct {
	ldapsink.Links
	puts atomic.Int64
}

func (c *countedLinks) Put(ctx context.Context, tenant orgsync.TenantID, links []ldapsink.Link) error {
	c.puts.Add(1)
	return c.Links.Put(ctx, tenant, links)
}

// runSuite runs the cases on one server, one after the other: they share the directory.
func runSuite(t *testing.T, kind target) {
	t.Helper()
	dir := kind.start(t)
	for n, c := range suiteCases() {
		for l, layout := range []ldapsink.Layout{ldapsink.People, ldapsink.Tree} {
			if kind.slow && (n+l)%2 == 0 {
				continue // each case once
			}
			t.Run(fmt.Sprintf("%s, layout %d", c.name, layout), func(t *testing.T) {
				f := emptyFixture(t, dir)
				links := &countedLinks{Links: f.links}
				f.sink = f.open(func(cfg *ldapsink.Config) { cfg.Layout, cfg.Timeout, cfg.Links = layout, time.Minute, links })
				f.state.tenant.ID = orgsync.TenantID(fmt.Sprintf("suite%d-%d", n, layout))
				f.runCase(kind, c, layout)
				before := links.puts.Load()
				if f.all(); links.puts.Load() != before {
					t.Error("nothing to do, and remembered something")
				}
			})
		}
	}
}

func (f *fixture) runCase(kind target, c suiteCase, layout ldapsink.Layout) {
	f.t.Helper()
	m := model{kind: kind, layout: layout, state: f.state, root: fmt.Sprintf("ou=%s,%s", f.state.tenant.ID, peers.BaseDN)}
	large := kind.large
	if layout == ldapsink.Tree {
		large /= 5 // each of them moves
	}
	c.fill(f.state, large)
	f.all()
	m.check(f)
	for round := range c.rounds {
		c.perturb(f.state, round, kind.large)
		if round%2 == 0 {
			f.settle(kind)
		} else {
			f.all()
		}
		m.check(f)
	}
	for n := 0; kind.late && n < 20 && len(f.plan(ldapsink.WholeOptions{}).Operations) > 0; n++ {
		f.settle(kind) // the overlay had still something to do
	}
	if writes := f.all(); len(writes) > 0 {
		f.t.Errorf("nothing to do, and wrote %v", writes)
	}
	if again := f.plan(ldapsink.WholeOptions{}); len(again.Operations)+len(again.Reports) > 0 {
		f.t.Errorf("nothing to do, and planned %v, reported %v", again.Operations, again.Reports)
	}
}

// settle is reconcile, as often as it takes on a server that changes groups by itself at the
// same time: there a value may come or go between reading and writing, which is reported.
func (f *fixture) settle(kind target) {
	f.t.Helper()
	for range 20 {
		if !kind.late {
			break
		}
		whole, err := f.sink.Reconcile(f.t.Context(), f.state, ldapsink.WholeOptions{})
		if err != nil {
			f.t.Fatal(err)
		}
		if len(whole.Reports) == 0 {
			break
		}
	}
	f.reconcile(ldapsink.WholeOptions{})
}
