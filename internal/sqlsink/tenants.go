package sqlsink

import (
	"context"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

// HeldTenants lists by id the tenants of whom the tables hold rows, meant for them or not. It
// writes nothing, anywhere; tables that are not there yet hold nobody. Errors are those of
// Plan.
func (s *Sink) HeldTenants(ctx context.Context) ([]orgsync.TenantID, error) {
	sc, made, err := s.look(ctx)
	if err != nil || !made {
		return nil, s.named(err)
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	rows, err := list[oneText](ctx, s.db, sc.everyTenant(), nil)
	if err != nil {
		return nil, s.named(err)
	}
	tenants := make([]orgsync.TenantID, 0, len(rows))
	for _, r := range rows {
		tenants = append(tenants, orgsync.TenantID(r.text))
	}
	return tenants, nil
}

// named says of an error whose it is.
func (s *Sink) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sql sink %s: %w", s.cfg.Name, err)
}

// everyTenant lists whom rows are of.
func (s schema) everyTenant() string {
	id := s.quoted("tenant_id")
	return fmt.Sprintf("SELECT %[1]s FROM %[2]s UNION SELECT %[1]s FROM %[3]s ORDER BY 1", id, s.name(tenantTable), s.name(userTable))
}
