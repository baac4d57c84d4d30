package peers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// sambaRecipe changes whenever what this file makes does: templates of an older
// recipe are no longer used.
const sambaRecipe = "1"

// The account that a new domain begins with. It is only used to make the others.
const (
	sambaAdministrator = "CN=Administrator,CN=Users," + BaseDN
	sambaFirstPassword = "Passw0rd!x9"
)

// oneSambaTemplate keeps parallel tests from making the same template.
var oneSambaTemplate sync.Mutex //nolint:gochecknoglobals // parallel tests share the machine

// sambaTemplate returns a directory with the private files of a domain. It is
// made once per version of Samba; two processes that do so at once both succeed.
func sambaTemplate(tb testing.TB, path, tool string) (string, error) {
	oneSambaTemplate.Lock()
	defer oneSambaTemplate.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	version, err := exec.CommandContext(tb.Context(), path, "--version").Output()
	if err != nil {
		return "", err
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(sambaRecipe + string(version))) // never fails
	template := filepath.Join(cache, "kitbridge-peers", fmt.Sprintf("samba-%x", h.Sum64()))
	if _, err := os.Stat(template); err == nil {
		return template, nil
	}
	if err := os.MkdirAll(filepath.Dir(template), 0o700); err != nil {
		return "", err
	}
	made, err := os.MkdirTemp(filepath.Dir(template), "making-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(made) //nolint:errcheck // gone already if all went well
	if err := provision(tb, path, tool, made); err != nil {
		return "", err
	}
	if err := os.Rename(made, template); err != nil {
		if _, there := os.Stat(template); there == nil {
			return template, nil // another process was faster
		}
		return "", err
	}
	return template, nil
}

// provision makes a domain with the accounts of this package in dir.
func provision(tb testing.TB, path, tool, dir string) error {
	domain := filepath.Join(dir, "domain")
	cmd := exec.CommandContext(tb.Context(), tool, "domain", "provision", "--realm=EXAMPLE.ORG", "--domain=EXAMPLE", //nolint:gosec // our own arguments
		"--server-role=dc", "--dns-backend=NONE", "--adminpass="+sambaFirstPassword, "--targetdir="+domain,
		"--host-name=dc1", "--host-ip=127.0.0.77", "--option=interfaces=127.0.0.77/8", "--option=bind interfaces only=yes",
		"--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("samba-tool (Debian packages samba samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind): %w\n%s", err, tail(string(out)))
	}
	if err := os.Rename(filepath.Join(domain, "private"), filepath.Join(dir, "private")); err != nil {
		return err
	}
	d := startSamba(tb, path, dir, func(_ context.Context, d *Directory) error {
		conn, err := d.dialTLS()
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // it has served its purpose
		return conn.Bind(sambaAdministrator, sambaFirstPassword)
	})
	sid, err := addSambaAccounts(d)
	d.Stop()
	if err != nil {
		return err
	}
	// The service account may do everything below the base.
	cmd = exec.CommandContext(tb.Context(), tool, "dsacl", "set", "-H", filepath.Join(dir, "private", "sam.ldb"), //nolint:gosec // our own arguments
		"--objectdn="+BaseDN, "--action=allow", "--sddl=(A;CI;GA;;;"+sid+")")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("samba-tool dsacl: %w\n%s", err, tail(string(out)))
	}
	return nil
}

// addSambaAccounts adds the administrator and the service account of this
// package and returns the latter's security identifier.
func addSambaAccounts(d *Directory) (string, error) {
	conn, err := d.dialTLS()
	if err != nil {
		return "", err
	}
	defer conn.Close() //nolint:errcheck // it has served its purpose
	if err := conn.Bind(sambaAdministrator, sambaFirstPassword); err != nil {
		return "", err
	}
	policy := ldap.NewModifyRequest(BaseDN, nil) // any password will do
	policy.Replace("pwdProperties", []string{"0"})
	policy.Replace("minPwdLength", []string{"0"})
	if err := conn.Modify(policy); err != nil {
		return "", fmt.Errorf("set password policy: %w", err)
	}
	const normalAccountThatNeverExpires = "66048"
	account := func(name, password string) [][2]string {
		return [][2]string{
			{"objectClass", "user"},
			{"sAMAccountName", name},
			{"userAccountControl", normalAccountThatNeverExpires},
			{"unicodePwd", quotedUTF16(password)},
		}
	}
	for _, request := range []*ldap.AddRequest{
		addRequest(AdminDN, account("admin", AdminPassword)),
		addRequest("ou=services,"+BaseDN, [][2]string{{"objectClass", "organizationalUnit"}}),
		addRequest(ServiceDN, account("kitbridge", ServicePassword)),
	} {
		if err := conn.Add(request); err != nil {
			return "", fmt.Errorf("add %s: %w", request.DN, err)
		}
	}
	admins := ldap.NewModifyRequest("CN=Domain Admins,CN=Users,"+BaseDN, nil)
	admins.Add("member", []string{AdminDN})
	if err := conn.Modify(admins); err != nil {
		return "", fmt.Errorf("make an administrator: %w", err)
	}
	result, err := conn.Search(ldap.NewSearchRequest(ServiceDN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"objectSid"}, nil))
	if err != nil {
		return "", err
	}
	return sidText(result.Entries[0].GetRawAttributeValue("objectSid"))
}

// quotedUTF16 is a password as unicodePwd wants it, [MS-ADTS] 3.1.1.3.1.5.
func quotedUTF16(password string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b.Write(binary.LittleEndian.AppendUint16(nil, unit))
	}
	return b.String()
}

// sidText writes a security identifier as S-1-…, [MS-DTYP] 2.4.2.
func sidText(raw []byte) (string, error) {
	if len(raw) < 8 || len(raw) != 8+4*int(raw[1]) {
		return "", errors.New("not a security identifier")
	}
	text := fmt.Sprintf("S-%d-%d", raw[0], binary.BigEndian.Uint64(raw[:8])&(1<<48-1))
	for i := 8; i < len(raw); i += 4 {
		text += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(raw[i:]))
	}
	return text, nil
}

// copyTree copies directories and regular files; sockets of a server that ran
// there stay behind.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch target := filepath.Join(to, rel); {
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case entry.Type().IsRegular():
			return copyFile(target, path)
		default:
			return nil
		}
	})
}
