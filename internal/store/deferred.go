package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectDeferred        = "SELECT journal, header, wait, due, reason, content, rejected FROM deferred WHERE scope = ? ORDER BY journal"
	selectDeferredMessage = "SELECT message FROM deferred WHERE scope = ? AND journal = ?"
	upsertDeferred        = `INSERT INTO deferred (scope, journal, header, message, wait, due, reason, content, rejected)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (scope, journal) DO UPDATE SET header = excluded.header, message = excluded.message, wait = excluded.wait,
	due = excluded.due, reason = excluded.reason, content = excluded.content, rejected = excluded.rejected`
	deleteDeferred = "DELETE FROM deferred WHERE scope = ? AND journal = ?"
	selectDue      = `SELECT c.realm, c.tenant, d.journal FROM deferred d JOIN scope c ON c.id = d.scope
	WHERE d.due > 0 AND d.due <= ? AND d.rejected = 0 ORDER BY d.journal`
	countLive       = "SELECT COUNT(*) FROM department WHERE scope = ? AND live = 1"
	sumDestroyed    = "SELECT COALESCE(SUM(number), 0) FROM destroyed WHERE scope = ? AND at > ?"
	insertDestroyed = "INSERT INTO destroyed (scope, at, number) VALUES (?, ?, ?)"
	forgetDestroyed = "DELETE FROM destroyed WHERE scope = ? AND at < ?"
	// destroyedKept is how long the guard could want to know.
	destroyedKept = 24 * time.Hour
)

// deferredPlace binds a sealed message to its push.
func deferredPlace(id orgsync.JournalID) []byte {
	var e encoder
	e.text("deferred.message")
	e.number(uint64(id)) //nolint:gosec // a journal id is positive
	return e
}

// encodeHeader writes a header so that decodeHeader reads it back.
func encodeHeader(h orgsync.Header) []byte {
	var e encoder
	e.number(headerFormat)
	e.text(string(h.Version))
	e.number(uint64(h.Kind))
	e.text(string(h.Instance))
	e.text(string(h.Department))
	e.number(uint64(h.Changes)) //nolint:gosec // a count
	return e
}

func decodeHeader(b []byte) (orgsync.Header, error) {
	d := decode(b, headerFormat)
	h := orgsync.Header{
		Version: orgsync.Version(d.text()), Kind: orgsync.Kind(d.number()), //nolint:gosec // written from one
		Instance: orgsync.InstanceID(d.text()), Department: orgsync.OrgCode(d.text()), Changes: int64(d.number()), //nolint:gosec // a count
	}
	return h, d.end("header")
}

func (tx *tx) Deferred() ([]orgsync.Deferred, error) {
	all, err := collect(tx.ctx, tx.c, func(rows *sql.Rows) (d orgsync.Deferred, err error) {
		var header, content []byte
		var due int64
		if err := rows.Scan(&d.Journal, &header, &d.Wait, &due, &d.Reason, &content, &d.Rejected); err != nil {
			return d, err
		}
		d.Due = timeOf(due)
		copy(d.Content[:], content)
		if len(header) > 0 {
			d.Header, err = decodeHeader(header)
		}
		return d, err
	}, selectDeferred, tx.id)
	if err != nil {
		return nil, fmt.Errorf("read waiting messages: %w", err)
	}
	for n, d := range all {
		if d.Header.Version != "" {
			continue
		}
		// A program before schema 6 wrote it.
		m, err := tx.DeferredMessage(d.Journal)
		if err != nil {
			return nil, err
		}
		all[n].Header = m.Header()
	}
	return all, nil
}

func (tx *tx) DeferredMessage(id orgsync.JournalID) (orgsync.Message, error) {
	sealed, err := one(collect(tx.ctx, tx.c, func(rows *sql.Rows) (sealed []byte, err error) {
		err = rows.Scan(&sealed)
		return sealed, err
	}, selectDeferredMessage, tx.id, int64(id)))
	if err != nil {
		return orgsync.Message{}, fmt.Errorf("read waiting message %d: %w", id, err)
	}
	seal, err := tx.dataKey()
	if err != nil {
		return orgsync.Message{}, err
	}
	plain, err := seal.Open(nil, nil, sealed, deferredPlace(id))
	if err != nil {
		return orgsync.Message{}, fmt.Errorf("waiting message %d: %w", id, err)
	}
	return orgsync.DecodeMessage(plain)
}

func (tx *tx) Defer(d orgsync.Deferred) error {
	seal, err := tx.dataKey()
	if err != nil {
		return err
	}
	plain, err := orgsync.EncodeMessage(d.Message)
	if err != nil {
		return err
	}
	sealed := seal.Seal(nil, nil, plain, deferredPlace(d.Journal)) //nolint:gosec // G407: this AEAD makes its own nonce
	if _, err := tx.c.exec(tx.ctx, upsertDeferred, tx.id, int64(d.Journal), encodeHeader(d.Header), sealed, int64(d.Wait), millis(d.Due),
		d.Reason, d.Content[:], d.Rejected); err != nil {
		return fmt.Errorf("write waiting message: %w", err)
	}
	return nil
}

func (tx *tx) Undefer(id orgsync.JournalID) error {
	if _, err := tx.c.exec(tx.ctx, deleteDeferred, tx.id, int64(id)); err != nil {
		return fmt.Errorf("delete waiting message: %w", err)
	}
	return nil
}

func (tx *tx) LiveDepartments() (int, error) { return tx.number(countLive, tx.id) }

func (tx *tx) Destroyed(since time.Time) (int, error) {
	return tx.number(sumDestroyed, tx.id, millis(since))
}

func (tx *tx) number(query string, args ...any) (int, error) {
	n, err := one(collect(tx.ctx, tx.c, scanNumber, query, args...))
	return int(n), err
}

func (tx *tx) NoteDestroyed(at time.Time, n int) error {
	if _, err := tx.c.exec(tx.ctx, forgetDestroyed, tx.id, millis(at.Add(-destroyedKept))); err != nil {
		return fmt.Errorf("forget destructions: %w", err)
	}
	if _, err := tx.c.exec(tx.ctx, insertDestroyed, tx.id, millis(at), n); err != nil {
		return fmt.Errorf("note destruction: %w", err)
	}
	return nil
}

// Due implements [orgsync.Store].
func (s *Store) Due(ctx context.Context, now time.Time) ([]orgsync.Due, error) {
	due, err := collect(ctx, s.readers, func(rows *sql.Rows) (d orgsync.Due, err error) {
		return d, rows.Scan(&d.Scope.Realm, &d.Scope.Tenant, &d.Journal)
	}, selectDue, now.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read messages that are due: %w", err)
	}
	return due, nil
}

// Credentials implements [orgsync.TenantTx].
func (tx *tx) Credentials() ([]orgsync.Credential, error) {
	type key struct {
		instance orgsync.InstanceID
		app      orgsync.AppID
	}
	keys, err := collect(tx.ctx, tx.c, func(rows *sql.Rows) (k key, err error) {
		return k, rows.Scan(&k.instance, &k.app)
	}, "SELECT instance, app FROM credential WHERE scope = ? ORDER BY instance, app", tx.id)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	all := make([]orgsync.Credential, 0, len(keys))
	for _, k := range keys {
		c, err := tx.Credential(k.instance, k.app)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}
