package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// progressWindow is the time over which the rate is measured.
	progressWindow = 10 * time.Second
	// Lines are at most so frequent: on a terminal, and elsewhere.
	barEvery, lineEvery = 100 * time.Millisecond, 10 * time.Second
	barWidth            = 24
)

// progress tells how far something is: a bar on a terminal, elsewhere a line from time to
// time. The rate is that of the last seconds, so that the time left is honest when a server
// becomes slower. It is safe for concurrent use.
type progress struct {
	w     io.Writer
	bar   bool
	what  string
	now   func() time.Time
	mu    sync.Mutex
	seen  []sighting // under mu: of the window, the oldest first
	shown time.Time  // under mu
	drawn bool       // under mu: the bar stands on the line
	done  int        // under mu, as is total: as said last
	total int
}

type sighting struct {
	at   time.Time
	done int
}

func newProgress(w io.Writer, what string, now func() time.Time) *progress {
	at := now()
	return &progress{w: w, bar: isTerminal(w), what: what, now: now, seen: []sighting{{at: at}}, shown: at}
}

// step says that so many are done.
func (p *progress) step(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total = done, total
	now := p.now()
	every := lineEvery
	if p.bar {
		every = barEvery
	}
	if now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	p.seen = append(p.seen, sighting{now, done})
	for len(p.seen) > 2 && now.Sub(p.seen[1].at) >= progressWindow {
		p.seen = p.seen[1:]
	}
	text := progressText(p.seen[0], sighting{now, done}, total)
	if p.bar {
		p.drawn = true
		fmt.Fprintf(p.w, "\r\x1b[K%s %s %s", visible(p.what), barText(done, total), text)
		return
	}
	fmt.Fprintf(p.w, "%s: %s\n", visible(p.what), text)
}

// end takes the bar away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// cutOff says of an error that ended it what was done and what is left.
func (p *progress) cutOff(ctx context.Context, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	isInterrupted := ctx.Err() != nil // what the sink says then is of no interest
	switch {
	case err == nil, p.total == 0 && !isInterrupted:
		return err
	case p.total == 0:
		return &cutOffError{"interrupted before anything was changed", err}
	}
	rest := fmt.Sprintf("%d of %d changes done, %d left; run it again, it does the rest", p.done, p.total, p.total-p.done)
	if isInterrupted {
		return &cutOffError{"interrupted: " + rest, err}
	}
	return &cutOffError{err.Error() + " (" + rest + ")", err}
}

// cutOffError is work that ended in the middle, in words.
type cutOffError struct {
	text string
	err  error
}

func (e *cutOffError) Error() string { return e.text }
func (e *cutOffError) Unwrap() error { return e.err }

func barText(done, total int) string {
	n := barWidth * done / max(total, 1)
	return "[" + strings.Repeat("#", n) + strings.Repeat("-", barWidth-n) + "]"
}

// progressText says how many are done, how fast, and how long the rest takes at that rate.
func progressText(before, now sighting, total int) string {
	text := fmt.Sprintf("%d of %d (%d %%)", now.done, total, 100*now.done/max(total, 1))
	elapsed := now.at.Sub(before.at)
	rate := float64(now.done-before.done) / max(elapsed.Seconds(), 0.001)
	if elapsed <= 0 || rate <= 0 {
		return text
	}
	left := time.Duration(float64(total-now.done) / rate * float64(time.Second))
	return fmt.Sprintf("%s, %.0f/s, about %s left", text, rate, left.Round(time.Second))
}
