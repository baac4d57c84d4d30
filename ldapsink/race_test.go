package ldapsink_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// meeting is a directory whose writers wait for each other before their first write of a
// user: by then all of them have read and planned.
type meeting struct {
	ldapsink.Directory
	arrive func()
}

func (m meeting) Write(ctx context.Context, o ldapsink.Operation) error {
	if o.ID.Kind == ldapsink.UserEntry {
		m.arrive()
	}
	return m.Directory.Write(ctx, o)
}

// connect is the directory as the service account has it.
func (f *fixture) connect() ldapsink.Directory {
	f.t.Helper()
	if f.memory != nil {
		return f.memory
	}
	address, config := secure(f.t, f.dir)
	d, err := ldapsink.NewDirectory(config, peers.ServiceDN, peers.ServicePassword, 10*time.Second, address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(d.Reset)
	return d
}

// TestNumbersOfTwoReplicas: two replicas that allocate at the same time, each for another
// tenant, from a range in which every choice is disputed, give no number twice.
func TestNumbersOfTwoReplicas(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		if kind.memberOf && kind.dialect != ldapsink.ActiveDirectory {
			continue // as without
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			const users, replicas = 15, 2
			attributes := map[string]string{"uidNumber": "{userName|number:2000-2029}"}
			if kind.dialect != ldapsink.ActiveDirectory { // there every user may have one
				attributes["objectClass"], attributes["gidNumber"], attributes["homeDirectory"] = "posixAccount", "1", "/"
			}
			one := emptyFixture(t, kind.start(t))
			var all, group sync.WaitGroup
			all.Add(replicas)
			for n := range replicas {
				f := &fixture{t: t, dir: one.dir, memory: one.memory, links: one.links, state: newState(), now: one.now}
				f.state.tenant.ID = orgsync.TenantID(fmt.Sprint("race", n))
				f.sink = f.open()
				f.all() // the containers
				var here sync.Once
				met := meeting{f.connect(), func() { here.Do(func() { all.Done(); all.Wait() }) }}
				f.sink = f.open(mapping(t, attributes), func(c *ldapsink.Config) { c.Directory = met })
				var keys []orgsync.Key
				for i := range users {
					keys = append(keys, f.state.user(fmt.Sprintf("u%d%d", n, i), "某", ""))
				}
				group.Go(func() {
					results, err := f.sink.Converge(t.Context(), f.state, keys)
					here.Do(all.Done) // nobody waits for one who failed
					for _, r := range results {
						err = errors.Join(err, r.Err)
						if len(r.Warnings) > 0 {
							t.Errorf("%s: %v", r.Key, r.Warnings)
						}
					}
					if err != nil {
						t.Errorf("Converge: %v", err)
					}
				})
			}
			group.Wait()
			seen := map[string]string{}
			for n := range replicas {
				for dn, e := range one.read(fmt.Sprintf("ou=people,ou=race%d,%s", n, peers.BaseDN), "uidNumber") {
					for _, number := range e["uidNumber"] {
						if by := seen[number]; by != "" {
							t.Errorf("%s and %s have the number %s", by, dn, number)
						}
						seen[number] = dn
					}
				}
			}
			if len(seen) != users*replicas {
				t.Errorf("%d numbers were given, want %d", len(seen), users*replicas)
			}
		})
	}
}
