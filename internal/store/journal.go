package store

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectPush = "SELECT id, digest, answer FROM journal WHERE kind = ? AND nonce = ?"
	insertPush = `INSERT INTO journal
	(scope, kind, nonce, digest, body, signed_at, received_at, candidate, refusal, answer)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (kind, nonce) DO NOTHING RETURNING id`
	settlePush = `UPDATE journal SET answer = ?, applied = ?, stale = ?, parked = ?, held = ?, refused = ?
	WHERE id = ? AND scope = ?`
	countScope = `UPDATE scope SET applied = applied + ?, stale = stale + ?, parked = parked + ?,
	held = held + ?, refused = refused + ? WHERE id = ?`
)

func (tx *tx) Record(p orgsync.Push) (orgsync.Recorded, error) {
	known, err := tx.recorded(p)
	if !errors.Is(err, orgsync.ErrNotFound) {
		return known, err
	}
	seal, err := tx.dataKey()
	if err != nil {
		return orgsync.Recorded{}, err
	}
	body := seal.Seal(nil, nil, p.Body, bodyPlace(p.Kind, p.Nonce)) //nolint:gosec // G407: this AEAD makes its own nonce
	refusal := ""
	if p.Refused != nil {
		refusal = p.Refused.Error()
	}
	id, err := one(collect(tx.ctx, tx.c, scanNumber, insertPush,
		tx.id, p.Kind, []byte(p.Nonce), p.Digest[:], body,
		p.Signed.UnixMilli(), p.Received.UnixMilli(), p.Candidate, refusal, orgsync.AnswerOK))
	if errors.Is(err, orgsync.ErrNotFound) { // another tenant's transaction was faster
		return tx.recorded(p)
	}
	if err != nil {
		return orgsync.Recorded{}, fmt.Errorf("journal: %w", err)
	}
	return orgsync.Recorded{ID: orgsync.JournalID(id), Digest: p.Digest}, nil
}

// recorded is what the journal knows of the push's nonce, or an ErrNotFound.
func (tx *tx) recorded(p orgsync.Push) (orgsync.Recorded, error) {
	return one(collect(tx.ctx, tx.c, func(rows *sql.Rows) (orgsync.Recorded, error) {
		r := orgsync.Recorded{Known: true}
		var digest []byte
		err := rows.Scan(&r.ID, &digest, &r.Answer)
		copy(r.Digest[:], digest)
		return r, err
	}, selectPush, p.Kind, []byte(p.Nonce)))
}

func (tx *tx) Settle(id orgsync.JournalID, answer orgsync.Answer, tally orgsync.Tally) error {
	n, err := tx.c.exec(tx.ctx, settlePush, answer, tally[orgsync.Applied], tally[orgsync.Stale],
		tally[orgsync.Parked], tally[orgsync.Held], tally[orgsync.Refused], id, tx.id)
	switch {
	case err != nil:
		return fmt.Errorf("settle push: %w", err)
	case n != 1:
		return fmt.Errorf("settle push: %w", orgsync.ErrNotFound)
	}
	return tx.Count(tally)
}

func (tx *tx) Count(tally orgsync.Tally) error {
	if _, err := tx.c.exec(tx.ctx, countScope, tally[orgsync.Applied], tally[orgsync.Stale],
		tally[orgsync.Parked], tally[orgsync.Held], tally[orgsync.Refused], tx.id); err != nil {
		return fmt.Errorf("count: %w", err)
	}
	return nil
}
