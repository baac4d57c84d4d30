package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/kitbridge/kitbridge/sso"
)

func (d *decoder) checkSSO(c *Config) {
	s := &c.SSO
	if s.Session.Idle > s.Session.Absolute && !d.bad("sso.session") {
		d.fault("sso.session.idle", "is longer than sso.session.absolute; make it shorter")
	}
	if s.Refresh.Every < time.Second && !d.bad("sso.refresh.every") {
		d.fault("sso.refresh.every", "is less than a second; write for example 10m")
	}
	for _, list := range []struct {
		key   string
		count int
	}{{"signing_algs", len(s.SigningAlgs)}, {"tenant_params", len(s.TenantParams)}, {"userinfo_headers", len(s.UserinfoHeaders)}} {
		d.require("sso."+list.key, list.count > 0, "give it a value, or remove the key to have the default")
	}
	d.checkHosts(c)
	if s.Embedded == "partitioned" && strings.HasPrefix(c.PublicURL, "http://") && !d.bad("sso.embedded") {
		d.fault("sso.embedded", "partitioned needs a public_url with https://: browsers take no cookies for frames over http")
	}
	for i, name := range s.ProductCookies {
		at := fmt.Sprintf("sso.product_cookies[%d]", i)
		switch {
		case d.bad(at):
		case !isToken(name):
			d.fault(at, "%q is no name of a cookie; write for example JSESSIONID", name)
		case strings.HasPrefix(strings.TrimPrefix(name, "__Host-"), "kitbridge"):
			d.fault(at, "%q is a cookie of kitbridge itself; name only the product's", name)
		}
	}
	if err := sso.CheckServiceTemplate(s.ServiceTemplate); err != nil && s.Profile == "cas" && !d.bad("sso.service_template") {
		d.fault("sso.service_template", "%s; write for example {callback}?tenant={tenantId}", err)
	}
	for i, r := range s.Rules {
		d.checkRule(fmt.Sprintf("sso.rules[%d]", i), r)
	}
	d.checkSecureTemplates("sso", *s, s)
	d.checkStaticTenants(s)
	// Without a chooser people get to their company by the unified login page, whose
	// address may want the app.
	unified := s.UnifiedLoginURL != "" && (s.AppID != "" || !strings.Contains(s.UnifiedLoginURL, "{appId}"))
	if s.Chooser == "off" && !unified && !d.bad("sso.chooser") && !d.bad("sso.app_id") && !d.bad("sso.unified_login_url") {
		d.fault("sso.chooser", "is off, and without sso.app_id there is no unified login page either, so nobody could name their company; give sso.app_id, or use search or list")
	}
}

// checkHosts wants each name once, whatever its port: cookies know none. A tenant that is not known may still be pushed.
func (d *decoder) checkHosts(c *Config) {
	seen := map[string]bool{}
	for i, h := range c.SSO.Hosts {
		at := fmt.Sprintf("sso.hosts[%d].host", i)
		name := hostOf("https://" + h.Host)
		switch {
		case !d.require(at, h.Host != "", "name the host, for example app2.example.com") || d.bad(at):
			continue
		case name == hostOf(c.PublicURL):
			d.fault(at, "%q is the host of public_url, which serves /sso/ anyway; remove it", h.Host)
		case seen[name]:
			d.fault(at, "%q stands above already; remove one of them", h.Host)
		}
		seen[name] = true
	}
}

// hostOf is the name of a website's host in small letters, without a port.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func (d *decoder) checkRule(at string, r Rule) {
	if !d.bad(at+".path") && !strings.HasPrefix(r.Path, "/") {
		d.fault(at+".path", "must begin with /; write for example /admin/")
	} else if err := (sso.Rule{Path: r.Path, Allow: sso.Allow{Public: true}}).Validate(); err != nil && !d.bad(at+".path") {
		d.fault(at+".path", "%s", strings.TrimPrefix(err.Error(), "path: "))
	}
	for i, m := range r.Methods {
		if sub := fmt.Sprintf("%s.methods[%d]", at, i); !d.bad(sub) && (!isToken(m) || strings.ToUpper(m) != m) {
			d.fault(sub, "%q is no HTTP method; write for example GET", m)
		}
	}
	a := r.Allow
	d.require(at+".allow", a.Public || a.SignedIn || a.Role != "" || len(a.Tenants)+len(a.Orgs) > 0,
		"write public, signed_in or {role: admin}, {tenant: …}, {org: …}")
}

// isToken reports whether text is a token of RFC 9110, section 5.6.2: what
// methods and names of cookies and headers are made of.
func isToken(text string) bool {
	return text != "" && strings.Trim(text, "!#$%&'*+-.^_`|~"+letters) == ""
}
