package orgsync_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
)

// shelf is a sink in memory that fails on demand.
type shelf struct {
	mu    sync.Mutex
	holds map[orgsync.Key]int      // how often each key was made equal
	down  error                    // the sink as a whole does not answer
	fail  map[orgsync.Key]error    // one key fails
	hook  func(keys []orgsync.Key) // called before each Converge

	trouble orgsync.TenantID // fails as a whole
	panics  func()
}

func newShelf() *shelf {
	return &shelf{holds: map[orgsync.Key]int{}, fail: map[orgsync.Key]error{}}
}

func (s *shelf) Name() string { return "shelf" }

func (s *shelf) Converge(ctx context.Context, view orgsync.View, keys []orgsync.Key) ([]orgsync.Result, error) {
	t, err := view.Tenant(ctx)
	s.mu.Lock()
	trouble := err == nil && t.ID == s.trouble
	s.mu.Unlock()
	if trouble && s.panics != nil {
		s.panics()
	}
	if trouble {
		return nil, errors.New("size limit exceeded")
	}
	if s.hook != nil {
		s.hook(keys)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	var out []orgsync.Result
	for _, k := range keys {
		if s.fail[k] == nil {
			s.holds[k]++
		}
		out = append(out, orgsync.Result{Key: k, Err: s.fail[k]})
	}
	return out, nil
}

func (s *shelf) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *shelf) count(k orgsync.Key) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holds[k]
}

func userKey(name string) orgsync.Key { return orgsync.Key{Kind: orgsync.UserKey, ID: name} }

// office is an acceptor and a running dispatcher over one store.
type office struct {
	t          *testing.T
	store      *orgsynctest.Memory
	acceptor   *orgsync.Acceptor
	dispatcher *orgsync.Dispatcher
	log        *bytes.Buffer
	sent       int

	mu         sync.Mutex
	deliveries []orgsync.Delivery
	tenant     orgsync.TenantID // who pushes; tenantID by default
}

func open(t *testing.T, sinks ...orgsync.Sink) *office {
	t.Helper()
	return openWith(t, orgsync.DispatcherConfig{}, sinks...)
}

func openWith(t *testing.T, cfg orgsync.DispatcherConfig, sinks ...orgsync.Sink) *office {
	t.Helper()
	store := orgsynctest.NewMemory()
	cfg.Lanes = store
	return openOn(t, store, cfg, sinks...)
}

// openOn lets cfg say by which lanes the dispatcher comes to the store.
func openOn(t *testing.T, store *orgsynctest.Memory, cfg orgsync.DispatcherConfig, sinks ...orgsync.Sink) *office {
	t.Helper()
	o := &office{t: t, store: store, log: &bytes.Buffer{}}
	cfg.Sinks, cfg.Logger, cfg.Now = sinks, slog.New(slog.NewJSONHandler(o.log, nil)), time.Now
	cfg.Observe = func(d orgsync.Delivery) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.deliveries = append(o.deliveries, d)
	}
	d, err := orgsync.NewDispatcher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	o.dispatcher = d
	o.acceptor = orgsync.NewAcceptor(o.store, orgsync.Policy{Guard: orgsync.DefaultGuard()}, d.Wake)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	synctest.Wait()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	return o
}

func (o *office) push(m orgsync.Message) orgsync.Receipt {
	o.t.Helper()
	o.sent++
	m.Tenant, m.Stamp = cmp.Or(o.tenant, tenantID), m.At
	r, err := o.acceptor.Accept(context.Background(), orgsync.Push{
		Message: m, Kind: m.Kind, Nonce: fmt.Sprint(o.sent), Digest: [32]byte{byte(o.sent)},
	})
	if err != nil {
		o.t.Fatalf("Accept(%v) = %v", said{m}, err)
	}
	return r
}

func (o *office) bind() {
	o.t.Helper()
	o.push(orgsync.Message{Kind: orgsync.TenantSync, Flag: orgsync.FlagAdd, At: epoch()})
}

func (o *office) grant(name string, second int) {
	o.t.Helper()
	o.push(orgsync.Message{
		Kind: orgsync.AuthSync, Flag: orgsync.FlagAdd, App: "a", At: epoch().Add(time.Duration(second) * time.Second),
		Users: []orgsync.UserChange{{
			Name:       orgsync.UserName(name),
			Attributes: orgsync.Attributes{}.Set(orgsync.AttrPosition, fmt.Sprint("position ", second)),
		}},
	})
}

func TestDispatcherDeliversWhatIsPushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		o := open(t, s)
		o.bind()
		o.grant("zhangsan", 1)
		synctest.Wait()
		if got := s.count(userKey("zhangsan")); got != 1 {
			t.Errorf("the sink was given the user %d times, want once", got)
		}
		if got := o.store.Pending("shelf"); got != 0 {
			t.Errorf("%d keys are pending, want none", got)
		}
	})
}

// TestDispatcherTellsTheObserver: each key of a delivery is counted once, by what came of
// it; a sink that does not answer delivers nothing.
func TestDispatcherTellsTheObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.hook = func([]orgsync.Key) { time.Sleep(3 * time.Second) }
		s.fail[userKey("dead")] = fmt.Errorf("folds to X: %w", orgsync.ErrRejected)
		s.fail[userKey("retry")] = errors.New("busy")
		o := open(t, s)
		o.push(orgsync.Message{
			Kind: orgsync.AuthSync, Flag: orgsync.FlagAdd, App: "a", At: epoch(),
			Users: []orgsync.UserChange{{Name: "done"}, {Name: "dead"}, {Name: "retry"}},
		})
		o.bind()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		o.mu.Lock()
		defer o.mu.Unlock()
		want := []orgsync.Delivery{{Sink: "shelf", Done: 2, Dead: 1, Retry: 1, Elapsed: 3 * time.Second}}
		if diff := gocmp.Diff(want, o.deliveries); diff != "" {
			t.Errorf("deliveries (-want +got):\n%s", diff)
		}
	})
}

func TestDispatcherWaitsForTheTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		o := open(t, s)
		o.grant("zhangsan", 1)
		time.Sleep(time.Minute)
		if got := s.count(userKey("zhangsan")); got != 0 {
			t.Errorf("the sink was given a user of a tenant that nobody announced")
		}
		o.bind()
		synctest.Wait()
		if got := s.count(userKey("zhangsan")); got != 1 {
			t.Errorf("after the tenant was announced the sink was given the user %d times, want once", got)
		}
	})
}

func TestDispatcherOneBadKeyStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		o := open(t, s)
		bad, dead := userKey("bad"), userKey("dead")
		s.fail[bad] = errors.New("busy")
		s.fail[dead] = fmt.Errorf("name too long: %w", orgsync.ErrRejected)
		o.bind()
		for _, name := range []string{"bad", "dead", "good"} {
			o.grant(name, 1)
		}
		synctest.Wait()
		if got := s.count(userKey("good")); got != 1 {
			t.Errorf("the good key was delivered %d times, want once", got)
		}
		s.set(func() { s.fail = map[orgsync.Key]error{} })
		time.Sleep(2 * time.Second)
		if got := s.count(bad); got != 1 {
			t.Errorf("the key that failed once was delivered %d times after its back-off, want once", got)
		}
		time.Sleep(time.Hour)
		if got := s.count(dead); got != 0 {
			t.Errorf("a rejected key was tried again without anything new being said")
		}
		o.grant("dead", 2)
		synctest.Wait()
		if got := s.count(dead); got != 1 {
			t.Errorf("a rejected key that changed was delivered %d times, want once", got)
		}
	})
}

func TestDispatcherSinkComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.down = fmt.Errorf("connection refused: %w", orgsync.ErrUnavailable)
		o := open(t, s)
		o.bind()
		o.grant("zhangsan", 1)
		time.Sleep(time.Hour)
		s.set(func() { s.down = nil })
		time.Sleep(6 * time.Second)
		if got := s.count(userKey("zhangsan")); got != 1 {
			t.Errorf("six seconds after the sink came back it was given the user %d times, want once", got)
		}
		synctest.Wait()
		for _, line := range []string{"sink does not answer", "sink answers again", "delivered"} {
			if n := strings.Count(o.log.String(), line); n != 1 {
				t.Errorf("%d lines %q in an hour, want one", n, line)
			}
		}
	})
}

// A key that is made dirty while it is being worked on must be worked on again.
func TestDispatcherSeesChangesDuringDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		o := open(t, s)
		o.bind()
		synctest.Wait()
		once := sync.OnceFunc(func() { o.grant("zhangsan", 2) })
		s.hook = func([]orgsync.Key) { once() }
		o.grant("zhangsan", 1)
		time.Sleep(time.Second)
		if got := s.count(userKey("zhangsan")); got != 2 {
			t.Errorf("delivered %d times, want twice", got)
		}
	})
}

// Trouble that is one tenant's own is listed with that tenant's keys and delays nobody.
func TestDispatcherOneTenantsTroubleIsItsOwn(t *testing.T) {
	for name, trouble := range map[string]func(){
		"error": nil,
		"panic": func() { panic("index out of range") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				s.trouble, s.panics = orgsync.TenantID("bad"), trouble
				o := open(t, s)
				for _, id := range []orgsync.TenantID{"bad", tenantID} {
					o.tenant = id
					o.bind()
					o.grant("of "+string(id), 1)
				}
				synctest.Wait()
				if got := s.count(userKey("of t1")); got != 1 {
					t.Errorf("the healthy tenant's user was delivered %d times, want once, at once", got)
				}
				time.Sleep(10 * time.Minute)
				s.set(func() { s.trouble = "" })
				time.Sleep(11 * time.Minute)
				synctest.Wait()
				if got := s.count(userKey("of bad")); got != 1 {
					t.Errorf("after the trouble the user was delivered %d times, want once", got)
				}
				if log := o.log.String(); strings.Contains(log, "does not answer") {
					t.Errorf("one tenant's trouble is logged as the sink's:\n%s", log)
				}
			})
		})
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	var got []time.Duration
	for _, attempts := range []int{0, 1, 2, 9, 10, 1000} {
		got = append(got, orgsync.Backoff(attempts, 0), orgsync.Backoff(attempts, 1))
	}
	want := []time.Duration{
		500 * time.Millisecond, time.Second, time.Second, 2 * time.Second, 2 * time.Second, 4 * time.Second,
		256 * time.Second, 512 * time.Second, 5 * time.Minute, 10 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("Backoff (-want +got)\n%s", diff)
	}
}

func TestNewDispatcherWantsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := orgsync.NewDispatcher(orgsync.DispatcherConfig{}); !errors.Is(err, orgsync.ErrInvalid) {
		t.Errorf("NewDispatcher({}) = %v, want ErrInvalid", err)
	}
}
