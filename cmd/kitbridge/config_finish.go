package main

import (
	"strings"

	"github.com/kitbridge/kitbridge/sso"
)

const sqlitePrefix = "sqlite:"

// finish fills in the defaults that depend on other keys, and gives paths inside
// values their full form.
func (d *decoder) finish(c *Config) {
	c.Database = NewSecret(d.resolveSQLite(c.Database.Reveal()))
	if !d.given("key_file") {
		c.KeyFile = d.resolve(c.KeyFile)
	}
	if c.Migrate == "" && !d.given("migrate") {
		c.Migrate = "refuse"
		if strings.HasPrefix(c.Database.Reveal(), sqlitePrefix) {
			c.Migrate = "auto"
		}
	}
	if c.SSO.Assertion.Audience == "" {
		c.SSO.Assertion.Audience = c.PublicURL
	}
	if !d.bad("sso.profile") {
		c.SSO.fillProfile(d.given)
	}
	for i := range c.Sinks {
		s := &c.Sinks[i]
		if s.Type != sinkSQL {
			continue
		}
		if len(s.Tenants) == 0 {
			s.Tenants = []string{"*"}
		}
		for j, u := range s.URL {
			s.URL[j] = NewSecret(d.resolveSQLite(u.Reveal()))
		}
	}
}

// resolveSQLite gives the path of a sqlite: address its full form; other texts stay.
func (d *decoder) resolveSQLite(address string) string {
	path, ok := strings.CutPrefix(address, sqlitePrefix)
	if !ok || path == "" {
		return address
	}
	return sqlitePrefix + d.resolve(path)
}

// fillProfile fills in what a profile decides of the keys that are not given. A standard
// provider gives nonce, PKCE and an ID token (OpenID Connect Core 1.0, section 3.1; RFC
// 9700, section 2.1.1); the buyers' auth centres behind the kit document none of them.
func (s *SSO) fillProfile(given func(key string) bool) {
	own := sso.DefaultSettings(sso.ProfileName(s.Profile))
	for _, f := range []struct {
		key   string
		field *string
		value string
	}{
		{"authorize_url", &s.AuthorizeURL, own.AuthorizeURL},
		{"token_url", &s.TokenURL, own.TokenURL},
		{"userinfo_url", &s.UserinfoURL, own.UserinfoURL},
		{"logout_url", &s.LogoutURL, own.LogoutURL},
		{"service_template", &s.ServiceTemplate, own.ServiceTemplate},
	} {
		if !given("sso." + f.key) {
			*f.field = f.value
		}
	}
	scope, nonce, pkce, idToken := "get_user_info", "if_echoed", "off", "if_present"
	if s.Profile == "oidc" {
		scope, nonce, pkce, idToken = "openid", "required", "s256", "required"
	}
	if len(s.Scope) == 0 {
		s.Scope = []string{scope}
	}
	for _, f := range []struct {
		field *string
		value string
	}{{&s.Nonce, nonce}, {&s.PKCE, pkce}, {&s.IDToken, idToken}} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
}
