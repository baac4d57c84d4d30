package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kitbridge/kitbridge/internal/keyring"
)

// TestServeSaysWhatToDo: a start that cannot succeed names the key, what is wrong and what
// to do, and exits with 2 where starting again does not help.
func TestServeSaysWhatToDo(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	address := taken.Addr().String()
	tests := []struct {
		name    string
		prepare func(t *testing.T, dir string)
		config  string
		code    int
		want    []string
	}{
		{"public port taken", nil, "listen: '" + address + "'\nadmin: {listen: '127.0.0.1:0'}\n", exitFailed, []string{"kitbridge: listen: " + address + " is in use by another process", "choose another port"}},
		{"admin port taken", nil, "listen: '127.0.0.1:0'\nadmin: {listen: '" + address + "'}\n", exitFailed, []string{"kitbridge: admin.listen: " + address + " is in use"}},
		{"no folder for the database", nil, "database: sqlite:none/kb.db\n", exitConfig, []string{"kitbridge: database: there is no folder ", "/none; make it"}},
		{"a file for a folder", nil, "database: sqlite:kitbridge.yaml/kb.db\n", exitConfig, []string{"kitbridge: database: there is no folder "}},
		{"no folder for the key file", nil, "key_file: none/ring\n", exitConfig, []string{"kitbridge: key_file: ", "make its folder"}},
		{"no database", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "kitbridge.db"), strings.Repeat("no database at all\n", 100))
			writeRingFile(t, dir)
		}, "", exitConfig, []string{"kitbridge: database: ", "kitbridge.db is no SQLite database; correct the path"}},
		{"database without its key file", func(t *testing.T, dir string) { makeDatabase(t, dir); remove(t, dir, keyRingName) }, "", exitConfig, []string{"kitbridge: key_file: ", "put that file back"}},
		{"database of another key", func(t *testing.T, dir string) {
			makeDatabase(t, dir)
			remove(t, dir, keyRingName)
			writeRingFile(t, dir)
		}, "", exitConfig, []string{"kitbridge: key_file: ", "kitbridge.key: put the old key's line back"}},
		{"no configuration", func(t *testing.T, dir string) { remove(t, dir, configName) }, "", exitConfig, []string{"kitbridge.yaml: does not exist; kitbridge init makes one"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := filepath.Join(t.TempDir(), configName)
			writeFile(t, config, ok+test.config)
			if test.prepare != nil {
				test.prepare(t, filepath.Dir(config))
			}
			code, _, stderr := runHere(t, "serve", "--config", config)
			if code != test.code {
				t.Errorf("exit code = %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("stderr = %s\nwant in it %q", stderr, want)
				}
			}
		})
	}
}

// TestFaultsOfRights: root may do all, so these errors are made by hand.
func TestFaultsOfRights(t *testing.T) {
	t.Parallel()
	denied := fmt.Errorf("open: %w", &fs.PathError{Op: "open", Path: "/var/lib/kb", Err: syscall.EACCES})
	cfg := Config{Database: NewSecret("sqlite:/var/lib/kb/kb.db")}
	server := Config{Database: NewSecret("postgres://db.example/kb")}
	tests := []struct {
		name string
		err  error
		code int
		want string
	}{
		{"database", databaseFault(cfg, denied), exitConfig, "database: this user may not write /var/lib/kb/kb.db"},
		{"certificate of a server", databaseFault(server, denied), exitFailed, "permission denied"},
		{"key file", keyFault("/etc/kb/ring", denied), exitConfig, "key_file: /etc/kb/ring may not be read by this user"},
		{"no key file", keyFault("/etc/kb/ring", fmt.Errorf("key file: %w", fs.ErrNotExist)), exitConfig, "kitbridge: key_file: there is no file /etc/kb/ring; the database needs"},
		{"open key file", keyFault("/etc/kb/ring", errors.New("key file /etc/kb/ring: everybody may use it")), exitConfig, "kitbridge: key_file: /etc/kb/ring: everybody may use it\n"},
		{"port", listenFault("listen", ":80", os.NewSyscallError("bind", syscall.EACCES)), exitFailed, "listen: this user may not listen on :80"},
		{"address", listenFault("listen", "192.0.2.1:80", os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)), exitFailed, "listen: this machine has no address 192.0.2.1:80"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stderr strings.Builder
			if code := report(&stderr, test.err); code != test.code || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("exit %d, %s; want exit %d and %q", code, stderr.String(), test.code, test.want)
			}
		})
	}
	if databaseFault(cfg, nil) != nil || keyFault("", nil) != nil {
		t.Error("no error became one")
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func writeRingFile(t *testing.T, dir string) {
	t.Helper()
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.WriteNew(filepath.Join(dir, keyRingName)); err != nil {
		t.Fatal(err)
	}
}

// makeDatabase makes the database and the key file of a configuration.
func makeDatabase(t *testing.T, dir string) {
	t.Helper()
	if code, _, stderr := runHere(t, "migrate", "--config", filepath.Join(dir, configName)); code != exitOK {
		t.Fatalf("migrate: exit %d: %s", code, stderr)
	}
}
