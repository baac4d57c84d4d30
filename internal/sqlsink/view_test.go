package sqlsink_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const tenantID = "68cbc86abc2018ab880d92f36422fa0e"

// state is a tenant's state that a test edits; it is the View of itself.
type state struct {
	mu          sync.Mutex
	tenant      orgsync.Tenant
	departments map[orgsync.OrgCode]orgsync.Department
	users       map[orgsync.UserName]orgsync.User
}

func newState() *state {
	return &state{
		tenant:      orgsync.Tenant{ID: tenantID, Code: "huawei", Name: "华为", Domain: "https://sso.example.com", Active: true, Announced: true},
		departments: map[orgsync.OrgCode]orgsync.Department{},
		users:       map[orgsync.UserName]orgsync.User{},
	}
}

func (s *state) Tenant(context.Context) (orgsync.Tenant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tenant, nil
}

func (s *state) Departments(_ context.Context, codes []orgsync.OrgCode) (map[orgsync.OrgCode]orgsync.PlacedDepartment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lookup := func(c orgsync.OrgCode) (orgsync.Department, bool) { d, ok := s.departments[c]; return d, ok }
	out := map[orgsync.OrgCode]orgsync.PlacedDepartment{}
	for _, c := range codes {
		if d, ok := s.departments[c]; ok {
			d.Placed, d.Reason, _ = (&orgsync.Placer{Lookup: func(c orgsync.OrgCode) (orgsync.Department, bool, error) {
				found, ok := lookup(c)
				return found, ok, nil
			}}).Place(d)
			out[c] = orgsync.PlacedDepartment{Department: d, Path: orgsync.PathOf(d, lookup)}
		}
	}
	return out, nil
}

func (s *state) Users(_ context.Context, names []orgsync.UserName) (map[orgsync.UserName]orgsync.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[orgsync.UserName]orgsync.User{}
	for _, n := range names {
		if u, ok := s.users[n]; ok {
			out[n] = u
		}
	}
	return out, nil
}

func (s *state) Members(context.Context, orgsync.OrgCode, func(orgsync.UserName) error) error {
	return nil // tables have no groups
}

func (s *state) department(code, name, parent orgsync.OrgCode) orgsync.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.departments[code] = orgsync.Department{Code: code, Live: true, Name: string(name), Parent: parent}
	return departmentKey(string(code))
}

func (s *state) drop(code orgsync.OrgCode) orgsync.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.departments[code] = orgsync.Department{Code: code}
	return departmentKey(string(code))
}

// user adds an enabled user with one grant; more attributes come as name, value pairs.
func (s *state) user(name orgsync.UserName, attributes ...string) orgsync.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := orgsync.User{Name: name, Status: orgsync.StatusEnabled, Role: orgsync.RoleUser}
	u.Attributes = u.Attributes.Set(orgsync.AttrName, "张三 "+string(name))
	for pair := range slices.Chunk(attributes, 2) {
		a, ok := orgsync.AttributeNamed(pair[0])
		if !ok {
			panic(pair[0])
		}
		u.Attributes = u.Attributes.Set(a, pair[1])
	}
	if v, ok := u.Attributes.Get(orgsync.AttrRole); ok {
		u.Role = orgsync.Role(v)
	}
	u.Grants = []orgsync.UserGrant{{Instance: "i1", App: "app", Role: u.Role, Enabled: true}}
	s.users[name] = u
	return userKey(string(name))
}

// edit changes a user that is there.
func (s *state) edit(name orgsync.UserName, change func(*orgsync.User)) orgsync.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[name]
	change(&u)
	s.users[name] = u
	return userKey(string(name))
}

func removedAt(at time.Time) func(*orgsync.User) {
	return func(u *orgsync.User) {
		u.Status, u.RemovedAt, u.Generation, u.Grants = orgsync.StatusRemoved, at, at.UnixMilli(), nil
	}
}

// keys are all keys of the state.
func (s *state) keys() []orgsync.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []orgsync.Key{{Kind: orgsync.TenantKey}}
	for _, c := range slices.Sorted(maps.Keys(s.departments)) {
		out = append(out, departmentKey(string(c)))
	}
	for _, n := range slices.Sorted(maps.Keys(s.users)) {
		out = append(out, userKey(string(n)))
	}
	return out
}

// bind fills the state as a buyer's binding does: three levels of departments, 40 users.
func (s *state) bind() {
	s.department("hq", "总部, \"north\" #1 + ", "")
	s.department("rd", "研发部", "hq")
	s.department("rd/1", "一组", "rd")
	for n := range 40 {
		s.user(orgsync.UserName(fmt.Sprintf("user%02d", n)), "orgCode", "rd/1", "email", fmt.Sprintf("u%d@example.com", n),
			"mobile", "13800000000", "employeeType", "4", "entryDate", "2022-11-9", "workPlace", " 深圳, '坂田' #1 \U0001F600")
	}
}

func departmentKey(code string) orgsync.Key {
	return orgsync.Key{Kind: orgsync.DepartmentKey, ID: code}
}
func userKey(name string) orgsync.Key { return orgsync.Key{Kind: orgsync.UserKey, ID: name} }
