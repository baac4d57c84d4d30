package peers

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// SlapdOptions is what a test may want of its OpenLDAP. The zero value is a
// plain server without overlays.
type SlapdOptions struct {
	// MemberOf keeps the attribute memberOf of users equal to the groups.
	MemberOf bool
	// RefInt removes a deleted entry's DN from the groups and follows a renamed
	// one, soon after the server has answered, not before (slapo-refint(5)).
	RefInt bool
	// TLS offers StartTLS on the plain port and LDAPS on another, with a
	// certificate for localhost and 127.0.0.1 from an authority of its own.
	TLS bool
	// NoSync does not wait for the disk. Faster; data still survives Kill, but
	// not a power failure.
	NoSync bool
	// Access are further olcAccess values, asked before the built-in ones; the
	// first that matches an entry decides (slapd.access(5)). Example:
	// `to dn.subtree="ou=hr,dc=example,dc=org" by * none`.
	Access []string
	// AsPackaged configures access, limits and indexes as Debian's package does: everybody
	// may read, nobody but the administrator may write, and the service account is like any
	// other.
	AsPackaged bool
	// Disk, if set, is where the entries are kept; MaxSize is how many bytes they may take
	// (olcDbMaxSize; 0: 1 GiB).
	Disk    *Disk
	MaxSize int64
	// Without are schemas of the usual ones that are not loaded: core, cosine, nis or
	// inetorgperson.
	Without []string
	// CheckContent asks for the right to each attribute of a new entry (olcAddContentAcl).
	CheckContent bool

	empty bool // without any entry: they come from elsewhere
}

// Slapd starts an OpenLDAP for the duration of the test. It runs as the
// caller, root or not. On Ubuntu the AppArmor profile of slapd forbids private
// directories; use the container there.
func Slapd(tb testing.TB, options SlapdOptions) *Directory {
	tb.Helper()
	path, slapadd := mustFind(tb, "slapd", "slapd"), mustFind(tb, "slapadd", "slapd")
	dir := mustDir(tb, "slapd", "")
	d := &Directory{socket: filepath.Join(runDir(dir), "ldapi"), readOnly: slapdReadOnly}
	if options.TLS {
		var err error
		if d.certificates, err = writeCertificates(dir, loopback); err != nil {
			tb.Fatal(err)
		}
	}
	if err := seed(tb.Context(), slapadd, dir, options); err != nil {
		tb.Fatal(err)
	}
	d.Process = newProcess(tb, Program{
		Name:    "slapd",
		Dir:     dir,
		Ready:   func(context.Context) error { return d.ready() },
		patient: true,
		// The overlay memberof may still be at work when slapd takes its tables down. What is
		// written is whole.
		endSignal: syscall.SIGSEGV,
	})
	d.begin(options.TLS, func() []string { return slapdCommand(d, path) })
	return d
}

// slapdCommand is slapd in the foreground. It sizes its tables by the limit of open
// files, which may be a million, hence the shell. -d none prints only messages
// that are always worth printing; with -d 0 slapd dies of a fault in silence.
func slapdCommand(d *Directory, slapd string) []string {
	urls := []string{d.URL() + "/"}
	if d.tlsPort != 0 {
		urls = append(urls, d.TLSURL()+"/")
	}
	// The socket comes last: once it answers, all of the ports are this slapd's.
	urls = append(urls, d.SocketURL()+"/")
	return []string{
		"/bin/sh", "-c", `ulimit -S -n 1024; exec "$0" "$@"`,
		slapd, "-d", "none", "-F", filepath.Join(d.program.Dir, "conf"), "-h", strings.Join(urls, " "),
	}
}

func socketURL(path string) string { return "ldapi://" + url.PathEscape(path) }

func slapdReadOnly(conn *ldap.Conn, on bool) error {
	if err := conn.Bind("cn=admin,cn=config", "config"); err != nil {
		return err
	}
	return setBoolean(conn, "olcDatabase={1}mdb,cn=config", "olcReadOnly", strings.ToUpper(strconv.FormatBool(on)))
}

// seed fills an empty directory by slapadd: first the configuration, then the
// base entries.
func seed(ctx context.Context, slapadd, dir string, options SlapdOptions) error {
	for _, name := range []string{"conf", "db", "run"} {
		if name == "db" && options.Disk != nil {
			continue
		}
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	texts := []string{slapdConfig(dir, options)}
	if !options.empty {
		texts = append(texts, slapdBase())
	}
	for number, text := range texts {
		cmd := exec.CommandContext(ctx, slapadd, "-n", strconv.Itoa(number), "-F", filepath.Join(dir, "conf")) //nolint:gosec // our own arguments
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("slapadd -n %d: %w\n%s", number, err, out)
		}
	}
	return nil
}
