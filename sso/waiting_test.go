package sso_test

import (
	"net/http"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestRemovedWhileWaiting: a user name that is removed and given again while a verified
// sign-in waits may be another person's: the sign-in begins anew.
func TestRemovedWhileWaiting(t *testing.T) {
	t.Parallel()
	for name, between := range map[string][]sso.AccountStatus{
		"named by a push":                  {sso.AccountActive},
		"removed, then given again":        {sso.AccountRemoved, sso.AccountActive},
		"given, taken back and given":      {sso.AccountActive, sso.AccountRevoked, sso.AccountActive},
		"given, switched off and on again": {sso.AccountActive, sso.AccountDisabled, sso.AccountActive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			h.put(tenantA, "zhang.san", sso.AccountUnknown, "")
			browser := ssotest.Browser(t)
			if got := h.signIn(browser, tenantA, "zhang.san", "pw1"); got.header.Get("Location") != "/sso/pending" {
				t.Fatalf("callback = %d to %v, want /sso/pending", got.status, got.location)
			}
			for _, status := range between {
				h.put(tenantA, "zhang.san", status, sso.RoleUser)
			}
			got := h.get(browser, "/sso/pending")
			if len(between) == 1 {
				h.wantSubject(browser, tenantA+"/zhang.san")
				return
			}
			if got.status != http.StatusBadRequest {
				t.Errorf("pending = %d to %v, want 400: the sign-in begins anew", got.status, got.location)
			}
			h.wantSubject(browser, "")
			if got := h.signIn(browser, tenantA, "zhang.san", "pw1"); got.header.Get("Location") == "/sso/pending" {
				t.Errorf("a new sign-in = %d to %v, want one that is over", got.status, got.location)
			}
			h.wantSubject(browser, tenantA+"/zhang.san")
		})
	}
}
