//go:build integration

package integration_test

import (
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// entry is the user attributes of a directory entry, each with its values in
// order of the alphabet, as they are a set.
type entry map[string][]string

// openDirectory binds as peers.AdminDN, to whom all of our directories open.
func openDirectory(t testing.TB, url string) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(url)
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // end of test
	if err := conn.Bind(peers.AdminDN, peers.AdminPassword); err != nil {
		t.Fatalf("bind at %s: %v", url, err)
	}
	return conn
}

// readDirectory returns everything below and with base, by DN as the server
// writes it; nothing if there is no such entry.
func readDirectory(t testing.TB, url, base string) map[string]entry {
	t.Helper()
	conn := openDirectory(t, url)
	defer conn.Close() //nolint:errcheck // only read
	return search(t, conn, base, "*")
}

// search returns attributes of everything below and with base.
func search(t testing.TB, conn *ldap.Conn, base string, attributes ...string) map[string]entry {
	t.Helper()
	found, err := conn.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", attributes, nil))
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil
	}
	if err != nil {
		t.Fatalf("search %s: %v", base, err)
	}
	entries := map[string]entry{}
	for _, e := range found.Entries {
		entries[e.DN] = entry{}
		for _, a := range e.Attributes {
			entries[e.DN][a.Name] = slices.Sorted(slices.Values(a.Values))
		}
	}
	return entries
}

// directories are the OpenLDAPs that scenarios run against: as packaged in a
// container, and as a private process that a test can also stop and kill.
func directories() []struct {
	name  string
	start func(*testing.T) (url string)
} {
	return []struct {
		name  string
		start func(*testing.T) (url string)
	}{
		{"container", func(t *testing.T) string { t.Helper(); return peers.SlapdContainer(t).URL() }},
		{"process", func(t *testing.T) string {
			t.Helper()
			return peers.Slapd(t, peers.SlapdOptions{MemberOf: true}).URL()
		}},
	}
}

func TestDirectoriesBeginAlike(t *testing.T) {
	t.Parallel()
	want := map[string]entry{
		peers.BaseDN: {
			"objectClass": {"dcObject", "organization"}, "dc": {"example"}, "o": {"Example"},
		},
		"ou=services," + peers.BaseDN: {
			"objectClass": {"organizationalUnit"}, "ou": {"services"},
		},
		peers.ServiceDN: {
			"objectClass": {"organizationalRole", "simpleSecurityObject"}, "cn": {"kitbridge"},
			"userPassword": {peers.ServicePassword},
		},
	}
	for _, d := range directories() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, readDirectory(t, d.start(t), peers.BaseDN)); diff != "" {
				t.Errorf("a new directory (-want +got):\n%s", diff)
			}
		})
	}
}
