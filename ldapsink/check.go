package ldapsink

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
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
// looked at, with nil or what is wrong and what to do. To find out what the server does and
// what the account may do there, it adds, changes, moves and deletes entries of its own
// below base_dn, ou=kitbridge-probe-… and cn=kitbridge-probe-…, unless the directory is another
// bridge's. It leaves nothing behind; what a crash left behind a later one deletes.
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
		if known, err := s.standing(ctx, at); known && (!yield("owner", err) || err != nil) {
			return // nothing is tried in a directory that is somebody else's
		}
		if !s.checkRights(ctx, at, yield) {
			return
		}
		if profile, err = s.Profile(ctx); err != nil || !yield(strings.Join(profile.Facts(), "; "), nil) {
			return
		}
		checkSchema(ctx, at, s.cfg.Mapping, yield)
	}
}

// standing says whether the directory is ours to write; it is not known before its owner's
// entry is there. It writes nothing.
func (s *Sink) standing(ctx context.Context, at server) (known bool, err error) {
	if s.cfg.Register == nil {
		return false, nil
	}
	entries, err := at.search(ctx, at.ownerDN(), BaseObject, "(objectClass=*)", "description")
	if err != nil || len(entries) == 0 {
		return err != nil, err
	}
	found, _ := parseDeed(entries[0].Attributes["description"])
	_, err = s.cfg.Register(ctx, found)
	return true, err
}

// checkRights tries what the account may do and then, if it may do it all, what the server
// does. It returns whether to go on.
func (s *Sink) checkRights(ctx context.Context, at server, yield func(string, error) bool) bool {
	if err := at.tidyProbes(ctx, s.cfg.Now()); err != nil && !yield("what an earlier check left behind", err) {
		return false
	}
	faults, err := s.tryRights(ctx, at, at.base)
	for _, f := range faults {
		if !yield("right to "+f.what+" below "+at.base.String(), f.err) {
			return false
		}
	}
	if err == nil && len(faults) == 0 {
		if !yield("rights: to add, read, change, rename, move and delete entries below "+at.base.String(), nil) {
			return false
		}
		_, err = s.Probe(ctx)
	}
	return err == nil || yield("try what the server does", err)
}

// checkSchema tells what the schema of the server lacks.
func checkSchema(ctx context.Context, at server, m Mapping, yield func(string, error) bool) {
	schema, shown, err := at.readSubschema(ctx)
	switch {
	case err != nil:
		yield("schema", err)
		return
	case !shown:
		yield("schema: the server does not show it to the account; what it lacks shows with the first user", nil)
		return
	}
	lacks := schema.lacks(at.profile, m)
	for _, text := range lacks {
		if !yield("schema", errors.New(text)) {
			return
		}
	}
	if len(lacks) == 0 {
		yield("schema: it has all object classes and attributes", nil)
	}
}

// CheckTenant says whether the account may write below the entry of a tenant, if that is
// there: rights may differ from those below base_dn. It tries, and leaves nothing behind.
func (s *Sink) CheckTenant(ctx context.Context, tenant orgsync.TenantID) error {
	profile, err := s.Profile(ctx)
	if err != nil {
		return err
	}
	at, err := s.at(profile)
	if err != nil || s.cfg.RootBase {
		return err
	}
	above := s.organisation(at, orgsync.Tenant{ID: tenant}).tenant
	entries, err := at.search(ctx, above, BaseObject, "(objectClass=*)", "1.1")
	if err != nil || len(entries) == 0 {
		return err
	}
	if err := at.tidyBelow(ctx, above, s.cfg.Now()); err != nil {
		return err
	}
	name := probePrefix + randomName()
	from, to := above.Child("ou", name), above.Child("ou", name+"-2")
	if err := at.send(ctx, Operation{Kind: Add, DN: from, Attributes: organizationalUnit(from)}); err != nil {
		return err
	}
	last := from
	err = at.send(ctx, Operation{Kind: Modify, DN: from, Changes: []Change{{ReplaceValues, "description", []string{"try"}}}})
	if err == nil {
		if err = at.send(ctx, Operation{Kind: Rename, DN: from, NewDN: to}); err == nil {
			last = to
		}
	}
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTidy)
	defer cancel()
	return errors.Join(err, at.send(tidy, Operation{Kind: Delete, DN: last}))
}
