package ldapsink_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestPublic: what a log may hear of an error says what happened, and names nobody.
func TestPublic(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{Access: []string{`to dn.regex="^uid=secretli,ou=people,.*" by * none`}})
	f.all() // the containers
	f.add("uid=secretwang,ou=people,"+root, "objectClass", "inetOrgPerson", "uid", "secretwang", "cn", "w", "sn", "w")
	long := strings.Repeat("😀", 62)
	tests := []struct {
		key  orgsync.Key
		want string
	}{
		{f.state.user("secretli", "李四", ""), "write access"},
		{f.state.user("secretwang", "王五", ""), "not ours"},
		{f.state.department(long, "长", ""), "245"},
	}
	results, _ := f.converge(f.state.keys()...)
	for _, tt := range tests {
		checkPublic(t, results[tt.key].Err, tt.want)
	}

	f.sink = f.open(func(c *ldapsink.Config) { c.BaseDN = "ou=secret," + peers.BaseDN })
	_, err := f.sink.Converge(t.Context(), f.state, f.state.keys())
	checkPublic(t, err, "base_dn")
	f.sink = f.open(func(c *ldapsink.Config) { c.BindPassword = "secret" })
	_, err = f.sink.Converge(t.Context(), f.state, f.state.keys())
	checkPublic(t, err, "bind_password")
}

func checkPublic(t *testing.T, err error, want string) {
	t.Helper()
	public, ok := errors.AsType[interface {
		error
		Public() string
	}](err)
	if !ok {
		t.Errorf("%v has no Public", err)
		return
	}
	text := public.Public()
	for _, never := range []string{"secret", "dc=", "ou=", "uid=", "😀", "127.0.0.1"} {
		if strings.Contains(text, never) {
			t.Errorf("Public() = %q names %q", text, never)
		}
	}
	if !strings.Contains(text, want) {
		t.Errorf("Public() = %q, want it to say %q", text, want)
	}
}
