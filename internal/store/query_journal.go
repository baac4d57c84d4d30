package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	journalColumns = `j.id, (SELECT tenant FROM scope WHERE id = j.scope), j.kind, j.digest, CASE WHEN j.body IS NULL THEN 0 ELSE 1 END, j.signed_at, j.received_at,
	j.candidate, j.refusal, j.answer, j.applied, j.stale, j.parked, j.held, j.refused`
	journalItems = "SELECT " + journalColumns + ` FROM journal j
	WHERE j.id < ? AND (SELECT realm FROM scope WHERE id = j.scope) = 0 ORDER BY j.id DESC LIMIT ?`
	journalItemsOf = "SELECT " + journalColumns + " FROM journal j WHERE j.id < ? AND j.scope = ? ORDER BY j.id DESC LIMIT ?"
)

// JournalItem is one push as the journal has it, without its body.
type JournalItem struct {
	ID orgsync.JournalID `json:"id"`
	// Tenant is empty if the push names none that could be one.
	Tenant   orgsync.TenantID `json:"tenant_id"`
	Kind     string           `json:"kind"` // the interface that was called
	Received time.Time        `json:"received_at"`
	Signed   time.Time        `json:"signed_at"`
	// Digest is the SHA-256 of the body in hexadecimal; Body says whether the body is
	// still kept.
	Digest string `json:"digest"`
	Body   bool   `json:"body_kept"`
	// Candidate is the form of the body that the signature matched.
	Candidate string `json:"candidate"`
	// Answer is ok, invalid or secret; Refusal says why it is not ok.
	Answer  string `json:"answer"`
	Refusal string `json:"refusal,omitempty"`
	// What became of the changes when the push was accepted. Changes that waited then
	// have got another verdict since; Status counts the verdicts of now.
	Applied int64 `json:"applied"`
	Stale   int64 `json:"stale"`
	Parked  int64 `json:"parked"`
	Held    int64 `json:"held"`
	Refused int64 `json:"refused"`
}

// ListJournal lists the pushes of production, newest first. Errors are as those of
// [Store.ListTenants].
func (s *Store) ListJournal(ctx context.Context, p Page) (List[JournalItem], error) {
	w, err := s.window(ctx, "journal", p)
	if err != nil {
		return List[JournalItem]{}, fmt.Errorf("list journal: %w", err)
	}
	before := w.after.numbers[0]
	if before == 0 {
		before = math.MaxInt64
	}
	query, args := journalItems, []any{before, w.limit + 1}
	if p.Tenant != "" {
		query, args = journalItemsOf, []any{before, w.lo, w.limit + 1}
	}
	rows, err := collect(ctx, s.readers, func(rows *sql.Rows) (r row[JournalItem], err error) {
		r.item, err = scanJournalItem(rows)
		r.at.numbers[0] = int64(r.item.ID)
		return r, err
	}, query, args...)
	if err != nil {
		return List[JournalItem]{}, fmt.Errorf("list journal: %w", err)
	}
	return page(w, rows), nil
}

// scanJournalItem reads journalColumns, and whatever is asked for after them.
func scanJournalItem(rows *sql.Rows, more ...any) (JournalItem, error) {
	var i JournalItem
	var kind orgsync.Kind
	var digest []byte
	var signed, received int64
	var answer orgsync.Answer
	err := rows.Scan(append([]any{
		&i.ID, &i.Tenant, &kind, &digest, &i.Body, &signed, &received, &i.Candidate, &i.Refusal, &answer,
		&i.Applied, &i.Stale, &i.Parked, &i.Held, &i.Refused,
	}, more...)...)
	i.Kind, i.Digest, i.Answer = kind.String(), hex.EncodeToString(digest), answerText(answer)
	i.Signed, i.Received, i.Refusal = timeOf(signed), timeOf(received), brief(i.Refusal)
	return i, err
}

func answerText(a orgsync.Answer) string {
	switch a {
	case orgsync.AnswerOK:
		return "ok"
	case orgsync.AnswerSecret:
		return "secret"
	default:
		return "invalid"
	}
}
