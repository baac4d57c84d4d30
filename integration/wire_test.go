//go:build integration

package integration_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// insistent sends pushes one after another, each until it is taken, as the marketplace
// does, and keeps account of how it was answered meanwhile.
type insistent struct {
	bridge *bridge
	buyer  *buyer
	at     time.Time

	mu      sync.Mutex // guards what follows
	taken   int
	refused int           // answered that it come again
	longest time.Duration // that an answer took
	faults  []error
}

const insistentUsers = 5

// users is whom the n-th push is about.
func (in *insistent) users(n int) *buyer {
	about := newBuyer(in.buyer.id)
	for m := range insistentUsers {
		about.users[fmt.Sprintf("u%05d-%d", n, m)] = withStanding(crashUser(n), userEnabled)
	}
	return about
}

// send goes on until ctx ends; the last push is taken, too. No answer at all, and any
// other answer than taken and come again, is a fault.
func (in *insistent) send(ctx context.Context, t *testing.T, progress chan<- bool) {
	const perSecond = 20 // a directory keeps pace with that, so that what it is owed is the wire's fault
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for n := 1; ctx.Err() == nil; n++ {
		<-tick.C
		about := in.users(n)
		m := about.authorise(flagAdd, in.at.Add(time.Duration(n)*time.Millisecond), sortedKeys(about.users)...)
		for taken := false; !taken; {
			began := time.Now()
			_, got, err := in.bridge.post(t.Context(), signedPush(t, m.name, m.body))
			taken = err == nil && got.Code == accepted
			in.mu.Lock()
			in.longest = max(in.longest, time.Since(began))
			switch {
			case taken:
				in.taken = n
			case err == nil && got.Code == retryable:
				in.refused++
			default:
				in.faults = append(in.faults, fmt.Errorf("push %d answered %+v, %w", n, got, err))
				taken = true
			}
			in.mu.Unlock()
			select {
			case progress <- taken:
			default:
			}
		}
	}
}

// TestBadWires: bad connections to our own PostgreSQL, to a product's PostgreSQL and
// MariaDB and to a directory. Every push is answered in the time that the marketplace
// waits, and truly; a sink behind a bad wire delays no other; and when the wire is good
// again everything is everywhere.
func TestBadWires(t *testing.T) {
	t.Parallel()
	directory, postgres, maria := peers.Slapd(t, peers.SlapdOptions{MemberOf: true}), peers.PostgreSQL(t), peers.MariaDB(t)
	own := postgres.Fresh()
	wires := map[string]*peers.Wire{
		"database": postgres.Wire(), "sink corp": directory.Wire(), "sink product": maria.Wire(), "sink other": postgres.Wire(),
	}
	s := &scene{bridge: newBridge(t), directory: directory.URL(), tables: openMariaDB(t, maria.Product())}
	s.run(t, fmt.Sprintf(`listen: %q
public_url: %q
database: %q
migrate: auto
key_file: %q
marketplace: {keys: {kit: [%q]}}
admin: {listen: %q, token: %q}
%s%s  - {name: other, type: sql, url: %q}
`, strings.TrimPrefix(s.publicURL, "http://"), s.publicURL, own.Through(wires["database"]).URL, newKeyFile(t, s.dir), kitKey,
		strings.TrimPrefix(s.adminURL, "http://"), adminToken, ldapSink("ldap://"+wires["sink corp"].Address()),
		sqlSink(maria.Product().Through(wires["sink product"])), postgres.Product().Through(wires["sink other"]).URL))
	in := &insistent{bridge: s.bridge, buyer: newBuyer("t1"), at: anHourAgo()}
	in.buyer.departments["d1"] = department{name: "产品部"}
	s.deliver(t, in.buyer.tenantSync(flagAdd, in.at), in.buyer.allOrgSync(in.at))
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	progress := make(chan bool)
	var sending sync.WaitGroup
	sending.Go(func() { in.send(ctx, t, progress); close(progress) })
	answers := func(taken bool, count int) {
		t.Helper()
		for late := time.After(60 * time.Second); count > 0; {
			select {
			case got := <-progress:
				if got == taken {
					count--
				}
			case <-late:
				t.Fatalf("waited in vain for pushes that are answered, taken: %t", taken)
			}
		}
	}
	// delivered waits until the sinks that are not named owe nothing older than a moment.
	delivered := func(but string) {
		t.Helper()
		await(t, 20*time.Second, func() string {
			for _, sink := range s.status(t).Sinks {
				if "sink "+sink.Name != but && sink.Oldest > 3 {
					return fmt.Sprintf("sink %s is owed something for %v s while %s is behind a bad wire", sink.Name, sink.Oldest, but)
				}
			}
			return ""
		})
	}
	for _, ill := range []struct {
		name  string
		worse func(*peers.Wire)
	}{
		{"slow", func(w *peers.Wire) { w.Slow(20 * time.Millisecond) }},
		{"reset", (*peers.Wire).Reset},
		{"cut", func(w *peers.Wire) { w.Cut(2500) }},
		{"hang", (*peers.Wire).Hang},
	} {
		for _, name := range []string{"sink corp", "sink product", "sink other"} {
			ill.worse(wires[name])
			answers(true, 20)
			delivered(name)
			wires[name].Heal()
		}
		ill.worse(wires["database"])
		answers(ill.name == "slow", 1)
		wires["database"].Heal()
		answers(true, 10)
	}
	enough()
	for range progress { // until the last one is answered
	}
	sending.Wait()
	if err := errors.Join(in.faults...); err != nil {
		t.Fatal(err)
	}
	if in.longest > 17*time.Second {
		t.Errorf("an answer took %v, and the marketplace waits 20 s", in.longest)
	}
	t.Logf("%d pushes taken, %d times told to come again, the longest answer took %v", in.taken, in.refused, in.longest)
	s.checkEverywhere(t, in)
	other, err := sql.Open("pgx", postgres.Product().DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close() //nolint:errcheck // only read
	await(t, 30*time.Second, func() string {
		const users = "SELECT user_name, name, role, enabled FROM kit_user ORDER BY user_name"
		want := readRows(t, s.tables, users)
		got := readRows(t, other, strings.Replace(users, "enabled", "enabled::int", 1)+` COLLATE "C"`)
		if fmt.Sprint(want) != fmt.Sprint(got) {
			return fmt.Sprintf("%d users in the one database, %d in the other", len(want), len(got))
		}
		return ""
	})
	if code, degraded := s.ready(t); code != http.StatusOK || degraded != "" {
		t.Errorf("GET /readyz = %d, degraded %q", code, degraded)
	}
}

// checkEverywhere waits until directory and tables hold what was taken, and counts it.
func (s *scene) checkEverywhere(t *testing.T, in *insistent) {
	t.Helper()
	for n := range in.taken {
		for name, u := range in.users(n + 1).users {
			in.buyer.users[name] = u
		}
	}
	back := time.Now()
	s.settles(t, 60*time.Second, in.buyer)
	s.quiet(t)
	t.Logf("everywhere after %v", time.Since(back))
	// What was stored and not answered came again under another nonce, and was stale.
	j := s.status(t).Journal
	if j.Applied != int64(2+in.taken*insistentUsers) || j.Parked+j.Held+j.Refused != 0 {
		t.Errorf("journal %+v, want 2 and %d pushes of %d applied", j, in.taken, insistentUsers)
	}
	for _, sink := range s.status(t).Sinks {
		if sink.Dead != 0 {
			t.Errorf("sink %s has %d dead keys", sink.Name, sink.Dead)
		}
	}
}

// TestServersCrash: our own PostgreSQL and the product's MariaDB are stopped, killed and
// started again while pushes come in. Nothing that was acknowledged is lost, and all
// heals by itself.
func TestServersCrash(t *testing.T) {
	t.Parallel()
	directory, postgres, maria := peers.Slapd(t, peers.SlapdOptions{MemberOf: true}), peers.PostgreSQL(t), peers.MariaDB(t)
	s := &scene{bridge: newBridge(t), directory: directory.URL(), tables: openMariaDB(t, maria.Product())}
	s.run(t, fmt.Sprintf(`listen: %q
public_url: %q
database: %q
migrate: auto
key_file: %q
marketplace: {keys: {kit: [%q]}}
admin: {listen: %q, token: %q}
%s%s`, strings.TrimPrefix(s.publicURL, "http://"), s.publicURL, postgres.Product().URL, newKeyFile(t, s.dir), kitKey,
		strings.TrimPrefix(s.adminURL, "http://"), adminToken, ldapSink(directory.URL()), sqlSink(maria.Product())))
	in := &insistent{bridge: s.bridge, buyer: newBuyer("t1"), at: anHourAgo()}
	in.buyer.departments["d1"] = department{name: "产品部"}
	s.deliver(t, in.buyer.tenantSync(flagAdd, in.at), in.buyer.allOrgSync(in.at))
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	progress := make(chan bool)
	var sending sync.WaitGroup
	sending.Go(func() { in.send(ctx, t, progress); close(progress) })
	until := func(taken bool) {
		for got := range progress {
			if got == taken {
				return
			}
		}
	}
	for range rounds(t, "KITBRIDGE_SERVER_CRASHES", 2) {
		for _, end := range []func(){postgres.Kill, postgres.Stop} {
			for range 20 {
				until(true)
			}
			end()
			until(false)
			postgres.Start()
			until(true)
		}
		for _, end := range []func(){maria.Kill, directory.Kill} {
			end()
			for range 20 {
				until(true) // what a sink suffers keeps no push from being taken
			}
		}
		maria.Start()
		directory.Start()
	}
	enough()
	for range progress { // until the last one is answered
	}
	sending.Wait()
	if err := errors.Join(in.faults...); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d pushes taken, %d times told to come again", in.taken, in.refused)
	s.checkEverywhere(t, in)
	s.Stop()
}

// newKeyFile makes the key file of a bridge on PostgreSQL.
func newKeyFile(t *testing.T, dir string) string {
	t.Helper()
	if out, err := exec.Command(binary, "init", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("kitbridge init: %v\n%s", err, out)
	}
	return filepath.Join(dir, "kitbridge.key")
}
