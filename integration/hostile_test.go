//go:build integration

package integration_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// residentKB is the resident memory of the bridge.
func (b *bridge) residentKB(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb
}

// isFlat holds the bridge's memory against what it was.
func isFlat(t *testing.T, b *bridge, before, mayGrow int) {
	t.Helper()
	after := b.residentKB(t)
	t.Logf("resident memory: %d kB before, %d kB after", before, after)
	if after-before > mayGrow {
		t.Errorf("resident memory grew by %d kB", after-before)
	}
}

// flood sends a body of any size over a connection of its own, and returns the
// status of the answer. It goes on sending while the answer comes, as a
// stranger would, until the bridge hangs up.
func (b *bridge) flood(t *testing.T, header string, body io.Reader) (code int) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.publicURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the bridge may have closed it
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	request := "POST /marketplace/produceAPI/v2/authSync HTTP/1.1\r\nHost: bridge\r\nx-nonce: n\r\nx-timestamp: " +
		strconv.FormatInt(time.Now().UnixMilli(), 10) + "\r\nx-sign: " + strings.Repeat("0", 64) + "\r\n" + header + "\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(conn, body) // breaks off when the bridge hangs up
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer to %q: %v", header, err)
	}
	response.Body.Close() //nolint:errcheck // only the status counts
	conn.Close()          //nolint:errcheck // ends the sender
	<-sent
	return response.StatusCode
}

// zeros is a body of n bytes, chunked if told so.
func zeros(n int64, chunked bool) io.Reader {
	if !chunked {
		return io.LimitReader(repeated("0"), n)
	}
	return io.LimitReader(repeated("8000\r\n"+strings.Repeat("0", 0x8000)+"\r\n"), n)
}

// repeated is a text again and again, without end.
func repeated(text string) io.Reader {
	for len(text) < 1<<15 {
		text += text
	}
	return &repeat{text: text}
}

type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

// personal are texts that must not be in the log, whatever happens.
const (
	personalMobile = "13912345678"
	personalMail   = "lisi.personal@example.com"
	clientSecret   = "the-client-secret-in-clear"
)

// hostileSeeds are good messages for strangers to spoil.
func hostileSeeds(t testing.TB, b *buyer) []message {
	b.departments["d1"] = department{name: "产品部"}
	b.users["lisi"] = user{name: "李四", orgCode: "d1", role: "user", mobile: personalMobile, email: personalMail, employeeType: "1", entryDate: "2022-11-9"}
	at := anHourAgo()
	return []message{
		b.tenantSync(flagAdd, at), b.applicationSync(sealSecret(t, clientSecret), at), b.allOrgSync(at),
		b.authorise(flagAdd, at, "lisi"), b.putDepartment(flagModify, at, "d2", department{name: "测试部", parent: "d1"}),
	}
}

// spoiled are bodies that are wrong from the start, whoever signs them.
func spoiled() map[string]string {
	const mb = 1 << 20
	deep := func(open, shut string, n int) string { return strings.Repeat(open, n) + strings.Repeat(shut, n) }
	return map[string]string{
		"empty": "", "blank": "  ", "not JSON": "hello", "HTML": "<html></html>", "null": "null", "number": "7", "text": `"a"`,
		"list": "[]", "half": `{"tenantId":"t1","flag":`, "two": "{}{}", "NUL": "\x00", "NUL inside": "{\"tenantId\":\"t1\x00\",\"flag\":1}",
		"not UTF-8": "{\"tenantId\":\"\xff\xfe\",\"flag\":1}", "UTF-16": "\xff\xfe{\x00}\x00", "nested lists": deep("[", "]", 2*mb),
		"nested objects": strings.Repeat(`{"a":`, mb/2) + "1" + strings.Repeat("}", mb/2), "nested inside": `{"tenantId":` + deep("[", "]", mb) + `}`,
		"open lists": strings.Repeat("[", 4*mb), "many values": `{"userList":[` + strings.Repeat("1,", 2*mb) + `1]}`,
		"many members": "{" + strings.Repeat(`"a":1,`, mb/2) + `"a":1}`, "many elements": `{"tenantId":"t1","flag":1,"appId":"a","userList":[` + strings.Repeat("{},", mb) + `{}]}`,
		"a long text": `{"tenantId":"` + strings.Repeat("x", 4*mb) + `"}`, "a long number": `{"flag":` + strings.Repeat("9", 4*mb) + `}`,
		"escapes": `{"tenantId":"` + strings.Repeat(`\u0000`, mb/2) + `"}`, "surrogates": `{"tenantId":"\ud800","flag":1}`,
		"text in text": `{"tenantId":"t1","orgInfoList":"` + strings.Repeat(`[{\"orgCode\":`, mb/8) + `"}`,
	}
}

// wrongValues take the place of every field in turn.
func wrongValues() []any {
	return []any{
		nil, true, -1, 1e300, "", " ", "\x00", "a\x00b", "\u202e", strings.Repeat("长", 300),
		[]any{},
		[]any{1, "a", nil, []any{}},
		map[string]any{},
		map[string]any{"userName": map[string]any{}},
		"[{", "' OR 1=1 --", "*)(uid=*", "../../etc/passwd",
	}
}

// TestHostile: whatever a stranger sends, and whatever nonsense is well signed,
// is answered in the protocol's form or as too large; memory stays flat, nothing
// panics, and no secret or personal text is in the log.
func TestHostile(t *testing.T) {
	t.Parallel()
	directory := peers.Slapd(t, peers.SlapdOptions{}).URL()
	b := startBridge(t, "log: {level: debug}\n"+ldapSink(directory))
	good := newBuyer("t1")
	for _, m := range hostileSeeds(t, good) {
		if got := b.push(t, m.name, m.body); got.Code != accepted {
			t.Fatalf("%s: %+v", m.name, got)
		}
	}
	for range 200 { // warm
		b.post(t.Context(), signText("tenantSync", []byte("{}"))) //nolint:errcheck // only to make it work
	}
	before := b.residentKB(t)
	counts := b.counts(t)

	t.Run("large", func(t *testing.T) {
		const size = 100 << 20
		for _, header := range []string{"Content-Length: " + strconv.Itoa(size), "Transfer-Encoding: chunked"} {
			for range 3 {
				if code := b.flood(t, header, zeros(size, strings.HasPrefix(header, "Transfer"))); code != http.StatusRequestEntityTooLarge {
					t.Errorf("100 MB, %s: %d, want 413", header, code)
				}
			}
		}
	})
	t.Run("unsigned", func(t *testing.T) {
		for range 8 { // 300 MB in all
			for name, body := range spoiled() {
				s := signText("authSync", []byte(body))
				s.signature = strings.Repeat("0", 64)
				if got := b.mustSend(t, s); got.Code != wrongSignature {
					t.Errorf("%s: %+v, want %s", name, got, wrongSignature)
				}
			}
		}
		for _, seed := range hostileSeeds(t, newBuyer("t1")) {
			for range 500 {
				// The newline makes it a text that only matches as it was sent: a
				// member that comes twice, say, is gone from the sorted form.
				s := signText(seed.name, append([]byte(rawText(t, seed.body)), '\n'))
				original := s.body
				if s.body = mutated(s.body); bytes.Equal(s.body, original) {
					continue
				}
				if got := b.mustSend(t, s); got.Code != wrongSignature {
					t.Fatalf("a mutation answered %+v, want %s\nsigned %q\nsent   %q", got, wrongSignature, original, s.body)
				}
			}
		}
	})
	mustEqual(t, "status after all that strangers sent", counts, b.counts(t))
	// Working on a body of max_body takes 40 MB, of which three times as much may lie about before
	// it is collected.
	isFlat(t, b, before, 192<<10)

	t.Run("signed", func(t *testing.T) {
		answers := map[string]int{}
		send := func(what string, s signed) {
			t.Helper()
			got := b.mustSend(t, s)
			answers[got.Code]++
			if got.Code != accepted && got.Code != wrongParameter && got.Code != "000101" {
				t.Errorf("%s: %+v, sent %.300q", what, got, s.body)
			}
		}
		for _, kind := range []string{"tenantSync", "applicationSync", "authSync", "singleOrgSync", "allOrgSync"} {
			for name, body := range spoiled() {
				send(name, signText(kind, []byte(body)))
			}
		}
		for _, seed := range hostileSeeds(t, newBuyer("t2")) {
			for field := range seed.body {
				for _, value := range wrongValues() {
					body := map[string]any{}
					for f, v := range seed.body {
						body[f] = v
					}
					body[field] = value
					send(field, signedPush(t, seed.name, body))
				}
			}
			for range 400 {
				text := signedPush(t, seed.name, seed.body).body
				send("a mutation", signText(seed.name, mutated(text)))
			}
		}
		t.Logf("answers: %v", answers)
	})
	t.Run("paths and headers", func(t *testing.T) {
		for _, path := range []string{"", "/", "/produceAPI", "/produceAPI/v2/", "/produceAPI/v2/authSync/", "/produceAPI/v2/nothing", "/produceAPI/v2/%2e%2e/authSync", "/../marketplace"} {
			response, err := b.http.Post(b.publicURL+"/marketplace"+path, "text/plain", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close() //nolint:errcheck // only the status counts
			if response.StatusCode >= http.StatusInternalServerError {
				t.Errorf("POST %q: %s", path, response.Status)
			}
		}
	})
	// Who has the key may use more: each body of max_body is decoded and journalled.
	isFlat(t, b, before, 160<<10)
	b.status(t) // its counts must add up
	if got := b.push(t, "tenantSync", good.tenantSync(flagModify, time.Now()).body); got.Code != accepted {
		t.Errorf("after all of it a good push: %+v", got)
	}
	log := b.Log()
	for what, text := range map[string]string{
		"a panic": "panic", "the shared key": kitKey, "the admin token": adminToken, "the directory's password": peers.ServicePassword,
		"a mobile number": personalMobile, "a mail address": personalMail, "a client secret": clientSecret,
	} {
		if at := strings.Index(log, text); at >= 0 {
			t.Errorf("the log holds %s: %s", what, log[max(0, at-300):min(len(log), at+300)])
		}
	}
	b.Stop()
}

// mutated changes a text in one to four places.
func mutated(text []byte) []byte {
	text = bytes.Clone(text)
	tokens := []string{"{", "}", "[", "]", ",", ":", `"`, `\`, `\u0000`, "\x00", "null", "true", "-1", "1e9", "\xff", "长", "😀", "", " ", "0", "3"}
	for range 1 + mathrand.IntN(4) {
		at := mathrand.IntN(len(text))
		switch mathrand.IntN(4) {
		case 0: // another byte
			text[at] = byte(mathrand.IntN(256))
		case 1: // something put in
			text = append(text[:at:at], append([]byte(tokens[mathrand.IntN(len(tokens))]), text[at:]...)...)
		case 2: // something cut out
			end := min(len(text), at+1+mathrand.IntN(20))
			text = append(text[:at:at], text[end:]...)
		default: // a part twice
			end := min(len(text), at+mathrand.IntN(40))
			text = append(text[:end:end], text[at:]...)
		}
		if len(text) == 0 {
			return []byte(rand.Text())
		}
	}
	return text
}
