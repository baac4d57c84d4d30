package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

// pageOfMembers bounds how long one statement of Members reads.
const pageOfMembers = 2000

const (
	productionScope  = "(SELECT id FROM scope WHERE realm = 0 AND tenant = ?)"
	selectViewTenant = "SELECT code, name, domain, active, announced, purged, removed_at FROM tenant WHERE scope = " + productionScope
	// The departments themselves and everything above them; UNION ends a cycle.
	selectBranches = `WITH RECURSIVE branch (` + departmentColumns + `) AS (
	SELECT ` + departmentColumns + ` FROM department WHERE scope = ` + productionScope + ` AND code IN ` + inList + ` AND live = 1
	UNION
	SELECT d.code, d.denied, d.live, d.name, d.parent, d.journal, d.placed, d.reason
	FROM department d JOIN branch b ON d.code = b.parent
	WHERE d.scope = ` + productionScope + ` AND d.live = 1)
	SELECT ` + departmentColumns + ` FROM branch`
	selectUsers = "SELECT user_name, status, data FROM person WHERE length(data) > 0 AND scope = " + productionScope +
		" AND user_name IN " + inList
	selectMembers = "SELECT user_name FROM person WHERE scope = " + productionScope +
		" AND org_code = ? AND status = ? AND user_name > ? ORDER BY user_name LIMIT ?"
	selectAllDepartments = "SELECT " + departmentColumns + " FROM department WHERE scope = " + productionScope +
		" AND live = 1 AND code > ? ORDER BY code LIMIT ?"
	selectAllUsers = "SELECT user_name, status, data FROM person WHERE length(data) > 0 AND scope = " + productionScope +
		" AND user_name > ? ORDER BY user_name LIMIT ?"
)

// view reads one tenant of production.
type view struct {
	readers querier
	tenant  orgsync.TenantID
}

// View implements [orgsync.Lanes].
func (s *Store) View(tenant orgsync.TenantID) orgsync.View { return view{s.readers, tenant} }

func (v view) Tenant(ctx context.Context) (orgsync.Tenant, error) {
	t, err := one(collect(ctx, v.readers, func(rows *sql.Rows) (orgsync.Tenant, error) {
		t := orgsync.Tenant{ID: v.tenant}
		var removed int64
		err := rows.Scan(&t.Code, &t.Name, &t.Domain, &t.Active, &t.Announced, &t.Purged, &removed)
		t.RemovedAt = timeOf(removed)
		return t, err
	}, selectViewTenant, string(v.tenant)))
	if err != nil {
		return orgsync.Tenant{}, fmt.Errorf("read tenant: %w", err)
	}
	return t, nil
}

func (v view) Departments(ctx context.Context, codes []orgsync.OrgCode) (map[orgsync.OrgCode]orgsync.PlacedDepartment, error) {
	list, err := jsonList(codes)
	if err != nil {
		return nil, err
	}
	rows, err := collect(ctx, v.readers, scanDepartment, selectBranches, string(v.tenant), list, string(v.tenant))
	if err != nil {
		return nil, fmt.Errorf("read departments: %w", err)
	}
	known := make(map[orgsync.OrgCode]orgsync.Department, len(rows))
	for _, d := range rows {
		known[d.Code] = d
	}
	found := make(map[orgsync.OrgCode]orgsync.PlacedDepartment, len(codes))
	for _, code := range codes {
		if d, ok := known[code]; ok {
			found[code] = orgsync.PlacedDepartment{Department: d, Path: orgsync.PathOf(d, func(c orgsync.OrgCode) (orgsync.Department, bool) {
				d, ok := known[c]
				return d, ok
			})}
		}
	}
	return found, nil
}

func (v view) Users(ctx context.Context, names []orgsync.UserName) (map[orgsync.UserName]orgsync.User, error) {
	list, err := jsonList(names)
	if err != nil {
		return nil, err
	}
	rows, err := collect(ctx, v.readers, scanUser, selectUsers, string(v.tenant), list)
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	found := make(map[orgsync.UserName]orgsync.User, len(rows))
	for _, u := range rows {
		found[u.Name] = u
	}
	return found, nil
}

func scanUser(rows *sql.Rows) (orgsync.User, error) {
	var u orgsync.User
	var data sql.RawBytes
	if err := rows.Scan(&u.Name, &u.Status, &data); err != nil {
		return u, err
	}
	return u, decodeUser(data, &u)
}

// AllDepartments implements [orgsync.Inventory].
func (v view) AllDepartments(ctx context.Context, yield func(orgsync.Department) error) error {
	for after := orgsync.OrgCode(""); ; {
		page, err := collect(ctx, v.readers, scanDepartment, selectAllDepartments, string(v.tenant), string(after), pageOfMembers)
		if err != nil {
			return fmt.Errorf("read departments: %w", err)
		}
		for _, d := range page {
			if err := yield(d); err != nil {
				return err
			}
			after = d.Code
		}
		if len(page) < pageOfMembers {
			return nil
		}
	}
}

// AllUsers implements [orgsync.Inventory].
func (v view) AllUsers(ctx context.Context, yield func(orgsync.User) error) error {
	for after := orgsync.UserName(""); ; {
		page, err := collect(ctx, v.readers, scanUser, selectAllUsers, string(v.tenant), string(after), pageOfMembers)
		if err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		for _, u := range page {
			if err := yield(u); err != nil {
				return err
			}
			after = u.Name
		}
		if len(page) < pageOfMembers {
			return nil
		}
	}
}

// Members reads in pages, so that neither a slow yield nor a large department keeps a
// statement open.
func (v view) Members(ctx context.Context, code orgsync.OrgCode, yield func(orgsync.UserName) error) error {
	for after := orgsync.UserName(""); ; {
		names, err := collect(ctx, v.readers, scanKey[orgsync.UserName], selectMembers,
			string(v.tenant), string(code), orgsync.StatusEnabled, string(after), pageOfMembers)
		if err != nil {
			return fmt.Errorf("read members: %w", err)
		}
		for _, name := range names {
			if err := yield(name); err != nil {
				return err
			}
			after = name
		}
		if len(names) < pageOfMembers {
			return nil
		}
	}
}
