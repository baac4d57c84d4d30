package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

// meta is the row of kit_meta.
type meta struct {
	owner   string
	version int64
	lastSeq int64
	mark    string
}

func (m *meta) dest() []any { return []any{&m.owner, &m.version, &m.lastSeq, &m.mark} }

// deed is whose the tables are and how far they were brought. A mark that somebody wrote
// by hand is one that no state went through.
func (m meta) deed() orgsync.Deed {
	mark, err := orgsync.ParseMark(m.mark)
	if err != nil {
		mark = orgsync.Mark{Era: m.mark}
	}
	return orgsync.Deed{Owner: m.owner, Mark: mark}
}

// readMeta reads the one row with a query of the schema's.
func (s *Sink) readMeta(ctx context.Context, db database, query string) (meta, error) {
	found, err := list[meta](ctx, db, query, nil)
	table := s.cfg.Prefix + metaTable
	switch {
	case err != nil:
		return meta{}, err
	case len(found) != 1:
		return meta{}, &fault{reason: table + " has no row: it was emptied by somebody", stale: true}
	case found[0].version > schemaVersion:
		return meta{}, &fault{reason: fmt.Sprintf("%s says schema version %d, this program knows %d; use a later kitbridge", table, found[0].version, schemaVersion), stale: true}
	}
	return found[0], nil
}

// register asks whether the tables may be written. It returns the deed that stands for
// the state as it is now: whoever calls it after reading the state gets one that is not
// older.
func (s *Sink) register(ctx context.Context, found orgsync.Deed) (orgsync.Deed, error) {
	now, err := s.cfg.Register(ctx, found)
	if _, closed := errors.AsType[*orgsync.ClosedError](err); err != nil && !closed {
		err = fmt.Errorf("ask whose the tables are: %w", err)
	}
	return now, err
}

// own enters this bridge where nobody is, and fails if the tables are another's. What it
// finds to be ours is brought up to date, so that the row tells how far the state is even
// where nothing is to be written.
func (s *Sink) own(ctx context.Context, sc schema) error {
	found, err := list[meta](ctx, s.db, sc.selectMeta(), nil)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		now, err := s.register(ctx, orgsync.Deed{})
		if err != nil {
			return err
		}
		err = s.exec(ctx, sc.insertMeta(), 1, now.Owner, schemaVersion, 0, now.Mark.String())
		if err != nil && !errors.Is(err, orgsync.ErrRejected) { // somebody was faster
			return fmt.Errorf("enter the owner in %s%s: %w", sc.prefix, metaTable, err)
		}
	}
	m, err := s.readMeta(ctx, s.db, sc.selectMeta())
	if err != nil {
		return err
	}
	now, err := s.register(ctx, m.deed())
	if err != nil || now == m.deed() {
		return err
	}
	return s.inTx(ctx, sc, func(tx *sql.Tx) error {
		h, err := s.lock(ctx, sc, tx)
		if err != nil {
			return err
		}
		return s.keep(ctx, sc, tx, h, h.lastSeq)
	})
}

// locked is what was found in kit_meta by the transaction that holds it.
type locked struct {
	lastSeq int64
	deed    orgsync.Deed
}

// lock holds kit_meta until the transaction ends. It fails if the tables are not ours (any
// more).
func (s *Sink) lock(ctx context.Context, sc schema, tx *sql.Tx) (locked, error) {
	m, err := s.readMeta(ctx, tx, sc.lockMeta())
	if err != nil {
		return locked{}, err
	}
	_, err = s.register(ctx, m.deed())
	return locked{m.lastSeq, m.deed()}, err
}

// keep writes the feed's last number and how far the state is now, inside a transaction
// that holds the lock and has read all the state that it needed.
func (s *Sink) keep(ctx context.Context, sc schema, tx *sql.Tx, h locked, lastSeq int64) error {
	now, err := s.register(ctx, h.deed)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, sc.setMeta(), lastSeq, now.Owner, now.Mark.String()); err != nil {
		return fmt.Errorf("write %s%s: %w", sc.prefix, metaTable, translate(err))
	}
	return nil
}
