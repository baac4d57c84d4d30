package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// A message counts as many changes as its push did.
	waitingItems = `SELECT d.scope, c.tenant, d.journal, d.wait, d.due, d.reason, j.kind, j.received_at, j.signed_at,
	j.applied + j.stale + j.parked + j.held + j.refused
	FROM deferred d JOIN scope c ON c.id = d.scope AND c.realm = 0 JOIN journal j ON j.id = d.journal
	WHERE d.scope >= ? AND d.scope <= ? AND d.rejected = 0 AND d.journal > ?
	AND CASE d.wait WHEN ? THEN 1 ELSE 0 END = ? ORDER BY d.journal LIMIT ?`
	selectWaitingScope = `SELECT c.realm, c.tenant FROM deferred d JOIN scope c ON c.id = d.scope
	WHERE d.journal = ? AND d.rejected = 0`
)

func parkedItems(where string) string {
	return `SELECT r.scope, (SELECT tenant FROM scope WHERE id = r.scope), r.id, r.kind, r.item, r.instance, r.reason, r.journal
	FROM parked r WHERE ` + where + ` ORDER BY r.scope, r.id LIMIT ?`
}

// ParkedItem is what was accepted and is not placeable yet: a change, or a whole message
// that is dated in the future.
type ParkedItem struct {
	Tenant orgsync.TenantID `json:"tenant_id"`
	// Kind is tenant, department, user or message; Key the name as it was sent. The key
	// of a message is the interface that carried it.
	Kind     string             `json:"kind"`
	Key      string             `json:"key"`
	Instance orgsync.InstanceID `json:"instance_id,omitempty"`
	Reason   string             `json:"reason"`
	// Changes is more than one for messages only.
	Changes int64 `json:"changes"`
	// Due is when a message from the future applies by itself.
	Due time.Time `json:"due,omitzero"`
	// Journal is the push; 0 if it is not known any more. A message can be approved and
	// rejected by this number.
	Journal orgsync.JournalID `json:"journal_id,omitzero"`
}

// ListParked lists what is parked in production: first the messages from the future by
// their number, then the changes, tenant by tenant. Errors are as those of
// [Store.ListTenants].
func (s *Store) ListParked(ctx context.Context, p Page) (List[ParkedItem], error) {
	w, err := s.window(ctx, "parked", p)
	if err != nil {
		return List[ParkedItem]{}, fmt.Errorf("list parked changes: %w", err)
	}
	var found []row[ParkedItem]
	if w.after.numbers[0] == 0 { // the part of messages is not over
		messages, err := s.waiting(ctx, w, w.after.numbers[1], fromFuture)
		if err != nil {
			return List[ParkedItem]{}, fmt.Errorf("list messages from the future: %w", err)
		}
		for _, m := range messages {
			found = append(found, row[ParkedItem]{ParkedItem{
				Tenant: m.item.Tenant, Kind: "message", Key: m.item.Kind, Reason: m.item.Why + ": " + m.item.Reason,
				Changes: m.item.Changes, Due: m.due, Journal: m.item.ID,
			}, cursor{numbers: [2]int64{0, int64(m.item.ID)}}})
		}
	}
	if len(found) <= w.limit {
		changes, err := s.parkedChanges(ctx, w, w.limit+1-len(found))
		if err != nil {
			return List[ParkedItem]{}, fmt.Errorf("list parked changes: %w", err)
		}
		found = append(found, changes...)
	}
	return page(w, found), nil
}

// parkedChanges reads the second part of the list. Its places begin with the scope, which
// is never 0.
func (s *Store) parkedChanges(ctx context.Context, w window, limit int) ([]row[ParkedItem], error) {
	return collect(ctx, s.readers, func(rows *sql.Rows) (r row[ParkedItem], err error) {
		var kind orgsync.KeyKind
		i := &r.item
		err = rows.Scan(&r.at.numbers[0], &i.Tenant, &r.at.texts[0], &kind, blob(&i.Key), blob(&i.Instance), &i.Reason, &i.Journal)
		i.Kind, i.Key, i.Instance, i.Changes = kind.String(), brief(i.Key), orgsync.InstanceID(brief(string(i.Instance))), 1
		return r, err
	}, parkedItems(w.where("id")), w.scope(), w.after.texts[0], limit)
}

// HeldItem is a message that a person must decide about.
type HeldItem struct {
	// ID is the number of the push. Approve and Reject of orgsync take it.
	ID     orgsync.JournalID `json:"id"`
	Tenant orgsync.TenantID  `json:"tenant_id"`
	Kind   string            `json:"kind"` // the interface that carried it
	// Why is guard (it would destroy much) or host (it moves the auth centre); Reason
	// says it in words.
	Why      string    `json:"why"`
	Reason   string    `json:"reason"`
	Received time.Time `json:"received_at"`
	Signed   time.Time `json:"signed_at"`
	Changes  int64     `json:"changes"`
}

// ListHeld lists the messages of production that wait for a person, oldest first. Errors
// are as those of [Store.ListTenants].
func (s *Store) ListHeld(ctx context.Context, p Page) (List[HeldItem], error) {
	w, err := s.window(ctx, "held", p)
	if err != nil {
		return List[HeldItem]{}, fmt.Errorf("list held messages: %w", err)
	}
	found, err := s.waiting(ctx, w, w.after.numbers[0], forPerson)
	if err != nil {
		return List[HeldItem]{}, fmt.Errorf("list held messages: %w", err)
	}
	rows := make([]row[HeldItem], 0, len(found))
	for _, m := range found {
		rows = append(rows, row[HeldItem]{m.item, cursor{numbers: [2]int64{int64(m.item.ID)}}})
	}
	return page(w, rows), nil
}

// waitingMessage is a message that waits; due is set for one from the future.
type waitingMessage struct {
	item HeldItem
	due  time.Time
}

// What a message waits for, as the query says it.
const (
	forPerson  = 0
	fromFuture = 1
)

// waiting reads the messages after a number that wait for the same.
func (s *Store) waiting(ctx context.Context, w window, after, what int64) ([]waitingMessage, error) {
	return collect(ctx, s.readers, func(rows *sql.Rows) (m waitingMessage, err error) {
		var scope, due, received, signed int64
		var wait orgsync.Wait
		var kind orgsync.Kind
		i := &m.item
		err = rows.Scan(&scope, &i.Tenant, &i.ID, &wait, &due, &i.Reason, &kind, &received, &signed, &i.Changes)
		i.Kind, i.Why, i.Reason = kind.String(), wait.String(), brief(i.Reason)
		i.Received, i.Signed, m.due = timeOf(received), timeOf(signed), timeOf(due)
		return m, err
	}, waitingItems, w.lo, w.hi, after, orgsync.WaitFuture, what, w.limit+1)
}

// WaitingScope finds whose message waits under that number, held or from the future. It
// is an orgsync.ErrNotFound if none does.
func (s *Store) WaitingScope(ctx context.Context, id orgsync.JournalID) (orgsync.Scope, error) {
	scope, err := one(collect(ctx, s.readers, func(rows *sql.Rows) (c orgsync.Scope, err error) {
		return c, rows.Scan(&c.Realm, &c.Tenant)
	}, selectWaitingScope, int64(id)))
	if err != nil {
		return orgsync.Scope{}, fmt.Errorf("waiting message %d: %w", id, err)
	}
	return scope, nil
}
