package sso_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestDecisionsAreTold: every decision about a request is told once, with its face and what came of it.
func TestDecisionsAreTold(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	h := newHouse(t, func(c *sso.Config) {
		c.TrustedProxies = loopback()
		c.Settings.Rules = []sso.Rule{{Path: "/open", Allow: sso.Allow{Public: true}}, {Path: "/admin", Allow: sso.Allow{Role: sso.RoleAdmin}}}
		c.ObserveDecision = func(d sso.Decided) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, string(d.Face)+" "+string(d.Outcome))
			if d.Elapsed < 0 || d.Elapsed > time.Minute {
				t.Errorf("%s took %v", d.Face, d.Elapsed)
			}
		}
	})
	want := func(when string, all ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff(all, told); diff != "" {
			t.Errorf("%s (-want +got)\n%s", when, diff)
		}
		told = nil
	}
	proxied := h.proxied()
	ask := func(browser *http.Client, path string) {
		t.Helper()
		host := h.host()
		h.get(browser, "/sso/authz/auth-request", "X-Original-Method", "GET", "X-Original-Host", host, "X-Original-Uri", path)
		h.get(browser, "/sso/authz/forward-auth", "X-Forwarded-Method", "GET", "X-Forwarded-Host", host, "X-Forwarded-Proto", "http", "X-Forwarded-Uri", path)
		h.get(browser, "/sso/authz/ext-authz"+path)
		h.get(browser, proxied+path)
		h.get(browser, path)
	}
	everywhere := func(o sso.Outcome) []string {
		var all []string
		for _, face := range sso.Faces() {
			all = append(all, string(face)+" "+string(o))
		}
		return all
	}
	stranger, user := ssotest.Browser(t), ssotest.Browser(t)
	h.signIn(user, tenantA, "li.si", "pw2")
	want("a sign-in is no decision about a request")
	ask(stranger, "/orders")
	want("a stranger", everywhere(sso.OutcomeSignedOut)...)
	ask(stranger, "/open")
	want("a stranger where anybody may be", everywhere(sso.OutcomePublic)...)
	ask(user, "/orders")
	want("a user", everywhere(sso.OutcomeAllowed)...)
	ask(user, "/admin")
	want("a user where administrators may be", everywhere(sso.OutcomeForbidden)...)
	h.clock.advance(time.Second)
	h.setFault(errors.New("disk I/O error"))
	ask(user, "/orders")
	want("without a database", everywhere(sso.OutcomeUnavailable)...)
	h.setFault(nil)
	w := httptest.NewRecorder()
	h.rp.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sso/me", nil))
	want("what a page asks about itself")
}
