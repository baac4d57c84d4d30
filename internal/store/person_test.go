package store_test

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestPersonsOfAnOlderProgram: what schema 6 kept in two tables is there after the
// migration, users of whom only a grant or only a projection is known too.
func TestPersonsOfAnOlderProgram(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	if err := store.MigrateTo(t.Context(), cfg.URL, 6); err != nil {
		t.Fatal(err)
	}
	v := orgsync.NewVersion(time.Unix(1, 0), time.Unix(2, 0), orgsync.RankAdd, nil, 1)
	grant := func(user orgsync.UserName, i orgsync.InstanceID) orgsync.Grant {
		g := orgsync.Grant{User: user, Instance: i, App: "应用", Granted: v}
		g.Attributes[orgsync.AttrName] = orgsync.Register{Value: "张三", Version: v}
		return g
	}
	quoted := orgsync.UserName(`"quoted"`)
	projection := orgsync.User{Name: quoted, Status: orgsync.StatusDisabled, Role: orgsync.RoleUser}
	projection.Attributes = projection.Attributes.Set(orgsync.AttrOrgCode, "d1")
	bytesOf := func(b []byte) string {
		if strings.HasPrefix(cfg.URL, "sqlite:") {
			return "X'" + hex.EncodeToString(b) + "'"
		}
		return "decode('" + hex.EncodeToString(b) + "', 'hex')"
	}
	behind(t, cfg, func(db *sql.DB) error {
		statements := []string{"INSERT INTO scope (id, realm, tenant) VALUES (7, 0, 't')"}
		for _, g := range []orgsync.Grant{grant(quoted, "i2"), grant(quoted, "i1"), grant("only-granted", "i1")} {
			statements = append(statements, fmt.Sprintf("INSERT INTO user_grant (scope, user_name, instance, app, data) VALUES (7, '%s', '%s', '%s', %s)",
				g.User, g.Instance, g.App, bytesOf(store.EncodeGrant(g))))
		}
		for _, name := range []orgsync.UserName{quoted, "only-projected"} {
			statements = append(statements, fmt.Sprintf("INSERT INTO user_state (scope, user_name, status, org_code, data) VALUES (7, '%s', 2, 'd1', %s)",
				name, bytesOf(store.EncodeUser(projection))))
		}
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
	s := open(t, cfg)
	want := map[orgsync.UserName][]orgsync.Grant{
		quoted: {grant(quoted, "i1"), grant(quoted, "i2")}, "only-granted": {grant("only-granted", "i1")},
	}
	names := []orgsync.UserName{quoted, "only-granted", "only-projected"}
	for _, when := range []string{"migrated", "written again"} {
		err := s.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error {
			got, err := tx.Grants(names)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: grants (-want +got):\n%s", when, diff)
			}
			if err != nil {
				return err
			}
			return tx.PutGrants(slices.Concat(got[quoted], got["only-granted"]))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	users, err := s.View("t").Users(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	again := projection
	again.Name = "only-projected"
	wantUsers := map[orgsync.UserName]orgsync.User{quoted: projection, "only-projected": again}
	if diff := cmp.Diff(wantUsers, users, cmp.Comparer(func(a, b orgsync.Attributes) bool { return a == b })); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// TestPersonsAreWrittenTogether: a transaction reads what it wrote itself, whatever it
// asks for in between, and a user's other grants and place are kept up.
func TestPersonsAreWrittenTogether(t *testing.T) {
	t.Parallel()
	s := open(t, config(t))
	scope := orgsync.Scope{Tenant: "t"}
	grant := func(user orgsync.UserName, a orgsync.AppID) orgsync.Grant {
		return orgsync.Grant{User: user, Instance: "i", App: a}
	}
	in := func(name orgsync.UserName, d string) orgsync.User {
		u := orgsync.User{Name: name, Status: orgsync.StatusEnabled, Role: orgsync.RoleUser}
		u.Attributes = u.Attributes.Set(orgsync.AttrOrgCode, d)
		return u
	}
	err := s.Update(t.Context(), scope, func(tx orgsync.Tx) error {
		put(t, tx.PutTenant(orgsync.Tenant{ID: "t", Active: true, Announced: true}))
		put(t, tx.PutGrants([]orgsync.Grant{grant("u", "b"), grant("v", "a")}))
		put(t, tx.PutGrants([]orgsync.Grant{grant("u", "a")}))
		put(t, tx.PutUsers([]orgsync.User{in("u", "d1"), in("projected", "d1")}))
		got, err := tx.Grants([]orgsync.UserName{"u"})
		if diff := cmp.Diff([]orgsync.Grant{grant("u", "a"), grant("u", "b")}, got["u"]); diff != "" {
			t.Errorf("grants in the transaction (-want +got):\n%s", diff)
		}
		put(t, err)
		put(t, tx.PutUsers([]orgsync.User{in("v", "d1")}))
		names, err := tx.UserNames("", 10)
		if diff := cmp.Diff([]orgsync.UserName{"u", "v"}, names); diff != "" {
			t.Errorf("names in the transaction (-want +got):\n%s", diff)
		}
		return err
	})
	put(t, err)
	put(t, s.Update(t.Context(), scope, func(tx orgsync.Tx) error {
		return tx.PutUsers([]orgsync.User{in("u", "d2"), in("v", "d1")})
	}))
	members := map[orgsync.OrgCode][]orgsync.UserName{}
	for _, d := range []orgsync.OrgCode{"d1", "d2"} {
		put(t, s.View("t").Members(t.Context(), d, func(u orgsync.UserName) error {
			members[d] = append(members[d], u)
			return nil
		}))
	}
	want := map[orgsync.OrgCode][]orgsync.UserName{"d1": {"projected", "v"}, "d2": {"u"}}
	if diff := cmp.Diff(want, members); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	put(t, s.Update(t.Context(), scope, func(tx orgsync.Tx) error {
		got, err := tx.Grants([]orgsync.UserName{"u", "v", "projected"})
		if n := len(got["u"]); n != 2 || len(got["v"]) != 1 || len(got["projected"]) != 0 {
			t.Errorf("grants after the projection changed: %+v", got)
		}
		return err
	}))
}

func put(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
