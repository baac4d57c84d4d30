package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectLane = `SELECT l.id, l.lease_until FROM lane l
	JOIN sink s ON s.id = l.sink AND s.name = ? JOIN scope c ON c.id = l.scope AND c.realm = 0 AND c.tenant = ?` + lockLane
	owedNow = `SELECT COUNT(*) FROM (SELECT 1 FROM dirty WHERE lane = ? AND next_try < ? UNION ALL
	SELECT 1 FROM owed WHERE lane = ? LIMIT 1) o`
	owedOf = `SELECT COUNT(*) FROM (SELECT 1 FROM dirty WHERE lane IN ` + lanesOf + ` AND next_try < ? UNION ALL
	SELECT 1 FROM owed WHERE lane IN ` + lanesOf + ` LIMIT 1) o`
)

// ErrBusy is a lane that another process works on.
var ErrBusy = errors.New("another process works on it")

// ClaimWhole leases the lane of one tenant and sink, whatever it owes, so that until Finish,
// or until the lease ends, nobody else hands the sink anything of the tenant. The lane has
// no keys; they stay owed. pending says that there are some that are still tried. It is an
// [ErrBusy] if the lane is leased, and an orgsync.ErrNotFound if the tenant was not announced.
func (s *Store) ClaimWhole(ctx context.Context, sink string, tenant orgsync.TenantID, now, until time.Time) (lane orgsync.Lane, pending bool, err error) {
	type row struct{ id, until int64 }
	lane = orgsync.Lane{Sink: sink, Tenant: tenant}
	err = s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		l, err := one(collect(ctx, c, func(rows *sql.Rows) (r row, err error) {
			return r, rows.Scan(&r.id, &r.until)
		}, selectLane, sink, string(tenant)))
		if err != nil {
			return err
		}
		if l.until > now.UnixMilli() {
			return ErrBusy
		}
		n, err := one(collect(ctx, c, scanNumber, owedNow, l.id, int64(never), l.id))
		if err != nil {
			return err
		}
		pending = n > 0
		lane.Lease, err = lease(ctx, c, laneRow{id: l.id, tenant: tenant}, until)
		return err
	})
	if err != nil {
		return orgsync.Lane{}, false, fmt.Errorf("claim lane: %w", err)
	}
	return lane, pending, nil
}

// Pending says whether the sink is owed anything of the tenant that is still tried.
func (s *Store) Pending(ctx context.Context, sink string, tenant orgsync.TenantID) (bool, error) {
	t := string(tenant)
	n, err := one(collect(ctx, s.readers, scanNumber, owedOf, sink, sink, t, t, int64(never), sink, sink, t, t))
	if err != nil {
		return false, fmt.Errorf("read what sink %s is owed: %w", sink, err)
	}
	return n > 0, nil
}

// AddSink makes a sink known that is not yet: it owes every key of every announced tenant.
// Sinks that are known stay as they are.
func (s *Store) AddSink(ctx context.Context, sink string) error {
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if err := hold(ctx, c, takeGuard, sinksGuard); err != nil {
			return err
		}
		_, err := one(collect(ctx, c, scanNumber, selectSink, sink))
		if errors.Is(err, orgsync.ErrNotFound) {
			return s.openSink(ctx, c, sink)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("add sink %s: %w", sink, err)
	}
	return nil
}
