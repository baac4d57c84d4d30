package ldapsink

import (
	"context"
	"iter"
)

// Reach implements [orgsync.Reachable]: the directory answers, lets us in, has the base and
// is ours.
func (s *Sink) Reach(ctx context.Context) error {
	profile, err := s.Profile(ctx)
	if err != nil {
		return err
	}
	at, err := s.at(profile)
	if err != nil {
		return err
	}
	if err := at.checkBase(ctx); err != nil {
		return err
	}
	return s.own(ctx, true)
}

// checkBase says whether base_dn is there.
func (s server) checkBase(ctx context.Context) error {
	base, err := s.search(ctx, s.base, BaseObject, "(objectClass=*)", "objectClass")
	if err == nil && len(base) == 0 {
		return &baseError{s.base}
	}
	return err
}

// Check examines the directory, for a person who sets it up: it yields each thing that was
// looked at, with nil or what is wrong and what to do. It writes nothing; whether the account
// may write shows with the first entry.
func (s *Sink) Check(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		profile, err := s.Profile(ctx)
		if !yield("reach, TLS and bind", err) || err != nil {
			return
		}
		at, err := s.at(profile)
		if err == nil {
			err = at.checkBase(ctx)
		}
		if !yield("base_dn", err) || err != nil {
			return
		}
		yield("rights to write: not tried, they show with the first entry", nil)
	}
}
