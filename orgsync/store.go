package orgsync

import (
	"context"
	"time"
)

// Scope is what one transaction touches: a tenant in a realm.
type Scope struct {
	Realm  Realm
	Tenant TenantID
}

// Store keeps the journal, the registers, the projections and the dirty keys.
// orgsynctest.TestStore is what every implementation must pass.
type Store interface {
	// Update runs fn in one transaction that holds the tenant against other
	// transactions. When it returns nil everything fn wrote is durable: it survives
	// kill -9 and power loss. When it returns an error nothing was written. fn may be
	// run more than once.
	Update(ctx context.Context, scope Scope, fn func(Tx) error) error
	// Due lists the messages from the future that are due at now.
	Due(ctx context.Context, now time.Time) ([]Due, error)
}

// Tx is one transaction on one tenant. It ends with the call of fn that got it. Rows
// that do not exist are returned as registers of which nothing is known.
type Tx interface {
	// Record appends a push to the journal. If (kind, nonce) is there already it
	// writes nothing and returns what was recorded then, with Known set.
	Record(p Push) (Recorded, error)
	// Settle writes the answer and counts the changes of a recorded push.
	Settle(id JournalID, answer Answer, tally Tally) error
	// Count adds to the counters of the scope; changes of earlier pushes move there
	// from one verdict to another.
	Count(tally Tally) error

	TenantTx
	UserTx
	DepartmentTx
	ParkTx
	DeferTx
	PurgeTx

	// MarkDirty makes every sink owe itself these keys. An urgency never becomes less
	// urgent while the key is owed. A tenant that was not announced owes nothing yet;
	// the test realm never does.
	MarkDirty(keys []DirtyKey) error
}

// Recorded is a push as the journal has it.
type Recorded struct {
	ID     JournalID
	Known  bool // it was there before
	Digest [32]byte
	Answer Answer
}

// TenantTx reads and writes the tenant's instances and credentials.
type TenantTx interface {
	Instances() ([]Instance, error)
	PutInstance(i Instance) error
	// PutTenant writes the projection.
	PutTenant(t Tenant) error
	Credential(i InstanceID, a AppID) (Credential, error)
	// Credentials returns all of the tenant's.
	Credentials() ([]Credential, error)
	PutCredential(c Credential) error
}

// UserTx reads and writes grants and the projection of users.
type UserTx interface {
	// Grants returns all grants, over all instances and applications, of these users.
	Grants(names []UserName) (map[UserName][]Grant, error)
	PutGrants(grants []Grant) error
	// PutUsers writes projections; one with StatusAbsent too.
	PutUsers(users []User) error
	// UserNames lists the names of all users with grants, in byte order, after a name.
	UserNames(after UserName, limit int) ([]UserName, error)
}

// DepartmentTx reads and writes assertions and the projection of departments.
type DepartmentTx interface {
	// Assertions returns all assertions of these departments, over all instances.
	Assertions(codes []OrgCode) (map[OrgCode][]Assertion, error)
	PutAssertions(as []Assertion) error
	// Departments returns the rows with these codes; what is unknown is absent.
	Departments(codes []OrgCode) (map[OrgCode]Department, error)
	PutDepartments(ds []Department) error
	// Children returns the live departments whose parent is one of these codes.
	Children(codes []OrgCode) ([]Department, error)
	// Codes lists the codes of all departments of which anything is known.
	Codes() ([]OrgCode, error)
}

// ParkTx reads and writes the parked changes.
type ParkTx interface {
	// Parked returns those of the ids that are parked.
	Parked(ids []string) (map[string]ParkedChange, error)
	Park(changes []ParkedChange) error
	Unpark(ids []string) error
}

// DeferTx reads and writes the messages that wait, and what was destroyed of late.
type DeferTx interface {
	// Deferred returns the scope's waiting and rejected messages, by journal id, each
	// without its Message: it is called on the marketplace's clock, and a message may be
	// megabytes.
	Deferred() ([]Deferred, error)
	// DeferredMessage returns the Message of one of them, or an [ErrNotFound].
	DeferredMessage(id JournalID) (Message, error)
	// Defer adds a message or replaces the one of the same push.
	Defer(d Deferred) error
	Undefer(id JournalID) error
	// LiveDepartments counts the live departments as the transaction has left them.
	LiveDepartments() (int, error)
	// Destroyed is how many departments were noted as destroyed after since.
	Destroyed(since time.Time) (int, error)
	NoteDestroyed(at time.Time, n int) error
}
