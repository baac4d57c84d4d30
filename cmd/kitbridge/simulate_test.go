package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestSimulate plays every scenario against a real bridge and has the outcome compared
// with the model, through the admin API.
func TestSimulate(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	tests := []struct {
		name string
		args []string
	}{
		{"bind", []string{"--seed", "1", "--public-key", w.publicKey}},
		{"bind without credential", []string{"--seed", "2"}},
		{"bind by V1", []string{"--seed", "3", "--generation", "v1", "--public-key", w.publicKey}},
		{"bind with awkward names", []string{"--seed", "4", "--awkward", "--form", "sorted"}},
		{"edits", []string{"--seed", "5", "--scenario", "edits"}},
		{"edits by V1", []string{"--seed", "6", "--scenario", "edits", "--generation", "v1"}},
		{"shuffle by V1", []string{"--seed", "11", "--scenario", "shuffle", "--generation", "v1"}},
		{"shuffle", []string{"--seed", "7", "--scenario", "shuffle", "--public-key", w.publicKey}},
		{"shuffle of another", []string{"--seed", "8", "--scenario", "shuffle", "--users", "200", "--departments", "40"}},
		{"unbind", []string{"--seed", "9", "--scenario", "unbind", "--public-key", w.publicKey}},
		{"load", []string{"--seed", "10", "--scenario", "load", "--rate", "200", "--duration", "1s", "--users", "600"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{
				"simulate", "--target", w.public, "--key", worldKey, "--verify", w.admin, "--token", worldToken, "--json",
			}, test.args...)
			code, stdout, stderr := runHere(t, args...)
			var report simulationReport
			if err := json.Unmarshal([]byte(stdout), &report); err != nil {
				t.Fatalf("report: %v: %s %s", err, stdout, stderr)
			}
			if code != exitOK || !report.OK || !report.Verified {
				t.Errorf("exit %d: %s\n%s", code, stderr, stdout)
			}
		})
	}
}

func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	target := []string{"--target", "http://127.0.0.1:1/marketplace", "--key", "k"}
	tests := []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"no target", []string{"--key", "k"}, exitConfig, "--target: wants the production address"},
		{"no key", []string{"--target", "http://127.0.0.1:1/"}, exitConfig, "--key or --key-file is required"},
		{"no such scenario", append(target, "--scenario", "chaos"), exitConfig, `"chaos" is none of [bind edits shuffle unbind load]`},
		{"load elsewhere", []string{"--target", "https://app.example.com/m", "--key", "k", "--scenario", "load"}, exitConfig, "app.example.com is another machine; a load on it wants --yes-this-is-mine"},
		{"too many", append(target, "--users", "100001"), exitConfig, "--users: wants 2 to 100000"},
		{"too fast", append(target, "--rate", "NaN"), exitConfig, "--rate: wants 0 to 1000"},
		{"too long", append(target, "--duration", "61m"), exitConfig, "--duration: wants up to 1h0m0s"},
		{"no token", append(target, "--verify", "http://127.0.0.1:1"), exitConfig, "--token or --token-file is required"},
		{"nobody answers", target, exitFailed, "the production address gives no valid answer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := runHere(t, append([]string{"simulate"}, test.args...)...)
			if code != test.code || !strings.Contains(stderr, test.stderr) {
				t.Errorf("exit %d, want %d; stderr %q, want it to say %q", code, test.code, stderr, test.stderr)
			}
		})
	}
}

// TestSimulateForgottenPath: without the path nothing answers, and one request is enough to say so.
func TestSimulateForgottenPath(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	base := strings.TrimSuffix(w.public, "/marketplace")
	code, stdout, stderr := runHere(t, "simulate", "--target", base+"/", "--key", worldKey)
	if code != exitFailed || !strings.Contains(stderr, "did you mean "+w.public+"?") || !strings.Contains(stdout, ": 1 messages in ") {
		t.Errorf("exit %d: %s\n%s", code, stderr, stdout)
	}
}

// TestSimulateSaysWhatIsWrong: a wrong key is not a success.
func TestSimulateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	code, stdout, _ := runHere(t, "simulate", "--target", w.public, "--key", "another-key", "--verify", w.admin, "--token", worldToken)
	if code != exitFailed || !strings.Contains(stdout, "answered 000001") || !strings.Contains(stdout, "differs: tenant") {
		t.Errorf("exit %d, want %d and what was answered: %s", code, exitFailed, stdout)
	}
}
