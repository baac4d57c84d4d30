//go:build integration

package integration_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// exits runs kitbridge beside a bridge and wants an exit code; it returns what is printed.
func (b *bridge) exits(t testing.TB, want int, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), binary, append(args, "--config", filepath.Join(b.dir, "kitbridge.yaml"))...)
	c.Dir = b.dir
	out, err := c.CombinedOutput()
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if code != want {
		t.Errorf("kitbridge %s: exit %d, want %d\n%s", strings.Join(args, " "), code, want, out)
	}
	return string(out)
}

// TestPlanAndReconcile: through the binary, beside a running serve: of equal sinks the plan
// is empty; what was done by hand to directory and tables is named and healed.
func TestPlanAndReconcile(t *testing.T) {
	t.Parallel()
	directory, database := peers.Slapd(t, peers.SlapdOptions{MemberOf: true, RefInt: true}).URL(), peers.MariaDB(t).Product()
	s := startScene(t, directory, database)
	b := smallBuyer("33333333333333333333333333333333")
	s.deliver(t, b.binding(t, anHourAgo())...)
	s.settles(t, 20*time.Second, b)
	s.exits(t, 0, "plan")

	conn, err := ldap.DialURL(directory)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // it ends with the test
	people := "ou=people,ou=33333333333333333333333333333333," + peers.BaseDN
	if err := errors.Join(
		conn.Bind(peers.AdminDN, peers.AdminPassword),
		conn.Del(ldap.NewDelRequest("uid=zhang,"+people, nil)),
		conn.ModifyDN(ldap.NewModifyDNRequest("uid=li,"+people, "uid=lo", true, "")),
	); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tables.ExecContext(t.Context(), "DELETE FROM kit_user WHERE user_name = 'wang'"); err != nil {
		t.Fatal(err)
	}
	text := s.exits(t, 3, "plan")
	for _, want := range []string{"add     user zhang  uid=zhang,", "rename  user li  uid=lo,", "insert  user wang  kit_user"} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan lacks %q:\n%s", want, text)
		}
	}
	file := filepath.Join(t.TempDir(), "plan.json")
	s.exits(t, 3, "plan", "--format", "json", "--out", file)
	s.exits(t, 0, "reconcile", "--plan-file", file)
	s.exits(t, 0, "plan")
	s.exits(t, 1, "reconcile", "--plan-file", file) // it is not true any more
	s.settles(t, 20*time.Second, b)
}
