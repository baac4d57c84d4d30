package ldapsink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// connection is a bound connection. One goroutine uses it at a time.
type connection struct {
	*ldap.Conn
	wire    net.Conn // what it runs on, below any TLS
	timeout time.Duration
	server  int // index of the address
	turn    int
	used    time.Time
	broken  atomic.Bool
}

// errSilent is the cause of a context that ended because a request took too long.
var errSilent = errors.New("no answer in time")

// do runs fn, which makes one request, for as long as ctx and the time-out allow. go-ldap
// knows no context, and neither its own time-out nor its Close ends a write to a server that no
// longer reads, so the wire is cut under it. The connection is of no use afterwards.
func (c *connection) do(ctx context.Context, action, dn string, fn func(*ldap.Conn) error) error {
	return c.patient(ctx, func() error {
		limited, cancel := context.WithTimeoutCause(ctx, c.timeout, errSilent)
		defer cancel()
		stop := context.AfterFunc(limited, c.cut)
		err := fn(c.Conn)
		if !stop() {
			c.cut()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return &OperationError{Action: action, DN: dn, Code: ldap.ErrorNetwork, Message: fmt.Sprintf("no answer within %v", c.timeout)}
			}
		}
		err = translate(err, action, dn)
		if isLost(err) {
			c.cut()
		}
		return err
	})
}

// patient repeats a request that the server was too busy to look at.
func (c *connection) patient(ctx context.Context, request func() error) error {
	for pause := 100 * time.Millisecond; ; pause *= 3 {
		err := request()
		if !hasCode(err, ldap.LDAPResultBusy) || pause > time.Second {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// cut ends the connection at once, whatever it is doing.
func (c *connection) cut() {
	c.broken.Store(true)
	_ = c.wire.Close() // there is nothing to be done about a wire that will not close
}

// close ends the connection. The wire goes first, so that nothing can be waited for.
func (c *connection) close() {
	c.cut()
	_ = c.Close()
}

// connect makes a connection to one server and logs in.
func (p *pool) connect(ctx context.Context, server int) (*connection, error) {
	address := p.addresses[server]
	within := p.timeout
	if len(p.addresses) > 1 {
		within = min(within, connectWithin)
	}
	limited, cancel := context.WithTimeoutCause(ctx, within, errSilent)
	defer cancel()
	wire, err := open(limited, address)
	if err != nil {
		return nil, outside(translate(p.reason(ctx, limited, err, within), "connect", address.String()))
	}
	c := &connection{wire: wire, timeout: p.timeout, server: server, used: p.now()}
	stop := context.AfterFunc(limited, c.cut)
	err = p.enter(limited, c, address)
	if !stop() && err == nil {
		err = limited.Err()
	}
	if err != nil {
		if c.Conn != nil {
			c.close()
		}
		c.cut()
		return nil, outside(translate(p.reason(ctx, limited, err, within), "bind at "+address.String(), p.bindDN))
	}
	return c, nil
}

// reason is why a connection failed: our own time-out, if that was it.
func (p *pool) reason(ctx, limited context.Context, err error, within time.Duration) error {
	if limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("no answer within %v", within)
	}
	return err
}

// open connects to the address.
func open(ctx context.Context, a Address) (net.Conn, error) {
	var d net.Dialer
	if a.Scheme == "ldapi" {
		return d.DialContext(ctx, "unix", a.Host)
	}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(a.Host, a.Port))
}

// enter starts TLS, if it is wanted, and logs in.
func (p *pool) enter(ctx context.Context, c *connection, a Address) error {
	if a.Scheme == "ldaps" {
		secure := tls.Client(c.wire, p.tlsConfig(a.Host))
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		c.Conn = ldap.NewConn(secure, true)
	} else {
		c.Conn = ldap.NewConn(c.wire, false)
	}
	c.Start()
	if p.startTLS && a.Scheme == "ldap" {
		if err := c.StartTLS(p.tlsConfig(a.Host)); err != nil {
			return err
		}
	}
	if p.bindDN == "" {
		return c.ExternalBind()
	}
	return c.Bind(p.bindDN, string(p.bindPassword))
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

// Account returns the DN that the server knows us by (RFC 4532), "" if it does not say.
func (p *pool) Account(ctx context.Context) (string, error) {
	var name string
	err := p.with(ctx, func(c *connection) error {
		return c.do(ctx, "who am I", "", func(conn *ldap.Conn) error {
			result, err := conn.WhoAmI(nil)
			if err == nil {
				name = result.AuthzID
			}
			return err
		})
	})
	if dn, ok := strings.CutPrefix(name, "dn:"); ok {
		return strings.TrimSpace(dn), err
	}
	return "", err
}
