package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// checkpointEvery is how often what is in the log is moved into the file, at most. It is
	// done right after a commit, so that little is left to move while the next transaction
	// waits for the same disk.
	checkpointEvery = 250 * time.Millisecond
	// roundEvery is how often it is looked whether anything else is to be done.
	roundEvery = time.Second
	// cleanEvery is how often sessions that ended by themselves are deleted.
	cleanEvery = 5 * time.Minute
	// restAfter is after how many rounds without a transaction SQLite's memory is given
	// back. What is read next is read from the file.
	restAfter = 10
)

// Run keeps the database small and its commits fast, and sees when a [Standstill] is over,
// until ctx ends; then it returns nil. Without it everything works, but now and then a
// commit pays for the upkeep. What goes wrong is logged and tried again.
func (s *Store) Run(ctx context.Context) error {
	round := time.NewTicker(roundEvery)
	defer round.Stop()
	clean := time.NewTicker(cleanEvery)
	defer clean.Stop()
	var moved time.Time
	checkpoint := func(after time.Duration) error {
		if since := s.now().Sub(moved); since >= 0 && since < after {
			return nil
		}
		defer func() { moved = s.now() }()
		return s.checkpoint(ctx)
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-s.commits:
			err = checkpoint(checkpointEvery)
		case <-round.C:
			s.endStandstill(ctx)
			// What other processes wrote, and the last of what we did.
			err = errors.Join(checkpoint(roundEvery), s.rest(ctx), s.unrollCrowded(ctx))
		case <-clean.C:
			err = s.DeleteExpired(ctx)
		}
		if isStanding, _ := s.stopped.lasts(s.now()); isStanding {
			continue // it was said already
		}
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "upkeep of the database failed", "error", err)
		}
	}
}

// checkpoint moves what is in the log into the file without making anybody wait
// (PASSIVE, https://sqlite.org/c3ref/wal_checkpoint_v2.html).
func (s *Store) checkpoint(ctx context.Context) error {
	if s.upkeep == nil {
		return nil // PostgreSQL does that by itself
	}
	var busy, frames, moved int
	err := s.upkeep.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &frames, &moved)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// DeleteExpired deletes the sessions that ended by themselves.
func (s *Store) DeleteExpired(ctx context.Context) error {
	now := s.now().UnixMilli()
	return errors.Join(s.change(ctx, soft, "delete expired sessions", deleteExpired, now, now),
		s.change(ctx, soft, "delete what waited too long", deleteDeposits, now))
}
