//go:build integration

package integration_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// refreshing is the token endpoint of a tenant whose access tokens are short-lived and whose refresh tokens are good once.
type refreshing struct {
	centre *authCentre

	mu      sync.Mutex
	asked   int           // under mu: refreshes
	refuse  bool          // under mu
	release chan struct{} // under mu: if not nil, a refresh is answered when it is closed
}

func (f *refreshing) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	grant := r.PostForm.Get("grant_type")
	if grant == "refresh_token" {
		f.asked++
	}
	refuse, release := f.refuse, f.release
	f.mu.Unlock()
	name := "code"
	if grant == "refresh_token" {
		name = "refresh_token"
		if release != nil {
			<-release
		}
	}
	g, ok := f.centre.take(r.PostForm.Get(name), true)
	if !ok || refuse && name != "code" {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "Invalid refresh token"})
		return
	}
	answer := f.centre.tokenFor(g)
	answer["expires_in"] = "2" // a text, as one of the guide's samples has it
	writeJSON(w, http.StatusOK, answer)
}

func (f *refreshing) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *refreshing) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// TestReplicasRefresh: thirty requests at once, at two replicas on one PostgreSQL, with an access token that has run out: all are
// served, twenty-nine before the auth centre answers, which is asked once. What it says then holds at both, a lower role and a no.
func TestReplicasRefresh(t *testing.T) {
	t.Parallel()
	s := &signIn{centre: startAuthCentre(t)}
	replicas := startReplicas(t, 2, strings.Join([]string{
		"log: {level: debug}", `trusted_proxies: ["127.0.0.1"]`, "sso:",
		"  app_id: " + signInApp, "  allow_insecure_auth_centres: true", "  http: {timeout: 30s}", "  refresh: {mode: refresh}", "sinks: []\n",
	}, "\n"))
	s.bridge = replicas[0]
	t.Cleanup(func() { s.bridge = replicas[0]; s.checkLog(t); s.bridge = replicas[1]; checkSilence(t, s) })
	s.bind(t, "t", "boss")
	tokens := &refreshing{centre: s.centre}
	s.centre.with("t", func(c *centreTenant) { c.token = tokens.serve })
	v := s.visitor(t, "boss").signedIn("t")
	asks := func(replica int) (int, string) {
		got := v.get(replicas[replica].publicURL + "/sso/authz/auth-request")
		return got.status, got.header.Get("X-Auth-Role")
	}
	if status, role := asks(0); status != http.StatusOK || role != "admin" {
		t.Fatalf("after the sign-in = %d as %s", status, role)
	}
	<-time.After(2500 * time.Millisecond) // the token has run out
	release := make(chan struct{})
	tokens.set(func() { tokens.release = release })
	s.centre.with("t", func(c *centreTenant) { c.users["boss"]["role"] = "user" })
	served := make(chan int, 30)
	var group sync.WaitGroup
	for n := range cap(served) {
		group.Go(func() {
			status, _ := asks(n % 2)
			served <- status
		})
	}
	for n := range cap(served) {
		if n == cap(served)-1 {
			close(release)
		}
		if got := <-served; got != http.StatusOK {
			t.Errorf("answer %d, want 200", got)
		}
	}
	group.Wait()
	if got := tokens.count(); got != 1 {
		t.Errorf("%d refreshes for thirty requests, want one", got)
	}
	both := func(what string, status int, role string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; {
			one, first := asks(0)
			two, second := asks(1)
			if one == status && two == status && first == role && second == role {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the replicas answer %d as %q and %d as %q, want %d as %q", what, one, first, two, second, status, role)
			}
		}
	}
	both("the role was lowered", http.StatusOK, "user")
	tokens.set(func() { tokens.refuse = true })
	both("the auth centre says no", http.StatusUnauthorized, "")
	if got := tokens.count(); got < 2 {
		t.Errorf("%d refreshes, want one that was refused", got)
	}
}

// checkSilence greps the log of a replica that perhaps nobody signed in at.
func checkSilence(t *testing.T, s *signIn) {
	t.Helper()
	log := s.Log()
	for _, secret := range s.centre.issued {
		if strings.Contains(log, secret) {
			t.Error("the log of the other replica holds a token")
		}
	}
}
