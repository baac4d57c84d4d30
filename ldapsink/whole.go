package ldapsink

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/kitbridge/kitbridge/orgsync"
)

// WholeOptions say how a whole tenant is compared.
type WholeOptions struct {
	// Adopt makes entries ours that stand for a user, department or group of the tenant, by
	// their stable id, and are not ours yet. Default: they are left alone and reported.
	Adopt bool
	// Guard bounds what may be deleted without a person's yes. Nil: there is no bound.
	Guard *orgsync.Guard
	// Only, if not empty, is the Digest of the one plan that may be carried out.
	Only string
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
	// Warnings name values that are left out of entries that differ.
	Warnings []Warning
	// Adopted are the entries that become ours.
	Adopted []Link
	// Held says why the deletions need a person's yes; empty if they do not.
	Held string
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

// Plan compares the whole of a tenant with the directory and says what Reconcile would do.
// It writes nothing, anywhere. A tenant that the directory may not hold has an empty plan.
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
	if len(whole.Operations)+len(whole.Adopted) == 0 {
		return whole, nil
	}
	if err := s.own(ctx, true); err != nil {
		return whole, err
	}
	r.count(len(whole.Operations), options.Progress)
	if err := r.carryOut(ctx, ms); err != nil {
		return whole, err
	}
	whole.Reports = r.reports()
	return whole, nil
}

// compare reads everything and plans. The round is nil if the directory may not hold the
// tenant.
func (s *Sink) compare(ctx context.Context, view orgsync.Inventory, options WholeOptions, onlyPlans bool) (*round, []*membership, Whole, error) {
	tenant, err := view.Tenant(ctx)
	if err != nil {
		return nil, nil, Whole{}, fmt.Errorf("read tenant: %w", err)
	}
	whole := Whole{Tenant: tenant.ID}
	if !tenant.Announced || tenant.Purged || !s.cfg.Tenants(tenant) {
		whole.Digest = digestOf(whole)
		return nil, nil, whole, nil
	}
	r, err := s.newRound(ctx, view, tenant)
	if err != nil {
		return nil, nil, whole, err
	}
	r.inventory, r.onlyPlans = newInventory(), onlyPlans
	if err := r.readAll(ctx, view, options.Adopt); err != nil {
		return nil, nil, whole, err
	}
	if err := r.readAccounts(ctx); err != nil {
		return nil, nil, whole, err
	}
	if err := r.readNumbers(ctx); err != nil {
		return nil, nil, whole, err
	}
	r.desire()
	r.plan = plan(r.standing(), r.wants)
	for _, c := range r.plan.conflicts {
		r.fail(c.ID, &conflictError{c})
	}
	ms, err := r.wholeMemberships(ctx)
	if err != nil {
		return nil, nil, whole, err
	}
	whole.Operations = r.script(ms)
	whole.Reports = r.reports()
	whole.Adopted = r.adopt
	for _, id := range sortedIDs(r.warnings) {
		for _, text := range r.warnings[id] {
			whole.Warnings = append(whole.Warnings, Warning{id, text})
		}
	}
	whole.Users, whole.Departments, whole.Groups, whole.Foreign = r.inventory.users, r.inventory.departments, r.inventory.groupEntries, r.foreign()
	whole.Held = held(options.Guard, whole)
	whole.Digest = digestOf(whole)
	return r, ms, whole, nil
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
