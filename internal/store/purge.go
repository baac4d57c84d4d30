package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// What was counted as parked or held is as if something newer had been said, and the
	// data key is destroyed.
	forgetScope = `UPDATE scope SET stale = stale + parked + held, parked = 0, held = 0, data_key = NULL WHERE id = ?`
	// Sealed with a key that is not there any more; dropped for the space.
	dropDeadBodies = `UPDATE journal SET body = NULL WHERE id IN (
	SELECT id FROM journal WHERE scope = ? AND id <= ? AND body IS NOT NULL LIMIT ?)`
	newestPush    = "SELECT COALESCE(MAX(id), 0) FROM journal WHERE scope = ?"
	selectExpired = `SELECT c.tenant FROM tenant t JOIN scope c ON c.id = t.scope
	WHERE c.realm = 0 AND t.active = 0 AND t.announced = 1 AND t.purged = 0 AND t.removed_at > 0 AND t.removed_at <= ?
	AND COALESCE((SELECT j.received_at FROM journal j WHERE j.scope = t.scope ORDER BY j.id DESC LIMIT 1), 0) <= ?
	ORDER BY c.tenant`
)

// forgetRows deletes what belongs to a scope and is about its people and their structure.
func forgetRows() []string {
	return []string{
		"DELETE FROM session WHERE scope = ?",
		"DELETE FROM person WHERE scope = ?",
		"DELETE FROM credential WHERE scope = ?",
		"DELETE FROM department WHERE scope = ?",
		"DELETE FROM assertion WHERE scope = ?",
		"DELETE FROM parked WHERE scope = ?",
		"DELETE FROM deferred WHERE scope = ?",
		"DELETE FROM destroyed WHERE scope = ?",
		"DELETE FROM warning WHERE lane IN (SELECT id FROM lane WHERE scope = ?)",
		forgetScope,
	}
}

// Forget implements [orgsync.PurgeTx]. The bodies that nobody can read any more are dropped
// by [Store.DropBodies].
func (tx *tx) Forget() error {
	for _, statement := range forgetRows() {
		if _, err := tx.c.exec(tx.ctx, statement, tx.id); err != nil {
			return fmt.Errorf("forget tenant: %w", err)
		}
	}
	return nil
}

// Ended lists the tenants of production that ended before a time, by the marketplace's word
// and by what was received since, and were not purged.
func (s *Store) Ended(ctx context.Context, before time.Time) ([]orgsync.TenantID, error) {
	at := before.UnixMilli()
	list, err := collect(ctx, s.readers, scanKey[orgsync.TenantID], selectExpired, at, at)
	if err != nil {
		return nil, fmt.Errorf("list tenants that ended: %w", err)
	}
	return list, nil
}

// DropBodies drops the bodies of all pushes of a scope that were received until now and says
// how many there were. Digests, times, answers and verdicts stay. Call it after a purge, when
// nobody can read them any more; what an error leaves may be dropped later.
func (s *Store) DropBodies(ctx context.Context, scope orgsync.Scope) (int, error) {
	id, err := findScope(ctx, s.readers, rowScope(scope))
	if err != nil {
		return 0, fmt.Errorf("drop bodies: %w", err)
	}
	last, err := one(collect(ctx, s.readers, scanNumber, newestPush, id))
	if err != nil {
		return 0, fmt.Errorf("drop bodies: %w", err)
	}
	total := 0
	for {
		var n int64
		err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) (err error) {
			n, err = c.exec(ctx, dropDeadBodies, id, last, forgetBatch)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("drop bodies: %w", err)
		}
		total += int(n)
		if n < forgetBatch {
			return total, nil
		}
	}
}

// HasScope says whether anything was ever received about a tenant in a realm.
func (s *Store) HasScope(ctx context.Context, scope orgsync.Scope) (bool, error) {
	found, err := collect(ctx, s.readers, func(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) },
		selectScope, scope.Realm, string(scope.Tenant))
	return len(found) > 0, err
}
