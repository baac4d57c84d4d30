package orgsync_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// watched is a shelf that says whether it is open.
type watched struct {
	*shelf
	closed error // guarded by the shelf's mu
	looks  int   // guarded by the shelf's mu
}

func (w *watched) Reach(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	return w.closed
}

func (w *watched) looked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looks
}

// TestDispatcherLooks: a sink to which nothing is owed is known to be closed, and to be
// open again.
func TestDispatcherLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watched{shelf: newShelf()}
		o := open(t, w)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.looked(); n < 6 || n > 7 {
			t.Errorf("looked at %d times in a minute, want every ten seconds", n)
		}
		w.set(func() {
			w.closed = &orgsync.ClosedError{Sink: "shelf", Standing: orgsync.StandingForeign, Owner: "them", Bridge: "us"}
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		health := o.dispatcher.Health()
		if len(health) != 1 || health[0].Err == nil || !strings.Contains(health[0].Err.Error(), "belongs to bridge them") {
			t.Errorf("Health = %+v, want the reason", health)
		}
		w.set(func() { w.closed = nil })
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if health := o.dispatcher.Health(); health[0].Err != nil {
			t.Errorf("ten seconds after the sink was opened: %+v", health)
		}
		for _, line := range []string{"sink does not answer", "sink answers again"} {
			if n := strings.Count(o.log.String(), line); n != 1 {
				t.Errorf("%d lines %q, want one", n, line)
			}
		}
	})
}

// TestDispatcherLookHealsNothing: what writing shows to be wrong is not right because
// looking is possible.
func TestDispatcherLookHealsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watched{shelf: newShelf()}
		w.down = &orgsync.ClosedError{Standing: orgsync.StandingAhead}
		o := open(t, w)
		o.bind()
		o.grant("zhangsan", 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if health := o.dispatcher.Health(); health[0].Err == nil {
			t.Error("a look made a sink healthy that takes nothing")
		}
		if n := strings.Count(o.log.String(), "sink does not answer"); n != 1 {
			t.Errorf("%d lines in a minute, want one", n)
		}
	})
}
