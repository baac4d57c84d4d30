package push_test

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

const stampV1 = "20231114221320000"

// newEndpointV1 serves both generations; the first has two keys.
func newEndpointV1(t testing.TB, change func(*push.Config)) endpoint {
	t.Helper()
	return newEndpoint(t, func(c *push.Config) {
		c.Settings = func() push.Settings {
			return push.Settings{
				Verifier: push.Verifier{Keys: []string{testKey}},
				Token:    push.TokenVerifier{Keys: []string{"the newest key", keyV1}},
				Opener:   push.Opener{Keys: keys()[:1]},
			}
		}
		if change != nil {
			change(c)
		}
	})
}

func requestV1(kind, body, signed string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/marketplace/produceAPI/"+kind, strings.NewReader(body))
	r.Header.Set("authToken", signed)
	return r
}

// tenantV1 is a small good message.
func tenantV1() *http.Request {
	return requestV1("tenantSync", `{"tenantId":"t","flag":0,"timeStamp":"`+stampV1+`"}`, tokenOf(keyV1, stampV1, "flag=0&tenantId=t&timeStamp="+stampV1))
}

func TestPushV1IsAccepted(t *testing.T) {
	t.Parallel()
	for _, v := range vectorsV1(t)[:2] {
		for candidate, signed := range v.Tokens {
			e := newEndpointV1(t, nil)
			w := httptest.NewRecorder()
			e.ServeHTTP(w, requestV1(v.Kind, v.Body, signed))
			const success = `{"resultCode":"000000","resultMsg":"success."}`
			if w.Code != http.StatusOK || w.Body.String() != success {
				t.Errorf("%s: %d %s", v.ID, w.Code, w.Body)
			}
			if diff := cmp.Diff([]string{push.BodySign(keyV1, []byte(success))}, w.Header()["Body-Sign"]); diff != "" {
				t.Errorf("%s: Body-Sign (-want +got):\n%s", v.ID, diff)
			}
			kind := vector{Kind: v.Kind}.kind(t)
			message, err := push.Decode(kind, []byte(v.Body), testNow())
			if err != nil {
				t.Fatal(err)
			}
			want := []orgsync.Push{{
				Message: message, Kind: kind, Nonce: "v1:" + signed, Digest: sha256.Sum256([]byte(v.Body)), Body: []byte(v.Body),
				Signed: testNow(), Received: testNow(), Candidate: string(candidate),
			}}
			if diff := cmp.Diff(want, e.journal.pushes, compare()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", v.ID, diff)
			}
			line := e.lines(t)[0]
			if line["generation"] != "v1" || line["candidate"] != string(candidate) || line["key_index"] != 1.0 {
				t.Errorf("%s: log line %v", v.ID, line)
			}
		}
	}
}

// TestAnswersV1: every answer to the first generation is signed, by the key that made the
// request's signature or else by the newest; none to the second is.
func TestAnswersV1(t *testing.T) {
	t.Parallel()
	const newest = "the newest key"
	to := func(method, path string) *http.Request {
		return httptest.NewRequest(method, "/marketplace"+path, strings.NewReader("{}"))
	}
	tests := []struct {
		name    string
		request *http.Request
		code    string
		key     string
	}{
		{"accepted", tenantV1(), "000000", keyV1},
		{"unsigned", requestV1("tenantSync", `{"timeStamp":"1"}`, ""), "000001", newest},
		{"unreadable body", requestV1("tenantSync", `{`, strings.Repeat("A", 43)), "000002", newest},
		{"unreadable timeStamp", requestV1("tenantSync", `{"tenantId":"t","flag":0,"timeStamp":"now"}`, tokenOf(keyV1, "now", "flag=0&tenantId=t&timeStamp=now")), "000002", keyV1},
		{"missing timeStamp", requestV1("tenantSync", `{"tenantId":"t","flag":0}`, tokenOf(keyV1, "", "flag=0&tenantId=t")), "000002", newest},
		{"signed but incomplete", requestV1("tenantSync", `{"timeStamp":"`+stampV1+`"}`, tokenOf(keyV1, stampV1, "timeStamp="+stampV1)), "000002", keyV1},
		{"too large", requestV1("tenantSync", strings.Repeat(" ", 2000), ""), "000002", newest},
		{"another method", to(http.MethodPut, "/produceAPI/tenantSync"), "000002", newest},
		{"no such interface", to(http.MethodPost, "/produceAPI/x"), "000002", newest},
		{"base", to(http.MethodGet, "?activity=newInstance"), "000005", newest},
		{"base with a slash", to(http.MethodGet, "/?activity=newInstance"), "000005", newest},
		{"base V2", to(http.MethodPost, ""), "000005", ""},
		{"no such interface V2", to(http.MethodPost, "/produceAPI/v2/x"), "000002", ""},
		{"V2", request("tenantSync", "n", `{"tenantId":"t","flag":0}`), "000000", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpointV1(t, func(c *push.Config) { c.MaxBody = 1000 })
			w := httptest.NewRecorder()
			e.ServeHTTP(w, tt.request)
			if !strings.Contains(w.Body.String(), `"resultCode":"`+tt.code+`"`) {
				t.Errorf("answer %s, want %s", w.Body, tt.code)
			}
			var want []string
			if tt.key != "" {
				want = []string{push.BodySign(tt.key, w.Body.Bytes())}
			}
			if diff := cmp.Diff(want, w.Header()["Body-Sign"]); diff != "" {
				t.Errorf("Body-Sign of %s (-want +got):\n%s", w.Body, diff)
			}
		})
	}
}

// TestBodySignOnTheWire reads the raw answer: the header has exactly that spelling, which
// the debugging page wants, and signs the very bytes behind it.
func TestBodySignOnTheWire(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newEndpointV1(t, nil))
	t.Cleanup(server.Close)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := `{"tenantId":"t","flag":0,"timeStamp":"` + stampV1 + `"}`
	signed := tokenOf(keyV1, stampV1, "flag=0&tenantId=t&timeStamp="+stampV1)
	if _, err := fmt.Fprintf(conn, "POST /marketplace/produceAPI/tenantSync HTTP/1.1\r\nHost: a\r\nauthToken: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", signed, len(body), body); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	header, answer, _ := strings.Cut(string(raw), "\r\n\r\n")
	if want := "\r\nBody-Sign: " + push.BodySign(keyV1, []byte(answer)); !strings.Contains(header, want) {
		t.Errorf("the answer lacks %q:\n%s", want, raw)
	}
}

// TestReplayV1: the token is the nonce. The same again gets the stored answer, whatever
// the spelling of the token; what V1 does not sign cannot be changed either.
func TestReplayV1(t *testing.T) {
	t.Parallel()
	e := newEndpointV1(t, nil)
	body := `{"tenantId":"t","flag":0,"timeStamp":"` + stampV1 + `"}`
	signed := tokenOf(keyV1, stampV1, "flag=0&tenantId=t&timeStamp="+stampV1)
	replay := push.Result{Code: "000002", Message: "param is invalid: x-nonce was used before"}
	for _, step := range []struct {
		name, body, token string
		want              push.Result
	}{
		{"first", body, signed, ok()},
		{"again", body, signed, ok()},
		{"again, encoded", body, strings.ReplaceAll(signed, "=", "%3D"), ok()},
		{"with a blank field", strings.Replace(body, `"flag":0`, `"flag":0,"instanceId":""`, 1), signed, replay},
		{"with blanks between", " " + body, signed, replay},
	} {
		if _, got := e.call(t, requestV1("tenantSync", step.body, step.token)); got != step.want {
			t.Errorf("%s: answer %v, want %v", step.name, got, step.want)
		}
	}
	if n := len(e.journal.pushes); n != 1 {
		t.Errorf("the journal has %d pushes, want 1", n)
	}
}

// TestGenerationsAreApart: what one generation signed is nothing in the other, and one
// without keys is off and says so.
func TestGenerationsAreApart(t *testing.T) {
	t.Parallel()
	refused := push.Result{Code: "000001", Message: "token is invalid"}
	e := newEndpointV1(t, func(c *push.Config) {
		c.Settings = func() push.Settings {
			return push.Settings{Verifier: push.Verifier{Keys: []string{keyV1}}, Token: push.TokenVerifier{Keys: []string{keyV1}}}
		}
	})
	r := tenantV1()
	r.URL.Path = "/marketplace/produceAPI/v2/tenantSync"
	if _, got := e.call(t, r); got.Code == "000000" {
		t.Errorf("a token is taken by V2")
	}
	r = httptest.NewRequest(http.MethodPost, "/marketplace/produceAPI/tenantSync", strings.NewReader(`{"tenantId":"t","flag":0}`))
	r.Header = headers(sign(keyV1, "n", testTime, `{"tenantId":"t","flag":0}`), testTime, "n")
	if _, got := e.call(t, r); got != refused {
		t.Errorf("x-sign at V1: answer %v, want %v", got, refused)
	}
	off := newEndpoint(t, func(c *push.Config) { c.Settings = func() push.Settings { return push.Settings{} } })
	for generation, r := range map[string]*http.Request{"v1": tenantV1(), "kit": request("tenantSync", "n", "{}")} {
		w := httptest.NewRecorder()
		off.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), `"000001"`) || w.Header()["Body-Sign"] != nil {
			t.Errorf("%s without keys: %s, header %v", generation, w.Body, w.Header())
		}
		if want := "no key is configured (marketplace.keys." + generation + ")"; !strings.Contains(off.log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestBaseIsForwarded(t *testing.T) {
	t.Parallel()
	var got []string
	e := newEndpointV1(t, func(c *push.Config) {
		c.MaxBody = 10
		c.Base = func(w http.ResponseWriter, r *http.Request, body []byte) error {
			if r.URL.RawQuery == "down" {
				return fmt.Errorf("product: %w", orgsync.ErrUnavailable)
			}
			got = append(got, r.Method+" "+r.RequestURI+" "+string(body))
			w.WriteHeader(http.StatusTeapot)
			_, err := io.WriteString(w, "the product's")
			return err
		}
	})
	do := func(method, target, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Encoding", "gzip") // the product's business
		e.ServeHTTP(w, r)
		return w
	}
	for _, r := range [][3]string{
		{http.MethodPost, "/marketplace?signature=a%2Bb&x=+", "{}"},
		{http.MethodGet, "/marketplace?activity=newInstance", ""},
		{http.MethodGet, "/marketplace/", ""},
	} {
		if w := do(r[0], r[1], r[2]); w.Code != http.StatusTeapot || w.Body.String() != "the product's" {
			t.Errorf("%v: %d %s", r, w.Code, w.Body)
		}
	}
	want := []string{"POST /marketplace?signature=a%2Bb&x=+ {}", "GET /marketplace?activity=newInstance ", "GET /marketplace/ "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	for _, r := range []struct {
		method, target, body, want string
		status                     int
	}{
		{http.MethodPost, "/marketplace?down", "", "000005", http.StatusOK},
		{http.MethodGet, "/marketplace?down", "", "000005", http.StatusOK},
		{http.MethodPut, "/marketplace", "", "000005", http.StatusOK},
		{http.MethodHead, "/marketplace", "", "000005", http.StatusOK},
		{http.MethodPost, "/marketplace", "12345678901", "000002", http.StatusRequestEntityTooLarge},
		{http.MethodPost, "/marketplace/x", "", "000002", http.StatusOK},
	} {
		w := do(r.method, r.target, r.body)
		if w.Code != r.status || !strings.Contains(w.Body.String(), r.want) {
			t.Errorf("%s %s: %d %s, want %s", r.method, r.target, w.Code, w.Body, r.want)
		}
		if signed := w.Header()["Body-Sign"] != nil; signed != (r.method == http.MethodGet) {
			t.Errorf("%s %s: Body-Sign %v", r.method, r.target, w.Header()["Body-Sign"])
		}
	}
}

func TestObservations(t *testing.T) {
	t.Parallel()
	var got []push.Observation
	e := newEndpointV1(t, func(c *push.Config) {
		c.Observe = func(o push.Observation) { got = append(got, o) }
		c.Base = func(w http.ResponseWriter, _ *http.Request, _ []byte) error {
			_, err := io.WriteString(w, "{}")
			return err
		}
	})
	tenant := `{"tenantId":"t","flag":0}`
	for range 2 {
		e.call(t, request("tenantSync", "n", tenant))
	}
	e.call(t, tenantV1())
	e.call(t, requestV1("authSync", "{}", ""))
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/marketplace", strings.NewReader("12")))
	e.journal.fault = errors.New("disk is full")
	e.call(t, request("tenantSync", "m", tenant))
	applied := orgsync.Tally{orgsync.Applied: 1}
	want := []push.Observation{
		{Generation: push.V2, Kind: orgsync.TenantSync, Result: "000000", Candidate: push.CandidateRaw, Bytes: len(tenant), Tally: applied},
		{Generation: push.V2, Kind: orgsync.TenantSync, Result: "000000", Candidate: push.CandidateRaw, Bytes: len(tenant), Repeated: true},
		{Generation: push.V1, Kind: orgsync.TenantSync, Result: "000000", Candidate: push.CandidateBlanksDropped, KeyIndex: 1, Bytes: 57, Tally: applied},
		{Generation: push.V1, Kind: orgsync.AuthSync, Result: "000001", KeyIndex: -1, Bytes: 2},
		{Generation: push.V2, KeyIndex: -1, Bytes: 2},
		{Generation: push.V2, Kind: orgsync.TenantSync, Result: "000005", Candidate: push.CandidateRaw, Bytes: len(tenant)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("observations (-want +got):\n%s", diff)
	}
}
