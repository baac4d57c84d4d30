package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// demoDirectory is the directory of the demonstration: a private slapd, or one that the
// command line names.
type demoDirectory struct {
	sink    Sink
	process *exec.Cmd // nil for a directory that somebody else runs
	ended   chan error
}

// openDemoDirectory returns nil if there is neither an address nor a slapd.
func openDemoDirectory(ctx context.Context, dir, address string) (*demoDirectory, error) {
	if address != "" {
		return foreignDirectory(address)
	}
	slapd := findSlapd()
	if slapd == "" {
		return nil, nil //nolint:nilnil // having none is fine
	}
	return startSlapd(ctx, slapd, filepath.Join(dir, "slapd"))
}

func foreignDirectory(address string) (*demoDirectory, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.User == nil || strings.Trim(u.Path, "/") == "" {
		return nil, &usageError{errors.New("--ldap: want ldap://BINDDN:PASSWORD@HOST:PORT/BASEDN with each part percent-encoded, " +
			"for example ldap://cn%3Dadmin%2Cdc%3Dexample%2Cdc%3Dorg:secret@127.0.0.1:389/dc%3Dexample%2Cdc%3Dorg")}
	}
	password, _ := u.User.Password()
	return &demoDirectory{sink: demoSink(u.Scheme+"://"+u.Host, u.User.Username(), password, strings.Trim(u.Path, "/"))}, nil
}

func demoSink(address, bindDN, password, base string) Sink {
	s := defaultSink()
	s.Name, s.Type, s.Tenants = "directory", sinkLDAP, []string{"*"}
	s.URL = []Secret{NewSecret(address)}
	s.BindDN, s.BindPassword, s.BaseDN = bindDN, NewSecret(password), base
	return s
}

// findSlapd looks where Debian and others put it; /usr/sbin is not in everybody's PATH.
func findSlapd() string {
	for _, name := range []string{"slapd", "/usr/sbin/slapd", "/usr/libexec/slapd", "/usr/lib/slapd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

const demoBase, demoAdmin, demoPassword = "dc=example,dc=org", "cn=admin,dc=example,dc=org", "admin"

// slapdConf is slapd.conf(5) of a directory that only this process uses.
const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/slapd.pid
database mdb
suffix "%[2]s"
rootdn "%[3]s"
rootpw %[4]s
directory %[1]s/db
maxsize 1073741824
index objectClass eq
index uid,ou,cn,member,entryUUID eq
access to * by dn.exact="%[3]s" write by * read
`

const slapdBase = `dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example
`

// startSlapd runs a private slapd in dir and returns when it answers.
func startSlapd(ctx context.Context, program, dir string) (*demoDirectory, error) {
	if err := os.MkdirAll(filepath.Join(dir, "db"), 0o700); err != nil {
		return nil, err
	}
	conf, base := filepath.Join(dir, "slapd.conf"), filepath.Join(dir, "base.ldif")
	text := fmt.Sprintf(slapdConf, dir, demoBase, demoAdmin, demoPassword)
	if err := errors.Join(os.WriteFile(conf, []byte(text), 0o600), os.WriteFile(base, []byte(slapdBase), 0o600)); err != nil {
		return nil, err
	}
	load := exec.CommandContext(ctx, program, "-T", "add", "-f", conf, "-l", base) //nolint:gosec // the slapd found above
	if out, err := load.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("prepare a private slapd: %w: %s", err, strings.TrimSpace(string(out)))
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("ldap://127.0.0.1:%d", port)
	// slapd sizes its tables by the limit of open files.
	c := exec.Command("/bin/sh", "-c", `ulimit -n 1024; exec "$0" "$@"`, program, "-d", "0", "-h", address, "-f", conf) //nolint:gosec,noctx // it is ended by Close
	c.SysProcAttr = childAttr()
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start a private slapd: %w", err)
	}
	d := &demoDirectory{sink: demoSink(address, demoAdmin, demoPassword, demoBase), process: c, ended: make(chan error, 1)}
	go func() { d.ended <- c.Wait() }() // ends with the process
	return d, d.await(ctx, strings.TrimPrefix(address, "ldap://"))
}

func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// await returns when slapd answers, or gives up.
func (d *demoDirectory) await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var dialer net.Dialer
	for {
		if c, err := dialer.DialContext(ctx, "tcp", address); err == nil {
			return c.Close()
		}
		select {
		case err := <-d.ended:
			return fmt.Errorf("the private slapd ended at once: %w", err)
		case <-ctx.Done():
			return errors.Join(errors.New("the private slapd does not answer"), d.Close())
		case <-tick.C:
		}
	}
}

// search is a command that shows what is in the directory.
func (d *demoDirectory) search() string {
	return fmt.Sprintf("ldapsearch -x -LLL -o ldif-wrap=no -H %s -b '%s' '(uid=*)' cn departmentNumber",
		d.sink.URL[0].Reveal(), d.sink.BaseDN)
}

// Close stops the private slapd.
func (d *demoDirectory) Close() error {
	if d.process == nil {
		return nil
	}
	if err := d.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-d.ended:
		if err != nil {
			return fmt.Errorf("the private slapd: %w", err)
		}
		return nil
	case <-time.After(5 * time.Second):
	}
	err := d.process.Process.Kill()
	return errors.Join(err, <-d.ended) // the folder can be removed once it is gone
}
