package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	tenantColumns = `c.tenant, COALESCE(t.code, ''), COALESCE(t.name, ''), COALESCE(t.domain, ''), COALESCE(t.active, 0),
	COALESCE(t.announced, 0), COALESCE(t.removed_at, 0),
	(SELECT COUNT(*) FROM person u WHERE u.scope = c.id AND u.status = ?),
	(SELECT COUNT(*) FROM department d WHERE d.scope = c.id AND d.live = 1), c.parked, c.held`
	// The condition is that of Status.
	selectTenantItems = "SELECT " + tenantColumns + ` FROM scope c LEFT JOIN tenant t ON t.scope = c.id
	WHERE c.realm = 0 AND c.tenant <> '' AND (t.purged = 0 OR c.parked > 0 OR c.held > 0)
	AND c.tenant > ? AND c.id >= ? AND c.id <= ? ORDER BY c.tenant LIMIT ?`
)

// TenantItem is a tenant in a list. Users are the enabled ones, departments the live
// ones, placed or parked; Parked and Held count changes.
type TenantItem struct {
	ID     orgsync.TenantID `json:"tenant_id"`
	Code   string           `json:"tenant_code"`
	Name   string           `json:"name"`
	Domain string           `json:"domain_name"`
	// Active: at least one instance is bound. Announced: sinks were told of the tenant.
	Active      bool      `json:"active"`
	Announced   bool      `json:"announced"`
	RemovedAt   time.Time `json:"removed_at,omitzero"`
	Users       int64     `json:"users"`
	Departments int64     `json:"departments"`
	Parked      int64     `json:"parked"`
	Held        int64     `json:"held"`
}

// ListTenants lists the tenants of production by id, also those of which something waits
// and nothing was announced. The error may be an orgsync.ErrInvalid that names the field
// of the page, or an orgsync.ErrNotFound if there is no such tenant.
func (s *Store) ListTenants(ctx context.Context, p Page) (List[TenantItem], error) {
	w, err := s.window(ctx, "tenants", p)
	if err != nil {
		return List[TenantItem]{}, fmt.Errorf("list tenants: %w", err)
	}
	rows, err := collect(ctx, s.readers, func(rows *sql.Rows) (r row[TenantItem], err error) {
		r.item, err = scanTenantItem(rows)
		r.at.texts[0] = string(r.item.ID)
		return r, err
	}, selectTenantItems, orgsync.StatusEnabled, w.after.texts[0], w.lo, w.hi, w.limit+1)
	if err != nil {
		return List[TenantItem]{}, fmt.Errorf("list tenants: %w", err)
	}
	return page(w, rows), nil
}

func scanTenantItem(rows *sql.Rows) (TenantItem, error) {
	var t TenantItem
	var removed int64
	err := rows.Scan(&t.ID, &t.Code, &t.Name, &t.Domain, &t.Active, &t.Announced, &removed,
		&t.Users, &t.Departments, &t.Parked, &t.Held)
	t.Code, t.Name, t.Domain = brief(t.Code), brief(t.Name), brief(t.Domain)
	t.RemovedAt = timeOf(removed)
	return t, err
}
