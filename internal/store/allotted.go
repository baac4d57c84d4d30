package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// Users whose number nobody claimed.
	selectFree = "SELECT j.value ->> 0 FROM " + eachValue + " j WHERE NOT EXISTS (" +
		"SELECT 1 FROM allotted a WHERE a.sink = ? AND a.attribute = ? AND a.number = CAST(j.value ->> 1 AS BIGINT))"
	dropFormer = "DELETE FROM allotted WHERE sink = ? AND attribute = ? AND scope = (SELECT id FROM scope WHERE realm = 0 AND tenant = ?)" +
		" AND name IN (SELECT value ->> 0 FROM " + eachValue + ")" +
		" AND (name, number) NOT IN (SELECT value ->> 0, CAST(value ->> 1 AS BIGINT) FROM " + eachValue + ")"
	// In the order of the numbers, so that two processes wait for each other in one direction.
	insertAllotted = `INSERT INTO allotted (sink, attribute, number, scope, name)
	SELECT ?, ?, CAST(j.value ->> 1 AS BIGINT), c.id, j.value ->> 0
	FROM ` + eachValue + ` j JOIN scope c ON c.realm = 0 AND c.tenant = ?
	WHERE true ORDER BY 3, 5 ON CONFLICT DO NOTHING`
	selectAllotted = `SELECT name FROM allotted WHERE sink = ? AND attribute = ?
	AND scope = (SELECT id FROM scope WHERE realm = 0 AND tenant = ?)
	AND (name, number) IN (SELECT value ->> 0, CAST(value ->> 1 AS BIGINT) FROM ` + eachValue + `)`
	forgetAllotted = "DELETE FROM allotted" + ofSink +
		" name IN (SELECT value ->> 1 FROM " + eachValue + " WHERE value ->> 0 = 'user')"
)

// Claim implements [ldapsink.Links]. What it records may be forgotten after a power loss of a
// host with SQLite: then nobody else was there to take the number.
func (l links) Claim(
	ctx context.Context, tenant orgsync.TenantID, attribute string, want map[orgsync.UserName]int, keep bool,
) (map[orgsync.UserName]bool, error) {
	if len(want) == 0 {
		return map[orgsync.UserName]bool{}, nil
	}
	granted, err := l.claim(ctx, string(tenant), attribute, want, keep)
	if err != nil {
		return nil, fmt.Errorf("claim numbers in sink %s: %w", l.sink, err)
	}
	return granted, nil
}

func (l links) claim(ctx context.Context, tenant, attribute string, want map[orgsync.UserName]int, keep bool) (map[orgsync.UserName]bool, error) {
	granted := make(map[orgsync.UserName]bool, len(want))
	all, err := allotmentList(want)
	if err != nil {
		return nil, err
	}
	before, err := collect(ctx, l.s.readers, scanKey[orgsync.UserName], selectAllotted, l.sink, attribute, tenant, all)
	if err != nil {
		return nil, err
	}
	rest := maps.Clone(want)
	for _, name := range before {
		granted[name] = true
		delete(rest, name)
	}
	if len(rest) == 0 {
		return granted, nil
	}
	list, err := allotmentList(rest)
	if err != nil {
		return nil, err
	}
	var fresh []orgsync.UserName
	if !keep {
		fresh, err = collect(ctx, l.s.readers, scanKey[orgsync.UserName], selectFree, list, l.sink, attribute)
	} else {
		err = l.s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
			if _, err := c.exec(ctx, dropFormer, l.sink, attribute, tenant, list, list); err != nil {
				return err
			}
			if _, err := c.exec(ctx, insertAllotted, l.sink, attribute, list, tenant); err != nil {
				return err
			}
			fresh, err = collect(ctx, c, scanKey[orgsync.UserName], selectAllotted, l.sink, attribute, tenant, list)
			return err
		})
	}
	for _, name := range fresh {
		granted[name] = false
	}
	return granted, err
}

// allotmentList writes the parameter of these statements.
func allotmentList(want map[orgsync.UserName]int) (string, error) {
	rows := make([][2]any, 0, len(want))
	for name, number := range want {
		rows = append(rows, [2]any{name, number})
	}
	b, err := json.Marshal(rows)
	return string(b), err
}
