package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// personal is what no list may show.
func personal() []string {
	return []string{"13800000001", "zhang@example.com", "the client secret"}
}

// enterprise fills a store with two buyers of whom something is parked, held and dead.
func enterprise(t *testing.T) *world {
	t.Helper()
	cfg := config(t)
	cfg.Now = morning
	w := newWorld(t, open(t, cfg))
	if err := w.OpenSinks(t.Context(), []string{"corp", "product"}); err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []orgsync.TenantID{"t", "t2"} {
		w.PutTenant(t, sso.Tenant{ID: sso.TenantID(tenant), Code: "code", Name: "晨光", Domain: "https://auth.example", Live: true})
		w.PutCredential(t, sso.TenantID(tenant), sso.Credential{App: "app", ClientID: "client", Secret: "the client secret", Live: true})
		w.push(t, orgsync.Message{
			Kind: orgsync.AllOrgSync, Tenant: tenant, Instance: "i",
			Departments: []orgsync.DepartmentChange{{Code: "a"}, {Code: "b", Parent: "a"}, {Code: "c", Parent: "missing"}, {Code: "d"}, {Code: "e"}},
		})
		for n := range 5 {
			w.pushUser(t, tenant, orgsync.UserName(fmt.Sprintf("u%d", n)), "13800000001")
		}
		// An empty list is held; a statement of next year is parked.
		w.push(t, orgsync.Message{Kind: orgsync.AllOrgSync, Tenant: tenant, Instance: "i"})
		w.pushFuture(t, orgsync.Message{
			Kind: orgsync.AuthSync, Tenant: tenant, Instance: "i", App: "app", Flag: orgsync.FlagAdd,
			Users: []orgsync.UserChange{{Name: "late"}, {Name: "later"}},
		})
	}
	w.push(t, orgsync.Message{
		Kind: orgsync.AuthSync, Tenant: "waiting", Instance: "i", App: "app", Flag: orgsync.FlagAdd,
		Users: []orgsync.UserChange{{Name: "early"}, {Name: " bad key"}},
	})
	// The test realm shares nothing.
	w.push(t, orgsync.Message{
		Kind: orgsync.AuthSync, Realm: orgsync.Test, Tenant: "t", Instance: "i", App: "app", Flag: orgsync.FlagAdd,
		Users: []orgsync.UserChange{{Name: "tester"}},
	})
	for n := range 3 {
		w.session(t, func(s *sso.NewSession) { s.User = sso.UserName(fmt.Sprintf("u%d", n)) })
	}
	w.session(t, func(s *sso.NewSession) { s.Tenant, s.User, s.Provisional = "t2", "nobody", true })
	w.bury(t, "corp")
	return w
}

// pushUser says of a user what is personal.
func (w *world) pushUser(t *testing.T, tenant orgsync.TenantID, user orgsync.UserName, mobile string) {
	t.Helper()
	var as orgsync.Attributes
	for a, v := range map[orgsync.Attribute]string{
		orgsync.AttrName: "张三", orgsync.AttrMobile: mobile, orgsync.AttrEmail: "zhang@example.com",
		orgsync.AttrOrgCode: "b", orgsync.AttrRole: "admin",
	} {
		as = as.Set(a, v)
	}
	w.push(t, orgsync.Message{
		Kind: orgsync.AuthSync, Tenant: tenant, Instance: "i", App: "app", Flag: orgsync.FlagAdd,
		Users: []orgsync.UserChange{{Name: user, Attributes: as}},
	})
}

// bury makes every key that the sink is owed of tenant t dead.
func (w *world) bury(t *testing.T, sink string) {
	t.Helper()
	for {
		lane, err := w.Claim(t.Context(), sink, morning(), morning().Add(time.Minute), 1000)
		if errors.Is(err, orgsync.ErrNotFound) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		outcomes := make([]orgsync.Outcome, 0, len(lane.Keys))
		for _, k := range lane.Keys {
			o := orgsync.Outcome{Key: k.Key, Revision: k.Revision, Dead: true, Reason: "folds to X"}
			if lane.Tenant != "t" || k.Kind == orgsync.DepartmentKey {
				o = orgsync.Outcome{Key: k.Key, Revision: k.Revision, Done: true, Warnings: []string{"mobile left out"}}
			}
			outcomes = append(outcomes, o)
		}
		if err := w.Finish(t.Context(), lane, outcomes); err != nil {
			t.Fatal(err)
		}
	}
}

// allSessions is the list of sessions as the others are.
func (w *world) allSessions(ctx context.Context, p store.Page) (store.List[store.SessionItem], error) {
	return w.ListSessions(ctx, store.SessionsOf{}, p)
}

// lister is one of the lists, whatever its items are.
type lister func(context.Context, store.Page) ([]string, string, error)

func listerOf[T any](list func(context.Context, store.Page) (store.List[T], error)) lister {
	return func(ctx context.Context, p store.Page) ([]string, string, error) {
		l, err := list(ctx, p)
		items := make([]string, 0, len(l.Items))
		for _, i := range l.Items {
			text, err := json.Marshal(i)
			if err != nil {
				return nil, "", err
			}
			items = append(items, string(text))
		}
		return items, l.Next, err
	}
}

func lists(w *world) map[string]lister {
	return map[string]lister{
		"tenants": listerOf(w.ListTenants), "departments": listerOf(w.ListDepartments), "users": listerOf(w.ListUsers),
		"parked": listerOf(w.ListParked), "held": listerOf(w.ListHeld), "dead": listerOf(w.ListDead),
		"journal": listerOf(w.ListJournal), "sessions": listerOf(w.allSessions),
	}
}

// TestListsArePaged: pages of any size, put together, are the whole list; a tenant's list
// is the part of it that is the tenant's; and nothing personal stands in any.
func TestListsArePaged(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	for name, c := range map[string]struct{ all, one int }{
		"tenants": {3, 1}, "departments": {10, 5}, "users": {10, 5}, "parked": {2 + 2 + 2, 2}, "held": {2, 1},
		"dead": {6, 6}, "journal": {2*10 + 1, 10}, "sessions": {4, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list := lists(w)[name]
			whole, next, err := list(t.Context(), store.Page{})
			if err != nil || len(whole) != c.all || next != "" {
				t.Fatalf("%d items %v, next %q, %v; want %d", len(whole), whole, next, err, c.all)
			}
			for _, secret := range personal() {
				if strings.Contains(strings.Join(whole, "\n"), secret) {
					t.Errorf("the list shows %q: %v", secret, whole)
				}
			}
			for _, size := range []int{1, 2, 3, c.all, c.all + 1} {
				if diff := cmp.Diff(whole, walk(t, list, store.Page{Limit: size})); diff != "" {
					t.Errorf("pages of %d (-whole +pages):\n%s", size, diff)
				}
			}
			own := slices.DeleteFunc(slices.Clone(whole), func(i string) bool { return !strings.Contains(i, `"tenant_id":"t"`) })
			if diff := cmp.Diff(own, walk(t, list, store.Page{Tenant: "t", Limit: 1})); diff != "" || len(own) != c.one {
				t.Errorf("list of one tenant has %d items, want %d (-part of the whole +list):\n%s", len(own), c.one, diff)
			}
		})
	}
}

func walk(t *testing.T, list lister, p store.Page) []string {
	t.Helper()
	var all []string
	for {
		items, next, err := list(t.Context(), p)
		if err != nil || len(items) > p.Limit {
			t.Fatalf("page of %d: %d items, %v", p.Limit, len(items), err)
		}
		all = append(all, items...)
		if next == "" {
			return all
		}
		p.After = next
	}
}

func TestPageFaults(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	for name, list := range lists(w) {
		for _, c := range []struct {
			page  store.Page
			field string
		}{
			{store.Page{Limit: 1001}, "limit"},
			{store.Page{Limit: -1}, "limit"},
			{store.Page{After: "nonsense!"}, "after"},
			{store.Page{After: "AQ"}, "after"},
			{store.Page{After: foreignCursor(t, w, name)}, "after"},
		} {
			_, _, err := list(t.Context(), c.page)
			field, ok := errors.AsType[*orgsync.FieldError](err)
			if !ok || field.Field != c.field {
				t.Errorf("%s of %+v = %v, want a fault of %s", name, c.page, err, c.field)
			}
		}
		if _, _, err := list(t.Context(), store.Page{Tenant: "nobody"}); !errors.Is(err, orgsync.ErrNotFound) {
			t.Errorf("%s of an unknown tenant = %v, want ErrNotFound", name, err)
		}
	}
}

// foreignCursor is the place in another list.
func foreignCursor(t *testing.T, w *world, name string) string {
	t.Helper()
	other := "users"
	if name == other {
		other = "departments"
	}
	_, next, err := lists(w)[other](t.Context(), store.Page{Limit: 1})
	if err != nil || next == "" {
		t.Fatalf("%s: next %q, %v", other, next, err)
	}
	return next
}

func TestRedaction(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ mobile, email, wantMobile, wantEmail string }{
		{"", "", "", ""},
		{"13800000001", "zhang@example.com", "138****0001", "z***@example.com"},
		{"+8613800000001", "张@example.com", "+86138****0001", "张***@example.com"},
		{"12345678", "no address", "1****78", "***"},
		{"12345", "@example.com", "****", "***"},
		{strings.Repeat("1", 300), "a@b@c", "****", "a***@c"},
	} {
		if got := store.RedactMobile(c.mobile); got != c.wantMobile {
			t.Errorf("mobile %q is shown as %q, want %q", c.mobile, got, c.wantMobile)
		}
		if got := store.RedactEmail(c.email); got != c.wantEmail {
			t.Errorf("address %q is shown as %q, want %q", c.email, got, c.wantEmail)
		}
	}
}

func TestListTexts(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	users, err := w.ListUsers(t.Context(), store.Page{Tenant: "t", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := store.UserItem{Tenant: "t", UserProjection: store.UserProjection{
		User: "u0", Status: "enabled", Role: "admin", Name: "张三", OrgCode: "b", Mobile: "138****0001", Email: "z***@example.com",
		Grants: []store.GrantItem{{Instance: "i", App: "app", Role: "admin", Enabled: true}},
	}}
	if diff := cmp.Diff([]store.UserItem{want}, users.Items); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	parked, err := w.ListParked(t.Context(), store.Page{Tenant: "t"})
	if err != nil || len(parked.Items) != 2 {
		t.Fatalf("parked = %+v, %v", parked, err)
	}
	if m := parked.Items[0]; m.Kind != "message" || m.Key != "authSync" || m.Changes != 2 || m.Due.IsZero() || m.Journal == 0 {
		t.Errorf("message from the future = %+v", m)
	}
	if d := parked.Items[1]; d.Kind != "department" || d.Key != "c" || d.Reason != "parent unknown: missing" || d.Journal == 0 {
		t.Errorf("parked department = %+v", d)
	}
	w.PutAccount(t, "t2", "app", "nobody", sso.Account{Status: sso.AccountRemoved})
	sessions, err := w.ListSessions(t.Context(), store.SessionsOf{}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions.Items {
		if want := s.Tenant == "t"; s.Live != want {
			t.Errorf("session of %s at %s: live %t, want %t", s.User, s.Tenant, s.Live, want)
		}
	}
}

// TestNumbersOfTheLists: what the lists hold is what Status counts.
func TestNumbersOfTheLists(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	status, err := w.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tenants, err := w.ListTenants(t.Context(), store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for n, t2 := range tenants.Items {
		parked, err := w.ListParked(t.Context(), store.Page{Tenant: t2.ID})
		if err != nil {
			t.Fatal(err)
		}
		var changes int64
		for _, i := range parked.Items {
			changes += i.Changes
		}
		want := status.Tenants[n]
		got := store.TenantStatus{ID: t2.ID, Name: t2.Name, Users: t2.Users, Departments: t2.Departments, Parked: changes, Held: t2.Held}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tenant (-status +lists):\n%s", diff)
		}
	}
}

// TestExpiredSessions: who stayed away too long, or was in for too long, is neither listed
// nor counted.
func TestExpiredSessions(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	now := morning()
	cfg.Now = func() time.Time { return now }
	w := newWorld(t, open(t, cfg))
	w.admit(t, "idle", "old", "young")
	w.session(t, func(s *sso.NewSession) { s.User = "idle"; s.Idle = time.Hour })
	w.session(t, func(s *sso.NewSession) { s.User = "old"; s.Expires = morning().Add(2 * time.Hour) })
	w.session(t, func(s *sso.NewSession) { s.User = "young" })
	for _, c := range []struct {
		after time.Duration
		want  []sso.UserName
	}{
		{time.Hour - time.Millisecond, []sso.UserName{"idle", "old", "young"}},
		{time.Hour, []sso.UserName{"old", "young"}},
		{2 * time.Hour, []sso.UserName{"young"}},
		{8 * time.Hour, nil},
	} {
		now = morning().Add(c.after)
		l, err := w.ListSessions(t.Context(), store.SessionsOf{}, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		var got []sso.UserName
		for _, s := range l.Items {
			got = append(got, s.User)
		}
		n, err := w.CountSessions(t.Context())
		if diff := cmp.Diff(c.want, got); diff != "" || int(n) != len(c.want) || err != nil {
			t.Errorf("after %s: %d sessions, %v (-want +got):\n%s", c.after, n, err, diff)
		}
	}
}

func TestWaitingScope(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	held, err := w.ListHeld(t.Context(), store.Page{Tenant: "t2"})
	if err != nil || len(held.Items) != 1 {
		t.Fatalf("held = %+v, %v", held, err)
	}
	item := held.Items[0]
	if item.Why != "guard" || item.Reason != "an empty list removes every department" || item.Kind != "allOrgSync" || item.Changes != 1 {
		t.Errorf("held = %+v", item)
	}
	scope, err := w.WaitingScope(t.Context(), item.ID)
	if err != nil || scope != (orgsync.Scope{Realm: orgsync.Production, Tenant: "t2"}) {
		t.Fatalf("WaitingScope(%d) = %+v, %v", item.ID, scope, err)
	}
	if _, err := w.acceptor.Reject(t.Context(), scope, item.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.WaitingScope(t.Context(), item.ID); !errors.Is(err, orgsync.ErrNotFound) {
		t.Errorf("WaitingScope of a rejected one = %v, want ErrNotFound", err)
	}
	if held, err = w.ListHeld(t.Context(), store.Page{Tenant: "t2"}); err != nil || len(held.Items) != 0 {
		t.Errorf("held after the rejection = %+v, %v", held, err)
	}
}

func TestRetryDead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sink   string
		tenant orgsync.TenantID
		want   int
		err    error
	}{
		{"", "", 6, nil},
		{"corp", "t", 6, nil},
		{"product", "", 0, nil},
		{"corp", "t2", 0, nil},
		{"nobody", "", 0, orgsync.ErrNotFound},
		{"corp", "nobody", 0, orgsync.ErrNotFound},
	} {
		t.Run(c.sink+"/"+string(c.tenant), func(t *testing.T) {
			t.Parallel()
			w := enterprise(t)
			if n, err := w.RetryDead(t.Context(), c.sink, c.tenant); n != c.want || !errors.Is(err, c.err) {
				t.Fatalf("RetryDead = %d, %v, want %d, %v", n, err, c.want, c.err)
			}
			left, err := w.ListDead(t.Context(), store.Page{})
			if err != nil || len(left.Items) != 6-c.want {
				t.Fatalf("dead = %+v, %v, want %d", left, err, 6-c.want)
			}
			lane, err := w.Claim(t.Context(), "corp", morning(), morning().Add(time.Minute), 1000)
			if due := !errors.Is(err, orgsync.ErrNotFound); due != (c.want > 0) || len(lane.Keys) != c.want {
				t.Errorf("Claim = %d keys, %v, want %d", len(lane.Keys), err, c.want)
			}
		})
	}
}

func TestEndSessions(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	l, err := w.ListSessions(t.Context(), store.SessionsOf{}, store.Page{Tenant: "t"})
	if err != nil || len(l.Items) != 3 {
		t.Fatalf("sessions = %+v, %v", l, err)
	}
	for n := range 2 { // the second time there is none
		if ended, err := w.EndSessionNamed(t.Context(), l.Items[0].ID); ended != 1-n || err != nil {
			t.Errorf("EndSessionNamed = %d, %v, want %d", ended, err, 1-n)
		}
	}
	for _, bad := range []string{"", "zz", l.Items[0].ID + "00"} {
		if _, err := w.EndSessionNamed(t.Context(), bad); !errors.Is(err, orgsync.ErrInvalid) {
			t.Errorf("EndSessionNamed(%q) = %v, want ErrInvalid", bad, err)
		}
	}
	if ended, err := w.EndSessionsAt(t.Context(), "t", store.SessionsOf{User: "u1"}); ended != 1 || err != nil {
		t.Errorf("EndSessionsAt of u1 = %d, %v, want 1", ended, err)
	}
	if l, err = w.ListSessions(t.Context(), store.SessionsOf{}, store.Page{Tenant: "t"}); err != nil || len(l.Items) != 1 || l.Items[0].User != "u2" {
		t.Errorf("sessions left = %+v, %v, want that of u2", l, err)
	}
	for _, c := range []struct {
		tenant sso.TenantID
		want   int
	}{{"another", 0}, {"t", 1}, {"t", 0}} {
		if ended, err := w.EndSessionsAt(t.Context(), c.tenant, store.SessionsOf{}); ended != c.want || err != nil {
			t.Errorf("EndSessionsAt(%s) = %d, %v, want %d", c.tenant, ended, err, c.want)
		}
	}
}

// TestSessionsOf: sessions are listed and ended by who they are of and what they were begun with.
func TestSessionsOf(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Now = morning
	w := newWorld(t, open(t, cfg))
	w.admit(t, "u", "v")
	for _, of := range []store.SessionsOf{{User: "u", Device: "Firefox"}, {User: "u", Device: "Edge"}, {User: "u"}, {User: "v", Device: "Edge"}} {
		w.session(t, func(n *sso.NewSession) { n.User, n.Device = of.User, of.Device })
	}
	listed := func(of store.SessionsOf) (got []string) {
		t.Helper()
		for _, tenant := range []orgsync.TenantID{"t", ""} {
			l, err := w.ListSessions(t.Context(), of, store.Page{Tenant: tenant})
			if err != nil {
				t.Fatal(err)
			}
			got = nil
			for _, i := range l.Items {
				got = append(got, string(i.User)+" "+i.Device)
			}
			slices.Sort(got)
		}
		return got
	}
	for _, tt := range []struct {
		of   store.SessionsOf
		want []string
	}{
		{store.SessionsOf{User: "u"}, []string{"u ", "u Edge", "u Firefox"}},
		{store.SessionsOf{Device: "Edge"}, []string{"u Edge", "v Edge"}},
		{store.SessionsOf{User: "u", Device: "Edge"}, []string{"u Edge"}},
		{store.SessionsOf{Device: "edge"}, nil},
	} {
		if diff := cmp.Diff(tt.want, listed(tt.of)); diff != "" {
			t.Errorf("sessions of %+v (-want +got):\n%s", tt.of, diff)
		}
	}
	for _, tt := range []struct {
		of   store.SessionsOf
		want int
	}{{store.SessionsOf{User: "v", Device: "Firefox"}, 0}, {store.SessionsOf{User: "u", Device: "Edge"}, 1}, {store.SessionsOf{User: "u"}, 2}} {
		if n, err := w.EndSessionsAt(t.Context(), "t", tt.of); n != tt.want || err != nil {
			t.Errorf("EndSessionsAt %+v = %d, %v, want %d", tt.of, n, err, tt.want)
		}
	}
	if diff := cmp.Diff([]string{"v Edge"}, listed(store.SessionsOf{})); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// TestListsAreNeverNull: a script finds a list, also where there is nothing.
func TestListsAreNeverNull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, open(t, config(t)))
	for name, list := range lists(w) {
		items, next, err := list(t.Context(), store.Page{})
		if err != nil || len(items) != 0 || next != "" {
			t.Errorf("%s of nothing = %v, %q, %v", name, items, next, err)
		}
	}
	l, err := w.ListUsers(t.Context(), store.Page{})
	if text, _ := json.Marshal(l); err != nil || string(text) != `{"items":[],"next":""}` {
		t.Errorf("users of nothing = %s, %v", text, err)
	}
}
