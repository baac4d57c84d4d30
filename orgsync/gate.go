package orgsync

import (
	"context"
	"sync"
	"time"
)

// The pause after a sink did not answer: doubled each time between these.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 5 * time.Second
)

// gate lets the workers of one sink wait for work, and remembers whether the sink
// answers.
type gate struct {
	bell chan struct{}

	mu    sync.Mutex
	since time.Time     // guarded by mu
	err   error         // guarded by mu
	pause time.Duration // guarded by mu
}

func newGate() *gate { return &gate{bell: make(chan struct{}, 1)} }

// wake rings the bell; one ring that nobody heard yet is enough.
func (g *gate) wake() {
	select {
	case g.bell <- struct{}{}:
	default:
	}
}

// wait returns when the bell rings, after poll, or when ctx ends.
func (g *gate) wait(ctx context.Context, poll time.Duration) {
	t := time.NewTimer(poll)
	defer t.Stop()
	select {
	case <-g.bell:
	case <-t.C:
	case <-ctx.Done():
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// close records that the sink did not answer. It says how long to leave it alone, and
// whether that is news.
func (g *gate) close(err error, now time.Time) (pause time.Duration, news bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	news = g.err == nil
	if news {
		g.since, g.pause = now, firstPause
	} else {
		g.pause = min(2*g.pause, lastPause)
	}
	g.err = err
	return g.pause, news
}

// open records that the sink answers and says whether that is news.
func (g *gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	news := g.err != nil
	g.since, g.err, g.pause = time.Time{}, nil, 0
	return news
}

func (g *gate) fault() (time.Time, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.since, g.err
}
