package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectBackup      = "SELECT backup_at FROM bridge"
	clearBackup       = "UPDATE bridge SET backup_at = 0"
	deleteSessions    = "DELETE FROM session"
	countUnsettled    = "SELECT COUNT(*) FROM restoration WHERE settled_at = 0"
	insertRestoration = `INSERT INTO restoration (at, last_push, found_by)
	VALUES (?, COALESCE((SELECT received_at FROM journal ORDER BY id DESC LIMIT 1), 0), ?)`
	// Of several that nobody settled the gaps are one.
	selectRestoration = `SELECT at, (SELECT MIN(last_push) FROM restoration WHERE settled_at = 0), found_by
	FROM restoration WHERE settled_at = 0 ORDER BY number DESC LIMIT 1`
	settleRestoration = "UPDATE restoration SET settled_at = ? WHERE settled_at = 0"
	// A tenant that was removed since was alive then.
	selectAlive = `SELECT c.tenant, t.name, COALESCE((SELECT j.received_at FROM journal j WHERE j.scope = c.id ORDER BY j.id DESC LIMIT 1), 0)
	FROM tenant t JOIN scope c ON c.id = t.scope AND c.realm = 0
	WHERE t.announced = 1 AND (t.active = 1 OR t.removed_at >= ?) ORDER BY c.tenant`
)

// Restoration says that this database is a copy that was put in another's place: what was
// pushed between LastPush and At is missing until it is pushed again.
type Restoration struct {
	At       time.Time // when it was noticed
	LastPush time.Time // the newest push that the copy held; zero if it held none
	// FoundBy says how it was noticed: "restore", "backup of <time>", or "sink <name>".
	FoundBy string
	// Tenants were alive then.
	Tenants []RestoredTenant
}

// RestoredTenant is a tenant of whom pushes may be missing.
type RestoredTenant struct {
	ID       orgsync.TenantID
	Name     string
	LastPush time.Time // zero if there is none
}

// Restoration returns the restoration that nobody settled yet, or an orgsync.ErrNotFound.
func (s *Store) Restoration(ctx context.Context) (Restoration, error) {
	r, err := one(collect(ctx, s.readers, func(rows *sql.Rows) (r Restoration, err error) {
		var at, last int64
		err = rows.Scan(&at, &last, &r.FoundBy)
		r.At, r.LastPush = timeOf(at), timeOrZero(last)
		return r, err
	}, selectRestoration))
	if err == nil {
		r.Tenants, err = collect(ctx, s.readers, func(rows *sql.Rows) (t RestoredTenant, err error) {
			var last int64
			err = rows.Scan(&t.ID, &t.Name, &last)
			t.LastPush = timeOrZero(last)
			return t, err
		}, selectAlive, r.At.UnixMilli())
	}
	if err != nil {
		return Restoration{}, fmt.Errorf("read the last restoration: %w", err)
	}
	return r, nil
}

// DeclareRestored records that this database is a copy that was put in another's place.
// It ends all sessions: one that was revoked or ended since the copy was made must not
// live again. While a restoration is not settled, another one is the same.
func (s *Store) DeclareRestored(ctx context.Context, foundBy string) error {
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		return s.declareRestored(ctx, c, foundBy)
	})
	if err != nil {
		return fmt.Errorf("record the restoration: %w", err)
	}
	return nil
}

func (s *Store) declareRestored(ctx context.Context, c conn, foundBy string) error {
	known, err := one(collect(ctx, c, scanNumber, countUnsettled))
	if err != nil || known > 0 {
		return err
	}
	return s.addRestoration(ctx, c, foundBy)
}

func (s *Store) addRestoration(ctx context.Context, c conn, foundBy string) error {
	if _, err := c.exec(ctx, deleteSessions); err != nil {
		return err
	}
	_, err := c.exec(ctx, insertRestoration, s.now().UnixMilli(), foundBy)
	return err
}

// SettleRestoration says that what was missing was pushed again. It returns whether there
// was anything to settle.
func (s *Store) SettleRestoration(ctx context.Context) (bool, error) {
	n, err := s.delete(ctx, "settle the restoration", settleRestoration, s.now().UnixMilli())
	return n > 0, err
}

// noticeBackup declares a file restored that was written by [Backup]: whoever opens it put
// it in a database's place. What the copy says about a restoration was another one.
func (s *Store) noticeBackup(ctx context.Context) error {
	at, err := one(collect(ctx, s.readers, scanNumber, selectBackup))
	if err != nil || at == 0 {
		return err
	}
	return s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		at, err := one(collect(ctx, c, scanNumber, selectBackup))
		if err != nil || at == 0 {
			return err // another process was faster
		}
		if err := s.addRestoration(ctx, c, "backup of "+timeOf(at).UTC().Format(time.RFC3339)); err != nil {
			return err
		}
		_, err = c.exec(ctx, clearBackup)
		return err
	})
}

func timeOrZero(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return timeOf(millis)
}
