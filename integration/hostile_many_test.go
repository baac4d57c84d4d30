//go:build integration

package integration_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// openFiles counts the bridge's file descriptors, connections included.
func (b *bridge) openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.PID()))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// goroutines asks the bridge's metrics.
func (b *bridge) goroutines(t testing.TB) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.adminURL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := b.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\ngo_goroutines ")
	if !found {
		t.Fatalf("the metrics do not count goroutines:\n%s", text)
	}
	number, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stranger makes hostile requests. It is for one goroutine.
type stranger struct {
	*mathrand.Rand
	seeds []signed // good pushes of both generations to spoil
	dull  [][]byte // bodies that are wrong from the start
}

// hostileBody is a good body spoilt, or what never was one.
func (s *stranger) hostileBody() (seed signed, body []byte) {
	seed = s.seeds[s.IntN(len(s.seeds))]
	switch s.IntN(20) {
	case 0:
		return seed, s.dull[s.IntN(len(s.dull))]
	case 1:
		return seed, seed.body[:s.IntN(len(seed.body))] // breaks off
	case 2: // a member that comes again, and is another
		return seed, append([]byte(`{"tenantId":["other"],"flag":7,"userList":{},`), seed.body[1:]...)
	case 3: // numbers that fit nowhere
		return seed, bytes.ReplaceAll(seed.body, []byte(`"testFlag":0`), []byte(`"testFlag":-1e999999`))
	case 4:
		return seed, bytes.ReplaceAll(seed.body, []byte(`"`), []byte("\"\xc3\x28"))
	case 5:
		depth := 1 + s.IntN(3000)
		return seed, append(append([]byte(`{"userList":`), strings.Repeat("[", depth)+strings.Repeat("]", depth)...), ',')
	default:
		return seed, mutated(seed.body)
	}
}

// request is a hostile body as a whole HTTP request that leaves the connection
// as it is. With the key it is signed well, otherwise not at all or wrongly.
func (s *stranger) request(isSigned bool) []byte {
	seed, body := s.hostileBody()
	path, header := "v2/"+seed.name, ""
	isV1 := seed.nonce == ""
	switch {
	case isV1 && isSigned:
		path = seed.name
		header = "authToken: " + tokenOfText(body) + "\r\n"
	case isV1:
		path = seed.name
		header = "authToken: " + strings.Repeat("A", s.IntN(60)) + "=\r\n"
	case isSigned:
		p := signText(seed.name, body)
		header = fmt.Sprintf("x-nonce: %s\r\nx-timestamp: %s\r\nx-sign: %s\r\n", p.nonce, p.timestamp, p.signature)
	default:
		for _, line := range []string{
			"x-nonce: " + seed.nonce, "x-timestamp: " + strconv.FormatInt(time.Now().UnixMilli(), 10), "x-sign: " + seed.signature,
			"x-sign: " + strings.Repeat("f", s.IntN(100)), "Content-Encoding: gzip", "X-Forwarded-For: 127.0.0.1",
		} {
			if s.IntN(3) > 0 {
				header += line + "\r\n"
			}
		}
	}
	return fmt.Appendf(nil, "POST /marketplace/produceAPI/%s HTTP/1.1\r\nHost: bridge\r\n%sContent-Length: %d\r\n\r\n%s", path, header, len(body), body)
}

// tokenOfText signs a body as far as it can be read as a flat one: what cannot
// be signed is sent with the token of nothing.
func tokenOfText(body []byte) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return base64HMAC(v1Key, nil)
	}
	stamp := ""
	var parts []string
	for _, name := range sortedKeys(fields) {
		text := string(fields[name])
		if json.Unmarshal(fields[name], &text) != nil {
			text = string(fields[name])
		}
		if name == "timeStamp" {
			stamp = text
		}
		if strings.TrimSpace(text) != "" && text != "null" {
			parts = append(parts, name+"="+text)
		}
	}
	return base64HMAC(v1Key+stamp, []byte(strings.Join(parts, "&")))
}

// pester sends count requests over one connection, some at a time, and reads all
// answers: 200, and the protocol's form. It counts them by their codes.
func (s *stranger) pester(address string, count int, isSigned bool, codes map[string]int) error {
	const together = 32
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // all was read
	in := bufio.NewReader(conn)
	for sent := 0; sent < count; sent += together {
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err
		}
		var requests [][]byte
		for range min(together, count-sent) {
			requests = append(requests, s.request(isSigned))
		}
		if _, err := conn.Write(bytes.Join(requests, nil)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		for _, request := range requests {
			response, err := http.ReadResponse(in, nil)
			if err != nil {
				return fmt.Errorf("no answer to %.300q: %w", request, err)
			}
			text, err := io.ReadAll(response.Body)
			response.Body.Close() //nolint:errcheck // read to the end
			var got answer
			if err == nil {
				err = json.Unmarshal(text, &got)
			}
			if err != nil || response.StatusCode != http.StatusOK || len(got.Code) != 6 || got.Message == "" || response.Close {
				return errors.Join(fmt.Errorf("%.300q was answered %s %q, to be closed: %v", request, response.Status, text, response.Close), err)
			}
			codes[got.Code]++
		}
	}
	return nil
}

// brokenRequests are such that the connection ends with them: their framing lies.
func brokenRequests() map[string]string {
	const start = "POST /marketplace/produceAPI/v2/authSync HTTP/1.1\r\nHost: bridge\r\n"
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	io.Copy(z, zeros(32<<20, false)) //nolint:errcheck // into memory
	z.Close()                        //nolint:errcheck // likewise
	return map[string]string{
		"an expectation":        start + "Expect: nothing\r\nContent-Length: 2\r\n\r\n{}",
		"chunk too short":       start + "Transfer-Encoding: chunked\r\n\r\nff\r\n{}\r\n0\r\n\r\n",
		"chunk size of words":   start + "Transfer-Encoding: chunked\r\n\r\nhello\r\n{}\r\n0\r\n\r\n",
		"chunk size too large":  start + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n",
		"chunk extensions":      start + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("a", 8000) + "\r\n{}\r\n0\r\n\r\n",
		"endless trailers":      start + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + strings.Repeat("x-t: 1\r\n", 5000) + "\r\n",
		"both lengths":          start + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"two lengths":           start + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		"negative length":       start + "Content-Length: -2\r\n\r\n{}",
		"length too large":      start + "Content-Length: 99999999999999999999\r\n\r\n{}",
		"length of a petabyte":  start + "Content-Length: 1125899906842624\r\n\r\n{}",
		"length and silence":    start + "Content-Length: 1000\r\n\r\n{",
		"encoding of no name":   start + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"zip bomb":              start + "Content-Encoding: gzip\r\nContent-Length: " + strconv.Itoa(bomb.Len()) + "\r\n\r\n" + bomb.String(),
		"many headers":          start + strings.Repeat("x-h: 1\r\n", 20000) + "Content-Length: 2\r\n\r\n{}",
		"a long header":         start + "x-nonce: " + strings.Repeat("n", 2<<20) + "\r\nContent-Length: 2\r\n\r\n{}",
		"a header of no name":   start + ": 1\r\nContent-Length: 2\r\n\r\n{}",
		"a folded header":       start + "x-nonce: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
		"a NUL in a header":     start + "x-nonce: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
		"a long path":           "POST /marketplace/" + strings.Repeat("a/", 1<<19) + " HTTP/1.1\r\nHost: bridge\r\n\r\n",
		"no host":               "POST /marketplace/produceAPI/v2/authSync HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
		"an old version":        "POST /marketplace/produceAPI/v2/authSync HTTP/0.9\r\n\r\n",
		"HTTP/2 in clear":       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"TLS":                   "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"a method of no name":   "P\x00ST /marketplace HTTP/1.1\r\n\r\n",
		"a websocket":           "GET /marketplace/produceAPI/v2/authSync HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"an absolute address":   "POST http://elsewhere/marketplace/produceAPI/v2/authSync HTTP/1.1\r\nHost: bridge\r\nContent-Length: 2\r\n\r\n{}",
		"a tunnel":              "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: bridge\r\n\r\n",
		"a request in the body": start + "Content-Length: 0\r\n\r\nPOST /marketplace HTTP/1.1\r\nHost: a\r\n\r\n",
	}
}

// breakOff sends what ends the connection and says what was answered: 0 if
// nothing.
func (b *bridge) breakOff(request string) (status int, err error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.publicURL, "http://"))
	if err != nil {
		return 0, err
	}
	defer conn.Close() //nolint:errcheck // the bridge may have closed it
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return 0, err
	}
	go func() { // ends with the connection
		io.WriteString(conn, request)    //nolint:errcheck // the bridge may hang up before it was read
		conn.(*net.TCPConn).CloseWrite() //nolint:errcheck // likewise
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return 0, errors.New("it was neither answered nor hung up on")
		}
		return 0, nil
	}
	response.Body.Close() //nolint:errcheck // only the status counts
	return response.StatusCode, nil
}

// TestHostileMany: after a hundred thousand hostile bodies, signed and not, the
// bridge has neither crashed nor answered outside the protocol; memory,
// goroutines and open files are what they were, and a good push is taken.
func TestHostileMany(t *testing.T) {
	t.Parallel()
	const unsigned, wellSigned, broken, strangers = 97_000, 3_000, 12, 6
	b := newBridge(t)
	b.run(t, "log: {level: error}\n"+b.essentials()+fmt.Sprintf("marketplace:\n  keys: {kit: [%q], v1: [%q]}\n  private_key_files: [%q]\nadmin: {listen: %q, token: %q}\n",
		kitKey, v1Key, writeCredentialKey(t, b.dir), strings.TrimPrefix(b.adminURL, "http://"), adminToken))
	good := newBuyer("t1")
	var seeds []signed
	for _, m := range hostileSeeds(t, good) {
		seeds = append(seeds, signedPush(t, m.name, m.body))
	}
	h := newHistorian(t, mathrand.Uint64())
	for _, s := range []statement{h.tenantSync("t1", "i1", flagAdd), h.fullList("t1", "i1", 5), h.people("t1", "i1", 5), h.singleDepartment("t1", "i1")} {
		s.at = anHourAgo()
		s.stamp = s.at
		seeds = append(seeds, s.signedV1(t))
	}
	var dull [][]byte
	for _, body := range spoiled() {
		if len(body) < 16<<10 { // the long ones are for TestHostile
			dull = append(dull, []byte(body))
		}
	}
	if got := b.push(t, "tenantSync", good.tenantSync(flagAdd, anHourAgo()).body); got.Code != accepted {
		t.Fatalf("a good push: %+v", got)
	}
	attack := func(total int, isSigned bool) map[string]int {
		var mu sync.Mutex
		codes := map[string]int{}
		var all sync.WaitGroup
		for n := range strangers {
			all.Go(func() {
				s := &stranger{Rand: mathrand.New(mathrand.NewPCG(mathrand.Uint64(), 0)), seeds: seeds, dull: dull}
				mine := map[string]int{}
				count := total / strangers
				if n == 0 {
					count += total % strangers
				}
				if err := s.pester(b.publicURL, count, isSigned, mine); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for code, n := range mine {
					codes[code] += n
				}
			})
		}
		all.Wait()
		return codes
	}
	attack(2000, false) // warm
	attack(200, true)
	b.http.CloseIdleConnections()
	memory, files, goroutines := b.residentKB(t), b.openFiles(t), b.goroutines(t)
	counts := b.counts(t)

	began := time.Now()
	codes := attack(unsigned, false)
	answers := 0
	for _, n := range codes {
		answers += n
	}
	if answers != unsigned {
		t.Errorf("%d of %d unsigned pushes were answered", answers, unsigned)
	}
	t.Logf("%d unsigned in %v: %v", unsigned, time.Since(began), codes)
	if codes[accepted] > 0 {
		t.Errorf("%d unsigned pushes were taken", codes[accepted])
	}
	mustEqual(t, "status after what nobody signed", counts, b.counts(t))
	began = time.Now()
	codes = attack(wellSigned, true)
	t.Logf("%d signed in %v: %v", wellSigned, time.Since(began), codes)
	for code := range codes {
		switch code {
		case accepted, wrongSignature, wrongParameter, "000101":
		default:
			t.Errorf("%d signed pushes were answered %s", codes[code], code)
		}
	}
	if codes[accepted] == 0 || codes[wrongParameter] == 0 {
		t.Errorf("the signed answers are %v: the mutations reach nothing", codes)
	}
	for name, request := range brokenRequests() {
		for range broken {
			if status, err := b.breakOff(request); err != nil || status >= http.StatusInternalServerError && status != http.StatusHTTPVersionNotSupported && status != http.StatusNotImplemented {
				t.Errorf("%s: %d, %v", name, status, err)
			}
		}
	}
	b.status(t) // its counts must add up
	if got := b.push(t, "tenantSync", good.tenantSync(flagModify, time.Now()).body); got.Code != accepted {
		t.Errorf("after all of it a good push: %+v", got)
	}
	b.http.CloseIdleConnections()
	isFlat(t, b, memory, 48<<10)
	await(t, 20*time.Second, func() string {
		b.http.CloseIdleConnections()
		if f, g := b.openFiles(t), b.goroutines(t); f > files+8 || g > goroutines+8 {
			return fmt.Sprintf("%d open files and %d goroutines, before %d and %d", f, g, files, goroutines)
		}
		return ""
	})
	if log := b.Log(); strings.Contains(log, "panic") {
		t.Errorf("the log holds a panic: %s", log)
	}
	b.Stop()
}
