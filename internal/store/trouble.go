package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const (
	noteSink = "UPDATE sink SET fault = ?, fault_since = ? WHERE name = ? AND (fault <> ? OR fault_since <> ?)"
	// A key that failed has a next_try; one that is dead a great one.
	selectTroubles = `SELECT s.name, COUNT(CASE d.next_try WHEN ? THEN 1 END), COUNT(*), MIN(d.since)
	FROM dirty d JOIN lane l ON l.id = d.lane JOIN sink s ON s.id = l.sink
	WHERE d.next_try > 0 AND (d.next_try = ? OR d.attempts > 0 AND d.since <= ?) GROUP BY s.name ORDER BY s.name`
)

// NoteSink remembers whether a sink answers, for those who ask another process than the one
// that asked the sink: fault is why it does not, since when; "" says that it does. A sink
// that is not known is left unknown. After a power loss it may be forgotten.
func (s *Store) NoteSink(ctx context.Context, sink, fault string, since time.Time) error {
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		at := millis(since)
		_, err := c.exec(ctx, noteSink, fault, at, sink, fault, at)
		return err
	})
	if err != nil {
		return fmt.Errorf("note whether sink %s answers: %w", sink, err)
	}
	return nil
}

// Trouble counts the keys that a sink does not hold although it was handed them.
type Trouble struct {
	Sink string
	// Dead keys are not tried again, Failing ones are and have failed for long.
	Dead, Failing int64
	// Since is when the oldest of them was owed.
	Since time.Time
}

// Troubles lists the sinks that have dead keys, or keys that were owed before a time and
// failed since.
func (s *Store) Troubles(ctx context.Context, before time.Time) ([]Trouble, error) {
	list, err := collect(ctx, s.readers, func(rows *sql.Rows) (t Trouble, err error) {
		var all, since int64
		err = rows.Scan(&t.Sink, &t.Dead, &all, &since)
		t.Failing, t.Since = all-t.Dead, timeOf(since)
		return t, err
	}, selectTroubles, int64(never), int64(never), before.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("count keys that fail: %w", err)
	}
	return list, nil
}

// errTried ends a transaction that must leave no trace.
var errTried = errors.New("tried")

// TryWrite says whether the database takes writes, and takes its own back.
func (s *Store) TryWrite(ctx context.Context) error {
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		if _, err := one(collect(ctx, c, scanNumber, nextLease)); err != nil {
			return err
		}
		return errTried
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return fmt.Errorf("try to write: %w", err)
}
