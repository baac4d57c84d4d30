package orgsynctest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Memory is a store without a disk. It keeps the contract of [orgsync.Store],
// [orgsync.Lanes] and [orgsync.View] in everything but durability, and is safe for
// concurrent use.
type Memory struct {
	mu sync.Mutex
	// Everything below stands under mu.
	scopes  map[orgsync.Scope]*memoryScope
	pushes  []orgsync.Recorded // the JournalID is the index + 1
	nonces  map[memoryNonce]orgsync.JournalID
	sinks   map[string]string // to what they hold
	lanes   map[memoryLane]*memoryLease
	claimed int64 // leases handed out so far
}

var (
	_ orgsync.Store = (*Memory)(nil)
	_ orgsync.Lanes = (*Memory)(nil)
)

type memoryNonce struct {
	kind  orgsync.Kind
	nonce string
}

type (
	memoryGrant struct {
		user     orgsync.UserName
		instance orgsync.InstanceID
		app      orgsync.AppID
	}
	memoryAssertion struct {
		code     orgsync.OrgCode
		instance orgsync.InstanceID
	}
	memoryCredential struct {
		instance orgsync.InstanceID
		app      orgsync.AppID
	}
)

// memoryScope is what is known of one tenant in one realm.
type memoryScope struct {
	tenant      *orgsync.Tenant
	instances   map[orgsync.InstanceID]orgsync.Instance
	credentials map[memoryCredential]orgsync.Credential
	grants      map[orgsync.UserName]map[memoryGrant]orgsync.Grant
	users       map[orgsync.UserName]orgsync.User
	assertions  map[memoryAssertion]orgsync.Assertion
	departments map[orgsync.OrgCode]orgsync.Department
	parked      map[string]orgsync.ParkedChange
	tally       orgsync.Tally
	deferred    map[orgsync.JournalID]orgsync.Deferred
	destroyed   map[int]memoryDestroyed
}

// memoryDestroyed is how many departments one message destroyed.
type memoryDestroyed struct {
	at time.Time
	n  int
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		scopes: map[orgsync.Scope]*memoryScope{},
		nonces: map[memoryNonce]orgsync.JournalID{},
		sinks:  map[string]string{},
		lanes:  map[memoryLane]*memoryLease{},
	}
}

// Update runs fn, one call at a time over the whole store, and takes everything back
// that it wrote if it returns an error.
func (m *Memory) Update(ctx context.Context, scope orgsync.Scope, fn func(orgsync.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	tx := &memoryTx{m: m, scope: scope, s: m.scope(scope)}
	finished := false
	defer func() {
		tx.over = true
		if !finished { // an error, or a panic of fn
			tx.rollback()
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	finished = true
	return nil
}

func (m *Memory) scope(scope orgsync.Scope) *memoryScope {
	s := m.scopes[scope]
	if s == nil {
		s = &memoryScope{
			instances:   map[orgsync.InstanceID]orgsync.Instance{},
			credentials: map[memoryCredential]orgsync.Credential{},
			grants:      map[orgsync.UserName]map[memoryGrant]orgsync.Grant{},
			users:       map[orgsync.UserName]orgsync.User{},
			assertions:  map[memoryAssertion]orgsync.Assertion{},
			departments: map[orgsync.OrgCode]orgsync.Department{},
			parked:      map[string]orgsync.ParkedChange{},
			deferred:    map[orgsync.JournalID]orgsync.Deferred{},
			destroyed:   map[int]memoryDestroyed{},
		}
		m.scopes[scope] = s
	}
	return s
}

// Tally returns the counters of a scope.
func (m *Memory) Tally(scope orgsync.Scope) orgsync.Tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.scope(scope).tally
}

// Pending counts the keys that a sink is owed and that are not dead.
func (m *Memory) Pending(sink string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for id, lease := range m.lanes {
		for _, k := range lease.keys {
			if id.sink == sink && !k.dead {
				n++
			}
		}
	}
	return n
}

// Dump writes the state of a scope – registers, projections and parked changes, not the
// journal – as text. Two stores that hold the same give the same text.
func (m *Memory) Dump(scope orgsync.Scope) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.scope(scope)
	var b strings.Builder
	if s.tenant != nil {
		fmt.Fprintf(&b, "tenant %#v\n", *s.tenant)
	}
	dump(&b, "instance", s.instances)
	dump(&b, "credential", s.credentials)
	for _, name := range slices.Sorted(maps.Keys(s.grants)) {
		dump(&b, "grant", s.grants[name])
	}
	dump(&b, "user", s.users)
	dump(&b, "assertion", withoutJournal(s.assertions, func(a *orgsync.Assertion) { a.Journal = 0 }))
	dump(&b, "department", withoutJournal(s.departments, func(d *orgsync.Department) { d.Journal = 0 }))
	dump(&b, "parked", withoutJournal(s.parked, func(p *orgsync.ParkedChange) { p.Journal = 0 }))
	return b.String()
}

// withoutJournal leaves out the numbers of pushes: they follow the order of arrival.
func withoutJournal[K comparable, V any](rows map[K]V, clean func(*V)) map[K]V {
	cleaned := make(map[K]V, len(rows))
	for k, v := range rows {
		clean(&v)
		cleaned[k] = v
	}
	return cleaned
}

func dump[K comparable, V any](b *strings.Builder, what string, rows map[K]V) {
	lines := make([]string, 0, len(rows))
	for k, v := range rows {
		lines = append(lines, fmt.Sprintf("%s %#v: %#v\n", what, k, v))
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(lines, ""))
}
