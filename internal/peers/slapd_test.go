package peers_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

func TestSlapdKeepsDataAndPort(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		down func(*peers.Directory)
	}{
		{"stop", func(d *peers.Directory) { d.Stop() }},
		{"kill", func(d *peers.Directory) { d.Kill() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := peers.Slapd(t, peers.SlapdOptions{})
			url := dir.URL()
			add(t, dial(t, url, peers.AdminDN, peers.AdminPassword), "ou=kept,"+peers.BaseDN)

			tt.down(dir)
			if conn, err := ldap.DialURL(url); err == nil {
				conn.Close() //nolint:errcheck // the test has failed already
				t.Fatalf("something answers at %s although slapd is down", url)
			}
			dir.Start()
			if dir.URL() != url {
				t.Errorf("after the restart URL() = %s, want %s", dir.URL(), url)
			}
			got := children(t, dial(t, url, peers.AdminDN, peers.AdminPassword))
			want := []string{"ou=kept," + peers.BaseDN, "ou=services," + peers.BaseDN}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("entries after the restart (-want +got):\n%s", diff)
			}
		})
	}
}

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

func TestServiceAccount(t *testing.T) {
	t.Parallel()
	dir := peers.Slapd(t, peers.SlapdOptions{
		Access: []string{`to dn.subtree="ou=hr,` + peers.BaseDN + `" by * none`},
	})
	admin := dial(t, dir.URL(), peers.AdminDN, peers.AdminPassword)
	add(t, admin, "ou=hr,"+peers.BaseDN)

	service := dial(t, dir.URL(), peers.ServiceDN, peers.ServicePassword)
	for i := range 600 { // beyond slapd's limit of 500 entries to a search
		add(t, service, fmt.Sprintf("ou=unit%d,%s", i, peers.BaseDN))
	}
	got := children(t, service)
	if len(got) != 601 { // the units and ou=services
		t.Errorf("the service account sees %d entries, want 601", len(got))
	}
	err := service.Add(newUnit("ou=secret,ou=hr," + peers.BaseDN))
	if !ldap.IsErrorAnyOf(err, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultNoSuchObject) {
		t.Errorf("add below ou=hr, which an extra rule closes: %v, want a refusal", err)
	}
	if err := dialAnonymous(t, dir.URL()).Add(newUnit("ou=x," + peers.BaseDN)); err == nil {
		t.Error("anybody may write")
	}
}

func TestSlapdOverlays(t *testing.T) {
	t.Parallel()
	user := "cn=zhang," + peers.BaseDN
	group := "cn=staff," + peers.BaseDN
	tests := []struct {
		name                 string
		options              peers.SlapdOptions
		memberOf, afterwards []string
	}{
		{"none", peers.SlapdOptions{}, nil, []string{peers.AdminDN, user}},
		{"memberof", peers.SlapdOptions{MemberOf: true}, []string{group}, []string{peers.AdminDN}},
		{"refint", peers.SlapdOptions{RefInt: true, NoSync: true}, nil, []string{peers.AdminDN}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, peers.Slapd(t, tt.options).URL(), peers.AdminDN, peers.AdminPassword)
			person := ldap.NewAddRequest(user, nil)
			person.Attribute("objectClass", []string{"person"})
			person.Attribute("sn", []string{"张"})
			staff := ldap.NewAddRequest(group, nil)
			staff.Attribute("objectClass", []string{"groupOfNames"})
			staff.Attribute("member", []string{peers.AdminDN, user})
			for _, request := range []*ldap.AddRequest{person, staff} {
				if err := conn.Add(request); err != nil {
					t.Fatalf("add %s: %v", request.DN, err)
				}
			}
			if diff := cmp.Diff(tt.memberOf, read(t, conn, user, "memberOf")); diff != "" {
				t.Errorf("memberOf (-want +got):\n%s", diff)
			}
			if err := conn.Del(ldap.NewDelRequest(user, nil)); err != nil {
				t.Fatalf("delete %s: %v", user, err)
			}
			var diff string
			if !eventually(t, func() bool { // refint works behind the answer
				diff = cmp.Diff(tt.afterwards, read(t, conn, group, "member"))
				return diff == ""
			}) {
				t.Errorf("member after the user is deleted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSlapdTLS(t *testing.T) {
	t.Parallel()
	dir := peers.Slapd(t, peers.SlapdOptions{TLS: true})
	pem, err := os.ReadFile(dir.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", dir.CAFile())
	}
	trusting := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}

	conn, err := ldap.DialURL(dir.TLSURL(), ldap.DialWithTLSConfig(trusting))
	if err != nil {
		t.Fatalf("dial %s: %v", dir.TLSURL(), err)
	}
	defer conn.Close() //nolint:errcheck // end of test
	if err := conn.Bind(peers.ServiceDN, peers.ServicePassword); err != nil {
		t.Errorf("bind over LDAPS: %v", err)
	}
	if err := dialAnonymous(t, dir.URL()).StartTLS(trusting); err != nil {
		t.Errorf("StartTLS: %v", err)
	}
	if stranger, err := ldap.DialURL(dir.TLSURL()); err == nil {
		stranger.Close() //nolint:errcheck // the test has failed already
		t.Error("a client that does not know the authority connected")
	}
	if plain := peers.Slapd(t, peers.SlapdOptions{}); plain.TLSURL() != "" || plain.CAFile() != "" {
		t.Errorf("without TLS: TLSURL() = %q, CAFile() = %q, want both empty", plain.TLSURL(), plain.CAFile())
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

func dialAnonymous(t *testing.T, url string) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(url)
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // end of test
	return conn
}

func dial(t *testing.T, url, dn, password string) *ldap.Conn {
	t.Helper()
	conn := dialAnonymous(t, url)
	if err := conn.Bind(dn, password); err != nil {
		t.Fatalf("bind as %s: %v", dn, err)
	}
	return conn
}

func newUnit(dn string) *ldap.AddRequest {
	request := ldap.NewAddRequest(dn, nil)
	request.Attribute("objectClass", []string{"organizationalUnit"})
	return request
}

func add(t *testing.T, conn *ldap.Conn, dn string) {
	t.Helper()
	if err := conn.Add(newUnit(dn)); err != nil {
		t.Fatalf("add %s: %v", dn, err)
	}
}

// children returns the DNs of the entries right below the base, sorted.
func children(t *testing.T, conn *ldap.Conn) []string {
	t.Helper()
	result, err := conn.Search(ldap.NewSearchRequest(peers.BaseDN, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"1.1"}, nil))
	if err != nil {
		t.Fatalf("search below %s: %v", peers.BaseDN, err)
	}
	var dns []string
	for _, entry := range result.Entries {
		dns = append(dns, entry.DN)
	}
	return sorted(dns)
}

// read returns the values of one attribute, sorted; nil if it has none.
func read(t *testing.T, conn *ldap.Conn, dn, attribute string) []string {
	t.Helper()
	result, err := conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{attribute}, nil))
	if err != nil {
		t.Fatalf("read %s: %v", dn, err)
	}
	if values := result.Entries[0].GetAttributeValues(attribute); len(values) > 0 {
		return sorted(values)
	}
	return nil
}
