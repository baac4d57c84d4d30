//go:build integration

package integration_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// slowLine forwards connections and holds what the client sends back for a while.
type slowLine struct {
	address string
	delay   atomic.Int64 // ns for each piece
}

func startSlowLine(t testing.TB, target string) *slowLine {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &slowLine{address: listener.Addr().String()}
	t.Cleanup(func() { listener.Close() }) //nolint:errcheck // end of test
	go func() {                            // ends with the listener
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close() //nolint:errcheck // it failed
				continue
			}
			go s.forward(server, client, true) // each ends with one of the connections
			go s.forward(client, server, false)
		}
	}()
	return s
}

func (s *slowLine) forward(to, from net.Conn, isSlow bool) {
	defer to.Close()   //nolint:errcheck // it is over
	defer from.Close() //nolint:errcheck // it is over
	piece := make([]byte, 64<<10)
	for {
		n, err := from.Read(piece)
		if err != nil {
			return
		}
		if d := time.Duration(s.delay.Load()); isSlow && d > 0 {
			<-time.After(d)
		}
		if _, err := to.Write(piece[:n]); err != nil {
			return
		}
	}
}

// crowdedScene is a directory behind a slow line with many users, and nobody serving.
func crowdedScene(t *testing.T, users int) (*scene, *slowLine, *buyer) {
	t.Helper()
	d := peers.Slapd(t, peers.SlapdOptions{NoSync: true})
	line := startSlowLine(t, strings.TrimPrefix(d.URL(), "ldap://"))
	s := &scene{bridge: startBridge(t, ldapSink("ldap://"+line.address)), directory: d.URL()}
	b := smallBuyer("55555555555555555555555555555555")
	for n := range users {
		b.users[fmt.Sprintf("user%04d", n)] = user{name: displayName(n), orgCode: "rd", role: "user", standing: userEnabled}
	}
	s.deliver(t, b.binding(t, anHourAgo())...)
	s.quiet(t)
	if diff := s.differsInDirectory(t, b); diff != "" {
		t.Fatal(diff)
	}
	s.Stop()
	return s, line, b
}

// wipe deletes all users by hand.
func (s *scene) wipe(t testing.TB, b *buyer) {
	t.Helper()
	conn := openDirectory(t, s.directory)
	for dn := range search(t, conn, "ou=people,"+b.dn(), "1.1") {
		if strings.HasPrefix(dn, "uid=") {
			if err := conn.Del(ldap.NewDelRequest(dn, nil)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (s *scene) people(t testing.TB, b *buyer) int {
	t.Helper()
	return len(search(t, openDirectory(t, s.directory), "ou=people,"+b.dn(), "1.1")) - 1
}

// output is what a process writes, to be looked at while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // under mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// begin starts kitbridge beside a bridge. end returns its exit code.
func (b *bridge) begin(t testing.TB, stderr io.Writer, args ...string) (c *exec.Cmd, end func() int) {
	t.Helper()
	c = exec.CommandContext(t.Context(), binary, append(args, "--config", filepath.Join(b.dir, "kitbridge.yaml"))...)
	c.Dir, c.Stdout, c.Stderr = b.dir, stderr, stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, func() int {
		t.Helper()
		err := c.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return 0
	}
}

// TestReconcileKilled: a reconciliation that is killed in the middle is run again, does the
// rest, and ends equal.
func TestReconcileKilled(t *testing.T) {
	t.Parallel()
	s, line, b := crowdedScene(t, 300)
	s.wipe(t, b)
	line.delay.Store(int64(20 * time.Millisecond))
	var out output
	running, end := s.begin(t, &out, "reconcile")
	await(t, 30*time.Second, func() string {
		if n := s.people(t, b); n < 40 {
			return fmt.Sprintf("%d users are back\n%s", n, out.String())
		}
		return ""
	})
	if err := running.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	end()
	line.delay.Store(0)
	left := len(b.users) - s.people(t, b)
	if left < 20 {
		t.Fatalf("only %d users were left when it was killed", left)
	}
	t.Logf("%d of %d users were left", left, len(b.users))
	s.exits(t, 0, "reconcile")
	if diff := s.differsInDirectory(t, b); diff != "" {
		t.Error(diff)
	}
	s.exits(t, 0, "plan")
}

// TestReconcileInterrupted: where its output is no terminal, a reconciliation says in lines how
// far it is; interrupted, it ends in order, says what was done and what is left, and its next run
// does that at once.
func TestReconcileInterrupted(t *testing.T) {
	t.Parallel()
	s, line, b := crowdedScene(t, 600)
	s.wipe(t, b)
	line.delay.Store(int64(90 * time.Millisecond))
	var out output
	running, end := s.begin(t, &out, "reconcile")
	await(t, 30*time.Second, func() string { // the first line comes after ten seconds
		if !strings.Contains(out.String(), " left\n") {
			return "no line yet: " + out.String()
		}
		return ""
	})
	if err := running.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := end(); code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	line.delay.Store(0)
	text := out.String()
	progress := regexp.MustCompile(`(?m)^corp .*: \d+ of 60\d \(\d+ %\), \d+/s, about \d+s left$`)
	if !progress.MatchString(text) || strings.ContainsAny(text, "\r\x1b") {
		t.Errorf("progress: %q", text)
	}
	interrupted := regexp.MustCompile(`interrupted: (\d+) of (\d+) changes done, (\d+) left; run it again, it does the rest`).FindStringSubmatch(text)
	if interrupted == nil {
		t.Fatalf("it does not say what is left: %q", text)
	}
	var done, total, left int
	if _, err := fmt.Sscan(strings.Join(interrupted[1:], " "), &done, &total, &left); err != nil {
		t.Fatal(err)
	}
	if n := s.people(t, b); done+left != total || done < 100 || n < done-8 || n > done+8 {
		t.Errorf("it says %d of %d were done, %d left; %d users are there", done, total, left, n)
	}
	began := time.Now()
	s.exits(t, 0, "reconcile")
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the next run took %v: the lane was not given back", took)
	}
	if diff := s.differsInDirectory(t, b); diff != "" {
		t.Error(diff)
	}
}

// TestReconcileBar: on a terminal there is a bar, with the rate and the time that is left, and
// in the end it is gone.
func TestReconcileBar(t *testing.T) {
	t.Parallel()
	s, line, b := crowdedScene(t, 60)
	s.wipe(t, b)
	line.delay.Store(int64(60 * time.Millisecond))
	terminal, inside := openTerminal(t)
	var out output
	copied := make(chan struct{})
	go func() { // ends when nobody has the terminal open any more
		defer close(copied)
		_, _ = io.Copy(&out, terminal) // EIO is the end
	}()
	_, end := s.begin(t, inside, "reconcile")
	if code := end(); code != 0 {
		t.Errorf("exit %d: %q", code, out.String())
	}
	inside.Close() //nolint:errcheck // only read
	<-copied
	text := out.String()
	bar := regexp.MustCompile(`\r\x1b\[Kcorp [^\r]*\[#+-+\] \d+ of 6\d \(\d+ %\), \d+/s, about \d+s left`)
	if n := len(bar.FindAllString(text, -1)); n < 3 {
		t.Errorf("there were %d bars with rate and time left: %q", n, text)
	}
	if _, after, _ := strings.Cut(text, " left\r\x1b[K"); !strings.Contains(after, "done: users: ") || strings.HasSuffix(text, "left") {
		t.Errorf("in the end there is %q", text)
	}
	s.exits(t, 0, "plan")
}
