package store_test

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// TestStrandedSessions: sessions of tenants that only the configuration knows are listed and ended as others are, and are gone when
// their authority is none any more. Nothing else about the database changes by them.
func TestStrandedSessions(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	before, err := w.ListSessions(t.Context(), store.SessionsOf{}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	status, err := w.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	create := func(name string, tenant sso.TenantID, authority sso.Handle) {
		t.Helper()
		if err := w.CreateSession(t.Context(), sso.NewSession{
			Key: sha256.Sum256([]byte(name)), Tenant: tenant, User: sso.UserName(name), Authority: authority, Provisional: true,
			Created: now, Expires: now.Add(time.Hour), Idle: time.Hour,
		}); err != nil {
			t.Fatal(err)
		}
	}
	create("a1", "own-a", "word-a")
	create("a2", "own-a", "word-a")
	create("b1", "own-b", "word-b")
	users := func(tenant orgsync.TenantID) (names []string) {
		t.Helper()
		l, err := w.ListSessions(t.Context(), store.SessionsOf{}, store.Page{Tenant: tenant})
		if err != nil {
			t.Fatalf("ListSessions(%s) = %v", tenant, err)
		}
		for _, i := range l.Items {
			names = append(names, string(i.User))
			if !i.Live || i.Test {
				t.Errorf("session %+v, want a live one of production", i)
			}
		}
		return names
	}
	if got := users("own-a"); len(got) != 2 || got[0] != "a1" || got[1] != "a2" {
		t.Errorf("sessions of own-a: %v", got)
	}
	if _, err := w.ListSessions(t.Context(), store.SessionsOf{}, store.Page{Tenant: "nobody"}); !errors.Is(err, orgsync.ErrNotFound) {
		t.Errorf("ListSessions of no tenant = %v, want ErrNotFound", err)
	}
	end := func(want int, authorities ...sso.Handle) {
		t.Helper()
		if n, err := w.EndStrandedSessions(t.Context(), authorities); n != want || err != nil {
			t.Errorf("EndStrandedSessions(%v) = %d, %v, want %d", authorities, n, err, want)
		}
	}
	end(0, "word-a", "word-b", "word-c")
	end(2, "word-b")
	if got := users("own-a"); len(got) != 0 {
		t.Errorf("sessions of own-a after its end: %v", got)
	}
	if got := users("own-b"); len(got) != 1 {
		t.Errorf("sessions of own-b: %v", got)
	}
	end(1)
	after, err := w.ListSessions(t.Context(), store.SessionsOf{}, store.Page{})
	if err != nil || len(after.Items) != len(before.Items) {
		t.Errorf("%d sessions left, %v, want the %d of pushed tenants", len(after.Items), err, len(before.Items))
	}
	if now, err := w.Status(t.Context()); err != nil || len(now.Tenants) != len(status.Tenants) || now.Journal != status.Journal {
		t.Errorf("status changed: %+v, %v", now, err)
	}
	if tenants, err := w.ListTenants(t.Context(), store.Page{}); err != nil || len(tenants.Items) != len(status.Tenants) {
		t.Errorf("%d tenants are listed, %v, want %d", len(tenants.Items), err, len(status.Tenants))
	}
}
