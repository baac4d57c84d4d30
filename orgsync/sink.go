package orgsync

import "context"

// View reads the state of one tenant, each call as of now. It is safe for concurrent
// use. A key of which nothing is known is absent from the maps.
type View interface {
	// Tenant returns the tenant itself.
	Tenant(ctx context.Context) (Tenant, error)
	// Departments returns the placed and parked departments with these codes, with
	// their paths.
	Departments(ctx context.Context, codes []OrgCode) (map[OrgCode]PlacedDepartment, error)
	// Users returns the users with these names.
	Users(ctx context.Context, names []UserName) (map[UserName]User, error)
	// Members calls yield for the enabled users of a department (not of the
	// departments below it), in the order of their names.
	Members(ctx context.Context, code OrgCode, yield func(UserName) error) error
}

// Inventory is a View that can list everything. It is safe for concurrent use; what
// changes while a list is being read may be in it or not.
type Inventory interface {
	View
	// AllDepartments calls yield for every live department, in the order of their codes.
	AllDepartments(ctx context.Context, yield func(Department) error) error
	// AllUsers calls yield for every user of whom anything is known, in the byte order of
	// their names. It reads in pages.
	AllUsers(ctx context.Context, yield func(User) error) error
}

// PlacedDepartment is a department with its path: the codes from the top down to
// itself. A parked department's path begins at its last live ancestor.
type PlacedDepartment struct {
	Department
	Path []OrgCode
}

// Result is what became of one key. A nil Err means that the sink holds exactly what
// the state says about the key.
type Result struct {
	Key Key
	// Err is an ErrRejected if only other data or another set-up of the sink helps
	// (the key is then dead until either changes), else it is tried again.
	Err error
	// Warnings name values that the sink would not take and that were left out.
	Warnings []string
}

// Sink is a directory or database that is kept equal to the state.
//
// Converge makes the given keys of one tenant equal to what the view says, in an order
// of its own that takes access away first. It reads what is there, and so may be
// called with any keys, in any order, as often as one likes. It returns a result for
// each key; an error says that the sink as a whole did not answer and that keys
// without a result are still owed.
type Sink interface {
	Name() string
	Converge(ctx context.Context, view View, keys []Key) ([]Result, error)
}

// Reachable is a [Sink] that can be tried while it is owed nothing, so that one that is
// down or wrongly set up is known before the first push.
type Reachable interface {
	// Reach returns nil if the sink would take keys now. It writes nothing about any tenant.
	Reach(ctx context.Context) error
}
