//go:build integration

package integration_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// The further hosts of these tests: for t1's people, for t2's, who are yet to be pushed, and for everybody.
const (
	hostOfFirst, hostOfSecond, hostOfAll = "http://first.test", "http://second.test", "http://all.test"
	furtherHosts                         = "  hosts: [{host: first.test, tenant: t1}, {host: second.test, tenant: t2-code}, {host: all.test}]"
)

// everywhere makes every name ending in .test lead to the bridge of the moment.
func (v *visitor) everywhere() *visitor { return v.through(func() string { return v.s.publicURL }) }

// through makes every name ending in .test lead to an address.
func (v *visitor) through(where func() string) *visitor {
	v.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if name, _, _ := net.SplitHostPort(address); strings.HasSuffix(name, ".test") {
			address = strings.TrimPrefix(where(), "http://")
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	return v
}

// ticket signs in from a further host on, as far as the address that the ticket is in.
func (v *visitor) ticket(origin, tenant string) string {
	v.t.Helper()
	at := origin + "/sso/login?" + url.Values{"tenant": {tenant}, "return": {"/orders?a=1"}}.Encode()
	for range 4 { // the host, the public address, the auth centre, the callback
		got := v.get(at)
		if got.status != http.StatusFound && got.status != http.StatusSeeOther {
			v.t.Fatalf("GET %s = %d\n%s", at, got.status, got.body)
		}
		at = got.location
	}
	if !strings.HasPrefix(at, origin+"/sso/enter?ticket=") {
		v.t.Fatalf("the sign-in leads to %s, want a ticket for %s", at, origin)
	}
	_, sealed, _ := strings.Cut(at, "=")
	v.s.hide(sealed)
	return at
}

// isAt fails the test if a host takes the visitor for somebody else; "" is nobody.
func (v *visitor) isAt(origin, want string) {
	v.t.Helper()
	got := v.get(origin + "/sso/me")
	if want == "" && got.status != http.StatusUnauthorized || want != "" && !strings.Contains(got.body, `"sub":"`+want+`"`) {
		v.t.Errorf("%s/sso/me = %d %s, want %q", origin, got.status, got.body, want)
	}
}

// TestFurtherHosts: a product under addresses of its customers, through the decision endpoints of a web server.
func TestFurtherHosts(t *testing.T) {
	t.Parallel()
	s := startSignIn(t, furtherHosts)
	s.bind(t, "t1", "zhangsan")
	v := s.visitor(t, "zhangsan").everywhere()

	asked := v.get("/sso/authz/forward-auth", "X-Forwarded-Method", "GET", "X-Forwarded-Host", "First.TEST", "X-Forwarded-Uri", "/orders?a=1",
		"X-Forwarded-Proto", "http", "Accept", "text/html")
	if want := hostOfFirst + "/sso/login?return=%2Forders%3Fa%3D1"; asked.location != want {
		t.Fatalf("forward-auth = %d to %s, want %s", asked.status, asked.location, want)
	}
	if got := v.get(v.ticket(hostOfFirst, "")); got.status != http.StatusSeeOther || got.location != "/orders?a=1" {
		t.Fatalf("enter = %d to %s, want 303 to /orders?a=1\n%s", got.status, got.location, got.body)
	}
	v.isAt(hostOfFirst, "t1/zhangsan")
	v.isAt(hostOfAll, "")
	v.is("")
	if token, userinfo := s.centre.calls("t1"); token != 1 || userinfo != 1 {
		t.Errorf("%d token and %d userinfo calls, want one each", token, userinfo)
	}
	ask := func(host string) reply {
		return v.get(hostOfFirst+"/sso/authz/auth-request", "X-Original-Method", "GET", "X-Original-Host", host, "X-Original-Uri", "/orders")
	}
	if got := ask("first.test"); got.status != http.StatusOK || got.header.Get("X-Auth-Subject") != "t1/zhangsan" {
		t.Errorf("auth-request = %d for %q", got.status, got.header.Get("X-Auth-Subject"))
	}
	if got := ask("SECOND.test.:8443"); got.status != http.StatusUnauthorized {
		t.Errorf("auth-request about another tenant's host = %d, want 401", got.status)
	}

	// A ticket elsewhere.
	address := s.visitor(t, "zhangsan").everywhere().ticket(hostOfAll, "t1")
	for name, at := range map[string]string{"in another browser": address, "on another host": strings.Replace(address, "all.test", "first.test", 1)} {
		if got := s.visitor(t, "zhangsan").everywhere().get(at); got.status != http.StatusBadRequest {
			t.Errorf("a ticket %s = %d, want 400", name, got.status)
		}
	}

	// The second tenant arrives by push, and its host needs no restart.
	later := s.visitor(t, "lisi").everywhere()
	if got := later.get(hostOfSecond + "/sso/login"); got.status != http.StatusForbidden || !strings.Contains(got.body, "unknown_tenant") {
		t.Errorf("login of a tenant that is not there = %d, want 403\n%s", got.status, got.body)
	}
	s.bind(t, "t2", "lisi")
	later.get(later.ticket(hostOfSecond, ""))
	later.isAt(hostOfSecond, "t2/lisi")
	if got := later.get(hostOfFirst + "/sso/login?tenant=t2"); got.status != http.StatusForbidden {
		t.Errorf("t2 on the host of t1 = %d, want 403", got.status)
	}

	// Whoever is removed is out here, too.
	s.authorise(t, "t1", "zhangsan", flagRemove, nil)
	await(t, time.Second, func() string {
		if got := ask("first.test"); got.status != http.StatusUnauthorized {
			return fmt.Sprintf("auth-request = %d", got.status)
		}
		return ""
	})
}

// TestReplicasTicket: of two replicas that get the same ticket at the same moment, one signs in.
func TestReplicasTicket(t *testing.T) {
	t.Parallel()
	s := &signIn{centre: startAuthCentre(t)}
	replicas := startReplicas(t, 2, strings.Join([]string{
		"log: {level: debug}", `trusted_proxies: ["127.0.0.1"]`, "sso:",
		"  app_id: " + signInApp, "  allow_insecure_auth_centres: true", "  http: {timeout: 1s}", furtherHosts, "sinks: []\n",
	}, "\n"))
	s.bridge = replicas[0]
	t.Cleanup(func() { s.bridge = replicas[0]; s.checkLog(t) })
	s.bind(t, "t1", "zhangsan")
	for round := range 5 {
		s.bridge = replicas[0]
		v := s.visitor(t, "zhangsan").everywhere()
		address := v.ticket(hostOfAll, "t1")
		jar := v.jar.Cookies(&url.URL{Scheme: "http", Host: "all.test", Path: "/"})
		statuses := make([]int, len(replicas))
		var both sync.WaitGroup
		for n, replica := range replicas {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, replica.publicURL+strings.TrimPrefix(address, hostOfAll), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "all.test"
			for _, c := range jar {
				r.AddCookie(c)
			}
			both.Go(func() {
				response, err := v.http.Do(r)
				if err != nil {
					t.Errorf("replica %d: %v", n, err)
					return
				}
				response.Body.Close() //nolint:errcheck // only the status counts
				statuses[n] = response.StatusCode
			})
		}
		both.Wait()
		if statuses[0]+statuses[1] != http.StatusSeeOther+http.StatusBadRequest {
			t.Errorf("round %d: the replicas answered %v, want one 303 and one 400", round, statuses)
		}
	}
	// And begun at one, finished at the other.
	v := s.visitor(t, "zhangsan").everywhere()
	address := v.ticket(hostOfFirst, "")
	s.bridge = replicas[1]
	if got := v.get(address); got.status != http.StatusSeeOther {
		t.Errorf("a ticket of the first replica at the second = %d\n%s", got.status, got.body)
	}
	v.isAt(hostOfFirst, "t1/zhangsan")
}
