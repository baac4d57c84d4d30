//go:build integration

package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestReplicasSignOut: who signed in at one replica is signed in at the other, and whom
// one replica hears to be removed, withdrawn or switched off the other lets in no longer
// a second after that was acknowledged, however often it has just let them in.
func TestReplicasSignOut(t *testing.T) {
	t.Parallel()
	s := &signIn{centre: startAuthCentre(t)}
	replicas := startReplicas(t, 2, strings.Join([]string{
		"log: {level: debug}", `trusted_proxies: ["127.0.0.1"]`, "sso:",
		"  app_id: " + signInApp, "  allow_insecure_auth_centres: true", "  http: {timeout: 1s}", "sinks: []\n",
	}, "\n"))
	s.bridge = replicas[0]
	t.Cleanup(func() { s.bridge = replicas[0]; s.checkLog(t) })
	ends := []struct {
		name string
		end  func(tenant, user string)
	}{
		{"removed", func(tenant, user string) { s.authorise(t, tenant, user, flagRemove, nil) }},
		{"withdrawn", func(tenant, user string) { s.authorise(t, tenant, user, flagRevoke, nil) }},
		{"switched off", func(tenant, user string) { s.authorise(t, tenant, user, flagModify, map[string]any{"enable": "false"}) }},
		{"tenant ended", func(tenant, _ string) {
			s.deliver(t, "tenantSync", tenant, map[string]any{
				"orderId": "o-" + tenant, "tenantCode": tenant + "-code", "name": "企业 " + tenant, "domainName": s.centre.domain(tenant), "flag": flagRemove,
			})
		}},
	}
	for n, e := range ends {
		tenant, user := fmt.Sprintf("t%d", n), "zhangsan"
		s.bridge = replicas[0]
		s.bind(t, tenant, user, "lisi")
		v, other := s.visitor(t, user).signedIn(tenant), s.visitor(t, "lisi").signedIn(tenant)
		asks := func(v *visitor, replica int) int {
			return v.get(replicas[replica].publicURL + "/sso/authz/auth-request").status
		}
		for replica := range replicas {
			if got := asks(v, replica); got != http.StatusOK {
				t.Fatalf("%s: replica %d answers %d to who signed in", e.name, replica, got)
			}
		}
		told := n % len(replicas) // the one that hears of it
		s.bridge = replicas[told]
		e.end(tenant, user)
		acknowledged := time.Now()
		lastIn := [2]time.Duration{}
		for late := time.After(1500 * time.Millisecond); late != nil; {
			select {
			case <-late:
				late = nil
			default:
				for replica := range replicas {
					began := time.Since(acknowledged)
					switch got := asks(v, replica); got {
					case http.StatusOK:
						lastIn[replica] = began
					case http.StatusUnauthorized:
					default:
						t.Fatalf("%s: replica %d answers %d", e.name, replica, got)
					}
				}
			}
		}
		for replica, last := range lastIn {
			if last > time.Second {
				t.Errorf("%s: replica %d lets them in %v after replica %d acknowledged it", e.name, replica, last, told)
			}
			if got := asks(v, replica); got != http.StatusUnauthorized {
				t.Errorf("%s: replica %d answers %d in the end", e.name, replica, got)
			}
			want := http.StatusOK
			if e.name == "tenant ended" {
				want = http.StatusUnauthorized
			}
			if got := asks(other, replica); got != want {
				t.Errorf("%s: replica %d answers %d to somebody else, want %d", e.name, replica, got, want)
			}
		}
		t.Logf("%s: let in for the last time %v after the acknowledgement", e.name, lastIn)
	}
}
