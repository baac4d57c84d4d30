package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// stateFor is how long counts that were read are shown again: they are read from the
	// database, and anybody on the listener may scrape.
	stateFor = 5 * time.Second
	// stateTimeout bounds one reading of them.
	stateTimeout = 5 * time.Second
)

// stateCollector shows what is counted in the database, not in this process. If that does
// not answer, the numbers are absent and kitbridge_database_up is 0.
type stateCollector struct {
	read   func(ctx context.Context) (store.Status, int64, error)
	health func() []orgsync.SinkHealth
	now    func() time.Time
	log    *slog.Logger

	up, changes, accepted, sessions *prometheus.Desc
	pending, dead, oldest, sinkUp   *prometheus.Desc
	sinkClosed, restored, drift     *prometheus.Desc

	mu     sync.Mutex
	status store.Status // as of at
	live   int64
	failed bool
	at     time.Time
}

func newStateCollector(b *bridge) *stateCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("kitbridge_"+name, help, labels, nil)
	}
	return &stateCollector{
		read: func(ctx context.Context) (store.Status, int64, error) {
			status, err := b.store.Status(ctx)
			if err != nil {
				return status, 0, err
			}
			n, err := b.store.CountSessions(ctx)
			return status, n, err
		},
		health: b.dispatcher.Health, now: time.Now, log: b.log,

		up:       desc("database_up", "1 if our own database answered."),
		changes:  desc("changes", "Accepted changes by their verdict now: applied, stale, parked, held, refused.", "verdict"),
		accepted: desc("changes_accepted_total", "Accepted changes, the sum of kitbridge_changes."),
		sessions: desc("sessions", "Sessions that have not expired."),
		pending:  desc("sink_pending_keys", "Keys that the sink is still owed, those in back-off too.", "sink"),
		dead:     desc("sink_dead_keys", "Keys that the sink will not take as they are.", "sink"),
		oldest:   desc("sink_oldest_pending_seconds", "How long the oldest pending key is owed, 0 if there is none.", "sink"),
		sinkUp:   desc("sink_up", "1 if the sink answered the last time it was asked.", "sink"),

		sinkClosed: desc("sink_closed", "1 if the sink is not ours to write: another bridge keeps it, or the database was restored.", "sink"),
		drift:      desc("sink_drift_changes", "Changes that would have made the sink equal when all of it was compared last.", "sink"),
		restored:   desc("restored", "1 if the database was restored and pushes may be missing."),
	}
}

// Describe implements [prometheus.Collector].
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.changes, c.accepted, c.sessions, c.pending, c.dead, c.oldest, c.sinkUp, c.sinkClosed, c.restored, c.drift} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, h := range c.health() {
		show(c.sinkUp, prometheus.GaugeValue, number(h.Err == nil), h.Name)
	}
	status, live, ok := c.state()
	show(c.up, prometheus.GaugeValue, number(ok))
	if !ok {
		return
	}
	for verdict, n := range status.Journal {
		show(c.changes, prometheus.GaugeValue, float64(n), orgsync.Verdict(verdict).String())
	}
	show(c.accepted, prometheus.CounterValue, float64(status.Journal.Accepted()))
	show(c.sessions, prometheus.GaugeValue, float64(live))
	show(c.restored, prometheus.GaugeValue, number(status.Restored))
	for _, s := range status.Sinks {
		show(c.sinkClosed, prometheus.GaugeValue, number(s.Closed != ""), s.Name)
		show(c.drift, prometheus.GaugeValue, float64(s.Drift), s.Name)
		show(c.pending, prometheus.GaugeValue, float64(s.Pending), s.Name)
		show(c.dead, prometheus.GaugeValue, float64(s.Dead), s.Name)
		show(c.oldest, prometheus.GaugeValue, s.Oldest.Seconds(), s.Name)
	}
}

// state reads the counts, or returns those read a moment ago.
func (c *stateCollector) state() (store.Status, int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); c.at.IsZero() || now.Sub(c.at) >= stateFor {
		ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
		defer cancel()
		var err error
		c.status, c.live, err = c.read(ctx)
		if c.failed = err != nil; c.failed {
			c.log.WarnContext(ctx, "counts not read", "error", err.Error())
		}
		c.at = c.now()
	}
	return c.status, c.live, !c.failed
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
