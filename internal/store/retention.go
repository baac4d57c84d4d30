package store

import (
	"context"
	"fmt"
	"time"
)

const (
	// forgetBatch is how many bodies one transaction drops: pushes wait for it.
	forgetBatch = 200
	dropBodies  = `UPDATE journal SET body = NULL WHERE id IN (
	SELECT id FROM journal WHERE body IS NOT NULL AND received_at < ? ORDER BY received_at LIMIT ?)`
)

// ForgetBodies drops the bodies of the pushes that were received before a time and says
// how many there were. Digest, times, answer and verdicts stay, so that a push that comes
// again is still known. Messages that wait keep what they need. What an error leaves is
// dropped the next time.
func (s *Store) ForgetBodies(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for ctx.Err() == nil {
		var n int64
		err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) (err error) {
			n, err = c.exec(ctx, dropBodies, before.UnixMilli(), forgetBatch)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("forget bodies of the journal: %w", err)
		}
		total += int(n)
		if n < forgetBatch {
			return total, nil
		}
	}
	return total, ctx.Err()
}
