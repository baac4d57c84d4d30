package main

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// warnings lists what is accepted but deserves a look, in the order of lines.
func (d *decoder) warnings(c *Config) []Warning {
	var warnings []Warning
	warn := func(key string, at place, text string) {
		warnings = append(warnings, Warning{File: d.file, Line: at.line, Col: at.col, Key: key, Text: text})
	}
	if oidc := c.SSO.Profile == "oidc"; d.given("sso.id_token") && oidc != (c.SSO.IDToken == "required") {
		text := "changes nothing: with profile " + c.SSO.Profile + " no ID token is asked for"
		if oidc {
			text = "changes nothing: with profile oidc an ID token is always required"
		}
		warn("sso.id_token", d.placeFor("sso.id_token"), text)
	}
	if c.SSO.Profile == "cas" && c.SSO.Refresh.Mode != "off" {
		warn("sso.refresh.mode", d.placeFor("sso.refresh.mode"), "changes nothing: CAS knows no tokens to ask again with")
	}
	for _, key := range []string{"authorize_url", "token_url", "userinfo_url"} {
		if c.SSO.Profile == "oidc" && c.SSO.JWKSURL == "" && d.given("sso."+key) {
			warn("sso."+key, d.placeFor("sso."+key), "changes nothing: with profile oidc endpoints come from discovery; give sso.jwks_url, too, to name them")
		}
	}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		warn("public_url", *d.places["public_url"], "is http://: sessions and codes can be read on the way; use https:// in production")
	}
	if len(c.SSO.Rules) > 0 && len(c.TrustedProxies) == 0 && c.Proxy.Upstream == "" {
		warn("sso.rules", d.placeFor("sso.rules"), "needs trusted_proxies: the decision endpoints answer everybody else with 403; list your web server's address there")
	}
	if len(c.SSO.Hosts) > 0 && len(c.TrustedProxies) == 0 && c.Proxy.Upstream == "" {
		warn("sso.hosts", d.placeFor("sso.hosts"), "needs trusted_proxies: without it the decision endpoints do not know which host a question is about; list your web server's address there")
	}
	if len(c.Marketplace.Keys.Kit)+len(c.Marketplace.Keys.V1) == 0 {
		warn("marketplace.keys", d.placeFor("marketplace.keys"), "has no access key, so every message of the marketplace is refused; copy one from the seller centre into kit")
	}
	if len(c.Marketplace.Keys.Base) > 0 && c.Marketplace.BaseUpstream == "" {
		warn("marketplace.keys.base", d.placeFor("marketplace.keys.base"), "checks calls that nobody gets: without marketplace.base_upstream they are refused; name the product's endpoint there")
	}
	if len(c.Sinks) == 0 {
		warn("sinks", d.placeFor("sinks"), "is empty, so no directory and no table is kept; people can sign in all the same")
	}
	slices.SortFunc(warnings, func(a, b Warning) int {
		return cmp.Or(a.Line-b.Line, strings.Compare(a.Key, b.Key))
	})
	return warnings
}
