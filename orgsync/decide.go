package orgsync

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Approve applies a held message, exactly it, or a message from the future before it is
// due. It is ErrNotFound if nothing of that number waits.
func (a *Acceptor) Approve(ctx context.Context, scope Scope, id JournalID) (Receipt, error) {
	return a.decide(ctx, scope, id, func(tx Tx, d Deferred) (Receipt, error) {
		return a.release(tx, d, time.Time{}, true)
	})
}

// Reject refuses a waiting message for good. A list with the same content is refused
// from then on. It is ErrNotFound if nothing of that number waits.
func (a *Acceptor) Reject(ctx context.Context, scope Scope, id JournalID) (Receipt, error) {
	return a.decide(ctx, scope, id, func(tx Tx, d Deferred) (Receipt, error) {
		r := Receipt{ID: id}
		r.Tally[Refused] = d.Header.Changes
		var moved Tally
		moved.move(d.Wait.verdict(), Refused, d.Header.Changes)
		if err := tx.Count(moved); err != nil {
			return Receipt{}, err
		}
		if d.Wait != WaitGuard {
			return r, tx.Undefer(id)
		}
		d.Rejected, d.Message = true, Message{} // nobody reads it again
		return r, tx.Defer(d)
	})
}

// ReleaseDue applies the messages from the future that are due at now. What the guard
// then holds waits on, for a person.
func (a *Acceptor) ReleaseDue(ctx context.Context, now time.Time) error {
	due, err := a.store.Due(ctx, now)
	if err != nil {
		return fmt.Errorf("messages that are due: %w", err)
	}
	var faults []error
	for _, d := range due {
		_, err := a.decide(ctx, d.Scope, d.Journal, func(tx Tx, d Deferred) (Receipt, error) {
			return a.release(tx, d, now, false)
		})
		if held, ok := errors.AsType[*heldError](err); ok {
			_, err = a.decide(ctx, d.Scope, d.Journal, func(tx Tx, d Deferred) (Receipt, error) {
				return a.keep(tx, d, held)
			})
		}
		if err != nil && !errors.Is(err, ErrNotFound) { // another process was faster
			faults = append(faults, fmt.Errorf("release message %d: %w", d.Journal, err))
		}
	}
	return errors.Join(faults...)
}

// release applies a waiting message and gives its changes their verdicts.
func (a *Acceptor) release(tx Tx, d Deferred, now time.Time, approved bool) (Receipt, error) {
	if err := tx.Undefer(d.Journal); err != nil {
		return Receipt{}, err
	}
	w := a.newWork(tx, d.Message, d.Message.version(), d.Journal, now)
	w.approved = w.approved || approved
	if err := w.apply(); err != nil {
		return Receipt{}, err
	}
	return w.recount(d)
}

// recount moves the changes of a message that waited to the verdicts they have now.
func (w *work) recount(d Deferred) (Receipt, error) {
	for verdict, n := range w.tally {
		w.earlier[verdict] += n
	}
	w.earlier[d.Wait.verdict()] -= d.Header.Changes
	return Receipt{ID: d.Journal, Tally: w.tally}, w.countEarlier()
}

// keep lets a message that was due wait for a person.
func (a *Acceptor) keep(tx Tx, d Deferred, held *heldError) (Receipt, error) {
	if err := tx.Undefer(d.Journal); err != nil {
		return Receipt{}, err
	}
	w := a.newWork(tx, d.Message, d.Message.version(), d.Journal, time.Time{})
	if err := w.hold(held); err != nil {
		return Receipt{}, err
	}
	return w.recount(d)
}

// decide runs how on a waiting message, in one transaction.
func (a *Acceptor) decide(
	ctx context.Context, scope Scope, id JournalID, how func(Tx, Deferred) (Receipt, error),
) (Receipt, error) {
	var receipt Receipt
	err := a.store.Update(ctx, scope, func(tx Tx) error {
		all, err := tx.Deferred()
		if err != nil {
			return err
		}
		for _, d := range all {
			if d.Journal == id && !d.Rejected {
				if d.Message, err = tx.DeferredMessage(id); err != nil {
					return err
				}
				receipt, err = how(tx, d)
				return err
			}
		}
		return fmt.Errorf("waiting message %d: %w", id, ErrNotFound)
	})
	if err != nil {
		return Receipt{}, err
	}
	a.wake()
	return receipt, nil
}
