package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// TestPurge: bodies cannot be read any more, their digests still answer, other tenants keep
// theirs, and a tenant that comes back gets another key.
func TestPurge(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	scope := orgsync.Scope{Tenant: "t"}
	for _, tenant := range []sso.TenantID{"t", "t2"} {
		if key := w.DataKey(t, orgsync.TenantID(tenant)); len(key) == 0 {
			t.Fatalf("tenant %s has no key", tenant)
		}
	}
	if list, err := w.Ended(t.Context(), morning().AddDate(10, 0, 0)); err != nil || len(list) != 0 {
		t.Errorf("Ended() = %v, %v, want none", list, err)
	}
	w.PutTenant(t, sso.Tenant{ID: "t", Code: "code"})
	for _, c := range []struct {
		days int
		want []orgsync.TenantID
	}{{-365, nil}, {3650, []orgsync.TenantID{"t"}}} {
		list, err := w.Ended(t.Context(), morning().AddDate(0, 0, c.days))
		if diff := cmp.Diff(c.want, list); err != nil || diff != "" {
			t.Errorf("Ended(%d days from now): %v (-want +got)\n%s", c.days, err, diff)
		}
	}
	before, total := journal(t, w), accepted(t, w)
	if _, err := w.acceptor.Purge(t.Context(), scope, true); err != nil {
		t.Fatal(err)
	}
	if key := w.DataKey(t, "t"); key != nil {
		t.Error("the key of the bodies is still there")
	}
	if key := w.DataKey(t, "t2"); len(key) == 0 {
		t.Error("another tenant's key is gone")
	}
	n, err := w.DropBodies(t.Context(), scope)
	if err != nil || n == 0 {
		t.Errorf("DropBodies() = %d, %v, want some", n, err)
	}
	for i := range before {
		before[i].Body = before[i].Body && before[i].Tenant != "t" // the debugging realm is not listed
	}
	if diff := cmp.Diff(before, journal(t, w)); diff != "" {
		t.Errorf("journal (-before with fewer bodies +after):\n%s", diff)
	}
	if got := accepted(t, w); got != total {
		t.Errorf("%d changes are counted, before the purge %d", got, total)
	}
	if list, err := w.Ended(t.Context(), morning().AddDate(10, 0, 0)); err != nil || len(list) != 0 {
		t.Errorf("after the purge Ended() = %v, %v, want none", list, err)
	}
	if l, err := w.ListTenants(t.Context(), store.Page{Tenant: "t"}); err != nil || len(l.Items) != 0 {
		t.Errorf("after the purge the tenant is listed: %+v, %v", l.Items, err)
	}
	w.admit(t, "back")
	if key := w.DataKey(t, "t"); len(key) == 0 {
		t.Error("a tenant that came back has no key")
	}
	if l, err := w.ListUsers(t.Context(), store.Page{Tenant: "t"}); err != nil || len(l.Items) != 1 || l.Items[0].User != "back" {
		t.Errorf("users after the return = %+v, %v, want back alone", l.Items, err)
	}
}

func accepted(t *testing.T, w *world) int64 {
	t.Helper()
	s, err := w.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Journal.Accepted()
}
