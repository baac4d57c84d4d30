package peers

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Wire stands between a client and a server and makes the way between them bad. What a
// method does holds for the connections that are open and for those that follow, until
// [Wire.Heal]. It is not safe for concurrent use.
type Wire struct {
	tb    testing.TB
	proxy *toxiproxy.Proxy
}

// NewWire leads from an address of its own to a server's, host:port, for the duration of
// the test. It begins as a good one.
func NewWire(tb testing.TB, server string) *Wire {
	tb.Helper()
	keeper := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	w := &Wire{tb: tb, proxy: toxiproxy.NewProxy(keeper, "wire", net.JoinHostPort(loopback, "0"), server)}
	if err := w.proxy.Start(); err != nil {
		tb.Fatalf("wire to %s: %v", server, err)
	}
	tb.Cleanup(func() {
		w.Heal() // nothing that hangs may outlive the test
		w.proxy.Stop()
	})
	return w
}

// Address is where clients connect, host:port.
func (w *Wire) Address() string { return w.proxy.Listen }

// Slow delays all that the server says by this time.
func (w *Wire) Slow(by time.Duration) {
	w.tb.Helper()
	w.add("latency", "downstream", map[string]int64{"latency": by.Milliseconds()})
}

// Hang swallows everything that either side says and leaves the connections open, as a
// frozen server does, or a firewall that forgot them. New connections are taken and hang
// too. Heal ends those that hung.
func (w *Wire) Hang() {
	w.tb.Helper()
	w.add("timeout", "upstream", map[string]int64{"timeout": 0})
	w.add("timeout", "downstream", map[string]int64{"timeout": 0})
}

// Reset ends every connection with a TCP reset as soon as the client says something.
func (w *Wire) Reset() {
	w.tb.Helper()
	w.add("reset_peer", "upstream", map[string]int64{"timeout": 0})
}

// Cut ends each connection after so many bytes of the server's answers: in the middle of
// one, and after the server has done what was asked of it.
func (w *Wire) Cut(bytes int64) {
	w.tb.Helper()
	w.add("limit_data", "downstream", map[string]int64{"bytes": bytes})
}

// Heal takes everything bad away.
func (w *Wire) Heal() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.tb.Context()), stopWithin)
	defer cancel()
	w.proxy.Toxics.ResetToxics(ctx)
}

func (w *Wire) add(kind, direction string, attributes map[string]int64) {
	w.tb.Helper()
	text, err := json.Marshal(map[string]any{"type": kind, "stream": direction, "attributes": attributes})
	if err != nil {
		w.tb.Fatal(err)
	}
	if _, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(string(text))); err != nil {
		w.tb.Fatalf("wire: %s: %v", kind, err)
	}
}

// Wire leads to the server, for the databases that Through sends that way.
func (s *DatabaseServer) Wire() *Wire {
	s.tb.Helper()
	return NewWire(s.tb, hostPort(s.port))
}

// Through is the same database by way of a wire.
func (d Database) Through(w *Wire) Database {
	w.tb.Helper()
	u, err := url.Parse(d.URL)
	if err != nil {
		w.tb.Fatal(err)
	}
	old := u.Host
	u.Host = w.Address()
	return Database{URL: u.String(), DSN: strings.Replace(d.DSN, old, w.Address(), 1)}
}

// Wire leads to the plain port of the directory.
func (d *Directory) Wire() *Wire {
	d.tb.Helper()
	return NewWire(d.tb, net.JoinHostPort(d.host, strconv.Itoa(d.port)))
}
