package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectBridge   = "SELECT id FROM bridge"
	selectSomeLink = "SELECT dn FROM link WHERE sink = ? AND uuid <> '' LIMIT 1"
	inIDs          = " (kind, name) IN (SELECT value ->> 0, value ->> 1 FROM " + eachValue + ")"
	ofSink         = " WHERE sink = ? AND scope = (SELECT id FROM scope WHERE realm = 0 AND tenant = ?) AND"
	selectLinks    = "SELECT kind, name, uuid, dn FROM link" + ofSink + inIDs
	deleteLinks    = "DELETE FROM link" + ofSink + inIDs
	upsertLinks    = `INSERT INTO link (sink, scope, kind, name, uuid, dn)
	SELECT ?, c.id, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3
	FROM ` + eachValue + ` j JOIN scope c ON c.realm = 0 AND c.tenant = ?
	WHERE true
	ON CONFLICT (sink, scope, kind, name) DO UPDATE SET uuid = excluded.uuid, dn = excluded.dn`
)

// BridgeID is the identity that sinks remember as their owner. It is made with the
// database and never changes.
func (s *Store) BridgeID(ctx context.Context) (string, error) {
	id, err := one(collect(ctx, s.readers, scanText, selectBridge))
	if err != nil {
		return "", fmt.Errorf("read the bridge's id: %w", err)
	}
	return id, nil
}

// LinkedDN returns the name of some entry of a directory that is ours, empty if there is
// none.
func (s *Store) LinkedDN(ctx context.Context, sink string) (string, error) {
	names, err := collect(ctx, s.readers, scanText, selectSomeLink, sink)
	if err != nil || len(names) == 0 {
		return "", err
	}
	return names[0], nil
}

// Links remembers which entries of one directory are ours. What Put and Delete wrote is
// durable when they return.
func (s *Store) Links(sink string) ldapsink.Links { return links{s, sink} }

type links struct {
	s    *Store
	sink string
}

func scanLink(rows *sql.Rows) (l ldapsink.Link, err error) {
	return l, rows.Scan(&l.ID.Kind, &l.ID.Name, &l.UUID, &l.DN)
}

func (l links) Get(ctx context.Context, tenant orgsync.TenantID, ids []ldapsink.EntryID) (map[ldapsink.EntryID]ldapsink.Link, error) {
	list, err := idList(ids)
	if err != nil {
		return nil, err
	}
	rows, err := collect(ctx, l.s.readers, scanLink, selectLinks, l.sink, string(tenant), list)
	if err != nil {
		return nil, fmt.Errorf("read links of sink %s: %w", l.sink, err)
	}
	found := make(map[ldapsink.EntryID]ldapsink.Link, len(rows))
	for _, row := range rows {
		found[row.ID] = row
	}
	return found, nil
}

func (l links) Put(ctx context.Context, tenant orgsync.TenantID, add []ldapsink.Link) error {
	rows := make([][4]string, 0, len(add))
	for _, link := range add {
		rows = append(rows, [4]string{string(link.ID.Kind), link.ID.Name, link.UUID, link.DN})
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	return l.s.change(ctx, durable, "write links of sink "+l.sink, upsertLinks, l.sink, string(list), string(tenant))
}

func (l links) Delete(ctx context.Context, tenant orgsync.TenantID, ids []ldapsink.EntryID) error {
	list, err := idList(ids)
	if err != nil {
		return err
	}
	err = l.s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		for _, forget := range []string{deleteLinks, forgetAllotted} {
			if _, err := c.exec(ctx, forget, l.sink, string(tenant), list); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget links of sink %s: %w", l.sink, err)
	}
	return nil
}

// idList writes the parameter of inIDs.
func idList(ids []ldapsink.EntryID) (string, error) {
	rows := make([][2]string, 0, len(ids))
	for _, id := range ids {
		rows = append(rows, [2]string{string(id.Kind), id.Name})
	}
	b, err := json.Marshal(rows)
	return string(b), err
}
