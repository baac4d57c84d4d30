package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/market"
)

// check runs kitbridge check and returns what it found, by area and what.
func (w *world) check(t *testing.T, want int) map[string]finding {
	t.Helper()
	var r checkReport
	if err := json.Unmarshal([]byte(w.command(t, want, "check", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if r.OK != (want == exitOK) {
		t.Errorf("check exits with %d and says ok %t", want, r.OK)
	}
	found := map[string]finding{}
	for _, f := range r.Findings {
		found[f.Area+": "+f.What] = f
	}
	return found
}

// TestCheck examines a bridge in order, then breaks one thing after another.
func TestCheck(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := startWorldOn(t, strings.Replace(worldYAML, "app.example.com", "localhost", 1))
	if err := w.send(ctx, market.DemoBuyers()[0].Binding()...); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
	found := w.check(t, exitFailed) // the demo's auth centre is no public address
	for what, state := range map[string]string{
		"database: reach, schema, key ring":                         stateOK,
		"database: writable":                                        stateOK,
		"sink product: rights to read and write":                    stateOK,
		"keys: application credential":                              stateOK,
		"addresses: public_url":                                     stateWarning,
		"auth centre: of tenant " + market.DemoBuyers()[0].TenantID: stateFault,
		"clock: against the marketplace's messages":                 stateOK,
	} {
		if f, ok := found[what]; !ok || f.State != state || (state == stateOK) != (f.Text == "") {
			t.Errorf("%s: %+v, want %s", what, f, state)
		}
	}
	dir := filepath.Dir(w.config)
	if err := os.WriteFile(filepath.Join(dir, rsaKeyName), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.product(t).ExecContext(ctx, "UPDATE kit_meta SET owner = 'somebody'"); err != nil {
		t.Fatal(err)
	}
	found = w.check(t, exitFailed)
	for what, text := range map[string]string{
		"keys: application credential": "is not PEM",
		"sink product: owner":          "belongs to bridge",
	} {
		if f := found[what]; f.State != stateFault || !strings.Contains(f.Text, text) {
			t.Errorf("%s: %+v, want a fault with %q", what, f, text)
		}
	}
	if got := w.command(t, exitFailed, "check"); !strings.Contains(got, "\nFAULT    sink product: owner: ") {
		t.Errorf("check for people:\n%s", got)
	}
}

func TestClockJudgement(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]string{
		0: stateOK, -10 * time.Second: stateOK, 11 * time.Second: stateWarning, -59 * time.Second: stateWarning,
		time.Minute: stateFault, -8 * time.Hour: stateFault,
	} {
		d := &doctor{}
		d.clock("x", ahead, time.Minute)
		if got := d.findings[0]; got.State != want {
			t.Errorf("%v ahead: %+v, want %s", ahead, got, want)
		}
	}
}
