package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// gathered are the values by name and, if there is one, the value of the label.
func gathered(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

func TestStateCollector(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	reads := 0
	var failure error
	c := newStateCollector(&bridge{log: slog.New(slog.DiscardHandler)})
	c.now = func() time.Time { return now }
	c.health = func() []orgsync.SinkHealth {
		return []orgsync.SinkHealth{{Name: "corp", Err: errors.New("connection refused")}, {Name: "product"}}
	}
	c.read = func(context.Context) (store.Status, int64, error) {
		reads++
		return store.Status{
			Sinks:   []store.SinkStatus{{Name: "corp", Pending: 7, Dead: 2, Oldest: 90 * time.Second}},
			Tenants: []store.TenantStatus{{ID: "tenant", Name: "晨光"}},
			Journal: orgsync.Tally{10, 4, 3, 2, 1},
		}, int64(reads), failure
	}
	want := map[string]float64{
		"kitbridge_database_up": 1, "kitbridge_sessions": 1, "kitbridge_changes_accepted_total": 20,
		"kitbridge_changes applied": 10, "kitbridge_changes stale": 4, "kitbridge_changes parked": 3,
		"kitbridge_changes held": 2, "kitbridge_changes refused": 1,
		"kitbridge_sink_up corp": 0, "kitbridge_sink_up product": 1,
		"kitbridge_sink_pending_keys corp": 7, "kitbridge_sink_dead_keys corp": 2, "kitbridge_sink_drift_changes corp": 0, "kitbridge_sink_oldest_pending_seconds corp": 90,
		"kitbridge_sink_closed corp": 0, "kitbridge_restored": 0,
	}
	if diff := cmp.Diff(want, gathered(t, c)); diff != "" {
		t.Errorf("the first scrape (-want +got):\n%s", diff)
	}
	now = now.Add(stateFor - time.Millisecond)
	if gathered(t, c); reads != 1 {
		t.Errorf("a scrape within %s read the database again", stateFor)
	}
	now = now.Add(time.Millisecond)
	want["kitbridge_sessions"] = 2
	if diff := cmp.Diff(want, gathered(t, c)); diff != "" {
		t.Errorf("a scrape after that (-want +got):\n%s", diff)
	}
	now, failure = now.Add(stateFor), errors.New("disk I/O error")
	down := map[string]float64{"kitbridge_database_up": 0, "kitbridge_sink_up corp": 0, "kitbridge_sink_up product": 1}
	if diff := cmp.Diff(down, gathered(t, c)); diff != "" {
		t.Errorf("while the database is down (-want +got):\n%s", diff)
	}
}
