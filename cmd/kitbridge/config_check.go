package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// minToken is the least length of the admin token: 32 characters of base64 or
// hex are at least 128 bits.
const minToken = 32

// check reports what is wrong with more than one key, or with a key that is not
// there. It passes over values that could not be read.
func (d *decoder) check(c *Config) {
	d.require("public_url", c.PublicURL != "", "say under which address browsers and the marketplace reach this service, for example https://app.example.com")
	for key, value := range map[string]string{
		"listen": c.Listen, "admin.listen": c.Admin.Listen, "key_file": c.KeyFile, "sso.authorize_url": c.SSO.AuthorizeURL,
		"sso.token_url": c.SSO.TokenURL, "sso.userinfo_url": c.SSO.UserinfoURL, "sso.issuer": c.SSO.Issuer,
	} {
		discovered := c.SSO.Profile == "oidc" && strings.HasPrefix(key, "sso.") && key != "sso.issuer"
		d.require(key, value != "" || discovered, "give it a value, or remove the key to have the default")
	}
	d.checkDatabase("database", c.Database.Reveal(), c.InsecureTransport, []string{"sqlite", "postgres"})
	d.checkMarketplace(&c.Marketplace)
	d.checkAdmin(c)
	d.checkSSO(c)
	d.checkSinks(c)
}

// require reports the key at path as missing unless ok. It returns ok.
func (d *decoder) require(path string, ok bool, do string) bool {
	if !ok && !d.bad(path) {
		d.fault(path, "is missing or empty; %s", do)
	}
	return ok
}

func (d *decoder) checkMarketplace(m *Marketplace) {
	if p := m.Path; !d.bad("marketplace.path") {
		plain := strings.Trim(p, "/-._~"+letters) == "" && !strings.Contains(p, "%")
		if !strings.HasPrefix(p, "/") || p == "/" || path.Clean(p) != p || !plain {
			d.fault("marketplace.path", "%q is no path for the production address; write for example /marketplace", p)
		} else if first, _, _ := strings.Cut(p[1:], "/"); first == "sso" || first == "healthz" {
			d.fault("marketplace.path", "/%s is taken; choose another, for example /marketplace", first)
		}
	}
	for name, keys := range map[string][]Secret{"kit": m.Keys.Kit, "base": m.Keys.Base, "v1": m.Keys.V1} {
		at := "marketplace.keys." + name
		for i, key := range keys {
			here := fmt.Sprintf("%s[%d]", at, i)
			if text := key.Reveal(); !d.bad(here) && (text == "" || strings.TrimSpace(text) != text) {
				d.fault(here, "is empty or has blanks around it; copy the key from the seller centre, or remove the line to turn %s off", name)
			}
		}
	}
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func (d *decoder) checkAdmin(c *Config) {
	token := c.Admin.Token.Reveal()
	if token != "" && !d.bad("admin.token") {
		if len(token) < minToken {
			d.fault("admin.token", "has fewer than %d characters; make one with: openssl rand -hex 32", minToken)
		} else if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			d.fault("admin.token", "has characters that no HTTP header can carry; make one with: openssl rand -hex 32")
		}
		if !d.bad("admin.listen") && !isLoopbackListen(c.Admin.Listen) {
			d.fault("admin.listen", "would send the token in clear beyond this machine; listen on 127.0.0.1 and put a proxy with TLS before it, or remove admin.token")
		}
	}
	if u, err := url.Parse(c.Proxy.Upstream); err == nil && u.Host != "" && u.Host == c.Listen && !d.bad("proxy.upstream") {
		d.fault("proxy.upstream", "is kitbridge's own address (listen), so requests would go round for ever; name the product's")
	}
	if c.Listen == c.Admin.Listen && !strings.HasSuffix(c.Listen, ":0") && !d.bad("listen") && !d.bad("admin.listen") {
		d.fault("admin.listen", "is the same as listen; the API and metrics need a port of their own")
	}
}

func isLoopbackListen(address string) bool {
	i := strings.LastIndexByte(address, ':')
	return i > 0 && isLoopback(strings.Trim(address[:i], "[]"))
}

// isLoopback reports whether what is sent to host stays on this machine.
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761, section 6.3
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// checkDatabase checks the address of a database against the schemes allowed.
func (d *decoder) checkDatabase(key, address string, insecure bool, schemes []string) {
	if d.bad(key) {
		return
	}
	known := "write " + oneOf(databaseExamples(schemes))
	if file, ok := strings.CutPrefix(address, sqlitePrefix); ok {
		if file == "" || strings.HasPrefix(file, "//") {
			d.fault(key, "names no file; write for example sqlite:kitbridge.db")
		}
		return
	}
	u, err := url.Parse(address)
	if err != nil {
		// Not err: it quotes the address, which holds a password.
		d.fault(key, "is no readable address; %s, with special characters of user and password as %%XX", known)
		return
	}
	scheme := u.Scheme
	if scheme == "postgresql" {
		scheme = "postgres"
	}
	switch {
	case !strings.Contains(strings.Join(schemes, " "), scheme) || scheme == "":
		d.fault(key, "is no database that can be used here; %s", known)
	case strings.Trim(u.Path, "/") == "":
		d.fault(key, "names no database; %s", known)
	case u.Hostname() == "" && scheme == "mysql":
		d.fault(key, "names no host; %s", known)
	case !insecure && leavesInClear(scheme, u):
		d.fault(key, "would send data and password in clear beyond this machine; add %s, or set insecure_transport: true", tlsParameter(scheme))
	}
}

func databaseExamples(schemes []string) []string {
	all := map[string]string{ //nolint:gosec // examples for people, no credentials
		"sqlite":   "sqlite:file.db",
		"postgres": "postgres://user:password@host:5432/database",
		"mysql":    "mysql://user:password@host:3306/database",
	}
	out := make([]string, len(schemes))
	for i, s := range schemes {
		out[i] = all[s]
	}
	return out
}

func tlsParameter(scheme string) string {
	if scheme == "mysql" {
		return "?tls=true"
	}
	return "?sslmode=verify-full"
}

// leavesInClear reports whether a connection may go beyond this machine without
// TLS. A mode that falls back to clear text (prefer, preferred) counts as none.
func leavesInClear(scheme string, u *url.URL) bool {
	q := u.Query()
	switch scheme {
	case "mysql":
		if mode := q.Get("tls"); mode == "true" || mode == "skip-verify" {
			return false
		}
	case "postgres":
		if mode := q.Get("sslmode"); mode == "require" || mode == "verify-ca" || mode == "verify-full" {
			return false
		}
	}
	hosts := []string{u.Hostname()}
	if more := q.Get("host"); more != "" { // libpq: overrides the authority; a path is a local socket
		hosts = strings.Split(more, ",")
	}
	for _, host := range hosts {
		if host != "" && !strings.HasPrefix(host, "/") && !isLoopback(host) {
			return true
		}
	}
	return false
}
