package main

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// rememberEvery is how often what a sink holds is written to our database: a sink that is
// restored to a moment before the last time is noticed.
const rememberEvery = 5 * time.Second

// keeper answers for the bridge when one sink asks whether it may be written (see
// [orgsync.Registrar]). It is safe for concurrent use.
type keeper struct {
	store *store.Store
	sink  string
	log   *slog.Logger
	now   func() time.Time
	// takeOver: whatever the sink holds, it becomes ours. It ends when it is.
	takeOver atomic.Bool
	took     atomic.Bool // it became ours by that

	mu sync.Mutex
	// All under mu: who we are; what we told last, or found and judged to be ours; what
	// the database remembers, and since when.
	bridge     string
	taken      bool // the sink was taken over, now or long ago
	known      orgsync.Deed
	remembered orgsync.Mark
	at         time.Time
}

// newKeepers makes one for each sink, by its name.
func newKeepers(cfg Config, s *store.Store, log *slog.Logger) map[string]*keeper {
	keepers := make(map[string]*keeper, len(cfg.Sinks))
	for _, c := range cfg.Sinks {
		keepers[c.Name] = newKeeper(s, c.Name, log)
	}
	return keepers
}

func newKeeper(s *store.Store, sink string, log *slog.Logger) *keeper {
	return &keeper{store: s, sink: sink, log: log, now: time.Now}
}

// register is an [orgsync.Registrar].
func (k *keeper) register(ctx context.Context, found orgsync.Deed) (orgsync.Deed, error) {
	if k.knows(found) {
		k.remember(ctx, found.Mark)
		return k.tell(ctx)
	}
	h, err := k.store.History(ctx)
	if err != nil {
		return orgsync.Deed{}, err
	}
	t, err := k.store.Tenure(ctx, k.sink)
	if err != nil {
		return orgsync.Deed{}, err
	}
	k.mu.Lock()
	k.bridge, k.taken = h.Bridge, t.Taken
	k.mu.Unlock()
	switch standing := h.Judge(found, t.Seen); standing {
	case orgsync.StandingOurs:
		k.takeOver.Store(false)
		k.remember(ctx, found.Mark)
	case orgsync.StandingBehind:
		k.takeOver.Store(false)
		news, err := k.store.SinkBehind(ctx, k.sink, found.Mark)
		if err != nil {
			return orgsync.Deed{}, err
		}
		if news {
			k.log.WarnContext(ctx, "the sink went back to an older state: it was restored from a copy of its own, or emptied; everything is owed to it again",
				"sink", k.sink, "held", found.Mark.String(), "knew", t.Seen.String())
		}
	default:
		if err := k.refuse(ctx, h, found, standing); err != nil {
			return orgsync.Deed{}, err
		}
	}
	return k.tell(ctx)
}

// refuse closes the sink, unless it is to be taken over.
func (k *keeper) refuse(ctx context.Context, h orgsync.History, found orgsync.Deed, standing orgsync.Standing) error {
	if k.takeOver.Load() {
		// The sink is told after that: if it never is, it was owed everything for nothing.
		if err := k.store.SinkTaken(ctx, k.sink); err != nil {
			return err
		}
		k.took.Store(true)
		k.mu.Lock()
		k.taken = true
		k.mu.Unlock()
		k.log.WarnContext(ctx, "the sink is taken over; everything is owed to it again", "sink", k.sink, "from", found.Owner, "held", found.Mark.String())
		return nil
	}
	closed := &orgsync.ClosedError{Sink: k.sink, Standing: standing, Owner: found.Owner, Bridge: h.Bridge}
	news, err := k.store.SinkClosed(ctx, k.sink, closed.Public(), standing == orgsync.StandingAhead)
	if err != nil {
		return err
	}
	if news {
		k.log.ErrorContext(ctx, "the sink is closed to this bridge", "sink", k.sink, "error", closed.Public(), "held", found.Mark.String(), "ours", h.Now().String())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known, k.at = orgsync.Deed{}, time.Time{}
	return closed
}

// knows says whether found is what was judged a moment ago, or what we told the sink to
// keep: nobody but we wrote there since.
func (k *keeper) knows(found orgsync.Deed) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return found == k.known && found.Owner != "" && !k.takeOver.Load()
}

// adopts says whether the sink was taken over: what its own account made there is ours.
func (k *keeper) adopts() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.taken
}

// tell returns the deed of the state as it is now.
func (k *keeper) tell(ctx context.Context) (orgsync.Deed, error) {
	m, err := k.store.Mark(ctx)
	if err != nil {
		return orgsync.Deed{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known = orgsync.Deed{Owner: k.bridge, Mark: m}
	return k.known, nil
}

// remember writes from time to time what the sink was found to hold, at once if it is the
// first time since it was closed.
func (k *keeper) remember(ctx context.Context, found orgsync.Mark) {
	k.mu.Lock()
	due := k.at.IsZero() || found != k.remembered && k.now().Sub(k.at) >= rememberEvery
	k.mu.Unlock()
	if !due {
		return
	}
	if err := k.store.SinkFound(ctx, k.sink, found); err != nil {
		if ctx.Err() == nil {
			k.log.WarnContext(ctx, "what the sink holds was not remembered", "sink", k.sink, "error", err.Error())
		}
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remembered, k.at = found, k.now()
}

// onlyJudge is an [orgsync.Registrar] that records nothing; s is nil where there is no
// database yet.
func onlyJudge(s *store.Store, sink string) orgsync.Registrar {
	if s == nil {
		return orgsync.SoleOwner(sink, "a new one")
	}
	return func(ctx context.Context, found orgsync.Deed) (orgsync.Deed, error) {
		h, err := s.History(ctx)
		if err != nil {
			return orgsync.Deed{}, err
		}
		if standing := h.Judge(found, orgsync.Mark{}); standing != orgsync.StandingOurs {
			return orgsync.Deed{}, &orgsync.ClosedError{Sink: sink, Standing: standing, Owner: found.Owner, Bridge: h.Bridge}
		}
		return orgsync.Deed{Owner: h.Bridge, Mark: h.Now()}, nil
	}
}
