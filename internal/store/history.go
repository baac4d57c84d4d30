package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

// A change is counted in the row of its scope, which its transaction holds anyway, so
// that tenants do not wait for each other. The sum over all scopes is how far the state
// has come: rows of scopes are never deleted.
//
// An era begins with the first change that a process makes, while no other transaction
// may change anything. So whoever reads the newest era and the sum in one statement reads
// a mark that stays in this database's history, whatever happens to the process then.

const (
	sumOfChanges = "SELECT CAST(COALESCE(SUM(changes), 0) AS BIGINT) FROM scope WHERE realm = 0"
	countChange  = "UPDATE scope SET changes = changes + 1 WHERE id = ?"
	insertEra    = "INSERT INTO era (id, changes) VALUES (?, (" + sumOfChanges + "))"
	// Sinks that nobody wrote to for so many starts are taken for somebody else's.
	pruneEras     = "DELETE FROM era WHERE number <= (SELECT MAX(number) FROM era) - 10000"
	selectHistory = "SELECT 0, id, (" + sumOfChanges + ") FROM bridge UNION ALL SELECT number, id, changes FROM era ORDER BY 1"
	selectMark    = "SELECT COALESCE((SELECT id FROM era ORDER BY number DESC LIMIT 1), ''), (" + sumOfChanges + ")"

	selectSeen = "SELECT seen, taken FROM sink WHERE name = ?"
	holdSink   = "SELECT seen, taken FROM sink WHERE name = ?" + lockRow
	updateSeen = "UPDATE sink SET seen = ?, closed = '', closed_at = 0 WHERE name = ?"
	updateTook = "UPDATE sink SET seen = '', closed = '', closed_at = 0, taken = 1 WHERE name = ?"
	closeSink  = "UPDATE sink SET closed = ?, closed_at = ? WHERE name = ? AND closed = ''"
	rewordSink = "UPDATE sink SET closed = ? WHERE name = ? AND closed <> '' AND closed <> ?"
	selectSink = "SELECT id FROM sink WHERE name = ?"
)

// History reads the state's past, as of one moment.
func (s *Store) History(ctx context.Context) (orgsync.History, error) {
	type row struct {
		number  int64
		id      string
		changes int64
	}
	rows, err := collect(ctx, s.readers, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.number, &r.id, &r.changes)
	}, selectHistory)
	if err != nil {
		return orgsync.History{}, fmt.Errorf("read the state's history: %w", err)
	}
	var h orgsync.History
	for _, r := range rows {
		if r.number == 0 {
			h.Bridge, h.Changes = r.id, r.changes
			continue
		}
		h.Eras = append(h.Eras, orgsync.Era{ID: r.id, Begin: r.changes})
	}
	return h, nil
}

// Mark is how far the state has come now: whatever is read later is not older.
func (s *Store) Mark(ctx context.Context) (orgsync.Mark, error) {
	m, err := one(collect(ctx, s.readers, func(rows *sql.Rows) (m orgsync.Mark, err error) {
		return m, rows.Scan(&m.Era, &m.Changes)
	}, selectMark))
	if err != nil {
		return m, fmt.Errorf("read how far the state is: %w", err)
	}
	return m, nil
}

// guardSinks keeps the list of sinks as it is until the transaction ends, counts the
// change and, before the first of this process, begins an era.
func (tx *tx) guardSinks() error {
	how := shareGuard
	if !tx.s.begun.Load() {
		how = takeGuard // and with it every other change waits
	}
	if err := hold(tx.ctx, tx.c, how, sinksGuard); err != nil {
		return fmt.Errorf("hold the sinks: %w", err)
	}
	if how == takeGuard && !tx.begins {
		if err := beginEra(tx.ctx, tx.c); err != nil {
			return err
		}
		tx.begins = true
	}
	if _, err := tx.c.exec(tx.ctx, countChange, tx.id); err != nil {
		return fmt.Errorf("count the change: %w", err)
	}
	return nil
}

// beginEra begins an era. The caller holds sinksGuard for itself.
func beginEra(ctx context.Context, c conn) error {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails: crypto/rand ends the program instead
	if _, err := c.exec(ctx, insertEra, hex.EncodeToString(id)); err != nil {
		return fmt.Errorf("begin an era: %w", err)
	}
	_, err := c.exec(ctx, pruneEras)
	return err
}

// Tenure is what is remembered of a sink's deed.
type Tenure struct {
	Seen  orgsync.Mark // the furthest that was found there
	Taken bool         // it was taken over by this bridge
}

func scanTenure(rows *sql.Rows) (t Tenure, err error) {
	var seen string
	if err := rows.Scan(&seen, &t.Taken); err != nil {
		return t, err
	}
	t.Seen, err = orgsync.ParseMark(seen)
	return t, err
}

// Tenure returns what is remembered of a sink, nothing if the sink is new.
func (s *Store) Tenure(ctx context.Context, sink string) (Tenure, error) {
	t, err := one(collect(ctx, s.readers, scanTenure, selectSeen, sink))
	if err != nil && !errors.Is(err, orgsync.ErrNotFound) {
		return t, fmt.Errorf("read what is known of sink %s: %w", sink, err)
	}
	return t, nil
}

// SinkFound records that the sink is open to us and holds this mark.
func (s *Store) SinkFound(ctx context.Context, sink string, found orgsync.Mark) error {
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		t, err := one(collect(ctx, c, scanTenure, holdSink, sink))
		if errors.Is(err, orgsync.ErrNotFound) || err == nil && found.Changes < t.Seen.Changes {
			return nil // it is new; or another process has found more since
		}
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, updateSeen, found.String(), sink)
		return err
	})
	if err != nil {
		return fmt.Errorf("record what sink %s holds: %w", sink, err)
	}
	return nil
}

// SinkBehind records that the sink was restored from an older copy of its own: it is owed
// everything again. It returns whether that is news: another process may have recorded it.
func (s *Store) SinkBehind(ctx context.Context, sink string, found orgsync.Mark) (news bool, err error) {
	err = s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if err := hold(ctx, c, takeGuard, sinksGuard); err != nil {
			return err
		}
		t, err := one(collect(ctx, c, scanTenure, holdSink, sink))
		if news = err == nil && found.Changes < t.Seen.Changes; !news {
			return err
		}
		if err := s.oweAllOf(ctx, c, sink); err != nil {
			return err
		}
		_, err = c.exec(ctx, updateSeen, found.String(), sink)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("record that sink %s went back: %w", sink, err)
	}
	return news, nil
}

// SinkTaken prepares that the sink becomes ours whatever it holds: it is owed everything
// again, and a new era begins, of which whoever kept the sink until now knows nothing.
func (s *Store) SinkTaken(ctx context.Context, sink string) error {
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if err := hold(ctx, c, takeGuard, sinksGuard); err != nil {
			return err
		}
		if err := beginEra(ctx, c); err != nil {
			return err
		}
		if err := s.oweAllOf(ctx, c, sink); err != nil {
			return err
		}
		_, err := c.exec(ctx, updateTook, sink)
		return err
	})
	if err != nil {
		return fmt.Errorf("take sink %s over: %w", sink, err)
	}
	return nil
}

// SinkClosed records why the sink may not be written. ahead says that it holds what this
// database does not know: then, unless that was known, the database is taken for restored,
// as [Store.DeclareRestored] says. It returns whether it is news.
func (s *Store) SinkClosed(ctx context.Context, sink, reason string, ahead bool) (news bool, err error) {
	err = s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		n, err := c.exec(ctx, closeSink, reason, s.now().UnixMilli(), sink)
		news = n > 0
		if err != nil || !news {
			if err == nil {
				_, err = c.exec(ctx, rewordSink, reason, sink, reason)
			}
			return err
		}
		if ahead {
			return s.declareRestored(ctx, c, "sink "+sink)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("record that sink %s is closed: %w", sink, err)
	}
	return news, nil
}

// oweAllOf makes a sink owe everything there is, and one that is new too.
func (s *Store) oweAllOf(ctx context.Context, c conn, sink string) error {
	id, err := one(collect(ctx, c, scanNumber, selectSink, sink))
	if errors.Is(err, orgsync.ErrNotFound) {
		return s.openSink(ctx, c, sink)
	}
	if err != nil {
		return err
	}
	return s.oweAll(ctx, c, id)
}
