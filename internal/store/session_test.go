package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	ssotest.TestSessions(t, func(tb testing.TB) ssotest.World {
		tb.Helper()
		return newWorld(tb, open(tb, config(tb)))
	})
}

// grants is an authSync of the user u for an instance and an application.
func grants(instance orgsync.InstanceID, app orgsync.AppID, flag orgsync.Flag, seconds int) orgsync.Message {
	return orgsync.Message{
		Kind: orgsync.AuthSync, Tenant: "t", Instance: instance, App: app, Flag: flag, At: morning().Add(time.Duration(seconds) * time.Second),
		Users: []orgsync.UserChange{{Name: "u", Attributes: orgsync.Attributes{}.Set(orgsync.AttrRole, "admin")}},
	}
}

func tenantSync(instance orgsync.InstanceID, flag orgsync.Flag, seconds int) orgsync.Message {
	code, name, domain := "code", "Name", "https://auth.example"
	return orgsync.Message{
		Kind: orgsync.TenantSync, Tenant: "t", Instance: instance, Flag: flag, At: morning().Add(time.Duration(seconds) * time.Second),
		Enterprise: orgsync.Enterprise{Code: &code, Name: &name, Domain: &domain},
	}
}

func clientOf(instance orgsync.InstanceID, app orgsync.AppID, flag orgsync.Flag, seconds int) orgsync.Message {
	return orgsync.Message{
		Kind: orgsync.ApplicationSync, Tenant: "t", Instance: instance, App: app, Flag: flag, At: morning().Add(time.Duration(seconds) * time.Second),
		Client: orgsync.Client{ID: "client of " + string(instance) + " " + string(app), Secret: "secret of " + orgsync.Secret(instance)},
	}
}

// twoInstances is a tenant that bought twice, with a user in both.
func twoInstances(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, open(t, config(t)))
	for _, i := range []orgsync.InstanceID{"one", "two"} {
		w.pushAt(t, tenantSync(i, orgsync.FlagAdd, 0))
		w.pushAt(t, clientOf(i, "app", orgsync.FlagAdd, 0))
		w.pushAt(t, grants(i, "app", orgsync.FlagAdd, 0))
	}
	return w
}

// TestSessionLiveness holds the rules that the common suite cannot say: several
// instances, several applications, and statements that arrive out of order.
func TestSessionLiveness(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		then []orgsync.Message
		want bool
	}{
		{"nothing happens", nil, true},
		{"the same again", []orgsync.Message{grants("one", "app", orgsync.FlagAdd, 0)}, true},
		{"removed in one of two instances", []orgsync.Message{grants("one", "app", orgsync.FlagRemove, 5)}, false},
		{"removed and granted again before the next request", []orgsync.Message{
			grants("one", "app", orgsync.FlagRemove, 5), grants("one", "app", orgsync.FlagAdd, 6),
		}, false},
		{"an old removal arrives late: it changes nothing, yet it is a revocation that sign-in did not see", []orgsync.Message{
			grants("one", "app", orgsync.FlagRemove, -5),
		}, false},
		{"an older mark than another register's is seen", []orgsync.Message{
			grants("two", "app", orgsync.FlagRemove, 3), grants("two", "app", orgsync.FlagAdd, 4),
		}, false},
		{"removed in another application", []orgsync.Message{grants("one", "other", orgsync.FlagRemove, 5)}, true},
		{"another application is unbound", []orgsync.Message{clientOf("one", "other", orgsync.FlagRemove, 5)}, true},
		{"the application is unbound and bound again", []orgsync.Message{
			clientOf("one", "app", orgsync.FlagRemove, 5), clientOf("one", "app", orgsync.FlagAdd, 6),
		}, false},
		{"an instance ends in which the user has no grant", []orgsync.Message{
			tenantSync("three", orgsync.FlagAdd, 5), tenantSync("three", orgsync.FlagRemove, 6),
		}, true},
		{"one of the user's instances ends", []orgsync.Message{tenantSync("one", orgsync.FlagRemove, 5)}, false},
		{"the tenant ends and returns", []orgsync.Message{
			tenantSync("one", orgsync.FlagRemove, 5), tenantSync("two", orgsync.FlagRemove, 5),
			tenantSync("one", orgsync.FlagAdd, 6), clientOf("one", "app", orgsync.FlagAdd, 6), grants("one", "app", orgsync.FlagAdd, 6),
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := twoInstances(t)
			key := w.session(t, nil)
			for _, m := range test.then {
				w.pushAt(t, m)
			}
			w.wantLive(t, key, test.want, test.name)
		})
	}
}

func TestProvisionalSession(t *testing.T) {
	t.Parallel()
	w := twoInstances(t)
	stranger := func(n *sso.NewSession) { n.User, n.Provisional = "stranger", true }
	key := w.session(t, stranger)
	w.wantLive(t, key, true, "no statement names the user")
	w.pushAt(t, clientOf("two", "app", orgsync.FlagRemove, 5))
	w.wantLive(t, key, false, "a credential ended; a user without grants depends on all")
	w.wantLive(t, w.session(t, stranger), true, "signed in after that")
}

func TestSessionNeedsCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, open(t, config(t)))
	w.pushAt(t, tenantSync("one", orgsync.FlagAdd, 0))
	w.pushAt(t, grants("one", "app", orgsync.FlagAdd, 0))
	n := newSession("0", nil)
	if err := w.CreateSession(t.Context(), n); !errors.Is(err, sso.ErrNoSession) {
		t.Errorf("CreateSession = %v, want ErrNoSession: the application was never bound", err)
	}
	w.pushAt(t, clientOf("one", "app", orgsync.FlagAdd, 1))
	w.wantLive(t, n.Key, false, "it is now, and there is still no session")
	key := w.session(t, nil)
	w.wantLive(t, key, true, "signed in after that")
	if _, err := w.Decide(t.Context(), key, morning().Add(20*time.Hour)); !errors.Is(err, sso.ErrNoSession) {
		t.Errorf("Decide long after the idle end = %v, want ErrNoSession", err)
	}
}

func TestDeleteExpired(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	now := morning()
	cfg.Now = func() time.Time { return now }
	w := newWorld(t, open(t, cfg))
	w.admit(t, "u")
	w.session(t, nil)
	w.session(t, func(n *sso.NewSession) { n.Idle = time.Hour })
	w.session(t, func(n *sso.NewSession) { n.Expires = morning().Add(time.Hour) })
	count := func() (n int) {
		query(t, cfg, "SELECT COUNT(*) FROM session", &n)
		return n
	}
	now = morning().Add(time.Hour - time.Millisecond)
	if err := w.DeleteExpired(t.Context()); err != nil || count() != 3 {
		t.Errorf("before the end: %v, %d sessions, want 3", err, count())
	}
	now = morning().Add(time.Hour)
	if err := w.DeleteExpired(t.Context()); err != nil || count() != 1 {
		t.Errorf("after it: %v, %d sessions, want 1", err, count())
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		pushes []orgsync.Message
		want   sso.AccountStatus
		role   sso.Role
	}{
		{"never named", nil, sso.AccountUnknown, sso.RoleUnknown},
		{"granted", []orgsync.Message{grants("one", "app", orgsync.FlagAdd, 1)}, sso.AccountActive, sso.RoleAdmin},
		{"granted for another application", []orgsync.Message{grants("one", "other", orgsync.FlagAdd, 1)}, sso.AccountUnknown, sso.RoleUnknown},
		{"revoked", []orgsync.Message{grants("one", "app", orgsync.FlagAdd, 1), grants("one", "app", orgsync.FlagRevoke, 2)}, sso.AccountRevoked, sso.RoleAdmin},
		{"removed", []orgsync.Message{grants("one", "app", orgsync.FlagAdd, 1), grants("one", "app", orgsync.FlagRemove, 2)}, sso.AccountRemoved, sso.RoleAdmin},
		{"removed before ever granted", []orgsync.Message{grants("one", "app", orgsync.FlagRemove, 2)}, sso.AccountRemoved, sso.RoleUnknown},
		{"revoked in one of two instances", []orgsync.Message{
			grants("one", "app", orgsync.FlagAdd, 1), tenantSync("two", orgsync.FlagAdd, 1), grants("two", "app", orgsync.FlagRevoke, 2),
		}, sso.AccountActive, sso.RoleAdmin},
		{"granted in an instance that was never bound", []orgsync.Message{grants("two", "app", orgsync.FlagAdd, 1)}, sso.AccountUnknown, sso.RoleUnknown},
		{"the instance ended", []orgsync.Message{grants("one", "app", orgsync.FlagAdd, 1), tenantSync("one", orgsync.FlagRemove, 2)}, sso.AccountRemoved, sso.RoleAdmin},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open(t, config(t)))
			w.pushAt(t, tenantSync("one", orgsync.FlagAdd, 0))
			for _, m := range test.pushes {
				w.pushAt(t, m)
			}
			got, err := w.Account(t.Context(), "t", "app", "u")
			if err != nil {
				t.Fatal(err)
			}
			before := got.Marks
			got.Marks = ""
			if diff := cmp.Diff(sso.Account{Status: test.want, Role: test.role}, got); diff != "" {
				t.Errorf("Account (-want +got):\n%s", diff)
			}
			// What is given leaves the marks; what is taken away changes them for good.
			for _, m := range []orgsync.Message{grants("one", "app", orgsync.FlagModify, 50), grants("one", "app", orgsync.FlagRemove, 51), grants("one", "app", orgsync.FlagAdd, 52)} {
				w.pushAt(t, m)
				if got, err = w.Account(t.Context(), "t", "app", "u"); err != nil || (got.Marks == before) != (m.Flag == orgsync.FlagModify) {
					t.Errorf("after flag %d the marks are %q, %v; before %q", m.Flag, got.Marks, err, before)
				}
			}
			other, err := w.Account(t.Context(), "nobody", "app", "u")
			if err != nil || other != (sso.Account{}) {
				t.Errorf("Account at an unknown tenant = %+v, %v", other, err)
			}
		})
	}
}
