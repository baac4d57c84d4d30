package ldapsink

import (
	"context"
	"sync"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Link remembers that an entry is ours.
type Link struct {
	ID EntryID
	// UUID is the entry's entryUUID (RFC 4530). It is empty while all we know is that we
	// were about to add the entry: an entry that stands at DN and was created by our own
	// account is then ours.
	UUID string
	// DN is the entry's name when we last wrote it. Below a department that moved it may
	// be out of date.
	DN string
}

// Links remembers the entries of one directory that are ours, and the numbers that their
// users were given. It must be durable, and safe for concurrent use by different tenants, in
// all processes that write to the directory.
type Links interface {
	// Get returns the links that are known among these.
	Get(ctx context.Context, tenant orgsync.TenantID, ids []EntryID) (map[EntryID]Link, error)
	// Put adds the links, replacing those with the same ID.
	Put(ctx context.Context, tenant orgsync.TenantID, links []Link) error
	// Delete forgets the links, and what their users claimed; one that is unknown is no error.
	Delete(ctx context.Context, tenant orgsync.TenantID, ids []EntryID) error
	// Claim returns those of the users whose number no other user, of any tenant, claimed for
	// that attribute, and whether it was claimed by themselves before. With keep their claims
	// are recorded, each in place of the user's last; of two calls at the same time that want
	// one number, one gets it. Without keep it only reads.
	Claim(ctx context.Context, tenant orgsync.TenantID, attribute string, want map[orgsync.UserName]int, keep bool) (map[orgsync.UserName]bool, error)
}

// MemoryLinks are [Links] that end with the process, for tests and trials. The zero value
// is empty and ready. It is safe for concurrent use.
type MemoryLinks struct {
	mu     sync.Mutex
	links  map[orgsync.TenantID]map[EntryID]Link // under mu
	claims map[claim]holder                      // under mu
	held   map[holder]map[string]int             // under mu: the same by user and attribute
}

// holder is a user of any tenant.
type holder struct {
	tenant orgsync.TenantID
	name   orgsync.UserName
}

// Get implements [Links].
func (m *MemoryLinks) Get(_ context.Context, tenant orgsync.TenantID, ids []EntryID) (map[EntryID]Link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := make(map[EntryID]Link, len(ids))
	for _, id := range ids {
		if l, ok := m.links[tenant][id]; ok {
			found[id] = l
		}
	}
	return found, nil
}

// Put implements [Links].
func (m *MemoryLinks) Put(_ context.Context, tenant orgsync.TenantID, links []Link) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.links == nil {
		m.links = map[orgsync.TenantID]map[EntryID]Link{}
	}
	if m.links[tenant] == nil {
		m.links[tenant] = map[EntryID]Link{}
	}
	for _, l := range links {
		m.links[tenant][l.ID] = l
	}
	return nil
}

// Delete implements [Links].
func (m *MemoryLinks) Delete(_ context.Context, tenant orgsync.TenantID, ids []EntryID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		delete(m.links[tenant], id)
		if id.Kind == UserEntry {
			m.giveUp(holder{tenant, orgsync.UserName(id.Name)}, "")
		}
	}
	return nil
}

// giveUp deletes what the user claimed for an attribute, or for all.
func (m *MemoryLinks) giveUp(h holder, attribute string) {
	for name, number := range m.held[h] {
		if attribute == "" || attribute == name {
			delete(m.claims, claim{name, number})
			delete(m.held[h], name)
		}
	}
}

// Claim implements [Links].
func (m *MemoryLinks) Claim(
	_ context.Context, tenant orgsync.TenantID, attribute string, want map[orgsync.UserName]int, keep bool,
) (map[orgsync.UserName]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	granted := map[orgsync.UserName]bool{}
	for _, name := range sortedUsers(want) {
		c, h := claim{attribute, want[name]}, holder{tenant, name}
		by, claimed := m.claims[c]
		if claimed && by != h {
			continue
		}
		granted[name] = claimed
		if keep {
			m.giveUp(h, attribute)
			if m.claims == nil {
				m.claims, m.held = map[claim]holder{}, map[holder]map[string]int{}
			}
			if m.held[h] == nil {
				m.held[h] = map[string]int{}
			}
			m.claims[c], m.held[h][attribute] = h, c.number
		}
	}
	return granted, nil
}
