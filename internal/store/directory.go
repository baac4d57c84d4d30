package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

const (
	// A tenant of the test realm is hidden by one of production with the same id.
	selectTenant = `SELECT c.id, c.realm, c.tenant, t.code, t.name, t.domain, t.active
	FROM tenant t JOIN scope c ON c.id = t.scope WHERE `
	isLive = `t.active = 1 AND (c.realm = 0 OR NOT EXISTS (
	SELECT 1 FROM scope pc JOIN tenant pt ON pt.scope = pc.id WHERE pc.realm = 0 AND pc.tenant = c.tenant))`
	selectTenantByID    = selectTenant + "c.tenant = ? ORDER BY c.realm LIMIT 1"
	selectTenantsByCode = selectTenant + "t.code = ? AND " + isLive + " ORDER BY c.tenant"
	selectTenantsByHost = selectTenant + "t.host = ? AND " + isLive + " ORDER BY c.tenant"
	// Not LIKE, which gives % and _ a meaning.
	searchTenants = selectTenant + "replace(t.search, ?, '') <> t.search AND " + isLive + " ORDER BY c.realm, t.search, c.tenant LIMIT ?"
	listTenants   = selectTenant + isLive + " ORDER BY c.realm, t.search, c.tenant LIMIT ?"
	selectClients = `SELECT 3, instance, app, client_id, version, client_secret, unbound, 0, 0 FROM credential
	WHERE scope = ? UNION ALL SELECT 2, instance, '', '', data, NULL, 0, 0, 0 FROM instance WHERE scope = ?`
)

// tenantRow is a tenant with the number of its scope.
type tenantRow struct {
	sso.Tenant
	scope int64
	realm orgsync.Realm
}

func scanTenant(rows *sql.Rows) (tenantRow, error) {
	var t tenantRow
	err := rows.Scan(&t.scope, &t.realm, &t.ID, &t.Code, &t.Name, &t.Domain, &t.Live)
	t.Test = t.realm == orgsync.Test
	return t, err
}

// findTenant returns the tenant, of production if there is one, or an
// [sso.ErrUnknownTenant].
func findTenant(ctx context.Context, q querier, id sso.TenantID) (tenantRow, error) {
	t, err := one(collect(ctx, q, scanTenant, selectTenantByID, string(id)))
	if errors.Is(err, orgsync.ErrNotFound) {
		return t, sso.ErrUnknownTenant
	}
	if err != nil {
		return t, fmt.Errorf("read tenant: %w", err)
	}
	return t, nil
}

// Tenant implements [sso.Tenants].
func (s *Store) Tenant(ctx context.Context, id sso.TenantID) (sso.Tenant, error) {
	t, err := findTenant(ctx, s.readers, id)
	return t.Tenant, err
}

// TenantsByCode implements [sso.Tenants].
func (s *Store) TenantsByCode(ctx context.Context, code string) ([]sso.Tenant, error) {
	return s.tenants(ctx, selectTenantsByCode, code)
}

// TenantsByHost implements [sso.Tenants].
func (s *Store) TenantsByHost(ctx context.Context, host string) ([]sso.Tenant, error) {
	if host == "" {
		return nil, nil
	}
	return s.tenants(ctx, selectTenantsByHost, host)
}

// SearchTenants implements [sso.Tenants].
func (s *Store) SearchTenants(ctx context.Context, text string, limit int) ([]sso.Tenant, error) {
	if text == "" {
		return s.tenants(ctx, listTenants, limit)
	}
	return s.tenants(ctx, searchTenants, foldCase(text), limit)
}

func (s *Store) tenants(ctx context.Context, query string, args ...any) ([]sso.Tenant, error) {
	rows, err := collect(ctx, s.readers, scanTenant, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read tenants: %w", err)
	}
	tenants := make([]sso.Tenant, 0, len(rows))
	for _, row := range rows {
		tenants = append(tenants, row.Tenant)
	}
	return tenants, nil
}

// Account implements [sso.Accounts].
func (s *Store) Account(ctx context.Context, tenant sso.TenantID, app sso.AppID, user sso.UserName) (sso.Account, error) {
	t, err := findTenant(ctx, s.readers, tenant)
	if errors.Is(err, sso.ErrUnknownTenant) {
		return sso.Account{}, nil
	}
	if err != nil {
		return sso.Account{}, err
	}
	a, err := readAround(ctx, s.readers, t.scope, orgsync.AppID(app), orgsync.UserName(user))
	account := a.account(orgsync.UserName(user))
	account.Marks = a.marksText()
	return account, err
}

// Credential implements [sso.Credentials].
func (s *Store) Credential(ctx context.Context, tenant sso.TenantID) (sso.Credential, error) {
	t, err := findTenant(ctx, s.readers, tenant)
	if errors.Is(err, sso.ErrUnknownTenant) {
		return sso.Credential{}, fmt.Errorf("%w: %w", sso.ErrNoCredential, err)
	}
	if err != nil {
		return sso.Credential{}, err
	}
	parts, err := collect(ctx, s.readers, scanPart, selectClients, t.scope, t.scope)
	if err != nil {
		return sso.Credential{}, fmt.Errorf("read credentials: %w", err)
	}
	var a around
	sealed := map[orgsync.Credential][]byte{}
	for _, p := range parts {
		if p.kind != credentialPart {
			if err := a.add(p, "", ""); err != nil {
				return sso.Credential{}, err
			}
			continue
		}
		c := orgsync.Credential{
			Instance: orgsync.InstanceID(p.texts[0]), App: orgsync.AppID(p.texts[1]), ClientID: p.texts[2],
			Version: orgsync.Version(p.blobs[0]), Unbound: p.numbers[0] == 1,
		}
		a.credentials = append(a.credentials, c)
		sealed[c] = p.blobs[1]
	}
	c, live, err := a.chooseCredential(orgsync.AppID(s.app))
	if err != nil {
		return sso.Credential{}, err
	}
	secret, err := s.openSecret(sealed[c], orgsync.Scope{Realm: t.realm, Tenant: orgsync.TenantID(t.ID)}, c.Instance, c.App)
	return sso.Credential{App: sso.AppID(c.App), ClientID: c.ClientID, Secret: sso.Secret(secret), Live: live}, err
}

// chooseCredential returns the newest live credential of the application, or the newest
// of all if none is live. Without an application it is the tenant's only one; if live
// ones are of several, nobody chose, and that is an [sso.ErrAmbiguousApp].
func (a around) chooseCredential(app orgsync.AppID) (chosen orgsync.Credential, live bool, err error) {
	var apps []orgsync.AppID
	for _, c := range a.credentials {
		if app != "" && c.App != app || c.Version == "" {
			continue
		}
		isLive := c.IsLive(orgsync.InstanceOf(a.instances, c.Instance))
		if isLive && !slices.Contains(apps, c.App) {
			apps = append(apps, c.App)
		}
		if chosen.Version == "" || isLive && !live || isLive == live && c.Version > chosen.Version {
			chosen, live = c, isLive
		}
	}
	switch {
	case chosen.Version == "":
		return chosen, false, sso.ErrNoCredential
	case len(apps) > 1:
		return chosen, false, sso.ErrAmbiguousApp
	}
	return chosen, live, nil
}
