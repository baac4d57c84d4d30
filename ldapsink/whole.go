package ldapsink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// WholeOptions say how a whole tenant is compared.
type WholeOptions struct {
	// Adopt makes entries ours that stand for a user, department or group of the tenant, by
	// their stable id, and are not ours yet. Default: they are left alone and reported.
	Adopt bool
	// Guard bounds what may be deleted without a person's yes. Nil: there is no bound.
	Guard *orgsync.Guard
	// Most, if not zero, is how many users may differ: of more nothing is planned, and so much
	// memory is not needed. The error is a [*TooManyError].
	Most int
	// Only, if not empty, is the Digest of the one plan that may be carried out.
	Only string
	// Everybody: the Warnings are about all users, also those whose entries are as they should
	// be. Default: about those that differ.
	Everybody bool
	// Progress, if set, is called after each operation, one call at a time, with how many
	// are done or failed and how many there are.
	Progress func(done, total int)
}

// Whole is what a comparison of a whole tenant found, or what came of making it equal.
type Whole struct {
	Tenant orgsync.TenantID
	// Operations are what is to be done, in the order in which it is done; those on
	// members of groups included.
	Operations []Operation
	// Reports are what cannot be done, and why, by kind and name.
	Reports []Report
	// Warnings name values that are left out, of entries that differ or of everybody's; after
	// Reconcile also what the directory refused.
	Warnings []Warning
	// Adopted are the entries that become ours.
	Adopted []Link
	// Held says why the deletions need a person's yes; empty if they do not.
	Held string
	// IsLeft: the directory is not meant for the tenant any more, as far as it is known since
	// LeftAt. What it holds is disabled, and deleted from DeletedFrom on.
	IsLeft              bool
	LeftAt, DeletedFrom time.Time
	// Digest tells this plan from every other.
	Digest string
	// Users, Departments and Groups are how many entries of ours were compared; Foreign how
	// many others stand among them.
	Users, Departments, Groups, Foreign int
}

// Report is an entry that cannot be made as it should be.
type Report struct {
	ID  EntryID
	Err error // its text names entries; Public, if it has that method, does not
}

// Warning is something that was left out of an entry. The text holds no personal data.
type Warning struct {
	ID   EntryID
	Text string
}

// Deletions counts the entries of each kind that the plan deletes.
func (w Whole) Deletions() map[EntryKind]int {
	n := map[EntryKind]int{}
	for _, o := range w.Operations {
		if o.Kind == Delete {
			n[o.ID.Kind]++
		}
	}
	return n
}

// ErrHeld is a reconciliation that would delete more than the guard allows, and
// ErrPlanChanged one that is not the plan that was asked for. Nothing was written.
var (
	ErrHeld        = errors.New("held for a person's yes")
	ErrPlanChanged = errors.New("the directory or the state changed since the plan was made")
)

// TooManyError is a comparison that found more users to differ than it was to look at.
type TooManyError struct{ Users int }

// Error says how many.
func (e *TooManyError) Error() string { return fmt.Sprintf("%d users differ", e.Users) }

// Public returns the text for logs.
func (e *TooManyError) Public() string { return e.Error() }

// Plan compares the whole of a tenant with the directory and says what Reconcile would do.
// It writes nothing, anywhere. Of a tenant that the directory may not hold, or that was purged,
// nothing is added: what is ours is disabled or deleted.
//
// The directory is read in pages; what is kept in memory is some hundred bytes a user,
// and what differs. An answer that may be incomplete is an error: nothing is concluded from
// what it lacks.
func (s *Sink) Plan(ctx context.Context, view orgsync.Inventory, options WholeOptions) (Whole, error) {
	_, _, whole, err := s.compare(ctx, view, options, true)
	return whole, err
}

// Reconcile makes the whole of a tenant equal to the state. It may be cut off anywhere and
// called again. Calls for the same tenant, and Converge, must not overlap. The Reports tell
// what could not be done. Errors are those of Converge, an [ErrHeld] or an [ErrPlanChanged].
func (s *Sink) Reconcile(ctx context.Context, view orgsync.Inventory, options WholeOptions) (Whole, error) {
	_, leave, err := s.enter(ctx, view)
	if err != nil {
		return Whole{}, err
	}
	defer leave()
	if err := s.probeUnknown(ctx); err != nil {
		return Whole{}, err
	}
	r, ms, whole, err := s.compare(ctx, view, options, false)
	switch {
	case err != nil || r == nil:
		return whole, err
	case options.Only != "" && options.Only != whole.Digest:
		return whole, ErrPlanChanged
	case whole.Held != "":
		return whole, fmt.Errorf("%w: %s", ErrHeld, whole.Held)
	}
	if len(whole.Operations)+len(whole.Adopted) > 0 {
		if err := s.own(ctx, true); err != nil {
			return whole, err
		}
		r.count(len(whole.Operations), options.Progress)
		if err := r.carryOut(ctx, ms); err != nil {
			return whole, err
		}
		whole.Reports, whole.Warnings = r.reports(), r.allWarnings()
	}
	return whole, s.noteWhole(ctx, r, whole)
}

// noteWhole notes whether the directory is meant for the tenant.
func (s *Sink) noteWhole(ctx context.Context, r *round, w Whole) error {
	switch {
	case !w.IsLeft, r.org.state.Purged && len(w.Reports) == 0:
		return s.forgetLeft(ctx, w.Tenant)
	case len(r.have) > 0 || w.Users > 0:
		_, err := s.noteLeft(ctx, w.Tenant)
		return err
	default: // it never held anything of it
		return nil
	}
}

// compare reads everything and plans. The round is nil if nobody may hold the tenant yet.
func (s *Sink) compare(ctx context.Context, view orgsync.Inventory, options WholeOptions, onlyPlans bool) (*round, []*membership, Whole, error) {
	tenant, err := view.Tenant(ctx)
	if err != nil {
		return nil, nil, Whole{}, fmt.Errorf("read tenant: %w", err)
	}
	whole := Whole{Tenant: tenant.ID, IsLeft: tenant.Announced && !s.cfg.Tenants(tenant)}
	if !tenant.Announced {
		whole.Digest = digestOf(whole)
		return nil, nil, whole, nil
	}
	if whole.IsLeft {
		if tenant, view, err = s.wholeLeft(ctx, tenant, view, &whole); err != nil {
			return nil, nil, whole, err
		}
	}
	r, err := s.newRound(ctx, view, tenant)
	if err != nil {
		return nil, nil, whole, err
	}
	r.left, r.inventory, r.onlyPlans, r.everybody = whole.IsLeft, newInventory(), onlyPlans, options.Everybody
	r.inventory.most = options.Most
	if err := r.readAll(ctx, view, options.Adopt); err != nil {
		return nil, nil, whole, err
	}
	if err := r.readAccounts(ctx); err != nil {
		return nil, nil, whole, err
	}
	if err := r.readNumbers(ctx); err != nil {
		return nil, nil, whole, err
	}
	ms, err := r.planWhole(ctx)
	if err != nil {
		return nil, nil, whole, err
	}
	whole.Operations = r.script(ms)
	whole.Reports = r.reports()
	whole.Adopted = r.adopt
	whole.Warnings = r.allWarnings()
	whole.Users, whole.Departments, whole.Groups, whole.Foreign = r.inventory.users, r.inventory.departments, r.inventory.groupEntries, r.foreign()
	whole.Held = held(options.Guard, whole)
	whole.Digest = digestOf(whole)
	return r, ms, whole, nil
}

// wholeLeft is a tenant for which the directory is not meant, as it is to be seen, and its
// state.
func (s *Sink) wholeLeft(ctx context.Context, tenant orgsync.Tenant, view orgsync.Inventory, w *Whole) (orgsync.Tenant, orgsync.Inventory, error) {
	left, err := LeftAt(ctx, s.cfg.Links, tenant.ID)
	if err != nil {
		return tenant, view, err
	}
	if w.LeftAt = left; !left.IsZero() {
		w.DeletedFrom = left.Add(s.cfg.PurgeAfter)
	}
	ended, seen := s.asEnded(tenant, view, left)
	if all, ok := seen.(orgsync.Inventory); ok {
		view = all
	}
	return ended, view, nil
}

// planWhole plans entries and memberships. Of a tenant that was purged nothing is wanted.
func (r *round) planWhole(ctx context.Context) ([]*membership, error) {
	if !r.org.state.Purged {
		r.desire()
	} else if err := r.readAllApps(ctx); err != nil {
		return nil, err
	}
	r.plan = plan(r.standing(), r.wants)
	for _, c := range r.plan.conflicts {
		r.fail(c.ID, &conflictError{c})
	}
	if r.org.state.Purged { // the groups go
		return nil, nil
	}
	return r.wholeMemberships(ctx)
}

// foreign counts the entries of others, each once. One of ours that was renamed by hand may
// have been taken for one until it was found by its stable id.
func (r *round) foreign() int {
	known := make(map[string]bool, len(r.others)+len(r.have))
	for _, e := range r.have {
		known[e.DN.Key()] = true
	}
	n := 0
	for _, e := range r.others {
		if !known[e.DN.Key()] {
			known[e.DN.Key()] = true
			n++
		}
	}
	return n
}

// held says why the plan needs a person's yes.
func held(guard *orgsync.Guard, w Whole) string {
	if guard == nil {
		return ""
	}
	deletions := w.Deletions()
	for _, of := range []struct {
		kind  EntryKind
		name  string
		total int
	}{{UserEntry, "users", w.Users}, {DepartmentEntry, "departments", w.Departments}} {
		if n := deletions[of.kind]; n > 0 && guard.Holds(n, 0, of.total-n) {
			return fmt.Sprintf("deletes %d of %d %s", n, of.total, of.name)
		}
	}
	return ""
}

// reports lists what failed.
func (r *round) reports() []Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Report
	for _, id := range sortedIDs(r.failed) {
		list = append(list, Report{id, r.failed[id]})
	}
	return list
}

// allWarnings lists what was left out.
func (r *round) allWarnings() []Warning {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Warning
	for _, id := range sortedIDs(r.warnings) {
		for _, text := range r.warnings[id] {
			list = append(list, Warning{id, text})
		}
	}
	return list
}

// count reports each operation.
func (r *round) count(total int, progress func(done, total int)) {
	if progress == nil {
		return
	}
	var mu sync.Mutex
	done, observe := 0, r.server.observe
	r.server.observe = func(o Operation, err error) {
		if observe != nil {
			observe(o, err)
		}
		mu.Lock()
		defer mu.Unlock()
		done = min(done+1, total) // an operation may be sent again without what was refused
		progress(done, total)
	}
}
