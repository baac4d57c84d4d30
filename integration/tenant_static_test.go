//go:build integration

package integration_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reconfigure adds lines to the section sso of the configuration as it was at first, tells the process, and waits until it counts.
func (s *signIn) reconfigure(t *testing.T, original, lines string) {
	t.Helper()
	file := filepath.Join(s.dir, "kitbridge.yaml")
	if err := os.WriteFile(file, []byte(original+lines), 0o600); err != nil {
		t.Fatal(err)
	}
	before := strings.Count(s.Log(), `"msg":"configuration reloaded"`)
	if err := syscall.Kill(s.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, 20*time.Second, func() string {
		if strings.Count(s.Log(), `"msg":"configuration reloaded"`) == before {
			return "not reloaded yet"
		}
		return ""
	})
}

// TestStaticTenantOfTheConfiguration has a customer that the marketplace knows nothing about come and go in the configuration of a running
// bridge, beside one that is pushed.
func TestStaticTenantOfTheConfiguration(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "pushed", "boss")
	const secret = "S3cret-of-the-static-tenant"
	s.hide(secret)
	if err := os.WriteFile(filepath.Join(s.dir, "acme-secret"), []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.employ("acme", "boss")
	s.centre.with("acme", func(c *centreTenant) { c.clientID, c.secret = "client-acme", secret })
	original, err := os.ReadFile(filepath.Join(s.dir, "kitbridge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tenants := "  tenants:\n    - {id: acme, code: acme-tools, name: ACME Tools, issuer: \"" + s.centre.domain("acme") +
		"\", client_id: client-acme, client_secret_file: acme-secret}\n"

	buyer := s.visitor(t, "boss").signedIn("pushed")
	if got := s.visitor(t, "boss").get("/sso/login?tenant=acme"); got.status != http.StatusForbidden {
		t.Errorf("login before the tenant is configured = %d, want 403", got.status)
	}
	s.reconfigure(t, string(original), tenants)
	if page := s.visitor(t, "boss").get("/sso/login?tenant=&q=acme"); !strings.Contains(page.body, "ACME Tools") {
		t.Errorf("the chooser does not find it: %d\n%s", page.status, page.body)
	}
	customer := s.visitor(t, "boss").signedIn("acme-tools")
	customer.is("acme/boss")
	if got := customer.get("/sso/authz/auth-request"); got.header.Get("X-Auth-Role") != "user" || got.header.Get("X-Auth-Tenant") != "acme" {
		t.Errorf("decision = %v, want role user of tenant acme", got.header)
	}
	if got := s.sessionsOf(t, "acme"); len(got) != 1 || !got[0].Live || got[0].User != "boss" {
		t.Errorf("sessions of the static tenant: %+v", got)
	}
	s.checkAuthCentre(t, "acme", "ok")

	s.reconfigure(t, string(original), "")
	await(t, time.Second, func() string { return customer.subject() })
	if got := s.sessionsOf(t, "acme"); len(got) != 0 {
		t.Errorf("sessions of a tenant that the configuration no longer has: %+v", got)
	}
	if got := s.visitor(t, "boss").get("/sso/login?tenant=acme"); got.status != http.StatusForbidden {
		t.Errorf("login after the tenant has gone = %d, want 403", got.status)
	}
	s.reconfigure(t, string(original), tenants)
	customer.is("") // what ended does not come back with the entry
	customer.signedIn("acme").is("acme/boss")

	// A restart without the entry ends it just the same.
	s.Stop()
	if err := os.WriteFile(filepath.Join(s.dir, "kitbridge.yaml"), original, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Start()
	customer.is("")
	buyer.is("pushed/boss")
	s.reconfigure(t, string(original), tenants)
	customer.is("")
	customer.signedIn("acme").is("acme/boss")
	s.deliver(t, "tenantSync", "acme", map[string]any{
		"orderId": "o-acme", "tenantCode": "acme-code", "name": "ACME", "domainName": s.centre.domain("acme"), "flag": 1,
	})
	await(t, time.Second, func() string { return customer.subject() })
	buyer.is("pushed/boss")
}

// sessionItem is a session as the API lists it.
type sessionItem struct {
	User string `json:"user_name"`
	Live bool   `json:"live"`
}

func (s *signIn) sessionsOf(t *testing.T, tenant string) []sessionItem {
	t.Helper()
	var list struct{ Items []sessionItem }
	if code := s.api(t, http.MethodGet, "/api/v1/sessions?tenant="+tenant, &list); code != http.StatusOK {
		t.Fatalf("sessions of %s: status %d", tenant, code)
	}
	return list.Items
}

// checkAuthCentre runs kitbridge check and wants a finding about the auth centre of a tenant.
func (s *signIn) checkAuthCentre(t *testing.T, tenant, state string) {
	t.Helper()
	// The exit code is about everything else, too.
	out, _ := exec.CommandContext(t.Context(), binary, "check", "--json", "--config", filepath.Join(s.dir, "kitbridge.yaml")).Output()
	var report struct {
		Findings []struct{ Area, What, State, Text string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}
	for _, f := range report.Findings {
		if f.Area == "auth centre" && f.What == "of tenant "+tenant {
			if f.State != state {
				t.Errorf("check: %+v, want %s", f, state)
			}
			return
		}
	}
	t.Errorf("check says nothing about the auth centre of %s:\n%s", tenant, out)
}
