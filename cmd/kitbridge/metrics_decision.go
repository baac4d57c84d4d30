package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kitbridge/kitbridge/sso"
)

// decidedBy is what the decisions of one face are counted in. It is looked up beforehand: there may be tens of thousands a
// second.
type decidedBy struct {
	outcomes map[sso.Outcome]prometheus.Counter
	elapsed  prometheus.Observer
}

// newDecisions makes what counts decisions about requests, all series of them: a rate needs the zero before the first.
func (m *metrics) newDecisions() {
	m.refreshes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "kitbridge_session_refreshes_total",
		Help: "Sessions about which the auth centre was asked again, by what came of it: unchanged, changed, ended, unanswered, forgotten.",
	}, []string{"outcome"})
	m.decisions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "kitbridge_decisions_total",
		Help: "Decisions about requests by face and outcome: allowed, public, signed_out, forbidden, unavailable.",
	}, []string{"face", "outcome"})
	m.deciding = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "kitbridge_decision_duration_seconds",
		Help:    "Time that a decision about a request took, by face.",
		Buckets: []float64{.00001, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3},
	}, []string{"face"})
	m.decided = map[sso.Face]decidedBy{}
	for _, face := range sso.Faces() {
		by := decidedBy{outcomes: map[sso.Outcome]prometheus.Counter{}, elapsed: m.deciding.WithLabelValues(string(face))}
		for _, outcome := range sso.Outcomes() {
			by.outcomes[outcome] = m.decisions.WithLabelValues(string(face), string(outcome))
		}
		m.decided[face] = by
	}
}

// observeDecision counts a decision about a request.
func (m *metrics) observeDecision(d sso.Decided) {
	by := m.decided[d.Face]
	by.outcomes[d.Outcome].Inc()
	by.elapsed.Observe(d.Elapsed.Seconds())
}

// observeRefresh counts what came of asking an auth centre again.
func (m *metrics) observeRefresh(e sso.Event) {
	outcome := e.Outcome
	if e.Name == sso.EventSessionEnded {
		outcome = "ended"
	}
	m.refreshes.WithLabelValues(outcome).Inc()
}
