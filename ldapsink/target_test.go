package ldapsink_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
)

// target is a kind of server, with what an outsider knows of it.
type target struct {
	name    string
	start   func(testing.TB) *peers.Directory // nil in memory
	dialect ldapsink.Dialect
	// apart: disabled users stand apart. inPlace says of an entry that it is disabled.
	apart    bool
	inPlace  func(entry map[string][]string) bool
	userRDN  string
	group    string // object class
	folding  ldapsink.Folding
	nobody   bool // a group has at least the placeholder
	late     bool // groups follow moved entries after the answer
	memberOf bool // the server keeps the groups of a user in the user's entry
	steps    int  // of a history
	locked   bool // all accounts stay disabled
	large    int  // members of a large group; 0: not in the suite
	slow     bool // each case of the suite once
	ascii    bool // names of users are ASCII (389DS's plug-in 7-bit check)
}

func targets() []target {
	return []target{
		{
			name: "memory", steps: 100, large: 1000, dialect: ldapsink.OpenLDAP, apart: true, userRDN: "uid", group: "groupOfNames", nobody: true,
			start: func(testing.TB) *peers.Directory { return nil },
		},
		{
			name: "OpenLDAP", steps: 40, large: 5000, dialect: ldapsink.OpenLDAP, apart: true, userRDN: "uid", group: "groupOfNames", nobody: true,
			start: func(t testing.TB) *peers.Directory { return peers.Slapd(t, peers.SlapdOptions{NoSync: true}) },
		},
		{
			name: "OpenLDAP with overlays", memberOf: true, late: true, steps: 40, large: 500, slow: true, dialect: ldapsink.OpenLDAP, apart: true, userRDN: "uid", group: "groupOfNames", nobody: true,
			start: func(t testing.TB) *peers.Directory {
				return peers.Slapd(t, peers.SlapdOptions{NoSync: true, RefInt: true, MemberOf: true})
			},
		},
		{
			name: "389DS", steps: 40, large: 5000, slow: true, dialect: ldapsink.DirectoryServer389, userRDN: "uid", group: "groupOfNames", folding: ldapsink.FoldCase, ascii: true,
			start: func(t testing.TB) *peers.Directory { return peers.DS389(t, peers.DS389Options{NoSync: true}) },
			inPlace: func(e map[string][]string) bool {
				return len(e["nsAccountLock"]) == 1 && e["nsAccountLock"][0] == "true"
			},
		},
		{
			name: "389DS with memberOf", memberOf: true, steps: 40, dialect: ldapsink.DirectoryServer389, userRDN: "uid", group: "groupOfNames",
			folding: ldapsink.FoldCase, ascii: true,
			start: func(t testing.TB) *peers.Directory {
				return peers.DS389(t, peers.DS389Options{NoSync: true, MemberOf: true})
			},
			inPlace: func(e map[string][]string) bool {
				return len(e["nsAccountLock"]) == 1 && e["nsAccountLock"][0] == "true"
			},
		},
		{
			name: "Samba", memberOf: true, steps: 20, large: sambaMembers(), slow: true, dialect: ldapsink.ActiveDirectory, locked: true, userRDN: "cn", group: "group", folding: ldapsink.FoldCase,
			start: func(t testing.TB) *peers.Directory { return peers.Samba(t) },
			inPlace: func(e map[string][]string) bool {
				return len(e["userAccountControl"]) == 1 && isOff(e["userAccountControl"][0])
			},
		},
	}
}

// sambaMembers is how many members the large group has on Samba, which adds some ten to a
// hundred users a second; KITBRIDGE_SAMBA_MEMBERS says how many in a longer run.
func sambaMembers() int {
	if n, err := strconv.Atoi(os.Getenv("KITBRIDGE_SAMBA_MEMBERS")); err == nil {
		return n
	}
	return 60
}

func isOff(control string) bool {
	var bits int
	_, err := fmt.Sscan(control, &bits)
	return err == nil && bits&2 != 0
}

// secure is the address and the TLS settings that a client of the server uses.
func secure(tb testing.TB, dir *peers.Directory) (string, *tls.Config) {
	tb.Helper()
	if dir == nil {
		return "", nil
	}
	if dir.CAFile() == "" {
		return dir.URL(), nil
	}
	pem, err := os.ReadFile(dir.CAFile())
	if err != nil {
		tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return dir.TLSURL(), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// newTargetFixture is a sink on a server of that kind.
func newTargetFixture(t testing.TB, kind target, change ...func(*ldapsink.Config)) *fixture {
	t.Helper()
	f := emptyFixture(t, kind.start(t))
	f.sink = f.open(change...)
	return f
}

// dial connects as the administrator.
func dial(tb testing.TB, dir *peers.Directory) *ldap.Conn {
	tb.Helper()
	address, config := secure(tb, dir)
	var options []ldap.DialOpt
	if config != nil {
		options = append(options, ldap.DialWithTLSConfig(config))
	}
	conn, err := ldap.DialURL(address, options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind(peers.AdminDN, peers.AdminPassword); err != nil {
		tb.Fatal(err)
	}
	return conn
}
