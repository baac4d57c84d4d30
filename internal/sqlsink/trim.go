package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
)

// trimBatch is how many numbers of the feed go in one statement.
const trimBatch = 5000

// trim deletes the beginning of the feed, up to the first row that is younger than FeedAfter.
// What is left is without gaps, and no number comes again: a reader whose last number is
// below MIN(seq) - 1, or below last_seq where no row is left, has missed something and can
// tell. It says how many rows went.
func (s *Sink) trim(ctx context.Context, sc schema) (int, error) {
	if s.cfg.FeedAfter <= 0 {
		return 0, nil
	}
	seq, at, feed := sc.quoted("seq"), sc.quoted("at"), sc.name(changeTable)
	found, err := s.numbers(ctx, fmt.Sprintf("SELECT COALESCE(MIN(%s), 0), COALESCE(MAX(%[1]s), 0) FROM %s", seq, feed))
	if err != nil || found.last == 0 {
		return 0, err
	}
	young, err := s.numbers(ctx, sc.bind(fmt.Sprintf("SELECT COALESCE(MIN(%s), 0), 0 FROM %s WHERE %s > ?", seq, feed, at)),
		momentOf(s.cfg.Now().Add(-s.cfg.FeedAfter)))
	if err != nil {
		return 0, err
	}
	end := young.first // the first that stays
	if end == 0 {
		end = found.last + 1
	}
	gone := 0
	for from := found.first; from < end; from += trimBatch {
		n, err := s.deleteBelow(ctx, sc, sc.bind(fmt.Sprintf("DELETE FROM %s WHERE %s < ?", feed, seq)), min(from+trimBatch, end))
		gone += n
		if err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// deleteBelow deletes rows of the feed under the lock, which finds out whether the tables are
// still ours.
func (s *Sink) deleteBelow(ctx context.Context, sc schema, query string, below int64) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var n int64
	err := s.inTx(ctx, sc, func(tx *sql.Tx) error {
		if _, err := s.lock(ctx, sc, tx); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, query, below)
		if err != nil {
			return translate(err)
		}
		n, err = result.RowsAffected()
		return translate(err)
	})
	return int(n), err
}

// span is the first and the last number of the feed, 0 if there is none.
type span struct{ first, last int64 }

func (s *span) dest() []any { return []any{&s.first, &s.last} }

func (s *Sink) numbers(ctx context.Context, query string, args ...any) (span, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	found, err := list[span](ctx, s.db, query, args)
	if err != nil {
		return span{}, err
	}
	return found[0], nil
}
