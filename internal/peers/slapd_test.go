package peers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
)

func TestSlapdLimitsOpenFiles(t *testing.T) {
	t.Parallel()
	dir := peers.Slapd(t, peers.SlapdOptions{})
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", dir.PID()))
	if err != nil {
		t.Skipf("only Linux shows the limits of a process: %v", err)
	}
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if soft := strings.Fields(rest)[0]; soft != "1024" {
				t.Errorf("slapd may open %s files, want 1024", soft)
			}
		}
	}
}

func TestSlapdAccess(t *testing.T) {
	t.Parallel()
	dir := peers.Slapd(t, peers.SlapdOptions{
		Access: []string{`to dn.subtree="ou=hr,` + peers.BaseDN + `" by * none`},
	})
	add(t, dial(t, dir.URL(), peers.AdminDN, peers.AdminPassword), "ou=hr,"+peers.BaseDN)
	service := dial(t, dir.URL(), peers.ServiceDN, peers.ServicePassword)
	err := service.Add(newUnit("ou=secret,ou=hr," + peers.BaseDN))
	if !ldap.IsErrorAnyOf(err, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultNoSuchObject) {
		t.Errorf("add below ou=hr, which an extra rule closes: %v, want a refusal", err)
	}
	if dir.TLSURL() != "" || dir.CAFile() != "" {
		t.Errorf("without TLS: TLSURL() = %q, CAFile() = %q, want both empty", dir.TLSURL(), dir.CAFile())
	}
}

func TestMissingServerNamesItsPackage(t *testing.T) {
	t.Parallel()
	_, err := peers.FindProgram("no-such-directory-server", "no-such-package")
	if err == nil || !strings.Contains(err.Error(), "apt-get install no-such-package") {
		t.Errorf("FindProgram of a missing server = %v, want an error that says what to install", err)
	}
}

func TestFindProgramLooksBeyondPath(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, name := range []string{"slapd", "initdb"} {
		path, err := peers.FindProgram(name, name)
		if err != nil {
			t.Error(err)
		}
		if filepath.Base(path) != name {
			t.Errorf("FindProgram(%q) = %q", name, path)
		}
	}
}
