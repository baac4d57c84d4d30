package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/ldapsink"
)

func (d *decoder) checkSinks(c *Config) {
	seen := map[string]bool{}
	for i := range c.Sinks {
		s, at := &c.Sinks[i], fmt.Sprintf("sinks[%d]", i)
		if d.places[at] != nil && d.places[at].bad {
			continue
		}
		if d.require(at+".name", s.Name != "", "give the sink a name that never changes, for example corp") && seen[s.Name] {
			d.fault(at+".name", "%q stands above already; sinks need different names", s.Name)
		}
		seen[s.Name] = true
		if !d.require(at+".type", s.Type != "", "write ldap or sql") || d.bad(at+".type") {
			continue
		}
		d.checkForeignKeys(at, s.Type)
		d.checkTenants(at, s)
		if d.require(at+".url", len(s.URL) > 0, "say where it is, for example ldap://127.0.0.1:389 or mysql://user:password@127.0.0.1:3306/product") {
			if s.Type == sinkLDAP {
				d.checkLDAP(at, s, c.InsecureTransport)
			} else {
				d.checkSQL(at, s, c.InsecureTransport)
			}
		}
	}
}

// checkForeignKeys refuses keys that only a sink of the other type has: they
// would do nothing, which is not what their author expects.
func (d *decoder) checkForeignKeys(at, kind string) {
	for name, k := range keysOf(reflect.TypeFor[Sink]()) {
		if k.only != "" && k.only != kind && d.given(join(at, name)) {
			d.fault(join(at, name), "is a key of type %s only; remove it", k.only)
		}
	}
}

func (d *decoder) checkTenants(at string, s *Sink) {
	at += ".tenants"
	if !d.require(at, len(s.Tenants) > 0, `say which buyers' people it may hold: tenantIds or codes, or ["*"] for all`) || d.bad(at) {
		return
	}
	if slices.Contains(s.Tenants, "") {
		d.fault(at, "has an empty entry; remove it")
	}
	if all := slices.Contains(s.Tenants, "*"); all && len(s.Tenants) > 1 {
		d.fault(at, `has "*" beside others; write ["*"] for all, or only the others`)
	}
}

func (d *decoder) checkSQL(at string, s *Sink, insecure bool) {
	if len(s.URL) > 1 {
		d.fault(at+".url", "names %d databases; a sink of type sql has one", len(s.URL))
		return
	}
	d.checkDatabase(at+".url", s.URL[0].Reveal(), insecure, []string{"mysql", "postgres", "sqlite"})
	d.require(at+".prefix", s.Prefix != "", "give it a value such as kit_, or remove the key to have that")
}

func (d *decoder) checkLDAP(at string, s *Sink, insecure bool) {
	local := true // every address is a local socket
	for i, secret := range s.URL {
		key := fmt.Sprintf("%s.url[%d]", at, i)
		if !d.given(key) {
			key = at + ".url"
		}
		u, err := ldapsink.ParseAddress(secret.Reveal())
		if d.bad(key) {
			continue
		}
		if err != nil {
			d.fault(key, "is no address of a directory; write for example ldaps://ldap.example.com, without user and DN")
			continue
		}
		local = local && u.Scheme == "ldapi"
		switch {
		case u.Scheme == "ldaps" && s.StartTLS:
			d.fault(key, "is ldaps:// beside start_tls: true; use one of the two")
		case u.Scheme == "ldap" && !s.StartTLS && !insecure && !isLoopback(u.Host):
			d.fault(key, "would send names and password in clear beyond this machine; use ldaps:// or start_tls: true, or set insecure_transport: true")
		case u.Scheme == "ldap" && !s.StartTLS && s.CertFile != "" && s.BindDN == "":
			d.fault(key, "is without TLS, so the certificate of cert_file cannot log in; use ldaps:// or start_tls: true")
		}
	}
	d.checkBind(at, s, local)
	if d.require(at+".base_dn", s.BaseDN != "", "name the entry below which everything is kept, for example dc=example,dc=org") {
		d.checkDN(at+".base_dn", s.BaseDN)
	}
	d.checkMapping(at+".attributes", s)
	if s.Root == "base" && (len(s.Tenants) != 1 || s.Tenants[0] == "*") && !d.bad(at+".tenants") {
		d.fault(at+".root", `base has no level that keeps tenants apart; name exactly one tenant in tenants, not "*", or use root: tenant`)
	}
}

// checkMapping names every template that cannot be read.
func (d *decoder) checkMapping(at string, s *Sink) {
	_, err := ldapsink.ParseMapping(s.Attributes)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return
	}
	for _, err := range joined.Unwrap() {
		if fault, ok := errors.AsType[*ldapsink.MappingError](err); ok {
			d.fault(at+"."+fault.Attribute, "%s", fault.Reason)
		}
	}
}

// checkBind wants a complete way to log in. A DN with an empty password would
// silently be an anonymous bind (RFC 4513, section 5.1.2).
func (d *decoder) checkBind(at string, s *Sink, local bool) {
	if (s.CertFile == "") != (s.KeyFile == "") && !d.bad(at+".cert_file") && !d.bad(at+".key_file") {
		d.fault(at+".cert_file", "cert_file and key_file are a pair; give both or neither")
	}
	external := local || s.CertFile != ""
	if s.BindDN == "" {
		d.require(at+".bind_dn", external && s.BindPassword.Reveal() == "", "name the service account, for example cn=kitbridge,ou=services,dc=example,dc=org")
		return
	}
	d.checkDN(at+".bind_dn", s.BindDN)
	d.require(at+".bind_password", s.BindPassword.Reveal() != "", "give the password of bind_dn, for example ${LDAP_PASSWORD}")
}

func (d *decoder) checkDN(key, text string) {
	if d.bad(key) {
		return
	}
	if dn, err := ldap.ParseDN(text); err != nil || len(dn.RDNs) == 0 {
		d.fault(key, "%q is no distinguished name; write for example ou=people,dc=example,dc=org", text)
	}
}
