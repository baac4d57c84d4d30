package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// DS389Options is what a test may want of its 389 Directory Server. The zero
// value is the server as its installer makes it: no memberOf, no referential
// integrity, and the 7-bit check of uid and mail, which refuses Chinese ones.
type DS389Options struct {
	// MemberOf keeps the attribute memberOf of users equal to the groups.
	MemberOf bool
	// RefInt removes a deleted entry's DN from the groups and follows a renamed
	// one, before the server answers.
	RefInt bool
	// TLS offers StartTLS on the plain port and LDAPS on another, with a
	// certificate for localhost and 127.0.0.1 from an authority of its own.
	TLS bool
	// NoSync does not wait for the disk. Faster; data still survives Kill, but
	// not a power failure.
	NoSync bool
}

// DS389 starts a 389 Directory Server for the duration of the test, which takes
// about a second. It is none of the machine's instances: all its files are in a
// directory of its own, and the installer, which would register it, is not used.
func DS389(tb testing.TB, options DS389Options) *Directory {
	tb.Helper()
	path := mustFind(tb, "ns-slapd", "389-ds-base")
	dir := mustDir(tb, "389ds", "")
	d := &Directory{socket: filepath.Join(runDir(dir), "ldapi"), readOnly: ds389ReadOnly}
	if err := prepareDS389(tb.Context(), dir, options.TLS, &d.certificates); err != nil {
		tb.Fatal(err)
	}
	d.Process = newProcess(tb, Program{
		Name:    "ns-slapd",
		Dir:     dir,
		Ready:   func(context.Context) error { return d.ready() },
		patient: true,
	})
	conf := filepath.Join(dir, "conf")
	d.begin(options.TLS, func() []string {
		if err := writeDS389Config(conf, d, options); err != nil {
			tb.Fatal(err)
		}
		// -d keeps it in the foreground.
		return []string{path, "-d", "0", "-D", conf, "-i", filepath.Join(runDir(dir), "pid")}
	})
	if err := seedDS389(d); err != nil {
		tb.Fatalf("fill 389 Directory Server: %v", err)
	}
	return d
}

// Where the Debian package keeps what an instance is made of.
const (
	ds389Data   = "/usr/share/dirsrv/data"
	ds389Config = "/etc/dirsrv"
)

// prepareDS389 makes what an instance needs beside its configuration.
func prepareDS389(ctx context.Context, dir string, withTLS bool, into *certificates) (err error) {
	for _, name := range []string{"conf/schema", "db", "run", "lock", "logs", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	for from, to := range map[string]string{
		"schema/99user.ldif": "conf/schema/99user.ldif", "config/slapd-collations.conf": "conf/slapd-collations.conf",
		"config/certmap.conf": "conf/certmap.conf", // a client certificate stands for the entry that its subject names
	} {
		if err := copyFile(filepath.Join(dir, to), filepath.Join(ds389Config, from)); err != nil {
			return err
		}
	}
	if !withTLS {
		return nil
	}
	if *into, err = writeCertificates(dir, loopback); err != nil {
		return err
	}
	return importCertificates(ctx, dir)
}

// importCertificates puts the certificates into the server's NSS database.
func importCertificates(ctx context.Context, dir string) error {
	for _, args := range [][]string{
		{"certutil", "-N", "--empty-password", "-d", "conf"},
		{"certutil", "-A", "-d", "conf", "-n", "authority", "-t", "CT,,", "-a", "-i", caName},
		{"openssl", "pkcs12", "-export", "-in", certName, "-inkey", keyName, "-name", "Server-Cert", "-passout", "pass:", "-out", "server.p12"},
		{"pk12util", "-i", "server.p12", "-d", "conf", "-W", "", "-K", ""},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // our own arguments
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s (Debian packages libnss3-tools and openssl): %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// seedDS389 adds the entries every directory begins with.
func seedDS389(d *Directory) error {
	conn, err := ldap.DialURL("ldapi://" + d.socket)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it has served its purpose
	if err := conn.Bind(AdminDN, AdminPassword); err != nil {
		return err
	}
	all := `(targetattr="*")(version 3.0; acl "kitbridge may do everything"; allow (all) userdn="ldap:///` + ServiceDN + `";)`
	read := `(targetattr!="userPassword")(version 3.0; acl "Users may read"; allow (read, search, compare) userdn="ldap:///all";)`
	for _, e := range []struct {
		dn         string
		attributes [][2]string
	}{
		{BaseDN, [][2]string{{"objectClass", "domain"}, {"dc", "example"}, {"aci", all}, {"aci", read}}},
		{"ou=services," + BaseDN, [][2]string{{"objectClass", "organizationalUnit"}, {"ou", "services"}}},
		{ServiceDN, [][2]string{
			{"objectClass", "organizationalRole"},
			{"objectClass", "simpleSecurityObject"},
			{"cn", "kitbridge"},
			{"userPassword", ServicePassword},
			{"nsSizeLimit", "-1"},
			{"nsTimeLimit", "-1"},
			{"nsLookThroughLimit", "-1"},
			{"nsIdleTimeout", "-1"},
			{"nsPagedSizeLimit", "-1"},
			{"nsPagedLookThroughLimit", "-1"},
		}},
	} {
		if err := conn.Add(addRequest(e.dn, e.attributes)); err != nil {
			return fmt.Errorf("add %s: %w", e.dn, err)
		}
	}
	return nil
}

// addRequest joins values of the same attribute.
func addRequest(dn string, attributes [][2]string) *ldap.AddRequest {
	request := ldap.NewAddRequest(dn, nil)
	for i := 0; i < len(attributes); {
		name, n := attributes[i][0], i
		var values []string
		for ; n < len(attributes) && attributes[n][0] == name; n++ {
			values = append(values, attributes[n][1])
		}
		request.Attribute(name, values)
		i = n
	}
	return request
}

func ds389ReadOnly(conn *ldap.Conn, on bool) error {
	if err := conn.Bind(AdminDN, AdminPassword); err != nil {
		return err
	}
	return setBoolean(conn, "cn=config", "nsslapd-readonly", onOff(on))
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func copyFile(to, from string) error {
	content, err := os.ReadFile(from) //nolint:gosec // our own arguments
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600) //nolint:gosec // our own arguments
}

func portText(port int) string { return strconv.Itoa(port) }
