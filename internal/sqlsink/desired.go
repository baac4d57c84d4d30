package sqlsink

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kitbridge/kitbridge/orgsync"
)

// desired turns the state into rows, and collects what it had to leave out. It is used
// for one key and thrown away.
type desired struct {
	tenant   orgsync.Tenant
	left     moment // now, if the tenant is none of the sink's any more
	warnings []string
}

// tenantRows wants the tenant, though not one that ended and whose row was purged.
func (d *desired) tenantRows(expired bool, have []row) []row {
	t := d.tenant
	if t.Purged || !t.Active && expired && len(have) == 0 {
		return nil
	}
	return []row{tenantRow{
		Tenant: string(t.ID),
		Code:   d.text(tenantTable, "tenant_code", t.Code),
		Name:   d.text(tenantTable, "name", t.Name),
		Domain: d.text(tenantTable, "domain_name", t.Domain),
		Active: t.Active,
	}}
}

// departmentRows wants nothing of a department that is gone. Those of a tenant that ended
// stay as they are until they are purged: it may return.
func (d *desired) departmentRows(p orgsync.PlacedDepartment, have []row) []row {
	switch {
	case d.tenant.Purged:
		return nil
	case !d.tenant.Active:
		return have
	case !p.Live:
		return nil
	}
	return []row{departmentRow{
		Tenant: string(d.tenant.ID),
		Code:   string(p.Code),
		Name:   d.text(departmentTable, "name", p.Name),
		Parent: d.text(departmentTable, "parent_code", string(p.Parent)),
		Path:   pathText(p.Path),
		Depth:  int64(len(p.Path)),
		Parked: !p.Placed,
	}}
}

// userRows wants the user and their grants. A removed user keeps the row, disabled; one
// whose row was purged gets none again: expired says that the time for it has come. Of
// a user of whom nothing is known (any more) the row stays as it is, but opens nothing.
func (d *desired) userRows(u orgsync.User, expired bool, have []row) []row {
	held, isHeld := heldUser(have)
	switch {
	case d.tenant.Purged:
		return nil
	case u.Status == orgsync.StatusAbsent && isHeld:
		held.Enabled = false
		return []row{held}
	case u.Status == orgsync.StatusAbsent, u.Status == orgsync.StatusRemoved && expired && !isHeld:
		return nil
	}
	attr := func(column string, a orgsync.Attribute) string {
		return d.text(userTable, column, u.Attributes.Value(a))
	}
	r := userRow{
		Tenant:       string(d.tenant.ID),
		User:         string(u.Name),
		Name:         attr("name", orgsync.AttrName),
		OrgCode:      attr("org_code", orgsync.AttrOrgCode),
		Role:         string(u.Role),
		Enabled:      u.Status == orgsync.StatusEnabled && d.tenant.Active,
		Position:     attr("position", orgsync.AttrPosition),
		EmployeeCode: attr("employee_code", orgsync.AttrEmployeeCode),
		EmployeeType: d.employeeType(u.Attributes.Value(orgsync.AttrEmployeeType)),
		Mobile:       attr("mobile", orgsync.AttrMobile),
		Email:        attr("email", orgsync.AttrEmail),
		WorkPlace:    attr("work_place", orgsync.AttrWorkPlace),
		EntryDate:    d.entryDate(u.Attributes.Value(orgsync.AttrEntryDate)),
		Generation:   u.Generation,
	}
	switch {
	case u.Status == orgsync.StatusRemoved:
		r.RemovedAt = momentOf(u.RemovedAt)
	case isHeld && !held.Enabled && held.RemovedAt != "" && d.left != "":
		r.RemovedAt = held.RemovedAt // when the tenant left
	default:
		r.RemovedAt = d.left
	}
	rows := []row{r}
	for _, g := range u.Grants {
		rows = append(rows, grantRow{
			Tenant: r.Tenant, User: r.User, Instance: string(g.Instance), App: string(g.App),
			Role: string(g.Role), Enabled: g.Enabled && d.tenant.Active,
		})
	}
	return rows
}

func heldUser(have []row) (userRow, bool) {
	for _, h := range have {
		if u, ok := h.(userRow); ok {
			return u, true
		}
	}
	return userRow{}, false
}

// isPast says whether the row of something removed at that time may go.
func isPast(removedAt time.Time, purgeAfter time.Duration, now time.Time) bool {
	return !removedAt.Add(purgeAfter).After(now)
}

// text is the value as the column can hold it. A value that is too long is left out,
// never cut: half of an address is somebody else's.
func (d *desired) text(table, column, value string) string {
	size := columnSize(table, column)
	switch {
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		d.warn(column, "is no readable text")
	case utf8.RuneCountInString(value) > size:
		d.warn(column, fmt.Sprintf("is longer than %d characters", size))
	default:
		return value
	}
	return ""
}

func (d *desired) employeeType(value string) string {
	switch value {
	case "", "1", "2", "3", "4":
		return value
	default:
		d.warn("employee_type", "is none of 1, 2, 3, 4")
		return ""
	}
}

func (d *desired) entryDate(value string) date {
	if value == "" {
		return ""
	}
	day, ok := parseDate(value)
	if !ok {
		d.warn("entry_date", "is no readable date")
	}
	return day
}

// warn never quotes the value: it may be personal.
func (d *desired) warn(column, what string) {
	d.warnings = append(d.warnings, column+" "+what+" and was left out")
}

// pathText joins the codes by '/', with one at both ends, so that everything below a
// department is found by a prefix. Whatever is not unreserved is percent-encoded (RFC
// 3986, section 2.3), so that a '/' in a code is no separator and no decoder, not even
// one for forms, reads anything but the code.
func pathText(codes []orgsync.OrgCode) string {
	var b strings.Builder
	b.WriteByte('/')
	for _, code := range codes {
		for n := range len(code) {
			if c := code[n]; isUnreserved(c) {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		b.WriteByte('/')
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return strings.IndexByte("-._~", c) >= 0
	}
}
