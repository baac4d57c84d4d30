package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
	"github.com/kitbridge/kitbridge/sso"
)

// accepting answers every push the same.
type accepting struct {
	receipt orgsync.Receipt
	err     error
}

func (a accepting) Accept(context.Context, orgsync.Push) (orgsync.Receipt, error) {
	return a.receipt, a.err
}

// TestClockOffset: what is measured is the sender's clock, once for each new message that
// was understood.
func TestClockOffset(t *testing.T) {
	t.Parallel()
	signed := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	said := func(at time.Time) orgsync.Push {
		return orgsync.Push{Kind: orgsync.AuthSync, Signed: signed, Message: orgsync.Message{Stamp: at}}
	}
	refused := said(signed)
	refused.Refused = orgsync.ErrInvalid
	down := errors.New("down")
	for _, c := range []struct {
		name string
		push orgsync.Push
		next accepting
		want []float64 // the sums of the observations
	}{
		{"on time", said(signed.Add(2 * time.Second)), accepting{}, []float64{2}},
		{"UTC for UTC+8", said(signed.Add(-8 * time.Hour)), accepting{}, []float64{-28800}},
		{"known", said(signed), accepting{receipt: orgsync.Receipt{Repeated: true}}, nil},
		{"not understood", refused, accepting{}, nil},
		{"no time", said(time.Time{}), accepting{}, nil},
		{"not accepted", said(signed), accepting{err: down}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMetrics(buildVersion{})
			r, err := m.acceptor(c.next).Accept(t.Context(), c.push)
			if r != c.next.receipt || !errors.Is(err, c.next.err) {
				t.Errorf("Accept = %+v, %v, want what the acceptor says", r, err)
			}
			families, err := m.registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			var got []float64
			for _, f := range families {
				if f.GetName() == "kitbridge_push_clock_offset_seconds" {
					for _, h := range f.GetMetric() {
						got = append(got, h.GetHistogram().GetSampleSum())
					}
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("observed (-want +got):\n%s", diff)
			}
		})
	}
}

// TestObservePush: a request that nobody signed has no candidate and no changes, and a
// base call is of no kind.
func TestObservePush(t *testing.T) {
	t.Parallel()
	m := newMetrics(buildVersion{})
	m.observePush(push.Observation{Generation: push.V1, Elapsed: time.Second})
	want := map[string]float64{"kitbridge_pushes_total v1 other ": 1}
	got := gathered(t, m.pushes)
	for _, c := range []map[string]float64{gathered(t, m.candidates), gathered(t, m.changes)} {
		for name, value := range c {
			got[name] = value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// TestDecisionMetrics: all series are there from the start, and name nobody.
func TestDecisionMetrics(t *testing.T) {
	t.Parallel()
	m := newMetrics(buildVersion{})
	zero := 0
	for range gathered(t, m.decisions) {
		zero++
	}
	if want := len(sso.Faces()); zero < want {
		t.Errorf("%d series before the first decision, want one for each face at least", zero)
	}
	m.observeDecision(sso.Decided{Face: sso.FaceProxy, Outcome: sso.OutcomeForbidden, Elapsed: 2 * time.Millisecond})
	m.observeRefresh(sso.Event{Name: sso.EventSessionRefreshed, Outcome: "unanswered"})
	m.observeRefresh(sso.Event{Name: sso.EventSessionEnded, Outcome: "two_people"})
	scrape := httptest.NewRecorder()
	m.handler(slog.New(slog.DiscardHandler)).ServeHTTP(scrape, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`kitbridge_decisions_total{face="proxy",outcome="forbidden"} 1`, `kitbridge_decisions_total{face="auth_request",outcome="allowed"} 0`,
		`kitbridge_decision_duration_seconds_count{face="proxy"} 1`, `kitbridge_decision_duration_seconds_bucket{face="proxy",le="0.001"} 0`,
		`kitbridge_session_refreshes_total{outcome="unanswered"} 1`, `kitbridge_session_refreshes_total{outcome="ended"} 1`,
	} {
		if !strings.Contains(scrape.Body.String(), want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
}
