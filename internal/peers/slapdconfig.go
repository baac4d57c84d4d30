package peers

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// slapdConfig returns the LDIF of cn=config (slapd-config(5)).
func slapdConfig(dir string, options SlapdOptions) string {
	var b strings.Builder
	b.WriteString("dn: cn=config\nobjectClass: olcGlobal\ncn: config\n")
	fmt.Fprintf(&b, "olcPidFile: %s\n", filepath.Join(dir, "run", "slapd.pid"))
	fmt.Fprintf(&b, "olcArgsFile: %s\n", filepath.Join(dir, "run", "slapd.args"))
	if options.TLS {
		fmt.Fprintf(&b, "olcTLSCACertificateFile: %s\n", filepath.Join(dir, caName))
		fmt.Fprintf(&b, "olcTLSCertificateFile: %s\n", filepath.Join(dir, certName))
		fmt.Fprintf(&b, "olcTLSCertificateKeyFile: %s\n", filepath.Join(dir, keyName))
		b.WriteString("olcTLSVerifyClient: try\n") // a client certificate is taken, and may be absent
	}
	// Whoever connects to the socket as root, or as us, is the service account.
	fmt.Fprintf(&b, "olcAuthzRegexp: \"^gidNumber=[0-9]+[+]uidNumber=(0|%d),cn=peercred,cn=external,cn=auth\" \"%s\"\n", os.Getuid(), ServiceDN)
	b.WriteString(`
dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: memberof
olcModuleLoad: refint
olcModuleLoad: syncprov

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

`)
	for _, name := range []string{"core", "cosine", "nis", "inetorgperson"} {
		if !slices.Contains(options.Without, name) {
			fmt.Fprintf(&b, "include: file:///etc/ldap/schema/%s.ldif\n", name)
		}
	}
	b.WriteString(`
dn: olcDatabase=config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: config
olcRootDN: cn=admin,cn=config
olcRootPW: config

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
`)
	data := filepath.Join(dir, "db")
	if options.Disk != nil {
		data = options.Disk.Dir()
	}
	fmt.Fprintf(&b, "olcSuffix: %s\nolcRootDN: %s\nolcRootPW: %s\n", BaseDN, AdminDN, AdminPassword)
	fmt.Fprintf(&b, "olcDbDirectory: %s\nolcDbMaxSize: %d\n", data, cmp.Or(options.MaxSize, 1<<30))
	if options.NoSync {
		b.WriteString("olcDbNoSync: TRUE\n")
	}
	if options.CheckContent {
		b.WriteString("olcAddContentAcl: TRUE\n")
	}
	for _, rule := range options.Access {
		fmt.Fprintf(&b, "olcAccess: %s\n", rule)
	}
	b.WriteString("olcAccess: to attrs=userPassword by self write by anonymous auth by * none\n")
	if options.AsPackaged {
		b.WriteString(`olcAccess: to attrs=shadowLastChange by self write by * read
olcAccess: to * by * read
olcDbIndex: objectClass eq
olcDbIndex: cn,uid eq
olcDbIndex: uidNumber,gidNumber eq
olcDbIndex: member,memberUid eq
`)
	} else {
		fmt.Fprintf(&b, "olcAccess: to * by dn.exact=\"%[1]s\" write by users read by anonymous auth by * none\n"+
			"olcLimits: dn.exact=\"%[1]s\" size=unlimited time=unlimited\n", ServiceDN)
		b.WriteString(`olcDbIndex: objectClass eq
olcDbIndex: uid,cn,sn,mail,entryUUID eq,pres
olcDbIndex: entryCSN eq
olcDbIndex: member,memberOf eq
`)
	}
	if options.MemberOf {
		b.WriteString(`
dn: olcOverlay=memberof,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcMemberOf
olcOverlay: memberof
olcMemberOfRefInt: TRUE
olcMemberOfGroupOC: groupOfNames
olcMemberOfMemberAD: member
olcMemberOfMemberOfAD: memberOf
`)
	}
	if options.RefInt {
		b.WriteString(`
dn: olcOverlay=refint,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcRefintConfig
olcOverlay: refint
olcRefintAttribute: member
`)
	}
	return b.String()
}

// slapdBase returns the LDIF of the entries every directory begins with.
func slapdBase() string {
	return fmt.Sprintf(`dn: %[1]s
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=services,%[1]s
objectClass: organizationalUnit
ou: services

dn: %[2]s
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: kitbridge
userPassword: %[3]s
`, BaseDN, ServiceDN, ServicePassword)
}
