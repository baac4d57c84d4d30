package ldapsink_test

import (
	"context"
	"maps"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// state is an organisation that tests change at will; it is its own view.
type state struct {
	tenant      orgsync.Tenant
	departments map[orgsync.OrgCode]orgsync.Department
	users       map[orgsync.UserName]orgsync.User
}

func newState() *state {
	return &state{
		tenant:      orgsync.Tenant{ID: "t1", Code: "code1", Name: "华测，有限公司", Active: true, Announced: true},
		departments: map[orgsync.OrgCode]orgsync.Department{},
		users:       map[orgsync.UserName]orgsync.User{},
	}
}

// department asserts a department and returns its key.
func (s *state) department(code, name, parent string) orgsync.Key {
	s.departments[orgsync.OrgCode(code)] = orgsync.Department{
		Code: orgsync.OrgCode(code), Live: true, Name: name, Parent: orgsync.OrgCode(parent),
	}
	return orgsync.Key{Kind: orgsync.DepartmentKey, ID: code}
}

// remove denies a department and returns its key.
func (s *state) remove(code string) orgsync.Key {
	s.departments[orgsync.OrgCode(code)] = orgsync.Department{Code: orgsync.OrgCode(code)}
	return orgsync.Key{Kind: orgsync.DepartmentKey, ID: code}
}

// user grants a user and returns the key; further attributes come in pairs.
func (s *state) user(name, display, org string, more ...any) orgsync.Key {
	as := orgsync.Attributes{}.Set(orgsync.AttrName, display).Set(orgsync.AttrOrgCode, org)
	for i := 0; i < len(more); i += 2 {
		as = as.Set(more[i].(orgsync.Attribute), more[i+1].(string))
	}
	role := orgsync.RoleUser
	if as.Value(orgsync.AttrRole) == string(orgsync.RoleAdmin) {
		role = orgsync.RoleAdmin
	}
	s.users[orgsync.UserName(name)] = orgsync.User{
		Name: orgsync.UserName(name), Status: orgsync.StatusEnabled, Role: role, Attributes: as,
	}
	return userKey(name)
}

func userKey(name string) orgsync.Key { return orgsync.Key{Kind: orgsync.UserKey, ID: name} }

// status changes how a user stands.
func (s *state) status(name string, status orgsync.Status) orgsync.Key {
	u := s.users[orgsync.UserName(name)]
	u.Status = status
	s.users[orgsync.UserName(name)] = u
	return userKey(name)
}

// keys are all keys there are, in an order of no meaning.
func (s *state) keys() []orgsync.Key {
	keys := []orgsync.Key{{Kind: orgsync.TenantKey}}
	for code := range s.departments {
		keys = append(keys, orgsync.Key{Kind: orgsync.DepartmentKey, ID: string(code)})
	}
	for name := range s.users {
		keys = append(keys, userKey(string(name)))
	}
	return keys
}

func (s *state) Tenant(context.Context) (orgsync.Tenant, error) { return s.tenant, nil }

func (s *state) Departments(_ context.Context, codes []orgsync.OrgCode) (map[orgsync.OrgCode]orgsync.PlacedDepartment, error) {
	lookup := func(c orgsync.OrgCode) (orgsync.Department, bool) {
		d, ok := s.departments[c]
		return d, ok
	}
	found := map[orgsync.OrgCode]orgsync.PlacedDepartment{}
	for _, c := range codes {
		if d, ok := s.departments[c]; ok && d.Live {
			placer := orgsync.Placer{Lookup: func(c orgsync.OrgCode) (orgsync.Department, bool, error) {
				d, ok := lookup(c)
				return d, ok, nil
			}}
			d.Placed, d.Reason, _ = placer.Place(d) // a map has no errors
			found[c] = orgsync.PlacedDepartment{Department: d, Path: orgsync.PathOf(d, lookup)}
		}
	}
	return found, nil
}

func (s *state) Users(_ context.Context, names []orgsync.UserName) (map[orgsync.UserName]orgsync.User, error) {
	found := map[orgsync.UserName]orgsync.User{}
	for _, n := range names {
		if u, ok := s.users[n]; ok {
			found[n] = u
		}
	}
	return found, nil
}

func (s *state) Members(_ context.Context, code orgsync.OrgCode, yield func(orgsync.UserName) error) error {
	var names []orgsync.UserName
	for name, u := range s.users {
		if u.Status == orgsync.StatusEnabled && u.Attributes.Value(orgsync.AttrOrgCode) == string(code) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := yield(name); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) AllDepartments(ctx context.Context, yield func(orgsync.Department) error) error {
	codes := slices.Sorted(maps.Keys(s.departments))
	placed, err := s.Departments(ctx, codes)
	if err != nil {
		return err
	}
	for _, code := range codes {
		if d, live := placed[code]; live {
			if err := yield(d.Department); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *state) AllUsers(_ context.Context, yield func(orgsync.User) error) error {
	for _, name := range slices.Sorted(maps.Keys(s.users)) {
		if err := yield(s.users[name]); err != nil {
			return err
		}
	}
	return nil
}
