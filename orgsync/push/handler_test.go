package push_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

var _ push.Acceptor = (*orgsync.Acceptor)(nil)

// journal is an Acceptor in memory: the first push under a nonce is kept, the same again
// gets the same answer, another body is a replay.
type journal struct {
	mu     sync.Mutex
	pushes []orgsync.Push
	fault  error
	enter  func(ctx context.Context)
}

func (j *journal) Accept(ctx context.Context, p orgsync.Push) (orgsync.Receipt, error) {
	if j.enter != nil {
		j.enter(ctx)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fault != nil {
		return orgsync.Receipt{}, j.fault
	}
	for i, known := range j.pushes {
		id := orgsync.JournalID(i + 1)
		if known.Kind == p.Kind && known.Nonce == p.Nonce {
			if known.Digest != p.Digest {
				return orgsync.Receipt{}, orgsync.ErrReplay
			}
			return orgsync.Receipt{ID: id, Answer: answerTo(known), Repeated: true}, nil
		}
	}
	j.pushes = append(j.pushes, p)
	r := orgsync.Receipt{ID: orgsync.JournalID(len(j.pushes)), Answer: answerTo(p)}
	r.Tally[orgsync.Applied] = int64(p.Message.Changes())
	return r, nil
}

func answerTo(p orgsync.Push) orgsync.Answer {
	switch {
	case p.Refused == nil:
		return orgsync.AnswerOK
	case errors.Is(p.Refused, orgsync.ErrSecret):
		return orgsync.AnswerSecret
	default:
		return orgsync.AnswerInvalid
	}
}

// endpoint is a handler with what the test can look at.
type endpoint struct {
	*push.Handler
	journal *journal
	log     *bytes.Buffer
}

func newEndpoint(t testing.TB, change func(*push.Config)) endpoint {
	t.Helper()
	e := endpoint{journal: &journal{}, log: &bytes.Buffer{}}
	cfg := push.Config{
		Path: "/marketplace",
		Settings: func() push.Settings {
			return push.Settings{Verifier: push.Verifier{Keys: []string{testKey}}, Opener: push.Opener{Keys: keys()[:1]}}
		},
		Acceptor: e.journal,
		Now:      testNow,
		Logger:   slog.New(slog.NewJSONHandler(e.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	h, err := push.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.Handler = h
	return e
}

// call sends a request and returns the status and the result.
func (e endpoint) call(t testing.TB, r *http.Request) (int, push.Result) {
	t.Helper()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if got := w.Header().Get("Content-Type"); got != "application/json;charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
	var result struct {
		ResultCode, ResultMsg string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &result); err != nil {
		t.Errorf("answer %q: %v", w.Body, err)
	}
	return w.Code, push.Result{Code: result.ResultCode, Message: result.ResultMsg}
}

// lines are the log lines so far.
func (e endpoint) lines(t testing.TB) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(e.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, m)
	}
	return lines
}

func request(kind, nonce, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/marketplace/produceAPI/v2/"+kind, strings.NewReader(body))
	r.Header = headers(sign(testKey, nonce, testTime, body), testTime, nonce)
	return r
}

func ok() push.Result { return push.Result{Code: "000000", Message: "success."} }

func TestPushIsAccepted(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if v.ID == "K2" {
			continue // its secret is a placeholder
		}
		e := newEndpoint(t, nil)
		status, got := e.call(t, request(v.Kind, v.Nonce, v.Body))
		if diff := cmp.Diff(ok(), got); status != http.StatusOK || diff != "" {
			t.Errorf("%s: status %d (-want +got):\n%s", v.ID, status, diff)
		}
		message, err := push.Decode(v.kind(t), []byte(v.Body), testNow())
		if err != nil {
			t.Fatal(err)
		}
		want := []orgsync.Push{{
			Message: message, Kind: v.kind(t), Nonce: v.Nonce, Digest: sha256.Sum256([]byte(v.Body)), Body: []byte(v.Body),
			Signed: testNow().UTC(), Received: testNow(), Candidate: "raw",
		}}
		if diff := cmp.Diff(want, e.journal.pushes, compare()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.ID, diff)
		}
		lines := e.lines(t)
		if len(lines) != 1 {
			t.Fatalf("%s: %d log lines, want 1:\n%s", v.ID, len(lines), e.log)
		}
		for key, want := range map[string]any{
			"msg": "push", "kind": v.Kind, "result": "000000", "candidate": "raw", "realm": "production",
			"tenant_id": string(message.Tenant), "applied": float64(message.Changes()), "journal_id": 1.0, "bytes": float64(len(v.Body)), "key_index": 0.0,
		} {
			if lines[0][key] != want {
				t.Errorf("%s: log line has %s = %v, want %v", v.ID, key, lines[0][key], want)
			}
		}
		for _, key := range []string{"request_id", "elapsed"} {
			if _, ok := lines[0][key]; !ok {
				t.Errorf("%s: log line lacks %s", v.ID, key)
			}
		}
	}
}

func TestSecretIsOpened(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, nil)
	ciphertext := base64.StdEncoding.EncodeToString(encrypt(t, keys()[0], crypto.SHA256, crypto.SHA1))
	body := `{"tenantId":"t","appId":"a","clientId":"c","clientSecret":"` + ciphertext + `","flag":1,"testFlag":1}`
	if _, got := e.call(t, request("applicationSync", "n", body)); got != ok() {
		t.Fatalf("answer %v", got)
	}
	p := e.journal.pushes[0]
	if string(p.Message.Client.Secret) != clearSecret || p.Message.Realm != orgsync.Test {
		t.Errorf("message has secret %q and realm %v", string(p.Message.Client.Secret), p.Message.Realm)
	}
	if want := strings.Replace(body, ciphertext, "", 1); string(p.Body) != want {
		t.Errorf("journal has %s, want %s", p.Body, want)
	}
	if p.Digest != sha256.Sum256([]byte(body)) {
		t.Error("the digest is not that of the body as received")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const tenant = `{"tenantId":"t","flag":0}`
	refused := push.Result{Code: "000001", Message: "token is invalid"}
	invalid := func(what string) push.Result {
		return push.Result{Code: "000002", Message: "param is invalid: " + what}
	}
	with := func(change func(r *http.Request)) *http.Request {
		r := request("tenantSync", "n", tenant)
		change(r)
		return r
	}
	to := func(method, path string) *http.Request {
		return with(func(r *http.Request) { r.Method, r.URL.Path = method, path })
	}
	tests := []struct {
		name      string
		request   *http.Request
		want      push.Result
		journaled bool
	}{
		{"good", request("tenantSync", "n", tenant), ok(), true},
		{"any content type", with(func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }), ok(), true},
		{"unsigned", with(func(r *http.Request) { r.Header.Del("x-sign") }), refused, false},
		{"body changed", with(func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"tenantId":"u","flag":0}`)) }), refused, false},
		{"signed for another time", with(func(r *http.Request) { r.Header.Set("x-timestamp", "1700000000001") }), refused, false},
		{"stale", with(func(r *http.Request) { r.Header.Set("x-timestamp", "1600000000000") }), invalid("x-timestamp is outside the time window"), false},
		{"no nonce", with(func(r *http.Request) { r.Header.Del("x-nonce") }), invalid("x-nonce is missing"), false},
		{"compressed", with(func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }), invalid("Content-Encoding is not supported"), false},
		{"body breaks off", with(func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{})) }), invalid("body breaks off"), false},
		{"signed but not JSON", request("tenantSync", "n", "hello"), invalid("body is not JSON"), true},
		{"signed but incomplete", request("tenantSync", "n", `{"tenantId":"t","flag":1}`), invalid("tenantCode is missing"), true},
		{"secret nobody opens", request("applicationSync", "n", `{"tenantId":"t","appId":"a","clientId":"c","clientSecret":"YWJj","flag":1}`), push.Result{Code: "000101", Message: "something wrong with appSecret"}, true},
		{"removal with a secret nobody opens", request("applicationSync", "n", `{"tenantId":"t","appId":"a","clientId":"c","clientSecret":"YWJj","flag":0}`), ok(), true},
		{"GET", to(http.MethodGet, "/marketplace/produceAPI/v2/tenantSync"), invalid("method is not POST"), false},
		{"no such interface", to(http.MethodPost, "/marketplace/produceAPI/v2/tenantsync"), invalid("path is no interface of this address"), false},
		{"below an interface", to(http.MethodPost, "/marketplace/produceAPI/v2/tenantSync/x"), invalid("path is no interface of this address"), false},
		{"first generation, which is off", to(http.MethodPost, "/marketplace/produceAPI/tenantSync"), refused, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, nil)
			status, got := e.call(t, tt.request)
			if diff := cmp.Diff(tt.want, got); status != http.StatusOK || diff != "" {
				t.Errorf("status %d (-want +got):\n%s", status, diff)
			}
			if n := len(e.journal.pushes); n != 0 != tt.journaled {
				t.Errorf("%d pushes reached the journal", n)
			}
			if lines := e.lines(t); len(lines) != 1 {
				t.Errorf("%d log lines, want 1", len(lines))
			}
		})
	}
}

// broken is a body whose sender went away.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBaseInterfacesAreRefused(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/marketplace", "/marketplace/"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			e := newEndpoint(t, nil)
			status, got := e.call(t, httptest.NewRequest(method, path+"?activity=newInstance&signature=x", strings.NewReader("{}")))
			text, _, _ := strings.Cut(got.Message, " (request ")
			if status != http.StatusOK || got.Code != "000005" || text != "other inner error: interface is not served here" {
				t.Errorf("%s %s: %d %+v", method, path, status, got)
			}
		}
	}
}

func TestNoncesAndFaults(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, nil)
	const first, second = `{"tenantId":"t","flag":0}`, `{"tenantId":"u","flag":0}`
	steps := []struct {
		name, kind, body string
		want             push.Result
	}{
		{"first", "tenantSync", first, ok()},
		{"again", "tenantSync", first, ok()},
		{"another body", "tenantSync", second, push.Result{Code: "000002", Message: "param is invalid: x-nonce was used before"}},
		{"another interface", "singleOrgSync", `{"tenantId":"t","orgCode":"1","flag":0}`, ok()},
		{"a refused one", "authSync", second, push.Result{Code: "000002", Message: "param is invalid: appId is missing"}},
		{"the refused one again", "authSync", second, push.Result{Code: "000002", Message: "param is invalid: appId is missing"}},
	}
	for _, s := range steps {
		if _, got := e.call(t, request(s.kind, "n", s.body)); got != s.want {
			t.Errorf("%s: answer %v, want %v", s.name, got, s.want)
		}
	}
	if line := e.lines(t)[1]; line["repeated"] != true || line["journal_id"] != 1.0 || line["applied"] != nil {
		t.Errorf("log line of a repetition: %v", line)
	}
	for _, fault := range []error{orgsync.ErrUnavailable, context.DeadlineExceeded, errors.New("disk is full")} {
		e := newEndpoint(t, nil)
		e.journal.fault = fmt.Errorf("record push: %w", fault)
		status, got := e.call(t, request("tenantSync", "n", first))
		line := e.lines(t)[0]
		want := push.Result{Code: "000005", Message: fmt.Sprintf("other inner error (request %v)", line["request_id"])}
		if status != http.StatusOK || got != want {
			t.Errorf("%v: %d %v, want %v", fault, status, got, want)
		}
		if line["level"] != "ERROR" || line["error"] != e.journal.fault.Error() {
			t.Errorf("%v: log line %v", fault, line)
		}
	}
}

// TestHangUp: the peer goes away while its push is being written, and it is written.
func TestHangUp(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, nil)
	ctx, hangUp := context.WithCancel(t.Context())
	e.journal.enter = func(ctx context.Context) {
		hangUp()
		if err := ctx.Err(); err != nil {
			t.Errorf("the hang-up reaches the journal: %v", err)
		}
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the journal has no deadline")
		}
	}
	e.call(t, request("tenantSync", "n", `{"tenantId":"t","flag":0}`).WithContext(ctx))
	if len(e.journal.pushes) != 1 {
		t.Errorf("%d pushes reached the journal, want 1", len(e.journal.pushes))
	}
}

func TestKeysAreRotatedWhileItRuns(t *testing.T) {
	t.Parallel()
	settings := push.Settings{Verifier: push.Verifier{Keys: []string{"new key", testKey}}}
	e := newEndpoint(t, func(c *push.Config) { c.Settings = func() push.Settings { return settings } })
	if _, got := e.call(t, request("tenantSync", "1", `{"tenantId":"t","flag":0}`)); got != ok() {
		t.Errorf("old key: answer %v", got)
	}
	settings.Verifier.Keys = settings.Verifier.Keys[:1]
	if _, got := e.call(t, request("tenantSync", "2", `{"tenantId":"t","flag":0}`)); got.Code != "000001" {
		t.Errorf("key taken out: answer %v", got)
	}
}

// endless is a body without an end that counts what was read of it.
type endless struct{ read int64 }

func (b *endless) Read(p []byte) (int, error) {
	b.read += int64(len(p))
	return len(p), nil
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	want := push.Result{Code: "000002", Message: "param is invalid: body is too large"}
	for _, length := range []int64{-1, 100 << 20} {
		e := newEndpoint(t, func(c *push.Config) { c.MaxBody = 1 << 20 })
		body := &endless{}
		r := request("tenantSync", "n", "")
		r.Body, r.ContentLength = io.NopCloser(body), length
		status, got := e.call(t, r)
		if status != http.StatusRequestEntityTooLarge || got != want {
			t.Errorf("length %d: %d %v, want 413 %v", length, status, got, want)
		}
		if length > 0 && body.read > 0 {
			t.Errorf("length %d: %d bytes were read", length, body.read)
		}
		if body.read > 2<<20 {
			t.Errorf("length %d: %d bytes were read of a body without end", length, body.read)
		}
	}
	e := newEndpoint(t, func(c *push.Config) { c.MaxBody = 25 })
	if _, got := e.call(t, request("tenantSync", "n", `{"tenantId":"t","flag":0}`)); got != ok() {
		t.Errorf("a body as long as allowed: %v", got)
	}
}

// TestOverTheWire sends 100 MB to a real server.
func TestOverTheWire(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newEndpoint(t, nil))
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/marketplace/produceAPI/v2/authSync", io.LimitReader(&endless{}, 100<<20))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 100 << 20
	r.Header.Set("Expect", "100-continue") // as curl does with a body of this size
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}, Timeout: time.Minute}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, want 413", response.StatusCode)
	}
}

// TestNothingLeaks sends every kind of secret and personal datum, good and broken, and
// greps log and answer for them.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	marks := []string{"mark-mobile", "mark@mail.example", "mark-name", "bWFyay1zZWNyZXQ", clearSecret, testKey, "mark-user", "mark-nonce", "mark-header"}
	ciphertext := base64.StdEncoding.EncodeToString(encrypt(t, keys()[0], crypto.SHA256, crypto.SHA256))
	marks = append(marks, ciphertext)
	user := `{"userName":"mark-user","name":"mark-name","mobile":"mark-mobile","email":"mark@mail.example"}`
	bodies := map[string][]string{
		"authSync": {
			`{"tenantId":"t","appId":"a","flag":1,"userList":[` + user + `]}`,
			`{"tenantId":"t","appId":"a","flag":"mark-mobile","userList":[` + user + `]}`,
			`{"tenantId":"t","appId":"a","flag":1,"userList":"mark-name"}`,
			`{"tenantId":" mark-name","appId":"a","flag":1,"userList":[]}`,
			`mark-mobile`,
		},
		"applicationSync": {
			`{"tenantId":"t","appId":"a","clientId":"c","clientSecret":"` + ciphertext + `","flag":1}`,
			`{"tenantId":"t","appId":"a","clientId":"c","clientSecret":"bWFyay1zZWNyZXQ","flag":1}`,
			`{"tenantId":"t","appId":"a","clientId":"c","clientSecret":["bWFyay1zZWNyZXQ"],"flag":1}`,
			`{"tenantId":"t","appId":"a","clientId":"c","clientSecret":"` + ciphertext + `","flag":1,"testFlag":9}`,
			`{"clientSecret":"bWFyay1zZWNyZXQ"`,
		},
	}
	for kind, list := range bodies {
		for i, body := range list {
			for _, prepare := range []func(*http.Request){
				func(*http.Request) {},
				func(r *http.Request) { r.Header.Set("x-sign", "mark-header") },
				func(r *http.Request) { r.Header.Set("x-timestamp", "mark-header") },
			} {
				e := newEndpoint(t, nil)
				r := request(kind, "mark-nonce", body)
				signature := r.Header.Get("x-sign")
				prepare(r)
				w := httptest.NewRecorder()
				e.ServeHTTP(w, r)
				for _, mark := range append(marks, signature) {
					if strings.Contains(e.log.String(), mark) || strings.Contains(w.Body.String(), mark) {
						t.Errorf("%s %d: %q leaks into %s or %s", kind, i, mark, e.log, w.Body)
					}
				}
				for _, p := range e.journal.pushes {
					for _, mark := range []string{"bWFyay1zZWNyZXQ", ciphertext} {
						if bytes.Contains(p.Body, []byte(mark)) {
							t.Errorf("%s %d: %q leaks into the journal's body", kind, i, mark)
						}
					}
					if p.Refused != nil && p.Message.Client.Secret != "" {
						t.Errorf("%s %d: a refused message carries a secret", kind, i)
					}
				}
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := push.New(push.Config{Path: "market place", MaxBody: -1})
	for _, fault := range []string{"slash", "blank", "negative", "settings", "acceptor", "clock", "logger"} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("New = %v, lacks %q", err, fault)
		}
	}
	for _, path := range []string{"/a//b", "/a/{b}", "/a/../b"} {
		_, err := push.New(push.Config{
			Path: path, Settings: func() push.Settings { return push.Settings{} }, Acceptor: &journal{},
			Now: testNow, Logger: slog.New(slog.DiscardHandler),
		})
		if err == nil {
			t.Errorf("New takes the path %q", path)
		}
	}
}

func TestAddressWithoutPath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/"} {
		e := newEndpoint(t, func(c *push.Config) { c.Path = path })
		r := request("tenantSync", "n", `{"tenantId":"t","flag":0}`)
		r.URL.Path = "/produceAPI/v2/tenantSync"
		if _, got := e.call(t, r); got != ok() {
			t.Errorf("path %q: answer %v", path, got)
		}
	}
}
