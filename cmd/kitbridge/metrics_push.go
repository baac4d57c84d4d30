package main

import (
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

// observePush counts one request of the marketplace.
func (m *metrics) observePush(o push.Observation) {
	kind := "other" // a base call, or no interface
	if o.Kind != 0 {
		kind = o.Kind.String()
	}
	m.pushes.WithLabelValues(kind, string(o.Generation), o.Result).Inc()
	m.elapsed.WithLabelValues(kind).Observe(o.Elapsed.Seconds())
	if o.Candidate != "" {
		m.candidates.WithLabelValues(string(o.Generation), string(o.Candidate)).Inc()
	}
	for verdict, n := range o.Tally {
		if n == 0 {
			continue
		}
		m.changes.WithLabelValues(kind, orgsync.Verdict(verdict).String()).Add(float64(n))
	}
}
