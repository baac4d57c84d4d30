//go:build integration

package integration_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// TestBaseCalls: what is no sync interface goes to the product's own endpoint
// byte for byte, and its answer comes back so, through the binary.
func TestBaseCalls(t *testing.T) {
	t.Parallel()
	const productAnswer = "HTTP/1.1 200 OK\r\nBody-Sign: sign_type=\"HMAC-SHA256\", signature= \"x=\"\r\nContent-Type: text/plain;charset=GBK\r\n" +
		"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 22\r\n\r\n{\"resultCode\": \"\xff\x00\"}\r\n"
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() }) //nolint:errcheck // end of test
	calls := make(chan string, 10)
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(conn)
			var text strings.Builder
			length := 0
			for {
				line, err := in.ReadString('\n')
				if err != nil || line == "\r\n" {
					break
				}
				text.WriteString(line)
				fmt.Sscanf(line, "Content-Length: %d", &length) //nolint:errcheck // most lines are others
			}
			body := make([]byte, length)
			io.ReadFull(in, body) //nolint:errcheck // what is missing is seen in the comparison
			calls <- text.String() + string(body)
			io.WriteString(conn, productAnswer) //nolint:errcheck // seen at the other end
			conn.Close()                        //nolint:errcheck // likewise
		}
	}()
	b := newBridge(t)
	b.run(t, b.essentials()+fmt.Sprintf("marketplace:\n  keys: {kit: [%q], v1: [%q]}\n  base_upstream: \"http://%s/produce\"\nadmin: {listen: %q}\n",
		kitKey, v1Key, listener.Addr(), strings.TrimPrefix(b.adminURL, "http://")))
	line := dialRaw(t, b.publicURL)
	const body = "{ \"b\" : 1,\xff \"a\":\"\u2028\"}\n"
	for _, call := range []struct{ line, body, want string }{
		{"POST /marketplace?signature=A%2bb&timestamp=1&&x=;+~&q", body, "POST /produce?signature=A%2bb&timestamp=1&&x=;+~&q HTTP/1.1"},
		{"GET /marketplace?activity=newInstance&authToken=a+b%2F=", "", "GET /produce?activity=newInstance&authToken=a+b%2F= HTTP/1.1"},
	} {
		length := ""
		if call.body != "" {
			length = fmt.Sprintf("Content-Length: %d\r\n", len(call.body))
		}
		lines, got := line.ask(t, []byte(call.line+" HTTP/1.1\r\nHost: app.example.com\r\nX-Sdk: 1\r\n"+length+"\r\n"+call.body))
		sent := <-calls
		if first, _, _ := strings.Cut(sent, "\r\n"); first != call.want || !strings.HasSuffix(sent, call.body) || !strings.Contains(sent, "X-Sdk: 1\r\n") {
			t.Errorf("%s: the product got %q", call.line, sent)
		}
		answer := strings.Join(lines, "\r\n") + "\r\n\r\n" + string(got)
		for _, part := range strings.SplitAfter(productAnswer, "\r\n") {
			if !strings.Contains(answer, part) {
				t.Errorf("%s: the marketplace got %q, without %q", call.line, answer, part)
			}
		}
	}
	// The sync interfaces beside it are still the bridge's.
	if got := b.push(t, "tenantSync", newBuyer("t1").tenantSync(flagAdd, anHourAgo()).body); got.Code != accepted {
		t.Errorf("tenantSync: %+v", got)
	}
	b.Stop()
}
