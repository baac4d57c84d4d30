package orgsynctest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

type memoryLane struct {
	sink   string
	tenant orgsync.TenantID
}

// memoryLease is a lane: what is owed, and who works at it.
type memoryLease struct {
	keys   map[orgsync.Key]memoryOwed
	lease  int64 // the number of the last claim, which is also how fairness is told
	leased bool
	until  time.Time
}

type memoryOwed struct {
	orgsync.OwedKey
	urgency orgsync.Urgency
	next    time.Time
	dead    bool
}

func (tx *memoryTx) MarkDirty(keys []orgsync.DirtyKey) error {
	if err := tx.check(); err != nil {
		return err
	}
	if tx.scope.Realm != orgsync.Production || tx.s.tenant == nil || !tx.s.tenant.Announced {
		return nil
	}
	for sink := range tx.m.sinks {
		lane := tx.m.lane(sink, tx.scope.Tenant)
		for _, k := range keys {
			set(tx, lane.keys, k.Key, lane.keys[k.Key].marked(k))
		}
	}
	return nil
}

// marked is what is owed after k was made dirty. The zero value is a key not owed.
func (o memoryOwed) marked(k orgsync.DirtyKey) memoryOwed {
	urgency := k.Urgency
	if o.Revision > 0 {
		urgency = min(urgency, o.urgency)
	}
	return memoryOwed{OwedKey: orgsync.OwedKey{Key: k.Key, Revision: o.Revision + 1}, urgency: urgency}
}

func (m *Memory) lane(sink string, tenant orgsync.TenantID) *memoryLease {
	id := memoryLane{sink, tenant}
	lane := m.lanes[id]
	if lane == nil {
		lane = &memoryLease{keys: map[orgsync.Key]memoryOwed{}}
		m.lanes[id] = lane
	}
	return lane
}

// OpenSinks implements [orgsync.Lanes].
func (m *Memory) OpenSinks(ctx context.Context, names []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted := setOf(names)
	maps.DeleteFunc(m.lanes, func(id memoryLane, _ *memoryLease) bool { return !wanted[id.sink] })
	for name := range wanted {
		if _, known := m.sinks[name]; !known {
			m.oweAll(name)
		}
	}
	for name := range wanted {
		if _, known := m.sinks[name]; !known {
			m.sinks[name] = ""
		}
	}
	maps.DeleteFunc(m.sinks, func(name, _ string) bool { return !wanted[name] })
	return nil
}

// Reopen implements [orgsync.Lanes].
func (m *Memory) Reopen(ctx context.Context, sink, holds string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, lane := range m.lanes {
		if id.sink != sink {
			continue
		}
		for key, owed := range lane.keys {
			owed.Attempts, owed.dead, owed.next = 0, false, time.Time{}
			lane.keys[key] = owed
		}
	}
	if was := m.sinks[sink]; was != "" && was != holds {
		m.oweAll(sink)
	}
	m.sinks[sink] = holds
	return nil
}

// oweAll makes a sink owe every key of every announced tenant.
func (m *Memory) oweAll(sink string) {
	for scope, s := range m.scopes {
		if scope.Realm == orgsync.Production && s.tenant != nil && s.tenant.Announced {
			lane := m.lane(sink, scope.Tenant)
			for _, k := range s.everyKey() {
				lane.keys[k.Key] = lane.keys[k.Key].marked(k)
			}
		}
	}
}

func (s *memoryScope) everyKey() []orgsync.DirtyKey {
	keys := []orgsync.DirtyKey{{Key: orgsync.Key{Kind: orgsync.TenantKey}, Urgency: orgsync.Announce}}
	for code, d := range s.departments {
		urgency := orgsync.Build
		if !d.Live {
			urgency = orgsync.Demolish
		}
		keys = append(keys, orgsync.DirtyKey{Key: orgsync.Key{Kind: orgsync.DepartmentKey, ID: string(code)}, Urgency: urgency})
	}
	for name, u := range s.users {
		urgency := orgsync.Fill
		if u.Status != orgsync.StatusEnabled {
			urgency = orgsync.Reduce
		}
		keys = append(keys, orgsync.DirtyKey{Key: orgsync.Key{Kind: orgsync.UserKey, ID: string(name)}, Urgency: urgency})
	}
	return keys
}

// Claim implements [orgsync.Lanes].
func (m *Memory) Claim(ctx context.Context, sink string, now, until time.Time, limit int) (orgsync.Lane, error) {
	if err := ctx.Err(); err != nil {
		return orgsync.Lane{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var chosen *memoryLease
	var tenant orgsync.TenantID
	for id, lane := range m.lanes {
		if id.sink != sink || lane.leased && lane.until.After(now) || len(lane.due(now)) == 0 {
			continue
		}
		if chosen == nil || cmp.Or(cmp.Compare(lane.lease, chosen.lease), cmp.Compare(id.tenant, tenant)) < 0 {
			chosen, tenant = lane, id.tenant
		}
	}
	if chosen == nil {
		return orgsync.Lane{}, orgsync.ErrNotFound
	}
	m.claimed++
	chosen.lease, chosen.leased, chosen.until = m.claimed, true, until
	due := chosen.due(now)
	lane := orgsync.Lane{Sink: sink, Tenant: tenant, Lease: chosen.lease}
	for _, o := range due[:min(limit, len(due))] {
		lane.Keys = append(lane.Keys, o.OwedKey)
	}
	return lane, nil
}

// due lists the keys that may be tried at now, the most urgent first.
func (l *memoryLease) due(now time.Time) []memoryOwed {
	var due []memoryOwed
	for _, o := range l.keys {
		if !o.dead && !o.next.After(now) {
			due = append(due, o)
		}
	}
	slices.SortFunc(due, func(a, b memoryOwed) int {
		return cmp.Or(cmp.Compare(a.urgency, b.urgency), a.next.Compare(b.next),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	return due
}

// Renew implements [orgsync.Lanes].
func (m *Memory) Renew(ctx context.Context, lane orgsync.Lane, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leaseOf(lane)
	if l == nil {
		return orgsync.ErrNotFound
	}
	l.until = until
	return nil
}

// leaseOf is nil if the lane's lease was lost.
func (m *Memory) leaseOf(lane orgsync.Lane) *memoryLease {
	l := m.lanes[memoryLane{lane.Sink, lane.Tenant}]
	if l == nil || !l.leased || l.lease != lane.Lease {
		return nil
	}
	return l
}

// Finish implements [orgsync.Lanes].
func (m *Memory) Finish(ctx context.Context, lane orgsync.Lane, outcomes []orgsync.Outcome) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leaseOf(lane)
	if l == nil {
		return nil
	}
	l.leased = false
	for _, o := range outcomes {
		owed, ok := l.keys[o.Key]
		if !ok || owed.Revision != o.Revision {
			continue
		}
		if o.Done {
			delete(l.keys, o.Key)
			continue
		}
		owed.Attempts++
		owed.dead, owed.next = o.Dead, o.NextTry
		l.keys[o.Key] = owed
	}
	return nil
}
