package ldapsink

import (
	"context"
	"errors"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

// write does everything, in the order that takes access away first. An error means that the
// directory no longer answers; what it refuses is noted against the entry and the rest goes
// on.
func (r *round) write(ctx context.Context, operations []Operation, ms []*membership) error {
	for s := prepare; s <= demolish; s++ {
		var due []Operation
		for _, o := range operations {
			if o.stage == s {
				due = append(due, o)
			}
		}
		switch s {
		case reduce:
			if err := each(ctx, r.server.width, ms, r.leave); err != nil {
				return err
			}
		case demolish:
			if err := each(ctx, r.server.width, ms, r.join); err != nil {
				return err
			}
			if err := r.follow(ctx); err != nil {
				return err
			}
			if err := r.regroup(ctx); err != nil {
				return err
			}
		case prepare, place, adjust:
		}
		if err := r.runStage(ctx, due); err != nil {
			return err
		}
	}
	return nil
}

// runStage does operations of one stage: one after the other what others may depend on, the
// rest side by side.
func (r *round) runStage(ctx context.Context, operations []Operation) error {
	for len(operations) > 0 {
		ordered := isOrdered(operations[0])
		n := slices.IndexFunc(operations, func(o Operation) bool { return isOrdered(o) != ordered })
		if n < 0 {
			n = len(operations)
		}
		run := operations[:n]
		operations = operations[n:]
		width := r.server.width
		if ordered || slices.ContainsFunc(run, func(o Operation) bool { return o.Temporary }) {
			width = 1
		}
		if err := each(ctx, width, run, r.perform); err != nil {
			return err
		}
	}
	return nil
}

func isOrdered(o Operation) bool { return o.ID.Kind.isStructure() && o.stage != adjust }

// perform does one operation of the plan, unless an earlier one of the same entry failed.
// Values that the server will not take are left out.
func (r *round) perform(ctx context.Context, o Operation) error {
	if r.isBroken(o) {
		return nil
	}
	o, err := r.sendAccepted(ctx, o)
	if r.leftDisabled(o, err) {
		return nil
	}
	if hasCode(err, ldap.LDAPResultInsufficientAccessRights) {
		err = r.sendAllowed(ctx, o, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.done = append(r.done, o)
		return nil
	case ctx.Err() != nil, errors.Is(err, orgsync.ErrUnavailable):
		return err
	default:
		r.broken[o.ID] = true
		if r.failed[o.ID] == nil {
			r.failed[o.ID] = err
		}
		return nil
	}
}

// sendAccepted sends the operation without the values that the server will not take, and
// returns what it sent.
func (r *round) sendAccepted(ctx context.Context, o Operation) (Operation, error) {
	err := r.server.send(ctx, o)
	for err != nil && !errors.Is(err, orgsync.ErrUnavailable) {
		lesser, name, ok := r.withoutRefused(o, err)
		if !ok {
			break
		}
		r.warn(o.ID, name+" left out: the directory refuses the value")
		o = lesser
		if o.Kind == Modify && len(o.Changes) == 0 {
			return o, nil
		}
		err = r.server.send(ctx, o)
	}
	return o, err
}

func (r *round) warn(id EntryID, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.warnings[id], text) {
		r.warnings[id] = append(slices.Clip(r.warnings[id]), text)
	}
}

// leftDisabled: Active Directory enables no account that has no password, and we give none.
// That is no fault of the user's.
func (r *round) leftDisabled(o Operation, err error) bool {
	if o.stage != adjust || len(o.Changes) != 1 || o.Changes[0].Name != "userAccountControl" ||
		!hasCode(err, ldap.LDAPResultUnwillingToPerform) && !hasCode(err, ldap.LDAPResultConstraintViolation) {
		return false
	}
	r.warn(o.ID, "account left disabled: the directory enables none without a password; set one there")
	return true
}

// isBroken says whether the operation must be left undone: something failed before it. A
// department that lost its name to a twin must not have the twin's group.
func (r *round) isBroken(o Operation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	department := EntryID{DepartmentEntry, o.ID.Name}
	if o.ID.Kind == DepartmentGroup && o.Kind == Add && r.broken[department] {
		r.broken[o.ID], r.failed[o.ID] = true, r.failed[department]
	}
	return r.broken[o.ID]
}

// send writes one operation. An entry that is to go and is not there is gone.
func (s server) send(ctx context.Context, o Operation) error {
	err := s.directory.Write(ctx, o)
	if err != nil && ctx.Err() == nil {
		err = about(translate(err, o.Kind.String(), o.DN.String()), o)
	}
	if o.Kind == Delete && hasCode(err, ldap.LDAPResultNoSuchObject) {
		err = nil
	}
	if s.observe != nil {
		s.observe(o, err)
	}
	return err
}
