package sqlsink

import (
	"context"
	"database/sql"

	"github.com/kitbridge/kitbridge/orgsync"
)

// database is a pool or a transaction.
type database interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// scanned is a pointer to a row.
type scanned[R any] interface {
	*R
	dest() []any
}

// list runs a query and scans its rows.
func list[R any, P scanned[R]](ctx context.Context, db database, query string, args []any) ([]R, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, translate(err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var out []R
	for rows.Next() {
		var r R
		if err := rows.Scan(P(&r).dest()...); err != nil {
			return nil, translate(err)
		}
		out = append(out, r)
	}
	return out, translate(rows.Err())
}

// held is what the tables hold of some keys.
type held map[orgsync.Key][]row

// read reads the rows of at most batch keys. A row that the database takes for one of
// the keys although its bytes differ is not among them.
func (s schema) read(ctx context.Context, db database, tenant orgsync.TenantID, keys []orgsync.Key) (held, error) {
	h := make(held, len(keys))
	ids := idsByKind(keys)
	if len(ids[orgsync.TenantKey]) > 0 {
		rows, err := list[tenantRow](ctx, db, s.selectRows(tableNamed(tenantTable), 0), []any{string(tenant)})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			h.add(orgsync.Key{Kind: orgsync.TenantKey}, r.Tenant, tenant, r)
		}
	}
	if codes := ids[orgsync.DepartmentKey]; len(codes) > 0 {
		rows, err := readKeyed[departmentRow](ctx, s, db, departmentTable, tenant, codes)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			h.add(orgsync.Key{Kind: orgsync.DepartmentKey, ID: r.Code}, r.Tenant, tenant, r)
		}
	}
	if users := ids[orgsync.UserKey]; len(users) > 0 {
		if err := s.readUsers(ctx, db, tenant, users, h); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (s schema) readUsers(ctx context.Context, db database, tenant orgsync.TenantID, users []any, h held) error {
	rows, err := readKeyed[userRow](ctx, s, db, userTable, tenant, users)
	if err != nil {
		return err
	}
	for _, r := range rows {
		h.add(orgsync.Key{Kind: orgsync.UserKey, ID: r.User}, r.Tenant, tenant, r)
	}
	grants, err := readKeyed[grantRow](ctx, s, db, grantTable, tenant, users)
	if err != nil {
		return err
	}
	for _, r := range grants {
		h.add(orgsync.Key{Kind: orgsync.UserKey, ID: r.User}, r.Tenant, tenant, r)
	}
	return nil
}

func readKeyed[R any, P scanned[R]](ctx context.Context, s schema, db database, tableName string, tenant orgsync.TenantID, ids []any) ([]R, error) {
	return list[R, P](ctx, db, s.selectRows(tableNamed(tableName), len(ids)), append([]any{string(tenant)}, ids...))
}

// add leaves out rows of a tenant that merely looks alike to the database.
func (h held) add(k orgsync.Key, of string, tenant orgsync.TenantID, r row) {
	if of == string(tenant) {
		h[k] = append(h[k], r)
	}
}

func idsByKind(keys []orgsync.Key) map[orgsync.KeyKind][]any {
	ids := make(map[orgsync.KeyKind][]any, 3)
	for _, k := range keys {
		ids[k.Kind] = append(ids[k.Kind], k.ID)
	}
	return ids
}
