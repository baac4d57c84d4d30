package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Status counts what there is, in production.
type Status struct {
	Sinks   []SinkStatus   // by name
	Tenants []TenantStatus // by id
	// Journal counts the changes of all pushes by their verdict now.
	Journal orgsync.Tally
	// Restored: there is a restoration that nobody settled (see [Store.Restoration]).
	Restored bool
}

// SinkStatus is what one sink is owed.
type SinkStatus struct {
	Name string
	// Pending counts the keys that are still tried, those in back-off too; Dead those
	// that are not (sync rule 24).
	Pending, Dead int64
	// Oldest is how long the oldest pending key is owed; 0 if there is none.
	Oldest time.Duration
	// Fault is why the sink did not answer the process that asked it last, Since when; empty
	// while it answers.
	Fault string
	Since time.Time
	// Closed says why the sink is not ours to write; empty if it is.
	Closed string
	// Drift is how many changes would have made it equal when it was compared last, tenant by
	// tenant; Compared is when that was longest ago, zero if not all were.
	Drift    int64
	Compared time.Time
}

// TenantStatus is how much of a tenant there is. A tenant of which something is parked
// or held is listed before it is announced, one that was purged no more.
type TenantStatus struct {
	ID   orgsync.TenantID
	Name string
	// Users are the enabled ones, Departments the live ones, placed or parked.
	Users, Departments int64
	// Parked and Held count changes.
	Parked, Held int64
}

const (
	// Keys with rows of their own, and those of parts: one that several great pushes named
	// stands in several parts.
	selectSinkStatus = `SELECT s.name, COALESCE(SUM(d.pending), 0), COALESCE(SUM(d.dead), 0), COALESCE(MIN(d.since), 0),
	s.fault, s.fault_since, s.closed, (SELECT COALESCE(SUM(x.drift), 0) FROM lane x WHERE x.sink = s.id),
	(SELECT COALESCE(MIN(x.compared), 0) FROM lane x WHERE x.sink = s.id)
	FROM sink s LEFT JOIN lane l ON l.sink = s.id LEFT JOIN (
	SELECT lane, COUNT(*) - COUNT(CASE next_try WHEN ? THEN 1 END) AS pending, COUNT(CASE next_try WHEN ? THEN 1 END) AS dead,
	MIN(CASE WHEN next_try < ? THEN since END) AS since FROM dirty GROUP BY lane
	UNION ALL SELECT lane, SUM(number), 0, MIN(since) FROM owed GROUP BY lane
	) d ON d.lane = l.id GROUP BY s.id, s.name, s.fault, s.fault_since, s.closed ORDER BY s.name`
	selectTenantStatus = `SELECT c.tenant, COALESCE(t.name, ''),
	(SELECT COUNT(*) FROM person u WHERE u.scope = c.id AND u.status = ?),
	(SELECT COUNT(*) FROM department d WHERE d.scope = c.id AND d.live = 1), c.parked, c.held
	FROM scope c LEFT JOIN tenant t ON t.scope = c.id
	WHERE c.realm = 0 AND c.tenant <> '' AND (t.purged = 0 OR c.parked > 0 OR c.held > 0) ORDER BY c.tenant`
	selectTally = `SELECT COALESCE(SUM(applied), 0), COALESCE(SUM(stale), 0), COALESCE(SUM(parked), 0),
	COALESCE(SUM(held), 0), COALESCE(SUM(refused), 0) FROM scope WHERE realm = 0`
)

// Status reads the counts. Each part is of one moment; the parts may be some
// milliseconds apart.
func (s *Store) Status(ctx context.Context) (Status, error) {
	var status Status
	var err error
	now := s.now()
	if status.Sinks, err = collect(ctx, s.readers, func(rows *sql.Rows) (SinkStatus, error) {
		var k SinkStatus
		var since, down, compared int64
		err := rows.Scan(&k.Name, &k.Pending, &k.Dead, &since, &k.Fault, &down, &k.Closed, &k.Drift, &compared)
		k.Since, k.Compared = timeOf(down), timeOf(compared)
		if since > 0 {
			k.Oldest = max(0, now.Sub(timeOf(since)))
		}
		return k, err
	}, selectSinkStatus, int64(never), int64(never), int64(never)); err != nil {
		return Status{}, fmt.Errorf("count what sinks are owed: %w", err)
	}
	if status.Tenants, err = collect(ctx, s.readers, func(rows *sql.Rows) (t TenantStatus, err error) {
		return t, rows.Scan(&t.ID, &t.Name, &t.Users, &t.Departments, &t.Parked, &t.Held)
	}, selectTenantStatus, orgsync.StatusEnabled); err != nil {
		return Status{}, fmt.Errorf("count tenants: %w", err)
	}
	status.Journal, err = one(collect(ctx, s.readers, func(rows *sql.Rows) (t orgsync.Tally, err error) {
		return t, rows.Scan(&t[orgsync.Applied], &t[orgsync.Stale], &t[orgsync.Parked], &t[orgsync.Held], &t[orgsync.Refused])
	}, selectTally))
	if err != nil {
		return Status{}, fmt.Errorf("count changes: %w", err)
	}
	unsettled, err := one(collect(ctx, s.readers, scanNumber, countUnsettled))
	if err != nil {
		return Status{}, fmt.Errorf("count restorations: %w", err)
	}
	status.Restored = unsettled > 0
	return status, nil
}
