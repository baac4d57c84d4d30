package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
	"github.com/kitbridge/kitbridge/sso"
)

// metrics counts what the process does. No label names a tenant, a user or a department:
// every label has a set of values that the program or the configuration bounds. It is
// safe for concurrent use.
type metrics struct {
	registry   *prometheus.Registry
	pushes     *prometheus.CounterVec
	candidates *prometheus.CounterVec
	changes    *prometheus.CounterVec
	elapsed    *prometheus.HistogramVec
	offset     *prometheus.HistogramVec
	deliveries *prometheus.CounterVec
	delivering *prometheus.HistogramVec
	signIns    *prometheus.CounterVec
	refreshes  *prometheus.CounterVec
	decisions  *prometheus.CounterVec
	deciding   *prometheus.HistogramVec
	decided    map[sso.Face]decidedBy // what a face's decisions are counted in; never changed
}

func newMetrics(build buildVersion) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kitbridge_pushes_total",
			Help: "Requests of the marketplace by interface, generation and the code answered; result is empty where the product answered.",
		}, []string{"kind", "generation", "result"}),
		candidates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kitbridge_push_signatures_total",
			Help: "Good signatures by the form of the body that they matched.",
		}, []string{"generation", "candidate"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kitbridge_pushed_changes_total",
			Help: "Changes of new pushes by interface and their verdict on arrival, the test realm's too; kitbridge_changes has the verdicts of now.",
		}, []string{"kind", "verdict"}),
		elapsed: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "kitbridge_push_duration_seconds",
			Help:    "Time from the request's header to the answer, by interface.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"kind"}),
		offset: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kitbridge_push_clock_offset_seconds",
			Help: "timeStamp of the message less the time of its signature (first generation: of receipt). About 0; -28800 means that UTC was sent for UTC+8.",
			Buckets: []float64{
				-86400, -28860, -28740, -3600, -600, -60, -10, -1, 1, 10, 60, 600, 3600, 28740, 28860, 86400,
			},
		}, []string{"kind"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kitbridge_deliveries_total",
			Help: "Keys handed to a sink by outcome: done, dead (needs other data), retry; warned are those of the done of which something was left out.",
		}, []string{"sink", "outcome"}),
		delivering: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "kitbridge_delivery_duration_seconds",
			Help:    "Time that a sink took for the keys of one tenant that it was handed together.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"sink"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kitbridge_sign_ins_total",
			Help: "Decisions about sign-ins by event and outcome, as in the audit log.",
		}, []string{"event", "outcome"}),
	}
	m.newDecisions()
	m.registry.MustRegister(m.signIns, m.refreshes, m.decisions, m.deciding, m.pushes, m.candidates, m.changes, m.elapsed, m.offset, m.deliveries, m.delivering,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(build))
	return m
}

func buildInfo(build buildVersion) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "kitbridge_build_info", Help: "1, with the version of the program.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "go_version": build.Go},
	})
	g.Set(1)
	return g
}

// observeDelivery counts what came of one delivery.
func (m *metrics) observeDelivery(d orgsync.Delivery) {
	for outcome, n := range map[string]int{"done": d.Done, "dead": d.Dead, "retry": d.Retry, "warned": d.Warned} {
		m.deliveries.WithLabelValues(d.Sink, outcome).Add(float64(n))
	}
	m.delivering.WithLabelValues(d.Sink).Observe(d.Elapsed.Seconds())
}

// acceptor measures the clocks of what is accepted.
func (m *metrics) acceptor(next push.Acceptor) push.Acceptor { return meteredAcceptor{m, next} }

type meteredAcceptor struct {
	metrics *metrics
	next    push.Acceptor
}

// Accept hands the push on.
func (a meteredAcceptor) Accept(ctx context.Context, p orgsync.Push) (orgsync.Receipt, error) {
	r, err := a.next.Accept(ctx, p)
	if err == nil && !r.Repeated && p.Refused == nil && !p.Message.Stamp.IsZero() {
		a.metrics.offset.WithLabelValues(p.Kind.String()).Observe(p.Message.Stamp.Sub(p.Signed).Seconds())
	}
	return r, err
}

const (
	// scrapesAtATime bounds the work that scrapes can make.
	scrapesAtATime = 4
	scrapeTimeout  = 10 * time.Second
)

// handler answers a scrape.
func (m *metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapesAtATime, Timeout: scrapeTimeout,
	})
}
