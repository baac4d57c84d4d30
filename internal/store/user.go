package store

import (
	"database/sql"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectGrants = "SELECT user_name, instance, app, data FROM user_grant WHERE scope = ? AND user_name IN " + inList +
		" ORDER BY user_name, instance, app"
	selectUserNames = `SELECT DISTINCT user_name FROM user_grant WHERE scope = ? AND user_name > ?
	ORDER BY user_name LIMIT ?`
)

func insertGrants() insertion {
	return insertion{
		head:    "INSERT INTO user_grant (scope, user_name, instance, app, data)",
		columns: []columnType{numbers, texts, texts, texts, blobs},
		key:     4,
		tail:    "ON CONFLICT (scope, user_name, instance, app) DO UPDATE SET data = excluded.data",
	}
}

func insertUsers() insertion {
	return insertion{
		head:    "INSERT INTO user_state (scope, user_name, status, org_code, data)",
		columns: []columnType{numbers, texts, numbers, texts, blobs},
		key:     2,
		tail: "ON CONFLICT (scope, user_name) DO UPDATE SET status = excluded.status, org_code = excluded.org_code," +
			" data = excluded.data",
	}
}

func (tx *tx) Grants(names []orgsync.UserName) (map[orgsync.UserName][]orgsync.Grant, error) {
	list, err := jsonList(names)
	if err != nil {
		return nil, err
	}
	rows, err := collect(tx.ctx, tx.c, scanGrant, selectGrants, tx.id, list)
	if err != nil {
		return nil, fmt.Errorf("read grants: %w", err)
	}
	grants := make(map[orgsync.UserName][]orgsync.Grant, len(names))
	for _, g := range rows {
		grants[g.User] = append(grants[g.User], g)
	}
	return grants, nil
}

func scanGrant(rows *sql.Rows) (orgsync.Grant, error) {
	var g orgsync.Grant
	var data sql.RawBytes
	if err := rows.Scan(&g.User, &g.Instance, &g.App, &data); err != nil {
		return g, err
	}
	return g, decodeGrant(data, &g)
}

func (tx *tx) PutGrants(grants []orgsync.Grant) error {
	values := make([]any, 0, len(grants)*5)
	for _, g := range grants {
		values = append(values, tx.id, string(g.User), string(g.Instance), string(g.App), encodeGrant(g))
	}
	if err := tx.c.insert(tx.ctx, insertGrants(), values); err != nil {
		return fmt.Errorf("write grants: %w", err)
	}
	return nil
}

func (tx *tx) PutUsers(users []orgsync.User) error {
	values := make([]any, 0, len(users)*5)
	for _, u := range users {
		values = append(values, tx.id, string(u.Name), int64(u.Status), u.Attributes.Value(orgsync.AttrOrgCode), encodeUser(u))
	}
	if err := tx.c.insert(tx.ctx, insertUsers(), values); err != nil {
		return fmt.Errorf("write users: %w", err)
	}
	return nil
}

func (tx *tx) UserNames(after orgsync.UserName, limit int) ([]orgsync.UserName, error) {
	return collect(tx.ctx, tx.c, scanKey[orgsync.UserName], selectUserNames, tx.id, string(after), limit)
}

func scanKey[T ~string](rows *sql.Rows) (T, error) {
	var s string
	err := rows.Scan(&s)
	return T(s), err
}
