package peers_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// server is one kind of directory server, with all that it can do.
type server struct {
	name      string
	start     func(*testing.T) *peers.Directory
	limit     int  // entries that another account gets from a search
	plainBind bool // without TLS
	certBind  bool // by client certificate
	socket    bool // ldapi://
	readOnly  bool
	stableIDs []string
}

func servers() []server {
	return []server{
		{
			name: "OpenLDAP",
			start: func(t *testing.T) *peers.Directory {
				return peers.Slapd(t, peers.SlapdOptions{TLS: true, NoSync: true})
			},
			limit: 500, plainBind: true, certBind: true, socket: true, readOnly: true, stableIDs: []string{"entryUUID"},
		},
		{
			name: "389DS",
			start: func(t *testing.T) *peers.Directory {
				return peers.DS389(t, peers.DS389Options{TLS: true, NoSync: true})
			},
			limit: 2000, plainBind: true, certBind: true, socket: true, readOnly: true, stableIDs: []string{"entryUUID", "nsUniqueId"},
		},
		{
			name: "Samba", start: func(t *testing.T) *peers.Directory { return peers.Samba(t) },
			stableIDs: []string{"objectGUID"},
		},
	}
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	for _, s := range servers() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			dir := s.start(t)
			checkLogins(t, s, dir)
			checkServiceAccount(t, s, dir)
			for _, id := range s.stableIDs {
				if v := read(t, dialTLS(t, dir, peers.AdminDN, peers.AdminPassword), peers.ServiceDN, id); len(v) != 1 {
					t.Errorf("%s = %q, want one value", id, v)
				}
			}
			if s.readOnly {
				checkReadOnly(t, dir)
			}
			checkRestart(t, dir)
		})
	}
}

func checkLogins(t *testing.T, s server, dir *peers.Directory) {
	t.Helper()
	if stranger, err := ldap.DialURL(dir.TLSURL()); err == nil {
		stranger.Close() //nolint:errcheck // the test has failed already
		t.Error("a client that does not know the authority connected")
	}
	plain := dialAnonymous(t, dir.URL())
	if err := plain.Bind(peers.ServiceDN, peers.ServicePassword); (err == nil) != s.plainBind {
		t.Errorf("bind without TLS: %v, want success: %v", err, s.plainBind)
	}
	upgraded := dialAnonymous(t, dir.URL())
	if err := upgraded.StartTLS(trusting(t, dir, false)); err != nil {
		t.Fatalf("StartTLS: %v", err)
	}
	if err := upgraded.Bind(peers.ServiceDN, peers.ServicePassword); err != nil {
		t.Errorf("bind after StartTLS: %v", err)
	}
	if s.certBind {
		conn, err := ldap.DialURL(dir.TLSURL(), ldap.DialWithTLSConfig(trusting(t, dir, true)))
		if err != nil {
			t.Fatal(err)
		}
		checkExternal(t, conn, "certificate")
	}
	if s.socket {
		path, err := url.PathUnescape(strings.TrimPrefix(dir.SocketURL(), "ldapi://"))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := ldap.DialURL("ldapi://" + path)
		if err != nil {
			t.Fatal(err)
		}
		checkExternal(t, conn, "socket")
	}
}

// checkExternal binds with SASL EXTERNAL and writes.
func checkExternal(t *testing.T, conn *ldap.Conn, by string) {
	t.Helper()
	defer conn.Close() //nolint:errcheck // end of test
	if err := conn.ExternalBind(); err != nil {
		t.Errorf("bind by %s: %v", by, err)
		return
	}
	add(t, conn, "ou=by "+by+","+peers.BaseDN)
	if err := conn.Del(ldap.NewDelRequest("ou=by "+by+","+peers.BaseDN, nil)); err != nil {
		t.Error(err)
	}
}

// checkServiceAccount writes, and reads more than another account would get.
func checkServiceAccount(t *testing.T, s server, dir *peers.Directory) {
	t.Helper()
	service := dialTLS(t, dir, peers.ServiceDN, peers.ServicePassword)
	before := len(children(t, service))
	for i := range s.limit + 10 {
		add(t, service, fmt.Sprintf("ou=unit%d,%s", i, peers.BaseDN))
	}
	if got, want := len(children(t, service)), before+s.limit+10; got != want {
		t.Errorf("the service account sees %d entries, want %d", got, want)
	}
	if err := dialAnonymous(t, dir.URL()).Add(newUnit("ou=x," + peers.BaseDN)); err == nil {
		t.Error("anybody may write")
	}
}

func checkReadOnly(t *testing.T, dir *peers.Directory) {
	t.Helper()
	dir.SetReadOnly(true)
	service := dialTLS(t, dir, peers.ServiceDN, peers.ServicePassword)
	if err := service.Add(newUnit("ou=refused," + peers.BaseDN)); !ldap.IsErrorWithCode(err, ldap.LDAPResultUnwillingToPerform) {
		t.Errorf("add in read-only mode: %v, want code 53", err)
	}
	dir.SetReadOnly(false)
	add(t, service, "ou=taken,"+peers.BaseDN)
}

func checkRestart(t *testing.T, dir *peers.Directory) {
	t.Helper()
	address, before := dir.TLSURL(), children(t, dialTLS(t, dir, peers.AdminDN, peers.AdminPassword))
	for name, down := range map[string]func(){"Stop": dir.Stop, "Kill": dir.Kill} {
		down()
		if conn, err := ldap.DialURL(dir.URL()); err == nil {
			conn.Close() //nolint:errcheck // the test has failed already
			t.Fatalf("something answers at %s after %s", dir.URL(), name)
		}
		dir.Start()
		if dir.TLSURL() != address {
			t.Errorf("after %s it is at %s, was at %s", name, dir.TLSURL(), address)
		}
		if diff := cmp.Diff(before, children(t, dialTLS(t, dir, peers.AdminDN, peers.AdminPassword))); diff != "" {
			t.Errorf("entries after %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestMembership(t *testing.T) {
	t.Parallel()
	slapd := func(o peers.SlapdOptions) func(*testing.T) *peers.Directory {
		return func(t *testing.T) *peers.Directory { o.TLS = true; return peers.Slapd(t, o) }
	}
	ds389 := func(o peers.DS389Options) func(*testing.T) *peers.Directory {
		return func(t *testing.T) *peers.Directory { o.TLS, o.NoSync = true, true; return peers.DS389(t, o) }
	}
	tests := []struct {
		name             string
		start            func(*testing.T) *peers.Directory
		memberOf, refInt bool
	}{
		{"OpenLDAP", slapd(peers.SlapdOptions{}), false, false},
		{"OpenLDAP memberof", slapd(peers.SlapdOptions{MemberOf: true}), true, true},
		{"OpenLDAP refint", slapd(peers.SlapdOptions{RefInt: true, NoSync: true}), false, true},
		{"389DS", ds389(peers.DS389Options{}), false, false},
		{"389DS memberof and refint", ds389(peers.DS389Options{MemberOf: true, RefInt: true}), true, true},
		{"Samba", func(t *testing.T) *peers.Directory { return peers.Samba(t) }, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tt.start(t)
			checkMembership(t, dialTLS(t, dir, peers.AdminDN, peers.AdminPassword), tt.name == "Samba", tt.memberOf, tt.refInt)
		})
	}
}

// checkMembership puts a user into a group and deletes the user.
func checkMembership(t *testing.T, conn *ldap.Conn, ad, memberOf, refInt bool) {
	t.Helper()
	user, group := "CN=zhang,"+peers.BaseDN, "CN=staff,"+peers.BaseDN
	person := ldap.NewAddRequest(user, nil)
	person.Attribute("sn", []string{"张"})
	staff := ldap.NewAddRequest(group, nil)
	staff.Attribute("member", []string{peers.ServiceDN, user})
	if ad {
		person.Attribute("objectClass", []string{"user"})
		staff.Attribute("objectClass", []string{"group"})
	} else {
		person.Attribute("objectClass", []string{"inetOrgPerson"})
		staff.Attribute("objectClass", []string{"groupOfNames"})
	}
	for _, request := range []*ldap.AddRequest{person, staff} {
		if err := conn.Add(request); err != nil {
			t.Fatalf("add %s: %v", request.DN, err)
		}
	}
	if got := len(read(t, conn, user, "memberOf")) == 1; got != memberOf {
		t.Errorf("the user has memberOf: %v, want %v", got, memberOf)
	}
	if err := conn.Del(ldap.NewDelRequest(user, nil)); err != nil {
		t.Fatalf("delete %s: %v", user, err)
	}
	want := 2
	if refInt {
		want = 1
	}
	var members []string
	if !eventually(t, func() bool { // refint of OpenLDAP works behind the answer
		members = read(t, conn, group, "member")
		return len(members) == want
	}) {
		t.Errorf("members after the user is deleted: %q, want %d", members, want)
	}
}

// trusting is the TLS configuration of a client that knows the authority.
func trusting(t *testing.T, dir *peers.Directory, withCertificate bool) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(dir.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(dir.TLSURL())
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: address.Hostname()}
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", dir.CAFile())
	}
	if withCertificate {
		certificate, err := tls.LoadX509KeyPair(dir.ClientCertificate())
		if err != nil {
			t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{certificate}
	}
	return cfg
}

// dialTLS binds over LDAPS.
func dialTLS(t *testing.T, dir *peers.Directory, dn, password string) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(dir.TLSURL(), ldap.DialWithTLSConfig(trusting(t, dir, false)))
	if err != nil {
		t.Fatalf("dial %s: %v", dir.TLSURL(), err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // end of test
	if err := conn.Bind(dn, password); err != nil {
		t.Fatalf("bind as %s: %v", dn, err)
	}
	return conn
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
	slices.Sort(dns)
	return dns
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
