package main

import (
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/market"
)

// TestExplainOwnTenant: of a tenant of the configuration no push is waited for; explain says who
// comes in. Once a push named it, pushes decide.
func TestExplainOwnTenant(t *testing.T) {
	t.Parallel()
	b := market.DemoBuyers()[0]
	w := startWorldOn(t, strings.Replace(worldYAML, "sinks:", `sso:
  tenants:
    - {id: acme, profile: oidc, issuer: "https://login.acme.example", client_id: c, client_secret: s}
    - {id: t2, code: groups, profile: oidc, issuer: "https://login.acme.example", client_id: c, client_secret: s, role_claim: groups}
    - {id: closed, profile: oidc, issuer: "https://login.acme.example", client_id: c, client_secret: s, unknown_user: deny}
    - {id: `+b.TenantID+`, profile: oidc, issuer: "https://login.acme.example", client_id: c, client_secret: s}
    - {id: later, unknown_user: deny}
sinks:`, 1))
	const says = " needs no push: the tenant stands in sso.tenants, and who its people are says only its provider https://login.acme.example; "
	for account, want := range map[string]string{
		"zoe@acme":   "zoe of acme" + says + "whoever signs in there is admitted, with the role user, and stands in no sink\n",
		"zoe@groups": "zoe of t2" + says + "whoever signs in there is admitted, with the role that the claim groups says, and stands in no sink\n",
		"zoe@closed": "zoe of closed" + says + "unknown_user is deny, so nobody is admitted\n",
	} {
		if got := w.command(t, exitOK, "explain", account); !strings.HasPrefix(got, want) {
			t.Errorf("explain %s: %swant %s", account, got, want)
		}
	}
	w.command(t, exitFailed, "explain", "zoe@later")
	account := "zhangsan@" + b.TenantID
	if got := w.command(t, exitOK, "explain", account); !strings.Contains(got, says) {
		t.Errorf("before any push: %s", got)
	}
	if err := w.send(t.Context(), b.Binding()...); err != nil {
		t.Fatal(err)
	}
	if got := w.command(t, exitOK, "explain", account); !strings.HasPrefix(got, "zhangsan of "+b.TenantID+" is enabled, with the role admin\n") {
		t.Errorf("once it was pushed: %s", got)
	}
}
