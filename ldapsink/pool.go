package ldapsink

import (
	"context"
	"crypto/tls"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Times of the pool.
const (
	// restFor is how long a server that failed is asked after the others, and how soon one
	// that is preferred is asked again.
	restFor = 30 * time.Second
	// staleAfter is how long an idle connection is kept: less than servers and firewalls
	// commonly wait before they forget one without a word.
	staleAfter = 4 * time.Minute
	// connectWithin is how long a server may take to let us in if there are others to ask.
	connectWithin = 5 * time.Second
)

// pool keeps bound connections, all to the same server: another one may lag behind, and
// what was written must be there when it is read. It is safe for concurrent use.
type pool struct {
	addresses    []Address // the preferred one first
	bindDN       string    // empty: SASL EXTERNAL
	bindPassword orgsync.Secret
	startTLS     bool
	tls          *tls.Config
	timeout      time.Duration
	now          func() time.Time
	log          *slog.Logger
	switched     func(context.Context)

	slots chan struct{} // one token per connection in use

	mu      sync.Mutex
	idle    []*connection // under mu; the one used last is at the end
	serving int           // under mu: the address that connections lead to, -1 before the first
	turn    int           // under mu: counts the changes of serving, and the resets
	rests   []time.Time   // under mu, by address: until then the others are asked first
}

func newPool(cfg Config) (*pool, error) {
	p := &pool{
		bindDN: cfg.BindDN, bindPassword: cfg.BindPassword, startTLS: cfg.StartTLS, tls: cfg.TLS,
		timeout: cfg.Timeout, now: cfg.Now, log: cfg.Logger, switched: cfg.Switched,
		slots: make(chan struct{}, cfg.Connections), serving: -1, rests: make([]time.Time, len(cfg.URLs)),
	}
	for _, text := range cfg.URLs {
		a, err := ParseAddress(text)
		if err != nil {
			return nil, err
		}
		p.addresses = append(p.addresses, a)
	}
	return p, nil
}

// with runs fn on a connection of its own. fn does its requests by [connection.do].
func (p *pool) with(ctx context.Context, fn func(*connection) error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	err = fn(c)
	if hasCode(err, ldap.LDAPResultUnavailable) {
		p.rest(c.server) // it is about to go, or must not be used now
		c.close()
	}
	p.put(c)
	return err
}

// take returns a connection: an idle one to the server in use, or a new one.
func (p *pool) take(ctx context.Context) (*connection, error) {
	if better := p.mayReturn(); better >= 0 {
		if c, err := p.connect(ctx, better); err == nil {
			p.serve(ctx, better, c, nil)
			return c, nil
		}
	}
	for {
		c, more := p.pop()
		switch {
		case !more:
			return p.dial(ctx)
		case c != nil:
			return c, nil
		}
	}
}

// pop takes one idle connection: nil if it was of no more use, false if there was none.
func (p *pool) pop() (*connection, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle) - 1
	if n < 0 {
		return nil, false
	}
	c := p.idle[n]
	p.idle = p.idle[:n]
	if c.turn != p.turn || c.IsClosing() || p.now().Sub(c.used) > staleAfter {
		c.close()
		return nil, true
	}
	return c, true
}

// put keeps the connection for later, if it is of use.
func (p *pool) put(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.turn != p.turn || c.IsClosing() || c.broken.Load() {
		c.close()
		return
	}
	c.used = p.now()
	p.idle = append(p.idle, c)
}

// flush closes the idle connections, and those in use as soon as they are not: where one
// broke, the others have, or lead to a server that is no longer the first that answers.
func (p *pool) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	for _, c := range p.idle {
		c.close()
	}
	p.idle = nil
}

// mayReturn returns a server that is preferred to the one in use and whose rest is over,
// or -1. It begins a new rest, so that one caller tries.
func (p *pool) mayReturn() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for i := range max(p.serving, 0) {
		if now.After(p.rests[i]) {
			p.rests[i] = now.Add(restFor)
			return i
		}
	}
	return -1
}

func (p *pool) rest(server int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rests[server] = p.now().Add(restFor)
}

// order lists the servers as they are to be asked: those that rest come last.
func (p *pool) order() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	var order, resting []int
	for i, until := range p.rests {
		if now.Before(until) {
			resting = append(resting, i)
		} else {
			order = append(order, i)
		}
	}
	return slices.Concat(order, resting)
}

// dial connects to the first server that lets us in.
func (p *pool) dial(ctx context.Context) (*connection, error) {
	var first error
	for _, i := range p.order() {
		c, err := p.connect(ctx, i)
		if err == nil {
			p.serve(ctx, i, c, first)
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		p.rest(i)
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// serve makes the server the one in use, now that it has let us in.
func (p *pool) serve(ctx context.Context, server int, c *connection, reason error) {
	p.mu.Lock()
	before := p.serving
	if before != server {
		p.serving = server
		p.turn++
	}
	if reason == nil {
		p.rests[server] = time.Time{}
	}
	c.turn = p.turn
	p.mu.Unlock()
	if before == server || before < 0 && server == 0 {
		return
	}
	p.log.WarnContext(ctx, "directory server changed", "server", p.addresses[server].String(), "reason", reason)
	if before >= 0 && p.switched != nil {
		p.switched(ctx)
	}
}
