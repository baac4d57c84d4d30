package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// A tenant that was not announced has no lanes, so nobody owes anything of it.
	openLanes = `INSERT INTO lane (sink, scope, due, lease, lease_until)
	SELECT s.id, t.scope, 0, 0, 0 FROM tenant t CROSS JOIN sink s WHERE t.scope = ? AND t.announced = 1
	ON CONFLICT (sink, scope) DO UPDATE SET due = 0`

	selectSinks = "SELECT name FROM sink"
	insertSink  = "INSERT INTO sink (name) VALUES (?) RETURNING id"
	deleteSink  = "DELETE FROM sink WHERE name = ?"

	openAllLanes = `INSERT INTO lane (sink, scope, due, lease, lease_until)
	SELECT ?, t.scope, 0, 0, 0 FROM tenant t JOIN scope c ON c.id = t.scope WHERE c.realm = 0 AND t.announced = 1
	ON CONFLICT (sink, scope) DO UPDATE SET due = 0`
	// The numbers are those of orgsync: kinds of keys, urgencies, StatusEnabled.
	oweEverything = oweAllFrom + "WHERE l.sink = ?" + oweAgain
	oweTenant     = oweAllFrom + `WHERE l.sink = (SELECT id FROM sink WHERE name = ?)
	AND l.scope = (SELECT id FROM scope WHERE realm = 0 AND tenant = ?)` + oweAgain
	oweAllFrom = `INSERT INTO dirty (lane, kind, item, urgency, next_try, revision, attempts, since, reason)
	SELECT l.id, o.kind, o.item, o.urgency, 0, 1, 0, ?, '' FROM lane l JOIN (
	SELECT t.scope AS scope, 1 AS kind, '' AS item, CASE t.active WHEN 1 THEN 1 ELSE 0 END AS urgency FROM tenant t
	UNION ALL
	SELECT d.scope, 2, d.code, CASE d.live WHEN 1 THEN 2 ELSE 4 END FROM department d
	UNION ALL
	SELECT u.scope, 3, u.user_name, CASE u.status WHEN 1 THEN 3 ELSE 0 END FROM person u WHERE length(u.data) > 0
	) o ON o.scope = l.scope `
	oweAgain = `
	ON CONFLICT (lane, kind, item) DO UPDATE SET next_try = 0, revision = dirty.revision + 1, attempts = 0, reason = ''`

	selectHolds = "SELECT id, holds FROM sink WHERE name = ?"
	updateHolds = "UPDATE sink SET holds = ? WHERE id = ?"
	// Everything that failed, the dead too, is due again.
	forgiveKeys  = "UPDATE dirty SET next_try = 0, attempts = 0 WHERE next_try > 0 AND lane IN (SELECT id FROM lane WHERE sink = ?)"
	forgiveLanes = "UPDATE lane SET due = 0 WHERE sink = ?"
	wakeLane     = `UPDATE lane SET due = 0 WHERE sink = (SELECT id FROM sink WHERE name = ?)
	AND scope = (SELECT id FROM scope WHERE realm = 0 AND tenant = ?)`
)

// insertDirty marks in every lane of a scope. What was tried and failed is due again: the
// data is another now.
func insertDirty() insertion {
	return insertion{
		head: `INSERT INTO dirty (lane, kind, item, urgency, next_try, revision, attempts, since, reason)
		SELECT l.id, k.column1, k.column2, k.column3, 0, 1, 0, k.column4, '' FROM lane l CROSS JOIN (`,
		columns: []columnType{numbers, texts, numbers, numbers},
		key:     2,
		tail: `) k WHERE l.scope = ? ON CONFLICT (lane, kind, item) DO UPDATE SET
		urgency = CASE WHEN dirty.urgency < excluded.urgency THEN dirty.urgency ELSE excluded.urgency END,
		next_try = 0, revision = dirty.revision + 1, attempts = 0,
		since = CASE dirty.next_try WHEN ? THEN excluded.since ELSE dirty.since END, reason = ''`,
	}
}

func (tx *tx) MarkDirty(keys []orgsync.DirtyKey) error {
	if tx.scope.Realm != orgsync.Production || len(keys) == 0 {
		return nil
	}
	if err := tx.guardSinks(); err != nil {
		return err
	}
	if _, err := tx.c.exec(tx.ctx, openLanes, tx.id); err != nil {
		return fmt.Errorf("open lanes: %w", err)
	}
	since := tx.s.now().UnixMilli()
	parts, few := splitParts(mostUrgent(keys))
	for _, part := range parts {
		if err := tx.markPart(part, since); err != nil {
			return fmt.Errorf("mark dirty: %w", err)
		}
	}
	values := make([]any, 0, len(few)*4)
	for _, k := range few {
		values = append(values, int64(k.Kind), k.ID, int64(k.Urgency), since)
	}
	if err := tx.c.insert(tx.ctx, insertDirty(), values, tx.id, int64(never)); err != nil {
		return fmt.Errorf("mark dirty: %w", err)
	}
	return nil
}

// mostUrgent leaves of each key the most urgent mention.
func mostUrgent(keys []orgsync.DirtyKey) []orgsync.DirtyKey {
	at := make(map[orgsync.Key]int, len(keys))
	once := make([]orgsync.DirtyKey, 0, len(keys))
	for _, k := range keys {
		n, known := at[k.Key]
		if !known {
			at[k.Key] = len(once)
			once = append(once, k)
			continue
		}
		once[n].Urgency = min(once[n].Urgency, k.Urgency)
	}
	return once
}

// OpenSinks implements [orgsync.Lanes].
func (s *Store) OpenSinks(ctx context.Context, names []string) error {
	return s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		// From here on nobody makes anything dirty: what others have done is read, and
		// what they do later sees the new sinks.
		if err := hold(ctx, c, takeGuard, sinksGuard); err != nil {
			return fmt.Errorf("hold the sinks: %w", err)
		}
		have, err := collect(ctx, c, scanText, selectSinks)
		if err != nil {
			return fmt.Errorf("read sinks: %w", err)
		}
		for _, name := range have {
			if slices.Contains(names, name) {
				continue
			}
			if _, err := c.exec(ctx, deleteSink, name); err != nil {
				return fmt.Errorf("forget sink %s: %w", name, err)
			}
		}
		for _, name := range names {
			if slices.Contains(have, name) {
				continue
			}
			if err := s.openSink(ctx, c, name); err != nil {
				return fmt.Errorf("open sink %s: %w", name, err)
			}
		}
		return nil
	})
}

// Reopen implements [orgsync.Lanes].
func (s *Store) Reopen(ctx context.Context, sink, holds string) error {
	return s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if err := hold(ctx, c, takeGuard, sinksGuard); err != nil {
			return fmt.Errorf("hold the sinks: %w", err)
		}
		type row struct {
			id    int64
			holds string
		}
		was, err := one(collect(ctx, c, func(rows *sql.Rows) (r row, err error) {
			return r, rows.Scan(&r.id, &r.holds)
		}, selectHolds, sink))
		if err != nil {
			return fmt.Errorf("reopen sink %s: %w", sink, err)
		}
		for _, forgive := range []string{forgiveKeys, forgiveLanes} {
			if _, err := c.exec(ctx, forgive, was.id); err != nil {
				return fmt.Errorf("reopen sink %s: %w", sink, err)
			}
		}
		if was.holds != "" && was.holds != holds {
			if err := s.oweAll(ctx, c, was.id); err != nil {
				return fmt.Errorf("reopen sink %s: %w", sink, err)
			}
		}
		_, err = c.exec(ctx, updateHolds, holds, was.id)
		return err
	})
}

// OweEverything makes a sink owe everything there is once more, what is being done for it
// included: the server behind it is another one, and may lack what the one before had
// acknowledged.
func (s *Store) OweEverything(ctx context.Context, sink string) error {
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if err := hold(ctx, c, takeGuard, sinksGuard); err != nil {
			return err
		}
		return s.oweAllOf(ctx, c, sink)
	})
	if err != nil {
		return fmt.Errorf("look at everything in sink %s again: %w", sink, err)
	}
	return nil
}

// OweTenant makes a sink owe everything there is of one tenant once more.
func (s *Store) OweTenant(ctx context.Context, sink string, tenant orgsync.TenantID) error {
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if err := hold(ctx, c, takeGuard, sinksGuard); err != nil {
			return err
		}
		if _, err := c.exec(ctx, oweTenant, s.now().UnixMilli(), sink, string(tenant)); err != nil {
			return err
		}
		_, err := c.exec(ctx, wakeLane, sink, string(tenant))
		return err
	})
	if err != nil {
		return fmt.Errorf("look at everything of a tenant in sink %s again: %w", sink, err)
	}
	return nil
}

// openSink makes a new sink owe everything there is.
func (s *Store) openSink(ctx context.Context, c conn, name string) error {
	id, err := one(collect(ctx, c, scanNumber, insertSink, name))
	if err != nil {
		return err
	}
	return s.oweAll(ctx, c, id)
}

// oweAll makes a sink owe everything there is.
func (s *Store) oweAll(ctx context.Context, c conn, sink int64) error {
	if _, err := c.exec(ctx, openAllLanes, sink); err != nil {
		return err
	}
	_, err := c.exec(ctx, oweEverything, s.now().UnixMilli(), sink)
	return err
}
