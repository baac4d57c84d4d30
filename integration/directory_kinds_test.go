//go:build integration

package integration_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// directoryKind is a kind of directory server with what its own documentation, and ours,
// say of entries in it.
type directoryKind struct {
	name     string
	start    func(testing.TB) *peers.Directory
	userRDN  string
	isApart  bool // disabled users stand below ou=disabled
	isAD     bool
	memberOf bool // the server keeps the groups of a user in the user's entry
	mailIA5  bool // mail is ASCII (RFC 4524, section 2.16)
	fold     func(string) string
}

// directoryKinds are the families of servers that kitbridge keeps.
func directoryKinds() []directoryKind {
	lower := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }
	return []directoryKind{
		{
			name: "openldap", userRDN: "uid", isApart: true, memberOf: true, mailIA5: true,
			fold: func(s string) string { return lower(norm.NFKC.String(s)) },
			start: func(t testing.TB) *peers.Directory {
				return peers.Slapd(t, peers.SlapdOptions{MemberOf: true, NoSync: true})
			},
		},
		{
			name: "389ds", userRDN: "uid", memberOf: true, mailIA5: true, fold: lower,
			start: func(t testing.TB) *peers.Directory {
				d := peers.DS389(t, peers.DS389Options{MemberOf: true, NoSync: true})
				without7BitCheck(t, d)
				return d
			},
		},
		{
			name: "samba", userRDN: "cn", isAD: true, memberOf: true, fold: lower,
			start: func(t testing.TB) *peers.Directory { return peers.Samba(t) },
		},
	}
}

// without7BitCheck switches the plug-in off that refuses Chinese user names, as our page
// about 389 Directory Server says.
func without7BitCheck(t testing.TB, d *peers.Directory) {
	t.Helper()
	conn := dialDirectory(t, d)
	off := ldap.NewModifyRequest("cn=7-bit check,cn=plugins,cn=config", nil)
	off.Replace("nsslapd-pluginEnabled", []string{"off"})
	if err := conn.Modify(off); err != nil {
		t.Fatal(err)
	}
	d.Stop()
	d.Start()
}

// dialDirectory connects as the administrator, over TLS where the server wants it.
func dialDirectory(t testing.TB, d *peers.Directory) *ldap.Conn {
	t.Helper()
	address, options := d.URL(), []ldap.DialOpt(nil)
	if d.CAFile() != "" {
		pem, err := os.ReadFile(d.CAFile())
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		address, options = d.TLSURL(), []ldap.DialOpt{ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})}
	}
	conn, err := ldap.DialURL(address, options...)
	if err != nil {
		t.Fatalf("dial %s: %v", address, err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // end of test
	if err := conn.Bind(peers.AdminDN, peers.AdminPassword); err != nil {
		t.Fatalf("bind at %s: %v", address, err)
	}
	return conn
}

// directorySink is a sink for one directory, to stand below "sinks:".
func directorySink(name string, d *peers.Directory, layout, more string) string {
	address := d.URL()
	if d.CAFile() != "" {
		address = d.TLSURL()
		more += fmt.Sprintf(", ca_file: %q", d.CAFile())
	}
	return fmt.Sprintf("  - {name: %s, type: ldap, url: %q, bind_dn: %q, bind_password: %q, base_dn: %q, tenants: [\"*\"], layout: %s%s}\n",
		name, address, peers.ServiceDN, peers.ServicePassword, peers.BaseDN, layout, more)
}

// holding is what a tenant's subtree holds, by the ids of users and departments.
type holding struct {
	Name        string // of the tenant
	Users       map[string]holdingUser
	Departments map[string]holdingDepartment
	Groups      []string
}

type holdingUser struct {
	Place  string // as plain
	Off    bool   // switched off where it stands
	Values map[string]string
	Groups []string
}

type holdingDepartment struct{ Place, Name string }

// userAttributes are the attributes of users that we keep, but the RDN and those that have
// the same values as others.
func userAttributes() []string {
	return []string{"sn", "displayName", "o", "departmentNumber", "title", "employeeNumber", "employeeType", "mobile", "mail", "physicalDeliveryOfficeName"}
}

// readPaged returns all entries below and with a base, nothing if there is no such entry.
func readPaged(t testing.TB, conn *ldap.Conn, base string, attributes ...string) []*ldap.Entry {
	t.Helper()
	found, err := conn.SearchWithPaging(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", attributes, nil), 500)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil
	}
	if err != nil {
		t.Fatalf("search %s: %v", base, err)
	}
	return found.Entries
}

// readHolding reads a tenant's subtree as an address book would: users by uid, departments
// by businessCategory, groups by cn. What others made, as isTheirs says by the plain name, is
// left out.
func (k directoryKind) readHolding(t testing.TB, conn *ldap.Conn, tenant string, isTheirs func(string) bool) holding {
	t.Helper()
	root := "ou=" + tenant + "," + peers.BaseDN
	s := holding{Users: map[string]holdingUser{}, Departments: map[string]holdingDepartment{}}
	who := map[string]string{} // users by their place, folded
	var groups []*ldap.Entry
	memberOf := map[string][]string{}
	for _, e := range readPaged(t, conn, root, "*", "memberOf", "nsAccountLock") {
		at := plainName(t, e.DN, root)
		classes := strings.ToLower(strings.Join(e.GetAttributeValues("objectClass"), " ") + " ")
		isUser := strings.Contains(classes, "inetorgperson ") || strings.Contains(classes, " user ")
		switch {
		case isTheirs(at):
		case at == "":
			s.Name = e.GetAttributeValue("description")
		case isUser:
			uid := e.GetAttributeValue("uid")
			if _, twice := s.Users[uid]; twice {
				t.Fatalf("there are two entries of user %q", uid)
			}
			s.Users[uid] = k.userOf(at, e)
			who[k.fold(at)] = uid
			for _, g := range e.GetAttributeValues("memberOf") {
				memberOf[uid] = append(memberOf[uid], plainName(t, g, root))
			}
		case strings.HasPrefix(at, "cn=") && (strings.HasSuffix(at, "< ou=groups") || strings.HasSuffix(at, "< ou=roles")):
			groups = append(groups, e)
			s.Groups = append(s.Groups, at)
		case e.GetAttributeValue("businessCategory") != "":
			s.Departments[e.GetAttributeValue("businessCategory")] = holdingDepartment{at, e.GetAttributeValue("description")}
		}
	}
	for _, g := range groups {
		at := plainName(t, g.DN, root)
		for _, member := range g.GetAttributeValues("member") {
			name := plainName(t, member, root)
			uid, isUser := who[k.fold(name)]
			switch {
			case isUser:
				u := s.Users[uid]
				u.Groups = append(u.Groups, at)
				s.Users[uid] = u
			case name != "cn=nobody" && !isTheirs(name):
				s.Groups = append(s.Groups, at+" has "+name)
			}
		}
	}
	for uid, u := range s.Users {
		slices.Sort(u.Groups)
		u.Groups = slices.Compact(u.Groups)
		s.Users[uid] = u
		slices.Sort(memberOf[uid])
		if k.memberOf && !slices.EqualFunc(memberOf[uid], u.Groups, func(a, b string) bool { return k.fold(a) == k.fold(b) }) {
			s.Groups = append(s.Groups, fmt.Sprintf("memberOf of %s says %q, the groups %q", uid, memberOf[uid], u.Groups))
		}
	}
	slices.Sort(s.Groups)
	return s
}

func (k directoryKind) userOf(at string, e *ldap.Entry) holdingUser {
	u := holdingUser{Place: at, Values: map[string]string{}}
	for _, name := range userAttributes() {
		if values := e.GetAttributeValues(name); len(values) > 0 {
			u.Values[name] = strings.Join(values, " | ")
		}
	}
	switch {
	case k.isAD:
		control, _ := strconv.Atoi(e.GetAttributeValue("userAccountControl"))
		u.Off = control&2 != 0
	case !k.isApart:
		u.Off = e.GetAttributeValue("nsAccountLock") == "true"
	}
	return u
}
