package ldapsink

import "context"

// Reach implements [orgsync.Reachable]: the directory answers, lets us in and has the base.
func (s *Sink) Reach(ctx context.Context) error {
	base, err := s.search(ctx, s.base, baseObject, "(objectClass=*)", "objectClass")
	if err != nil {
		return err
	}
	if len(base) == 0 {
		return &baseError{s.base}
	}
	return nil
}
