package orgsync_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
)

var errFault = fmt.Errorf("the disk said no: %w", orgsync.ErrUnavailable)

// fault fails one durable step: the nth, either before anything is stored or after
// everything is, which looks the same from outside.
type fault struct {
	mu     sync.Mutex
	n      int
	stored bool
	calls  int
}

// step runs do and reports what it came to.
func (f *fault) step(do func() error) error {
	f.mu.Lock()
	f.calls++
	hit := f.calls == f.n
	f.mu.Unlock()
	if hit && !f.stored {
		return errFault
	}
	if err := do(); err != nil {
		return err
	}
	if hit {
		return errFault
	}
	return nil
}

// faultyStore is a store and its lanes with one fault.
type faultyStore struct {
	*orgsynctest.Memory
	*fault
}

func (s faultyStore) Update(ctx context.Context, scope orgsync.Scope, fn func(orgsync.Tx) error) error {
	return s.step(func() error { return s.Memory.Update(ctx, scope, fn) })
}

func (s faultyStore) Claim(ctx context.Context, sink string, now, until time.Time, limit int) (lane orgsync.Lane, err error) {
	err = s.step(func() error {
		lane, err = s.Memory.Claim(ctx, sink, now, until, limit)
		return err
	})
	return lane, err
}

func (s faultyStore) Finish(ctx context.Context, lane orgsync.Lane, outcomes []orgsync.Outcome) error {
	return s.step(func() error { return s.Memory.Finish(ctx, lane, outcomes) })
}

// mirror is a sink that holds what the view says, with the same fault.
type mirror struct {
	*fault
	mu    sync.Mutex
	users map[orgsync.UserName]orgsync.Status
}

func (*mirror) Name() string { return "mirror" }

func (m *mirror) Converge(ctx context.Context, view orgsync.View, keys []orgsync.Key) (results []orgsync.Result, err error) {
	err = m.step(func() error {
		for _, k := range keys {
			if k.Kind == orgsync.UserKey {
				users, err := view.Users(ctx, []orgsync.UserName{orgsync.UserName(k.ID)})
				if err != nil {
					return err
				}
				m.mu.Lock()
				m.users[orgsync.UserName(k.ID)] = users[orgsync.UserName(k.ID)].Status
				m.mu.Unlock()
			}
			results = append(results, orgsync.Result{Key: k})
		}
		return nil
	})
	return results, err
}

func crashHistory() []orgsync.Message {
	return []orgsync.Message{
		user(add, 1, "name=张三", "orgCode=A"), tenant(add, 0), list(1, many(20)...), department(add, 2, "B", "A"),
		department(add, 2, "A", ""), user(remove, 3), list(4, "d0001"), user(modify, 5, "name=李四"), user(add, 4, "name=王五"),
		tenant(remove, 6), tenant(add, 7), user(add, 8, "enable=false"),
	}
}

// Every durable step fails once, stored and not stored. The peer sends again what was
// not acknowledged; then all is as if nothing had happened.
func TestEveryStepMayFail(t *testing.T) {
	t.Parallel()
	clean := newDesk(t)
	clean.say(crashHistory()...)
	want := clean.store.Dump(scope())
	for _, stored := range []bool{false, true} {
		for n := 1; ; n++ {
			f := &fault{n: n, stored: stored}
			store := faultyStore{orgsynctest.NewMemory(), f}
			d := &desk{t: t, store: store.Memory, acceptor: orgsync.NewAcceptor(store, orgsync.Policy{Guard: orgsync.DefaultGuard()}, nil)}
			for i, m := range crashHistory() {
				p := orgsync.Push{Message: m, Nonce: fmt.Sprint("nonce ", i), Digest: [32]byte{byte(i)}}
				_, err := d.accept(p)
				if errors.Is(err, errFault) {
					_, err = d.accept(p)
				}
				if err != nil {
					t.Fatalf("step %d, stored %v: Accept(%v) = %v", n, stored, said{m}, err)
				}
			}
			if diff := gocmp.Diff(want, store.Dump(scope())); diff != "" {
				t.Fatalf("step %d failed, stored %v: another state (-want +got)\n%s", n, stored, diff)
			}
			if got, want := d.tally(), clean.tally(); got != want {
				t.Fatalf("step %d failed, stored %v: tally = %v, want %v", n, stored, got, want)
			}
			if f.calls < n {
				break // every step has had its turn
			}
		}
	}
}

// The same for the way out: whatever step of a delivery fails, the sink ends up equal.
func TestEveryStepOfADeliveryMayFail(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{false, true} {
		for n := range 40 {
			synctest.Test(t, func(t *testing.T) {
				f := &fault{stored: stored}
				store := faultyStore{orgsynctest.NewMemory(), f}
				sink := &mirror{fault: f, users: map[orgsync.UserName]orgsync.Status{}}
				d, err := orgsync.NewDispatcher(orgsync.DispatcherConfig{
					Lanes: store, Sinks: []orgsync.Sink{sink}, Logger: slog.New(slog.DiscardHandler), Now: time.Now, LanesPerSink: 1,
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				go func() { _ = d.Run(ctx) }() // ends with ctx
				synctest.Wait()
				desk := &desk{t: t, store: store.Memory, acceptor: orgsync.NewAcceptor(store.Memory, orgsync.Policy{}, d.Wake)}
				f.mu.Lock()
				f.n = f.calls + n
				f.mu.Unlock()
				desk.say(tenant(add, 0), user(add, 1, "name=n"))
				synctest.Wait()
				desk.say(user(remove, 2))
				time.Sleep(time.Minute)
				synctest.Wait()
				sink.mu.Lock()
				got := sink.users["u1"]
				sink.mu.Unlock()
				if got != orgsync.StatusRemoved {
					t.Errorf("step %d failed, stored %v: the sink holds the user as %v, want removed", n, stored, got)
				}
				if p := store.Pending("mirror"); p != 0 {
					t.Errorf("step %d failed, stored %v: %d keys are pending", n, stored, p)
				}
			})
		}
	}
}
