//go:build integration

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// startReplicas runs bridges that share a PostgreSQL, a key file, the
// credential key and the rest of the configuration; only their addresses are their own.
// The public one is the first replica's, as if that were the load balancer.
func startReplicas(t testing.TB, count int, rest string) []*bridge {
	t.Helper()
	shared := t.TempDir()
	if out, err := exec.Command(binary, "init", "--dir", shared).CombinedOutput(); err != nil {
		t.Fatalf("kitbridge init: %v\n%s", err, out)
	}
	credentialKey, database := writeCredentialKey(t, shared), peers.PostgreSQL(t).Product()
	replicas := make([]*bridge, 0, count)
	for range count {
		b := newBridge(t)
		replicas = append(replicas, b)
		b.run(t, fmt.Sprintf(`listen: %q
public_url: %q
database: %q
migrate: auto
key_file: %q
marketplace:
  keys: {kit: [%q]}
  private_key_files: [%q]
admin: {listen: %q, token: %q}
`, strings.TrimPrefix(b.publicURL, "http://"), replicas[0].publicURL, database.URL, filepath.Join(shared, "kitbridge.key"), kitKey, credentialKey,
			strings.TrimPrefix(b.adminURL, "http://"), adminToken)+rest)
	}
	return replicas
}

// crowd sends pushes to replicas in turn, as a load balancer would, and keeps
// account.
type crowd struct {
	replicas []*bridge
	buyers   []*buyer
	at       time.Time // the first push's

	mu       sync.Mutex // guards what follows
	next     int
	answered []int // pushes by replica
	moved    int   // attempts that got no answer and went to the next replica
	faults   []error
}

const (
	crowdUsers       = 5 // newcomers in each push, beside the one user whom every push changes
	crowdDepartments = 8
	everybodysUser   = "everybody"
)

// send sends one push after another until ctx ends, each until it is answered.
func (c *crowd) send(ctx context.Context, t *testing.T, tick <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		c.mu.Lock()
		c.next++
		n := c.next
		c.mu.Unlock()
		_, users := c.users(n)
		m := users.authorise(flagAdd, c.at.Add(time.Duration(n)*time.Millisecond), sortedKeys(users.users)...)
		push := signedPush(t, m.name, m.body)
		if err := c.deliver(t, n, push); err != nil {
			c.mu.Lock()
			c.faults = append(c.faults, fmt.Errorf("push %d: %w", n, err))
			c.mu.Unlock()
			return
		}
	}
}

// deliver sends the same push to one replica after another, until one answers.
func (c *crowd) deliver(t *testing.T, n int, push signed) error {
	var faults []error
	for attempt := range 10 {
		replica := (n + attempt) % len(c.replicas)
		_, got, err := c.replicas[replica].post(t.Context(), push)
		if err == nil && got.Code != accepted {
			return fmt.Errorf("answered %+v after %v", got, faults)
		}
		c.mu.Lock()
		if err == nil {
			c.answered[replica]++
		} else {
			c.moved++
		}
		c.mu.Unlock()
		if err == nil {
			return nil
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// sentAgain is how many pushes had no answer from a replica.
func (c *crowd) sentAgain() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moved
}

// users is whose push the n-th is, and that buyer with nobody but the users it is about.
func (c *crowd) users(n int) (of, about *buyer) {
	of = c.buyers[n%len(c.buyers)]
	about = newBuyer(of.id)
	u := user{
		name: fmt.Sprintf("第%d号", n), orgCode: fmt.Sprintf("d%d", n%crowdDepartments),
		role: []string{"user", "admin"}[n%2], standing: userEnabled,
	}
	for m := range crowdUsers {
		about.users[fmt.Sprintf("u%05d-%d", n, m)] = u
	}
	about.users[everybodysUser] = u
	return of, about
}

// TestReplicas: two bridges, and three, on one database take the pushes in turn and
// share the sinks, while one after the other is killed, one every two seconds. Whoever gets no
// answer sends the same to the next. In the end everything is everywhere, once.
// KITBRIDGE_REPLICA_KILLS says how often, if not 6 times; 30 take a minute.
// KITBRIDGE_REPLICA_RATE says how many pushes a second there are, if not 20: 120 users, with
// which a busy machine's directory keeps pace.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for _, count := range []int{2, 3} {
		t.Run(fmt.Sprint(count), func(t *testing.T) { testReplicas(t, count) })
	}
}

func testReplicas(t *testing.T, count int) {
	t.Helper()
	const pause, senders = 2 * time.Second, 4
	perSecond := time.Duration(rounds(t, "KITBRIDGE_REPLICA_RATE", 20))
	directory, product := peers.Slapd(t, peers.SlapdOptions{MemberOf: true}).URL(), peers.MariaDB(t).Product()
	replicas := startReplicas(t, count, ldapSink(directory)+sqlSink(product))
	s := &scene{bridge: replicas[0], directory: directory, tables: openMariaDB(t, product)}
	c := &crowd{replicas: replicas, at: anHourAgo(), answered: make([]int, len(replicas))}
	stated := int64(0)
	for n := range 3 {
		b := newBuyer(fmt.Sprintf("t%d", n))
		for d := range crowdDepartments {
			b.departments[fmt.Sprintf("d%d", d)] = department{name: "产品部"}
		}
		s.deliver(t, b.tenantSync(flagAdd, c.at), b.allOrgSync(c.at))
		stated += 1 + crowdDepartments
		c.buyers = append(c.buyers, b)
	}
	checkReady(t, replicas)

	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	var sending sync.WaitGroup
	for range senders {
		sending.Go(func() { c.send(ctx, t, tick.C) })
	}
	kill := time.NewTicker(pause)
	defer kill.Stop()
	for round := range rounds(t, "KITBRIDGE_REPLICA_KILLS", 6) {
		<-kill.C
		replica := replicas[round%len(replicas)]
		before := c.sentAgain()
		replica.Kill()
		await(t, 10*time.Second, func() string {
			if c.sentAgain() == before {
				return "no push missed the replica that was killed"
			}
			return ""
		})
		replica.Start()
	}
	enough()
	sending.Wait()
	if err := errors.Join(c.faults...); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d pushes, answered by each replica %v, %d sent again", c.next, c.answered, c.moved)
	for n, answered := range c.answered {
		if answered == 0 {
			t.Errorf("replica %d answered no push: nothing was tested", n)
		}
	}
	for n := range c.next {
		of, about := c.users(n + 1)
		for name, u := range about.users {
			of.users[name] = u // the newest push is the last
		}
		stated += int64(len(about.users))
	}
	ended := time.Now()
	await(t, 10*time.Second, func() string { return s.differsAnywhere(t, replicas, c.buyers) })
	t.Logf("everywhere after %v", time.Since(ended))
	s.checkFeed(t)
	s.checkOnce(t, len(c.buyers))
	checkReady(t, replicas)

	status := replicas[0].status(t)
	for _, other := range replicas[1:] {
		mustEqual(t, "status of the replicas", status, other.status(t))
	}
	j := status.Journal
	if j.Accepted != stated || j.Parked+j.Held+j.Refused != 0 {
		t.Errorf("journal %+v, want %d accepted and applied or stale", j, stated)
	}
	for _, sink := range status.Sinks {
		if sink.Dead != 0 {
			t.Errorf("sink %s has %d dead keys", sink.Name, sink.Dead)
		}
	}
}

// checkReady asks every replica, as a load balancer does, without any token.
func checkReady(t testing.TB, replicas []*bridge) {
	t.Helper()
	for n, b := range replicas {
		if code, degraded := b.ready(t); code != http.StatusOK || degraded != "" {
			t.Errorf("replica %d: GET /readyz = %d, degraded %q, want 200 and nothing", n, code, degraded)
		}
	}
}

// differsAnywhere also asks each replica whether a sink is owed anything.
func (s *scene) differsAnywhere(t testing.TB, replicas []*bridge, buyers []*buyer) string {
	t.Helper()
	for n, b := range replicas {
		if pending := b.status(t).pending(); pending > 0 {
			return fmt.Sprintf("replica %d: %d keys pending", n, pending)
		}
	}
	for _, b := range buyers {
		if diff := s.differsInDirectory(t, b) + s.differsInTables(t, b); diff != "" {
			return diff
		}
	}
	return ""
}

// checkOnce holds that no replica wrote what the other had written: of each of
// a crowd's newcomers, and of each thing, the feed tells once that it came.
func (s *scene) checkOnce(t testing.TB, tenants int) {
	t.Helper()
	twice := readRows(t, s.tables, "SELECT tenant_id, kind, `key`, COUNT(*) FROM kit_change"+
		" WHERE op = 'insert' OR kind = 'user' AND `key` <> ? GROUP BY tenant_id, kind, `key` HAVING COUNT(*) > 1", everybodysUser)
	if twice != nil {
		t.Errorf("the feed tells %d things twice: %v", len(twice), twice[:min(len(twice), 20)])
	}
	all := readRows(t, s.tables, "SELECT COUNT(*) FROM kit_change WHERE `key` = ? AND op = 'insert'", everybodysUser)
	mustEqual(t, "times that the feed begins with everybody's user", [][]string{{fmt.Sprint(tenants)}}, all)
}
