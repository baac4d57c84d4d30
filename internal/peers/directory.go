package peers

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"

	"github.com/go-ldap/ldap/v3"
)

// The names and passwords in every directory of this package, whoever made the
// server. The service account exists from the start, may write everything below
// the base (but passwords, on OpenLDAP) and is exempt from size and time limits
// where the server has such exemptions.
const (
	BaseDN          = "dc=example,dc=org"
	AdminDN         = "cn=admin," + BaseDN
	AdminPassword   = "admin"
	ServiceDN       = "cn=kitbridge,ou=services," + BaseDN
	ServicePassword = "kitbridge-service" //nolint:gosec // opens a directory on loopback that lives as long as a test
)

// Directory is a private directory server. It holds [BaseDN], ou=services and the
// service account, and what its maker needs for itself.
type Directory struct {
	*Process
	host          string // an address of the loopback network
	port, tlsPort int
	certificates  certificates // zero without TLS
	socket        string       // the Unix socket for ldapi://, empty if there is none
	readOnly      func(*ldap.Conn, bool) error
}

// URL returns the address of the plain port, ldap://127.0.0.1:port.
func (d *Directory) URL() string { return "ldap://" + net.JoinHostPort(d.host, strconv.Itoa(d.port)) }

// TLSURL returns the address of the LDAPS port, ldaps://127.0.0.1:port. It is
// empty without TLS.
func (d *Directory) TLSURL() string {
	if d.tlsPort == 0 {
		return ""
	}
	return "ldaps://" + net.JoinHostPort(d.host, strconv.Itoa(d.tlsPort))
}

// SocketURL returns the address of the Unix socket, ldapi:// and the path with
// its slashes escaped, as kitbridge.yaml has it.
func (d *Directory) SocketURL() string { return socketURL(d.socket) }

// CAFile returns the path of the authority's certificate in PEM. It is empty
// without TLS.
func (d *Directory) CAFile() string { return d.certificates.authority }

// ClientCertificate returns the paths of a certificate for [ServiceDN] and its
// key, signed by the same authority. They are empty without TLS.
func (d *Directory) ClientCertificate() (certFile, keyFile string) {
	return d.certificates.client, d.certificates.clientKey
}

// SetReadOnly makes the server refuse all writes, or take them again. Samba has
// no such mode.
func (d *Directory) SetReadOnly(on bool) {
	d.tb.Helper()
	if d.readOnly == nil {
		d.tb.Fatalf("%s has no read-only mode", d.program.Name)
	}
	conn, err := ldap.DialURL("ldapi://" + d.socket)
	if err != nil {
		d.tb.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // it has served its purpose
	if err := d.readOnly(conn, on); err != nil {
		d.tb.Fatalf("set read-only mode of %s: %v", d.program.Name, err)
	}
}

// choosePorts takes free ports of 127.0.0.1.
func (d *Directory) choosePorts(ctx context.Context, withTLS bool) (err error) {
	d.host = loopback
	if d.port, err = freePort(ctx); err != nil {
		return err
	}
	if withTLS {
		d.tlsPort, err = freePort(ctx)
	}
	return err
}

// ready binds through the socket in our own directory, so it is surely our server.
func (d *Directory) ready() error {
	conn, err := ldap.DialURL("ldapi://" + d.socket)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it has served its purpose
	return conn.Bind(AdminDN, AdminPassword)
}

// begin launches the server for the first time, on ports of its choice.
func (d *Directory) begin(withTLS bool, command func() []string) {
	d.tb.Helper()
	err := retry(func() error {
		if err := d.choosePorts(d.tb.Context(), withTLS); err != nil {
			return err
		}
		d.program.Args = command()
		return d.launch()
	})
	if err != nil {
		d.tb.Fatal(err)
	}
}

// setBoolean is the readOnly of servers that are configured over LDAP.
func setBoolean(conn *ldap.Conn, dn, attribute, value string) error {
	request := ldap.NewModifyRequest(dn, nil)
	request.Replace(attribute, []string{value})
	if err := conn.Modify(request); err != nil {
		return fmt.Errorf("modify %s: %w", dn, err)
	}
	return nil
}

func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

func runDir(dir string) string { return filepath.Join(dir, "run") }
