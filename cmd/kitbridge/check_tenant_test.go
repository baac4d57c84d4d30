package main

import (
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestCheckTenantsOfTheConfiguration: each provider is called with the settings that a sign-in there would have.
func TestCheckTenantsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	centre := ssotest.Start(t, ssotest.Config{Now: time.Now, Tenants: []ssotest.Tenant{{ID: "realm"}}})
	issuer := centre.Domain("realm") + "/api/v1/oauth2"
	w := startWorldOn(t, strings.Replace(worldYAML, "sinks:", `sso:
  allow_insecure_auth_centres: true
  tenants:
    - {id: good, profile: oidc, issuer: "`+issuer+`", client_id: c, client_secret: s}
    - {id: typo, profile: oidc, issuer: "`+issuer+`/", client_id: c, client_secret: s}
    - {id: nothing-there, profile: oidc, issuer: "`+centre.Domain("realm")+`/other", client_id: c, client_secret: s}
    - {id: kit, issuer: "`+centre.Domain("realm")+`", client_id: c, client_secret: s}
    - {id: never-pushed, unknown_user: deny}
  hosts:
    - {host: "127.0.0.2:1", tenant: good}
    - {host: "127.0.0.3:1", tenant: nix}
    - {host: "127.0.0.4:1", tenant: never-pushed}
    - {host: "127.0.0.5:1"}
sinks:`, 1))
	found := w.check(t, exitFailed)
	for tenant, want := range map[string]struct{ state, text string }{
		"good":          {stateOK, ""},
		"kit":           {stateOK, ""},
		"typo":          {stateFault, "discovery.issuer"},
		"nothing-there": {stateFault, "discovery.status"},
		"never-pushed":  {stateWarning, "it has no issuer"},
	} {
		f, ok := found["auth centre: of tenant "+tenant]
		if !ok || f.State != want.state || !strings.Contains(f.Text, want.text) {
			t.Errorf("%s: %+v, want %s with %q", tenant, f, want.state, want.text)
		}
	}
	for host, bad := range map[string]bool{"127.0.0.2:1": false, "127.0.0.3:1": true, "127.0.0.4:1": true, "127.0.0.5:1": false} {
		if f, told := found["auth centre: of sso.hosts "+host]; told != bad || bad && (f.State != stateWarning || !strings.Contains(f.Text, "nobody can sign in there")) {
			t.Errorf("%s: %+v, want a warning: %t", host, f, bad)
		}
	}
}
