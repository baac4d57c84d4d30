package sso

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// decisionAge is how old a decision may be when it is used, counted from before its query began. It is half of what is
	// promised: a removed user has no live session one second after the push was acknowledged.
	decisionAge = 500 * time.Millisecond
	// decisionTimeout ends a query, and the asking anew where queries take longer than decisionAge; answered 503.
	decisionTimeout = 3 * time.Second
	// touchEvery is how often the idle time is written. A write waits no longer than touchTimeout, since a request waits for
	// it, and after one that failed nobody tries for touchPause.
	touchEvery   = time.Minute
	touchTimeout = 100 * time.Millisecond
	touchPause   = 5 * time.Second
	// maxDecisions bounds the cache.
	maxDecisions = 1 << 15
)

// decision is the answer about one session.
type decision struct {
	key     SessionKey
	started time.Time
	done    chan struct{}
	// renewing is set by the one request that asks the auth centre, should that be due.
	renewing atomic.Bool

	// The rest is written before done is closed, by the request that asks. Until its last statement, and so in a panic too,
	// err is ErrUnavailable.
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

	mu         sync.Mutex
	known      map[SessionKey]*decision // under mu
	touchAfter time.Time                // under mu: nobody touches before
}

// get returns the decision about a session, never one that is older than decisionAge. The error is ErrNoSession, or
// ErrUnavailable if the store did not answer in time.
func (d *decider) get(ctx context.Context, key SessionKey) (*decision, error) {
	began := d.now()
	for now := began; now.Sub(began) < decisionTimeout; now = d.now() {
		got, last, mine := d.join(key, now)
		if mine {
			d.ask(ctx, key, got, last)
			d.touch(ctx, key, got)
		}
		waited := mine
		select {
		case <-got.done:
		default:
			waited = true
			select {
			case <-got.done:
			case <-ctx.Done():
				return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
			}
		}
		switch {
		case got.err != nil:
			return nil, got.err
		case len(got.headers) == 0: // a 200 without them would let the client's own through
			return nil, fmt.Errorf("decision without headers: %w", ErrUnavailable)
		case !waited || d.now().Sub(got.started) < decisionAge: // join found it young
			return got, nil
		}
	}
	return nil, fmt.Errorf("decisions take too long: %w", ErrUnavailable)
}

// join returns the decision to wait for. It is the known one while that is young, else a fresh one, which is the caller's to
// ask for (mine); last is the one before.
func (d *decider) join(key SessionKey, now time.Time) (got, last *decision, mine bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, found := d.known[key]
	if found && now.Sub(last.started) < decisionAge {
		return last, nil, false
	}
	if d.known == nil {
		d.known = map[SessionKey]*decision{}
	}
	if !found && len(d.known) >= maxDecisions {
		d.evict(now)
	}
	fresh := &decision{key: key, started: now, done: make(chan struct{}), err: ErrUnavailable}
	d.known[key] = fresh
	return fresh, last, true
}

// ask fills in fresh. The query outlives the request that began it, since others wait for it, but not decisionTimeout.
func (d *decider) ask(ctx context.Context, key SessionKey, fresh, last *decision) {
	defer func() {
		if fresh.err != nil {
			d.forget(key, fresh)
		}
		close(fresh.done)
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), decisionTimeout)
	defer cancel()
	live, err := d.port.Decide(ctx, key, fresh.started)
	if err != nil {
		fresh.err = portError(err)
		return
	}
	fresh.live, fresh.identity = live, identityOf(key, live)
	if fresh.assertion, err = d.signer.renew(fresh.identity, fresh.started, last); err != nil {
		fresh.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		return
	}
	fresh.headers = last.rendered(fresh.identity, fresh.assertion.token)
	fresh.err = nil
}

// rendered returns the headers of an identity and its assertion: those of the decision before, if they are the same.
func (d *decision) rendered(id Identity, token string) []identityHeader {
	if d != nil {
		select {
		case <-d.done:
			if d.err == nil && d.identity == id && d.assertion.token == token {
				return d.headers
			}
		default: // still being asked
		}
	}
	return identityHeaders(id, token)
}

// touch writes the idle time if it is due. Nobody but the request that asked waits for it, and the decision holds without it.
func (d *decider) touch(ctx context.Context, key SessionKey, got *decision) {
	if got.err != nil || got.started.Sub(got.live.Touched) < touchEvery {
		return
	}
	d.mu.Lock()
	paused := d.now().Before(d.touchAfter)
	d.mu.Unlock()
	if paused {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), touchTimeout)
	defer cancel()
	err := d.port.TouchSession(ctx, key, got.started)
	if err == nil {
		return
	}
	d.mu.Lock()
	d.touchAfter = d.now().Add(touchPause)
	d.mu.Unlock()
	d.log.WarnContext(ctx, "session not touched", slog.Any("error", err))
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
