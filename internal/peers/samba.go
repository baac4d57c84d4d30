package peers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// Samba starts an Active Directory domain controller for the duration of the
// test: the domain example.org on an address of its own in 127.0.0.0/8, LDAP
// only. The first one on a machine takes some five seconds to make, the next
// ones under one, as it is copied from a template in the user's cache directory.
//
// As in Active Directory, the administrator and the service account can only
// bind over TLS. The ports are fixed, 389 and 636, so this must run as root or
// where anybody may listen there.
func Samba(tb testing.TB) *Directory {
	tb.Helper()
	path, tool := mustFind(tb, "samba", "samba-ad-dc"), mustFind(tb, "samba-tool", "samba")
	template, err := sambaTemplate(tb, path, tool)
	if err != nil {
		tb.Fatalf("make a domain for Samba: %v", err)
	}
	dir := mustDir(tb, "samba", "")
	if err := copyTree(filepath.Join(dir, "private"), filepath.Join(template, "private")); err != nil {
		tb.Fatal(err)
	}
	return startSamba(tb, path, dir, sambaReady)
}

// startSamba runs a domain controller on what dir holds.
func startSamba(tb testing.TB, path, dir string, ready func(context.Context, *Directory) error) *Directory {
	tb.Helper()
	d := &Directory{port: 389, tlsPort: 636}
	d.Process = newProcess(tb, Program{
		Name:    "samba",
		Dir:     dir,
		Ready:   func(ctx context.Context) error { return ready(ctx, d) },
		patient: true,

		endStatus: 127,
	})
	err := retry(func() (err error) {
		if d.host, err = freeAlias(tb.Context(), d.port, d.tlsPort); err != nil {
			return err
		}
		if d.certificates, err = writeCertificates(dir, d.host); err != nil {
			return err
		}
		if err := writeSambaConfig(dir, d.host); err != nil {
			return err
		}
		d.program.Args = []string{path, "-i", "--no-process-group", "-M", "single", "-s", filepath.Join(dir, "smb.conf")}
		return d.launch()
	})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func sambaReady(_ context.Context, d *Directory) error {
	conn, err := d.dialTLS()
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it has served its purpose
	return conn.Bind(AdminDN, AdminPassword)
}

// dialTLS trusts our authority only, so what answers is surely our server.
func (d *Directory) dialTLS() (*ldap.Conn, error) {
	pem, err := os.ReadFile(d.CAFile())
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return ldap.DialURL(d.TLSURL(), ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots, ServerName: d.host, MinVersion: tls.VersionTLS12}))
}

// freeAlias returns an address of the loopback network where nobody listens on
// the ports.
func freeAlias(ctx context.Context, ports ...int) (string, error) {
	var last error
	for range 100 {
		host := net.IPv4(127, byte(64+rand.IntN(128)), byte(rand.IntN(256)), byte(1+rand.IntN(254))).String() //nolint:gosec // no secret
		if last = canListen(ctx, host, ports); last == nil {
			return host, nil
		}
		if errors.Is(last, os.ErrPermission) {
			return "", fmt.Errorf("an Active Directory domain controller listens on ports 389 and 636; run the test as root, "+
				"or allow everybody with sysctl net.ipv4.ip_unprivileged_port_start=389: %w", last)
		}
	}
	return "", fmt.Errorf("no free address in 127.0.0.0/8: %w", last)
}

func canListen(ctx context.Context, host string, ports []int) error {
	for _, port := range ports {
		var lc net.ListenConfig
		listener, err := lc.Listen(ctx, "tcp4", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return err
		}
		if err := listener.Close(); err != nil {
			return err
		}
	}
	return nil
}

// writeSambaConfig names every place that a domain controller writes to, so that
// it stays apart from the machine's own.
func writeSambaConfig(dir, host string) error {
	for _, name := range []string{"state/sysvol/example.org/scripts", "cache", "lock", "run/ncalrpc", "run/winbindd"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil { //nolint:gosec // samba wants it so
			return err
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	text := fmt.Sprintf(`[global]
netbios name = DC1
realm = EXAMPLE.ORG
workgroup = EXAMPLE
server role = active directory domain controller
server services = ldap
interfaces = %s/8
bind interfaces only = yes
private dir = %s
state directory = %s
cache directory = %s
lock directory = %s
pid directory = %s
ncalrpc dir = %s
winbindd socket directory = %s
binddns dir = %s
log file = %s
logging = file
tls enabled = yes
tls cafile = %s
tls certfile = %s
tls keyfile = %s
vfs objects = dfs_samba4 acl_xattr xattr_tdb
xattr_tdb:file = %s
[sysvol]
path = %s
read only = no
[netlogon]
path = %s
read only = no
`, host, at("private"), at("state"), at("cache"), at("lock"), at("run"), at("run/ncalrpc"), at("run/winbindd"), at("private"), at("samba.log"),
		at(caName), at(certName), at(keyName), at("state/xattr.tdb"), at("state/sysvol"), at("state/sysvol/example.org/scripts"))
	return os.WriteFile(at("smb.conf"), []byte(text), 0o600)
}

// Administer runs a shell script as somebody who is logged in at the domain controller as
// root, and returns what it printed; samba-tool works on this domain.
func (d *Directory) Administer(script string) string {
	d.tb.Helper()
	cmd := exec.CommandContext(d.tb.Context(), "sh", "-euc", script) //nolint:gosec // what a test says
	cmd.Env = append(os.Environ(), "SMB_CONF_PATH="+filepath.Join(d.program.Dir, "smb.conf"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.tb.Fatalf("administer %s: %v\n%s\n%s", d.program.Name, err, out, script)
	}
	return string(out)
}
