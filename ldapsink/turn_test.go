package ldapsink_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// watched is a state that notes how often a list of users was asked for.
type watched struct {
	*state
	asked atomic.Int64
}

func (w *watched) Users(ctx context.Context, names []orgsync.UserName) (map[orgsync.UserName]orgsync.User, error) {
	w.asked.Add(1)
	return w.state.Users(ctx, names)
}

// TestTurns: who lost the lease on a tenant in the middle of a write is waited for; then the
// state is read.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := emptyFixture(t, nil)
		f.sink = f.open()
		f.state.user("zhang", "张三", "")
		f.all()
		answer, blocked := make(chan struct{}), true
		f.memory.Fault(func(ldapsink.Operation) (before, after error) {
			if blocked {
				<-answer
			}
			return nil, nil
		})
		f.state.user("zhang", "第一", "")
		first := &state{tenant: f.state.tenant, departments: f.state.departments, users: map[orgsync.UserName]orgsync.User{"zhang": f.state.users["zhang"]}}
		ctx, lose := context.WithCancel(t.Context())
		go func() { _, _ = f.sink.Converge(ctx, first, []orgsync.Key{userKey("zhang")}) }()
		synctest.Wait() // it waits for the answer
		lose()
		f.state.user("zhang", "第二", "")
		second := &watched{state: f.state}
		done := make(chan error, 1)
		go func() {
			_, err := f.sink.Converge(t.Context(), second, []orgsync.Key{userKey("zhang")})
			done <- err
		}()
		synctest.Wait()
		if n := second.asked.Load(); n != 0 {
			t.Error("the next one did not wait")
		}
		impatient, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		if _, err := f.sink.Reconcile(impatient, f.state, ldapsink.WholeOptions{}); err == nil {
			t.Error("a reconciliation did not wait")
		}
		blocked = false
		close(answer)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		f.memory.Fault(nil)
		if w := f.plan(ldapsink.WholeOptions{}); len(w.Operations) > 0 {
			t.Errorf("in the end the plan is %v", w.Operations)
		}
	})
}

// TestWriteLingers: a write whose context ends is not left to its fate at once, so that nobody
// writes in its place and is overtaken by it; a server that stays silent is not waited for long.
func TestWriteLingers(t *testing.T) {
	t.Parallel()
	dir := peers.Slapd(t, peers.SlapdOptions{NoSync: true})
	d, err := ldapsink.NewDirectory(nil, peers.ServiceDN, peers.ServicePassword, 20*time.Second, dir.URL())
	if err != nil {
		t.Fatal(err)
	}
	add := func(ctx context.Context, name string) error {
		return d.Write(ctx, ldapsink.Operation{
			Kind: ldapsink.Add, DN: mustDN(t, "ou="+name+","+peers.BaseDN), Attributes: ldapsink.Attributes{"objectClass": {"organizationalUnit"}, "ou": {name}},
		})
	}
	if err := add(t.Context(), "connected"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		thaw    bool
		wantErr bool
	}{{"answers soon", true, false}, {"stays silent", false, true}} {
		dir.Freeze()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		began, failed := time.Now(), make(chan error, 1)
		go func() { failed <- add(ctx, tt.name) }()
		<-ctx.Done()
		if tt.thaw {
			dir.Thaw()
		}
		err := <-failed
		cancel()
		if !tt.thaw {
			dir.Thaw()
		}
		if took := time.Since(began); (err != nil) != tt.wantErr || took > 10*time.Second {
			t.Errorf("a server that %s: %v after %v", tt.name, err, took)
		}
		if tt.wantErr {
			return
		}
	}
}
