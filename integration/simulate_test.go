//go:build integration

package integration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"
)

// TestSimulateScenarios plays every scenario of kitbridge simulate, in either generation,
// against a bridge with three products, and has it compare the outcome with its
// own model. Here the products are compared with each other and with the report.
func TestSimulateScenarios(t *testing.T) {
	t.Parallel()
	products := startHistoryServers(t).products(t)
	c := startChronicle(t, products, "{count: 50, percent: 30}", "")
	publicKey := publicCredentialKey(t, c.dir)
	seed := 0
	for _, scenario := range []string{"bind", "edits", "shuffle", "unbind", "load"} {
		for _, generation := range []string{"v1", "v2"} {
			seed++
			t.Run(scenario+" "+generation, func(t *testing.T) {
				key, rate := map[string]string{"v1": v1Key, "v2": kitKey}[generation], map[string]string{"load": "200"}[scenario]
				report := simulate(t, c.bridge, "--scenario", scenario, "--generation", generation, "--key", key, "--seed", fmt.Sprint(seed),
					"--public-key", publicKey, "--users", "120", "--departments", "30", "--rate", "0"+rate, "--duration", "1s", "--awkward")
				if !report.OK || !report.Verified || report.FaultCount > 0 || report.Unanswered > 0 || len(report.Differences) > 0 ||
					report.Answers[accepted] != report.Sent || report.Sent == 0 {
					t.Fatalf("report %+v", report)
				}
				status := c.status(t)
				var enabled, departments int64 = -1, -1
				for _, tenant := range status.Tenants {
					if tenant.ID == report.Tenant {
						enabled, departments = tenant.Users, tenant.Departments
					}
				}
				first := products[0].everything(t)[report.Tenant]
				for _, p := range products {
					p.follow(t)
					got := p.everything(t)[report.Tenant]
					mustEqual(t, "what "+p.name+" holds, by its feed", got, p.followed()[report.Tenant])
					if scenario == "unbind" { // each keeps the departments that it had when the end came
						delete(first, "department")
						delete(got, "department")
					}
					mustEqual(t, "what "+p.name+" holds, by the first", first, got)
					var n int64
					p.scan(t, "SELECT COUNT(*) FROM kit_user WHERE enabled AND tenant_id = ?", []string{report.Tenant}, 1, func(v []any) { n = v[0].(int64) })
					if n != enabled || scenario != "unbind" && int64(len(got["department"])) != departments || len(got["tenant"]) != 1 {
						t.Errorf("%s: %d enabled users and %d departments, the status has %d and %d", p.name, n, len(got["department"]), enabled, departments)
					}
				}
			})
		}
	}
	c.Stop()
}

// simulation is the report of kitbridge simulate.
type simulation struct {
	Tenant      string         `json:"tenant_id"`
	Sent        int            `json:"sent"`
	Unanswered  int            `json:"unanswered"`
	Answers     map[string]int `json:"answers"`
	FaultCount  int            `json:"fault_count"`
	Verified    bool           `json:"verified"`
	Differences []string       `json:"differences"`
	OK          bool           `json:"ok"`
}

// simulate plays the marketplace against the bridge, with the comparison at the end.
func simulate(t testing.TB, b *bridge, args ...string) (report simulation) {
	t.Helper()
	args = append([]string{"simulate", "--target", b.publicURL + "/marketplace", "--verify", b.adminURL, "--token", adminToken, "--json"}, args...)
	command := exec.CommandContext(t.Context(), binary, args...)
	var faults bytes.Buffer
	command.Stderr = &faults
	out, err := command.Output()
	if err != nil {
		t.Fatalf("kitbridge %v: %v\n%s%s", args, err, faults.String(), out)
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("report: %v: %s", err, out)
	}
	return report
}
