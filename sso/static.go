package sso

import (
	"errors"
	"fmt"
	"slices"
)

// StaticTenant is what a configuration says about one tenant. With an Issuer it is whole: the tenant signs in there, with
// this client, whether or not a push names it. Without, it only says what is different about a tenant that pushes name.
//
// Pushes win in everything else. A tenant that a push of production names has its name, its users and its end from the pushes,
// also if it is whole here. Where none does, the auth centre's word is all there is about a user: [Settings].UnknownUser
// "deny" lets nobody in, "jit" and "pending", as there is nothing to wait for, let in whom the auth centre vouches for.
type StaticTenant struct {
	ID TenantID
	// Code and Name are those of a tenant that no push names.
	Code, Name string
	// Issuer is the exact issuer of profile oidc, and the auth centre's base address, `{domain}`, of the others.
	Issuer string
	// ClientID and Secret are the client there; profile cas has none.
	ClientID string
	Secret   Secret
	// Settings are the tenant's own, nil where they are the common ones. What is not about one sign-in or session (App, Rules,
	// Chooser, TenantParams, UnifiedLoginURL, AllowTestTenants, ProductCookies, Assertion…) counts in the common ones only.
	Settings *Settings
}

// tenant is the tenant where no push names it.
func (t StaticTenant) tenant(authority Handle) Tenant {
	return Tenant{ID: t.ID, Code: t.Code, Name: t.Name, Issuer: t.Issuer, Authority: authority, Live: true}
}

// validateStatic reports every fault of tenants at once.
func validateStatic(tenants []StaticTenant, common *Settings) error {
	var faults []error
	seen := map[TenantID]bool{}
	for _, t := range tenants {
		s := common
		var err error
		if t.Settings != nil {
			s, err = t.Settings, t.Settings.validate()
		}
		err = errors.Join(err, t.validate(s))
		if seen[t.ID] {
			err = errors.Join(err, errors.New("stands twice"))
		}
		seen[t.ID] = true
		if err != nil {
			faults = append(faults, fmt.Errorf("tenant %q: %w", t.ID, err))
		}
	}
	return errors.Join(faults...)
}

func (t StaticTenant) validate(s *Settings) error {
	var faults []error
	for _, f := range []struct{ key, value string }{{"id", string(t.ID)}, {"code", t.Code}, {"name", t.Name}, {"client_id", t.ClientID}} {
		if !tidy(f.value, 256) {
			faults = append(faults, fmt.Errorf("%s: has control characters, or more than 256 bytes", f.key))
		}
	}
	if t.ID == "" {
		faults = append(faults, errors.New("id: is missing"))
	}
	if t.Issuer == "" {
		if t.ClientID != "" || t.Secret != "" {
			faults = append(faults, errors.New("issuer: is missing beside the client"))
		}
		return errors.Join(faults...)
	}
	if err := s.CheckAddress(t.Issuer); err != nil {
		faults = append(faults, errors.New("issuer: is no https address that may be called"))
	}
	if s.Profile != ProfileCAS && (t.ClientID == "" || t.Secret == "") {
		faults = append(faults, errors.New("client_id, client_secret: are missing"))
	}
	return errors.Join(faults...)
}

// SetStatic replaces the tenants of the configuration, or reports every fault of the new ones and changes nothing. A tenant that
// is gone, or whose issuer, client or way of reading identities is another now, has no live session from here on. It is
// safe for concurrent use with everything but itself.
func (rp *RelyingParty) SetStatic(tenants []StaticTenant) error {
	if err := validateStatic(tenants, &rp.settings); err != nil {
		return err
	}
	last := rp.directory.configured.Load()
	rp.directory.configured.Store(newConfigured(last.common, tenants, last, rp.now))
	return nil
}

// Authorities are those of [NewSession] that count now. Sessions of others stay dead as long as they are not among them;
// delete them, and they stay so for ever.
func (rp *RelyingParty) Authorities() []Handle {
	all := []Handle{}
	for authority := range rp.directory.configured.Load().authorities {
		all = append(all, authority)
	}
	slices.Sort(all)
	return all
}
