package peers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// helperVariable makes TestServersDieWithTheTest the process that will die.
const helperVariable = "KITBRIDGE_PEERS_HELPER"

func TestServersDieWithTheTest(t *testing.T) {
	if os.Getenv(helperVariable) != "" {
		startAndHang(t)
		return
	}
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a child that its parent died")
	}
	helper := exec.Command(os.Args[0], "-test.run=^TestServersDieWithTheTest$")
	helper.Env = append(os.Environ(), helperVariable+"=1", "TMPDIR="+t.TempDir())
	helper.Stderr = os.Stderr
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the helper said %q: %v", url, err)
	}
	url = strings.TrimSpace(url)
	dialAnonymous(t, url)

	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait() // "signal: killed"
	gone := eventually(t, func() bool {
		conn, err := ldap.DialURL(url)
		if err == nil {
			conn.Close() //nolint:errcheck // still there
		}
		return err != nil
	})
	if !gone {
		t.Errorf("slapd at %s outlives its test", url)
	}
}

// startAndHang starts a slapd, says where, and waits for SIGKILL or, should the
// other side fail, a minute.
func startAndHang(t *testing.T) {
	dir := peers.Slapd(t, peers.SlapdOptions{})
	if _, err := os.Stdout.WriteString(dir.URL() + "\n"); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Minute)
}

func TestStartReportsWhatTheProgramSaid(t *testing.T) {
	t.Parallel()
	failed := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // Fatal ends the goroutine
		defer close(done)
		peers.Run(failed, peers.Program{
			Name:  "broken",
			Args:  []string{"/bin/sh", "-c", "echo no such luck >&2; exit 3"},
			Dir:   t.TempDir(),
			Ready: func(context.Context) error { return errors.New("not up") },
		})
	}()
	<-done
	for _, want := range []string{"start broken", "exit status 3", "no such luck"} {
		if !strings.Contains(failed.message, want) {
			t.Errorf("the failure %q does not mention %q", failed.message, want)
		}
	}
}

func TestStopReportsABadEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script, want string
		alone              bool // ends by itself
	}{
		{"status", "trap 'echo I am ill; exit 4' TERM; echo up; while :; do sleep 0.01; done", "exit status 4", false},
		{"crash", "trap 'kill -SEGV $$' TERM; echo up; while :; do sleep 0.01; done", "segmentation fault", false},
		{"gone before", "echo up; exit 5", "exit status 5", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			failed := &recorder{TB: t}
			done := make(chan struct{})
			dir := t.TempDir()
			go func() {
				defer close(done)
				p := peers.Run(failed, peers.Program{
					Name: "ill", Args: []string{"/bin/sh", "-c", tt.script}, Dir: dir,
					Ready: func(context.Context) error {
						text, err := os.ReadFile(filepath.Join(dir, "log"))
						if err == nil && !strings.Contains(string(text), "up") {
							err = errors.New("not up")
						}
						return err
					},
				})
				if tt.alone {
					pid := p.PID()
					eventually(t, func() bool { return syscall.Kill(pid, 0) != nil })
				}
				p.Stop()
			}()
			<-done
			if !strings.Contains(failed.message, tt.want) {
				t.Errorf("the failure %q does not mention %q", failed.message, tt.want)
			}
		})
	}
}

func TestFreePort(t *testing.T) {
	t.Parallel()
	for range 50 {
		port := peers.FreePort(t)
		if port < 20000 || port >= 32768 {
			t.Errorf("FreePort() = %d, want one below those of outgoing connections", port)
		}
		listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			t.Errorf("listen on the free port: %v", err)
			continue
		}
		listener.Close() //nolint:errcheck // end of use
	}
}

// recorder is a test that notes its failure instead of failing.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Fatal(args ...any) {
	r.message = strings.TrimSpace(fmt.Sprint(args...))
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// eventually asks until the answer is yes, for ten seconds at most.
func eventually(t *testing.T, done func() bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
