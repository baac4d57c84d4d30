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

// Links remembers the entries of one directory that are ours. It must be durable, and
// safe for concurrent use by different tenants.
type Links interface {
	// Get returns the links that are known among these.
	Get(ctx context.Context, tenant orgsync.TenantID, ids []EntryID) (map[EntryID]Link, error)
	// Put adds the links, replacing those with the same ID.
	Put(ctx context.Context, tenant orgsync.TenantID, links []Link) error
	// Delete forgets the links; one that is unknown is no error.
	Delete(ctx context.Context, tenant orgsync.TenantID, ids []EntryID) error
}

// MemoryLinks are [Links] that end with the process, for tests and trials. The zero value
// is empty and ready. It is safe for concurrent use.
type MemoryLinks struct {
	mu    sync.Mutex
	links map[orgsync.TenantID]map[EntryID]Link // under mu
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
	}
	return nil
}
