//go:build integration

package integration_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// statusReport is what GET /api/v1/status answers.
type statusReport struct {
	Sinks []struct {
		Name    string  `json:"name"`
		Pending int64   `json:"pending"`
		Dead    int64   `json:"dead"`
		Oldest  float64 `json:"oldest_pending_seconds"`
	} `json:"sinks"`
	Tenants []struct {
		ID          string `json:"tenant_id"`
		Name        string `json:"name"`
		Users       int64  `json:"users"`
		Departments int64  `json:"departments"`
		Parked      int64  `json:"parked"`
		Held        int64  `json:"held"`
	} `json:"tenants"`
	Journal struct {
		Accepted int64 `json:"accepted"`
		Applied  int64 `json:"applied"`
		Stale    int64 `json:"stale"`
		Parked   int64 `json:"parked"`
		Held     int64 `json:"held"`
		Refused  int64 `json:"refused"`
	} `json:"journal"`
}

// status asks the bridge for its counts. They must add up, whenever one asks.
func (b *bridge) status(t testing.TB) statusReport {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.adminURL+"/api/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := b.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET /api/v1/status: %s", response.Status)
	}
	var s statusReport
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	if j := s.Journal; j.Accepted != j.Applied+j.Stale+j.Parked+j.Held+j.Refused {
		t.Errorf("the journal's counts do not add up: %+v", j)
	}
	return s
}

// counts is the status without what passes by itself.
func (b *bridge) counts(t testing.TB) statusReport {
	t.Helper()
	s := b.status(t)
	for n := range s.Sinks {
		s.Sinks[n].Pending, s.Sinks[n].Oldest = 0, 0
	}
	return s
}

// pending is how many keys the sinks are owed, all together.
func (s statusReport) pending() (n int64) {
	for _, sink := range s.Sinks {
		n += sink.Pending
	}
	return n
}
