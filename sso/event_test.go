package sso_test

import (
	"net/url"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestEvents: one event for each decision that changes something or turns somebody away, and none for what does neither.
func TestEvents(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []sso.Event
	h := newHouse(t, func(c *sso.Config) {
		c.Observe = func(e sso.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.RequestID == "" {
				t.Errorf("event without a request id: %+v", e)
			}
			e.RequestID = ""
			seen = append(seen, e)
		}
		c.Settings.Unsolicited = "confirm"
	})
	want := func(when string, events ...sso.Event) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff(events, seen); diff != "" {
			t.Errorf("%s (-want +got)\n%s", when, diff)
		}
		seen = nil
	}
	browser := ssotest.Browser(t)
	h.get(browser, "/sso/login")
	h.start(browser, tenantA, "/")
	want("a chooser and a start")

	h.signIn(browser, tenantA, "zhang.san", "pw1")
	want("a sign-in", sso.Event{Name: sso.EventSignIn, Outcome: "admitted", Tenant: tenantA, User: "zhang.san", Solicited: true})
	h.get(browser, "/sso/me")
	h.get(browser, "/desk")
	want("requests of a session")
	h.get(browser, "/sso/logout")
	want("a logout", sso.Event{Name: sso.EventSignOut, Outcome: "signed_out", Tenant: tenantA, User: "zhang.san", Solicited: true})
	h.get(browser, "/sso/logout")
	want("a logout of nobody")

	h.put(tenantA, "li.si", sso.AccountDisabled, sso.RoleUser)
	h.signIn(ssotest.Browser(t), tenantA, "li.si", "pw2")
	want("a disabled user", sso.Event{Name: sso.EventSignInRefused, Outcome: "user_disabled", Tenant: tenantA, User: "li.si", Solicited: true})
	h.put(tenantA, "li.si", sso.AccountUnknown, sso.RoleUser)
	other := ssotest.Browser(t)
	h.signIn(other, tenantA, "li.si", "pw2")
	want("a user of no push", sso.Event{Name: sso.EventSignInWaiting, Outcome: "pending", Tenant: tenantA, User: "li.si", Solicited: true})
	h.put(tenantA, "li.si", sso.AccountActive, sso.RoleUser)
	h.get(other, "/sso/pending")
	want("the push came", sso.Event{Name: sso.EventSignIn, Outcome: "admitted", Tenant: tenantA, User: "li.si", Solicited: true})

	h.centre.SetDefect(ssotest.UserinfoTenantForeign)
	h.signIn(ssotest.Browser(t), tenantA, "zhang.san", "pw1")
	want("a foreign tenant", sso.Event{
		Name: sso.EventSignInRefused, Outcome: "tenant_mismatch", Check: "identity.tenant", Tenant: tenantA, Solicited: true,
	})
	h.centre.SetDefect(ssotest.NoDefect)
	h.get(ssotest.Browser(t), "/sso/login?"+url.Values{"tenant": {"nobody"}}.Encode())
	want("an unknown tenant", sso.Event{Name: sso.EventSignInRefused, Outcome: "unknown_tenant", Solicited: true})
}
