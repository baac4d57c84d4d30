package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

func departmentItems(where string) string {
	return `SELECT r.scope, (SELECT tenant FROM scope WHERE id = r.scope), r.code, r.name, r.parent, r.placed, r.reason, r.journal
	FROM department r WHERE ` + where + ` AND r.live = 1 ORDER BY r.scope, r.code LIMIT ?`
}

func userItems(where string) string {
	return `SELECT r.scope, (SELECT tenant FROM scope WHERE id = r.scope), r.user_name, r.status, r.data
	FROM person r WHERE ` + where + ` AND r.status <> ? ORDER BY r.scope, r.user_name LIMIT ?`
}

// DepartmentItem is a live department in a list.
type DepartmentItem struct {
	Tenant orgsync.TenantID `json:"tenant_id"`
	Code   orgsync.OrgCode  `json:"org_code"`
	Name   string           `json:"name"`
	Parent orgsync.OrgCode  `json:"parent_code"` // empty: top level
	// Parked: it cannot be reached from the top, for Reason.
	Parked bool   `json:"parked"`
	Reason string `json:"reason,omitempty"`
	// Journal is the push that says so.
	Journal orgsync.JournalID `json:"journal_id"`
}

// ListDepartments lists the live departments of production, tenant by tenant, by code.
// Errors are as those of [Store.ListTenants].
func (s *Store) ListDepartments(ctx context.Context, p Page) (List[DepartmentItem], error) {
	w, err := s.window(ctx, "departments", p)
	if err != nil {
		return List[DepartmentItem]{}, fmt.Errorf("list departments: %w", err)
	}
	rows, err := collect(ctx, s.readers, func(rows *sql.Rows) (r row[DepartmentItem], err error) {
		var placed bool
		d := &r.item
		err = rows.Scan(&r.at.numbers[0], &d.Tenant, &d.Code, &d.Name, &d.Parent, &placed, &d.Reason, &d.Journal)
		d.Name, d.Parent, d.Parked = brief(d.Name), orgsync.OrgCode(brief(string(d.Parent))), !placed
		r.at.texts[0] = string(d.Code)
		return r, err
	}, departmentItems(w.where("code")), w.scope(), w.after.texts[0], w.limit+1)
	if err != nil {
		return List[DepartmentItem]{}, fmt.Errorf("list departments: %w", err)
	}
	return page(w, rows), nil
}

// UserItem is a user in a list. Mobile and Email are redacted.
type UserItem struct {
	Tenant orgsync.TenantID `json:"tenant_id"`
	UserProjection
}

// UserProjection is a user as they stand now, fit to be shown: mobile number and mail
// address are redacted, long texts are cut.
type UserProjection struct {
	User         orgsync.UserName `json:"user_name"`
	Status       string           `json:"status"` // enabled, disabled, removed, absent
	Role         orgsync.Role     `json:"role"`
	Name         string           `json:"name"`
	OrgCode      string           `json:"org_code"`
	Position     string           `json:"position"`
	EmployeeCode string           `json:"employee_code"`
	EmployeeType string           `json:"employee_type"`
	Mobile       string           `json:"mobile"`
	Email        string           `json:"email"`
	WorkPlace    string           `json:"work_place"`
	EntryDate    string           `json:"entry_date"`
	// Generation is the time in milliseconds of the newest removal, 0 if there was none.
	Generation int64       `json:"generation"`
	RemovedAt  time.Time   `json:"removed_at,omitzero"`
	Grants     []GrantItem `json:"grants"`
}

// GrantItem is one grant of a user as it stands now.
type GrantItem struct {
	Instance orgsync.InstanceID `json:"instance_id"`
	App      orgsync.AppID      `json:"app_id"`
	Role     orgsync.Role       `json:"role"`
	Enabled  bool               `json:"enabled"`
}

func projectionOf(u orgsync.User) UserProjection {
	text := func(a orgsync.Attribute) string { return redact(a, u.Attributes.Value(a)) }
	p := UserProjection{
		User: u.Name, Status: u.Status.String(), Role: u.Role,
		Name: text(orgsync.AttrName), OrgCode: text(orgsync.AttrOrgCode), Position: text(orgsync.AttrPosition),
		EmployeeCode: text(orgsync.AttrEmployeeCode), EmployeeType: text(orgsync.AttrEmployeeType),
		Mobile: text(orgsync.AttrMobile), Email: text(orgsync.AttrEmail), WorkPlace: text(orgsync.AttrWorkPlace),
		EntryDate: text(orgsync.AttrEntryDate), Generation: u.Generation, RemovedAt: u.RemovedAt,
		Grants: make([]GrantItem, 0, len(u.Grants)),
	}
	for _, g := range u.Grants {
		p.Grants = append(p.Grants, GrantItem(g))
	}
	return p
}

// ListUsers lists the users of production, tenant by tenant, by user name; those who
// were removed too, but none who was never granted. Errors are as those of
// [Store.ListTenants].
func (s *Store) ListUsers(ctx context.Context, p Page) (List[UserItem], error) {
	w, err := s.window(ctx, "users", p)
	if err != nil {
		return List[UserItem]{}, fmt.Errorf("list users: %w", err)
	}
	rows, err := collect(ctx, s.readers, func(rows *sql.Rows) (r row[UserItem], err error) {
		var u orgsync.User
		var data sql.RawBytes
		if err := rows.Scan(&r.at.numbers[0], &r.item.Tenant, &u.Name, &u.Status, &data); err != nil {
			return r, err
		}
		err = decodeUser(data, &u)
		r.at.texts[0] = string(u.Name)
		r.item.UserProjection = projectionOf(u)
		return r, err
	}, userItems(w.where("user_name")), w.scope(), w.after.texts[0], orgsync.StatusAbsent, w.limit+1)
	if err != nil {
		return List[UserItem]{}, fmt.Errorf("list users: %w", err)
	}
	return page(w, rows), nil
}
