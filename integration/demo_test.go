//go:build integration

package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// demo is a running `kitbridge demo`.
type demo struct {
	*peers.Process
	url  string // of the product, ending in a slash
	temp string // where the program makes its temporary folders
}

// startDemo runs the demonstration on a free port and returns when it has
// printed what to try. It ends by Ctrl-C, and must then leave nothing behind.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	return runDemo(t, t.TempDir(), append([]string{"demo", "--listen", "127.0.0.1:0"}, args...)...)
}

// runDemo runs it with a command line, through wrapper if there is one.
func runDemo(t *testing.T, temp string, args ...string) *demo {
	t.Helper()
	return runDemoThrough(t, temp, nil, args...)
}

func runDemoThrough(t *testing.T, temp string, wrapper []string, args ...string) *demo {
	t.Helper()
	dir := t.TempDir()
	d := &demo{temp: temp}
	command := append([]string{"/usr/bin/env", "TMPDIR=" + temp}, wrapper...)
	d.Process = peers.Run(t, peers.Program{
		Name: "kitbridge demo",
		Args: append(append(command, binary), args...),
		Dir:  dir,
		Ready: func(context.Context) error {
			text, err := os.ReadFile(filepath.Join(dir, "log"))
			if err == nil && !bytes.Contains(text, []byte("Ctrl-C ends it")) {
				err = errors.New("it has not said what to try")
			}
			return err
		},
		StopSignal: syscall.SIGINT,
	})
	t.Cleanup(func() {
		if d.Process != nil {
			d.end(t)
		}
	})
	d.url = regexp.MustCompile(`http://\S+/\n`).FindString(d.Log())
	d.url = strings.TrimSpace(d.url)
	return d
}

// end is Ctrl-C: status 0, no folder and no process left.
func (d *demo) end(t *testing.T) {
	t.Helper()
	process := d.Process
	d.Process = nil // ended, whatever follows
	process.Stop()
	left, err := os.ReadDir(d.temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("the demonstration left %s behind", filepath.Join(d.temp, e.Name()))
	}
	if pids := processesNaming(t, d.temp); len(pids) > 0 {
		t.Errorf("the demonstration left processes behind: %v", pids)
	}
}

// processesNaming returns the processes with text on their command line, but
// for those that ended and wait for their parent (their command line is empty).
func processesNaming(t *testing.T, text string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		line, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // gone meanwhile
		}
		if bytes.Contains(line, []byte(text)) {
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// command returns the nth line (from 0) of what the demonstration printed that
// begins with the name of a program.
func (d *demo) command(t *testing.T, program string, nth int) string {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^  `+program+` .*$`).FindAllString(d.Log(), -1)
	if len(lines) <= nth {
		t.Fatalf("the demonstration printed %d commands that begin with %s, want %d:\n%s", len(lines), program, nth+1, d.Log())
	}
	return strings.TrimSpace(lines[nth])
}

// shell runs a command line exactly as printed and returns what it wrote.
func shell(t *testing.T, line string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", line).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// TestDemoCommands: what is printed can be pasted into a terminal, and shows
// what it promises.
func TestDemoCommands(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	const accepted = `"resultCode":"000000"`
	if out := shell(t, d.command(t, "sh", 0)); !strings.Contains(out, accepted) {
		t.Errorf("renaming a department answered %s", out)
	}
	if out := shell(t, d.command(t, "curl", 0)); !strings.Contains(out, `"journal":{"accepted":48,`) {
		t.Errorf("status answered %s", out) // 2 tenants, 2 credentials, 23 departments, 20 users, 1 rename
	}
	await(t, 2*time.Second, func() string {
		out := shell(t, d.command(t, "ldapsearch", 0))
		if n := strings.Count(out, "dn: uid="); n != 20 {
			return fmt.Sprintf("the directory shows %d people, want 20:\n%s", n, out)
		}
		return ""
	})
	if _, err := exec.LookPath("sqlite3"); err == nil {
		await(t, 2*time.Second, func() string {
			return cmp.Diff(20, strings.Count(shell(t, d.command(t, "sqlite3", 0)), "\n"))
		})
	}
	if out := shell(t, d.command(t, "sh", 1)); !strings.Contains(out, accepted) {
		t.Errorf("taking access away answered %s", out)
	}
	await(t, 2*time.Second, func() string {
		if out := shell(t, d.command(t, "ldapsearch", 0)); strings.Count(out, "ou=people") != 18 {
			return out
		}
		return ""
	})
}

// TestDemoTwice: it works beside another one, and again where one has been.
func TestDemoTwice(t *testing.T) {
	t.Parallel()
	temp, address := t.TempDir(), localAddress(t)
	beside := startDemo(t)
	for range 2 {
		d := runDemo(t, temp, "demo", "--listen", address)
		for _, url := range []string{"http://" + address + "/sso/login", beside.url + "sso/login"} {
			if got := status(t, url); got != http.StatusOK {
				t.Errorf("GET %s = %d", url, got)
			}
		}
		d.end(t)
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	code, _ := request(t, http.MethodGet, url, "", nil)
	return code
}

// TestDemoRefuses: one line that says what to do, and nothing left behind.
func TestDemoRefuses(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // end of test
	tests := []struct {
		name string
		args []string
		exit int
		want string
	}{
		{
			"port busy",
			[]string{"--listen", l.Addr().String()},
			1,
			"kitbridge: --listen: listen tcp " + l.Addr().String() + ": bind: address already in use; " +
				"choose another with --listen 127.0.0.1:8090, or a free one with --listen 127.0.0.1:0\n",
		},
		{
			"no address of a directory",
			[]string{"--listen", "127.0.0.1:0", "--ldap", "ldap://:password@127.0.0.1"},
			2,
			"kitbridge: --ldap: want ldap://BINDDN:PASSWORD@HOST:PORT/BASEDN with each part percent-encoded, " +
				"for example ldap://cn%3Dadmin%2Cdc%3Dexample%2Cdc%3Dorg:secret@127.0.0.1:389/dc%3Dexample%2Cdc%3Dorg\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			temp := t.TempDir()
			c := exec.CommandContext(t.Context(), binary, append([]string{"demo"}, tt.args...)...)
			c.Env = append(os.Environ(), "TMPDIR="+temp)
			out, err := c.CombinedOutput()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != tt.exit {
				t.Errorf("it ended with %v, want status %d", err, tt.exit)
			}
			if diff := cmp.Diff(tt.want, string(out)); diff != "" {
				t.Errorf("it said (-want +got):\n%s", diff)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("it left %v behind (%v)", left, err)
			}
		})
	}
}

// TestDemoForeignDirectory: --ldap fills a directory that somebody else runs.
func TestDemoForeignDirectory(t *testing.T) {
	t.Parallel()
	directory := peers.Slapd(t, peers.SlapdOptions{MemberOf: true})
	escape := strings.NewReplacer("=", "%3D", ",", "%2C").Replace
	address := strings.Replace(directory.URL(), "ldap://", "ldap://"+escape(peers.ServiceDN)+":"+peers.ServicePassword+"@", 1) +
		"/" + escape(peers.BaseDN)
	d := startDemo(t, "--ldap", address)
	await(t, 5*time.Second, func() string {
		people := 0
		for dn := range readDirectory(t, directory.URL(), peers.BaseDN) {
			if strings.HasPrefix(dn, "uid=") && strings.Contains(dn, ",ou=people,") {
				people++
			}
		}
		return cmp.Diff(19, people) // of the 20, one is disabled
	})
	if log := d.Log(); strings.Contains(log, "Not everywhere") {
		t.Errorf("it found fault with a good directory:\n%s", log)
	}
	if strings.Contains(d.Log(), peers.ServicePassword) {
		t.Error("the password of the directory was printed")
	}
	d.end(t)
	if got := len(readDirectory(t, directory.URL(), "ou=services,"+peers.BaseDN)); got != 2 {
		t.Errorf("%d entries under ou=services, want 2: they are not ours", got)
	}
}

// TestDemoDirectoryDown: without the directory everything else still works, and
// what is wrong is said.
func TestDemoDirectoryDown(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--ldap", "ldap://cn%3Dadmin:a-password@"+localAddress(t)+"/dc%3Dexample")
	if log := d.Log(); !strings.Contains(log, "connection refused") || strings.Contains(log, "a-password") {
		t.Errorf("it does not say what is wrong, or too much:\n%s", log)
	}
	if got := status(t, d.url+"sso/login"); got != http.StatusOK {
		t.Errorf("GET /sso/login = %d", got)
	}
}

// TestDemoWithoutSlapd hides slapd in a mount namespace of its own: the
// demonstration goes on without a directory and says so.
func TestDemoWithoutSlapd(t *testing.T) {
	t.Parallel()
	hide := `for f in /usr/sbin/slapd /usr/libexec/slapd /usr/lib/slapd; do [ ! -e $f ] || mount --bind /dev/null $f || exit; done; exec "$@"`
	wrapper := []string{"unshare", "--map-root-user", "--mount", "/bin/sh", "-c", hide, "sh"}
	if out, err := exec.CommandContext(t.Context(), wrapper[0], append(wrapper[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("this machine allows no mount namespace, so slapd cannot be hidden: %v: %s", err, out)
	}
	d := runDemoThrough(t, t.TempDir(), wrapper, "demo", "--listen", "127.0.0.1:0")
	if want := "(no directory: slapd is not installed; apt-get install slapd, or give --ldap)"; !strings.Contains(d.Log(), want) {
		t.Errorf("it does not say that there is no directory:\n%s", d.Log())
	}
	if got := status(t, d.url+"sso/login"); got != http.StatusOK {
		t.Errorf("GET /sso/login = %d", got)
	}
}
