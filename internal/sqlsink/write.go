package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// writer writes the changes of one tenant inside one transaction that holds kit_meta.
type writer struct {
	schema
	db      database
	tenant  orgsync.TenantID
	now     moment
	refused map[orgsync.Key]error
}

// settle writes the changes and returns those that were written. If the database
// refuses some it halves the changes until only the bad ones are left, so that one bad
// key stops nobody and the good ones still travel together.
func (w *writer) settle(ctx context.Context, changes []change) ([]change, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	if err := w.exec(ctx, "SAVEPOINT kitbridge"); err != nil {
		return nil, err
	}
	err := w.write(ctx, changes)
	if err == nil {
		return changes, w.exec(ctx, "RELEASE SAVEPOINT kitbridge")
	}
	if !errors.Is(err, orgsync.ErrRejected) {
		return nil, err
	}
	if err := w.exec(ctx, "ROLLBACK TO SAVEPOINT kitbridge"); err != nil {
		return nil, err
	}
	if len(changes) == 1 {
		w.refused[changes[0].key] = err
		return nil, nil
	}
	half := len(changes) / 2
	first, err := w.settle(ctx, changes[:half])
	if err != nil {
		return nil, err
	}
	second, err := w.settle(ctx, changes[half:])
	return slices.Concat(first, second), err
}

// write does all the steps of the changes, table by table, and makes sure that the
// database kept what it was given: a trigger, or a column that is not as we made it,
// may have changed it.
func (w *writer) write(ctx context.Context, changes []change) error {
	steps := make(map[string]map[operation][]row)
	for _, c := range changes {
		for _, s := range c.steps {
			name := s.row.id().table
			if steps[name] == nil {
				steps[name] = make(map[operation][]row)
			}
			steps[name][s.op] = append(steps[name][s.op], s.row)
		}
	}
	order := []string{tenantTable, departmentTable, userTable, grantTable}
	for _, name := range order {
		t := tableNamed(name)
		if err := w.writeRows(ctx, t, w.updateRows, steps[name][update]); err != nil {
			return err
		}
		if err := w.writeRows(ctx, t, w.insertRows, steps[name][insert]); err != nil {
			return err
		}
	}
	slices.Reverse(order) // a foreign key of the product's may lead from grant to user
	for _, name := range order {
		if err := w.deleteAll(ctx, tableNamed(name), steps[name][remove]); err != nil {
			return err
		}
	}
	return w.verify(ctx, changes)
}

func (w *writer) writeRows(ctx context.Context, t table, query func(table, int) string, rows []row) error {
	for part := range slices.Chunk(rows, batch) {
		args := make([]any, 0, len(part)*len(t.columns))
		for _, r := range part {
			args = append(append(args, r.values()...), w.now)
		}
		if err := w.exec(ctx, query(t, len(part)), args...); err != nil {
			return fmt.Errorf("write %s%s: %w", w.prefix, t.name, err)
		}
	}
	return nil
}

func (w *writer) deleteAll(ctx context.Context, t table, rows []row) error {
	for part := range slices.Chunk(rows, batch) {
		args := make([]any, 0, len(part)*t.keys)
		for _, r := range part {
			args = append(args, r.values()[:t.keys]...)
		}
		if err := w.exec(ctx, w.deleteRows(t, len(part)), args...); err != nil {
			return fmt.Errorf("delete from %s%s: %w", w.prefix, t.name, err)
		}
	}
	return nil
}

// verify reads the keys back.
func (w *writer) verify(ctx context.Context, changes []change) error {
	keys := make([]orgsync.Key, len(changes))
	for n, c := range changes {
		keys[n] = c.key
	}
	have, err := w.read(ctx, w.db, w.tenant, keys)
	if err != nil {
		return err
	}
	for _, c := range changes {
		for _, s := range diff(have[c.key], c.want) {
			return &refusal{fmt.Sprintf("%s%s does not keep what is written to it; look for a trigger, a column that was changed, "+
				"or another row whose key the database takes for the same", w.prefix, s.row.id().table)}
		}
	}
	return nil
}

// feed tells the product what was written, in numbers that follow the last one.
func (w *writer) feed(ctx context.Context, changes []change, lastSeq int64) error {
	if len(changes) == 0 {
		return nil
	}
	t := tableNamed(changeTable)
	args := make([]any, 0, len(changes)*len(t.columns))
	for _, c := range changes {
		lastSeq++
		id := c.key.ID
		if c.key.Kind == orgsync.TenantKey {
			id = string(w.tenant)
		}
		args = append(args, lastSeq, string(w.tenant), c.key.Kind.String(), id, string(c.op()), w.now)
	}
	if err := w.exec(ctx, w.insertRows(t, len(changes)), args...); err != nil {
		return fmt.Errorf("write %s%s: %w", w.prefix, t.name, err)
	}
	return nil
}

func (w *writer) exec(ctx context.Context, query string, args ...any) error {
	_, err := w.db.ExecContext(ctx, query, args...)
	return translate(err)
}
