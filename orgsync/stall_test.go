package orgsync_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
)

// awayLanes are lanes of a store that is away for one kind of call.
type awayLanes struct {
	*orgsynctest.Memory
	mu   sync.Mutex
	away string
}

func (l *awayLanes) fail(call string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away != call {
		return nil
	}
	return fmt.Errorf("%s: the store is away: %w", call, orgsync.ErrUnavailable)
}

func (l *awayLanes) set(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = call
}

func (l *awayLanes) Claim(ctx context.Context, sink string, now, until time.Time, limit int) (orgsync.Lane, error) {
	if err := l.fail("claim"); err != nil {
		return orgsync.Lane{}, err
	}
	return l.Memory.Claim(ctx, sink, now, until, limit)
}

func (l *awayLanes) Finish(ctx context.Context, lane orgsync.Lane, outcomes []orgsync.Outcome) error {
	if err := l.fail("finish"); err != nil {
		return err
	}
	return l.Memory.Finish(ctx, lane, outcomes)
}

func (l *awayLanes) View(t orgsync.TenantID) orgsync.View { return awayView{l.Memory.View(t), l} }

type awayView struct {
	orgsync.View
	lanes *awayLanes
}

func (v awayView) Users(ctx context.Context, names []orgsync.UserName) (map[orgsync.UserName]orgsync.User, error) {
	if err := v.lanes.fail("view"); err != nil {
		return nil, err
	}
	return v.View.Users(ctx, names)
}

// reader is a shelf that reads what it is to hold first, as sinks do.
type reader struct{ *shelf }

func (r reader) Converge(ctx context.Context, view orgsync.View, keys []orgsync.Key) ([]orgsync.Result, error) {
	if _, err := view.Users(ctx, nil); err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	return r.shelf.Converge(ctx, view, keys)
}

// TestStoreAwayIsNoFaultOfTheSinks: while our own database does not answer nobody says
// that a sink does not; and when it answers, the work goes on within seconds.
func TestStoreAwayIsNoFaultOfTheSinks(t *testing.T) {
	for _, call := range []string{"claim", "finish", "view"} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := reader{newShelf()}
				store := orgsynctest.NewMemory()
				lanes := &awayLanes{Memory: store}
				o := openOn(t, store, orgsync.DispatcherConfig{Lanes: lanes}, s)
				o.bind()
				synctest.Wait()
				lanes.set(call)
				o.grant("zhangsan", 1)
				time.Sleep(time.Minute)
				synctest.Wait()
				if h := o.dispatcher.Health()[0]; h.Err != nil {
					t.Errorf("Health() blames the sink: %v", h.Err)
				}
				lanes.set("")
				time.Sleep(6 * time.Second)
				synctest.Wait()
				if n := store.Pending("shelf"); n != 0 || s.count(userKey("zhangsan")) == 0 {
					t.Errorf("six seconds after the store came back %d keys are pending, want none", n)
				}
				log := o.log.String()
				for line, want := range map[string]int{"sink does not answer": 0, "database does not answer the lanes": 1, "database answers the lanes again": 1} {
					if n := strings.Count(log, line); n != want {
						t.Errorf("%d lines %q, want %d:\n%s", n, line, want, log)
					}
				}
			})
		})
	}
}

// TestSinkAwayWhileTheStateIsRead: what a sink says while a list of the state is handed to
// it is its own fault.
func TestSinkAwayWhileTheStateIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lister{newShelf()}
		o := open(t, s)
		o.bind()
		o.grant("zhangsan", 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if h := o.dispatcher.Health()[0]; h.Err == nil {
			t.Error("Health() blames nobody for a sink that did not answer")
		}
	})
}

// lister does not answer when it is told who is in a tenant.
type lister struct{ *shelf }

func (l lister) Converge(ctx context.Context, view orgsync.View, keys []orgsync.Key) ([]orgsync.Result, error) {
	for _, k := range keys {
		if k.Kind != orgsync.UserKey {
			continue
		}
		if err := view.Members(ctx, "", func(orgsync.UserName) error {
			return fmt.Errorf("add a member: %w", orgsync.ErrUnavailable)
		}); err != nil {
			return nil, err
		}
	}
	return l.shelf.Converge(ctx, view, keys)
}
