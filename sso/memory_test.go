package sso_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// memory is an organisation and its sessions in memory: every port, with the promises of the real store.
type memory struct {
	mu          sync.Mutex
	tenants     map[sso.TenantID]sso.Tenant
	credentials map[sso.TenantID]sso.Credential
	accounts    map[accountKey]sso.Account
	sessions    map[sso.SessionKey]*memorySession
	marks       map[accountKey]int
	clock       int
	obeyed      map[sso.Handle]bool
	deposits    map[sso.Handle]sso.Tokens
	// fault, if set, is what every call returns; decides counts the queries of Decide.
	fault   error
	decides int
	touches int
	ends    int
	// renewals counts what RenewSession stored.
	renewals int
	// before, if set, runs at the beginning of each Decide, outside the lock; creating so in CreateSession, touching so in
	// TouchSession.
	before   func()
	creating func()
	touching func(context.Context) error
}

type accountKey struct {
	tenant sso.TenantID
	app    sso.AppID
	user   sso.UserName
}

type memorySession struct {
	sso.NewSession
	touched time.Time
	mark    int
}

func newMemory() *memory {
	return &memory{
		tenants: map[sso.TenantID]sso.Tenant{}, credentials: map[sso.TenantID]sso.Credential{},
		accounts: map[accountKey]sso.Account{}, sessions: map[sso.SessionKey]*memorySession{}, marks: map[accountKey]int{}, obeyed: map[sso.Handle]bool{}, deposits: map[sso.Handle]sso.Tokens{},
	}
}

var errTwice = errors.New("session key exists")

// lock locks m and returns the fault that is set.
func (m *memory) lock() (func(), error) {
	m.mu.Lock()
	return m.mu.Unlock, m.fault
}

func (m *memory) setFault(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = err
}

func (m *memory) PutTenant(_ testing.TB, t sso.Tenant) {
	defer m.mu.Unlock()
	m.mu.Lock()
	m.tenants[t.ID] = t
	if !t.Live {
		delete(m.credentials, t.ID)
		for key := range m.accounts {
			if key.tenant == t.ID {
				delete(m.accounts, key)
			}
		}
		m.raise(accountKey{tenant: t.ID})
	}
}

// forget makes a tenant one that no push ever named.
func (m *memory) forget(id sso.TenantID) {
	defer m.mu.Unlock()
	m.mu.Lock()
	delete(m.tenants, id)
	delete(m.credentials, id)
	for key := range m.accounts {
		if key.tenant == id {
			delete(m.accounts, key)
		}
	}
}

func (m *memory) PutCredential(_ testing.TB, tenant sso.TenantID, c sso.Credential) {
	defer m.mu.Unlock()
	m.mu.Lock()
	m.credentials[tenant] = c
	if !c.Live {
		m.raise(accountKey{tenant: tenant, app: c.App})
	}
}

func (m *memory) PutAccount(_ testing.TB, tenant sso.TenantID, app sso.AppID, user sso.UserName, a sso.Account) {
	defer m.mu.Unlock()
	m.mu.Lock()
	key := accountKey{tenant, app, user}
	m.accounts[key] = a
	if a.Status != sso.AccountActive {
		m.raise(key)
	}
}

func (m *memory) raise(key accountKey) {
	m.clock++
	m.marks[key] = m.clock
}

func (m *memory) mark(tenant sso.TenantID, app sso.AppID, user sso.UserName) int {
	return max(m.marks[accountKey{tenant: tenant}], m.marks[accountKey{tenant: tenant, app: app}], m.marks[accountKey{tenant, app, user}])
}

func (m *memory) Tenant(_ context.Context, id sso.TenantID) (sso.Tenant, error) {
	unlock, err := m.lock()
	defer unlock()
	if err != nil {
		return sso.Tenant{}, err
	}
	t, ok := m.tenants[id]
	if !ok {
		return t, sso.ErrUnknownTenant
	}
	return t, nil
}

func (m *memory) live(match func(sso.Tenant) bool) ([]sso.Tenant, error) {
	unlock, err := m.lock()
	defer unlock()
	if err != nil {
		return nil, err
	}
	var found []sso.Tenant
	for _, t := range m.tenants {
		if t.Live && match(t) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b sso.Tenant) int { return cmp.Compare(a.ID, b.ID) })
	return found, nil
}

func (m *memory) TenantsByCode(_ context.Context, code string) ([]sso.Tenant, error) {
	return m.live(func(t sso.Tenant) bool { return t.Code == code })
}

func (m *memory) TenantsByHost(_ context.Context, host string) ([]sso.Tenant, error) {
	return m.live(func(t sso.Tenant) bool { return sso.AuthCentreHost(t) == host })
}

func (m *memory) SearchTenants(_ context.Context, text string, limit int) ([]sso.Tenant, error) {
	found, err := m.live(func(t sso.Tenant) bool {
		return strings.Contains(strings.ToLower(t.Name+"\x00"+t.Code), strings.ToLower(text))
	})
	slices.SortStableFunc(found, func(a, b sso.Tenant) int {
		switch {
		case a.Test == b.Test:
			return 0
		case a.Test:
			return 1
		default:
			return -1
		}
	})
	return found[:min(limit, len(found))], err
}

func (m *memory) Credential(_ context.Context, tenant sso.TenantID) (sso.Credential, error) {
	unlock, err := m.lock()
	defer unlock()
	if err != nil {
		return sso.Credential{}, err
	}
	c, ok := m.credentials[tenant]
	switch {
	case !ok:
		return c, sso.ErrNoCredential
	case c.App == "ambiguous":
		return c, sso.ErrAmbiguousApp
	}
	return c, nil
}

func (m *memory) Account(_ context.Context, tenant sso.TenantID, app sso.AppID, user sso.UserName) (sso.Account, error) {
	unlock, err := m.lock()
	defer unlock()
	account := m.accounts[accountKey{tenant, app, user}]
	account.Marks = strconv.Itoa(m.mark(tenant, app, user))
	return account, err
}

func (m *memory) CreateSession(_ context.Context, s sso.NewSession) error {
	m.mu.Lock()
	creating := m.creating
	m.mu.Unlock()
	if creating != nil {
		creating()
	}
	unlock, err := m.lock()
	defer unlock()
	if err != nil {
		return err
	}
	if _, exists := m.sessions[s.Key]; exists {
		return errTwice
	}
	if _, _, admitted := m.around(s); !admitted {
		return sso.ErrNoSession
	}
	m.sessions[s.Key] = &memorySession{NewSession: s, touched: s.Created, mark: m.mark(s.Tenant, s.App, s.User)}
	return nil
}

// around returns what surrounds a session, and whether it admits it.
func (m *memory) around(s sso.NewSession) (t sso.Tenant, a sso.Account, admitted bool) {
	if s.Authority != "" {
		pushed, named := m.tenants[s.Tenant]
		return sso.Tenant{}, a, !named || pushed.Test
	}
	t, a = m.tenants[s.Tenant], m.accounts[accountKey{s.Tenant, s.App, s.User}]
	c := m.credentials[s.Tenant]
	admitted = a.Status == sso.AccountActive || a.Status == sso.AccountUnknown && s.Provisional
	return t, a, t.Live && c.Live && c.App == s.App && admitted
}

func (m *memory) Decide(_ context.Context, key sso.SessionKey, now time.Time) (sso.LiveSession, error) {
	m.mu.Lock()
	before := m.before
	m.decides++
	m.mu.Unlock()
	if before != nil {
		before()
	}
	unlock, err := m.lock()
	defer unlock()
	if err != nil {
		return sso.LiveSession{}, err
	}
	s := m.sessions[key]
	if s == nil {
		return sso.LiveSession{}, sso.ErrNoSession
	}
	t, a, admitted := m.around(s.NewSession)
	if !now.Before(s.Expires) || !now.Before(s.touched.Add(s.Idle)) || !admitted || s.Authority == "" && s.mark != m.mark(s.Tenant, s.App, s.User) {
		return sso.LiveSession{}, sso.ErrNoSession
	}
	return sso.LiveSession{
		Tenant: s.Tenant, App: s.App, User: s.User, TenantCode: t.Code, TenantName: t.Name, Test: t.Test,
		Role: s.Role, Filled: s.Filled, Domain: s.Domain, Authority: s.Authority, Provisional: s.Provisional, Account: a,
		Created: s.Created, Expires: s.Expires, Touched: s.touched, Due: s.Due,
	}, nil
}

func (m *memory) TouchSession(ctx context.Context, key sso.SessionKey, now time.Time) error {
	m.mu.Lock()
	touching := m.touching
	m.touches++
	m.mu.Unlock()
	if touching != nil {
		if err := touching(ctx); err != nil {
			return err
		}
	}
	unlock, err := m.lock()
	defer unlock()
	if s := m.sessions[key]; s != nil && now.After(s.touched) {
		s.touched = now
	}
	return err
}

func (m *memory) EndSession(_ context.Context, key sso.SessionKey) error {
	unlock, err := m.lock()
	defer unlock()
	m.ends++
	if err == nil {
		delete(m.sessions, key)
	}
	return err
}

func (m *memory) EndSessionsOf(_ context.Context, tenant sso.TenantID, user sso.UserName) error {
	unlock, err := m.lock()
	defer unlock()
	for key, s := range m.sessions {
		if s.Tenant == tenant && s.User == user {
			delete(m.sessions, key)
		}
	}
	return err
}

func (m *memory) LogOut(_ context.Context, l sso.Logout) (int, error) {
	unlock, err := m.lock()
	defer unlock()
	if err != nil {
		return 0, err
	}
	if m.obeyed[l.Token] {
		return 0, sso.ErrReplayed
	}
	m.obeyed[l.Token] = true
	ended := 0
	for key, s := range m.sessions {
		named := l.Subject != "" || l.Session != ""
		subject := l.Subject == "" || s.Subject == l.Subject
		session := l.Session == "" || s.ProviderSession == l.Session || l.Subject != "" && s.ProviderSession == ""
		if named && subject && session && slices.Contains(l.Tenants, s.Tenant) {
			delete(m.sessions, key)
			ended++
		}
	}
	return ended, nil
}

func (m *memory) Deposit(_ context.Context, ref sso.Handle, t sso.Tokens, _ time.Time) error {
	unlock, err := m.lock()
	defer unlock()
	if _, exists := m.deposits[ref]; err == nil && exists {
		err = errTwice
	}
	if err == nil {
		m.deposits[ref] = t
	}
	return err
}

func (m *memory) Withdraw(_ context.Context, ref sso.Handle) (sso.Tokens, error) {
	unlock, err := m.lock()
	defer unlock()
	if err != nil {
		return sso.Tokens{}, err
	}
	defer delete(m.deposits, ref)
	return m.deposits[ref], nil
}

func (m *memory) TakeTurn(_ context.Context, key sso.SessionKey, due, until time.Time) (sso.Tokens, bool, error) {
	unlock, err := m.lock()
	defer unlock()
	s := m.sessions[key]
	if err != nil || s == nil || !s.Due.Equal(due) {
		return sso.Tokens{}, false, err
	}
	s.Due = until
	return s.Tokens, true, nil
}

func (m *memory) RenewSession(_ context.Context, key sso.SessionKey, turn time.Time, r sso.Renewal) (bool, error) {
	unlock, err := m.lock()
	defer unlock()
	s := m.sessions[key]
	if err != nil || s == nil || !s.Due.Equal(turn) {
		return false, err
	}
	m.renewals++
	if r.Over {
		delete(m.sessions, key)
		return true, nil
	}
	if r.Said != nil {
		s.Role, s.Filled = r.Said.Role, r.Said.Filled
	}
	if r.Tokens != (sso.Tokens{}) {
		s.Tokens = r.Tokens
	}
	if s.Due = r.Due; r.Due.IsZero() {
		s.Tokens = sso.Tokens{}
	}
	return true, nil
}

func (m *memory) SpendTicket(_ context.Context, ticket sso.Handle, _ time.Time) error {
	unlock, err := m.lock()
	defer unlock()
	if err == nil && m.obeyed[ticket] {
		return sso.ErrReplayed
	}
	if err == nil {
		m.obeyed[ticket] = true
	}
	return err
}

func TestMemoryKeepsThePromisesOfSessions(t *testing.T) {
	t.Parallel()
	ssotest.TestSessions(t, func(testing.TB) ssotest.World { return newMemory() })
}
