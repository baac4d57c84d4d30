package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectLinkedTenants = `SELECT c.tenant FROM scope c WHERE c.realm = 0
	AND EXISTS (SELECT 1 FROM link k WHERE k.sink = ? AND k.scope = c.id) ORDER BY c.tenant`
	selectLinkedRemoved = `SELECT c.tenant, p.user_name, p.status, p.data FROM link k
	JOIN person p ON p.scope = k.scope AND p.user_name = k.name JOIN scope c ON c.id = k.scope AND c.realm = 0
	WHERE k.sink = ? AND k.kind = 'user' AND p.status = ? AND length(p.data) > 0`

	// What is owed already stays as it is.
	oweUsers = `INSERT INTO dirty (lane, kind, item, urgency, next_try, revision, attempts, since, reason)
	SELECT l.id, 3, j.value ->> 0, 0, 0, 1, 0, ?, '' FROM lane l JOIN sink s ON s.id = l.sink AND s.name = ?
	JOIN scope c ON c.id = l.scope AND c.realm = 0 AND c.tenant = ? CROSS JOIN ` + eachValue + ` j
	WHERE true ON CONFLICT (lane, kind, item) DO NOTHING`
	// The numbers are those of orgsync: kinds of keys, urgencies. The tenant comes last.
	oweLinked = `INSERT INTO dirty (lane, kind, item, urgency, next_try, revision, attempts, since, reason)
	SELECT l.id, o.kind, o.item, o.urgency, 0, 1, 0, ?, '' FROM lane l JOIN sink s ON s.id = l.sink AND s.name = ?
	JOIN scope c ON c.id = l.scope AND c.realm = 0 AND c.tenant = ? JOIN (
	SELECT k.scope AS scope, 3 AS kind, k.name AS item, 0 AS urgency FROM link k WHERE k.sink = ? AND k.kind = 'user'
	UNION SELECT k.scope, 2, k.name, 3 FROM link k WHERE k.sink = ? AND k.kind IN ('department', 'group')
	UNION SELECT k.scope, 1, '', 4 FROM link k WHERE k.sink = ?
	) o ON o.scope = l.scope
	WHERE true ON CONFLICT (lane, kind, item) DO UPDATE SET next_try = 0`
)

// LinkedTenants lists the tenants of which a directory holds something of ours.
func (s *Store) LinkedTenants(ctx context.Context, sink string) ([]orgsync.TenantID, error) {
	list, err := collect(ctx, s.readers, scanKey[orgsync.TenantID], selectLinkedTenants, sink)
	if err != nil {
		return nil, fmt.Errorf("list the tenants that sink %s holds: %w", sink, err)
	}
	return list, nil
}

// OweExpired makes a directory owe the users who were removed before a time and still have an
// entry of ours, unless it owes them already, and says how many.
func (s *Store) OweExpired(ctx context.Context, sink string, before time.Time) (int, error) {
	type person struct {
		tenant string
		user   orgsync.User
	}
	removed, err := collect(ctx, s.readers, func(rows *sql.Rows) (p person, err error) {
		var data sql.RawBytes
		if err := rows.Scan(&p.tenant, &p.user.Name, &p.user.Status, &data); err != nil {
			return p, err
		}
		err = decodeUser(data, &p.user)
		return person{p.tenant, orgsync.User{Name: p.user.Name, RemovedAt: p.user.RemovedAt}}, err
	}, selectLinkedRemoved, sink, int64(orgsync.StatusRemoved))
	if err != nil {
		return 0, fmt.Errorf("list whom sink %s kept: %w", sink, err)
	}
	names := map[string][]orgsync.UserName{}
	for _, p := range removed {
		if !p.user.RemovedAt.After(before) {
			names[p.tenant] = append(names[p.tenant], p.user.Name)
		}
	}
	owed := 0
	for tenant, users := range names {
		n, err := s.oweUsers(ctx, sink, tenant, users)
		if err != nil {
			return owed, fmt.Errorf("delete whom sink %s kept: %w", sink, err)
		}
		owed += n
	}
	return owed, nil
}

func (s *Store) oweUsers(ctx context.Context, sink, tenant string, users []orgsync.UserName) (int, error) {
	rows := make([][1]string, 0, len(users))
	for _, u := range users {
		rows = append(rows, [1]string{string(u)})
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return 0, err
	}
	var n int64
	err = s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if n, err = c.exec(ctx, oweUsers, s.now().UnixMilli(), sink, tenant, string(list)); err != nil || n == 0 {
			return err
		}
		_, err := c.exec(ctx, wakeLanes, sink, sink, tenant, tenant)
		return err
	})
	return int(n), err
}

// OweLinked makes a directory owe everything of a tenant of which it holds an entry of ours,
// and the tenant itself; also what it would not take before.
func (s *Store) OweLinked(ctx context.Context, sink string, tenant orgsync.TenantID) error {
	t := string(tenant)
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if n, err := c.exec(ctx, oweLinked, s.now().UnixMilli(), sink, t, sink, sink, sink); err != nil || n == 0 {
			return err
		}
		_, err := c.exec(ctx, wakeLanes, sink, sink, t, t)
		return err
	})
	if err != nil {
		return fmt.Errorf("look at what sink %s holds of a tenant: %w", sink, err)
	}
	return nil
}
