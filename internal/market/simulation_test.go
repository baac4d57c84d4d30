package market_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/market"
)

// counterpart is a production address that answers as it is told and remembers what came.
type counterpart struct {
	answer func(n int64) (status int, code string)
	count  atomic.Int64

	mu     sync.Mutex
	bodies []string // guarded by mu
	nonces []string // guarded by mu
}

func (s *counterpart) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, code := http.StatusOK, "000000"
	if n := s.count.Add(1); s.answer != nil {
		status, code = s.answer(n)
	}
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.bodies, s.nonces = append(s.bodies, string(body)), append(s.nonces, r.Header.Get("X-Nonce"))
	s.mu.Unlock()
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"resultCode": code, "resultMsg": "text"})
}

func simulation(t *testing.T, s *counterpart, scenario market.Scenario) *market.Simulation {
	t.Helper()
	c, err := market.NewClient(market.Config{
		Target: "http://seller.example.com/m", Key: "k", Now: time.Now, HTTP: &http.Client{Transport: inProcess{s}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &market.Simulation{
		Client: c, Scenario: scenario, Seed: 7, Now: time.Now,
		Buyer: market.Generate(market.Spec{Seed: 7, Departments: 12, Users: 40}),
	}
}

func TestSimulationCounts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scenario market.Scenario
		sent     int
	}{
		{market.BindScenario, 3}, {market.EditsScenario, 63}, {market.UnbindScenario, 4}, {market.ShuffleScenario, 79},
	}
	for _, test := range tests {
		t.Run(string(test.scenario), func(t *testing.T) {
			t.Parallel()
			s := &counterpart{}
			report, err := simulation(t, s, test.scenario).Run(t.Context())
			if err != nil || !report.OK() {
				t.Fatalf("Run = %+v, %v", report, err)
			}
			if report.Sent != test.sent || report.Answers["000000"] != test.sent || report.Retries != 0 {
				t.Errorf("Run sent %d, answered %v; want %d", report.Sent, report.Answers, test.sent)
			}
			if report.P50 <= 0 || report.P99 < report.P50 || report.Slowest < report.P99 {
				t.Errorf("latencies %s, %s, %s are not in order", report.P50, report.P99, report.Slowest)
			}
		})
	}
}

// TestUnbindLeavesNothing in the model.
func TestUnbindLeavesNothing(t *testing.T) {
	t.Parallel()
	play := simulation(t, &counterpart{}, market.UnbindScenario)
	if _, err := play.Run(t.Context()); err != nil || len(play.Buyer.Users)+len(play.Buyer.Departments) != 0 {
		t.Errorf("after the end there are %d users and %d departments: %v", len(play.Buyer.Users), len(play.Buyer.Departments), err)
	}
}

// TestShuffleIsTheSameHistory: whatever the order, what is said is what EditsScenario
// says, some of it twice, and some twice in the very same bytes.
func TestShuffleIsTheSameHistory(t *testing.T) {
	t.Parallel()
	ordered, shuffled := &counterpart{}, &counterpart{}
	a, b := simulation(t, ordered, market.EditsScenario), simulation(t, shuffled, market.ShuffleScenario)
	for _, s := range []*market.Simulation{a, b} {
		if _, err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(a.Buyer, b.Buyer); diff != "" {
		t.Errorf("the models differ:\n%s", diff)
	}
	said := func(s *counterpart) []string {
		var all []string
		for _, body := range s.bodies {
			var m map[string]any
			if err := json.Unmarshal([]byte(body), &m); err != nil {
				t.Fatal(err)
			}
			delete(m, "timeStamp")
			delete(m, "currentSyncTime")
			text, _ := json.Marshal(m)
			all = append(all, string(text))
		}
		return all
	}
	before := said(ordered)
	after := said(shuffled)
	if slices.Equal(before, after[:len(before)]) {
		t.Error("nothing is shuffled")
	}
	slices.Sort(before)
	slices.Sort(after)
	if diff := cmp.Diff(slices.Compact(before), slices.Compact(after)); diff != "" {
		t.Errorf("something else is said (-ordered +shuffled):\n%s", diff)
	}
	nonces := slices.Sorted(slices.Values(shuffled.nonces))
	if all := len(nonces); len(slices.Compact(nonces)) == all {
		t.Error("nothing came twice in the same bytes")
	}
}

func TestSimulationRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &counterpart{answer: func(n int64) (int, string) {
			switch n {
			case 1:
				return http.StatusBadGateway, "000000"
			case 3:
				return http.StatusOK, "000005"
			default:
				return http.StatusOK, "000000"
			}
		}}
		report, err := simulation(t, s, market.BindScenario).Run(t.Context())
		if err != nil || !report.OK() {
			t.Fatalf("Run = %+v, %v", report, err)
		}
		if report.Sent != 5 || report.Retries != 2 || report.Unanswered != 1 || report.Answers["000005"] != 1 {
			t.Errorf("Run = %+v; want 5 sent, 2 of them retries, 1 unanswered, 1 answered 000005", report)
		}
		if s.nonces[0] == s.nonces[1] || s.bodies[0] != s.bodies[1] {
			t.Error("a retry must be the same statement, signed anew")
		}
	})
}

func TestSimulationGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &counterpart{answer: func(int64) (int, string) { return http.StatusInternalServerError, "" }}
		report, err := simulation(t, s, market.EditsScenario).Run(t.Context())
		if !errors.Is(err, market.ErrSilent) || report.OK() || report.Sent != 12 {
			t.Errorf("Run = %+v, %v; want %v after 12 requests", report, err, market.ErrSilent)
		}
	})
}

// TestSimulationNotThere: at an address where nothing is, one request is enough; where only one
// interface is not, the play goes on without it.
func TestSimulationNotThere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		missing int64 // from here on; 0: from the first
		last    int64
		sent    int
		want    error
	}{{0, 99, 1, market.ErrNotThere}, {2, 2, 3, nil}} {
		s := &counterpart{answer: func(n int64) (int, string) {
			if n >= tt.missing && n <= tt.last {
				return http.StatusNotFound, ""
			}
			return http.StatusOK, "000000"
		}}
		report, err := simulation(t, s, market.BindScenario).Run(t.Context())
		if !errors.Is(err, tt.want) || report.OK() || report.Sent != tt.sent || report.Retries != 0 || report.FaultCount != 1 {
			t.Errorf("Run = %+v, %v; want %v after %d requests", report, err, tt.want, tt.sent)
		}
	}
}

func TestSimulationRefused(t *testing.T) {
	t.Parallel()
	s := &counterpart{answer: func(int64) (int, string) { return http.StatusOK, "000001" }}
	report, err := simulation(t, s, market.BindScenario).Run(t.Context())
	if err != nil || report.OK() || report.FaultCount != 3 || !strings.Contains(report.Faults[0], "tenantSync: refused with 000001") {
		t.Errorf("Run = %+v, %v; want three refusals", report, err)
	}
}

// TestLoadKeepsItsRate and does not outlast its time.
func TestLoadKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		play := simulation(t, &counterpart{}, market.LoadScenario)
		play.Rate, play.Duration = 200, 500*time.Millisecond
		report, err := play.Run(t.Context())
		if err != nil || report.Sent != 3+100 {
			t.Errorf("Run = %+v, %v; want 103 messages", report, err)
		}
		if want := 102 * 5 * time.Millisecond; report.Elapsed != want {
			t.Errorf("103 messages at 200 a second took %s, want %s", report.Elapsed, want)
		}
	})
}

// admin is an admin API that holds what a buyer is, but for what a test changes.
type admin struct {
	buyer  *market.Buyer
	change func(status map[string]any, users, departments *[]map[string]any)
}

func (a admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	users, departments, enabled := []map[string]any{}, []map[string]any{}, 0
	for _, u := range a.buyer.Users {
		status := "enabled"
		if u.Disabled {
			status = "disabled"
		} else {
			enabled++
		}
		users = append(users, map[string]any{
			"user_name": u.UserName, "status": status, "role": u.Role, "name": u.Name, "org_code": u.OrgCode, "position": u.Position,
		})
	}
	for _, d := range a.buyer.Departments {
		departments = append(departments, map[string]any{"org_code": d.Code, "name": d.Name, "parent_code": d.Parent, "parked": false})
	}
	status := map[string]any{
		"sinks":   []map[string]any{{"name": "s", "pending": 0, "dead": 0}},
		"tenants": []map[string]any{{"tenant_id": a.buyer.TenantID, "users": enabled, "departments": len(departments), "parked": 0, "held": 0}},
		"journal": map[string]any{"accepted": 3, "applied": 2, "stale": 1},
	}
	if a.change != nil {
		a.change(status, &users, &departments)
	}
	answers := map[string]any{"/api/v1/status": status, "/api/v1/users": paged(r, users), "/api/v1/departments": paged(r, departments)}
	if r.Header.Get("Authorization") != "Bearer token" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_ = json.NewEncoder(w).Encode(answers[r.URL.Path])
}

// paged gives the first half of a list, then the second.
func paged(r *http.Request, list []map[string]any) map[string]any {
	half := len(list) / 2
	if r.URL.Query().Get("after") == "half" {
		return map[string]any{"items": list[half:], "next": ""}
	}
	return map[string]any{"items": list[:half], "next": "half"}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	type list = *[]map[string]any
	tests := []struct {
		name   string
		change func(status map[string]any, users, departments list)
		want   string
	}{
		{"equal", nil, ""},
		{"former users are removed", func(_ map[string]any, u, _ list) {
			*u = append(*u, map[string]any{"user_name": "gone", "status": "removed"})
		}, ""},
		{"former users are not", func(_ map[string]any, u, _ list) {
			*u = append(*u, map[string]any{"user_name": "gone", "status": "enabled"})
		}, "user gone is enabled, want removed"},
		{"a user is missing", func(_ map[string]any, u, _ list) { *u = (*u)[1:] }, "is missing"},
		{"a user is other", func(_ map[string]any, u, _ list) { (*u)[3]["org_code"] = "x" }, "OrgCode:x"},
		{"a department is missing", func(_ map[string]any, _, d list) { *d = (*d)[1:] }, "department 00000001 is missing"},
		{"a department too many", func(_ map[string]any, _, d list) { *d = append(*d, map[string]any{"org_code": "x"}) }, "department x is there, want it gone"},
		{"a department is parked", func(_ map[string]any, _, d list) { (*d)[0]["parked"] = true }, "Parked:true"},
		{"counts do not add up", func(s map[string]any, _, _ list) { s["journal"] = map[string]any{"accepted": 4, "applied": 3} }, "accepted 4, the others 3"},
		{"another tenant", func(s map[string]any, _, _ list) { s["tenants"] = []any{} }, "is not known"},
		{"still owed", func(s map[string]any, _, _ list) {
			s["sinks"] = []map[string]any{{"name": "s", "pending": 2, "dead": 1}}
		}, "sink s is still owed 2 keys after 1ms\nsink s refuses 1 keys for good"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := market.DemoBuyers()[0]
			v := market.Verification{
				Admin: "http://admin.example.com/", Token: "token", Wait: time.Millisecond,
				HTTP: &http.Client{Transport: inProcess{admin{b, test.change}}},
			}
			if test.name == "a department is missing" {
				b.Departments[0].Code = "00000001"
			}
			got, err := v.Verify(t.Context(), b)
			text := strings.Join(got, "\n")
			if err != nil || !strings.Contains(text, test.want) || test.want == "" && text != "" {
				t.Errorf("Verify = %q, %v; want %q", text, err, test.want)
			}
		})
	}
	v := market.Verification{Admin: "http://a", Token: "x", Wait: 1, HTTP: &http.Client{Transport: inProcess{admin{buyer: market.DemoBuyers()[0]}}}}
	if _, err := v.Verify(t.Context(), market.DemoBuyers()[0]); err == nil {
		t.Error("Verify with a wrong token = nil error")
	}
}
