package peers

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// writeDS389Config makes dse.ldif from the templates of the package, as the
// installer (dscreate) does, but for a directory of our own. An instance that
// ran before is configured anew.
func writeDS389Config(conf string, d *Directory, options DS389Options) error {
	template, err := os.ReadFile(filepath.Join(ds389Data, "template-dse.ldif"))
	if err != nil {
		return fmt.Errorf("read template of 389 Directory Server (Debian package 389-ds-base): %w", err)
	}
	suffix, err := os.ReadFile(filepath.Join(ds389Data, "template-suffix-db.ldif"))
	if err != nil {
		return err
	}
	account, err := user.Current()
	if err != nil {
		return err
	}
	dir := filepath.Dir(conf)
	db := filepath.Join(dir, "db")
	fill := strings.NewReplacer(
		"%schema_dir%", filepath.Join(conf, "schema"), "%config_dir%", conf, "%cert_dir%", conf,
		"%lock_dir%", filepath.Join(dir, "lock"), "%tmp_dir%", filepath.Join(dir, "tmp"), "%ldif_dir%", filepath.Join(dir, "tmp"),
		"%bak_dir%", filepath.Join(dir, "tmp"), "%run_dir%", runDir(dir), "%inst_dir%", filepath.Join(dir, "tmp"),
		"%log_dir%", filepath.Join(dir, "logs"), "%db_dir%", db, "%db_home_dir%", db, "%db_lib%", "bdb",
		"%fqdn%", "localhost.localdomain", "%ds_port%", portText(d.port), "%ds_user%", account.Username,
		"%rootdn%", AdminDN, "%ds_passwd%", saltedHash(AdminPassword),
		"%ldapi_enabled%", "on", "%ldapi_autobind%", "on", "%ldapi%", d.socket,
		"%ds_suffix%", BaseDN, "%ds_bename%", "userRoot",
	)
	text := fill.Replace(string(template) + entryUUIDPlugins + withoutComments(string(suffix)))
	for anchor, more := range ds389Settings(d, options) {
		before, after, found := strings.Cut(text, anchor+"\n")
		if !found {
			return fmt.Errorf("the template of 389 Directory Server has no line %q", anchor)
		}
		text = before + anchor + "\n" + more + after
	}
	for plugin, on := range map[string]bool{"MemberOf Plugin": options.MemberOf, "referential integrity postoperation": options.RefInt} {
		if !on {
			continue
		}
		if text, err = enablePlugin(text, plugin); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(conf, "dse.ldif"), []byte(text), 0o600) //nolint:gosec // our own arguments
}

// ds389Settings are lines to add, each after the line that it is named by.
func ds389Settings(d *Directory, options DS389Options) map[string]string {
	// The cheapest scheme: tests bind often and keep no secrets.
	config := "nsslapd-listenhost: " + loopback + "\nnsslapd-rootpwstoragescheme: SSHA512\npasswordStorageScheme: SSHA512\n" +
		"nsslapd-accesslog-logging-enabled: off\nnsslapd-sizelimit: 2000\n"
	if options.TLS {
		config += "nsslapd-security: on\nnsslapd-securelistenhost: " + loopback + "\nnsslapd-secureport: " + portText(d.tlsPort) + "\n"
	}
	// Without these it takes a share of the machine's memory at each start.
	cache := "nsslapd-cache-autosize: 0\nnsslapd-dbcachesize: 16000000\n"
	if options.NoSync {
		cache += "nsslapd-db-durable-transaction: off\n"
	}
	return map[string]string{"objectclass:nsslapdConfig": config, "nsslapd-mode: 600": cache}
}

// entryUUIDPlugins are what the server itself adds to its configuration at the
// first start, for the second. Two empty lines in a row would be the end.
const entryUUIDPlugins = `dn: cn=entryuuid,cn=plugins,cn=config
objectclass: top
objectclass: nsSlapdPlugin
cn: entryuuid
nsslapd-pluginpath: libentryuuid-plugin
nsslapd-plugininitfunc: entryuuid_plugin_init
nsslapd-plugintype: betxnpreoperation
nsslapd-pluginenabled: on
nsslapd-pluginId: entryuuid
nsslapd-pluginVersion: none
nsslapd-pluginVendor: 389 Project
nsslapd-pluginDescription: entryuuid

dn: cn=entryUUID,cn=default indexes,cn=config,cn=ldbm database,cn=plugins,cn=config
objectclass: top
objectclass: nsIndex
cn: entryUUID
nssystemindex: false
nsindextype: eq
nsindextype: pres

`

func withoutComments(ldif string) string {
	var b strings.Builder
	for line := range strings.Lines(ldif) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func enablePlugin(text, name string) (string, error) {
	name = "\ncn: " + name + "\n"
	before, entry, found := strings.Cut(text, name)
	if !found {
		return "", fmt.Errorf("the template of 389 Directory Server has no plug-in%s", name)
	}
	return before + name + strings.Replace(entry, "nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on", 1), nil
}

// saltedHash is the form in which the server keeps the administrator's password;
// it takes no clear text from its configuration.
func saltedHash(password string) string {
	salt := make([]byte, 8)
	_, _ = rand.Read(salt) // never fails
	sum := sha512.Sum512(append([]byte(password), salt...))
	return "{SSHA512}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...))
}
