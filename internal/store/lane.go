package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// never is when a dead key is tried again, and the due time of a lane that has no key to
// try.
const never = math.MaxInt64

const (
	selectDueLane = `SELECT l.id, c.tenant FROM lane l
	JOIN sink s ON s.id = l.sink AND s.name = ? JOIN scope c ON c.id = l.scope
	WHERE l.due <= ? AND l.lease_until <= ? ORDER BY l.lease, c.tenant LIMIT 1`
	takeDueLane   = selectDueLane + lockLane + skipLocked // another process has the locked ones
	selectDueKeys = `SELECT kind, item, revision, attempts, urgency FROM dirty WHERE lane = ? AND next_try <= ?
	ORDER BY urgency, next_try, kind, item LIMIT ?`
	nextLease   = "UPDATE sequence SET value = value + 1 WHERE name = 'lease' RETURNING value"
	takeLease   = "UPDATE lane SET lease = ?, lease_until = ? WHERE id = ?"
	selectLease = `SELECT l.id, c.tenant FROM lane l
	JOIN sink s ON s.id = l.sink AND s.name = ? JOIN scope c ON c.id = l.scope AND c.realm = 0 AND c.tenant = ?
	WHERE l.lease = ? AND l.lease_until > 0` + lockLane
	renewLease = "UPDATE lane SET lease_until = ? WHERE id = ?"
	deleteKey  = "DELETE FROM dirty WHERE lane = ? AND kind = ? AND item = ? AND revision = ?"
	failKey    = `UPDATE dirty SET attempts = attempts + 1, next_try = ?, reason = ?
	WHERE lane = ? AND kind = ? AND item = ? AND revision = ?`
	// The smallest next_try of each urgency is the first of its stretch of the index.
	giveBack = `UPDATE lane SET lease_until = 0, due = COALESCE(
	(SELECT 0 FROM owed o WHERE o.lane = lane.id LIMIT 1), (SELECT MIN((
	SELECT d.next_try FROM dirty d WHERE d.lane = lane.id AND d.urgency = u.n ORDER BY d.next_try LIMIT 1))
	FROM (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) u), ?)
	WHERE id = ?`
	selectWarned  = "SELECT COUNT(*) FROM (SELECT 1 FROM warning WHERE lane = ? LIMIT 1) w"
	deleteWarning = "DELETE FROM warning WHERE lane = ? AND kind = ? AND item = ?"
	upsertWarning = `INSERT INTO warning (lane, kind, item, text) VALUES (?, ?, ?, ?)
	ON CONFLICT (lane, kind, item) DO UPDATE SET text = excluded.text`
)

// laneRow is a lane's number and tenant.
type laneRow struct {
	id     int64
	tenant orgsync.TenantID
}

func scanLane(rows *sql.Rows) (l laneRow, err error) {
	return l, rows.Scan(&l.id, &l.tenant)
}

// Claim implements [orgsync.Lanes].
func (s *Store) Claim(ctx context.Context, sink string, now, until time.Time, limit int) (orgsync.Lane, error) {
	// Most of the time there is nothing to do, and that is found out without a write.
	if _, err := one(collect(ctx, s.readers, scanLane, selectDueLane, sink, now.UnixMilli(), now.UnixMilli())); err != nil {
		return orgsync.Lane{}, err
	}
	lane := orgsync.Lane{Sink: sink}
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		for {
			row, err := one(collect(ctx, c, scanLane, takeDueLane, sink, now.UnixMilli(), now.UnixMilli()))
			if err != nil {
				return err
			}
			lane.Tenant = row.tenant
			if lane.Keys, err = dueOf(ctx, c, row, now, limit); err != nil {
				return err
			}
			if len(lane.Keys) > 0 {
				lane.Lease, err = lease(ctx, c, row, until)
				return err
			}
			// The lane was said to be due too early. It is not any more, so this ends.
			if _, err := c.exec(ctx, giveBack, int64(never), row.id); err != nil {
				return err
			}
		}
	})
	if errors.Is(err, orgsync.ErrNotFound) {
		return orgsync.Lane{}, orgsync.ErrNotFound
	}
	if err != nil {
		return orgsync.Lane{}, fmt.Errorf("claim lane: %w", err)
	}
	return lane, nil
}

func lease(ctx context.Context, c conn, l laneRow, until time.Time) (int64, error) {
	number, err := one(collect(ctx, c, scanNumber, nextLease))
	if err != nil {
		return 0, err
	}
	_, err = c.exec(ctx, takeLease, number, until.UnixMilli(), l.id)
	return number, err
}

// Renew implements [orgsync.Lanes].
func (s *Store) Renew(ctx context.Context, lane orgsync.Lane, until time.Time) error {
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		row, err := leased(ctx, c, lane)
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, renewLease, until.UnixMilli(), row.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("renew lease: %w", err)
	}
	return nil
}

// leased returns the row of a lane whose lease was not lost, or an ErrNotFound.
func leased(ctx context.Context, c conn, lane orgsync.Lane) (laneRow, error) {
	return one(collect(ctx, c, scanLane, selectLease, lane.Sink, string(lane.Tenant), lane.Lease))
}

// Finish implements [orgsync.Lanes].
func (s *Store) Finish(ctx context.Context, lane orgsync.Lane, outcomes []orgsync.Outcome) error {
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		row, err := leased(ctx, c, lane)
		if errors.Is(err, orgsync.ErrNotFound) {
			return nil // the lease was lost, and with it the right to say anything
		}
		if err != nil {
			return err
		}
		if err := settleKeys(ctx, c, row, outcomes); err != nil {
			return err
		}
		if err := settleParts(ctx, c, row, lane, outcomes); err != nil {
			return err
		}
		_, err = c.exec(ctx, giveBack, int64(never), row.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("finish lane: %w", err)
	}
	return nil
}

func settleKeys(ctx context.Context, c conn, l laneRow, outcomes []orgsync.Outcome) error {
	warned, err := one(collect(ctx, c, scanNumber, selectWarned, l.id))
	if err != nil {
		return err
	}
	for _, o := range outcomes {
		switch {
		case o.Done:
			err = settleDone(ctx, c, l, o, warned > 0)
		case o.Revision > 0:
			_, err = c.exec(ctx, failKey, nextTry(o), o.Reason, l.id, o.Key.Kind, o.Key.ID, o.Revision)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settleDone takes a key off the lane and replaces its warnings. warned says that there
// may be old ones.
func settleDone(ctx context.Context, c conn, l laneRow, o orgsync.Outcome, warned bool) error {
	if o.Revision > 0 {
		if _, err := c.exec(ctx, deleteKey, l.id, o.Key.Kind, o.Key.ID, o.Revision); err != nil {
			return err
		}
	}
	if len(o.Warnings) == 0 {
		if !warned {
			return nil
		}
		_, err := c.exec(ctx, deleteWarning, l.id, o.Key.Kind, o.Key.ID)
		return err
	}
	text, err := json.Marshal(o.Warnings)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, upsertWarning, l.id, o.Key.Kind, o.Key.ID, string(text))
	return err
}

// nextTry is when the key is due again, rounded up: not before its time.
func nextTry(o orgsync.Outcome) int64 {
	switch {
	case o.Dead:
		return never
	case o.NextTry.IsZero():
		return 0
	}
	return o.NextTry.Add(time.Millisecond - 1).UnixMilli()
}
