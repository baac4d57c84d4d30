package store

import (
	"database/sql"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	parkedColumns = "id, journal, version, kind, item, instance, reason"
	selectParked  = "SELECT " + parkedColumns + " FROM parked WHERE scope = ? AND id IN " + inList
	deleteParked  = "DELETE FROM parked WHERE scope = ? AND id IN " + inList
)

func insertParked() insertion {
	return insertion{
		head:    "INSERT INTO parked (scope, id, journal, version, kind, item, instance, reason)",
		columns: []columnType{numbers, texts, numbers, blobs, numbers, blobs, blobs, texts},
		key:     2,
		tail: "ON CONFLICT (scope, id) DO UPDATE SET journal = excluded.journal, version = excluded.version," +
			" kind = excluded.kind, item = excluded.item, instance = excluded.instance, reason = excluded.reason",
	}
}

func scanParked(rows *sql.Rows) (c orgsync.ParkedChange, err error) {
	return c, rows.Scan(&c.ID, &c.Journal, blob(&c.Version), &c.Kind, blob(&c.Key), blob(&c.Instance), &c.Reason)
}

func (tx *tx) Parked(ids []string) (map[string]orgsync.ParkedChange, error) {
	list, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	rows, err := collect(tx.ctx, tx.c, scanParked, selectParked, tx.id, list)
	if err != nil {
		return nil, fmt.Errorf("read parked changes: %w", err)
	}
	found := make(map[string]orgsync.ParkedChange, len(rows))
	for _, c := range rows {
		found[c.ID] = c
	}
	return found, nil
}

func (tx *tx) Park(changes []orgsync.ParkedChange) error {
	values := make([]any, 0, len(changes)*8)
	for _, c := range changes {
		values = append(values, tx.id, c.ID, int64(c.Journal), bytesOf(c.Version), int64(c.Kind), bytesOf(c.Key),
			bytesOf(c.Instance), c.Reason)
	}
	if err := tx.c.insert(tx.ctx, insertParked(), values); err != nil {
		return fmt.Errorf("park changes: %w", err)
	}
	return nil
}

func (tx *tx) Unpark(ids []string) error {
	list, err := jsonList(ids)
	if err != nil {
		return err
	}
	if _, err := tx.c.exec(tx.ctx, deleteParked, tx.id, list); err != nil {
		return fmt.Errorf("unpark changes: %w", err)
	}
	return nil
}
