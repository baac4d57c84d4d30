package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// findProgram returns the path of a server's program. Administrators' programs
// stand in directories that an ordinary user's PATH leaves out, and PostgreSQL's
// in one per version, so these are looked at too. The error names the Debian
// package to install.
func findProgram(name, debianPackage string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, pattern := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/lib/postgresql/*/bin"} {
		found, err := filepath.Glob(filepath.Join(pattern, name))
		if err != nil || len(found) == 0 {
			continue
		}
		return found[len(found)-1], nil
	}
	return "", fmt.Errorf("%s is not installed, and this test needs the real server: apt-get install %s", name, debianPackage)
}

// privateDir makes a directory for one server, owned by the account that will
// run it. testing.TB's own directories do not serve: their parents are closed
// to other accounts, which servers that refuse to be root need, and their names
// are long, while that of a Unix socket must stay below 108 bytes.
func privateDir(name, account string) (string, error) {
	dir, err := os.MkdirTemp("", "kitbridge-"+name+"-")
	if err != nil {
		return "", fmt.Errorf("make directory for %s: %w", name, err)
	}
	if err := giveTo(dir, account); err != nil {
		return "", fmt.Errorf("give %s to %s: %w", dir, account, err)
	}
	return dir, nil
}

// mustFind is findProgram for a test.
func mustFind(tb testing.TB, name, debianPackage string) string {
	tb.Helper()
	path, err := findProgram(name, debianPackage)
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// mustDir is privateDir for a test, removed at its end.
func mustDir(tb testing.TB, name, account string) string {
	tb.Helper()
	dir, err := privateDir(name, account)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { removeAll(tb, dir) })
	return dir
}

// removeAll is for cleanups: what is left behind is worth a line, not a failure.
func removeAll(tb testing.TB, dir string) {
	if err := os.RemoveAll(dir); err != nil {
		tb.Logf("remove %s: %v", dir, err)
	}
}
