package ssotest

import (
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
)

// World is a Sessions under test together with the organisation around it. The Put methods say what holds from now on, as a
// push would: each call is newer than all before it, and a call that takes something away (a tenant or credential that is
// not live, an account that is disabled, revoked or removed) is a revocation and raises the marks.
type World interface {
	sso.Sessions
	PutTenant(tb testing.TB, t sso.Tenant)
	PutCredential(tb testing.TB, tenant sso.TenantID, c sso.Credential)
	PutAccount(tb testing.TB, tenant sso.TenantID, app sso.AppID, user sso.UserName, a sso.Account)
}

// The suite's organisation: the same user name in two tenants.
const (
	suiteTenant sso.TenantID = "t-one"
	suiteOther  sso.TenantID = "t-two"
	suiteApp    sso.AppID    = "app"
	suiteUser   sso.UserName = "zhang.san"
)

func suiteStart() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }

func suiteAccount() sso.Account {
	return sso.Account{Status: sso.AccountActive, Role: sso.RoleAdmin, Profile: sso.Profile{
		Name: "张三", OrgCode: "10000", Email: "zhang@example.com", Mobile: "13800000000", EmployeeCode: "E1",
	}}
}

// TestSessions checks that an implementation keeps the promises of [sso.Sessions]. open returns an empty world.
func TestSessions(t *testing.T, open func(testing.TB) World) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, *suite){
		"decide returns what was stored and what is synced": checkDecide,
		"unknown key":                         checkUnknown,
		"key cannot be used twice":            checkTwice,
		"idle and absolute end":               checkExpiry,
		"touch":                               checkTouch,
		"end":                                 checkEnd,
		"end all of a user":                   checkEndAll,
		"log out by the auth centre's word":   checkLogOut,
		"a ticket counts once":                checkTicket,
		"revocation ends, and does not undo":  checkRevocations,
		"revocations of others do not matter": checkOthers,
		"a new session after a revocation":    checkAgain,
		"no session without a right":          checkRefused,
		"changes without revocation":          checkChanges,
		"provisional":                         checkProvisional,
		"one asks the auth centre again":      checkTurn,
		"what came of asking":                 checkRenew,
		"tokens that wait":                    checkDeposit,
		"a turn that was lost":                checkLostTurn,
		"a tenant that no push names":         checkAuthority,
		"concurrent use":                      checkConcurrent,
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{World: open(t)}
			for _, tenant := range []sso.TenantID{suiteTenant, suiteOther} {
				s.PutTenant(t, sso.Tenant{ID: tenant, Code: "code-" + string(tenant), Name: "名 " + string(tenant), Domain: "https://auth.example", Live: true})
				s.PutCredential(t, tenant, sso.Credential{App: suiteApp, ClientID: "client", Secret: "secret", Live: true})
				s.PutAccount(t, tenant, suiteApp, suiteUser, suiteAccount())
			}
			check(t, s)
		})
	}
}

type suite struct{ World }

// newSession is a session made of its name.
func newSession(name string, change func(*sso.NewSession)) sso.NewSession {
	n := sso.NewSession{
		Key: sha256.Sum256([]byte(name)), Tenant: suiteTenant, App: suiteApp, User: suiteUser, Role: sso.RoleUser,
		Filled: sso.Profile{Name: "filled", EmployeeCode: "E9"}, Domain: "https://auth.example",
		Created: suiteStart(), Expires: suiteStart().Add(24 * time.Hour), Idle: 8 * time.Hour,
	}
	if change != nil {
		change(&n)
	}
	return n
}

// create stores a session made of its name and returns its key.
func (s *suite) create(t *testing.T, name string, change func(*sso.NewSession)) sso.SessionKey {
	t.Helper()
	n := newSession(name, change)
	if err := s.CreateSession(t.Context(), n); err != nil {
		t.Fatalf("CreateSession(%s) = %v", name, err)
	}
	return n.Key
}

func (s *suite) wantLive(t *testing.T, key sso.SessionKey, now time.Time, want bool, when string) {
	t.Helper()
	_, err := s.Decide(t.Context(), key, now)
	switch {
	case want && err != nil:
		t.Errorf("%s: Decide = %v, want a live session", when, err)
	case !want && !errors.Is(err, sso.ErrNoSession):
		t.Errorf("%s: Decide = %v, want ErrNoSession", when, err)
	}
}

func checkDecide(t *testing.T, s *suite) {
	key := s.create(t, "a", nil)
	got, err := s.Decide(t.Context(), key, suiteStart().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	want := sso.LiveSession{
		Tenant: suiteTenant, App: suiteApp, User: suiteUser, TenantCode: "code-t-one", TenantName: "名 t-one",
		Role: sso.RoleUser, Filled: sso.Profile{Name: "filled", EmployeeCode: "E9"}, Domain: "https://auth.example",
		Account: suiteAccount(), Created: suiteStart(), Expires: suiteStart().Add(24 * time.Hour), Touched: suiteStart(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decide (-want +got)\n%s", diff)
	}
}

func checkUnknown(t *testing.T, s *suite) {
	s.wantLive(t, sha256.Sum256([]byte("never")), suiteStart(), false, "unknown key")
}

func checkTwice(t *testing.T, s *suite) {
	key := s.create(t, "a", nil)
	n := sso.NewSession{
		Key: key, Tenant: suiteOther, App: suiteApp, User: suiteUser,
		Created: suiteStart(), Expires: suiteStart().Add(time.Hour), Idle: time.Hour,
	}
	if err := s.CreateSession(t.Context(), n); err == nil {
		t.Error("CreateSession took a key that exists")
	}
	if got, err := s.Decide(t.Context(), key, suiteStart()); err != nil || got.Tenant != suiteTenant {
		t.Errorf("Decide = %v, %v after a refused second creation, want the first session", got.Tenant, err)
	}
}

func checkExpiry(t *testing.T, s *suite) {
	key := s.create(t, "a", nil)
	s.wantLive(t, key, suiteStart().Add(8*time.Hour-time.Second), true, "before the idle end")
	s.wantLive(t, key, suiteStart().Add(8*time.Hour), false, "at the idle end")
	long := s.create(t, "b", func(n *sso.NewSession) { n.Idle = 100 * time.Hour })
	s.wantLive(t, long, suiteStart().Add(24*time.Hour-time.Second), true, "before the absolute end")
	s.wantLive(t, long, suiteStart().Add(24*time.Hour), false, "at the absolute end")
}

func checkTouch(t *testing.T, s *suite) {
	key := s.create(t, "a", nil)
	touch := func(at time.Time) {
		t.Helper()
		if err := s.TouchSession(t.Context(), key, at); err != nil {
			t.Fatalf("TouchSession = %v", err)
		}
	}
	touch(suiteStart().Add(7 * time.Hour))
	touch(suiteStart().Add(time.Hour)) // must not move it back
	s.wantLive(t, key, suiteStart().Add(14*time.Hour), true, "touched after 7 h")
	s.wantLive(t, key, suiteStart().Add(15*time.Hour), false, "8 h after the touch")
	touch(suiteStart().Add(23 * time.Hour))
	s.wantLive(t, key, suiteStart().Add(24*time.Hour), false, "a touch must not extend the absolute end")
	if err := s.TouchSession(t.Context(), sha256.Sum256([]byte("gone")), suiteStart()); err != nil {
		t.Errorf("TouchSession of no session = %v, want nil", err)
	}
}

func checkEnd(t *testing.T, s *suite) {
	a, b := s.create(t, "a", nil), s.create(t, "b", nil)
	for range 2 {
		if err := s.EndSession(t.Context(), a); err != nil {
			t.Fatalf("EndSession = %v", err)
		}
	}
	s.wantLive(t, a, suiteStart(), false, "ended")
	s.wantLive(t, b, suiteStart(), true, "another session of the same user")
}

func checkEndAll(t *testing.T, s *suite) {
	a, b := s.create(t, "a", nil), s.create(t, "b", nil)
	other := s.create(t, "c", func(n *sso.NewSession) { n.Tenant = suiteOther })
	if err := s.EndSessionsOf(t.Context(), suiteTenant, suiteUser); err != nil {
		t.Fatal(err)
	}
	s.wantLive(t, a, suiteStart(), false, "first session")
	s.wantLive(t, b, suiteStart(), false, "second session")
	s.wantLive(t, other, suiteStart(), true, "the same name in another tenant")
}

// checkLogOut has a user with sessions that the auth centre named in different ways, and namesakes whom no word may reach.
func checkLogOut(t *testing.T, s *suite) {
	named := func(tenant sso.TenantID, subject, session sso.Handle) func(*sso.NewSession) {
		return func(n *sso.NewSession) { n.Tenant, n.Subject, n.ProviderSession = tenant, subject, session }
	}
	for i, tt := range []struct {
		name             string
		subject, session sso.Handle
		tenants          []sso.TenantID
		want             string // the sessions that are left
	}{
		{"subject alone", "sub-1", "", []sso.TenantID{suiteTenant}, "d e f"},
		{"subject and session", "sub-1", "sid-1", []sso.TenantID{suiteTenant}, "b d e f"},
		{"session alone", "", "sid-1", []sso.TenantID{suiteTenant}, "b c d e f"},
		{"session of another user", "sub-2", "sid-1", []sso.TenantID{suiteTenant}, "a b c d e f"},
		{"both tenants", "sub-1", "", []sso.TenantID{suiteTenant, suiteOther}, "d f"},
		{"nobody", "", "", []sso.TenantID{suiteTenant, suiteOther}, "a b c d e f"},
		{"no tenant", "sub-1", "", nil, "a b c d e f"},
	} {
		keys := map[string]sso.SessionKey{}
		for name, change := range map[string]func(*sso.NewSession){
			"a": named(suiteTenant, "sub-1", "sid-1"), "b": named(suiteTenant, "sub-1", "sid-2"), "c": named(suiteTenant, "sub-1", ""),
			"d": named(suiteTenant, "sub-2", "sid-4"), "e": named(suiteOther, "sub-1", "sid-1"), "f": named(suiteTenant, "", ""),
		} {
			keys[name] = s.create(t, name+tt.name, change)
		}
		l := sso.Logout{
			Token: sso.Handle(tt.name), Until: suiteStart().AddDate(100, 0, 0), Tenants: tt.tenants, Subject: tt.subject, Session: tt.session,
		}
		ended, err := s.LogOut(t.Context(), l)
		if want := 6 - len(strings.Fields(tt.want)); err != nil || ended != want {
			t.Errorf("%s: LogOut = %d, %v, want %d", tt.name, ended, err, want)
		}
		for name, key := range keys {
			s.wantLive(t, key, suiteStart(), strings.Contains(tt.want, name), tt.name+", session "+name)
		}
		if i == 0 {
			again := s.create(t, "again", named(suiteTenant, "sub-1", "sid-1"))
			if _, err := s.LogOut(t.Context(), l); !errors.Is(err, sso.ErrReplayed) {
				t.Errorf("the same token again: %v, want ErrReplayed", err)
			}
			s.wantLive(t, again, suiteStart(), true, "signed in after a token that is sent again")
		}
		for _, key := range keys {
			if err := s.EndSession(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 {
			if err := s.EndSession(t.Context(), sha256.Sum256([]byte("again"))); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// revocation is one way to take a right away, and to give it back.
type revocation struct {
	name       string
	take, back func(testing.TB, World)
}

func revocations() []revocation {
	account := func(status sso.AccountStatus) func(testing.TB, World) {
		return func(tb testing.TB, w World) {
			tb.Helper()
			a := suiteAccount()
			a.Status = status
			w.PutAccount(tb, suiteTenant, suiteApp, suiteUser, a)
		}
	}
	tenant := func(live bool) func(testing.TB, World) {
		return func(tb testing.TB, w World) {
			tb.Helper()
			w.PutTenant(tb, sso.Tenant{ID: suiteTenant, Code: "code-t-one", Name: "名 t-one", Domain: "https://auth.example", Live: live})
			if live { // everything below a removed tenant has to be said again
				w.PutCredential(tb, suiteTenant, sso.Credential{App: suiteApp, ClientID: "client", Secret: "secret", Live: true})
				w.PutAccount(tb, suiteTenant, suiteApp, suiteUser, suiteAccount())
			}
		}
	}
	credential := func(live bool) func(testing.TB, World) {
		return func(tb testing.TB, w World) {
			tb.Helper()
			w.PutCredential(tb, suiteTenant, sso.Credential{App: suiteApp, ClientID: "client", Secret: "secret", Live: live})
		}
	}
	return []revocation{
		{"user disabled", account(sso.AccountDisabled), account(sso.AccountActive)},
		{"access revoked", account(sso.AccountRevoked), account(sso.AccountActive)},
		{"user removed", account(sso.AccountRemoved), account(sso.AccountActive)},
		{"application unbound", credential(false), credential(true)},
		{"tenant removed", tenant(false), tenant(true)},
	}
}

func checkRevocations(t *testing.T, s *suite) {
	for _, r := range revocations() {
		key := s.create(t, r.name, nil)
		s.wantLive(t, key, suiteStart(), true, "before: "+r.name)
		r.take(t, s.World)
		s.wantLive(t, key, suiteStart(), false, r.name)
		r.back(t, s.World)
		s.wantLive(t, key, suiteStart(), false, r.name+", and given back: the mark stays")
	}
}

func checkOthers(t *testing.T, s *suite) {
	other := s.create(t, "other", func(n *sso.NewSession) { n.Tenant = suiteOther })
	s.PutAccount(t, suiteTenant, suiteApp, "li.si", suiteAccount())
	colleague := s.create(t, "colleague", func(n *sso.NewSession) { n.User = "li.si" })
	for _, r := range revocations()[:3] {
		r.take(t, s.World)
		s.wantLive(t, colleague, suiteStart(), true, "a colleague, "+r.name)
	}
	for _, r := range revocations() {
		r.take(t, s.World)
		s.wantLive(t, other, suiteStart(), true, "the same name in another tenant, "+r.name)
	}
}

func checkAgain(t *testing.T, s *suite) {
	for _, r := range revocations() {
		r.take(t, s.World)
		r.back(t, s.World)
		s.wantLive(t, s.create(t, r.name, nil), suiteStart(), true, "signed in after: "+r.name+", and back")
	}
}

// checkTicket has many spend two tickets at the same time.
func checkTicket(t *testing.T, s *suite) {
	var mu sync.Mutex
	taken := map[sso.Handle]int{}
	var wg sync.WaitGroup
	for i := range 20 {
		ticket := sso.Handle([]string{"ticket-1", "ticket-2"}[i%2])
		wg.Go(func() {
			err := s.SpendTicket(t.Context(), ticket, suiteStart().AddDate(100, 0, 0))
			if err != nil && !errors.Is(err, sso.ErrReplayed) {
				t.Errorf("SpendTicket = %v, want nil or ErrReplayed", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				taken[ticket]++
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[sso.Handle]int{"ticket-1": 1, "ticket-2": 1}, taken); diff != "" {
		t.Errorf("how often each ticket was taken (-want +got)\n%s", diff)
	}
	// The auth centre's word is another thing than a ticket, though both count once.
	if _, err := s.LogOut(t.Context(), sso.Logout{Token: "token", Until: suiteStart().AddDate(100, 0, 0)}); err != nil {
		t.Errorf("LogOut beside tickets = %v", err)
	}
}

// checkRefused takes a right away after sign-in asked for it and before there is a session. What is given back then may be
// somebody else's, so the session must not come to life.
func checkRefused(t *testing.T, s *suite) {
	refuse := func(name string, change func(*sso.NewSession)) sso.SessionKey {
		t.Helper()
		n := newSession(name, change)
		if err := s.CreateSession(t.Context(), n); !errors.Is(err, sso.ErrNoSession) {
			t.Errorf("%s: CreateSession = %v, want ErrNoSession", name, err)
		}
		s.wantLive(t, n.Key, suiteStart(), false, name)
		return n.Key
	}
	provisional := func(n *sso.NewSession) { n.Provisional = true }
	for _, r := range revocations() {
		r.take(t, s.World)
		plain, jit := refuse(r.name, nil), refuse(r.name+", provisional", provisional)
		r.back(t, s.World)
		s.wantLive(t, plain, suiteStart(), false, r.name+", and given back")
		s.wantLive(t, jit, suiteStart(), false, r.name+", provisional, and given back")
	}
	refuse("unknown tenant", func(n *sso.NewSession) { n.Tenant = "nobody" })
	refuse("unknown application", func(n *sso.NewSession) { n.App = "other" })
	refuse("unknown application, provisional", func(n *sso.NewSession) { n.App, n.Provisional = "other", true })
	newcomer := refuse("unknown user", func(n *sso.NewSession) { n.User = "wang.wu" })
	s.PutAccount(t, suiteTenant, suiteApp, "wang.wu", suiteAccount())
	s.wantLive(t, newcomer, suiteStart(), false, "unknown user, who has arrived")
}

func checkChanges(t *testing.T, s *suite) {
	key := s.create(t, "a", nil)
	changed := sso.Account{Status: sso.AccountActive, Role: sso.RoleUser, Profile: sso.Profile{Name: "张三丰"}}
	s.PutAccount(t, suiteTenant, suiteApp, suiteUser, changed)
	s.PutCredential(t, suiteTenant, sso.Credential{App: suiteApp, ClientID: "client", Secret: "rotated", Live: true})
	s.PutTenant(t, sso.Tenant{ID: suiteTenant, Code: "code-t-one", Name: "new name", Domain: "https://new.example", Live: true})
	got, err := s.Decide(t.Context(), key, suiteStart())
	if err != nil {
		t.Fatalf("Decide after harmless changes = %v", err)
	}
	if got.Account.Role != sso.RoleUser || got.Account.Name != "张三丰" || got.TenantName != "new name" {
		t.Errorf("Decide = %+v, want the account and the tenant as synced now", got)
	}
}

func checkProvisional(t *testing.T, s *suite) {
	const newcomer sso.UserName = "wang.wu"
	key := s.create(t, "jit", func(n *sso.NewSession) { n.User, n.Provisional = newcomer, true })
	got, err := s.Decide(t.Context(), key, suiteStart())
	if err != nil || got.Account.Status != sso.AccountUnknown || !got.Provisional {
		t.Fatalf("Decide(provisional) = %+v, %v, want a live session of an unknown account", got, err)
	}
	s.PutAccount(t, suiteTenant, suiteApp, newcomer, suiteAccount())
	s.wantLive(t, key, suiteStart(), true, "provisional, the account has arrived")
	gone := suiteAccount()
	gone.Status = sso.AccountRemoved
	s.PutAccount(t, suiteTenant, suiteApp, newcomer, gone)
	s.wantLive(t, key, suiteStart(), false, "provisional, the account was removed")
}

// checkAuthority has sessions of a tenant that the configuration vouches for. They last as long as no push of production names it.
func checkAuthority(t *testing.T, s *suite) {
	const own sso.TenantID = "own"
	vouched := func(tenant sso.TenantID) func(*sso.NewSession) {
		return func(n *sso.NewSession) {
			n.Tenant, n.Authority, n.Provisional = tenant, "word", true
			n.Subject, n.ProviderSession = "sub-1", "sid-1"
		}
	}
	key := s.create(t, "own", vouched(own))
	got, err := s.Decide(t.Context(), key, suiteStart())
	want := sso.LiveSession{
		Tenant: own, App: suiteApp, User: suiteUser, Role: sso.RoleUser, Filled: sso.Profile{Name: "filled", EmployeeCode: "E9"},
		Domain: "https://auth.example", Authority: "word", Provisional: true,
		Created: suiteStart(), Expires: suiteStart().Add(24 * time.Hour), Touched: suiteStart(),
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Decide = %v (-want +got)\n%s", err, diff)
	}
	s.wantLive(t, key, suiteStart().Add(8*time.Hour), false, "vouched for, at the idle end")
	if ended, err := s.LogOut(t.Context(), sso.Logout{Token: "t", Until: suiteStart().AddDate(100, 0, 0), Tenants: []sso.TenantID{own}, Subject: "sub-1", Session: "sid-1"}); err != nil || ended != 1 {
		t.Errorf("LogOut = %d, %v, want 1", ended, err)
	}
	s.wantLive(t, key, suiteStart(), false, "vouched for, logged out")

	key = s.create(t, "again", vouched(own))
	s.PutTenant(t, sso.Tenant{ID: own, Code: "c", Name: "n", Domain: "https://auth.example", Live: true, Test: true})
	s.wantLive(t, key, suiteStart(), true, "vouched for, and debug data has the same id")
	second := s.create(t, "beside debug data", vouched(own))
	s.PutTenant(t, sso.Tenant{ID: own, Code: "c", Name: "n", Domain: "https://auth.example", Live: true})
	s.wantLive(t, key, suiteStart(), false, "a push has named the tenant")
	s.wantLive(t, second, suiteStart(), false, "a push has named the tenant, second session")
	for _, tenant := range []sso.TenantID{own, suiteTenant} {
		if err := s.CreateSession(t.Context(), newSession("late "+string(tenant), vouched(tenant))); !errors.Is(err, sso.ErrNoSession) {
			t.Errorf("CreateSession with an authority at %s = %v, want ErrNoSession: pushes name it", tenant, err)
		}
	}
	n := newSession("no word", vouched("nobody"))
	n.Authority = ""
	if err := s.CreateSession(t.Context(), n); !errors.Is(err, sso.ErrNoSession) {
		t.Errorf("CreateSession without an authority at an unknown tenant = %v, want ErrNoSession", err)
	}
}

func checkConcurrent(t *testing.T, s *suite) {
	keys := make([]sso.SessionKey, 8)
	for i := range keys {
		keys[i] = s.create(t, string(rune('a'+i)), nil)
	}
	var wg sync.WaitGroup
	for _, key := range keys {
		wg.Go(func() {
			for i := range 20 {
				if _, err := s.Decide(t.Context(), key, suiteStart()); err != nil {
					t.Errorf("Decide = %v", err)
				}
				if err := s.TouchSession(t.Context(), key, suiteStart().Add(time.Duration(i)*time.Minute)); err != nil {
					t.Errorf("TouchSession = %v", err)
				}
			}
			if err := s.EndSession(t.Context(), key); err != nil {
				t.Errorf("EndSession = %v", err)
			}
		})
	}
	wg.Wait()
}
