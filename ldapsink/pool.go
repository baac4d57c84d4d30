package ldapsink

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

// pool keeps bound connections. It is safe for concurrent use.
type pool struct {
	urls         []string
	bindDN       string
	bindPassword orgsync.Secret
	startTLS     bool
	tls          *tls.Config
	timeout      time.Duration
	log          *slog.Logger

	slots chan struct{}   // one token per connection in use
	idle  chan *ldap.Conn // bound, unused
}

func newPool(cfg Config) *pool {
	return &pool{
		urls: cfg.URLs, bindDN: cfg.BindDN, bindPassword: cfg.BindPassword, startTLS: cfg.StartTLS, tls: cfg.TLS,
		timeout: cfg.Timeout, log: cfg.Logger,
		slots: make(chan struct{}, cfg.Connections),
		idle:  make(chan *ldap.Conn, cfg.Connections),
	}
}

// with runs fn on a connection of its own. go-ldap knows no context, so when ctx ends the
// connection is closed under fn, which makes it return.
func (p *pool) with(ctx context.Context, action, dn string, fn func(*ldap.Conn) error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	conn, err := p.take(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { closeConn(conn) })
	err = fn(conn)
	if reader, ok := errors.AsType[*yieldError](err); ok {
		if stop() {
			p.idle <- conn
		}
		return reader.error
	}
	err = translate(err, action, dn)
	if !stop() {
		return ctx.Err() // conn is closed, or about to be
	}
	if isLost(err) || conn.IsClosing() {
		closeConn(conn)
		return err
	}
	p.idle <- conn // never blocks: as many places as slots
	return err
}

func (p *pool) take(ctx context.Context) (*ldap.Conn, error) {
	for {
		select {
		case conn := <-p.idle:
			if !conn.IsClosing() {
				return conn, nil
			}
		default:
			return p.dial(ctx)
		}
	}
}

// flush closes the idle connections: where one broke, the others have, or lead to a server
// that is no longer the first that answers.
func (p *pool) flush() {
	for {
		select {
		case conn := <-p.idle:
			closeConn(conn)
		default:
			return
		}
	}
}

// dial connects to the first server that answers and takes our name and password.
func (p *pool) dial(ctx context.Context) (*ldap.Conn, error) {
	var first error
	for i, address := range p.urls {
		conn, err := p.dialOne(ctx, address)
		if err == nil {
			if i > 0 {
				p.log.WarnContext(ctx, "directory failed over", "server", address, "reason", first)
			}
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func (p *pool) dialOne(ctx context.Context, address string) (*ldap.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, outside(translate(err, "connect", address))
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	raw, err := p.open(ctx, u)
	if err != nil {
		return nil, outside(translate(err, "connect", address))
	}
	conn := ldap.NewConn(raw, u.Scheme == "ldaps")
	conn.Start()
	conn.SetTimeout(p.timeout)
	stop := context.AfterFunc(ctx, func() { closeConn(conn) })
	err = p.bind(conn, u)
	if !stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		closeConn(conn)
		return nil, outside(translate(err, "bind at "+address, p.bindDN))
	}
	return conn, nil
}

func (p *pool) open(ctx context.Context, u *url.URL) (net.Conn, error) {
	host, port := u.Hostname(), u.Port()
	if u.Scheme == "ldaps" {
		if port == "" {
			port = ldap.DefaultLdapsPort
		}
		d := tls.Dialer{Config: p.tlsConfig(host)}
		return d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	}
	if port == "" {
		port = ldap.DefaultLdapPort
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
}

func (p *pool) bind(conn *ldap.Conn, u *url.URL) error {
	if p.startTLS && u.Scheme == "ldap" {
		if err := conn.StartTLS(p.tlsConfig(u.Hostname())); err != nil {
			return err
		}
	}
	return conn.Bind(p.bindDN, string(p.bindPassword))
}

func (p *pool) tlsConfig(host string) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if p.tls != nil {
		cfg = p.tls.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	return cfg
}

func closeConn(conn *ldap.Conn) {
	_ = conn.Close() // there is nothing to be done about a connection that will not close
}
