package market

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// Report says what a play sent and what was answered.
type Report struct {
	Scenario Scenario `json:"scenario"`
	TenantID string   `json:"tenant_id"`
	// Sent counts requests, Retries those among them that repeat an unanswered one.
	Sent    int `json:"sent"`
	Retries int `json:"retries"`
	// Answers counts answers by their code, Unanswered requests without one.
	Answers    map[string]int `json:"answers"`
	Unanswered int            `json:"unanswered"`
	// P50, P99 and Slowest are of the time to an answer, to within 5 %.
	P50     time.Duration `json:"p50_ns"`
	P99     time.Duration `json:"p99_ns"`
	Slowest time.Duration `json:"slowest_ns"`
	Elapsed time.Duration `json:"elapsed_ns"`
	// Faults are the first messages that were refused or never answered, and why;
	// FaultCount is how many there were.
	Faults     []string `json:"faults"`
	FaultCount int      `json:"fault_count"`
}

// OK reports whether every message was accepted in the end.
func (r Report) OK() bool { return r.FaultCount == 0 && r.Sent > 0 }

const (
	maxFaults = 10
	// Latencies are counted in buckets, each 5 % wider than the one before, from 1 µs:
	// 400 of them reach beyond five minutes.
	latencyStep    = 1.05
	latencyBuckets = 400
)

// tally counts while a play is under way. It is safe for concurrent use.
type tally struct {
	mu sync.Mutex // guards all below

	sent, retries, unanswered int
	answers                   map[string]int
	latencies                 [latencyBuckets]int
	answered                  int
	slowest                   time.Duration
	faults                    []string
	faultCount                int
}

func newTally() *tally { return &tally{answers: map[string]int{}, faults: []string{}} }

// note counts one request.
func (t *tally) note(kind string, result Result, err error, took time.Duration, retry bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent++
	if retry {
		t.retries++
	}
	if err != nil {
		t.unanswered++
		return
	}
	t.answers[result.Code]++
	t.answered++
	t.latencies[bucketOf(took)]++
	t.slowest = max(t.slowest, took)
	if !result.OK() && result.Code != systemError {
		t.addFault(fmt.Sprintf("%s: refused with %s %s", kind, result.Code, result.Msg))
	}
}

// fail counts a message that was given up.
func (t *tally) fail(why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addFault(why)
}

// heardNothing says whether no message was answered so far.
func (t *tally) heardNothing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answered == 0
}

func (t *tally) addFault(why string) {
	t.faultCount++
	if len(t.faults) < maxFaults && !slices.Contains(t.faults, why) {
		t.faults = append(t.faults, why)
	}
}

func bucketOf(d time.Duration) int {
	if d <= time.Microsecond {
		return 0
	}
	n := int(math.Log(float64(d)/float64(time.Microsecond)) / math.Log(latencyStep))
	return min(n, latencyBuckets-1)
}

// quantile is the upper end of the bucket in which the part of all latencies ends.
func (t *tally) quantile(part float64) time.Duration {
	want, seen := int(math.Ceil(part*float64(t.answered))), 0
	for n, count := range t.latencies {
		if seen += count; seen >= want && seen > 0 {
			upper := time.Duration(math.Pow(latencyStep, float64(n+1)) * float64(time.Microsecond))
			return min(upper, t.slowest)
		}
	}
	return 0
}

func (t *tally) report(s *Simulation) Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Report{
		Scenario: s.Scenario, TenantID: s.Buyer.TenantID,
		Sent: t.sent, Retries: t.retries, Answers: t.answers, Unanswered: t.unanswered,
		P50: t.quantile(0.50), P99: t.quantile(0.99), Slowest: t.slowest,
		Faults: t.faults, FaultCount: t.faultCount,
	}
}
