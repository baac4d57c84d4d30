package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

func TestTenants(t *testing.T) {
	t.Parallel()
	s := open(t, config(t))
	put := func(realm orgsync.Realm, tenant orgsync.Tenant) {
		t.Helper()
		if err := s.Update(t.Context(), orgsync.Scope{Realm: realm, Tenant: tenant.ID}, func(tx orgsync.Tx) error {
			return tx.PutTenant(tenant)
		}); err != nil {
			t.Fatal(err)
		}
	}
	put(orgsync.Production, orgsync.Tenant{ID: "a", Code: "same", Name: "Straße 100%", Domain: "https://Auth.Example:8443/x", Active: true})
	put(orgsync.Production, orgsync.Tenant{ID: "b", Code: "same", Name: "示例_科技", Domain: "not a domain", Active: true})
	put(orgsync.Production, orgsync.Tenant{ID: "gone", Code: "same", Name: "Gone", Domain: "https://auth.example:8443"})
	put(orgsync.Test, orgsync.Tenant{ID: "a", Code: "same", Name: "hidden by production", Active: true})
	put(orgsync.Test, orgsync.Tenant{ID: "c", Code: "C", Name: "Test", Active: true})
	a := sso.Tenant{ID: "a", Code: "same", Name: "Straße 100%", Domain: "https://Auth.Example:8443/x", Live: true}
	b := sso.Tenant{ID: "b", Code: "same", Name: "示例_科技", Domain: "not a domain", Live: true}
	c := sso.Tenant{ID: "c", Code: "C", Name: "Test", Live: true, Test: true}
	gone := sso.Tenant{ID: "gone", Code: "same", Name: "Gone", Domain: "https://auth.example:8443"}

	for id, want := range map[sso.TenantID]sso.Tenant{"a": a, "c": c, "gone": gone} {
		if got, err := s.Tenant(t.Context(), id); err != nil || got != want {
			t.Errorf("Tenant(%q) = %+v, %v, want %+v", id, got, err, want)
		}
	}
	if _, err := s.Tenant(t.Context(), "A"); !errors.Is(err, sso.ErrUnknownTenant) {
		t.Errorf("Tenant(A) = %v, want ErrUnknownTenant", err)
	}
	for _, test := range []struct {
		name string
		find func() ([]sso.Tenant, error)
		want []sso.Tenant
	}{
		{"code", func() ([]sso.Tenant, error) { return s.TenantsByCode(t.Context(), "same") }, []sso.Tenant{a, b}},
		{"code in another case", func() ([]sso.Tenant, error) { return s.TenantsByCode(t.Context(), "SAME") }, []sso.Tenant{}},
		{"host", func() ([]sso.Tenant, error) { return s.TenantsByHost(t.Context(), sso.AuthCentreHost(a)) }, []sso.Tenant{a}},
		{"no host", func() ([]sso.Tenant, error) { return s.TenantsByHost(t.Context(), "") }, nil},
		{"search, folded", func() ([]sso.Tenant, error) { return s.SearchTenants(t.Context(), "STRASSE", 9) }, []sso.Tenant{a}},
		{"search by code", func() ([]sso.Tenant, error) { return s.SearchTenants(t.Context(), "AME", 9) }, []sso.Tenant{a, b}},
		{"% is no wildcard", func() ([]sso.Tenant, error) { return s.SearchTenants(t.Context(), "0%", 9) }, []sso.Tenant{a}},
		{"_ is no wildcard", func() ([]sso.Tenant, error) { return s.SearchTenants(t.Context(), "例_", 9) }, []sso.Tenant{b}},
		{"all", func() ([]sso.Tenant, error) { return s.SearchTenants(t.Context(), "", 9) }, []sso.Tenant{a, b, c}},
		{"the first", func() ([]sso.Tenant, error) { return s.SearchTenants(t.Context(), "", 1) }, []sso.Tenant{a}},
		{"those of production come before the limit", func() ([]sso.Tenant, error) { return s.SearchTenants(t.Context(), "", 2) }, []sso.Tenant{a, b}},
		{"by a search too", func() ([]sso.Tenant, error) { return s.SearchTenants(t.Context(), "S", 2) }, []sso.Tenant{a, b}},
	} {
		got, err := test.find()
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestCredential(t *testing.T) {
	t.Parallel()
	none := sso.Credential{}
	of := func(instance orgsync.InstanceID, app sso.AppID, live bool) sso.Credential {
		return sso.Credential{
			App: app, ClientID: "client of " + string(instance) + " " + string(app), Secret: "secret of " + sso.Secret(instance), Live: live,
		}
	}
	for _, test := range []struct {
		name   string
		app    sso.AppID
		pushes []orgsync.Message
		want   sso.Credential
		err    error
	}{
		{"none", "", nil, none, sso.ErrNoCredential},
		{"the only one", "", []orgsync.Message{clientOf("one", "app", orgsync.FlagAdd, 1)}, of("one", "app", true), nil},
		{"the chosen one", "b", []orgsync.Message{
			clientOf("one", "b", orgsync.FlagAdd, 1), clientOf("one", "a", orgsync.FlagAdd, 2),
		}, of("one", "b", true), nil},
		{"another than the chosen", "b", []orgsync.Message{clientOf("one", "a", orgsync.FlagAdd, 2)}, none, sso.ErrNoCredential},
		{"several and none chosen", "", []orgsync.Message{
			clientOf("one", "b", orgsync.FlagAdd, 1), clientOf("one", "a", orgsync.FlagAdd, 2),
		}, none, sso.ErrAmbiguousApp},
		{"several, one of them bound", "", []orgsync.Message{
			clientOf("one", "b", orgsync.FlagAdd, 1), clientOf("one", "a", orgsync.FlagAdd, 2), clientOf("one", "a", orgsync.FlagRemove, 3),
		}, of("one", "b", true), nil},
		{"unbound", "", []orgsync.Message{
			clientOf("one", "a", orgsync.FlagAdd, 2), clientOf("one", "a", orgsync.FlagRemove, 3),
		}, of("one", "a", false), nil},
		{"the newest of two instances", "", []orgsync.Message{
			tenantSync("two", orgsync.FlagAdd, 0), clientOf("one", "a", orgsync.FlagAdd, 3), clientOf("two", "a", orgsync.FlagAdd, 2),
		}, of("one", "a", true), nil},
		{"the newest is of an instance that is not bound", "", []orgsync.Message{
			clientOf("one", "a", orgsync.FlagAdd, 2), clientOf("two", "a", orgsync.FlagAdd, 3),
		}, of("one", "a", true), nil},
		{"older than the instance's end", "", []orgsync.Message{
			clientOf("one", "a", orgsync.FlagAdd, 2), tenantSync("one", orgsync.FlagRemove, 3), tenantSync("one", orgsync.FlagAdd, 4),
		}, of("one", "a", false), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t)
			cfg.App = test.app
			w := newWorld(t, open(t, cfg))
			if _, err := w.Credential(t.Context(), "t"); !errors.Is(err, sso.ErrNoCredential) {
				t.Errorf("Credential of an unknown tenant = %v, want ErrNoCredential", err)
			}
			w.pushAt(t, tenantSync("one", orgsync.FlagAdd, 0))
			for _, m := range test.pushes {
				w.pushAt(t, m)
			}
			got, err := w.Credential(t.Context(), "t")
			if !errors.Is(err, test.err) || got != test.want {
				t.Errorf("Credential = %+v, %v, want %+v, %v (secret the same: %t)", got, err, test.want, test.err, got.Secret == test.want.Secret)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	now := morning()
	cfg.Now = func() (at time.Time) { return now }
	w := newWorld(t, open(t, cfg))
	if err := w.OpenSinks(t.Context(), []string{"sql", "ldap"}); err != nil {
		t.Fatal(err)
	}
	hidden := grants("one", "app", orgsync.FlagAdd, 1)
	hidden.Tenant = "unannounced"
	w.pushAt(t, hidden)
	test := tenantSync("one", orgsync.FlagAdd, 0)
	test.Realm = orgsync.Test
	w.pushAt(t, test)
	w.pushAt(t, tenantSync("one", orgsync.FlagAdd, 0))
	w.pushAt(t, grants("one", "app", orgsync.FlagAdd, 1))
	w.pushAt(t, grants("one", "app", orgsync.FlagAdd, 0)) // stale
	w.pushAt(t, orgsync.Message{
		Kind: orgsync.AllOrgSync, Tenant: "t", Instance: "one", At: morning(),
		Departments: []orgsync.DepartmentChange{{Code: "d", Name: "D"}, {Code: "lost", Parent: "unknown"}},
	})
	now = morning().Add(90 * time.Second)
	lane, err := w.Claim(t.Context(), "ldap", now, now.Add(time.Minute), 10)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make([]orgsync.Outcome, 0, len(lane.Keys))
	for n, k := range lane.Keys {
		outcomes = append(outcomes, orgsync.Outcome{
			Key: k.Key, Revision: k.Revision, Done: n == 0, Dead: n == 1, NextTry: now.Add(time.Hour), Reason: "folds to X", Warnings: []string{"mail left out"},
		})
	}
	if err := w.Finish(t.Context(), lane, outcomes); err != nil {
		t.Fatal(err)
	}
	got, err := w.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := store.Status{
		Sinks: []store.SinkStatus{
			{Name: "ldap", Pending: 2, Dead: 1, Oldest: 90 * time.Second},
			{Name: "sql", Pending: 4, Oldest: 90 * time.Second},
		},
		Tenants: []store.TenantStatus{
			{ID: "t", Name: "Name", Users: 1, Departments: 2, Parked: 1},
			{ID: "unannounced", Parked: 1},
		},
		Journal: orgsync.Tally{orgsync.Applied: 3, orgsync.Stale: 1, orgsync.Parked: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Status (-want +got):\n%s", diff)
	}
	lane, err = w.Claim(t.Context(), "ldap", now.Add(time.Hour), now.Add(2*time.Hour), 10)
	if err != nil {
		t.Fatal(err)
	}
	outcomes = outcomes[:0]
	for _, k := range lane.Keys {
		outcomes = append(outcomes, orgsync.Outcome{Key: k.Key, Revision: k.Revision, Done: true})
	}
	if err := w.Finish(t.Context(), lane, outcomes); err != nil {
		t.Fatal(err)
	}
	if got, err = w.Status(t.Context()); err != nil || got.Sinks[0] != (store.SinkStatus{Name: "ldap", Dead: 1}) {
		t.Errorf("Status with nothing but a dead key = %+v, %v", got.Sinks[0], err)
	}
	var reason, warnings string
	query(t, cfg, "SELECT reason FROM dirty WHERE next_try = 9223372036854775807", &reason)
	query(t, cfg, "SELECT text FROM warning", &warnings)
	if reason != "folds to X" || warnings != `["mail left out"]` {
		t.Errorf("reason %q, warnings %q", reason, warnings)
	}
}
