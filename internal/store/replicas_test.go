package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// replicas opens one database twice, as two processes would.
func replicas(t *testing.T) (one, two *world) {
	t.Helper()
	cfg := config(t)
	return newWorld(t, open(t, cfg)), newWorld(t, open(t, cfg))
}

// testNonceOnce: of two replicas that get one push at the same time for two tenants, one
// records it and the other knows it (G12).
func testNonceOnce(t *testing.T) {
	t.Parallel()
	one, two := replicas(t)
	const rounds = 20
	for n := range rounds {
		var got [2]orgsync.Recorded
		var group sync.WaitGroup
		for i, w := range []*world{one, two} {
			group.Go(func() {
				p := numbered(n)
				p.Digest = sha256.Sum256(fmt.Append(nil, i))
				err := w.Update(t.Context(), orgsync.Scope{Tenant: orgsync.TenantID(fmt.Sprint("t", i))}, func(tx orgsync.Tx) (err error) {
					got[i], err = tx.Record(p)
					return err
				})
				if err != nil {
					t.Errorf("Update = %v", err)
				}
			})
		}
		group.Wait()
		if got[0].Known == got[1].Known || got[0].ID != got[1].ID || got[0].Digest != got[1].Digest {
			t.Fatalf("round %d: %+v and %+v, want one who wrote and one who knows", n, got[0], got[1])
		}
	}
}

// slowSink does nothing with a key but note who did it.
type slowSink struct {
	replica string
	mu      *sync.Mutex
	// done and now stand under mu: who did a key, and which tenants are being worked at.
	done map[string][]string
	now  map[orgsync.TenantID]bool
	fail func(string)
}

func (s *slowSink) Name() string { return "corp" }

func (s *slowSink) Converge(ctx context.Context, v orgsync.View, keys []orgsync.Key) ([]orgsync.Result, error) {
	tenant, err := v.Tenant(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.now[tenant.ID] {
		s.fail(fmt.Sprintf("two replicas work at tenant %s", tenant.ID))
	}
	s.now[tenant.ID] = true
	s.mu.Unlock()
	results := make([]orgsync.Result, 0, len(keys))
	for _, k := range keys {
		results = append(results, orgsync.Result{Key: k})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.now, tenant.ID)
	for _, k := range keys {
		name := fmt.Sprint(tenant.ID, "/", k.Kind, "/", k.ID)
		s.done[name] = append(s.done[name], s.replica)
	}
	return results, ctx.Err()
}

// testSharedLanes: two dispatchers share the work; nobody does what the other does.
func testSharedLanes(t *testing.T) {
	t.Parallel()
	one, two := replicas(t)
	const tenants, users = 12, 5
	var mu sync.Mutex
	done, now := map[string][]string{}, map[orgsync.TenantID]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for name, w := range map[string]*world{"one": one, "two": two} {
		sink := &slowSink{replica: name, mu: &mu, done: done, now: now, fail: func(s string) { t.Error(s) }}
		d, err := orgsync.NewDispatcher(orgsync.DispatcherConfig{
			Lanes: w, Sinks: []orgsync.Sink{sink}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			LanesPerSink: 2, Batch: 2, Lease: time.Minute, Poll: 5 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			if err := d.Run(ctx); err != nil {
				t.Errorf("Run = %v", err)
			}
		})
	}
	for n := range tenants {
		tenant := sso.TenantID(fmt.Sprintf("t%02d", n))
		one.PutTenant(t, sso.Tenant{ID: tenant, Code: "c", Live: true})
		for u := range users {
			one.pushUser(t, orgsync.TenantID(tenant), orgsync.UserName(fmt.Sprint("u", u)), "")
		}
	}
	wait(t, "everything to be delivered", func() bool {
		status, err := one.Status(t.Context())
		return err == nil && len(status.Sinks) == 1 && status.Sinks[0].Pending == 0
	})
	cancel()
	running.Wait()
	if len(done) != tenants*(users+1) {
		t.Errorf("%d keys were delivered, want %d", len(done), tenants*(users+1))
	}
	by := map[string]int{}
	for _, who := range done {
		for _, w := range who {
			by[w]++
		}
	}
	if by["one"] == 0 || by["two"] == 0 {
		t.Errorf("deliveries by replica: %v, want both to work", by)
	}
}

// wait polls until something is true.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for !is() {
		select {
		case <-late.C:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// testTakeOver: what a replica that died had claimed is another's when the lease ends, and
// the dead one changes nothing if it comes back.
func testTakeOver(t *testing.T) {
	t.Parallel()
	one, two := replicas(t)
	if err := one.OpenSinks(t.Context(), []string{"corp"}); err != nil {
		t.Fatal(err)
	}
	one.PutTenant(t, sso.Tenant{ID: "t", Code: "c", Live: true})
	const lease = 5 * time.Second
	lost, err := one.Claim(t.Context(), "corp", morning(), morning().Add(lease), 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Claim(t.Context(), "corp", morning().Add(lease-time.Millisecond), morning().Add(time.Hour), 10); !errors.Is(err, orgsync.ErrNotFound) {
		t.Fatalf("Claim of a leased lane = %v, want ErrNotFound", err)
	}
	lane, err := two.Claim(t.Context(), "corp", morning().Add(lease), morning().Add(time.Hour), 10)
	if err != nil || len(lane.Keys) != len(lost.Keys) || lane.Lease == lost.Lease {
		t.Fatalf("Claim after the lease = %+v, %v, want the keys of %+v", lane, err, lost)
	}
	outcomes := []orgsync.Outcome{{Key: lost.Keys[0].Key, Revision: lost.Keys[0].Revision, Done: true}}
	if err := one.Finish(t.Context(), lost, outcomes); err != nil {
		t.Fatal(err)
	}
	if err := one.Renew(t.Context(), lost, morning().Add(time.Hour)); !errors.Is(err, orgsync.ErrNotFound) {
		t.Errorf("Renew of the lost lease = %v, want ErrNotFound", err)
	}
	if status, err := one.Status(t.Context()); err != nil || status.Sinks[0].Pending != int64(len(lane.Keys)) {
		t.Errorf("Status = %+v, %v: a lost lease settled keys", status.Sinks, err)
	}
	if err := two.Finish(t.Context(), lane, outcomes); err != nil {
		t.Fatal(err)
	}
	if status, err := one.Status(t.Context()); err != nil || status.Sinks[0].Pending != int64(len(lane.Keys)-1) {
		t.Errorf("Status = %+v, %v, want one key less", status.Sinks, err)
	}
}

// testNoDoubleClaim: many who claim at the same time get different lanes.
func testNoDoubleClaim(t *testing.T) {
	t.Parallel()
	one, two := replicas(t)
	if err := one.OpenSinks(t.Context(), []string{"corp"}); err != nil {
		t.Fatal(err)
	}
	const tenants = 16
	for n := range tenants {
		one.PutTenant(t, sso.Tenant{ID: sso.TenantID(fmt.Sprint("t", n)), Code: "c", Live: true})
	}
	var mu sync.Mutex
	var leases []int64
	claimed := map[orgsync.TenantID]int{}
	var group sync.WaitGroup
	for n := range 8 {
		w := []*world{one, two}[n%2]
		group.Go(func() {
			for misses := 0; misses < 10; { // a lane that is locked now is not there for the moment
				lane, err := w.Claim(t.Context(), "corp", morning(), morning().Add(time.Hour), 10)
				if errors.Is(err, orgsync.ErrNotFound) {
					misses++
					continue
				}
				if err != nil {
					t.Errorf("Claim = %v", err)
					return
				}
				mu.Lock()
				claimed[lane.Tenant]++
				leases = append(leases, lane.Lease)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.Sort(leases)
	if len(claimed) != tenants || len(leases) != tenants || len(slices.Compact(leases)) != tenants {
		t.Errorf("%d claims with leases %v of %d tenants: %v", len(leases), leases, tenants, claimed)
	}
}

// testNewSinkMissesNothing: a sink that one replica opens while another accepts is owed
// every key all the same.
func testNewSinkMissesNothing(t *testing.T) {
	t.Parallel()
	one, two := replicas(t)
	const users = 40
	one.PutTenant(t, sso.Tenant{ID: "t", Code: "c", Live: true})
	half := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for n := range users {
			if n == users/4 {
				close(half)
			}
			one.pushUser(t, "t", orgsync.UserName(fmt.Sprint("u", n)), "")
		}
	})
	<-half
	if err := two.OpenSinks(t.Context(), []string{"late"}); err != nil {
		t.Error(err)
	}
	group.Wait()
	status, err := two.Status(t.Context())
	if err != nil || status.Sinks[0].Pending != users+1 {
		t.Errorf("Status = %+v, %v, want %d keys owed", status.Sinks, err, users+1)
	}
}

// testOpenSinksWaits: a transaction that has made something dirty is waited for by who
// opens a sink, or its keys would be owed to nobody.
func testOpenSinksWaits(t *testing.T) {
	t.Parallel()
	one, two := replicas(t)
	one.PutTenant(t, sso.Tenant{ID: "t", Code: "c", Live: true})
	opened := make(chan error, 1)
	if err := one.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error {
		if err := errors.Join(
			tx.PutUsers([]orgsync.User{{Name: "u", Status: orgsync.StatusEnabled}}),
			tx.MarkDirty([]orgsync.DirtyKey{{Key: orgsync.Key{Kind: orgsync.UserKey, ID: "u"}, Urgency: orgsync.Fill}}),
		); err != nil {
			return err
		}
		go func() { opened <- two.OpenSinks(t.Context(), []string{"late"}) }()
		select {
		case err := <-opened:
			return fmt.Errorf("OpenSinks = %w while a transaction had keys that it cannot see", err)
		case <-time.After(200 * time.Millisecond): // it waits
			return nil
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if status, err := two.Status(t.Context()); err != nil || status.Sinks[0].Pending != 2 {
		t.Errorf("Status = %+v, %v, want tenant and user owed", status.Sinks, err)
	}
}

// testRevocationIsSeen: what one replica accepts ends a session at the other's next
// decision (G8).
func testRevocationIsSeen(t *testing.T) {
	t.Parallel()
	one, two := replicas(t)
	one.pushAt(t, tenantSync("one", orgsync.FlagAdd, 0))
	one.pushAt(t, clientOf("one", "app", orgsync.FlagAdd, 0))
	one.pushAt(t, grants("one", "app", orgsync.FlagAdd, 0))
	key := one.session(t, nil)
	two.wantLive(t, key, true, "signed in at the other replica")
	one.pushAt(t, grants("one", "app", orgsync.FlagRemove, 5))
	two.wantLive(t, key, false, "removed at the other replica")
}

// testOtherTenantsDoNotWait: many who wait for one tenant keep no connection from others
// (G6).
func testOtherTenantsDoNotWait(t *testing.T) {
	t.Parallel()
	one, _ := replicas(t)
	held, free := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		if err := one.Update(t.Context(), orgsync.Scope{Tenant: "held"}, func(orgsync.Tx) error {
			close(held)
			<-free
			return nil
		}); err != nil {
			t.Errorf("Update = %v", err)
		}
	})
	<-held
	impatient, cancel := context.WithCancel(t.Context())
	for range 30 {
		group.Go(func() {
			err := one.Update(impatient, orgsync.Scope{Tenant: "held"}, func(orgsync.Tx) error { return nil })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Update of a held tenant = %v, want context.Canceled", err)
			}
		})
	}
	if err := one.Update(t.Context(), orgsync.Scope{Tenant: "other"}, func(orgsync.Tx) error { return nil }); err != nil {
		t.Errorf("Update of another tenant = %v", err)
	}
	cancel()
	close(free)
	group.Wait()
}

// testConflictsAreRetried: what the server gives up because of another transaction is run
// again, and everything else is not.
func testConflictsAreRetried(t *testing.T) {
	t.Parallel()
	one, _ := replicas(t)
	for code, want := range map[string]int{"40001": 3, "40P01": 3, "23505": 1} {
		runs := 0
		err := one.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(orgsync.Tx) error {
			if runs++; runs < 3 {
				return &pgconn.PgError{Code: code}
			}
			return nil
		})
		if runs != want || (err == nil) != (want == 3) {
			t.Errorf("%s: %d runs, %v, want %d", code, runs, err, want)
		}
	}
}

// testDeadlock: two transactions that wait for each other both end well.
func testDeadlock(t *testing.T) {
	t.Parallel()
	one, two := replicas(t)
	var first, group sync.WaitGroup
	first.Add(2)
	for n, w := range []*world{one, two} {
		scopes := []orgsync.TenantID{"a", "b"}
		once := sync.OnceFunc(first.Done)
		group.Go(func() {
			err := w.Update(t.Context(), orgsync.Scope{Tenant: scopes[n]}, func(tx orgsync.Tx) error {
				if _, err := tx.Record(numbered(n)); err != nil {
					return err
				}
				once()
				first.Wait() // now each has what the other wants
				_, err := tx.Record(numbered(1 - n))
				return err
			})
			if err != nil {
				t.Errorf("Update = %v", err)
			}
		})
	}
	group.Wait()
}

// testAnotherRing: a process with other keys is refused, on a new database too.
func testAnotherRing(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	open(t, cfg)
	cfg.Keys = newRing(t)
	for name, opens := range map[string]func(context.Context, store.Config) (*store.Store, error){"Open": store.Open, "OpenReading": store.OpenReading} {
		if _, err := opens(t.Context(), cfg); !errors.Is(err, store.ErrKeys) || !strings.Contains(err.Error(), "which the key file lacks") {
			t.Errorf("%s = %v, want ErrKeys", name, err)
		}
	}
	cfg = config(t)
	closeStore(t, open(t, cfg))
	change(t, cfg, "DELETE FROM ring_key")
	var group sync.WaitGroup
	var opened [2]error
	for n := range opened {
		c := cfg
		c.Keys = newRing(t)
		group.Go(func() {
			s, err := store.Open(t.Context(), c)
			if opened[n] = err; err == nil {
				_ = s.Close()
			}
		})
	}
	group.Wait()
	if (opened[0] == nil) == (opened[1] == nil) {
		t.Errorf("two rings at the same time: %v and %v, want one to be refused", opened[0], opened[1])
	}
}

// testStrangeTexts: what PostgreSQL takes in no text changes nobody else's row and is no
// error.
func testStrangeTexts(t *testing.T) {
	t.Parallel()
	one, _ := replicas(t)
	one.PutTenant(t, sso.Tenant{ID: "t", Code: "c\x00\xff", Name: "a\x00b", Live: true})
	one.pushUser(t, "t", "u\ufffd", "")
	for _, name := range []sso.UserName{"u\x00", "u\xff"} {
		a, err := one.Account(t.Context(), "t", "app", name)
		if err != nil || a.Status != sso.AccountUnknown {
			t.Errorf("Account(%q) = %+v, %v, want unknown", name, a, err)
		}
	}
	users, err := one.View("t").Users(t.Context(), []orgsync.UserName{"u\x00", "u\ufffd", "\x00"})
	if err != nil || len(users) != 1 {
		t.Errorf("Users = %v, %v, want one", users, err)
	}
	if got, err := one.Tenant(t.Context(), "t"); err != nil || !strings.HasPrefix(got.Code, "c") {
		t.Errorf("Tenant = %+v, %v", got, err)
	}
	if _, err := one.SearchTenants(t.Context(), "\x00", 9); err != nil {
		t.Errorf("SearchTenants(NUL) = %v", err)
	}
}
