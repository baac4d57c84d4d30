package ldapsink

import "context"

// Reach implements [orgsync.Reachable]: the directory answers, lets us in and has the base.
func (s *Sink) Reach(ctx context.Context) error {
	profile, err := s.Profile(ctx)
	if err != nil {
		return err
	}
	at, err := s.at(profile)
	if err != nil {
		return err
	}
	return at.checkBase(ctx)
}

// checkBase says whether base_dn is there.
func (s server) checkBase(ctx context.Context) error {
	base, err := s.search(ctx, s.base, BaseObject, "(objectClass=*)", "objectClass")
	if err == nil && len(base) == 0 {
		return &baseError{s.base}
	}
	return err
}
