package sqlsink

import "github.com/kitbridge/kitbridge/orgsync"

// The tables, without the prefix.
const (
	tenantTable     = "tenant"
	departmentTable = "department"
	userTable       = "user"
	grantTable      = "grant"
	changeTable     = "change"
	metaTable       = "meta"
)

// row is what one table holds about one thing. Rows are comparable with ==.
type row interface {
	id() rowID
	// values are in the order of the table's columns, without updated_at.
	values() []any
	// access is how much the row opens to somebody: 0 nothing, more is more.
	access() int
}

// rowID names a row: its table and its primary key after the tenant.
type rowID struct {
	table string
	keys  [3]string
}

type tenantRow struct {
	Tenant             string
	Code, Name, Domain string
	Active             bool
}

func (r tenantRow) id() rowID { return rowID{table: tenantTable} }
func (r tenantRow) values() []any {
	return []any{r.Tenant, r.Code, r.Name, r.Domain, r.Active}
}
func (r tenantRow) access() int { return accessOf(r.Active, "") }

func (r *tenantRow) dest() []any {
	return []any{&r.Tenant, &r.Code, &r.Name, &r.Domain, &r.Active}
}

type departmentRow struct {
	Tenant, Code string
	Name, Parent string
	Path         string
	Depth        int64
	Parked       bool
}

func (r departmentRow) id() rowID { return rowID{departmentTable, [3]string{r.Code}} }
func (r departmentRow) values() []any {
	return []any{r.Tenant, r.Code, r.Name, r.Parent, r.Path, r.Depth, r.Parked}
}
func (r departmentRow) access() int { return 0 }

func (r *departmentRow) dest() []any {
	return []any{&r.Tenant, &r.Code, &r.Name, &r.Parent, &r.Path, &r.Depth, &r.Parked}
}

type userRow struct {
	Tenant, User  string
	Name, OrgCode string
	Role          string
	Enabled       bool
	Position      string
	EmployeeCode  string
	EmployeeType  string
	Mobile, Email string
	WorkPlace     string
	EntryDate     date
	Generation    int64
	RemovedAt     moment
}

func (r userRow) id() rowID { return rowID{userTable, [3]string{r.User}} }
func (r userRow) values() []any {
	return []any{
		r.Tenant, r.User, r.Name, r.OrgCode, r.Role, r.Enabled, r.Position, r.EmployeeCode, r.EmployeeType,
		r.Mobile, r.Email, r.WorkPlace, r.EntryDate, r.Generation, r.RemovedAt,
	}
}
func (r userRow) access() int { return accessOf(r.Enabled, r.Role) }

func (r *userRow) dest() []any {
	return []any{
		&r.Tenant, &r.User, &r.Name, &r.OrgCode, &r.Role, &r.Enabled, &r.Position, &r.EmployeeCode, &r.EmployeeType,
		&r.Mobile, &r.Email, &r.WorkPlace, &r.EntryDate, &r.Generation, &r.RemovedAt,
	}
}

type grantRow struct {
	Tenant, User, Instance, App string
	Role                        string
	Enabled                     bool
}

func (r grantRow) id() rowID {
	return rowID{grantTable, [3]string{r.User, r.Instance, r.App}}
}

func (r grantRow) values() []any {
	return []any{r.Tenant, r.User, r.Instance, r.App, r.Role, r.Enabled}
}
func (r grantRow) access() int { return accessOf(r.Enabled, r.Role) }

func (r *grantRow) dest() []any {
	return []any{&r.Tenant, &r.User, &r.Instance, &r.App, &r.Role, &r.Enabled}
}

func accessOf(open bool, role string) int {
	switch {
	case !open:
		return 0
	case role == string(orgsync.RoleAdmin):
		return 2
	default:
		return 1
	}
}
