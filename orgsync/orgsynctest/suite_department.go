package orgsynctest

import (
	"errors"

	"github.com/kitbridge/kitbridge/orgsync"
)

func departmentCases() []storeCase {
	return []storeCase{
		{"assertions and departments come back", func(t *storeTest) {
			a1 := orgsync.Assertion{Instance: "i1", Code: "d", Version: version(1), Name: "研发部, \"R&D\"", Parent: "top", Journal: 7}
			a2 := orgsync.Assertion{Instance: "i2", Code: "d", Version: version(2), Name: "", Parent: "d", Journal: 8}
			d := orgsync.Department{
				Code: "d", Denied: version(3), Live: true, Name: "研发部", Parent: "top", Journal: 7, Placed: true, Reason: "parent unknown: top",
			}
			t.update(acme(), func(tx orgsync.Tx) error {
				put(t, tx.PutAssertions([]orgsync.Assertion{{Instance: "i1", Code: "d", Name: "older"}, a1, a2, {Instance: "i1", Code: "e"}}))
				put(t, tx.PutDepartments([]orgsync.Department{{Code: "d", Name: "older"}, d}))
				return nil
			})
			t.update(acme(), func(tx orgsync.Tx) error {
				as, err := tx.Assertions([]orgsync.OrgCode{"d", "unknown"})
				put(t, err)
				same(t.T, "assertions", map[orgsync.OrgCode][]orgsync.Assertion{"d": {a1, a2}}, as)
				ds, err := tx.Departments([]orgsync.OrgCode{"d", "e"})
				put(t, err)
				same(t.T, "departments", map[orgsync.OrgCode]orgsync.Department{"d": d}, ds)
				codes, err := tx.Codes()
				same(t.T, "codes", []orgsync.OrgCode{"d", "e"}, codes)
				return err
			})
		}},
		{"children are the live ones", func(t *storeTest) {
			a := orgsync.Department{Code: "a", Live: true, Parent: "top"}
			b := orgsync.Department{Code: "b", Live: true, Parent: ""}
			c := orgsync.Department{Code: "c", Live: true, Parent: "a"}
			t.update(acme(), func(tx orgsync.Tx) error {
				return tx.PutDepartments([]orgsync.Department{c, b, a, {Code: "gone", Parent: "top"}})
			})
			t.update(acme(), func(tx orgsync.Tx) error {
				found, err := tx.Children([]orgsync.OrgCode{"top", "a", "unknown"})
				same(t.T, "children", []orgsync.Department{a, c}, found)
				return err
			})
		}},
	}
}

func parkedCases() []storeCase {
	return []storeCase{{"parked changes come and go", func(t *storeTest) {
		user := orgsync.ParkedChange{
			ID: "user/i/a/%E5", Journal: 1, Version: version(1), Kind: orgsync.UserKey, Key: "张三", Instance: "i", Reason: orgsync.ReasonUnbound,
		}
		bad := orgsync.ParkedChange{
			ID: "journal/1/2", Journal: 1, Kind: orgsync.DepartmentKey, Key: "\x00\xff ", Instance: "\x00", Reason: "orgCode holds a control character",
		}
		other := orgsync.ParkedChange{ID: "z", Journal: 2, Version: version(2), Instance: "i2", Reason: orgsync.ReasonUnbound}
		t.update(acme(), func(tx orgsync.Tx) error {
			older := user
			older.Version, older.Reason = "", "older"
			return tx.Park([]orgsync.ParkedChange{older, user, bad, other})
		})
		t.update(acme(), func(tx orgsync.Tx) error {
			found, err := tx.Parked([]string{user.ID, bad.ID, "unknown"})
			put(t, err)
			same(t.T, "parked", map[string]orgsync.ParkedChange{user.ID: user, bad.ID: bad}, found)
			return tx.Unpark([]string{user.ID, "unknown"})
		})
		t.update(acme(), func(tx orgsync.Tx) error {
			found, err := tx.Parked([]string{user.ID, bad.ID, other.ID})
			same(t.T, "parked", map[string]orgsync.ParkedChange{bad.ID: bad, other.ID: other}, found)
			return err
		})
	}}}
}

func viewCases() []storeCase {
	return []storeCase{
		{"a view reads production as it is now", func(t *storeTest) {
			view := t.store.View(acme().Tenant)
			if _, err := view.Tenant(t.Context()); err == nil {
				t.Error("Tenant() of an unknown tenant = nil error")
			}
			want := orgsync.Tenant{
				ID: "acme", Code: "ac", Name: "示例", Domain: "https://a.example", Announced: true, RemovedAt: midnight(),
			}
			t.update(acme(), func(tx orgsync.Tx) error { return tx.PutTenant(want) })
			t.update(orgsync.Scope{Realm: orgsync.Test, Tenant: "acme"}, func(tx orgsync.Tx) error {
				return tx.PutTenant(orgsync.Tenant{ID: "acme", Name: "test"})
			})
			got, err := view.Tenant(t.Context())
			put(t, err)
			same(t.T, "tenant", want, got)
		}},
		{"users come back whole", func(t *storeTest) {
			u := orgsync.User{
				Name: "张三", Status: orgsync.StatusRemoved, Role: orgsync.RoleAdmin, Generation: 1234, RemovedAt: midnight(),
				Attributes: orgsync.Attributes{}.Set(orgsync.AttrName, "张三").Set(orgsync.AttrEmail, ""),
				Grants: []orgsync.UserGrant{
					{Instance: "i", App: "a", Role: orgsync.RoleAdmin, Enabled: true}, {Instance: "i", App: "b", Role: orgsync.RoleUser},
				},
			}
			absent := orgsync.User{Name: "absent", Role: orgsync.RoleUser}
			t.update(acme(), func(tx orgsync.Tx) error {
				return tx.PutUsers([]orgsync.User{{Name: "张三", Status: orgsync.StatusEnabled}, u, absent})
			})
			got, err := t.store.View(acme().Tenant).Users(t.Context(), []orgsync.UserName{"张三", "absent", "unknown"})
			put(t, err)
			same(t.T, "users", map[orgsync.UserName]orgsync.User{"张三": u, "absent": absent}, got)
		}},
		{"departments have paths, dead ones are absent", func(t *storeTest) {
			rows := []orgsync.Department{
				{Code: "top", Live: true, Placed: true},
				{Code: "mid", Live: true, Placed: true, Parent: "top"},
				{Code: "low", Live: true, Placed: true, Parent: "mid"},
				{Code: "dead", Parent: "top"},
				{Code: "parked", Live: true, Parent: "dead", Reason: "parent deleted: dead"},
				{Code: "x", Live: true, Parent: "y", Reason: "cycle x→y→x"},
				{Code: "y", Live: true, Parent: "x", Reason: "cycle y→x→y"},
			}
			t.update(acme(), func(tx orgsync.Tx) error { return tx.PutDepartments(rows) })
			got, err := t.store.View(acme().Tenant).Departments(t.Context(), []orgsync.OrgCode{"low", "top", "dead", "parked", "x", "unknown"})
			put(t, err)
			same(t.T, "departments", map[orgsync.OrgCode]orgsync.PlacedDepartment{
				"low":    {Department: rows[2], Path: []orgsync.OrgCode{"top", "mid", "low"}},
				"top":    {Department: rows[0], Path: []orgsync.OrgCode{"top"}},
				"parked": {Department: rows[4], Path: []orgsync.OrgCode{"parked"}},
				"x":      {Department: rows[5], Path: []orgsync.OrgCode{"y", "x"}},
			}, got)
		}},
		{"members are the enabled users, in order", func(t *storeTest) {
			in := func(name string, status orgsync.Status, code string) orgsync.User {
				return orgsync.User{
					Name: orgsync.UserName(name), Status: status, Role: orgsync.RoleUser,
					Attributes: orgsync.Attributes{}.Set(orgsync.AttrOrgCode, code),
				}
			}
			t.update(acme(), func(tx orgsync.Tx) error {
				return tx.PutUsers([]orgsync.User{
					in("b", orgsync.StatusEnabled, "d"), in("a", orgsync.StatusEnabled, "d"), in("Z", orgsync.StatusEnabled, "d"),
					in("off", orgsync.StatusDisabled, "d"), in("gone", orgsync.StatusRemoved, "d"), in("else", orgsync.StatusEnabled, "e"),
				})
			})
			// A user who moves is a member of one department only.
			t.update(acme(), func(tx orgsync.Tx) error { return tx.PutUsers([]orgsync.User{in("b", orgsync.StatusEnabled, "e")}) })
			var got []orgsync.UserName
			view := t.store.View(acme().Tenant)
			collect := func(name orgsync.UserName) error { got = append(got, name); return nil }
			put(t, view.Members(t.Context(), "d", collect))
			same(t.T, "members", []orgsync.UserName{"Z", "a"}, got)
			if err := view.Members(t.Context(), "d", func(orgsync.UserName) error { return errWanted }); err == nil {
				t.Error("Members hides the error of its function")
			}
		}},
		{"an inventory lists live departments and known users, in order", func(t *storeTest) {
			rows := []orgsync.Department{
				{Code: "b", Live: true, Placed: true, Name: "B"}, {Code: "a", Live: true, Parent: "b", Placed: true}, {Code: "dead"},
			}
			users := []orgsync.User{
				{Name: "b", Status: orgsync.StatusEnabled, Role: orgsync.RoleUser},
				{Name: "Z", Status: orgsync.StatusRemoved, Role: orgsync.RoleUser},
				{Name: "a", Status: orgsync.StatusDisabled, Role: orgsync.RoleAdmin},
			}
			t.update(acme(), func(tx orgsync.Tx) error { return errors.Join(tx.PutDepartments(rows), tx.PutUsers(users)) })
			all, ok := t.store.View(acme().Tenant).(orgsync.Inventory)
			if !ok {
				t.Fatal("the view is no Inventory")
			}
			var codes []orgsync.OrgCode
			put(t, all.AllDepartments(t.Context(), func(d orgsync.Department) error { codes = append(codes, d.Code); return nil }))
			same(t.T, "departments", []orgsync.OrgCode{"a", "b"}, codes)
			var names []orgsync.UserName
			put(t, all.AllUsers(t.Context(), func(u orgsync.User) error { names = append(names, u.Name); return nil }))
			same(t.T, "users", []orgsync.UserName{"Z", "a", "b"}, names)
			if err := all.AllUsers(t.Context(), func(orgsync.User) error { return errWanted }); err == nil {
				t.Error("AllUsers hides the error of its function")
			}
		}},
	}
}
