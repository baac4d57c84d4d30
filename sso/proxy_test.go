package sso_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
)

// realTime lets the timers of a test and its decisions run by one clock.
func realTime(c *sso.Config) { c.Now = time.Now }

// seenByProduct is what echo tells.
type seenByProduct struct {
	Header, Trailer http.Header
	URI, Host       string
}

func decodeSeen(t *testing.T, got reply) seenByProduct {
	t.Helper()
	var seen seenByProduct
	if err := json.Unmarshal([]byte(got.body), &seen); err != nil || got.status != http.StatusOK {
		t.Fatalf("%d %v\n%s", got.status, err, got.body)
	}
	return seen
}

// TestProxyHeaders: what the product gets is ours where it matters, whoever sent what.
func TestProxyHeaders(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		h := newHouse(t, func(c *sso.Config) {
			if trusted {
				c.TrustedProxies = loopback()
			}
		})
		cookie := h.sessionCookie(tenantA, "li.si", "pw2")
		name, _, _ := strings.Cut(cookie, "=")
		got := h.rawTo(h.proxied(), "GET", "/a%20b/%7E/c;d=1?x=1&y;z&%zz", append(spoofed(),
			"Cookie", cookie+"; theme=dark; "+name+"-a-0123=x", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher",
			"X-Forwarded-Prefix", "/evil", "X_Forwarded_Port", "1", "x-forwarded-uri", "/evil", "Forwarded", "host=evil.example", "X-Real-IP", "203.0.113.10", "X-Original-URL", "/evil",
			"X_Rewrite_Url", "/evil", "Proxy", "http://evil.example", "Upgrade", "h2c", "HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA", "TE", "trailers",
			"Connection", "X-Forwarded-Proto, upgrade, X-Custom, HTTP2-Settings", "X-Custom", "1", "X-Kept", "1", "User-Agent", "curl",
		)...)
		seen := decodeSeen(t, got)
		if seen.URI != "/a%20b/%7E/c;d=1?x=1&y;z&%zz" || seen.Host != h.host() {
			t.Errorf("the product was asked for %q at %q", seen.URI, seen.Host)
		}
		way, client := "127.0.0.1", "127.0.0.1"
		if trusted {
			way, client = "203.0.113.9, 127.0.0.1", "203.0.113.9"
		}
		for name, want := range map[string]string{
			"X-Forwarded-For": way, "X-Real-Ip": client, "X-Forwarded-Host": h.host(), "X-Forwarded-Proto": "http", "Cookie": "theme=dark", "X-Kept": "1",
			"User-Agent": "curl", "X-Auth-Subject": tenantA + "/li.si", "X-Auth-Role": "user", "X-Auth-Test": "",
		} {
			if values := seen.Header[name]; len(values) != 1 || values[0] != want {
				t.Errorf("trusted %v: %s = %q, want %q", trusted, name, values, want)
			}
		}
		for name, values := range seen.Header {
			if all := strings.Join(values, ","); strings.Contains(all, "evil") || strings.Contains(name, "_") {
				t.Errorf("%s = %q reached the product", name, values)
			}
		}
		for _, name := range []string{"Upgrade", "Http2-Settings", "X-Custom", "Proxy", "Forwarded", "X-Forwarded-Prefix"} {
			if values, there := seen.Header[name]; there {
				t.Errorf("%s = %q reached the product", name, values)
			}
		}
	}
}

// TestProxyForeignHost: the product hears of one host only, the public one.
func TestProxyForeignHost(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.proxied()+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	r.Header.Set("Cookie", h.sessionCookie(tenantA, "li.si", "pw2"))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	body, _ := io.ReadAll(resp.Body)
	if seen := decodeSeen(t, reply{status: resp.StatusCode, body: string(body)}); seen.Host != h.host() || seen.Header.Get("X-Forwarded-Host") != h.host() {
		t.Errorf("Host %q, X-Forwarded-Host %q", seen.Host, seen.Header.Get("X-Forwarded-Host"))
	}
}

// TestProxyKeepsOurCookies: a product cannot set or end the cookies of the sign-in.
func TestProxyKeepsOurCookies(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	name, _, _ := strings.Cut(cookie, "=")
	product := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, line := range []string{"JSESSIONID=1; Path=/", name + "=planted", name + "-last=x; Max-Age=0", "=" + name + "=planted", " " + name + " =x", name, name + "; Path=/", "theme=" + name} {
			w.Header().Add("Set-Cookie", line)
		}
	}))
	t.Cleanup(product.Close)
	got := h.rawTo(h.proxyTo(product.URL), "GET", "/", "Cookie", cookie)
	if diff := cmp.Diff([]string{"JSESSIONID=1; Path=/", "theme=" + name}, got.header["Set-Cookie"]); diff != "" {
		t.Errorf("Set-Cookie (-want +got):\n%s", diff)
	}
}

// TestProxyProductDown: a page for people, JSON for scripts, and one line in the log.
func TestProxyProductDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := h.proxyTo("http://" + listener.Addr().String())
	_ = listener.Close()
	for range 3 {
		if got := h.rawTo(address, "GET", "/desk", "Cookie", cookie, "Accept", "text/html"); got.status != 502 || !strings.Contains(got.body, "product_unreachable") || !strings.Contains(got.body, h.url+"/desk") {
			t.Errorf("page = %d\n%s", got.status, got.body)
		}
	}
	if got := h.rawTo(address, "POST", "/desk", "Cookie", cookie); got.status != 502 || got.body != `{"error":"product_unreachable"}`+"\n" {
		t.Errorf("script = %d %s", got.status, got.body)
	}
	if got := h.rawTo(address, "GET", "/desk", "Accept", "text/html"); got.status != 302 {
		t.Errorf("without a session = %d, want a sign-in before anybody is told about the product", got.status)
	}
	if n := strings.Count(h.log.String(), "product does not answer"); n != 1 {
		t.Errorf("the log says so %d times, want once", n)
	}
}

// TestProxySendsOnce: what was perhaps done is not done again.
func TestProxySendsOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	var posts atomic.Int32
	product := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodPost {
			posts.Add(1)
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.Close()
		}
	}))
	t.Cleanup(product.Close)
	address := h.proxyTo(product.URL)
	if got := h.rawTo(address, "GET", "/", "Cookie", cookie); got.status != 200 {
		t.Fatal(got.status)
	}
	if got := h.rawTo(address, "POST", "/", "Cookie", cookie); got.status != 502 || posts.Load() != 1 {
		t.Errorf("a product that hangs up = %d after %d requests, want 502 after one", got.status, posts.Load())
	}
}

func TestProxyRefusesMethods(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	for _, request := range [][2]string{{"TRACE", "/"}, {"CONNECT", "evil.example:443"}} {
		if got := h.rawTo(h.proxied(), request[0], request[1], "Cookie", cookie); got.status != http.StatusMethodNotAllowed {
			t.Errorf("%s = %d, want 405", request[0], got.status)
		}
	}
}

// webSocketEcho upgrades and sends back what it gets.
func webSocketEcho(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.WriteHeader(http.StatusUpgradeRequired)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close() //nolint:errcheck // end of the connection
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Who: "+r.Header.Get("X-Auth-User")+"\r\n\r\n")
	_, _ = io.Copy(conn, conn)
}

// upgrade opens a WebSocket and returns the connection with its reader, and the answer.
func upgrade(t *testing.T, address, cookie string, headers ...string) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	request := "GET /ws HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: " + cookie + "\r\n"
	for i := 0; i < len(headers); i += 2 {
		request += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	return conn, reader, resp
}

// TestProxyWebSocket: it works both ways, for pages of ours only, and ends with the session.
func TestProxyWebSocket(t *testing.T) {
	t.Parallel()
	h := newHouse(t, realTime)
	product := httptest.NewServer(http.HandlerFunc(webSocketEcho))
	t.Cleanup(product.Close)
	address := h.proxyTo(product.URL)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	for origin, want := range map[string]int{h.url: 101, "http://evil.example": 403, "null": 403, h.url + ".evil.example": 403} {
		if _, _, resp := upgrade(t, address, cookie, "Origin", origin); resp.StatusCode != want { //nolint:bodyclose // upgraded
			t.Errorf("from %s = %d, want %d", origin, resp.StatusCode, want)
		}
	}
	if _, _, resp := upgrade(t, address, ""); resp.StatusCode != http.StatusUnauthorized { //nolint:bodyclose // no body
		t.Errorf("without a session = %d, want 401", resp.StatusCode)
	}
	conn, reader, resp := upgrade(t, address, cookie) //nolint:bodyclose // upgraded
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("X-Who") != "li.si" {
		t.Fatalf("upgrade = %d as %q", resp.StatusCode, resp.Header.Get("X-Who"))
	}
	ping := func() {
		if _, err := io.WriteString(conn, "ping"); err != nil {
			t.Fatal(err)
		}
		if b := make([]byte, 4); true {
			if _, err := io.ReadFull(reader, b); err != nil || string(b) != "ping" {
				t.Fatalf("echo = %q, %v", b, err)
			}
		}
	}
	ping()
	_ = conn.SetReadDeadline(time.Now().Add(1200 * time.Millisecond))
	if _, err := reader.ReadByte(); !isTimeout(err) {
		t.Fatalf("after a while: %v, want it open", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	ping()
	h.put(tenantA, "li.si", sso.AccountRemoved, "")
	removed := time.Now()
	if _, err := reader.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("after the removal: %v, want the end", err)
	}
	if took := time.Since(removed); took > 10*time.Second { // TestRequestsEndWithTheirSession has the exact time
		t.Errorf("closed after %v, want about half a second", took)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // as it comes from the connection
	return ok && timeout.Timeout()
}

// TestProxyStreams: events come as they are sent and go on beyond the limits of the server, in both directions, until the
// session ends.
func TestProxyStreams(t *testing.T) {
	t.Parallel()
	h := newHouse(t, realTime)
	next := make(chan string)
	product := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			n, err := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n, err)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for event := range next {
			_, _ = fmt.Fprintf(w, "data: %s\n\n", event)
			_ = http.NewResponseController(w).Flush()
			if r.Context().Err() != nil {
				return
			}
		}
	}))
	t.Cleanup(product.Close)
	upstream, _ := url.Parse(product.URL)
	server := httptest.NewUnstartedServer(h.rp.Proxy(upstream))
	server.Config.ReadTimeout, server.Config.WriteTimeout = time.Second, time.Second
	server.Start()
	t.Cleanup(server.Close)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	request := func(method string, body io.Reader) io.Reader {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", cookie)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp.Body
	}
	// Up: a body that takes twice as long as the server's limit.
	pieces, body := io.Pipe()
	go func() {
		for range 5 {
			_, _ = body.Write([]byte("piece"))
			<-time.After(400 * time.Millisecond)
		}
		_ = body.Close()
	}()
	if text, _ := io.ReadAll(request(http.MethodPost, pieces)); string(text) != "25 <nil>" {
		t.Errorf("upload: the product got %s", text)
	}
	// Down: events as they come, for twice the limit; then the session ends.
	go func() { next <- "0" }()
	events := bufio.NewReader(request(http.MethodGet, nil))
	for i := range 5 {
		if line, err := events.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("event %d = %q, %v", i, line, err)
		}
		_, _ = events.ReadString('\n')
		<-time.After(400 * time.Millisecond)
		if i < 4 {
			next <- fmt.Sprint(i + 1)
		}
	}
	h.put(tenantA, "li.si", sso.AccountDisabled, "")
	if _, err := events.ReadString('\n'); err == nil {
		t.Error("the stream goes on after the session")
	}
	close(next)
}

// TestProxyKeepsConnections: as many connections to the product as requests at once, and no more, however many follow.
func TestProxyKeepsConnections(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	var opened atomic.Int32
	product := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	product.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	product.Start()
	t.Cleanup(product.Close)
	address := h.proxyTo(product.URL)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	const clients, each = 32, 50
	browser := &http.Transport{MaxIdleConnsPerHost: clients}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
				r.Header.Set("Cookie", cookie)
				resp, err := browser.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	browser.CloseIdleConnections()
	if n := opened.Load(); n > clients+clients/4 {
		t.Errorf("%d connections to the product for %d requests by %d clients", n, clients*each, clients)
	}
}

// TestProxyHTTP2: browsers may speak HTTP/2, over TLS or behind a proxy that ends it.
func TestProxyHTTP2(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	product := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(product.Close)
	upstream, _ := url.Parse(product.URL)
	for _, withTLS := range []bool{true, false} {
		server := httptest.NewUnstartedServer(h.rp.Proxy(upstream))
		protocols := new(http.Protocols)
		if withTLS {
			server.EnableHTTP2 = true
			protocols.SetHTTP2(true)
			server.StartTLS()
		} else {
			protocols.SetUnencryptedHTTP2(true)
			server.Config.Protocols = protocols
			server.Start()
		}
		t.Cleanup(server.Close)
		client := &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/x", io.MultiReader(strings.NewReader("body")))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Cookie": {cookie}, "X-Auth-Role": {"admin"}, "X_auth_role": {"admin"}}
		r.Trailer = http.Header{"X-Auth-Role": {"admin"}}
		resp, err := client.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		seen := decodeSeen(t, reply{status: resp.StatusCode, body: string(body)})
		if resp.ProtoMajor != 2 || !slices.Equal(seen.Header["X-Auth-Role"], []string{"user"}) || len(seen.Header["X_auth_role"])+len(seen.Trailer) > 0 {
			t.Errorf("HTTP/%d, role %q, trailer %v", resp.ProtoMajor, seen.Header["X-Auth-Role"], seen.Trailer)
		}
	}
}
