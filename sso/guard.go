package sso

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// blindAge is how long an upgraded connection lives without an answer about its session, counted from before the last
	// question that was answered: as long as a removed user may have a live session.
	blindAge = time.Second
	// blindRetry is when an upgraded connection is asked about again after a question without an answer.
	blindRetry = 200 * time.Millisecond
)

// guard watches over one request that was let through. It asks again as soon as the last decision may not be used any more,
// so every half second, and ends the request, or the connection it was upgraded to, once it would not be let through now.
//
// A request that is only slow is not ended because nothing is known for a while; an upgraded connection is, after blindAge.
type guard struct {
	rp       *RelyingParty
	request  *http.Request // as it came; only read
	asked    asked
	cancel   context.CancelCauseFunc
	upgraded bool

	mu    sync.Mutex
	good  time.Time   // under mu: when the newest decision was asked for
	timer *time.Timer // under mu
	conn  net.Conn    // under mu: the connection that was taken over
	over  bool        // under mu
}

// watch begins to watch. d is the decision that let the request through.
func (rp *RelyingParty) watch(r *http.Request, a asked, d *decision, cancel context.CancelCauseFunc) *guard {
	g := &guard{rp: rp, request: r, asked: a, cancel: cancel, upgraded: r.Header.Get("Upgrade") != "", good: d.started}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = time.AfterFunc(g.untilStale(), g.check)
	return g
}

// untilStale is how long the newest decision may still be used. The caller holds mu, or the only reference.
func (g *guard) untilStale() time.Duration {
	return max(0, g.good.Add(decisionAge).Sub(g.rp.now()))
}

// check asks again. It runs on the timer, so never twice at once.
func (g *guard) check() {
	g.mu.Lock()
	over, good := g.over, g.good
	g.mu.Unlock()
	if over {
		return
	}
	stop := func() bool { return true }
	if g.upgraded { // a store that hangs is a store that does not answer
		left := good.Add(blindAge).Sub(g.rp.now())
		if left <= 0 { // not the store was late but we, on a machine that stood still
			left = blindRetry
		}
		stop = time.AfterFunc(left, g.blind).Stop
	}
	d, err := g.rp.judgeNow(g.request.WithContext(context.WithoutCancel(g.request.Context())), g.asked)
	goesOn := g.decided(d, err)
	stop()
	if goesOn {
		// A connection may be all that is left of a session, and nothing waits here: the next check runs beside.
		g.rp.renewed(g.request.Context(), d)
	}
}

// decided acts on what check learnt, and reports whether what is watched goes on by a decision.
func (g *guard) decided(d *decision, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return false
	}
	wait := decisionAge
	switch {
	case err == nil && d.identity == (Identity{}): // the path is public: the session is over, and was what let this in
		g.end(ErrNoSession)
		return false
	case err == nil:
		g.good = d.started
		wait = g.untilStale()
	case errors.Is(err, ErrNoSession), errors.Is(err, ErrForbidden):
		g.end(err)
		return false
	case g.upgraded:
		wait = max(0, min(blindRetry, g.good.Add(blindAge).Sub(g.rp.now())))
		if wait == 0 {
			g.end(err)
			return false
		}
	}
	g.timer.Reset(wait)
	return err == nil
}

// blind ends what is watched because nothing was known for too long.
func (g *guard) blind() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.end(ErrUnavailable)
	}
}

// end ends what is watched. The caller holds mu.
func (g *guard) end(why error) {
	g.over = true
	g.cancel(fmt.Errorf("the session ended: %w", why))
	if g.conn != nil {
		_ = g.conn.Close() // it is over either way
	}
}

// stop ends the watch.
func (g *guard) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	g.timer.Stop()
}

// returned is called when the handler has returned: what it took over is watched on.
func (g *guard) returned() {
	g.mu.Lock()
	taken := g.conn != nil
	g.mu.Unlock()
	if !taken {
		g.stop()
	}
	g.cancel(nil)
}

// guardedWriter keeps hold of a connection that the handler takes over.
type guardedWriter struct {
	http.ResponseWriter
	guard *guard
}

// Unwrap serves [http.ResponseController].
func (w guardedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements [http.Flusher].
func (w guardedWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack implements [http.Hijacker]. The connection is closed when the session ends.
func (w guardedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over the connection: %w", err)
	}
	g := w.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("take over the connection: %w", ErrNoSession)
	}
	g.conn = conn
	return &guardedConn{Conn: conn, guard: g}, buffered, nil
}

// guardedConn ends the watch when it is closed.
type guardedConn struct {
	net.Conn
	guard *guard
}

// Close closes the connection.
func (c *guardedConn) Close() error {
	c.guard.stop()
	return c.Conn.Close() //nolint:wrapcheck // it is the connection's own
}

// CloseWrite says that nothing more follows, where the connection can; else it closes it.
func (c *guardedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // it is the connection's own
	}
	return c.Close()
}
