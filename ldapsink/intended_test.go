package ldapsink_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// brokenLinks record what is about to be added, and cannot record what came of it.
type brokenLinks struct {
	ldapsink.Links
	broken bool
}

func (l *brokenLinks) Put(ctx context.Context, tenant orgsync.TenantID, links []ldapsink.Link) error {
	if l.broken && len(links) > 0 && links[0].UUID != "" {
		return errors.New("the process is killed")
	}
	return l.Links.Put(ctx, tenant, links)
}

// TestKilledAfterAdd: what was added just before a crash is ours after it, on every kind of
// server: the next change reaches it, and nothing is taken for somebody else's.
func TestKilledAfterAdd(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		if kind.late || kind.large == 0 {
			continue // the same server as another one
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			f := emptyFixture(t, kind.start(t))
			links := &brokenLinks{Links: f.links, broken: true}
			f.sink = f.open(func(c *ldapsink.Config) { c.Links = links })
			f.state.department("a", "甲", "")
			f.state.user("zhang", "张三", "a")
			if _, err := f.sink.Converge(t.Context(), f.state, f.state.keys()); err == nil {
				t.Fatal("the links were not broken")
			}
			links.broken = false
			f.state.tenant.Name = "改名"
			f.state.department("a", "改名", "")
			f.state.user("zhang", "改名", "a")
			f.all()
			for dn, e := range f.read("ou=t1,"+peers.BaseDN, "description", "displayName", "ou", "uid") {
				for name, values := range map[string][]string{"description": e["description"], "displayName": e["displayName"]} {
					if len(values) > 0 && values[0] != "改名" {
						t.Errorf("%s of %s is still %q", name, dn, values)
					}
				}
			}
			if w := f.plan(ldapsink.WholeOptions{}); len(w.Operations)+len(w.Reports)+w.Foreign > 0 || w.Users != 1 || w.Departments != 1 {
				t.Errorf("the plan is %v, with %d users, %d departments, %d entries of others", w.Operations, w.Users, w.Departments, w.Foreign)
			}
		})
	}
}
