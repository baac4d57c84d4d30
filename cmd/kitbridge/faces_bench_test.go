package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/sso"
)

// benchSessions is how many people are signed in while the faces are measured.
const benchSessions = 1000

// benchBridge is a bridge on SQLite with live sessions, and the Cookie headers of these.
func benchBridge(b *testing.B, more string) (*bridge, []string) {
	b.Helper()
	dir := b.TempDir()
	config := filepath.Join(dir, configName)
	for name, text := range map[string][]byte{configName: []byte(worldYAML + more), rsaKeyName: credentialPEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	ctx := context.Background()
	w, stop, err := openWorld(ctx, config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := stop(); err != nil {
			b.Error(err)
		}
	})
	buyer := market.DemoBuyers()[0]
	if err := w.send(ctx, buyer.Binding()...); err != nil {
		b.Fatal(err)
	}
	status, err := w.bridge.store.Tenant(ctx, sso.TenantID(buyer.TenantID))
	if err != nil {
		b.Fatal(err)
	}
	credential, err := w.bridge.store.Credential(ctx, status.ID)
	if err != nil {
		b.Fatal(err)
	}
	cookies := make([]string, benchSessions)
	for i := range cookies {
		var raw [32]byte
		binary.BigEndian.PutUint64(raw[:], uint64(i))
		id := base64.RawURLEncoding.EncodeToString(raw[:])
		if err := w.bridge.store.CreateSession(ctx, sso.NewSession{
			Key: sha256.Sum256([]byte(id)), Tenant: status.ID, App: credential.App, User: sso.UserName(buyer.Users[0].UserName),
			Created: time.Now(), Expires: time.Now().Add(time.Hour), Idle: time.Hour,
		}); err != nil {
			b.Fatal(err)
		}
		cookies[i] = "Cookie: __Host-kitbridge=" + id + "\r\n"
	}
	return w.bridge, cookies
}

// benchServe serves with the limits of serve and returns the address.
func benchServe(b *testing.B, h http.Handler, opened *atomic.Int64) string {
	b.Helper()
	server := newServer(h, slog.New(slog.DiscardHandler))
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew && opened != nil {
			opened.Add(1)
		}
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go server.Serve(listener) //nolint:errcheck // ends with the server
	b.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// load sends n requests over connections kept open, and returns how long each took. request gives the text of the i-th.
func load(b *testing.B, address string, connections, n int, request func(i int) string) []time.Duration {
	b.Helper()
	took := make([]time.Duration, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close() //nolint:errcheck // end of the load
			reader := bufio.NewReaderSize(conn, 16<<10)
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				began := time.Now()
				if _, err = io.WriteString(conn, request(i)); err == nil {
					err = read200(reader)
				}
				if err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(began)
			}
		})
	}
	wg.Wait()
	return took
}

// read200 reads one answer, cheaply, so that what is measured is the server.
func read200(r *bufio.Reader) error {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return fmt.Errorf("answer %q", line)
		}
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	_, err := r.Discard(length)
	return err
}

// rate reports what load measured.
func rate(took []time.Duration, elapsed time.Duration) (perSecond float64, p99 time.Duration) {
	slices.Sort(took)
	return float64(len(took)) / elapsed.Seconds(), took[len(took)*99/100]
}

// spent is the processor time of this process, or 0 where the system does not say. On a machine that does other things, too,
// it tells more than the clock.
func spent() time.Duration {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] { // utime and stime of proc(5), in hundredths of a second
		n, _ := strconv.Atoi(field)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

const benchRules = `trusted_proxies: ["127.0.0.1"]
sso:
  rules:
    - {path: /public, allow: public}
    - {path: /admin, allow: {role: admin}}
    - {path: /reports, methods: [GET], allow: signed_in}
`

// BenchmarkDecisionEndpoint measures decisions over the network, of a bridge on SQLite with 1 000 live sessions and 64
// connections, against a bare net/http server in the same run: ratio is the share of its rate.
func BenchmarkDecisionEndpoint(b *testing.B) {
	const connections, batch = 64, 20_000
	for name, setup := range map[string]struct{ config, request string }{
		"auth-request": {"", "GET /sso/authz/auth-request HTTP/1.1\r\nHost: app.example.com\r\n"},
		"forward-auth with rules": {
			benchRules,
			"GET /sso/authz/forward-auth HTTP/1.1\r\nHost: kitbridge\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\n" +
				"X-Forwarded-Host: app.example.com\r\nX-Forwarded-Uri: /orders/2026/11?page=2\r\n",
		},
	} {
		b.Run(name, func(b *testing.B) {
			bridge, cookies := benchBridge(b, setup.config)
			bare := benchServe(b, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil)
			address := benchServe(b, bridge.public, nil)
			request := func(int) string { return setup.request + cookies[rand.IntN(len(cookies))] + "\r\n" }
			load(b, address, connections, batch, request)
			var bareTook, took []time.Duration
			var bareTime, ownTime, bareSpent, ownSpent time.Duration
			for b.Loop() {
				began, before := time.Now(), spent()
				bareTook = append(bareTook, load(b, bare, connections, batch, request)...)
				bareTime, bareSpent = bareTime+time.Since(began), bareSpent+spent()-before
				began, before = time.Now(), spent()
				took = append(took, load(b, address, connections, batch, request)...)
				ownTime, ownSpent = ownTime+time.Since(began), ownSpent+spent()-before
			}
			bareRate, _ := rate(bareTook, bareTime)
			ownRate, p99 := rate(took, ownTime)
			b.ReportMetric(bareRate, "bare/s")
			b.ReportMetric(ownRate, "decisions/s")
			b.ReportMetric(ownRate/bareRate, "ratio")
			b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(bareSpent.Microseconds())/float64(len(bareTook)), "bare-cpu-µs")
			b.ReportMetric(float64(ownSpent.Microseconds())/float64(len(took)), "cpu-µs")
		})
	}
}

// BenchmarkReverseProxy measures requests through the reverse proxy to a product that answers 2 KiB, with 1 000 live sessions
// and 32 connections, and how many connections to the product that took.
func BenchmarkReverseProxy(b *testing.B) {
	const connections, batch = 32, 10_000
	body := []byte(strings.Repeat("x", 2<<10))
	var opened atomic.Int64
	product := benchServe(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }), &opened)
	bridge, cookies := benchBridge(b, "proxy: {upstream: \"http://"+product+"\"}\n"+benchRules)
	address := benchServe(b, bridge.public, nil)
	request := func(int) string {
		return "GET /orders/2026/11?page=2 HTTP/1.1\r\nHost: app.example.com\r\nAccept: text/html\r\nUser-Agent: bench\r\n" + cookies[rand.IntN(len(cookies))] + "\r\n"
	}
	load(b, address, connections, batch, request)
	var took []time.Duration
	var elapsed time.Duration
	before := spent()
	for b.Loop() {
		began := time.Now()
		took = append(took, load(b, address, connections, batch, request)...)
		elapsed += time.Since(began)
	}
	b.ReportMetric(float64((spent()-before).Microseconds())/float64(len(took)), "cpu-µs")
	perSecond, p99 := rate(took, elapsed)
	b.ReportMetric(perSecond, "req/s")
	b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(opened.Load()), "upstream-conns")
}
