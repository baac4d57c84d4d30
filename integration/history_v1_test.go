//go:build integration

package integration_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// base64HMAC is the form of both signatures of the first generation.
func base64HMAC(key string, text []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(text)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// authToken signs a flat body (access guide V1, authToken): the fields that are
// not blank as name=value, in the order of their names, joined by &; the key is
// followed by the time that the body states.
func authToken(t testing.TB, key string, body map[string]any) string {
	t.Helper()
	var parts []string
	for _, name := range sortedKeys(body) {
		value := ""
		switch v := body[name].(type) {
		case string:
			value = v
		case int:
			value = strconv.Itoa(v)
		default:
			t.Fatalf("field %s is a %T, in V1 all are texts and numbers", name, v)
		}
		if strings.TrimSpace(value) != "" {
			parts = append(parts, name+"="+value)
		}
	}
	return base64HMAC(key+body["timeStamp"].(string), []byte(strings.Join(parts, "&")))
}

func TestAuthToken(t *testing.T) {
	t.Parallel()
	body := map[string]any{
		"testFlag": 1, "flag": 1, "orderId": "", "tenantCode": "example.com", "timeStamp": "20220726105223104", "instanceId": "",
		"domainName": "example.tenantaccount.com", "tenantId": "68cbc86abc2018ab880d92f36422fa0e", "name": "huaweitenantname",
	}
	const want = "L46FpmOeqs66ASXBg+RTFwu0cFnzkvNXhB40o9tUqKI="
	if got := authToken(t, v1Key, body); got != want {
		t.Errorf("authToken = %s, want %s", got, want)
	}
	const signature = "mQY9XrDaFtrsN3d0rukstfeLJXtDIB6ZmSnMJAgEcqA="
	if got := base64HMAC(v1Key, []byte(`{"resultCode":"000000","resultMsg":"success."}`)); got != signature {
		t.Errorf("Body-Sign = %s, want %s", got, signature)
	}
}

// messageV1 has lists as texts, names of departments as "name", and the rarer
// fields of a user in an object of their own (access guide V1, authSync example).
func (s statement) messageV1(t testing.TB) message {
	t.Helper()
	body := s.envelope()
	switch s.name {
	case "authSync":
		list := []map[string]any{}
		for _, u := range s.users {
			fields, extension := map[string]any{}, map[string]any{}
			for field, value := range u {
				switch field {
				case "entryDate", "employeeType", "workPlace":
					extension[field] = value
				default:
					fields[field] = value
				}
			}
			if len(extension) > 0 {
				fields["extension"] = extension
			}
			list = append(list, fields)
		}
		body["userList"] = rawText(t, list)
	case "allOrgSync":
		list := []map[string]any{}
		for _, d := range s.departments {
			list = append(list, map[string]any{"orgCode": d.code, "name": d.name, "parentCode": d.parent})
		}
		body["orgInfo"] = rawText(t, list)
	}
	return message{s.name, body}
}

// signedV1 is a push of the first generation; the token stands for the signature.
func (s statement) signedV1(t testing.TB) signed {
	t.Helper()
	m := s.messageV1(t)
	return signed{name: m.name, signature: authToken(t, v1Key, m.body), body: []byte(rawText(t, m.body))}
}

// rawLine is a connection on which the test speaks HTTP by hand and looks at the
// very bytes of the answers. It is for one goroutine.
type rawLine struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialRaw(t testing.TB, address string) *rawLine {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // end of test
	return &rawLine{conn, bufio.NewReader(conn)}
}

// ask sends a request as it stands and returns the header lines and the body of
// the answer, which must state its length.
func (l *rawLine) ask(t testing.TB, request []byte) (lines []string, body []byte) {
	t.Helper()
	if err := l.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.conn.Write(request); err != nil {
		t.Fatal(err)
	}
	length := -1
	for reader := textproto.NewReader(l.in); ; {
		line, err := reader.ReadLine()
		if err != nil {
			t.Fatalf("answer to %.200q: %v after %q", request, err, lines)
		}
		if line == "" {
			break
		}
		lines = append(lines, line)
		if text, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			if length, err = strconv.Atoi(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if length < 0 {
		t.Fatalf("the answer states no length: %q", lines)
	}
	body = make([]byte, length)
	if _, err := io.ReadFull(l.in, body); err != nil {
		t.Fatal(err)
	}
	return lines, body
}

// transmitV1 pushes in the first generation and checks every answer to the
// letter: its header Body-Sign stands there once, so spelled, and signs the very
// bytes that follow.
func (l *rawLine) transmitV1(t testing.TB, s signed) answer {
	t.Helper()
	request := fmt.Appendf(nil, "POST /marketplace/produceAPI/%s HTTP/1.1\r\nHost: bridge\r\nauthToken: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", s.name, s.signature, len(s.body), s.body)
	lines, body := l.ask(t, request)
	if lines[0] != "HTTP/1.1 200 OK" {
		t.Fatalf("%s answered %q", s.name, lines[0])
	}
	var signatures []string
	for _, line := range lines {
		if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "Body-Sign") {
			signatures = append(signatures, name+": "+value)
		}
	}
	want := []string{`Body-Sign: sign_type="HMAC-SHA256", signature= "` + base64HMAC(v1Key, body) + `"`}
	mustEqual(t, "the signature of "+string(body), want, signatures)
	var got answer
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&got); err != nil {
		t.Fatalf("answer %q: %v", body, err)
	}
	return got
}

// TestHistoriesV1: the same kind of history in the first generation, where the
// token is the nonce; every answer is signed over its very bytes.
func TestHistoriesV1(t *testing.T) {
	t.Parallel()
	servers := startHistoryServers(t)
	for _, seed := range historySeeds(t, 1) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			h := newHistorian(t, seed)
			h.revokes = false
			c := startChronicle(t, servers.products(t), generous, "")
			line := dialRaw(t, c.publicURL)
			c.speak, c.transmit = func(t testing.TB, s statement) signed { return s.signedV1(t) }, line.transmitV1
			deliveries := h.shuffled(h.history(false))
			for n := range deliveries { // the same statement has the same token, so what comes again is a repetition
				deliveries[n].isAgain = true
			}
			c.play(t, 1, deliveries)

			// Refusals are signed too; another spelling of the token is the same token.
			good := c.told[0].signedV1(t)
			counts := c.counts(t)
			for spelling, token := range map[string]string{
				"encoded": url.QueryEscape(good.signature), "with blanks": strings.ReplaceAll(good.signature, "+", " "),
			} {
				again := good
				again.signature = token
				if got := line.transmitV1(t, again); got.Code != accepted {
					t.Errorf("the token %s: %+v", spelling, got)
				}
			}
			bad := good
			bad.signature = base64HMAC(v1Key, []byte("another text"))
			if got := line.transmitV1(t, bad); got.Code != wrongSignature {
				t.Errorf("a wrong token: %+v, want %s", got, wrongSignature)
			}
			mustEqual(t, "status after what said nothing new", counts, c.counts(t))
			c.Stop()
		})
	}
}
