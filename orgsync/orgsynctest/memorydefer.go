package orgsynctest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

func (tx *memoryTx) Credentials() ([]orgsync.Credential, error) {
	return sorted(tx.s.credentials, func(a, b orgsync.Credential) int {
		return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.App, b.App))
	}), tx.check()
}

func (tx *memoryTx) Deferred() ([]orgsync.Deferred, error) {
	all := sorted(tx.s.deferred, func(a, b orgsync.Deferred) int { return cmp.Compare(a.Journal, b.Journal) })
	for n := range all {
		all[n].Message = orgsync.Message{}
	}
	return all, tx.check()
}

func (tx *memoryTx) DeferredMessage(id orgsync.JournalID) (orgsync.Message, error) {
	d, found := tx.s.deferred[id]
	if !found {
		return orgsync.Message{}, errors.Join(orgsync.ErrNotFound, tx.check())
	}
	return d.Message, tx.check()
}

func (tx *memoryTx) Defer(d orgsync.Deferred) error {
	if err := tx.check(); err != nil {
		return err
	}
	set(tx, tx.s.deferred, d.Journal, d)
	return nil
}

func (tx *memoryTx) Forget() error {
	if err := tx.check(); err != nil {
		return err
	}
	clearRows(tx, tx.s.credentials)
	clearRows(tx, tx.s.grants)
	clearRows(tx, tx.s.users)
	clearRows(tx, tx.s.assertions)
	clearRows(tx, tx.s.departments)
	clearRows(tx, tx.s.parked)
	clearRows(tx, tx.s.deferred)
	clearRows(tx, tx.s.destroyed)
	parked, held := tx.s.tally[orgsync.Parked], tx.s.tally[orgsync.Held]
	var move orgsync.Tally
	move[orgsync.Parked], move[orgsync.Held], move[orgsync.Stale] = -parked, -held, parked+held
	return tx.Count(move)
}

// clearRows removes all rows and remembers how to take that back.
func clearRows[K comparable, V any](tx *memoryTx, rows map[K]V) {
	for key := range rows {
		remove(tx, rows, key)
	}
}

func (tx *memoryTx) Undefer(id orgsync.JournalID) error {
	if err := tx.check(); err != nil {
		return err
	}
	remove(tx, tx.s.deferred, id)
	return nil
}

func (tx *memoryTx) LiveDepartments() (int, error) {
	n := 0
	for _, d := range tx.s.departments {
		if d.Live {
			n++
		}
	}
	return n, tx.check()
}

func (tx *memoryTx) Destroyed(since time.Time) (int, error) {
	n := 0
	for _, d := range tx.s.destroyed {
		if d.at.After(since) {
			n += d.n
		}
	}
	return n, tx.check()
}

func (tx *memoryTx) NoteDestroyed(at time.Time, n int) error {
	if err := tx.check(); err != nil {
		return err
	}
	set(tx, tx.s.destroyed, len(tx.s.destroyed), memoryDestroyed{at, n})
	return nil
}

// Due implements [orgsync.Store].
func (m *Memory) Due(ctx context.Context, now time.Time) ([]orgsync.Due, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []orgsync.Due
	for scope, s := range m.scopes {
		for _, d := range s.deferred {
			if d.Wait == orgsync.WaitFuture && !d.Rejected && !d.Due.After(now) {
				due = append(due, orgsync.Due{Scope: scope, Journal: d.Journal})
			}
		}
	}
	slices.SortFunc(due, func(a, b orgsync.Due) int { return cmp.Compare(a.Journal, b.Journal) })
	return due, nil
}
