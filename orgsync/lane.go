package orgsync

import (
	"context"
	"time"
)

// Lanes hands out what is owed to the sinks. Several processes may share one; a lane is
// leased to one of them at a time.
type Lanes interface {
	// OpenSinks says which sinks there are: one that is new by name owes every key of
	// every announced tenant, one that is gone drops what it was owed.
	OpenSinks(ctx context.Context, names []string) error
	// Reopen is called for each sink at start. What failed before is due again, dead keys
	// too: the sink may have been mended. holds says in any stable form what the sink is
	// to hold and where; when that is not what it was last time, the sink owes every key.
	Reopen(ctx context.Context, sink, holds string) error
	// Claim leases the lane of the sink that has waited longest among those with keys
	// due at now, and returns up to limit of these keys, the most urgent first. It
	// returns ErrNotFound if nothing is due. The lease ends at until, or with Finish.
	Claim(ctx context.Context, sink string, now, until time.Time, limit int) (Lane, error)
	// Renew keeps the lease until then. It returns ErrNotFound if the lease was lost.
	Renew(ctx context.Context, lane Lane, until time.Time) error
	// Finish records what became of the lane's keys and gives the lane back. A key
	// that was made dirty again since the claim stays owed whatever its outcome. A lane
	// whose lease was lost meanwhile is left as it is.
	Finish(ctx context.Context, lane Lane, outcomes []Outcome) error
	// View reads the state of one tenant.
	View(tenant TenantID) View
}

// Lane is a lease on the keys of one tenant that one sink is owed.
type Lane struct {
	Sink   string
	Tenant TenantID
	Lease  int64 // tells this claim from every other
	Keys   []OwedKey
}

// OwedKey is a dirty key of a lane.
type OwedKey struct {
	Key
	Revision int64 // another one each time the key is made dirty
	Attempts int   // failures since it was last made dirty
}

// Outcome is what a store records about one key of a lane.
type Outcome struct {
	Key      Key
	Revision int64
	// Done: the sink holds what the state says.
	Done bool
	// Dead: it is not tried again before the data or the sink changes.
	Dead bool
	// NextTry is when a key that is neither done nor dead is due again.
	NextTry time.Time
	// Reason says why the key is not done; Warnings what was left out of one that is.
	Reason   string
	Warnings []string
}
