package sqlsink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// WholeOptions say how a whole tenant is compared.
type WholeOptions struct {
	// Guard bounds what may be deleted without a person's yes. Nil: there is no bound.
	Guard *orgsync.Guard
	// Only, if not empty, is the Digest of the one plan that may be carried out.
	Only string
	// Progress, if set, is called with how many steps are done or refused and how many
	// there are.
	Progress func(done, total int)
}

// Whole is what a comparison of a whole tenant found, or what came of making it equal.
type Whole struct {
	Tenant orgsync.TenantID
	// Steps are what is to be done, in the order in which it is done.
	Steps []Step
	// Reports are keys that the database refused.
	Reports []orgsync.Result
	// Held says why the deletions need a person's yes; empty if they do not.
	Held string
	// Digest tells this plan from every other.
	Digest string
	// IsLeft: the tables hold rows of the tenant, but are not meant for it (any more).
	IsLeft bool
	// Users and Departments are how many rows were compared.
	Users, Departments int
}

// ErrHeld is a reconciliation that would delete more than the guard allows, and
// ErrPlanChanged one that is not the plan that was asked for. Nothing was written.
var (
	ErrHeld        = errors.New("held for a person's yes")
	ErrPlanChanged = errors.New("the tables or the state changed since the plan was made")
)

// Plan compares the whole of a tenant with the tables and says what Reconcile would do. It
// writes nothing, anywhere: tables that are not there yet count as empty.
func (s *Sink) Plan(ctx context.Context, view orgsync.Inventory, options WholeOptions) (Whole, error) {
	whole, _, err := s.compareWhole(ctx, view, options)
	return whole, err
}

// Reconcile makes the rows of the whole tenant equal to the state. It may be cut off anywhere
// and called again. Errors are those of Converge, an [ErrHeld] or an [ErrPlanChanged].
func (s *Sink) Reconcile(ctx context.Context, view orgsync.Inventory, options WholeOptions) (Whole, error) {
	whole, keys, err := s.compareWhole(ctx, view, options)
	switch {
	case err != nil:
		return whole, err
	case options.Only != "" && options.Only != whole.Digest:
		return whole, ErrPlanChanged
	case whole.Held != "":
		return whole, fmt.Errorf("%w: %s", ErrHeld, whole.Held)
	}
	steps := map[orgsync.Key]int{}
	for _, step := range whole.Steps {
		steps[step.Key]++
	}
	done := 0
	for part := range slices.Chunk(keys, batch) {
		results, err := s.Converge(ctx, view, part)
		for _, r := range results {
			done += steps[r.Key]
			if r.Err != nil {
				whole.Reports = append(whole.Reports, r)
			}
		}
		if options.Progress != nil {
			options.Progress(done, len(whole.Steps))
		}
		if err != nil {
			return whole, err
		}
	}
	return whole, nil
}

// compareWhole also returns the keys that need anything, in the order of their steps.
func (s *Sink) compareWhole(ctx context.Context, view orgsync.Inventory, options WholeOptions) (Whole, []orgsync.Key, error) {
	tenant, err := view.Tenant(ctx)
	if err != nil {
		return Whole{}, nil, fmt.Errorf("read the tenant's state: %w", err)
	}
	whole := Whole{Tenant: tenant.ID}
	if !tenant.Announced {
		whole.Digest = digestOf(whole)
		return whole, nil, nil
	}
	sc, made, err := s.look(ctx)
	if err == nil && made && !s.holds(tenant) {
		whole.IsLeft, err = s.hasAnyRow(ctx, sc, tenant.ID)
	}
	if err != nil {
		return whole, nil, fmt.Errorf("sql sink %s: %w", s.cfg.Name, err)
	}
	if !s.holds(tenant) && !whole.IsLeft {
		whole.Digest = digestOf(whole)
		return whole, nil, nil
	}
	keys, err := everyKey(ctx, view)
	if err == nil && made {
		keys, err = s.addHeld(ctx, sc, tenant.ID, keys)
	}
	if err != nil {
		return whole, nil, fmt.Errorf("sql sink %s: %w", s.cfg.Name, err)
	}
	var changes []change
	for part := range slices.Chunk(keys, batch) {
		found, err := s.comparePart(ctx, sc, made, view, part, &whole)
		if err != nil {
			return whole, nil, fmt.Errorf("sql sink %s: %w", s.cfg.Name, err)
		}
		changes = append(changes, found...)
	}
	slices.SortStableFunc(changes, func(a, b change) int { return int(a.rank) - int(b.rank) })
	owed := make([]orgsync.Key, 0, len(changes))
	for _, c := range changes {
		owed = append(owed, c.key)
		whole.Steps = append(whole.Steps, sc.stepsOf(c)...)
	}
	whole.Held = whole.heldBy(options.Guard)
	whole.Digest = digestOf(whole)
	return whole, owed, nil
}

// look finds out what is there. made is false if no table of ours is.
func (s *Sink) look(ctx context.Context) (sc schema, made bool, err error) {
	if s.isMissing() {
		sc, err := newSchema(SQLite, s.cfg.Prefix)
		return sc, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if sc, err = s.identify(ctx); err != nil {
		return sc, false, err
	}
	lacks, empty, err := sc.inspect(ctx, s.db)
	switch {
	case err != nil:
		return sc, false, err
	case empty && !s.cfg.Verify:
		return sc, false, nil
	case len(lacks) > 0:
		return sc, false, &fault{reason: "the tables are not ready: " + describe(lacks)}
	}
	return sc, true, nil
}

// comparePart compares some keys and counts the rows of theirs.
func (s *Sink) comparePart(ctx context.Context, sc schema, made bool, view orgsync.View, keys []orgsync.Key, whole *Whole) ([]change, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	state, err := readState(ctx, view, keys)
	if err != nil {
		return nil, err
	}
	have := held{}
	if made {
		if have, err = sc.read(ctx, s.db, state.tenant.ID, keys); err != nil {
			return nil, err
		}
	}
	for _, rows := range have {
		for _, r := range rows {
			switch r.id().table {
			case userTable:
				whole.Users++
			case departmentTable:
				whole.Departments++
			}
		}
	}
	changes := s.compare(state, have, keys)
	for n := range changes {
		changes[n].have = have[changes[n].key]
	}
	return slices.DeleteFunc(changes, func(c change) bool { return len(c.steps) == 0 }), nil
}

// everyKey lists the keys of which the state says anything.
func everyKey(ctx context.Context, view orgsync.Inventory) ([]orgsync.Key, error) {
	keys := []orgsync.Key{{Kind: orgsync.TenantKey}}
	if err := view.AllDepartments(ctx, func(d orgsync.Department) error {
		keys = append(keys, orgsync.Key{Kind: orgsync.DepartmentKey, ID: string(d.Code)})
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read the state of departments: %w", err)
	}
	if err := view.AllUsers(ctx, func(u orgsync.User) error {
		keys = append(keys, orgsync.Key{Kind: orgsync.UserKey, ID: string(u.Name)})
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read the state of users: %w", err)
	}
	return keys, nil
}

// heldKey names a row that a table holds.
type heldKey struct{ tenant, id string }

func (h *heldKey) dest() []any { return []any{&h.tenant, &h.id} }

// addHeld adds the keys of rows of which the state says nothing.
func (s *Sink) addHeld(ctx context.Context, sc schema, tenant orgsync.TenantID, keys []orgsync.Key) ([]orgsync.Key, error) {
	seen := make(map[orgsync.Key]bool, len(keys))
	for _, k := range keys {
		seen[k] = true
	}
	for _, t := range []struct {
		table string
		kind  orgsync.KeyKind
	}{{departmentTable, orgsync.DepartmentKey}, {userTable, orgsync.UserKey}, {grantTable, orgsync.UserKey}} {
		rows, err := list[heldKey](ctx, s.db, sc.selectKeys(tableNamed(t.table)), []any{string(tenant)})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			k := orgsync.Key{Kind: t.kind, ID: r.id}
			if r.tenant == string(tenant) && !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
		}
	}
	return keys, nil
}

// selectKeys lists the ids of a tenant's rows.
func (s schema) selectKeys(t table) string {
	tenant, id := s.quoted(t.columns[0].name), s.quoted(t.columns[1].name)
	return s.bind(fmt.Sprintf("SELECT DISTINCT %[1]s, %[2]s FROM %[3]s WHERE %[1]s = ? ORDER BY %[2]s", tenant, id, s.name(t.name)))
}

// heldBy says why the plan needs a person's yes.
func (w Whole) heldBy(guard *orgsync.Guard) string {
	if guard == nil {
		return ""
	}
	for _, of := range []struct {
		kind  orgsync.KeyKind
		name  string
		total int
	}{{orgsync.UserKey, "users", w.Users}, {orgsync.DepartmentKey, "departments", w.Departments}} {
		n := 0
		for _, step := range w.Steps {
			if step.Op == string(remove) && step.Key.Kind == of.kind && !step.grant {
				n++
			}
		}
		if n > 0 && guard.Holds(n, 0, of.total-n) {
			return fmt.Sprintf("deletes %d of %d %s", n, of.total, of.name)
		}
	}
	return ""
}

// digestOf is the same for the same plan.
func digestOf(w Whole) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q\n", w.Tenant)
	for _, s := range w.Steps {
		_, _ = fmt.Fprintf(h, "%q %q %q %q\n", s.Op, s.Table, s.Row, s.Columns)
	}
	return hex.EncodeToString(h.Sum(nil))
}
