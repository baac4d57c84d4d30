package sso

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// decisionAge is how long a decision is reused, counted from before its query began. It is half of what is promised:
	// a removed user has no live session one second after the push was acknowledged.
	decisionAge = 500 * time.Millisecond
	// decisionTimeout ends a query; its requests are answered 503.
	decisionTimeout = 3 * time.Second
	// touchEvery is how often the idle time is written.
	touchEvery = time.Minute
	// maxDecisions bounds the cache.
	maxDecisions = 1 << 15
)

// decision is the answer about one session.
type decision struct {
	started time.Time
	done    chan struct{}

	// The rest is written once, before done is closed.
	identity  Identity
	live      LiveSession
	headers   []identityHeader
	assertion assertion
	err       error
}

// decider asks the store about sessions: one query at a time per session, its answer shared by all who came while it ran or
// within decisionAge of its beginning. Errors are shared with those who waited and kept by nobody.
type decider struct {
	port   Sessions
	signer *signer
	now    func() time.Time
	log    *slog.Logger

	mu    sync.Mutex
	known map[SessionKey]*decision // under mu
}

// get returns the decision about a session. The error is ErrNoSession, or ErrUnavailable if the store did not answer.
func (d *decider) get(ctx context.Context, key SessionKey) (*decision, error) {
	now := d.now()
	d.mu.Lock()
	last, found := d.known[key]
	if found && now.Sub(last.started) < decisionAge {
		d.mu.Unlock()
		select {
		case <-last.done:
			return last, last.err
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
	fresh := &decision{started: now, done: make(chan struct{})}
	if d.known == nil {
		d.known = map[SessionKey]*decision{}
	}
	if !found && len(d.known) >= maxDecisions {
		d.evict(now)
	}
	d.known[key] = fresh
	d.mu.Unlock()

	d.ask(ctx, key, fresh, last)
	return fresh, fresh.err
}

// ask fills in fresh. The query outlives the request that began it, since others wait for it, but not decisionTimeout.
func (d *decider) ask(ctx context.Context, key SessionKey, fresh, last *decision) {
	defer close(fresh.done)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), decisionTimeout)
	defer cancel()
	live, err := d.port.Decide(ctx, key, fresh.started)
	if err != nil {
		fresh.err = portError(err)
		d.forget(key, fresh)
		return
	}
	fresh.live, fresh.identity = live, identityOf(key, live)
	if fresh.assertion, err = d.signer.renew(fresh.identity, fresh.started, last); err != nil {
		fresh.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		d.forget(key, fresh)
		return
	}
	fresh.headers = identityHeaders(fresh.identity, fresh.assertion.token)
	if fresh.started.Sub(live.Touched) >= touchEvery {
		if err := d.port.TouchSession(ctx, key, fresh.started); err != nil {
			d.log.WarnContext(ctx, "session not touched", slog.Any("error", err))
		}
	}
}

// forget drops a decision, if it is still the known one, so that the next request asks anew.
func (d *decider) forget(key SessionKey, old *decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old == nil || d.known[key] == old {
		delete(d.known, key)
	}
}

// evict makes room: it looks at a few entries, which map iteration chooses at random, and drops those that are too old, or
// the first one. The caller holds mu.
func (d *decider) evict(now time.Time) {
	looked := 0
	for key, entry := range d.known {
		if looked == 0 || now.Sub(entry.started) >= decisionAge {
			delete(d.known, key)
		}
		if looked++; looked == 32 {
			return
		}
	}
}
