package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	deadItems = `SELECT d.lane, d.kind, d.item, s.name, c.tenant, d.reason, d.attempts, d.since
	FROM dirty d JOIN lane l ON l.id = d.lane JOIN sink s ON s.id = l.sink JOIN scope c ON c.id = l.scope
	WHERE d.next_try = ? AND l.scope >= ? AND l.scope <= ? AND
	(d.lane > ? OR d.lane = ? AND (d.kind > ? OR d.kind = ? AND d.item > ?)) ORDER BY d.lane, d.kind, d.item LIMIT ?`
	lanesOf = `(SELECT l.id FROM lane l JOIN sink s ON s.id = l.sink JOIN scope c ON c.id = l.scope
	WHERE (? = '' OR s.name = ?) AND (? = '' OR c.tenant = ?))`
	retryDead = `UPDATE dirty SET next_try = 0, attempts = 0, since = ? WHERE next_try = ? AND lane IN ` + lanesOf
	wakeLanes = "UPDATE lane SET due = 0 WHERE id IN " + lanesOf
	hasSink   = "SELECT COUNT(*) FROM sink WHERE name = ?"
)

// DeadItem is a key that a sink will not take before the data or the sink changes.
type DeadItem struct {
	Sink   string           `json:"sink"`
	Tenant orgsync.TenantID `json:"tenant_id"`
	Kind   string           `json:"kind"` // tenant, department or user
	Key    string           `json:"key"`
	Reason string           `json:"reason"`
	// Attempts is how often it failed since it was last changed, Since when that was.
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since"`
}

// ListDead lists the dead keys, sink by sink and tenant by tenant in the order in which
// these became known. Errors are as those of [Store.ListTenants].
func (s *Store) ListDead(ctx context.Context, p Page) (List[DeadItem], error) {
	w, err := s.window(ctx, "dead", p)
	if err != nil {
		return List[DeadItem]{}, fmt.Errorf("list dead keys: %w", err)
	}
	lane, kind, item := w.after.numbers[0], w.after.numbers[1], w.after.texts[0]
	rows, err := collect(ctx, s.readers, func(rows *sql.Rows) (r row[DeadItem], err error) {
		var since int64
		i := &r.item
		err = rows.Scan(&r.at.numbers[0], &r.at.numbers[1], &i.Key, &i.Sink, &i.Tenant, &i.Reason, &i.Attempts, &since)
		i.Kind, i.Since, r.at.texts[0] = orgsync.KeyKind(r.at.numbers[1]).String(), timeOf(since), i.Key //nolint:gosec // written from a KeyKind
		return r, err
	}, deadItems, int64(never), w.lo, w.hi, lane, lane, kind, kind, item, w.limit+1)
	if err != nil {
		return List[DeadItem]{}, fmt.Errorf("list dead keys: %w", err)
	}
	return page(w, rows), nil
}

// RetryDead makes dead keys due again and says how many: of one sink and one tenant, or
// of all where the name is empty. It is an orgsync.ErrNotFound if there is no such sink
// or tenant. The dispatcher should be woken.
func (s *Store) RetryDead(ctx context.Context, sink string, tenant orgsync.TenantID) (int, error) {
	var retried int64
	t := string(tenant)
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if tenant != "" {
			if _, err := findScope(ctx, c, orgsync.Scope{Realm: orgsync.Production, Tenant: tenant}); err != nil {
				return fmt.Errorf("tenant: %w", err)
			}
		}
		if sink != "" {
			if n, err := one(collect(ctx, c, scanNumber, hasSink, sink)); err != nil || n == 0 {
				return fmt.Errorf("sink: %w", cmp.Or(err, orgsync.ErrNotFound))
			}
		}
		var err error
		retried, err = c.exec(ctx, retryDead, s.now().UnixMilli(), int64(never), sink, sink, t, t)
		if err != nil || retried == 0 {
			return err
		}
		_, err = c.exec(ctx, wakeLanes, sink, sink, t, t)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("retry dead keys: %w", err)
	}
	return int(retried), nil
}
