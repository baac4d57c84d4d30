package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	beginComparing   = "UPDATE lane SET compared = ? WHERE compared = 0 AND sink = (SELECT id FROM sink WHERE name = ?)"
	selectUncompared = `SELECT c.tenant FROM lane l JOIN sink s ON s.id = l.sink AND s.name = ? JOIN scope c ON c.id = l.scope AND c.realm = 0
	WHERE l.compared > 0 AND l.compared <= ? ORDER BY l.compared, c.tenant`
	takeComparison = `UPDATE lane SET comparing = ? WHERE sink = (SELECT id FROM sink WHERE name = ?)
	AND scope = (SELECT id FROM scope WHERE realm = 0 AND tenant = ?) AND compared > 0 AND compared <= ? AND comparing <= ?`
	dropComparison = `UPDATE lane SET comparing = 0 WHERE sink = (SELECT id FROM sink WHERE name = ?)
	AND scope = (SELECT id FROM scope WHERE realm = 0 AND tenant = ?) AND comparing = ?`
	noteCompared = `UPDATE lane SET compared = ?, drift = ?, comparing = 0 WHERE sink = (SELECT id FROM sink WHERE name = ?)
	AND scope = (SELECT id FROM scope WHERE realm = 0 AND tenant = ?)`
	selectDrifts = `SELECT s.name, SUM(l.drift), MIN(l.compared) FROM lane l JOIN sink s ON s.id = l.sink
	WHERE l.drift > 0 GROUP BY s.name ORDER BY s.name`
)

// DueToCompare lists the tenants that were last compared with the sink so long ago, the
// longest first. The time of one that never was begins now.
func (s *Store) DueToCompare(ctx context.Context, sink string, before time.Time) ([]orgsync.TenantID, error) {
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, beginComparing, s.now().UnixMilli(), sink)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("note what was never compared with sink %s: %w", sink, err)
	}
	due, err := collect(ctx, s.readers, scanKey[orgsync.TenantID], selectUncompared, sink, before.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read what is to be compared with sink %s: %w", sink, err)
	}
	return due, nil
}

// TakeComparison says whether the tenant is still to be compared with the sink, since it was
// last before that time, and nobody else is at it. Then it is ours until then, NoteCompared or
// DropComparison.
func (s *Store) TakeComparison(ctx context.Context, sink string, tenant orgsync.TenantID, before, now, until time.Time) (bool, error) {
	var taken int64
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) (err error) {
		taken, err = c.exec(ctx, takeComparison, until.UnixMilli(), sink, string(tenant), before.UnixMilli(), now.UnixMilli())
		return err
	})
	if err != nil {
		return false, fmt.Errorf("take a comparison with sink %s: %w", sink, err)
	}
	return taken > 0, nil
}

// DropComparison gives up a comparison that was taken until then: it is still to be done.
func (s *Store) DropComparison(ctx context.Context, sink string, tenant orgsync.TenantID, until time.Time) error {
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, dropComparison, sink, string(tenant), until.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("give up a comparison with sink %s: %w", sink, err)
	}
	return nil
}

// NoteCompared records that all of a tenant was compared with the sink, and how many changes
// would make it equal. After a power loss it may be forgotten.
func (s *Store) NoteCompared(ctx context.Context, sink string, tenant orgsync.TenantID, at time.Time, drift int) error {
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, noteCompared, at.UnixMilli(), drift, sink, string(tenant))
		return err
	})
	if err != nil {
		return fmt.Errorf("note what was compared with sink %s: %w", sink, err)
	}
	return nil
}

// Drift is a sink that was found to differ from the state although it is owed nothing.
type Drift struct {
	Sink string
	// Changes would make it equal, as found at Compared or later.
	Changes  int64
	Compared time.Time
}

// Drifts lists the sinks that differed when they were compared last.
func (s *Store) Drifts(ctx context.Context) ([]Drift, error) {
	list, err := collect(ctx, s.readers, func(rows *sql.Rows) (d Drift, err error) {
		var at int64
		err = rows.Scan(&d.Sink, &d.Changes, &at)
		d.Compared = timeOf(at)
		return d, err
	}, selectDrifts)
	if err != nil {
		return nil, fmt.Errorf("read which sinks differ: %w", err)
	}
	return list, nil
}
