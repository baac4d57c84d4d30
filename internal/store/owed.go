package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// A push of hundreds of users makes hundreds of keys dirty for each sink. A row for each
// would be written on the marketplace's clock and deleted again a moment later, so many
// keys of one kind and urgency are one row: a part. A lane takes a part whole, and of its
// keys only those that fail get rows of their own.

const (
	// partLeast is from how many keys on a part is made, partMost how many it holds:
	// no more than a lane takes at a time.
	partLeast, partMost = 32, 500
	// partsKept is how many parts a lane may have before the oldest become rows, where a
	// key that was made dirty many times stands once.
	partsKept = 128
	// unrolledAtOnce bounds how many parts one round of upkeep makes rows of.
	unrolledAtOnce = 64

	insertPart = `INSERT INTO owed (lane, kind, urgency, since, number, items)
	SELECT l.id, ?, ?, ?, ?, ? FROM lane l WHERE l.scope = ?`
	selectParts = "SELECT id, kind, urgency, number, items FROM owed WHERE lane = ? ORDER BY urgency, id LIMIT ?"
	deletePart  = "DELETE FROM owed WHERE id = ? AND lane = ?"
	// What was tried and failed is due again, as in insertDirty.
	unrollPart = `INSERT INTO dirty (lane, kind, item, urgency, next_try, revision, attempts, since, reason)
	SELECT o.lane, o.kind, e.value, o.urgency, 0, 1, 0, o.since, '' FROM owed o ` + eachOwed + ` WHERE o.id = ? AND o.lane = ?
	ON CONFLICT (lane, kind, item) DO UPDATE SET
	urgency = CASE WHEN dirty.urgency < excluded.urgency THEN dirty.urgency ELSE excluded.urgency END,
	next_try = 0, revision = dirty.revision + 1, attempts = 0,
	since = CASE dirty.next_try WHEN ? THEN excluded.since ELSE dirty.since END, reason = ''`
	// A row that is due was made since the claim, and stays so.
	failPartKey = `INSERT INTO dirty (lane, kind, item, urgency, next_try, revision, attempts, since, reason)
	SELECT o.lane, o.kind, ?, o.urgency, ?, 1, 1, o.since, ? FROM owed o WHERE o.id = ? AND o.lane = ?
	ON CONFLICT (lane, kind, item) DO UPDATE SET next_try = excluded.next_try, attempts = 1, reason = excluded.reason
	WHERE dirty.next_try > 0`
	// A failure from before the success.
	forgiveKey    = "DELETE FROM dirty WHERE lane = ? AND kind = ? AND item = ? AND next_try > 0"
	selectHasRows = "SELECT COUNT(*) FROM (SELECT 1 FROM dirty WHERE lane = ? LIMIT 1) d"
	selectCrowded = "SELECT lane FROM owed GROUP BY lane HAVING COUNT(*) > ?"
	selectOldest  = `SELECT id FROM owed WHERE lane = ? ORDER BY id LIMIT ?`
	holdLane      = "SELECT id FROM lane WHERE id = ?" + lockRow
)

// owedPart is a row of owed.
type owedPart struct {
	id      int64
	kind    orgsync.KeyKind
	urgency orgsync.Urgency
	number  int
	items   string
}

// revision tells keys of a part from keys with rows of their own, whose revisions are
// positive.
func (p owedPart) revision() int64 { return -p.id }

func scanOwedPart(rows *sql.Rows) (p owedPart, err error) {
	return p, rows.Scan(&p.id, &p.kind, &p.urgency, &p.number, &p.items)
}

// splitParts takes out of the keys what is many enough for parts.
func splitParts(keys []orgsync.DirtyKey) (parts [][]orgsync.DirtyKey, rest []orgsync.DirtyKey) {
	type group struct {
		kind    orgsync.KeyKind
		urgency orgsync.Urgency
	}
	groups := map[group][]orgsync.DirtyKey{}
	var order []group
	for _, k := range keys {
		g := group{k.Kind, k.Urgency}
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], k)
	}
	for _, g := range order {
		for chunk := range slices.Chunk(groups[g], partMost) {
			if len(chunk) < partLeast {
				rest = append(rest, chunk...)
			} else {
				parts = append(parts, chunk)
			}
		}
	}
	return parts, rest
}

// markPart makes the keys, which are of one kind and urgency, dirty in every lane.
func (tx *tx) markPart(keys []orgsync.DirtyKey, since int64) error {
	names := make([]string, 0, len(keys))
	for _, k := range keys {
		names = append(names, k.ID)
	}
	items, err := json.Marshal(names)
	if err != nil {
		return err
	}
	_, err = tx.c.exec(tx.ctx, insertPart, int64(keys[0].Kind), int64(keys[0].Urgency), since, len(keys), string(items), tx.id)
	return err
}

// dueKey is a key with a row of its own that may be tried.
type dueKey struct {
	orgsync.OwedKey
	urgency orgsync.Urgency
}

// dueOf lists what a lane is to try at now, the most urgent first: keys with rows of their
// own, and parts as far as they fit.
func dueOf(ctx context.Context, c conn, l laneRow, now time.Time, limit int) ([]orgsync.OwedKey, error) {
	for {
		rows, err := collect(ctx, c, func(rows *sql.Rows) (k dueKey, err error) {
			return k, rows.Scan(&k.Kind, &k.ID, &k.Revision, &k.Attempts, &k.urgency)
		}, selectDueKeys, l.id, now.UnixMilli(), limit)
		if err != nil {
			return nil, err
		}
		parts, err := collect(ctx, c, scanOwedPart, selectParts, l.id, limit/partLeast+1)
		if err != nil {
			return nil, err
		}
		keys, err := mergeDue(rows, parts, limit)
		if len(keys) > 0 || len(parts) == 0 || err != nil {
			return keys, err
		}
		// Not even one part fits.
		if err := unroll(ctx, c, l.id, parts[0].id); err != nil {
			return nil, err
		}
	}
}

// mergeDue lists the keys of both by urgency, each once. Parts are taken whole.
func mergeDue(rows []dueKey, parts []owedPart, limit int) ([]orgsync.OwedKey, error) {
	keys := make([]orgsync.OwedKey, 0, limit)
	taken := make(map[orgsync.Key]bool, limit)
	take := func(k orgsync.OwedKey) {
		if !taken[k.Key] {
			taken[k.Key] = true
			keys = append(keys, k)
		}
	}
	takeRows := func(until orgsync.Urgency) {
		for len(rows) > 0 && rows[0].urgency <= until && len(keys) < limit {
			take(rows[0].OwedKey)
			rows = rows[1:]
		}
	}
	for _, p := range parts {
		takeRows(p.urgency)
		if len(keys)+p.number > limit {
			break
		}
		var names []string
		if err := json.Unmarshal([]byte(p.items), &names); err != nil {
			return nil, fmt.Errorf("owed keys %d cannot be read: %w", p.id, err)
		}
		for _, name := range names {
			take(orgsync.OwedKey{Key: orgsync.Key{Kind: p.kind, ID: name}, Revision: p.revision()})
		}
	}
	takeRows(orgsync.Demolish)
	return keys, nil
}

// settleParts records what became of the keys of parts. A part of which some key was not
// tried stays whole: trying a key again harms nobody.
func settleParts(ctx context.Context, c conn, l laneRow, lane orgsync.Lane, outcomes []orgsync.Outcome) error {
	open := map[int64]int{}
	for _, k := range lane.Keys {
		if k.Revision < 0 {
			open[-k.Revision]++
		}
	}
	if len(open) == 0 {
		return nil
	}
	for _, o := range outcomes {
		open[-o.Revision]--
	}
	hasRows, err := one(collect(ctx, c, scanNumber, selectHasRows, l.id))
	if err != nil {
		return err
	}
	for _, o := range outcomes {
		switch {
		case o.Revision >= 0 || open[-o.Revision] != 0 || o.Done && hasRows == 0:
			continue
		case o.Done:
			_, err = c.exec(ctx, forgiveKey, l.id, o.Key.Kind, o.Key.ID)
		default:
			_, err = c.exec(ctx, failPartKey, o.Key.ID, nextTry(o), o.Reason, -o.Revision, l.id)
		}
		if err != nil {
			return err
		}
	}
	for id, left := range open {
		if id <= 0 || left != 0 {
			continue
		}
		if _, err := c.exec(ctx, deletePart, id, l.id); err != nil {
			return err
		}
	}
	return nil
}

// unroll makes rows of a part's keys.
func unroll(ctx context.Context, c conn, lane, id int64) error {
	if _, err := c.exec(ctx, unrollPart, id, lane, int64(never)); err != nil {
		return fmt.Errorf("make rows of owed keys: %w", err)
	}
	_, err := c.exec(ctx, deletePart, id, lane)
	return err
}

// unrollCrowded makes rows of the oldest parts of lanes that have many, each in a short
// transaction of its own.
func (s *Store) unrollCrowded(ctx context.Context) error {
	lanes, err := collect(ctx, s.readers, scanNumber, selectCrowded, partsKept)
	if err != nil {
		return fmt.Errorf("look for long lanes: %w", err)
	}
	for _, lane := range lanes {
		parts, err := collect(ctx, s.readers, scanNumber, selectOldest, lane, unrolledAtOnce)
		if err != nil {
			return fmt.Errorf("look for long lanes: %w", err)
		}
		for _, id := range parts {
			if err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
				if err := hold(ctx, c, holdLane, lane); err != nil {
					return err
				}
				return unroll(ctx, c, lane, id)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}
