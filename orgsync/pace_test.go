package orgsync_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
)

func TestNextSlice(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		limit, keys int
		took        time.Duration
		want        int
	}{
		{"a full slice in time", 200, 200, time.Second, 200},
		{"a full slice that was a little faster", 200, 200, 500 * time.Millisecond, 400},
		{"a full slice that was much faster", 200, 200, time.Millisecond, 800},
		{"a full slice in no time", 200, 200, 0, 800},
		{"no more than the most", 500, 500, time.Millisecond, 1000},
		{"a full slice that was slow", 1000, 1000, 5 * time.Second, 200},
		{"no fewer than the least", 200, 200, time.Hour, orgsync.LeastSlice},
		{"a few keys in time say nothing", 200, 3, time.Second, 200},
		{"a few keys that were slow", 1000, 600, 2 * time.Second, 300},
		{"one key that was very slow", 1000, 1, time.Minute, orgsync.LeastSlice},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := orgsync.NextSlice(test.limit, 1000, test.keys, test.took); got != test.want {
				t.Errorf("nextSlice(%d, 1000, %d, %v) = %d, want %d", test.limit, test.keys, test.took, got, test.want)
			}
		})
	}
}

// people grants so many users in one push.
func (o *office) people(prefix string, count, second int) {
	o.t.Helper()
	users := make([]orgsync.UserChange, count)
	for n := range users {
		users[n].Name = orgsync.UserName(fmt.Sprintf("%s%06d", prefix, n))
	}
	o.push(orgsync.Message{
		Kind: orgsync.AuthSync, Flag: orgsync.FlagAdd, App: "a", At: epoch().Add(time.Duration(second) * time.Second), Users: users,
	})
}

// TestDispatcherTakesWhatASecondHolds: a sink that settles two hundred keys a second is
// soon handed two hundred at a time, and a fast one the most there are.
func TestDispatcherTakesWhatASecondHolds(t *testing.T) {
	for _, test := range []struct {
		perKey time.Duration
		want   []int // keys of each delivery
	}{
		{5 * time.Millisecond, []int{orgsync.LeastSlice, 200, 200, 200}},
		{50 * time.Microsecond, []int{orgsync.LeastSlice, 512, 1000, 1000}},
	} {
		t.Run(test.perKey.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				var sizes []int
				s.hook = func(keys []orgsync.Key) {
					sizes = append(sizes, len(keys))
					time.Sleep(time.Duration(len(keys)) * test.perKey)
				}
				o := open(t, s)
				o.people("u", 4000, 1)
				o.bind()
				time.Sleep(time.Minute)
				synctest.Wait()
				if diff := gocmp.Diff(test.want, sizes[:len(test.want)]); diff != "" {
					t.Errorf("keys handed over at a time (-want +got):\n%s", diff)
				}
				if got := o.store.Pending("shelf"); got != 0 {
					t.Errorf("%d keys are pending, want none", got)
				}
			})
		})
	}
}

// TestDispatcherIsFair: while one tenant's twenty thousand users take minutes, another's
// change waits for the slice at hand and no longer, and somebody's removal in the large
// tenant goes before those who are still to come.
func TestDispatcherIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.hook = func(keys []orgsync.Key) { time.Sleep(time.Duration(len(keys)) * 5 * time.Millisecond) }
		o := openWith(t, orgsync.DispatcherConfig{LanesPerSink: 1}, s)
		o.tenant = "large"
		o.people("l", 20_000, 1)
		o.bind()
		o.tenant = "small"
		o.people("s", 10, 1)
		o.bind()
		time.Sleep(10500 * time.Millisecond)
		synctest.Wait()
		if got := o.store.Pending("shelf"); got < 10_000 {
			t.Fatalf("%d keys are pending: nothing was tested", got)
		}

		had := s.count(userKey("s000003"))
		o.tenant = "small"
		o.grant("s000003", 2)
		time.Sleep(2 * orgsync.SliceTime)
		if got := s.count(userKey("s000003")) - had; got != 1 {
			t.Errorf("two slices after the small tenant's change it was delivered %d times, want once", got)
		}
		o.tenant = "large"
		o.push(orgsync.Message{
			Kind: orgsync.AuthSync, Flag: orgsync.FlagRemove, App: "a", At: epoch().Add(3 * time.Second),
			Users: []orgsync.UserChange{{Name: "l019999"}},
		})
		time.Sleep(2 * orgsync.SliceTime)
		if got := s.count(userKey("l019999")); got != 1 {
			t.Errorf("two slices after somebody of the large tenant was removed that was delivered %d times, want once", got)
		}
	})
}

// stallingLanes are lanes that can be cut off from the dispatcher, or renew no lease.
type stallingLanes struct {
	*orgsynctest.Memory
	mu      sync.Mutex
	silent  bool  // Renew does not answer
	fails   error // Renew answers this
	renewed []time.Time
}

func (l *stallingLanes) set(silent bool, fails error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent, l.fails = silent, fails
}

func (l *stallingLanes) Renew(ctx context.Context, lane orgsync.Lane, until time.Time) error {
	l.mu.Lock()
	silent, fails := l.silent, l.fails
	l.renewed = append(l.renewed, time.Now())
	l.mu.Unlock()
	if silent {
		<-ctx.Done()
		return ctx.Err()
	}
	if fails != nil {
		return fails
	}
	return l.Memory.Renew(ctx, lane, until)
}

// TestDispatcherKeepsItsLease: work goes on while the lease is renewed, through a store that
// is away for a moment too. It ends before the lease does when it could not be renewed,
// since another process may then begin, and at once when that has begun.
func TestDispatcherKeepsItsLease(t *testing.T) {
	const work = time.Minute
	lost := fmt.Errorf("renew lease: %w", orgsync.ErrNotFound)
	for _, test := range []struct {
		name      string
		fault     func(l *stallingLanes)
		wantEnded time.Duration // after the claim, when the sink's work ended
		wantDone  bool
	}{
		{"renewed", func(*stallingLanes) {}, work, true},
		{"the store is away for a moment", func(l *stallingLanes) {
			l.set(false, errors.New("connection refused"))
			time.Sleep(2200 * time.Millisecond)
			l.set(false, nil)
		}, work, true},
		{"the store is away", func(l *stallingLanes) { l.set(false, errors.New("connection refused")) }, 2500 * time.Millisecond, false},
		{"the store hangs", func(l *stallingLanes) { l.set(true, nil) }, 2500 * time.Millisecond, false},
		{"another process has the lane", func(l *stallingLanes) { l.set(false, lost) }, time.Second, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lanes := &stallingLanes{Memory: orgsynctest.NewMemory()}
				s := &patientShelf{work: work}
				o := openOn(t, lanes.Memory, orgsync.DispatcherConfig{Lanes: lanes, Lease: 3 * time.Second}, s)
				o.bind()
				go test.fault(lanes)
				time.Sleep(work + time.Millisecond)
				synctest.Wait()
				s.mu.Lock()
				defer s.mu.Unlock()
				if len(s.ended) == 0 || s.ended[0] != test.wantEnded {
					t.Errorf("the sink's work ended after %v, want %v", s.ended, test.wantEnded)
				}
				if got := o.store.Pending("shelf") == 0; got != test.wantDone {
					t.Errorf("done = %v, want %v", got, test.wantDone)
				}
			})
		})
	}
}

// TestDispatcherGivesLanesBackWhenItStops: another process need not wait for the lease to
// end.
func TestDispatcherGivesLanesBackWhenItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := orgsynctest.NewMemory()
		d, err := orgsync.NewDispatcher(orgsync.DispatcherConfig{
			Lanes: store, Sinks: []orgsync.Sink{&patientShelf{work: time.Hour}}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		synctest.Wait()
		o := &office{t: t, store: store, acceptor: orgsync.NewAcceptor(store, orgsync.Policy{Guard: orgsync.DefaultGuard()}, d.Wake)}
		o.bind()
		synctest.Wait()
		if _, err := store.Claim(t.Context(), "shelf", time.Now(), time.Now().Add(time.Second), 1); !errors.Is(err, orgsync.ErrNotFound) {
			t.Fatalf("Claim while the lane is being worked at = %v, want ErrNotFound", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		lane, err := store.Claim(t.Context(), "shelf", time.Now(), time.Now().Add(time.Second), 1)
		if err != nil || !slices.ContainsFunc(lane.Keys, func(k orgsync.OwedKey) bool { return k.Kind == orgsync.TenantKey }) {
			t.Errorf("Claim after the stop = %+v, %v, want the tenant's key", lane, err)
		}
	})
}

// patientShelf takes its time, unless it is told to stop.
type patientShelf struct {
	work  time.Duration
	mu    sync.Mutex
	ended []time.Duration // how long each call took
}

func (s *patientShelf) Name() string { return "shelf" }

func (s *patientShelf) Converge(ctx context.Context, _ orgsync.View, keys []orgsync.Key) ([]orgsync.Result, error) {
	began := time.Now()
	select {
	case <-ctx.Done():
	case <-time.After(s.work):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, time.Since(began))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	results := make([]orgsync.Result, len(keys))
	for n, k := range keys {
		results[n].Key = k
	}
	return results, nil
}
