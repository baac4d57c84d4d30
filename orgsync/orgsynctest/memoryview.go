package orgsynctest

import (
	"context"
	"maps"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// memoryView reads one tenant of production.
type memoryView struct {
	m     *Memory
	scope orgsync.Scope
}

// View implements [orgsync.Lanes].
func (m *Memory) View(tenant orgsync.TenantID) orgsync.View {
	return memoryView{m, orgsync.Scope{Realm: orgsync.Production, Tenant: tenant}}
}

func (v memoryView) Tenant(ctx context.Context) (orgsync.Tenant, error) {
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	t := v.m.scope(v.scope).tenant
	if t == nil {
		return orgsync.Tenant{}, orgsync.ErrNotFound
	}
	return *t, ctx.Err()
}

func (v memoryView) Departments(ctx context.Context, codes []orgsync.OrgCode) (map[orgsync.OrgCode]orgsync.PlacedDepartment, error) {
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	rows := v.m.scope(v.scope).departments
	lookup := func(code orgsync.OrgCode) (orgsync.Department, bool) {
		d, ok := rows[code]
		return d, ok
	}
	found := map[orgsync.OrgCode]orgsync.PlacedDepartment{}
	for _, code := range codes {
		if d, ok := rows[code]; ok && d.Live {
			found[code] = orgsync.PlacedDepartment{Department: d, Path: orgsync.PathOf(d, lookup)}
		}
	}
	return found, ctx.Err()
}

func (v memoryView) Users(ctx context.Context, names []orgsync.UserName) (map[orgsync.UserName]orgsync.User, error) {
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	found := map[orgsync.UserName]orgsync.User{}
	for _, name := range names {
		if u, ok := v.m.scope(v.scope).users[name]; ok {
			u.Grants = slices.Clone(u.Grants)
			found[name] = u
		}
	}
	return found, ctx.Err()
}

// AllDepartments implements [orgsync.Inventory].
func (v memoryView) AllDepartments(ctx context.Context, yield func(orgsync.Department) error) error {
	v.m.mu.Lock()
	rows := maps.Clone(v.m.scope(v.scope).departments)
	v.m.mu.Unlock()
	for _, code := range slices.Sorted(maps.Keys(rows)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if d := rows[code]; d.Live {
			if err := yield(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// AllUsers implements [orgsync.Inventory].
func (v memoryView) AllUsers(ctx context.Context, yield func(orgsync.User) error) error {
	v.m.mu.Lock()
	rows := maps.Clone(v.m.scope(v.scope).users)
	v.m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		u := rows[name]
		u.Grants = slices.Clone(u.Grants)
		if err := yield(u); err != nil {
			return err
		}
	}
	return nil
}

func (v memoryView) Members(ctx context.Context, code orgsync.OrgCode, yield func(orgsync.UserName) error) error {
	for _, name := range v.members(code) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := yield(name); err != nil {
			return err
		}
	}
	return nil
}

func (v memoryView) members(code orgsync.OrgCode) []orgsync.UserName {
	v.m.mu.Lock()
	defer v.m.mu.Unlock()
	var names []orgsync.UserName
	for name, u := range v.m.scope(v.scope).users {
		if u.Status == orgsync.StatusEnabled && u.Attributes.Value(orgsync.AttrOrgCode) == string(code) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
