package store_test

import (
	"crypto/sha256"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// world is a store that learns of its organisation as a real one does: by pushes.
type world struct {
	*store.Store
	acceptor *orgsync.Acceptor
	pushes   int
}

func newWorld(tb testing.TB, s *store.Store) *world {
	tb.Helper()
	return &world{Store: s, acceptor: orgsync.NewAcceptor(s, orgsync.Policy{Guard: orgsync.DefaultGuard()}, nil)}
}

// push accepts a message that is newer than all before it.
func (w *world) push(tb testing.TB, m orgsync.Message) {
	tb.Helper()
	w.pushes++
	m.At = time.Date(2026, 1, 1, 0, 0, w.pushes, 0, time.UTC)
	w.pushAt(tb, m)
}

// pushAt accepts a message of the time that it says.
func (w *world) pushAt(tb testing.TB, m orgsync.Message) {
	tb.Helper()
	w.accept(tb, m, m.At, "{}")
}

// pushFuture accepts a message that is dated a year ahead of its signature.
func (w *world) pushFuture(tb testing.TB, m orgsync.Message) {
	tb.Helper()
	w.pushes++
	m.At = time.Date(2027, 1, 1, 0, 0, w.pushes, 0, time.UTC)
	w.accept(tb, m, morning(), "{}")
}

// accept accepts a message that came at a time with a body.
func (w *world) accept(tb testing.TB, m orgsync.Message, received time.Time, body string) {
	tb.Helper()
	w.pushes++
	m.Stamp = m.At
	nonce := strconv.Itoa(w.pushes)
	if _, err := w.acceptor.Accept(tb.Context(), orgsync.Push{
		Message: m, Kind: m.Kind, Nonce: nonce, Digest: sha256.Sum256([]byte(nonce)), Body: []byte(body), Signed: received, Received: received,
	}); err != nil {
		tb.Fatalf("Accept(%s) = %v", m.Kind, err)
	}
}

func (w *world) PutTenant(tb testing.TB, t sso.Tenant) {
	tb.Helper()
	flag := orgsync.FlagAdd
	if !t.Live {
		flag = orgsync.FlagRemove
	}
	realm := orgsync.Production
	if t.Test {
		realm = orgsync.Test
	}
	w.push(tb, orgsync.Message{
		Kind: orgsync.TenantSync, Realm: realm, Tenant: orgsync.TenantID(t.ID), Instance: "i", Flag: flag,
		Enterprise: orgsync.Enterprise{Code: &t.Code, Name: &t.Name, Domain: &t.Domain},
	})
}

func (w *world) PutCredential(tb testing.TB, tenant sso.TenantID, c sso.Credential) {
	tb.Helper()
	flag := orgsync.FlagAdd
	if !c.Live {
		flag = orgsync.FlagRemove
	}
	w.push(tb, orgsync.Message{
		Kind: orgsync.ApplicationSync, Tenant: orgsync.TenantID(tenant), Instance: "i", App: orgsync.AppID(c.App), Flag: flag,
		Client: orgsync.Client{ID: c.ClientID, Secret: orgsync.Secret(c.Secret.Reveal())},
	})
}

func (w *world) PutAccount(tb testing.TB, tenant sso.TenantID, app sso.AppID, user sso.UserName, a sso.Account) {
	tb.Helper()
	m := orgsync.Message{
		Kind: orgsync.AuthSync, Tenant: orgsync.TenantID(tenant), Instance: "i", App: orgsync.AppID(app), Flag: orgsync.FlagAdd,
	}
	var as orgsync.Attributes
	for attribute, value := range map[orgsync.Attribute]string{
		orgsync.AttrName: a.Name, orgsync.AttrOrgCode: a.OrgCode, orgsync.AttrEmail: a.Email, orgsync.AttrMobile: a.Mobile,
		orgsync.AttrEmployeeCode: a.EmployeeCode, orgsync.AttrEnable: strconv.FormatBool(a.Status != sso.AccountDisabled),
	} {
		as = as.Set(attribute, value)
	}
	if a.Role != sso.RoleUnknown {
		as = as.Set(orgsync.AttrRole, string(a.Role))
	}
	switch a.Status {
	case sso.AccountRevoked:
		m.Flag = orgsync.FlagRevoke
	case sso.AccountRemoved:
		m.Flag = orgsync.FlagRemove
	case sso.AccountUnknown, sso.AccountActive, sso.AccountDisabled:
	}
	m.Users = []orgsync.UserChange{{Name: orgsync.UserName(user), Attributes: as}}
	w.push(tb, m)
}

// admit makes tenant t one whose users of these names may sign in.
func (w *world) admit(tb testing.TB, users ...sso.UserName) {
	tb.Helper()
	w.PutTenant(tb, sso.Tenant{ID: "t", Live: true})
	w.PutCredential(tb, "t", sso.Credential{App: "app", ClientID: "client", Secret: "secret", Live: true})
	for _, user := range users {
		w.PutAccount(tb, "t", "app", user, sso.Account{Status: sso.AccountActive})
	}
}

// newSession is one of user u.
func newSession(name string, change func(*sso.NewSession)) sso.NewSession {
	n := sso.NewSession{
		Key: sha256.Sum256([]byte(name)), Tenant: "t", App: "app", User: "u",
		Created: morning(), Expires: morning().Add(24 * time.Hour), Idle: 8 * time.Hour,
	}
	if change != nil {
		change(&n)
	}
	return n
}

// session creates one for the user and returns its key.
func (w *world) session(tb testing.TB, change func(*sso.NewSession)) sso.SessionKey {
	tb.Helper()
	w.pushes++
	n := newSession(strconv.Itoa(w.pushes), change)
	if err := w.CreateSession(tb.Context(), n); err != nil {
		tb.Fatalf("CreateSession = %v", err)
	}
	return n.Key
}

func morning() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }

func (w *world) wantLive(tb testing.TB, key sso.SessionKey, want bool, when string) {
	tb.Helper()
	_, err := w.Decide(tb.Context(), key, morning())
	if want != (err == nil) || err != nil && !errors.Is(err, sso.ErrNoSession) {
		tb.Errorf("%s: Decide = %v, want live: %t", when, err, want)
	}
}
