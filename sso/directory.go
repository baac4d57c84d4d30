package sso

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// directory is the ports as the configuration completes them: tenants that no push names, and others whose auth centre it says.
type directory struct {
	Sessions
	tenants     Tenants
	credentials Credentials
	accounts    Accounts
	app         AppID
	configured  atomic.Pointer[configured]
}

// wholeTenant returns what the configuration says about the tenant if that is all of it.
func (c *configured) wholeTenant(id TenantID) (StaticTenant, bool) {
	t, ok := c.tenants[id]
	return t, ok && t.Issuer != ""
}

// Tenant implements [Tenants].
func (d *directory) Tenant(ctx context.Context, id TenantID) (Tenant, error) {
	return d.tenantIn(ctx, d.configured.Load(), id)
}

func (d *directory) tenantIn(ctx context.Context, c *configured, id TenantID) (Tenant, error) {
	t, err := d.tenants.Tenant(ctx, id)
	own, whole := c.wholeTenant(id)
	switch {
	case !whole || err != nil && !errors.Is(err, ErrUnknownTenant):
		return t, err //nolint:wrapcheck // the port's own
	case err == nil && !t.Test:
		t.Domain, t.Issuer = "", own.Issuer
		return t, nil
	}
	return own.tenant(c.authority(own)), nil // debug data hides nothing
}

// TenantsByCode implements [Tenants].
func (d *directory) TenantsByCode(ctx context.Context, code string) ([]Tenant, error) {
	found, err := d.tenants.TenantsByCode(ctx, code)
	return d.complete(ctx, found, err, func(t Tenant) bool { return t.Code == code })
}

// TenantsByHost implements [Tenants].
func (d *directory) TenantsByHost(ctx context.Context, host string) ([]Tenant, error) {
	found, err := d.tenants.TenantsByHost(ctx, host)
	return d.complete(ctx, found, err, func(t Tenant) bool { return host != "" && AuthCentreHost(t) == host })
}

// SearchTenants implements [Tenants].
func (d *directory) SearchTenants(ctx context.Context, text string, limit int) ([]Tenant, error) {
	found, err := d.tenants.SearchTenants(ctx, text, limit)
	text = fold(text)
	found, err = d.complete(ctx, found, err, func(t Tenant) bool { return strings.Contains(searchText(t), text) })
	slices.SortStableFunc(found, func(a, b Tenant) int {
		if a.Test != b.Test {
			if a.Test {
				return 1
			}
			return -1
		}
		return cmp.Or(strings.Compare(searchText(a), searchText(b)), strings.Compare(string(a.ID), string(b.ID)))
	})
	return found[:min(limit, len(found))], err
}

// searchText is what a tenant is found by, case folded.
func searchText(t Tenant) string { return fold(t.Name) + "\n" + fold(t.Code) }

func fold(text string) string { return strings.ToLower(strings.ToUpper(text)) }

// complete returns the tenants that the port found, as the configuration completes them, and those of the configuration that
// match, too.
func (d *directory) complete(ctx context.Context, found []Tenant, err error, match func(Tenant) bool) ([]Tenant, error) {
	c := d.configured.Load()
	if err != nil || len(c.whole) == 0 {
		return found, err
	}
	kept, named := make([]Tenant, 0, len(found)), map[TenantID]bool{}
	for _, t := range found {
		if _, whole := c.wholeTenant(t.ID); whole {
			named[t.ID] = true
			continue
		}
		kept = append(kept, t)
	}
	for _, own := range c.whole {
		if !named[own.ID] && !match(own.tenant("")) {
			continue
		}
		t, err := d.tenantIn(ctx, c, own.ID)
		if err != nil {
			return nil, err
		}
		if t.Live && match(t) {
			kept = append(kept, t)
		}
	}
	return kept, nil
}

// Credential implements [Credentials]. Of a tenant that pushes name the application must be bound also if its client is in the
// configuration.
func (d *directory) Credential(ctx context.Context, tenant TenantID) (Credential, error) {
	configured := d.configured.Load()
	own, whole := configured.wholeTenant(tenant)
	if !whole {
		return d.credentials.Credential(ctx, tenant) //nolint:wrapcheck // the port's own
	}
	t, err := d.tenantIn(ctx, configured, tenant)
	if err != nil {
		return Credential{}, err
	}
	if t.Authority != "" {
		return Credential{App: d.app, ClientID: own.ClientID, Secret: own.Secret, Live: true}, nil
	}
	c, err := d.credentials.Credential(ctx, tenant)
	c.ClientID, c.Secret = own.ClientID, own.Secret
	return c, err //nolint:wrapcheck // the port's own
}

// Account implements [Accounts]. Nobody said anything about the users of a tenant that no push names; what could be taken away
// from all of them is its authority.
func (d *directory) Account(ctx context.Context, tenant TenantID, app AppID, user UserName) (Account, error) {
	c := d.configured.Load()
	if _, whole := c.wholeTenant(tenant); whole {
		t, err := d.tenantIn(ctx, c, tenant)
		if err != nil || t.Authority != "" {
			return Account{Marks: string(t.Authority)}, err
		}
	}
	return d.accounts.Account(ctx, tenant, app, user) //nolint:wrapcheck // the port's own
}

// CreateSession implements [Sessions].
func (d *directory) CreateSession(ctx context.Context, s NewSession) error {
	if s.Authority != "" && d.configured.Load().authorities[s.Authority] != s.Tenant {
		return fmt.Errorf("the tenant's configuration changed: %w", ErrNoSession)
	}
	return d.Sessions.CreateSession(ctx, s) //nolint:wrapcheck // the port's own
}

// Decide implements [Sessions]: a session that rests on the configuration is live as long as that says the same.
func (d *directory) Decide(ctx context.Context, key SessionKey, now time.Time) (LiveSession, error) {
	live, err := d.Sessions.Decide(ctx, key, now)
	if err != nil || live.Authority == "" {
		return live, err //nolint:wrapcheck // the port's own
	}
	c := d.configured.Load()
	if id, ok := c.authorities[live.Authority]; !ok || id != live.Tenant {
		return LiveSession{}, fmt.Errorf("the tenant's configuration changed: %w", ErrNoSession)
	}
	own := c.tenants[live.Tenant]
	live.TenantCode, live.TenantName = own.Code, own.Name
	return live, nil
}
