package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// watched is a sink whose plans are made by a test.
type watched struct {
	wholeSink
	make func(ctx context.Context, n int) (comparison, error)
	n    atomic.Int32
}

func (w *watched) plan(ctx context.Context, _ orgsync.Inventory, _ wholeOptions) (comparison, error) {
	return w.make(ctx, int(w.n.Add(1)))
}

// dueWorld is a world with a directory that is due to be compared, by a sink of the test's.
func dueWorld(t *testing.T, plan func(ctx context.Context, n int) (comparison, error)) (*world, drifter, *watched) {
	t.Helper()
	w, _ := directoryWorld(t, "")
	d := w.bridge.drifters[0]
	sink := &watched{wholeSink: d.sink, make: plan}
	d.sink = sink
	w.due(t)
	return w, d, sink
}

func (w *world) due(t *testing.T) {
	t.Helper()
	if err := w.bridge.store.NoteCompared(t.Context(), "corp", demoTenant, time.Now().Add(-2*time.Hour), 0); err != nil {
		t.Fatal(err)
	}
}

func anHourAgo() time.Time { return time.Now().Add(-time.Hour) }

// differs is a plan that is not empty.
func differs() comparison {
	return comparison{Sink: "corp", Tenant: demoTenant, Operations: []plannedOperation{{Op: "modify", Kind: "user", Name: "lisi"}}}
}

// newcomer is a push about a new user.
func newcomer(name string) market.Message {
	return market.DemoBuyers()[0].AddUser(market.User{UserName: name, Name: "新", OrgCode: "10000"})
}

// TestComparedByOne: of several replicas that find a tenant due at the same time one compares
// it, and none does again before its time.
func TestComparedByOne(t *testing.T) {
	t.Parallel()
	w, d, sink := dueWorld(t, func(context.Context, int) (comparison, error) { return comparison{}, nil })
	for range 2 {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if err := w.bridge.compare(t.Context(), d, demoTenant, anHourAgo(), true); err != nil {
					t.Errorf("compare: %v", err)
				}
			})
		}
		group.Wait()
		if n := sink.n.Load(); n != 1 {
			t.Errorf("compared %d times, want once", n)
		}
	}
	w.due(t)
	if err := w.bridge.compare(t.Context(), d, demoTenant, anHourAgo(), true); err != nil || sink.n.Load() != 2 {
		t.Errorf("when it was due again: %v, compared %d times, want twice", err, sink.n.Load())
	}
}

// TestFailedComparisonIsRepeated: what could not be compared is due as before.
func TestFailedComparisonIsRepeated(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	w, d, sink := dueWorld(t, func(_ context.Context, n int) (comparison, error) {
		if n == 1 {
			return comparison{}, broken
		}
		return comparison{}, nil
	})
	if err := w.bridge.compare(t.Context(), d, demoTenant, anHourAgo(), true); !errors.Is(err, broken) {
		t.Errorf("compare = %v, want the sink's error", err)
	}
	if err := w.bridge.compare(t.Context(), d, demoTenant, anHourAgo(), true); err != nil || sink.n.Load() != 2 {
		t.Errorf("again: %v, compared %d times, want twice", err, sink.n.Load())
	}
}

// TestLaneGoesOnBesideComparison: while a directory is being read what is pushed gets there.
func TestLaneGoesOnBesideComparison(t *testing.T) {
	t.Parallel()
	reading, goOn := make(chan struct{}), make(chan struct{})
	w, d, _ := dueWorld(t, func(ctx context.Context, _ int) (comparison, error) {
		close(reading)
		select {
		case <-goOn:
		case <-ctx.Done():
		}
		return comparison{}, ctx.Err()
	})
	done := make(chan error, 1)
	go func() { done <- w.bridge.compare(t.Context(), d, demoTenant, anHourAgo(), true) }()
	<-reading
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.send(ctx, newcomer("a")); err != nil {
		t.Error(err)
	}
	if err := w.settle(ctx); err != nil {
		t.Errorf("a push beside a comparison does not get to the sinks: %v", err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("compare: %v", err)
	}
}

// TestComparisonMakesWay: a comparison for which the lane is at rest ends when something is
// pushed, so that a removal does not wait for it; after some such ends it does not any more.
func TestComparisonMakesWay(t *testing.T) {
	t.Parallel()
	resting := make(chan struct{}, 1)
	w, d, _ := dueWorld(t, func(ctx context.Context, n int) (comparison, error) {
		if n%2 == 1 {
			return differs(), nil // so it is looked at again with the lane at rest
		}
		resting <- struct{}{}
		select {
		case <-ctx.Done():
			return comparison{}, ctx.Err()
		case <-time.After(3 * time.Second):
			return comparison{}, nil
		}
	})
	for _, tt := range []struct {
		makesWay bool
		want     error
	}{{true, errMakeWay}, {false, nil}} {
		done := make(chan error, 1)
		go func() { done <- w.bridge.compare(t.Context(), d, demoTenant, anHourAgo(), tt.makesWay) }()
		<-resting
		if err := w.send(t.Context(), newcomer(fmt.Sprint("b", tt.makesWay))); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, tt.want) {
			t.Fatalf("makes way %v: compare = %v, want %v", tt.makesWay, err, tt.want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := w.settle(ctx); err != nil {
			t.Errorf("makes way %v: the push does not get to the sinks: %v", tt.makesWay, err)
		}
		cancel()
	}
}

// TestMuchDrift: what is too much to be planned in memory is told, and left to the lane where
// it is to be repaired.
func TestMuchDrift(t *testing.T) {
	t.Parallel()
	for _, repair := range []bool{false, true} {
		t.Run(fmt.Sprintf("repair %v", repair), func(t *testing.T) {
			t.Parallel()
			w, d, sink := dueWorld(t, func(context.Context, int) (comparison, error) {
				return comparison{}, fmt.Errorf("compare: %w", &ldapsink.TooManyError{Users: 30_000})
			})
			if repair {
				d.config.OnDrift = "repair"
			}
			whole, err := inventoryOf(w.bridge.store, demoTenant)
			if err != nil {
				t.Fatal(err)
			}
			missing := func() int {
				t.Helper()
				c, err := sink.wholeSink.plan(t.Context(), whole, wholeOptions{})
				if err != nil {
					t.Fatal(err)
				}
				return len(c.Operations)
			}
			url := ldapURL(w)
			conn, err := ldap.DialURL(url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if err := errors.Join(conn.Bind(peers.AdminDN, peers.AdminPassword), conn.Del(ldap.NewDelRequest("uid=lisi,ou=people,"+demoRoot, nil))); err != nil {
				t.Fatal(err)
			}
			if n := missing(); n != 1 {
				t.Fatalf("%d operations are to be done after sabotage, want 1", n)
			}
			if err := w.bridge.compare(t.Context(), d, demoTenant, anHourAgo(), true); err != nil {
				t.Errorf("compare: %v", err)
			}
			if n, _, _ := w.drift(t); n != 30_000 {
				t.Errorf("drift is %d, want what was found", n)
			}
			if err := w.settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := missing(); (n == 0) != repair {
				t.Errorf("%d operations are left to do", n)
			}
		})
	}
}

// ldapURL is where the directory of a world is.
func ldapURL(w *world) string { return w.bridge.drifters[0].config.URL[0].Reveal() }
