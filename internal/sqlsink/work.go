package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// work is one call of Converge.
type work struct {
	sink    *Sink
	schema  schema
	view    orgsync.View
	results []orgsync.Result
}

// run first finds out, without a lock, which keys need anything, and then writes
// those, the most urgent first.
func (w *work) run(ctx context.Context, keys []orgsync.Key) error {
	var owed []change
	for part := range slices.Chunk(keys, batch) {
		changes, err := w.look(ctx, part)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if len(c.steps) == 0 {
				w.results = append(w.results, orgsync.Result{Key: c.key, Warnings: c.warnings})
				continue
			}
			owed = append(owed, c)
		}
	}
	slices.SortStableFunc(owed, func(a, b change) int { return int(a.rank) - int(b.rank) })
	for part := range slices.Chunk(owed, batch) {
		if err := w.writeAgain(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// look plans without a lock: what needs nothing now is settled.
func (w *work) look(ctx context.Context, keys []orgsync.Key) ([]change, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	_, changes, err := w.plan(ctx, w.sink.db, keys)
	return changes, err
}

// plan compares the state of the keys with the tables. db is the pool, or the
// transaction that holds the lock: only then is what it finds still true when written.
func (w *work) plan(ctx context.Context, db database, keys []orgsync.Key) (orgsync.TenantID, []change, error) {
	// The state first: whoever holds the lock writes what is newer.
	s, err := readState(ctx, w.view, keys)
	if err != nil {
		return "", nil, err
	}
	have, err := w.schema.read(ctx, db, s.tenant.ID, keys)
	if err != nil {
		return "", nil, err
	}
	return s.tenant.ID, w.sink.compare(s, have, keys), nil
}

// known is the state of some keys.
type known struct {
	tenant      orgsync.Tenant
	departments map[orgsync.OrgCode]orgsync.PlacedDepartment
	users       map[orgsync.UserName]orgsync.User
}

func readState(ctx context.Context, view orgsync.View, keys []orgsync.Key) (s known, err error) {
	if s.tenant, err = view.Tenant(ctx); err != nil {
		return s, fmt.Errorf("read the tenant's state: %w", err)
	}
	codes, names := split(keys)
	if s.departments, err = view.Departments(ctx, codes); err != nil {
		return s, fmt.Errorf("read the state of departments: %w", err)
	}
	if s.users, err = view.Users(ctx, names); err != nil {
		return s, fmt.Errorf("read the state of users: %w", err)
	}
	return s, nil
}

// compare says for each key what turns what the tables hold into what they should.
func (s *Sink) compare(state known, have held, keys []orgsync.Key) []change {
	now, purgeAfter := s.cfg.Now(), s.cfg.PurgeAfter
	left := moment("")
	if !s.holds(state.tenant) { // here it ended
		state.tenant.Active, left = false, momentOf(now)
	}
	changes := make([]change, 0, len(keys))
	for _, k := range keys {
		d := desired{tenant: state.tenant, left: left}
		c := change{key: k}
		switch {
		case left != "" && len(have[k]) == 0: // nor does anything of it come
		case k.Kind == orgsync.TenantKey:
			c.want = d.tenantRows(isPast(state.tenant.RemovedAt, purgeAfter, now), have[k])
		case k.Kind == orgsync.DepartmentKey:
			c.want = d.departmentRows(state.departments[orgsync.OrgCode(k.ID)], have[k])
		default:
			u := state.users[orgsync.UserName(k.ID)]
			c.want = d.userRows(u, isPast(u.RemovedAt, purgeAfter, now), have[k])
		}
		c.steps = diff(have[k], c.want)
		c.rank = rankOf(k.Kind, have[k], c.steps)
		c.warnings = d.warnings
		changes = append(changes, c)
	}
	return changes
}

func split(keys []orgsync.Key) (codes []orgsync.OrgCode, names []orgsync.UserName) {
	for _, k := range keys {
		switch k.Kind {
		case orgsync.DepartmentKey:
			codes = append(codes, orgsync.OrgCode(k.ID))
		case orgsync.UserKey:
			names = append(names, orgsync.UserName(k.ID))
		default:
		}
	}
	return codes, names
}

// writeAgain tries once more when others stood in the way.
func (w *work) writeAgain(ctx context.Context, owed []change) error {
	for n := 1; ; n++ {
		err := w.write(ctx, owed)
		if f, ok := errors.AsType[*fault](err); !ok || !f.again || n == attempts {
			return err
		}
	}
}

// write makes at most batch keys equal to the state in one transaction. The order:
//
//  1. Lock kit_meta, and look whether it is ours. From here on nobody else writes our
//     tables.
//  2. Read state and tables anew and write what differs, leaving out what is refused.
//  3. Enter it in the feed, with the numbers that follow, and how far the state is.
//  4. Commit. After a crash before, nothing was done; after it, everything.
func (w *work) write(ctx context.Context, owed []change) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	keys := make([]orgsync.Key, len(owed))
	for n, c := range owed {
		keys[n] = c.key
	}
	var results []orgsync.Result
	err := w.sink.inTx(ctx, w.schema, func(tx *sql.Tx) error {
		h, err := w.sink.lock(ctx, w.schema, tx)
		if err != nil {
			return err
		}
		tenant, changes, err := w.plan(ctx, tx, keys)
		if err != nil {
			return err
		}
		results, err = w.sink.carryOut(ctx, w.schema, tx, tenant, changes, h)
		return err
	})
	if err != nil {
		return err
	}
	w.results = append(w.results, results...)
	return nil
}

// carryOut writes the changes and the feed inside a transaction that holds the lock.
func (s *Sink) carryOut(ctx context.Context, sc schema, tx *sql.Tx, tenant orgsync.TenantID, changes []change, h locked) ([]orgsync.Result, error) {
	w := writer{schema: sc, db: tx, tenant: tenant, now: momentOf(s.cfg.Now()), refused: map[orgsync.Key]error{}}
	pending := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return len(c.steps) == 0 })
	written, err := w.settle(ctx, pending)
	if err != nil {
		return nil, err
	}
	if err := w.feed(ctx, written, h.lastSeq); err != nil {
		return nil, err
	}
	if len(written) > 0 {
		if err := s.keep(ctx, sc, tx, h, h.lastSeq+int64(len(written))); err != nil {
			return nil, err
		}
	}
	results := make([]orgsync.Result, len(changes))
	for n, c := range changes {
		results[n] = orgsync.Result{Key: c.key, Err: w.refused[c.key], Warnings: c.warnings}
	}
	return results, nil
}
