package sso_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// centreOfBefore is an auth centre that a tenant leaves. It answers every token call with status, after during ran, and keeps
// what it was sent.
type centreOfBefore struct {
	url    string
	during func()
	status int

	mu    sync.Mutex
	heard []string // under mu: the secrets
}

func newCentreOfBefore(t *testing.T) *centreOfBefore {
	t.Helper()
	c := &centreOfBefore{status: http.StatusUnauthorized, during: func() {}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.heard = append(c.heard, r.PostFormValue("client_secret"))
		c.during()
		w.WriteHeader(c.status)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// credentialsOf are Credentials that let something happen just before they are read.
type credentialsOf struct {
	sso.Credentials
	before func()
}

func (c *credentialsOf) Credential(ctx context.Context, tenant sso.TenantID) (sso.Credential, error) {
	c.before()
	return c.Credentials.Credential(ctx, tenant)
}

// TestNewSecretIsNotSentToTheAuthCentreOfBefore moves a tenant, with a new secret for the same client, while one of its people
// signs in.
func TestNewSecretIsNotSentToTheAuthCentreOfBefore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		// when arranges that move happens at the right time.
		when  func(old *centreOfBefore, c *credentialsOf, move func())
		calls int
	}{
		{"before the callback", func(_ *centreOfBefore, _ *credentialsOf, move func()) { move() }, 0},
		{"between the reads of the tenant and of its credential", func(_ *centreOfBefore, c *credentialsOf, move func()) { c.before = move }, 0},
		{"while the old centre refuses the old secret", func(old *centreOfBefore, _ *credentialsOf, move func()) { old.during = move }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &credentialsOf{before: func() {}}
			h := newHouse(t, func(config *sso.Config) {
				c.Credentials = config.Credentials
				config.Credentials = c
			})
			old, browser := newCentreOfBefore(t), ssotest.Browser(t)
			tenant := h.tenants[tenantA]
			now := tenant.Domain
			tenant.Domain = old.url
			h.PutTenant(t, tenant)
			h.PutCredential(t, tenantA, sso.Credential{App: appID, ClientID: "client-a", Secret: "old", Live: true})
			state := stateOf(t, h.start(browser, tenantA, "/desk"))
			tt.when(old, c, func() {
				tenant.Domain = now
				h.PutTenant(t, tenant)
				h.PutCredential(t, tenantA, sso.Credential{App: appID, ClientID: "client-a", Secret: secretA, Live: true})
			})
			got := h.get(browser, "/sso/callback?code=c&state="+state)
			if got.status != http.StatusBadRequest || !strings.Contains(h.log.String(), `"result":"attempt_expired"`) {
				t.Errorf("callback = %d, want the page that says to start again\n%s", got.status, got.body)
			}
			old.mu.Lock()
			defer old.mu.Unlock()
			if strings.Contains(strings.Join(old.heard, " "), secretA) || len(old.heard) != tt.calls {
				t.Errorf("the old auth centre heard %d secrets (%q), want %d, and never the new one", len(old.heard), old.heard, tt.calls)
			}
			c.before = func() {}
			h.signIn(browser, tenantA, "zhang.san", "pw1")
			h.wantSubject(browser, tenantA+"/zhang.san")
		})
	}
}

// stateOf returns the state of an authorization request.
func stateOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("state")
}
