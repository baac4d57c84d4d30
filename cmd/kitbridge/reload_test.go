package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync/push"
)

// files is a folder with a configuration that a reloader follows.
type files struct {
	t      *testing.T
	dir    string
	log    *bytes.Buffer
	level  *slog.LevelVar
	forced atomic.Pointer[push.Settings]
	*reloader
}

func newFiles(t *testing.T, config string) *files {
	t.Helper()
	f := &files{t: t, dir: t.TempDir(), log: &bytes.Buffer{}, level: &slog.LevelVar{}}
	f.write("kitbridge.yaml", config)
	look := func() reading {
		return read(filepath.Join(f.dir, "kitbridge.yaml"), lookup("NAME=from the environment"))
	}
	first := look()
	if first.err != nil {
		t.Fatal(first.err)
	}
	log := slog.New(slog.NewJSONHandler(f.log, nil))
	f.reloader = newReloader(first, look, func(s push.Settings) { f.forced.Store(&s) }, f.level, log)
	return f
}

func (f *files) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// looks lets the time pass for n looks and returns what was logged.
func (f *files) looks(n int) string {
	f.log.Reset()
	for range n {
		f.look(f.t.Context())
	}
	return f.log.String()
}

const reloadBase = "public_url: https://app.example.com\n"

func TestReloadTakesEffect(t *testing.T) {
	t.Parallel()
	f := newFiles(t, reloadBase+"marketplace: {keys: {kit: [old]}}\n")
	f.write("kitbridge.yaml", reloadBase+"marketplace: {keys: {kit: [new, old], v1: one}, clock_skew: 2m}\nlog: {level: debug}\n")
	if log := f.looks(1); log != "" || f.forced.Load() != nil {
		t.Errorf("it counts when it was seen once: %s", log)
	}
	log := f.looks(1)
	want := &push.Settings{
		Verifier: push.Verifier{Keys: []string{"new", "old"}, Skew: 2 * time.Minute},
		Token:    push.TokenVerifier{Keys: []string{"one"}}, Opener: push.Opener{Keys: []*rsa.PrivateKey{}},
		Base: push.BaseVerifier{Keys: []string{}, Skew: 2 * time.Minute},
	}
	if diff := cmp.Diff(want, f.forced.Load()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if f.level.Level() != slog.LevelDebug {
		t.Errorf("level is %v", f.level.Level())
	}
	for _, part := range []string{`"level":"INFO"`, `"configuration reloaded"`, `"changed":["marketplace.keys.kit","marketplace.keys.v1","marketplace.clock_skew","log.level"]`, `"restart_needed":[]`} {
		if !strings.Contains(log, part) {
			t.Errorf("log %s lacks %s", log, part)
		}
	}
	if log := f.looks(3); log != "" {
		t.Errorf("without a change it says: %s", log)
	}
}

// TestReloadHalfWritten: a file that changes at every look is never believed.
func TestReloadHalfWritten(t *testing.T) {
	t.Parallel()
	f := newFiles(t, reloadBase+"marketplace: {keys: {kit: [old]}}\n")
	for _, text := range []string{"", reloadBase, reloadBase + "marketplace: {keys: {kit: [o]}}\n", reloadBase + "marketplace: {keys: {kit: [a", reloadBase + "marketplace: {keys: {kit: [old]}}\n"} {
		f.write("kitbridge.yaml", text)
		if log := f.looks(1); log != "" || f.forced.Load() != nil {
			t.Errorf("after %q: %s", text, log)
		}
	}
	if log := f.looks(3); log != "" {
		t.Errorf("back again: %s", log)
	}
}

// TestReloadAllOrNothing: with a fault anywhere all stays as it was, every fault is said
// once, and what is right again counts again.
func TestReloadAllOrNothing(t *testing.T) {
	t.Parallel()
	f := newFiles(t, reloadBase+"marketplace: {keys: {kit: [old]}}\n")
	f.write("bad.pem", "no key")
	for name, faulty := range map[string]struct {
		text string
		want []string
	}{
		"two faults":  {reloadBase + "marketplace: {keys: {kit: [new]}, clock_skew: soon}\nlog: {levl: info}\n", []string{`kitbridge.yaml:2","key":"marketplace.clock_skew"`, `kitbridge.yaml:3","key":"log.levl"`}},
		"private key": {reloadBase + "marketplace: {keys: {kit: [new]}, private_key_files: [bad.pem, bad.pem]}\n", []string{"bad.pem: is not PEM"}},
		"syntax":      {reloadBase + "marketplace: [\n", []string{"not readable as YAML"}},
	} {
		f.write("kitbridge.yaml", faulty.text)
		log := f.looks(2)
		for _, want := range append(faulty.want, `"level":"ERROR"`, "the old one stays in force") {
			if !strings.Contains(log, want) {
				t.Errorf("%s: log lacks %s:\n%s", name, want, log)
			}
		}
		if again := f.looks(2); again != "" {
			t.Errorf("%s: said again: %s", name, again)
		}
		if f.forced.Load() != nil || strings.Contains(log, "new") {
			t.Errorf("%s: something came into force, or the log has the key:\n%s", name, log)
		}
	}
	if err := os.Remove(filepath.Join(f.dir, "kitbridge.yaml")); err != nil {
		t.Fatal(err)
	}
	if log := f.looks(2); !strings.Contains(log, "does not exist") {
		t.Errorf("file gone: %s", log)
	}
	f.write("kitbridge.yaml", reloadBase+"marketplace: {keys: {kit: [third]}}\n")
	if f.looks(2); f.forced.Load() == nil || f.forced.Load().Verifier.Keys[0] != "third" {
		t.Errorf("after the fault the new key is not in force: %s", f.log)
	}
}

// TestReloadFollowsKeyFiles: what a file that the configuration names holds, counts too.
func TestReloadFollowsKeyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pemOf := func() (string, *rsa.PrivateKey) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), key
	}
	oldPEM, _ := pemOf()
	newPEM, newKey := pemOf()
	secret, private := filepath.Join(dir, "kit"), filepath.Join(dir, "credential.pem")
	for file, text := range map[string]string{secret: "old\n", private: oldPEM} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := newFiles(t, reloadBase+fmt.Sprintf("marketplace: {keys: {kit_file: %q}, private_key_files: [%q]}\n", secret, private))
	if err := os.WriteFile(private, []byte(newPEM), 0o600); err != nil {
		t.Fatal(err)
	}
	if log := f.looks(2); !strings.Contains(log, `"changed":["marketplace.private_key_files"]`) || !f.forced.Load().Opener.Keys[0].Equal(newKey) {
		t.Errorf("another private key: %s", log)
	}
	if err := os.WriteFile(secret, []byte("new\nold\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if log := f.looks(2); !strings.Contains(log, `"changed":["marketplace.keys.kit"]`) || f.forced.Load().Verifier.Keys[0] != "new" {
		t.Errorf("another shared key: %s", log)
	}
}

// TestReloadNamesWhatWantsARestart: it stays listed until the restart, or until the key is
// as it was.
func TestReloadNamesWhatWantsARestart(t *testing.T) {
	t.Parallel()
	f := newFiles(t, reloadBase)
	for _, step := range []struct{ config, changed, restart, level string }{
		{"log: {format: text}\nsinks: [{name: a, type: sql, url: 'sqlite:x'}]\n", `["sinks","log.format"]`, `["sinks","log.format"]`, "WARN"},
		{"log: {format: text}\nmarketplace: {keys: {kit: [a]}}\n", `["marketplace.keys.kit","sinks"]`, `["log.format"]`, "WARN"},
		{"marketplace: {keys: {kit: [a]}}\n", `["log.format"]`, `[]`, "INFO"},
	} {
		f.write("kitbridge.yaml", reloadBase+step.config)
		log := f.looks(2)
		for _, want := range []string{`"changed":` + step.changed, `"restart_needed":` + step.restart, `"level":"` + step.level + `"`} {
			if !strings.Contains(log, want) {
				t.Errorf("after %q the log lacks %s:\n%s", step.config, want, log)
			}
		}
	}
}

// TestLiveKeysExist: a key that takes effect at once is a key.
func TestLiveKeysExist(t *testing.T) {
	t.Parallel()
	live := map[string]bool{}
	for key := range keyPaths(reflect.TypeFor[Config](), "") {
		if key, _, _ = strings.Cut(key, "[]"); isLive(key) { // of a list of sections only the list is compared
			live[key] = true
		}
	}
	if len(live) != 7 {
		t.Errorf("%v of the configuration are live, want 7", live)
	}
}

// TestHangup: SIGHUP is obeyed at once, and says so even without a change.
func TestHangup(t *testing.T) {
	t.Parallel()
	f := newFiles(t, reloadBase)
	ctx, cancel := context.WithCancel(t.Context())
	hangups, ticks := make(chan os.Signal), make(chan time.Time)
	var done sync.WaitGroup
	done.Go(func() { f.run(ctx, hangups, ticks) })
	hangups <- syscall.SIGHUP
	ticks <- time.Time{} // taken when the one before is done
	f.write("kitbridge.yaml", reloadBase+"marketplace: {keys: {kit: [new]}}\n")
	hangups <- syscall.SIGHUP
	ticks <- time.Time{}
	cancel()
	done.Wait()
	if n := strings.Count(f.log.String(), "configuration reloaded"); n != 2 || f.forced.Load().Verifier.Keys[0] != "new" {
		t.Errorf("%d reloads, want 2: %s", n, f.log)
	}
}

// server is this program as a process of its own, and its log.
type server struct {
	t       *testing.T
	command *exec.Cmd
	address string
	mu      sync.Mutex
	lines   []string // guarded by mu
	more    chan struct{}
}

// startServer runs serve and waits until it does.
func startServer(t *testing.T, config string) *server {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, more: make(chan struct{}, 1)}
	s.command = exec.CommandContext(context.WithoutCancel(t.Context()), executable)
	s.command.Args = []string{"kitbridge", "serve", "--config", config} // TestMain goes by the name
	out, err := s.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { // ends with the process
		defer close(read)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			s.mu.Lock()
			s.lines = append(s.lines, scanner.Text())
			s.mu.Unlock()
			select {
			case s.more <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		_ = s.command.Process.Signal(syscall.SIGTERM)
		<-read
		if err := s.command.Wait(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	line := s.await("serving", 1)
	s.address = "http://" + line["public"].(string)
	return s
}

// await returns the n-th line with that message.
func (s *server) await(message string, n int) map[string]any {
	s.t.Helper()
	deadline := time.After(time.Minute)
	for {
		found := 0
		s.mu.Lock()
		for _, text := range s.lines {
			var line map[string]any
			if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
				if found++; found == n {
					s.mu.Unlock()
					return line
				}
			}
		}
		s.mu.Unlock()
		select {
		case <-s.more:
		case <-deadline:
			s.t.Fatalf("no line %d %q in a minute: %s", n, message, strings.Join(s.lines, "\n"))
		}
	}
}

func (s *server) do(method, path string, header map[string]string, body string) (code string, answer http.Header, text []byte) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if text, err = io.ReadAll(response.Body); err != nil {
		s.t.Fatal(err)
	}
	var result push.Result
	_ = json.Unmarshal(text, &result) // the product answers otherwise
	return result.Code, response.Header, text
}

// kit sends a message of the second generation, signed with a key.
func (s *server) kit(key string) string {
	s.t.Helper()
	const body = `{"tenantId":"t","flag":0}`
	nonce, timestamp := rand.Text(), strconv.FormatInt(time.Now().UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(key + nonce + timestamp + body))
	code, _, _ := s.do(http.MethodPost, "/marketplace/produceAPI/v2/tenantSync",
		map[string]string{"x-nonce": nonce, "x-timestamp": timestamp, "x-sign": hex.EncodeToString(mac.Sum(nil))}, body)
	return code
}

// v1 sends a message of the first generation and checks the signature of the answer.
func (s *server) v1(key, stamp string) string {
	s.t.Helper()
	mac := func(key, text string) string {
		m := hmac.New(sha256.New, []byte(key))
		m.Write([]byte(text))
		return base64.StdEncoding.EncodeToString(m.Sum(nil))
	}
	code, answer, text := s.do(http.MethodPost, "/marketplace/produceAPI/tenantSync",
		map[string]string{"authToken": mac(key+stamp, "flag=0&tenantId=t&timeStamp="+stamp)},
		`{"tenantId":"t","flag":0,"timeStamp":"`+stamp+`"}`)
	if want := `sign_type="HMAC-SHA256", signature= "` + mac(key, string(text)) + `"`; code == "000000" && answer.Get("Body-Sign") != want {
		s.t.Errorf("Body-Sign is %s, want %s", answer.Get("Body-Sign"), want)
	}
	return code
}

// TestServeFollowsItsConfiguration rotates keys under a running process: by signal, by
// writing the file, and not at all when the file is faulty. It also calls the product
// through it.
func TestServeFollowsItsConfiguration(t *testing.T) {
	t.Parallel()
	product := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the product at %s", r.RequestURI)
	}))
	t.Cleanup(product.Close)
	dir := t.TempDir()
	config, keyFile := filepath.Join(dir, "kitbridge.yaml"), filepath.Join(dir, "kit")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := fmt.Sprintf(`listen: "127.0.0.1:0"
public_url: http://127.0.0.1
admin: {listen: "127.0.0.1:0"}
marketplace:
  keys: {kit_file: %q, v1: [one]}
  base_upstream: %q
`, keyFile, product.URL+"/produce")
	write(keyFile, "old")
	write(config, good)
	s := startServer(t, config)
	want := func(when string, got map[string]string, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	kit := func() map[string]string {
		return map[string]string{"old": s.kit("old"), "new": s.kit("new"), "third": s.kit("third")}
	}
	want("at first", kit(), map[string]string{"old": "000000", "new": "000001", "third": "000001"})
	want("V1", map[string]string{"one": s.v1("one", "20231114221320000"), "two": s.v1("two", "20231114221320001")}, map[string]string{"one": "000000", "two": "000001"})
	if _, _, text := s.do(http.MethodGet, "/marketplace?activity=x&a=%2b", nil, ""); string(text) != "the product at /produce?activity=x&a=%2b" {
		t.Errorf("base call: %s", text)
	}

	write(keyFile, "new")
	if err := s.command.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.await("configuration reloaded", 1)
	want("after SIGHUP", kit(), map[string]string{"old": "000001", "new": "000000", "third": "000001"})

	write(config, strings.Replace(good, "one", "two", 1)+"logg: {}\n")
	if line := s.await("configuration is faulty; the old one stays in force", 1); line["key"] != "logg" {
		t.Errorf("fault: %v", line)
	}
	want("faulty", kit(), map[string]string{"old": "000001", "new": "000000", "third": "000001"})
	want("V1, faulty", map[string]string{"one": s.v1("one", "20231114221320002")}, map[string]string{"one": "000000"})

	write(keyFile, "third\nnew\n")
	write(config, strings.Replace(good, "one", "two", 1))
	s.await("configuration reloaded", 2)
	want("after writing", kit(), map[string]string{"old": "000001", "new": "000000", "third": "000000"})
	want("V1 after writing", map[string]string{"one": s.v1("one", "20231114221320003"), "two": s.v1("two", "20231114221320004")}, map[string]string{"one": "000001", "two": "000000"})
}
