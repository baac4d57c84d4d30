package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/console"
)

// drifting compares the world's directory until it was compared after now, as serve does.
func drifting(t *testing.T, w *world) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.bridge.watchDrift(ctx, w.bridge.drifters[0])
	}()
	defer func() { cancel(); <-done }()
	began := time.Now()
	for deadline := time.After(20 * time.Second); ; {
		status, err := w.bridge.store.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if status.Sinks[0].Name == "corp" && status.Sinks[0].Compared.After(began.Add(500*time.Millisecond)) {
			return
		}
		select {
		case <-deadline:
			t.Fatal("it was not compared")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// drift is what everybody is told of the directory.
func (w *world) drift(t *testing.T) (status int64, degraded, metric string) {
	t.Helper()
	var s console.Status
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	_, list := w.ready(t)
	for _, d := range list {
		degraded += d.What + ": " + d.Why
	}
	w.bridge.metrics.registry.Unregister(newStateCollector(w.bridge))
	w.bridge.metrics.registry.MustRegister(newStateCollector(w.bridge)) // without what it kept
	r, err := http.Get(w.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, `kitbridge_sink_drift_changes{sink="corp"} `); ok {
			metric = strings.TrimSpace(rest)
		}
	}
	return s.Sinks[0].Drift, degraded, metric
}

// TestDriftReported: what somebody did to the directory is found, told everywhere, and left
// as it is; reconcile ends it.
func TestDriftReported(t *testing.T) {
	t.Parallel()
	w, d := directoryWorld(t, ", reconcile_every: 1s")
	drifting(t, w)
	if n, degraded, metric := w.drift(t); n != 0 || degraded != "" || metric != "0" {
		t.Errorf("of an equal directory: status %d, readyz %q, metric %q", n, degraded, metric)
	}
	conn := dialAdmin(t, d)
	sabotage(t, conn)
	drifting(t, w)
	n, degraded, metric := w.drift(t)
	if n != 4 || metric != "4" || !strings.Contains(degraded, "contents of sink corp: corp differs from the state in 4 places") {
		t.Errorf("after sabotage: status %d, readyz %q, metric %q", n, degraded, metric)
	}
	if got := w.command(t, exitOK, "status"); !strings.Contains(got, "corp differs from the state in 4 places: somebody else changed it; kitbridge plan --sink corp shows them") {
		t.Errorf("status: %s", got)
	}
	w.command(t, codePlanned, "plan", "--sink", "corp") // still
	w.command(t, exitOK, "reconcile", "--sink", "corp")
	if n, degraded, metric := w.drift(t); n != 0 || degraded != "" || metric != "0" {
		t.Errorf("after reconcile: status %d, readyz %q, metric %q", n, degraded, metric)
	}
}

// TestDriftRepaired: with on_drift: repair it is healed, unless the guard holds it.
func TestDriftRepaired(t *testing.T) {
	t.Parallel()
	w, d := directoryWorld(t, ", reconcile_every: 1s, on_drift: repair")
	drifting(t, w) // its time begins
	sabotage(t, dialAdmin(t, d))
	drifting(t, w)
	w.command(t, exitOK, "plan", "--sink", "corp")
	if n, degraded, metric := w.drift(t); n != 0 || degraded != "" || metric != "0" {
		t.Errorf("after the repair: status %d, readyz %q, metric %q", n, degraded, metric)
	}
}
