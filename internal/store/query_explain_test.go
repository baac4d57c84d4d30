package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// said accepts an authSync about the user u with the body that carried it.
func (w *world) said(t *testing.T, flag orgsync.Flag, seconds int, body string) {
	t.Helper()
	m := grants("i", "app", flag, seconds)
	w.accept(t, m, m.At, body)
}

func TestExplain(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Now = morning
	w := newWorld(t, open(t, cfg))
	if err := w.OpenSinks(t.Context(), []string{"corp", "product"}); err != nil {
		t.Fatal(err)
	}
	w.pushAt(t, tenantSync("i", orgsync.FlagAdd, 0))
	w.said(t, orgsync.FlagAdd, 1,
		`{"flag":1,"userList":[{"userName":"other","name":"x"},{"userName":"u","role":"admin","mobile":"13800000001","pass":"p"}]}`)
	register := grants("i", "app", orgsync.FlagModify, 0)
	register.Users[0].Attributes = orgsync.Attributes{}.Set(orgsync.AttrMobile, "13800000001")
	w.pushAt(t, register)
	w.said(t, orgsync.FlagRevoke, 2, `{"flag":"3","userList":"[{\"userName\":\"u\"}]"}`)
	w.said(t, orgsync.FlagModify, 3, `{"flag":2,"userList":[{"userName":"other"}]}`)
	w.said(t, orgsync.FlagModify, 3, `no JSON`)
	w.bury(t, "corp")

	got, err := w.Explain(t.Context(), "t", "u")
	if err != nil {
		t.Fatal(err)
	}
	at := func(seconds int) time.Time { return morning().Add(time.Duration(seconds) * time.Second) }
	want := store.Explanation{
		Tenant: store.TenantItem{
			ID: "t", Code: "code", Name: "Name", Domain: "https://auth.example", Active: true, Announced: true, Parked: 1,
		},
		Instances: []store.InstanceItem{{ID: "i", Bound: true, BoundAt: at(0)}},
		User: store.UserProjection{
			User: "u", Status: "disabled", Role: "admin", Mobile: "138****0001",
			Grants: []store.GrantItem{{Instance: "i", App: "app", Role: "admin"}},
		},
		Department: store.ExplainedDepartment{Path: []orgsync.OrgCode{}},
		Grants: []store.ExplainedGrant{{
			Instance: "i", App: "app", Presence: "withdrawn",
			GrantedAt: at(1), ChangedAt: at(3), RevokedAt: at(2),
			Attributes: []store.ExplainedRegister{
				{Name: "role", Value: "admin", At: at(3)},
				{Name: "enable", Value: "true", At: at(1)},
				{Name: "mobile", Value: "138****0001", At: at(0)},
			},
		}},
		Parked: []store.ParkedItem{{
			Tenant: "t", Kind: "user", Key: "u", Instance: "i", Reason: orgsync.ReasonChangedRemoved, Changes: 1, Journal: 5,
		}},
		Sinks: []store.ExplainedSink{
			{Sink: "corp", State: "dead", Reason: "folds to X", Attempts: 1, Since: at(0), Warnings: []string{}},
			{Sink: "product", State: "pending", Since: at(0), Warnings: []string{}},
		},
		Pushes: []store.ExplainedPush{
			{JournalItem: store.JournalItem{ID: 4, Applied: 1}, Flag: "3", Said: map[string]string{}},
			{JournalItem: store.JournalItem{ID: 2, Applied: 1}, Flag: "1", Said: map[string]string{"role": "admin", "mobile": "138****0001"}},
		},
		Searched: 5,
	}
	ignore := cmpopts.IgnoreFields(store.JournalItem{}, "Tenant", "Kind", "Received", "Signed", "Digest", "Body", "Candidate", "Answer")
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("Explain (-want +got):\n%s", diff)
	}
	p := got.Pushes[0].JournalItem
	if p.Tenant != "t" || p.Kind != "authSync" || !p.Signed.Equal(at(2)) || len(p.Digest) != 64 || !p.Body || p.Answer != "ok" {
		t.Errorf("push = %+v", p)
	}
}

func TestExplainOthers(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		got, err := w.Explain(t.Context(), "t", "nobody")
		if err != nil || got.User.Status != "absent" || len(got.Grants) != 0 || len(got.Pushes) != 0 || got.Searched == 0 {
			t.Errorf("Explain(nobody) = %+v, %v", got, err)
		}
	})
	t.Run("waits for a binding", func(t *testing.T) {
		t.Parallel()
		got, err := w.Explain(t.Context(), "waiting", "early")
		if err != nil || got.User.Status != "absent" || len(got.Parked) != 1 || got.Parked[0].Reason != orgsync.ReasonUnbound ||
			got.Sinks[0].State != "unannounced" || got.Grants[0].Live {
			t.Errorf("Explain(early) = %+v, %v", got, err)
		}
	})
	t.Run("all is well", func(t *testing.T) {
		t.Parallel()
		got, err := w.Explain(t.Context(), "t2", "u0")
		corp := store.ExplainedSink{Sink: "corp", State: "done", Warnings: []string{"mobile left out"}}
		department := store.ExplainedDepartment{Code: "b", Known: true, Path: []orgsync.OrgCode{"a", "b"}}
		if err != nil || !got.Grants[0].Enabled || len(got.Parked) != 0 {
			t.Fatalf("Explain(u0) = %+v, %v", got, err)
		}
		if diff := cmp.Diff(corp, got.Sinks[0]) + cmp.Diff(department, got.Department); diff != "" {
			t.Errorf("Explain(u0) (-want +got):\n%s", diff)
		}
	})
	t.Run("unknown tenant", func(t *testing.T) {
		t.Parallel()
		if _, err := w.Explain(t.Context(), "nobody", "u0"); !errors.Is(err, orgsync.ErrNotFound) {
			t.Errorf("Explain = %v, want ErrNotFound", err)
		}
	})
}

// TestExplainReadsNotForEver: a tenant with many pushes costs a bounded number of
// bodies.
func TestExplainReadsNotForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, open(t, config(t)))
	w.PutTenant(t, sso.Tenant{ID: "t", Code: "code", Live: true})
	for n := range 30 {
		w.said(t, orgsync.FlagModify, n, `{"flag":2,"userList":[{"userName":"u"}]}`)
	}
	for n := range 510 {
		w.said(t, orgsync.FlagModify, n, `{"flag":2,"userList":[{"userName":"v"}]}`)
	}
	for user, want := range map[orgsync.UserName]struct{ pushes, searched int }{"v": {20, 20}, "u": {0, 500}} {
		got, err := w.Explain(t.Context(), "t", user)
		if err != nil || len(got.Pushes) != want.pushes || got.Searched != want.searched {
			t.Errorf("Explain(%s): %d pushes of %d, %v, want %+v", user, len(got.Pushes), got.Searched, err, want)
		}
	}
}
