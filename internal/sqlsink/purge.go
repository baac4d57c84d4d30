package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Purge deletes what was removed longer than PurgeAfter ago: the rows of users with
// their grants, of the departments of tenants that ended, and of such tenants of whom
// nothing else is left; and the beginning of the feed, past FeedAfter. A row that a foreign key of the product's holds stays, disabled.
// It returns how many users, departments and tenants went, also when it fails in the
// middle. Call it as often as you like.
func (s *Sink) Purge(ctx context.Context) (int, error) {
	sc, err := s.schema(ctx)
	if err != nil {
		return 0, fmt.Errorf("sql sink %s: purge: %w", s.cfg.Name, err)
	}
	gone := 0
	for _, p := range []struct {
		kind  orgsync.KeyKind
		query string
	}{
		{orgsync.UserKey, sc.expiredUsers()},
		{orgsync.DepartmentKey, sc.expiredDepartments()},
		{orgsync.TenantKey, sc.expiredTenants()},
	} {
		n, err := s.purge(ctx, sc, p.kind, p.query)
		gone += n
		if f, ok := errors.AsType[*fault](err); ok && f.stale {
			s.forget()
		}
		if err != nil {
			return gone, fmt.Errorf("sql sink %s: purge: %w", s.cfg.Name, err)
		}
	}
	if _, err := s.trim(ctx, sc); err != nil {
		return gone, fmt.Errorf("sql sink %s: trim %s%s: %w", s.cfg.Name, sc.prefix, changeTable, err)
	}
	return gone, nil
}

// expired names a row that may go; id is empty for the tenant itself.
type expired struct{ tenant, id string }

func (e *expired) dest() []any { return []any{&e.tenant, &e.id} }

// expiredUsers, expiredDepartments and expiredTenants take a time and the last row of the
// page before.
func (s schema) expiredUsers() string {
	tenant, user := s.quoted("tenant_id"), s.quoted("user_name")
	return s.bind(fmt.Sprintf("SELECT %[1]s, %[2]s FROM %[3]s WHERE %[4]s <= ? AND %[5]s = FALSE AND (%[1]s > ? OR (%[1]s = ? AND %[2]s > ?)) ORDER BY %[1]s, %[2]s LIMIT %[6]d",
		tenant, user, s.name(userTable), s.quoted("removed_at"), s.quoted("enabled"), batch))
}

func (s schema) expiredDepartments() string {
	tenant, code := s.quoted("tenant_id"), s.quoted("org_code")
	return s.bind(fmt.Sprintf("SELECT d.%[1]s, d.%[2]s FROM %[3]s AS d JOIN %[4]s AS t ON t.%[1]s = d.%[1]s"+
		" WHERE t.%[5]s <= ? AND t.%[6]s = FALSE AND (d.%[1]s > ? OR (d.%[1]s = ? AND d.%[2]s > ?)) ORDER BY d.%[1]s, d.%[2]s LIMIT %[7]d",
		tenant, code, s.name(departmentTable), s.name(tenantTable), s.quoted("updated_at"), s.quoted("active"), batch))
}

func (s schema) expiredTenants() string {
	tenant := s.quoted("tenant_id")
	return s.bind(fmt.Sprintf("SELECT t.%[1]s, '' FROM %[2]s AS t WHERE t.%[3]s <= ? AND t.%[4]s = FALSE AND (t.%[1]s > ? OR (t.%[1]s = ? AND '' > ?))"+
		" AND NOT EXISTS (SELECT 1 FROM %[5]s AS u WHERE u.%[1]s = t.%[1]s) AND NOT EXISTS (SELECT 1 FROM %[6]s AS d WHERE d.%[1]s = t.%[1]s)"+
		" ORDER BY t.%[1]s LIMIT %[7]d",
		tenant, s.name(tenantTable), s.quoted("updated_at"), s.quoted("active"), s.name(userTable), s.name(departmentTable), batch))
}

// purge works off one query page by page, so that rows that must stay do not keep it
// from those behind them.
func (s *Sink) purge(ctx context.Context, sc schema, kind orgsync.KeyKind, query string) (int, error) {
	cutoff := momentOf(s.cfg.Now().Add(-s.cfg.PurgeAfter))
	gone, last := 0, expired{}
	for {
		page, err := s.expiredPage(ctx, query, cutoff, last)
		if err != nil || len(page) == 0 {
			return gone, err
		}
		last = page[len(page)-1]
		for len(page) > 0 {
			n := 1
			for n < len(page) && page[n].tenant == page[0].tenant {
				n++
			}
			deleted, err := s.purgeTenant(ctx, sc, kind, page[:n], cutoff)
			gone += deleted
			if err != nil {
				return gone, err
			}
			page = page[n:]
		}
	}
}

func (s *Sink) expiredPage(ctx context.Context, query string, cutoff moment, last expired) ([]expired, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return list[expired](ctx, s.db, query, []any{cutoff, last.tenant, last.tenant, last.id})
}

// purgeTenant deletes rows of one tenant that are still expired under the lock.
func (s *Sink) purgeTenant(ctx context.Context, sc schema, kind orgsync.KeyKind, rows []expired, cutoff moment) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	tenant := orgsync.TenantID(rows[0].tenant)
	keys := make([]orgsync.Key, len(rows))
	for n, r := range rows {
		keys[n] = orgsync.Key{Kind: kind, ID: r.id}
	}
	gone := 0
	err := s.inTx(ctx, sc, func(tx *sql.Tx) error {
		h, err := s.lock(ctx, sc, tx)
		if err != nil {
			return err
		}
		itself := orgsync.Key{Kind: orgsync.TenantKey}
		have, err := sc.read(ctx, tx, tenant, append([]orgsync.Key{itself}, keys...))
		if err != nil {
			return err
		}
		ended := hasEnded(have[itself])
		var changes []change
		for _, k := range keys {
			if mayGo(have[k], ended, cutoff) {
				changes = append(changes, change{key: k, steps: diff(have[k], nil)})
			}
		}
		results, err := s.carryOut(ctx, sc, tx, tenant, changes, h)
		for _, r := range results {
			if r.Err == nil {
				gone++
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return gone, nil
}

// hasEnded says whether the tenant's row is there and says that it ended.
func hasEnded(have []row) bool {
	for _, r := range have {
		if t, ok := r.(tenantRow); ok {
			return !t.Active
		}
	}
	return false
}

// mayGo says whether rows that were expired when they were listed still are; ended is
// what became of their tenant.
func mayGo(have []row, ended bool, cutoff moment) bool {
	for _, r := range have {
		switch r := r.(type) {
		case userRow:
			return !r.Enabled && r.RemovedAt != "" && r.RemovedAt <= cutoff
		case departmentRow, tenantRow:
			return ended
		}
	}
	return false
}
