package sqlsink

import (
	"context"
	"fmt"
)

// Reach implements [orgsync.Reachable]: the database answers, the tables are in order and
// ours. Where they are managed they are made, if they are not there.
func (s *Sink) Reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	sc, err := s.schema(ctx)
	if err != nil {
		return fmt.Errorf("sql sink %s: %w", s.cfg.Name, err)
	}
	if err := s.own(ctx, sc); err != nil { // it may have been ours long ago
		s.forget()
		return fmt.Errorf("sql sink %s: %w", s.cfg.Name, err)
	}
	return nil
}
