package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

// baseScene is the endpoint with a product behind it, both on real sockets.
type baseScene struct {
	bridge *httptest.Server
	up     *upstream
	log    *bytes.Buffer
}

func newBaseScene(t *testing.T, address string) baseScene {
	t.Helper()
	s := baseScene{log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	if s.up, err = newUpstream(address, 1000, log); err != nil {
		t.Fatal(err)
	}
	h, err := push.New(push.Config{
		Path: "/marketplace", Settings: func() push.Settings { return push.Settings{} },
		Acceptor: refusing{}, Base: s.up.forward, MaxBody: 1000, Now: time.Now, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.bridge = httptest.NewServer(h)
	t.Cleanup(s.bridge.Close)
	return s
}

// refusing is an acceptor that no base call reaches.
type refusing struct{}

func (refusing) Accept(context.Context, orgsync.Push) (orgsync.Receipt, error) {
	return orgsync.Receipt{}, orgsync.ErrUnavailable
}

// rawProduct serves every connection by write and hands over what was sent, as bytes.
func rawProduct(t *testing.T, answer string) (address string, sent <-chan string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	calls := make(chan string, 100)
	go func() { // ends when the listener is closed
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 64<<10)
			n, _ := conn.Read(buffer)
			calls <- string(buffer[:n])
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	return "http://" + listener.Addr().String() + "/produce", calls
}

func do(t *testing.T, request string, address string) (header, body string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	header, body, _ = strings.Cut(string(raw), "\r\n\r\n")
	return header, body
}

// TestBaseCallsByteForByte compares what the product's socket got with what was sent, and
// the answer with what the product wrote.
func TestBaseCallsByteForByte(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 302 Found\r\nBody-Sign: sign_type=\"HMAC-SHA256\", signature= \"x=\"\r\nContent-Type: text/plain;charset=GBK\r\n" +
		"Location: /elsewhere\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nKeep-Alive: 5\r\nX-Two: a\r\nX-Two: b\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 5\r\n\r\n\x00\xff{}\n"
	address, sent := rawProduct(t, answer)
	s := newBaseScene(t, address)
	const strangers = "Cookie: a=b\r\nX-Auth-Subject: t/root\r\nX_Auth_Role: admin\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n" +
		"X-Original-URL: /x\r\nX-Rewrite-URL: /x\r\nTE: trailers\r\nConnection: close, X-Gone\r\nX-Gone: 1\r\nVia: 1.1 edge\r\n"
	for _, call := range []struct{ line, header, body, wantLine, wantHeader string }{
		{
			"POST /marketplace?signature=A%2bb&timestamp=1&&x=%zz;+~&q", "Content-Type: application/json;charset=utf8\r\nX-Sdk: 1\r\n", "{ \"b\":1,\xff \"a\":\u2028}\n",
			"POST /produce?signature=A%2bb&timestamp=1&&x=%zz;+~&q", "Content-Length: 19\r\nContent-Type: application/json;charset=utf8\r\nVia: VIA\r\nX-Sdk: 1\r\n",
		},
		{
			"GET /marketplace?activity=newInstance&authToken=a+b%2F=", "User-Agent: platform/1\r\nAccept-Encoding: gzip\r\n", "",
			"GET /produce?activity=newInstance&authToken=a+b%2F=", "User-Agent: platform/1\r\nAccept-Encoding: gzip\r\nVia: VIA\r\n",
		},
		{"GET /marketplace?", "", "", "GET /produce?", "Via: VIA\r\n"},
		{"GET /marketplace/", "", "", "GET /produce", "Via: VIA\r\n"},
	} {
		length := ""
		if call.body != "" {
			length = fmt.Sprintf("Content-Length: %d\r\n", len(call.body))
		}
		header, body := do(t, call.line+" HTTP/1.1\r\nHost: app.example.com\r\n"+strangers+call.header+length+"\r\n"+call.body, s.bridge.URL)
		host := strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/produce")
		via := "1.1 edge\r\nVia: 1.1 " + s.up.via
		want := sortedHeader(call.wantLine + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.ReplaceAll(call.wantHeader, "VIA", via) + "Connection: close\r\n\r\n" + call.body)
		if diff := cmp.Diff(want, sortedHeader(<-sent)); diff != "" {
			t.Errorf("%s: the product got (-want +got):\n%s", call.line, diff)
		}
		wantAnswer := sortedHeader(strings.NewReplacer("Keep-Alive: 5\r\n", "", "Connection: X-Hop\r\nX-Hop: 1", "Connection: close").Replace(answer))
		if diff := cmp.Diff(wantAnswer, sortedHeader(header+"\r\n\r\n"+body)); diff != "" {
			t.Errorf("%s: the marketplace got (-want +got):\n%s", call.line, diff)
		}
	}
	if n := strings.Count(s.log.String(), `msg="base call forwarded"`); n != 4 || strings.Contains(s.log.String(), "authToken") {
		t.Errorf("the log has %d lines for 4 calls, or the query:\n%s", n, s.log)
	}
}

// sortedHeader makes a message comparable: its first line, its header in order, its body.
func sortedHeader(message string) []string {
	header, body, _ := strings.Cut(message, "\r\n\r\n")
	lines := strings.Split(header, "\r\n")
	rest := lines[1:]
	for i := range rest {
		for j := i; j > 0 && rest[j] < rest[j-1]; j-- {
			rest[j], rest[j-1] = rest[j-1], rest[j]
		}
	}
	return append(lines, body)
}

// TestBaseCallsThatFail: whatever the product does, the marketplace gets an answer of the
// protocol, and the product is asked once.
func TestBaseCallsThatFail(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nContent-Length: "
	for name, answer := range map[string]string{
		"hangs up":       "",
		"breaks off":     head + "10\r\n\r\n{}",
		"too long":       head + "1001\r\n\r\n" + strings.Repeat(" ", 1001),
		"no HTTP":        "SSH-2.0\r\n\r\n",
		"status 99":      "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
		"another switch": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, sent := rawProduct(t, answer)
			s := newBaseScene(t, address)
			wantDown(t, s, "secret-token")
			if n := len(sent); n != 1 {
				t.Errorf("the product was asked %d times for one call", n)
			}
		})
	}
	t.Run("refuses the connection", func(t *testing.T) {
		t.Parallel()
		dead := httptest.NewServer(nil)
		dead.Close()
		wantDown(t, newBaseScene(t, dead.URL), "secret-token")
	})
	t.Run("never answers", func(t *testing.T) {
		t.Parallel()
		release := make(chan struct{})
		product := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		t.Cleanup(func() { close(release); product.Close() })
		s := newBaseScene(t, product.URL)
		if s.up.timeout != 20*time.Second {
			t.Errorf("the product may take %v, want 20s", s.up.timeout)
		}
		s.up.timeout = 50 * time.Millisecond
		wantDown(t, s, "secret-token")
	})
	t.Run("is this bridge", func(t *testing.T) {
		t.Parallel()
		var calls atomic.Int64
		var target http.Handler
		self := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			target.ServeHTTP(w, r)
		}))
		t.Cleanup(self.Close)
		s := newBaseScene(t, self.URL+"/marketplace")
		target = s.bridge.Config.Handler
		wantDown(t, s, "secret-token")
		if calls.Load() != 1 {
			t.Errorf("it called itself %d times, want 1", calls.Load())
		}
	})
}

// TestBaseCallsAreSentOnce: the product answers one call on a connection and closes it
// when the next one comes. A client that kept it would send that call again.
func TestBaseCallsAreSentOnce(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	product := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1)%2 == 0 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(product.Close)
	s := newBaseScene(t, product.URL)
	header, body := do(t, "GET /marketplace HTTP/1.0\r\n\r\n", s.bridge.URL)
	if body != "{}" {
		t.Fatalf("first call: %s\n%s", header, body)
	}
	wantDown(t, s, "secret-token")
	if n := calls.Load(); n != 2 {
		t.Errorf("the product was asked %d times for 2 calls", n)
	}
}

func wantDown(t *testing.T, s baseScene, secret string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.bridge.URL+"/marketplace?authToken="+secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), `"resultCode":"000005"`) {
		t.Errorf("answer %d %s, %v, want 200 with 000005", response.StatusCode, body, err)
	}
	if log := s.log.String(); strings.Contains(log, secret) || !strings.Contains(log, "level=ERROR msg=push") {
		t.Errorf("log: %s", log)
	}
}
