package sso_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestRPInitiatedLogout goes through the modules of the conformance suite's RP-initiated logout: the session here is over in any
// case, and the return is believed only with the state that was sent, once.
func TestRPInitiatedLogout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(url.Values)
		want   int
	}{
		{"rp-init-logout", func(url.Values) {}, http.StatusOK},
		{"rp-init-logout-other-state", func(q url.Values) { q.Set("state", "other") }, http.StatusBadRequest},
		{"rp-init-logout-no-state", func(q url.Values) { q.Del("state") }, http.StatusBadRequest},
		{"state twice", func(q url.Values) { q.Add("state", "other") }, http.StatusBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			o.meta["end_session_endpoint"] = o.URL + "/end"
			h := oidcHouse(t, o.URL, nil)
			browser := ssotest.Browser(t)
			o.signIn(h, browser, nil)
			h.wantSubject(browser, tenantA+"/zhang.san")
			got := h.get(browser, "/sso/logout")
			h.wantSubject(browser, "")
			if got.location == nil || got.location.Path != "/end" {
				t.Fatalf("logout = %d to %v, want the end_session_endpoint", got.status, got.location)
			}
			q := got.location.Query()
			if q.Get("client_id") != "client-a" || q.Get("post_logout_redirect_uri") != h.url+"/sso/signed-out" || len(q.Get("state")) != 64 {
				t.Errorf("logout asks for %v", q)
			}
			back := url.Values{"state": {q.Get("state")}}
			tt.change(back)
			if got := h.get(browser, "/sso/signed-out?"+back.Encode()); got.status != tt.want {
				t.Errorf("return = %d, want %d", got.status, tt.want)
			}
			// What is remembered is used up, and who opens the page without a logout under way sees it.
			for _, later := range []*http.Client{browser, ssotest.Browser(t)} {
				if got := h.get(later, "/sso/signed-out"); got.status != http.StatusOK {
					t.Errorf("signed-out = %d, want 200", got.status)
				}
			}
		})
	}
}
