package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// isWhole says whether the entry names a provider and the client there, or only keys that
// are different for a tenant that is pushed.
func (t StaticTenant) isWhole() bool {
	return t.Issuer != "" || t.ClientID != "" || t.ClientSecret.Reveal() != "" || t.Code != "" || t.Name != ""
}

// overrides says whether the entry gives any of the keys that it shares with sso.
func (t StaticTenant) overrides() bool {
	plain := StaticTenant{ID: t.ID, Code: t.Code, Name: t.Name, Issuer: t.Issuer, ClientID: t.ClientID, ClientSecret: t.ClientSecret}
	return !reflect.DeepEqual(plain, t)
}

// of is the configuration of sign-in as it is for one tenant: the common one, or, under
// another profile, that profile's defaults; and over it what the entry gives.
func (s SSO) of(t StaticTenant) SSO {
	own := s
	other := s.underProfile(t.Profile)
	from, base, into := reflect.ValueOf(t), reflect.ValueOf(other), reflect.ValueOf(&own).Elem()
	rows := keysOf(into.Type())
	for i := range from.NumField() {
		f, _ := fieldOf(from.Type().Field(i))
		row, shared := rows[f.name]
		if !shared || f.name == "issuer" { // an issuer is here a name, there a template
			continue
		}
		into.Field(row.index).Set(base.Field(row.index))
		lay(from.Field(i), into.Field(row.index))
	}
	own.Issuer = other.Issuer
	return own
}

// underProfile is s, or what a file with only another profile would give for the keys that
// a profile is about.
func (s SSO) underProfile(profile string) SSO {
	if profile == "" || profile == s.Profile {
		return s
	}
	other := defaultSSO()
	other.Profile = profile
	other.fillProfile(func(string) bool { return false })
	other.UnknownUser, other.Unsolicited, other.Session, other.Refresh = s.UnknownUser, s.Unsolicited, s.Session, s.Refresh
	return other
}

// lay puts a value that is given over another.
func lay(given, over reflect.Value) {
	if given.Kind() == reflect.Struct {
		for i := range given.NumField() {
			lay(given.Field(i), over.Field(i))
		}
		return
	}
	if !given.IsZero() {
		over.Set(given)
	}
}

// staticTenants translates the configuration's tenants.
func staticTenants(c SSO) []sso.StaticTenant {
	tenants := make([]sso.StaticTenant, 0, len(c.Tenants))
	for _, t := range c.Tenants {
		s := sso.StaticTenant{
			ID: sso.TenantID(t.ID), Code: t.Code, Name: t.Name,
			Issuer: t.Issuer, ClientID: t.ClientID, Secret: sso.Secret(t.ClientSecret.Reveal()),
		}
		if t.overrides() {
			s.Settings = new(ssoSettings(c.of(t)))
		}
		tenants = append(tenants, s)
	}
	return tenants
}

func (d *decoder) checkStaticTenants(c *SSO) {
	ids, codes := map[string]int{}, map[string]int{}
	for i, t := range c.Tenants {
		at := fmt.Sprintf("sso.tenants[%d]", i)
		if d.bad(at + ".profile") {
			t.Profile = c.Profile // which is known, or a fault, too
		}
		if err := orgsync.CheckKey(t.ID); t.ID != "" && err != nil && !d.bad(at+".id") {
			d.fault(at+".id", "%s; write an id of up to %d characters", err, orgsync.MaxKeyLength)
		}
		d.require(at+".id", t.ID != "", "give the tenant an id of its own, or the tenantId of one that is pushed")
		d.checkOnce(at+".id", t.ID, ids, i)
		d.checkOnce(at+".code", t.Code, codes, i)
		for _, f := range []struct{ key, value string }{{"code", t.Code}, {"name", t.Name}, {"client_id", t.ClientID}} {
			if strings.ContainsFunc(f.value, unicode.IsControl) && !d.bad(at+"."+f.key) {
				d.fault(at+"."+f.key, "holds a control character; write plain text")
			}
		}
		d.checkProvider(at, t, c)
		d.checkOwnKeys(at, t, c)
		d.checkSecureTemplates(at, t, c)
	}
}

// checkSecureTemplates wants https where a section names addresses at auth centres.
func (d *decoder) checkSecureTemplates(at string, section any, c *SSO) {
	v := reflect.ValueOf(section)
	for name, k := range keysOf(v.Type()) {
		here := at + "." + name
		if k.kind == "template" && strings.HasPrefix(v.Field(k.index).String(), "http://") && !c.AllowInsecureAuthCentres && !d.bad(here) {
			d.fault(here, "must be https://: codes, secrets and tokens go there")
		}
	}
}

// checkOnce reports a value that an entry above has already.
func (d *decoder) checkOnce(at, value string, seen map[string]int, entry int) {
	if value == "" || d.bad(at) {
		return
	}
	if first, twice := seen[value]; twice {
		d.fault(at, "%q stands above already, in sso.tenants[%d]; remove one of them", value, first)
		return
	}
	seen[value] = entry
}

// checkProvider wants the whole provider or nothing of it: a secret goes only where it
// belongs.
func (d *decoder) checkProvider(at string, t StaticTenant, c *SSO) {
	if !t.isWhole() && t.overrides() {
		return // of a tenant that is pushed
	}
	if d.require(at+".issuer", t.Issuer != "", "name the provider, for example https://login.example.com") && !d.bad(at+".issuer") {
		if _, err := sso.ParseDomain(t.Issuer, c.AllowInsecureAuthCentres); err != nil {
			d.fault(at+".issuer", "must be https:// and have no query; write it exactly as the provider's discovery document does")
		} else if !d.bad("sso.profile") && ssoSettings(c.of(t)).CheckAddress(t.Issuer) != nil {
			d.fault(at+".issuer", "is no address that may be called; if it is one of yours, list its network in sso.auth_centres.private_networks")
		}
	}
	if c.of(t).Profile == "cas" {
		return // there is no client
	}
	d.require(at+".client_id", t.ClientID != "", "copy it from the provider")
	d.require(at+".client_secret", t.ClientSecret.Reveal() != "", "copy it from the provider")
}

// checkOwnKeys looks at what the entry's keys and the common ones make together.
func (d *decoder) checkOwnKeys(at string, t StaticTenant, c *SSO) {
	own := c.of(t)
	if (t.Session != SSOSession{}) && own.Session.Idle > own.Session.Absolute && !d.bad(at+".session") && !d.bad("sso.session") {
		d.fault(at+".session", "idle is longer than absolute; make it shorter")
	}
	if t.Refresh.Every != 0 && t.Refresh.Every < time.Second && !d.bad(at+".refresh.every") {
		d.fault(at+".refresh.every", "is less than a second; write for example 10m")
	}
	if own.Profile != "cas" || d.bad(at+".service_template") || own.ServiceTemplate == c.ServiceTemplate {
		return
	}
	if err := sso.CheckServiceTemplate(own.ServiceTemplate); err != nil {
		d.fault(at+".service_template", "%s; write for example {callback}?tenant={tenantId}", err)
	}
}
