package store_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// stream is numbers that are written one after the other, each with a time to answer.
type stream struct {
	acknowledged, lost atomic.Int64
	longest            atomic.Int64 // nanoseconds that one took
}

// run writes until ctx ends.
func (st *stream) run(ctx context.Context, t *testing.T, s *store.Store, within time.Duration) {
	for n := 0; ctx.Err() == nil; {
		began := time.Now()
		timed, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
		err := s.Update(timed, orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error {
			// One that was committed and not acknowledged is known when it comes again.
			if rec, err := tx.Record(numbered(n)); err != nil || rec.Known {
				return err
			}
			return writeNumber(tx, n)
		})
		cancel()
		st.longest.Store(max(st.longest.Load(), int64(time.Since(began))))
		switch {
		case err == nil:
			n++
			st.acknowledged.Store(int64(n))
		case errors.Is(err, orgsync.ErrUnavailable):
			st.lost.Add(1)
		default:
			t.Errorf("Update = %v, want nil or ErrUnavailable", err)
			return
		}
	}
}

// TestBadWire: whatever happens between us and PostgreSQL, who asks learns in the time
// that he gave whether it was done, what was acknowledged is there, the rest is there
// wholly or not at all, and all goes on by itself.
func TestBadWire(t *testing.T) {
	t.Parallel()
	server := peers.PostgreSQL(t)
	wire := server.Wire()
	s := open(t, store.Config{
		URL: server.Product().Through(wire).URL, Migrate: true, Keys: newRing(t), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err := s.OpenSinks(t.Context(), []string{"ldap"}); err != nil {
		t.Fatal(err)
	}
	const within = 2 * time.Second
	var st stream
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { st.run(ctx, t, s, within) })
	grows := func(what string, count *atomic.Int64, by int64) {
		t.Helper()
		from := count.Load()
		wait(t, what, func() bool { return count.Load() >= from+by })
	}
	grows("the first transactions", &st.acknowledged, 20)
	for _, c := range []struct {
		name  string
		worse func()
		lost  bool
	}{
		{"slow", func() { wire.Slow(30 * time.Millisecond) }, false},
		{"reset", wire.Reset, true},
		{"cut", func() { wire.Cut(3000) }, true},
		{"hang", wire.Hang, true},
	} {
		c.worse()
		if c.lost {
			grows(c.name+": a refusal", &st.lost, 2)
		} else {
			grows(c.name+": transactions", &st.acknowledged, 3)
		}
		wire.Heal()
		grows("transactions after "+c.name, &st.acknowledged, 20)
	}

	// Who sets no time of his own is held for a while, not for ever.
	wire.Hang()
	held := time.Now()
	if _, err := s.Claim(context.WithoutCancel(t.Context()), "ldap", morning(), morning(), 1); !errors.Is(err, orgsync.ErrUnavailable) {
		t.Errorf("Claim of a server that hangs = %v, want ErrUnavailable", err)
	}
	if took := time.Since(held); took > 40*time.Second {
		t.Errorf("Claim took %v", took)
	}
	wire.Heal()
	grows("transactions in the end", &st.acknowledged, 20)
	stop()
	group.Wait()

	if took := time.Duration(st.longest.Load()); took > within+time.Second {
		t.Errorf("an answer took %v, want %v at most", took, within)
	}
	there := int64(0)
	for n := range int(st.acknowledged.Load()) + 1 {
		there += int64(readNumber(t, s, n, int64(n) < st.acknowledged.Load()))
	}
	status, err := s.Status(t.Context())
	if err != nil || status.Sinks[0].Pending != there {
		t.Errorf("after %d transactions: %+v, %v", there, status, err)
	}
	t.Logf("%d acknowledged, %d refused, the longest took %v", st.acknowledged.Load(), st.lost.Load(), time.Duration(st.longest.Load()))
}
