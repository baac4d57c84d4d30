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

// meet returns for each of n a function that waits, the first time, for the others to call theirs.
func meet(n int) []func() {
	var all sync.WaitGroup
	all.Add(n)
	arrive := make([]func(), n)
	for i := range arrive {
		var once sync.Once
		arrive[i] = func() { once.Do(func() { all.Done(); all.Wait() }) }
	}
	return arrive
}

// meeting is a directory whose writers wait for each other before their first write of a
// user: by then all of them have read and planned.
type meeting struct {
	ldapsink.Directory
	arrive func()
}

// meetingLinks are links whose users wait for each other before they claim: by then all of
// them have seen what is claimed.
type meetingLinks struct {
	ldapsink.Links
	arrive func()
}

func (m meetingLinks) Claim(
	ctx context.Context, tenant orgsync.TenantID, attribute string, want map[orgsync.UserName]int, keep bool,
) (map[orgsync.UserName]bool, error) {
	if keep {
		m.arrive()
	}
	return m.Links.Claim(ctx, tenant, attribute, want, keep)
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
			var group sync.WaitGroup
			claims, writes := meet(replicas), meet(replicas)
			for n := range replicas {
				f := &fixture{t: t, dir: one.dir, memory: one.memory, links: one.links, state: newState(), now: one.now}
				f.state.tenant.ID = orgsync.TenantID(fmt.Sprint("race", n))
				f.sink = f.open()
				f.all() // the containers
				f.sink = f.open(mapping(t, attributes), func(c *ldapsink.Config) {
					c.Directory, c.Links = meeting{f.connect(), writes[n]}, meetingLinks{f.links, claims[n]}
				})
				var keys []orgsync.Key
				for i := range users {
					keys = append(keys, f.state.user(fmt.Sprintf("u%d%d", n, i), "某", ""))
				}
				group.Go(func() {
					results, err := f.sink.Converge(t.Context(), f.state, keys)
					go claims[n]() // nobody waits for one who failed
					go writes[n]()
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
