package main

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ok is a first line that satisfies what every file needs.
const ok = "public_url: https://app.example.com\n"

// ldapSink is the beginning of a sound LDAP sink; lines of eight blanks continue it.
const ldapSink = ok + "sinks:\n  - {name: corp, type: ldap, bind_dn: cn=kb, bind_password: x, base_dn: dc=a,\n"

const sqlSink = ok + "sinks:\n  - {name: product, type: sql,\n"

func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		text string
		want []string // without "k.yaml:"
	}{
		// Reading.
		{"syntax", ok + "sso: [a\n", []string{"2:6: not readable as YAML: sequence end token ']' not found; look at the quotes, colons and indentation here"}},
		{"UTF-16", "\xFF\xFEp\x00u\x00", []string{" is not in UTF-8 (it holds NUL bytes, as UTF-16 does); save it as UTF-8"}},
		{"byte order mark", "\xEF\xBB\xBF" + ok + "lisen: a\n", []string{"2:1: lisen: unknown key; did you mean listen?"}},
		{"two documents", ok + "---\nlisten: a\n", []string{"3:1: a second document begins here; remove the line ---"}},
		{"no mapping", "- a\n", []string{"1:1: want keys and values, found a list; write them indented below, or as {key: value}"}},
		{"only text", "hello\n", []string{"1:1: want keys and values, found text; write them indented below, or as {key: value}"}},
		{"empty file", "# nothing\n", []string{"1:1: public_url: is missing or empty; say under which address browsers and the marketplace reach this service, for example https://app.example.com"}},
		{"tag", ok + "listen: !!str a\n", []string{"2:1: listen: uses an anchor, alias or tag of YAML; write the value out"}},
		{"anchor and alias", ok + "listen: &a 127.0.0.1:1\nadmin: {listen: *a}\n", []string{
			"2:1: listen: uses an anchor, alias or tag of YAML; write the value out",
			"3:9: admin.listen: uses an anchor, alias or tag of YAML; write the value out",
		}},
		{"merge key", ok + "sso:\n  <<: {a: b}\n", []string{"3:3: sso.<<: unknown key; known here: " + strings.Join(ssoKeys(), ", ")}},
		{"key twice", ok + "listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n", []string{"3:1: listen: stands in line 2 already; remove one of them"}},

		// Unknown keys.
		{"slip of the finger", ok + "lisen: 127.0.0.1:1\n", []string{"2:1: lisen: unknown key; did you mean listen?"}},
		{"swapped letters", ok + "marketplace:\n  ptah: /m\n", []string{"3:3: marketplace.ptah: unknown key; did you mean path?"}},
		{"wrong section", ok + "clock_skew: 60s\n", []string{"2:1: clock_skew: unknown key; it belongs to marketplace"}},
		{"top level key below", ok + "admin:\n  database: sqlite:a\n", []string{"3:3: admin.database: unknown key; it belongs to the top level"}},
		{"nothing alike", ok + "log: {colour: red}\n", []string{"2:7: log.colour: unknown key; known here: format, level"}},
		{"file of no secret", ok + "listen_file: a\n", []string{"2:1: listen_file: unknown key; known here: " + strings.Join(topKeys(), ", ")}},
		{"number as key", ok + "7: a\n", []string{"2:1: 7: unknown key; known here: " + strings.Join(topKeys(), ", ")}},

		// What could not be had is not called empty, too.
		{"variables", ok + "marketplace: {keys: {kit: \"${A}\", v1: [\"${B}\"]}}\nsinks: [{name: c, type: ldap, url: 'ldap://[::1]', bind_dn: cn=a, bind_password: \"${C}\", base_dn: dc=a, tenants: [a]}]\n", []string{
			"2:22: marketplace.keys.kit: environment variable A is not set; set it, or write $${A} for the text itself",
			"2:40: marketplace.keys.v1[0]: environment variable B is not set; set it, or write $${B} for the text itself",
			"3:67: sinks[0].bind_password: environment variable C is not set; set it, or write $${C} for the text itself",
		}},
		{"secret files", ok + "marketplace: {keys: {kit_file: none}}\nsinks: [{name: c, type: ldap, url_file: /dev/null, bind_dn: cn=a, bind_password_file: none, base_dn: dc=a, tenants: [a]}]\n", []string{
			"2:22: marketplace.keys.kit_file: file none does not exist; create it or correct the path",
			"3:31: sinks[0].url_file: file /dev/null holds nothing; write the secret into it",
			"3:67: sinks[0].bind_password_file: file none does not exist; create it or correct the path",
		}},

		// Types.
		{"port alone", ok + "listen: 8180\n", []string{`2:1: listen: 8180 is no address to listen on; write host:port in quotes, for example "127.0.0.1:8180"`}},
		{"number for text", ok + "sso: {app_id: 0012}\n", []string{"2:7: sso.app_id: want text, found a number; put it in quotes"}},
		{"truth for text", ok + "sso: {app_id: true}\n", []string{"2:7: sso.app_id: want text, found true or false; put it in quotes"}},
		{"truth for a word", ok + "sso: {embedded: true}\n", []string{"2:7: sso.embedded: want a word, found true or false; write off or partitioned"}},
		{"number for secret", ok + "admin: {token: 1234567890}\n", []string{"2:9: admin.token: want text, found a number; put it in quotes"}},
		{"text for truth", ok + "insecure_transport: \"yes\"\n", []string{"2:1: insecure_transport: want true or false, found text; write true or false without quotes"}},
		{"text for number", ok + "marketplace: {deletion_guard: {count: many}}\n", []string{"2:32: marketplace.deletion_guard.count: want a number, found text; write it without quotes"}},
		{"octal", ok + "marketplace: {deletion_guard: {count: 010}}\n", []string{`2:32: marketplace.deletion_guard.count: "010" is no plain decimal number; write for example 4`}},
		{"list for text", ok + "listen: [a]\n", []string{"2:1: listen: want text, found a list; write one value"}},
		{"mapping for duration", ok + "journal: {retention: {a: b}}\n", []string{"2:11: journal.retention: want a duration such as 60s or 15d, found keys and values; write one value"}},
		{"text for list", ok + "trusted_proxies: 10.0.0.0/8\n", []string{"2:1: trusted_proxies: want a list, found text; write it as [a, b] or with one - a line"}},
		{"text for section", ok + "sso: kit\n", []string{"2:1: sso: want keys and values, found text; write them indented below, or as {key: value}"}},
		{"text for sinks", ok + "sinks: corp\n", []string{"2:1: sinks: want a list, found text; write it as [a, b] or with one - a line"}},
		{"templates that cannot be", ldapSink + "      url: 'ldap://[::1]', tenants: [a], attributes: {mail: '{mail}', userPassword: x}}\n", []string{
			"4:55: sinks[0].attributes.mail: there is no field {mail}; there are userName, name, tenantId, tenantCode, tenantName, orgCode, role, position, employeeCode, employeeType, mobile, email, workPlace, entryDate",
			"4:71: sinks[0].attributes.userPassword: kitbridge writes no passwords",
		}},
		{"list for attributes", ldapSink + "      url: 'ldap://[::1]', tenants: [a], attributes: [b]}\n", []string{"4:42: sinks[0].attributes: want keys and values, found a list; write them indented below, or as {key: value}"}},
		{"empty element", ok + "trusted_proxies:\n  -\n", []string{"3:5: trusted_proxies[0]: is empty; give it a value or remove it"}},

		// Values.
		{"duration without unit", ok + "marketplace: {clock_skew: 60}\n", []string{`2:15: marketplace.clock_skew: "60" has no unit; write for example 60s`}},
		{"bad duration", ok + "marketplace: {clock_skew: soon}\n", []string{`2:15: marketplace.clock_skew: "soon" is no duration; write for example 60s, 8h or 15d`}},
		{"negative duration", ok + "marketplace: {clock_skew: -60s}\n", []string{`2:15: marketplace.clock_skew: "-60s" is no duration; write for example 60s, 8h or 15d`}},
		{"no time at all", ok + "marketplace: {clock_skew: 0s}\n", []string{`2:15: marketplace.clock_skew: "0s" is no time at all; write for example 60s`}},
		{"endless duration", ok + "marketplace: {purge_after: 106752d}\n", []string{`2:15: marketplace.purge_after: "106752d" is no duration; write for example 60s, 8h or 15d`}},
		{"days without unit", ok + "marketplace: {purge_after: 30}\nsinks: [{name: c, type: sql, url: \"sqlite:p.db\", purge_after: 90}]\njournal: {retention: \"7\"}\n", []string{
			`2:15: marketplace.purge_after: "30" has no unit; write for example 30d`,
			`3:50: sinks[0].purge_after: "90" has no unit; write for example 90d`,
			`4:11: journal.retention: "7" has no unit; write for example 7d`,
		}},
		{"hours without unit", ok + "sso: {session: {idle: 12, absolute: 48}, refresh: {every: 5}}\n", []string{
			`2:17: sso.session.idle: "12" has no unit; write for example 12h`,
			`2:27: sso.session.absolute: "48" has no unit; write for example 48h`,
			`2:52: sso.refresh.every: "5" has no unit; write for example 5m`,
		}},
		{"unit of no default", ok + "sso: {tenants: [{id: a, issuer: \"https://a.example\", client_id: a, client_secret: b, session: {idle: 12}}]}\n", []string{`2:96: sso.tenants[0].session.idle: "12" has no unit; write s, m, h or d behind it, for example 60s, 8h or 15d`}},
		{"size without unit", ok + "marketplace: {max_body: 5}\n", []string{`2:15: marketplace.max_body: "5" has no unit; write for example 5B or 5MiB`}},
		{"bad size", ok + "marketplace: {max_body: 5XB}\n", []string{`2:15: marketplace.max_body: "5XB" is no size; write for example 5MiB, 500KB or 1024B`}},
		{"size too large", ok + "marketplace: {max_body: 2GiB}\n", []string{"2:15: marketplace.max_body: 2GiB is too large; the most is 1073741824"}},
		{"size overflows", ok + "marketplace: {max_body: 9999999999999GiB}\n", []string{`2:15: marketplace.max_body: "9999999999999GiB" is no size; write for example 5MiB, 500KB or 1024B`}},
		{"number too small", ok + "marketplace: {deletion_guard: {count: -1}}\n", []string{"2:32: marketplace.deletion_guard.count: -1 is too small; the least is 0"}},
		{"number too large", ok + "marketplace: {deletion_guard: {percent: 101}}\n", []string{"2:32: marketplace.deletion_guard.percent: 101 is too large; the most is 100"}},
		{"service elsewhere", ok + "sso: {profile: cas, service_template: \"https://a.example/?t={tenantId}\"}\n", []string{
			`2:21: sso.service_template: must be {callback}, or begin with {callback}? or {callback}&; write for example {callback}?tenant={tenantId}`,
		}},
		{"unknown word", ok + "sso: {profile: saml}\n", []string{`2:7: sso.profile: "saml" is not known here; write kit, oidc or cas`}},
		{"unknown word in list", ok + "sso: {signing_algs: [RS256, none]}\n", []string{`2:29: sso.signing_algs[1]: "none" is not known here; write RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA`}},
		{"bad network", ok + "trusted_proxies: [10.0.0.0/33]\n", []string{`2:19: trusted_proxies[0]: "10.0.0.0/33" is no network; write for example 10.0.0.0/8 or 192.0.2.7`}},
		{"network with host bits", ok + "trusted_proxies: [10.0.0.1/8]\n", []string{`2:19: trusted_proxies[0]: "10.0.0.1/8" has bits set beyond its length; write 10.0.0.0/8`}},
		{"bad listen", ok + "listen: \"8080\"\n", []string{`2:1: listen: "8080" is no address to listen on; write host:port, for example 127.0.0.1:8080`}},
		{"bad port", ok + "listen: 127.0.0.1:99999\n", []string{`2:1: listen: "127.0.0.1:99999" is no address to listen on; write host:port, for example 127.0.0.1:8080`}},
		{"empty listen", ok + "listen: \"\"\n", []string{"2:1: listen: is missing or empty; give it a value, or remove the key to have the default"}},
		{"missing file", ok + "marketplace: {private_key_files: [/no/such.pem]}\n", []string{"2:35: marketplace.private_key_files[0]: file /no/such.pem can't be opened (no such file or directory); create it, or correct the path or its mode"}},
		{"folder for file", ok + "marketplace: {private_key_files: [/]}\n", []string{"2:35: marketplace.private_key_files[0]: / is a folder; name a file"}},
		{"bad template", ok + "sso: {token_url: \"{tenant}/token\"}\n", []string{"2:7: sso.token_url: has an unknown or misplaced placeholder; known are {domain} at the beginning, {appId} and {return}"}},
		{"template without host", ok + "sso: {token_url: /token}\n", []string{"2:7: sso.token_url: is no address; begin with {domain} or https:// and a host"}},
		{"bad host", ok + "sso: {auth_centres: {hosts: [\"https://a.example\"]}}\n", []string{`2:30: sso.auth_centres.hosts[0]: "https://a.example" is no host name; write for example app2.example.com, without https:// and path`}},

		// Variables and secret files.
		{"variable not set", ok + "admin: {token: \"${TOKEN}\"}\n", []string{"2:9: admin.token: environment variable TOKEN is not set; set it, or write $${TOKEN} for the text itself"}},
		{"variable not named", ok + "admin: {token: \"a${1}\"}\n", []string{"2:9: admin.token: has ${ without the name of a variable and }; write ${NAME}, or $${ for the two characters themselves"}},
		{"variable not closed", ok + "admin: {token: \"a${A\"}\n", []string{"2:9: admin.token: has ${ without the name of a variable and }; write ${NAME}, or $${ for the two characters themselves"}},
		{"variable of wrong type", ok + "insecure_transport: ${WORD}\n", []string{`2:1: insecure_transport: "word" is neither true nor false`}},
		{"secret twice", ok + "admin:\n  token: " + strings.Repeat("t", 32) + "\n  token_file: /no/such\n", []string{"4:3: admin.token_file: stands beside admin.token; remove one of them"}},
		{"secret file missing", ok + "admin: {token_file: /no/such}\n", []string{"2:9: admin.token_file: file /no/such does not exist; create it or correct the path"}},
		{"secret file empty", ok + "admin: {token_file: /dev/null}\n", []string{"2:9: admin.token_file: file /dev/null holds nothing; write the secret into it"}},
		{"secret file endless", ok + "admin: {token_file: /dev/zero}\n", []string{"2:9: admin.token_file: file /dev/zero is longer than 65536 bytes; is it the right file?"}},
		{"secret file no text", ok + "admin: {token_file: [a]}\n", []string{"2:9: admin.token_file: want text, found a list; write one value"}},

		// What concerns several keys, or a key's meaning.
		{"public_url relative", "public_url: app.example.com\n", []string{"1:1: public_url: is no address of a website; begin with https:// (or http://) and a host"}},
		{"public_url with path", "public_url: https://app.example.com/a?b\n", []string{"1:1: public_url: has a path or query; write only https://app.example.com"}},
		{"public_url with password", "public_url: https://u:geheim@app.example.com\n", []string{"1:1: public_url: has a user name or password; leave them out"}},
		{"public_url no URL", "public_url: \"https://a b\"\n", []string{"1:1: public_url: is no URL; write for example https://app.example.com"}},
		{"database unknown", ok + "database: oracle://h/d\n", []string{"2:1: database: is no database that can be used here; write sqlite:file.db or postgres://user:password@host:5432/database"}},
		{"database unreadable", ok + "database: \"postgres://u:ge%heim@h/d\"\n", []string{"2:1: database: is no readable address; write sqlite:file.db or postgres://user:password@host:5432/database, with special characters of user and password as %XX"}},
		{"database in clear", ok + "database: postgres://u:geheim@db.example.com/d?sslmode=prefer\n", []string{"2:1: database: would send data and password in clear beyond this machine; add ?sslmode=verify-full, or set insecure_transport: true"}},
		{"database in clear by parameter", ok + "database: postgres:///d?host=/run/pg,db.example.com\n", []string{"2:1: database: would send data and password in clear beyond this machine; add ?sslmode=verify-full, or set insecure_transport: true"}},
		{"database without name", ok + "database: postgres://localhost\n", []string{"2:1: database: names no database; write sqlite:file.db or postgres://user:password@host:5432/database"}},
		{"sqlite without file", ok + "database: \"sqlite:\"\n", []string{"2:1: database: names no file; write for example sqlite:kitbridge.db"}},
		{"path without slash", ok + "marketplace: {path: market}\n", []string{`2:15: marketplace.path: "market" is no path for the production address; write for example /marketplace`}},
		{"path with slash at end", ok + "marketplace: {path: /m/}\n", []string{`2:15: marketplace.path: "/m/" is no path for the production address; write for example /marketplace`}},
		{"path with query", ok + "marketplace: {path: \"/m?a\"}\n", []string{`2:15: marketplace.path: "/m?a" is no path for the production address; write for example /marketplace`}},
		{"path taken", ok + "marketplace: {path: /sso/m}\n", []string{"2:15: marketplace.path: /sso is taken; choose another, for example /marketplace"}},
		{"empty key", ok + "marketplace:\n  keys:\n    kit:\n      - \"\"\n", []string{"5:9: marketplace.keys.kit[0]: is empty or has blanks around it; copy the key from the seller centre, or remove the line to turn kit off"}},
		{"key with blank", ok + "marketplace: {keys: {v1: [\"a \"]}}\n", []string{"2:27: marketplace.keys.v1[0]: is empty or has blanks around it; copy the key from the seller centre, or remove the line to turn v1 off"}},
		{"short token", ok + "admin: {token: geheim}\n", []string{"2:9: admin.token: has fewer than 32 characters; make one with: openssl rand -hex 32"}},
		{"token with blanks", ok + "admin: {token: \"" + strings.Repeat("a b", 12) + "\"}\n", []string{"2:9: admin.token: has characters that no HTTP header can carry; make one with: openssl rand -hex 32"}},
		{"token in clear", ok + "admin: {listen: \":8081\", token: " + strings.Repeat("t", 32) + "}\n", []string{"2:9: admin.listen: would send the token in clear beyond this machine; listen on 127.0.0.1 and put a proxy with TLS before it, or remove admin.token"}},
		{"one port for both", ok + "admin: {listen: 127.0.0.1:8080}\n", []string{"2:9: admin.listen: is the same as listen; the API and metrics need a port of their own"}},
		{"idle longer than absolute", ok + "sso: {session: {idle: 2d}}\n", []string{"2:17: sso.session.idle: is longer than sso.session.absolute; make it shorter"}},
		{"no way to a company", ok + "sso: {chooser: off}\n", []string{"2:7: sso.chooser: is off, and without sso.app_id there is no unified login page either, so nobody could name their company; give sso.app_id, or use search or list"}},
		{"no algorithm", ok + "sso: {signing_algs: []}\n", []string{"2:7: sso.signing_algs: is missing or empty; give it a value, or remove the key to have the default"}},
		{"no token address", ok + "sso: {token_url: \"\"}\n", []string{"2:7: sso.token_url: is missing or empty; give it a value, or remove the key to have the default"}},
		{"host twice", ok + "sso: {hosts: [{host: a.example}, {host: A.example}, {tenant: t}]}\n", []string{
			`2:35: sso.hosts[1].host: "a.example" stands above already; remove one of them`,
			"2:53: sso.hosts[2].host: is missing or empty; name the host, for example app2.example.com",
		}},
		{"host twice but for port and dot", ok + "sso: {hosts: [{host: a.example}, {host: \"A.example.:8443\"}]}\n", []string{
			`2:35: sso.hosts[1].host: "a.example:8443" stands above already; remove one of them`,
		}},
		{"public host", ok + "sso: {hosts: [{host: APP.example.com}]}\n", []string{
			`2:16: sso.hosts[0].host: "app.example.com" is the host of public_url, which serves /sso/ anyway; remove it`,
		}},
		{"no hosts", ok + "sso: {hosts: [{host: \"https://a.example\"}, {host: a.example/x}, {host: \"*.a.example\"}, {host: 中.example}, {host: \"a.example:\"}]}\n", []string{
			`2:16: sso.hosts[0].host: "https://a.example" is no host name; write for example app2.example.com, without https:// and path`,
			`2:45: sso.hosts[1].host: "a.example/x" is no host name; write for example app2.example.com, without https:// and path`,
			`2:66: sso.hosts[2].host: "*.a.example" is no host name; write for example app2.example.com, without https:// and path`,
			`2:89: sso.hosts[3].host: "中.example" has letters that browsers do not send; write the name in ASCII, for example xn--fiq228c.example.com`,
			`2:108: sso.hosts[4].host: "a.example:" is no host name; write for example app2.example.com, without https:// and path`,
		}},
		{"frames over http", "public_url: http://127.0.0.1:8080\nsso: {embedded: partitioned}\n", []string{
			"2:7: sso.embedded: partitioned needs a public_url with https://: browsers take no cookies for frames over http",
		}},
		{"cookies", ok + "sso: {product_cookies: [\"a b\", __Host-kitbridge]}\n", []string{
			`2:25: sso.product_cookies[0]: "a b" is no name of a cookie; write for example JSESSIONID`,
			`2:32: sso.product_cookies[1]: "__Host-kitbridge" is a cookie of kitbridge itself; name only the product's`,
		}},
		{"rule", ok + "sso: {rules: [{path: a, methods: [get], allow: all}, {path: /}, {path: /, allow: {role: root}}]}\n", []string{
			"2:16: sso.rules[0].path: must begin with /; write for example /admin/",
			`2:35: sso.rules[0].methods[0]: "get" is no HTTP method; write for example GET`,
			`2:41: sso.rules[0].allow: "all" is not known here; write public or signed_in`,
			"2:54: sso.rules[1].allow: is missing or empty; write public, signed_in or {role: admin}, {tenant: …}, {org: …}",
			`2:83: sso.rules[2].allow.role: "root" is not known here; write user or admin`,
		}},
		{"proxy of itself", ok + "proxy: {upstream: \"http://127.0.0.1:8080\"}\n", []string{
			"2:9: proxy.upstream: is kitbridge's own address (listen), so requests would go round for ever; name the product's",
		}},
		{"rule path", ok + "sso: {rules: [{path: /a/../b, allow: public}, {path: /a/*, allow: signed_in}]}\n", []string{
			`2:16: sso.rules[0].path: "/a/../b" can be read in two ways; write it plainly, for example /admin/`,
			"2:48: sso.rules[1].path: knows no *, as it covers everything below it; write for example /admin/",
		}},
		{"static tenants", ok + "sso: {tenants: [{id: a, issuer: \"ftp://x\", client_id: c, client_secret: s}, {id: a}]}\n", []string{
			"2:25: sso.tenants[0].issuer: is no address of a website; begin with https:// (or http://) and a host",
			"2:77: sso.tenants[1].client_id: is missing or empty; copy it from the provider",
			"2:77: sso.tenants[1].client_secret: is missing or empty; copy it from the provider",
			"2:77: sso.tenants[1].issuer: is missing or empty; name the provider, for example https://login.example.com",
			`2:78: sso.tenants[1].id: "a" stands above already, in sso.tenants[0]; remove one of them`,
		}},
		{"static tenant beside no profile", ok + "sso: {profile: saml, tenants: [{id: a, issuer: 'https://a.example', client_id: c, client_secret: s}, {id: b, profile: x, nonce: off}]}\n", []string{
			`2:7: sso.profile: "saml" is not known here; write kit, oidc or cas`,
			`2:110: sso.tenants[1].profile: "x" is not known here; write kit, oidc or cas`,
		}},
		{"static tenants, all at once", ok + `sso:
  tenants:
    - {issuer: "https://a.example", client_id: c, client_secret: s}
    - {id: " a", code: x, issuer: "http://a.example", client_id: c, client_secret: s}
    - {id: b, code: x, issuer: "https://a.example/?q", client_id: "c\u0007", name: "a\nb", client_secret_file: none}
    - {id: d, client_id: c, client_secret: geheim}
    - {id: e, issuer: "https://a.example", role_claim: groups}
    - {id: f, profile: saml, session: {idle: 9h, absolute: 8h}}
    - {id: g, session: {idle: 48h}, refresh: {every: 1ms}}
    - {id: h, profile: cas, service_template: "x", issuer: "https://a.example"}
    - {id: i, pcke: s256}
    - {id: j, issuer: "https://10.1.1.1", client_id: c, client_secret: s, jwks_url: "http://keys.example"}
`, []string{
			"4:7: sso.tenants[0].id: is missing or empty; give the tenant an id of its own, or the tenantId of one that is pushed",
			"5:8: sso.tenants[1].id: begins or ends with a blank; write an id of up to 64 characters",
			"5:27: sso.tenants[1].issuer: must be https:// and have no query; write it exactly as the provider's discovery document does",
			`6:15: sso.tenants[2].code: "x" stands above already, in sso.tenants[1]; remove one of them`,
			"6:24: sso.tenants[2].issuer: must be https:// and have no query; write it exactly as the provider's discovery document does",
			"6:56: sso.tenants[2].client_id: holds a control character; write plain text",
			"6:78: sso.tenants[2].name: holds a control character; write plain text",
			"6:92: sso.tenants[2].client_secret_file: file none does not exist; create it or correct the path",
			"7:7: sso.tenants[3].issuer: is missing or empty; name the provider, for example https://login.example.com",
			"8:7: sso.tenants[4].client_id: is missing or empty; copy it from the provider",
			"8:7: sso.tenants[4].client_secret: is missing or empty; copy it from the provider",
			`9:15: sso.tenants[5].profile: "saml" is not known here; write kit, oidc or cas`,
			"9:30: sso.tenants[5].session: idle is longer than absolute; make it shorter",
			"10:15: sso.tenants[6].session: idle is longer than absolute; make it shorter",
			"10:47: sso.tenants[6].refresh.every: is less than a second; write for example 10m",
			"11:29: sso.tenants[7].service_template: must be {callback}, or begin with {callback}? or {callback}&; write for example {callback}?tenant={tenantId}",
			"12:7: sso.tenants[8].client_id: is missing or empty; copy it from the provider",
			"12:7: sso.tenants[8].client_secret: is missing or empty; copy it from the provider",
			"12:7: sso.tenants[8].issuer: is missing or empty; name the provider, for example https://login.example.com",
			"12:15: sso.tenants[8].pcke: unknown key; did you mean pkce?",
			"13:15: sso.tenants[9].issuer: is no address that may be called; if it is one of yours, list its network in sso.auth_centres.private_networks",
			"13:75: sso.tenants[9].jwks_url: must be https://: codes, secrets and tokens go there",
		}},

		// Sinks.
		{"empty sink", ok + "sinks:\n  - {}\n", []string{
			"3:5: sinks[0].name: is missing or empty; give the sink a name that never changes, for example corp",
			"3:5: sinks[0].type: is missing or empty; write ldap or sql",
		}},
		{"bare ldap sink", ok + "sinks:\n  - {name: corp, type: ldap, url: \"ldap://127.0.0.1\"}\n", []string{
			"3:5: sinks[0].base_dn: is missing or empty; name the entry below which everything is kept, for example dc=example,dc=org",
			"3:5: sinks[0].bind_dn: is missing or empty; name the service account, for example cn=kitbridge,ou=services,dc=example,dc=org",
			`3:5: sinks[0].tenants: is missing or empty; say which buyers' people it may hold: tenantIds or codes, or ["*"] for all`,
		}},
		{"no url", ldapSink + "      tenants: [a]}\n", []string{"3:5: sinks[0].url: is missing or empty; say where it is, for example ldap://127.0.0.1:389 or mysql://user:password@127.0.0.1:3306/product"}},
		{"sink of no type", ok + "sinks:\n  - {name: a, type: scim, url: b}\n", []string{`3:15: sinks[0].type: "scim" is not known here; write ldap or sql`}},
		{"bad name", sqlSink[:len(sqlSink)-len("product, type: sql,\n")] + "a b, type: sql, url: \"sqlite:a\"}\n", []string{`3:6: sinks[0].name: "a b" is no name; use up to 63 letters, digits, dots, - and _, beginning with a letter or digit`}},
		{"name twice", ok + "sinks:\n  - {name: a, type: sql, url: \"sqlite:a\"}\n  - {name: a, type: sql, url: \"sqlite:b\"}\n", []string{`4:6: sinks[1].name: "a" stands above already; sinks need different names`}},
		{"key of the other type", sqlSink + "      url: \"sqlite:a\", base_dn: dc=a, bind_password: x}\n", []string{
			"4:24: sinks[0].base_dn: is a key of type ldap only; remove it",
			"4:39: sinks[0].bind_password: is a key of type ldap only; remove it",
		}},
		{"sql key on ldap", ldapSink + "      url: \"ldap://localhost\", tenants: [a], prefix: b_}\n", []string{"4:46: sinks[0].prefix: is a key of type sql only; remove it"}},
		{"prefix", sqlSink + "      url: \"sqlite:a\", prefix: \"kit-\"}\n", []string{`4:24: sinks[0].prefix: "kit-" can't begin a table's name; use up to 32 small letters, digits and _, beginning with a letter`}},
		{"empty prefix", sqlSink + "      url: \"sqlite:a\", prefix: \"\"}\n", []string{"4:24: sinks[0].prefix: is missing or empty; give it a value such as kit_, or remove the key to have that"}},
		{"two databases", sqlSink + "      url: [\"sqlite:a\", \"sqlite:b\"]}\n", []string{"4:7: sinks[0].url: names 2 databases; a sink of type sql has one"}},
		{"mysql in clear", sqlSink + "      url: \"mysql://u:geheim@db.example.com/d?tls=preferred\"}\n", []string{"4:7: sinks[0].url: would send data and password in clear beyond this machine; add ?tls=true, or set insecure_transport: true"}},
		{"mysql without host", sqlSink + "      url: \"mysql:///d\"}\n", []string{"4:7: sinks[0].url: names no host; write mysql://user:password@host:3306/database, postgres://user:password@host:5432/database or sqlite:file.db"}},
		{"ldap in clear", ldapSink + "      url: [\"ldaps://a.example\", \"ldap://b.example\"], tenants: [a]}\n", []string{"4:34: sinks[0].url[1]: would send names and password in clear beyond this machine; use ldaps:// or start_tls: true, or set insecure_transport: true"}},
		{"ldaps and start_tls", ldapSink + "      url: \"ldaps://a.example\", start_tls: true, tenants: [a]}\n", []string{"4:7: sinks[0].url: is ldaps:// beside start_tls: true; use one of the two"}},
		{"ldap with path", ldapSink + "      url: \"ldap://localhost/dc=a\", tenants: [a]}\n", []string{"4:7: sinks[0].url: is no address of a directory; write for example ldaps://ldap.example.com, without user and DN"}},
		{"bad DN", ok + "sinks:\n  - {name: a, type: ldap, url: \"ldap://[::1]\", tenants: [a], bind_dn: cn=kb, bind_password: x, base_dn: example.org}\n", []string{`3:96: sinks[0].base_dn: "example.org" is no distinguished name; write for example ou=people,dc=example,dc=org`}},
		{"bind without password", ok + "sinks:\n  - {name: a, type: ldap, url: \"ldap://[::1]\", tenants: [a], bind_dn: cn=kb, base_dn: dc=a}\n", []string{"3:5: sinks[0].bind_password: is missing or empty; give the password of bind_dn, for example ${LDAP_PASSWORD}"}},
		{"certificate without TLS", ok + "sinks:\n  - {name: a, type: ldap, url: \"ldap://[::1]\", tenants: [t], base_dn: dc=a, cert_file: /dev/null, key_file: /dev/null}\n", []string{"3:27: sinks[0].url: is without TLS, so the certificate of cert_file cannot log in; use ldaps:// or start_tls: true"}},
		{"half a certificate", ldapSink + "      url: \"ldap://[::1]\", tenants: [a], cert_file: /dev/null}\n", []string{"4:42: sinks[0].cert_file: cert_file and key_file are a pair; give both or neither"}},
		{"star and others", ldapSink + "      url: \"ldap://[::1]\", tenants: [\"*\", a]}\n", []string{`4:28: sinks[0].tenants: has "*" beside others; write ["*"] for all, or only the others`}},
		{"base for all", ldapSink + "      url: \"ldap://[::1]\", tenants: [\"*\"], root: base}\n", []string{`4:44: sinks[0].root: base has no level that keeps tenants apart; name exactly one tenant in tenants, not "*", or use root: tenant`}},
		{"base for two", ldapSink + "      url: \"ldap://[::1]\", tenants: [a, b], root: base}\n", []string{`4:45: sinks[0].root: base has no level that keeps tenants apart; name exactly one tenant in tenants, not "*", or use root: tenant`}},
		{"too many connections", ldapSink + "      url: \"ldap://[::1]\", tenants: [a], connections: 65}\n", []string{"4:42: sinks[0].connections: 65 is too large; the most is 64"}},

		// All at once.
		{"all at once", "listn: a\npublic_url: ftp://x\nmigrate: maybe\nsinks:\n  - {name: a, type: ldap}\nadmin: {token: short}\n", []string{
			"1:1: listn: unknown key; did you mean listen?",
			"2:1: public_url: is no address of a website; begin with https:// (or http://) and a host",
			`3:1: migrate: "maybe" is not known here; write auto or refuse`,
			`5:5: sinks[0].tenants: is missing or empty; say which buyers' people it may hold: tenantIds or codes, or ["*"] for all`,
			"5:5: sinks[0].url: is missing or empty; say where it is, for example ldap://127.0.0.1:389 or mysql://user:password@127.0.0.1:3306/product",
			"6:9: admin.token: has fewer than 32 characters; make one with: openssl rand -hex 32",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := readConfig("k.yaml", []byte(test.text), lookup("WORD=word"))
			faults, isConfig := errors.AsType[*configError](err)
			if !isConfig {
				t.Fatalf("error = %v (%T), want a *configError", err, err)
			}
			var got []string
			for line := range strings.Lines(faults.Error()) {
				got = append(got, strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "k.yaml:"))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), "geheim") {
				t.Errorf("a fault shows a secret: %v", err)
			}
		})
	}
}

func ssoKeys() []string { return sortedKeys(reflect.TypeFor[SSO]()) }
func topKeys() []string { return sortedKeys(reflect.TypeFor[Config]()) }

// TestSound is the other half: what the rules must let through.
func TestSound(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text string }{
		{"dozen lines", `listen: 127.0.0.1:18080
public_url: http://127.0.0.1:18080
database: "sqlite:/tmp/kb/kitbridge.db"
key_file: /tmp/kb/kitbridge.key
marketplace:
  keys: {kit: ["TestKitAccessKey0000000000000002"]}
sinks:
  - name: corp
    type: ldap
    url: ldap://127.0.0.1:1389
    bind_dn: cn=admin,dc=example,dc=org
    bind_password: secret
    base_dn: dc=example,dc=org
    tenants: ["*"]
`},
		{"nothing behind a key", ok + "listen:\nsso:\n  profile:\nsinks:\nadmin:\n"},
		{"start_tls is TLS", ldapSink + "      url: \"ldap://a.example\", start_tls: true, tenants: [a]}\n"},
		{"insecure on purpose", ldapSink + "      url: \"ldap://a.example\", tenants: [a]}\ninsecure_transport: true\n"},
		{"local socket by name", ok + "sinks: [{name: a, type: ldap, url: \"ldapi://%2Frun%2Fslapd%2Fldapi\", base_dn: dc=a, tenants: [a]}]\n"},
		{"local socket binds as itself", ok + "sinks: [{name: a, type: ldap, url: \"ldapi:///\", base_dn: dc=a, tenants: [a]}]\n"},
		{"root base for one", ldapSink + "      url: \"ldaps://a.example\", tenants: [a], root: base}\n"},
		{"mysql with TLS", sqlSink + "      url: \"mysql://u:p@db.example.com/d?tls=true\"}\n"},
		{"postgres with TLS", ok + "database: postgresql://u:p@db.example.com/d?sslmode=verify-full\n"},
		{"postgres by socket", ok + "database: postgres:///d?host=/run/postgresql\n"},
		{"admin beyond loopback without token", ok + "admin: {listen: \":8081\"}\n"},
		{"purge at once", ok + "marketplace: {purge_after: 0s}\n"},
		{"several sources of a literal dollar", ok + "sso: {app_id: \"$a$${b}\"}\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := readConfig("k.yaml", []byte(test.text), lookup()); err != nil {
				t.Errorf("readConfig:\n%v", err)
			}
		})
	}
}
