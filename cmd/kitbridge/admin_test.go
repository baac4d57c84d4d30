package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/market"
)

// ask calls the admin API and reads its answer.
func (w *world) ask(t *testing.T, method, path string, want int, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+worldToken)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != want {
		t.Fatalf("%s %s = %d %s, want %d", method, path, resp.StatusCode, body, want)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, body)
	}
}

// listed is a page of any list.
type listed struct {
	Items []map[string]any `json:"items"`
	Next  string           `json:"next"`
}

// list reads all pages of a list.
func (w *world) list(t *testing.T, name string, query url.Values) []map[string]any {
	t.Helper()
	query.Set("limit", "3")
	var all []map[string]any
	for {
		var page listed
		w.ask(t, "GET", "/api/v1/"+name+"?"+query.Encode(), http.StatusOK, &page)
		if len(page.Items) > 3 {
			t.Fatalf("%s: a page of %d items, want 3 at most", name, len(page.Items))
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		query.Set("after", page.Next)
	}
}

func texts(items []map[string]any, field string) []string {
	out := make([]string, 0, len(items))
	for _, i := range items {
		text, _ := i[field].(string)
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// TestAPIShowsTheState: what a buyer was pushed is what the lists hold.
func TestAPIShowsTheState(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	buyers := market.DemoBuyers()
	for _, b := range buyers {
		if err := w.send(t.Context(), b.Binding()...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, b := range buyers {
		var users, departments []string
		for _, u := range b.Users {
			users = append(users, u.UserName)
		}
		for _, d := range b.Departments {
			departments = append(departments, d.Code)
		}
		slices.Sort(users)
		slices.Sort(departments)
		of := func() url.Values { return url.Values{"tenant": {b.TenantID}} }
		if diff := cmp.Diff(users, texts(w.list(t, "users", of()), "user_name")); diff != "" {
			t.Errorf("users of %s (-buyer +list):\n%s", b.Name, diff)
		}
		if diff := cmp.Diff(departments, texts(w.list(t, "departments", of()), "org_code")); diff != "" {
			t.Errorf("departments of %s (-buyer +list):\n%s", b.Name, diff)
		}
		if got := w.list(t, "journal", of()); len(got) != len(b.Binding()) {
			t.Errorf("journal of %s has %d pushes, want %d", b.Name, len(got), len(b.Binding()))
		}
	}
	if got := texts(w.list(t, "tenants", url.Values{}), "name"); len(got) != len(buyers) {
		t.Errorf("tenants = %v", got)
	}
	for _, empty := range []string{"parked", "held", "dead", "sessions"} {
		if got := w.list(t, empty, url.Values{}); len(got) != 0 {
			t.Errorf("%s = %v, want nothing", empty, got)
		}
	}
	var problem struct{ Error, Parameter string }
	w.ask(t, "GET", "/api/v1/users?limit=1001", http.StatusBadRequest, &problem)
	if problem.Error != "bad_parameter" || problem.Parameter != "limit" {
		t.Errorf("limit=1001 = %+v", problem)
	}
	w.ask(t, "GET", "/api/v1/users?tenant=nobody", http.StatusNotFound, &problem)
	w.ask(t, "POST", "/api/v1/held/1/approve", http.StatusNotFound, &problem)
	w.ask(t, "POST", "/api/v1/dead/retry?sink=nobody", http.StatusNotFound, &problem)
	w.ask(t, "DELETE", "/api/v1/sessions/xyz", http.StatusBadRequest, &problem)
}

// TestAPIDecides: an empty list changes nothing until a person says yes, and a rejected
// one never does.
func TestAPIDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word        string
		departments int
		refused     int64
		outcome     string
	}{{"approve", 0, 0, "approved"}, {"reject", 13, 1, "rejected"}} {
		t.Run(c.word, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t)
			b := market.DemoBuyers()[0]
			if err := w.send(t.Context(), b.Binding()...); err != nil {
				t.Fatal(err)
			}
			b.Departments = nil
			if err := w.send(t.Context(), b.AllOrgSync()); err != nil {
				t.Fatal(err)
			}
			held := w.list(t, "held", url.Values{"tenant": {b.TenantID}})
			if len(held) != 1 || held[0]["why"] != "guard" || len(w.list(t, "departments", url.Values{})) != 13 {
				t.Fatalf("held = %v", held)
			}
			var decision struct{ Refused int64 }
			var log bytes.Buffer
			w.bridge.log = newLogger(&log, Log{Level: "error", Format: "json"})
			path := fmt.Sprintf("/api/v1/held/%.0f/%s", held[0]["id"], c.word)
			w.ask(t, "POST", path, http.StatusOK, &decision)
			if decision.Refused != c.refused {
				t.Errorf("%s = %+v", c.word, decision)
			}
			if got := w.list(t, "departments", url.Values{}); len(got) != c.departments {
				t.Errorf("%d departments, want %d", len(got), c.departments)
			}
			if got := w.list(t, "held", url.Values{}); len(got) != 0 {
				t.Errorf("held = %v, want nothing", got)
			}
			w.ask(t, "POST", path, http.StatusNotFound, &decision)
			want := fmt.Sprintf(`"msg":"audit","event":"held_decided","outcome":"%s","journal_id":%.0f,"tenant_id":"%s"}`, c.outcome, held[0]["id"], b.TenantID)
			if got := log.String(); !strings.Contains(got, want) || strings.Count(got, "\n") != 1 {
				t.Errorf("the audit log is %swant one line with %s", got, want)
			}
		})
	}
}

// scrape reads the metrics by their name and labels.
func (w *world) scrape(t *testing.T) map[string]string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET /metrics = %d, %v", resp.StatusCode, err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			found[name] = value
		}
	}
	return found
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	ctx := context.Background()
	b := market.DemoBuyers()[0]
	if err := w.send(ctx, b.Binding()...); err != nil {
		t.Fatal(err)
	}
	if err := w.send(ctx, b.AddDepartment(market.Department{Code: "orphan", Name: "孤儿", Parent: "missing"})); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(w.public+"/produceAPI/v2/authSync", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	got := w.scrape(t)
	for name, want := range map[string]string{
		`kitbridge_pushes_total{generation="v2",kind="tenantSync",result="000000"}`: "1",
		`kitbridge_pushes_total{generation="v2",kind="authSync",result="000002"}`:   "1",
		`kitbridge_push_signatures_total{candidate="raw",generation="v2"}`:          "5",
		`kitbridge_pushed_changes_total{kind="singleOrgSync",verdict="parked"}`:     "1",
		`kitbridge_pushed_changes_total{kind="allOrgSync",verdict="applied"}`:       "13",
		`kitbridge_push_duration_seconds_count{kind="allOrgSync"}`:                  "1",
		`kitbridge_push_clock_offset_seconds_count{kind="tenantSync"}`:              "1",
		`kitbridge_push_clock_offset_seconds_bucket{kind="tenantSync",le="10"}`:     "1",
		`kitbridge_push_clock_offset_seconds_bucket{kind="tenantSync",le="-10"}`:    "0",
		`kitbridge_changes{verdict="parked"}`:                                       "1",
		`kitbridge_changes{verdict="held"}`:                                         "0",
		`kitbridge_changes_accepted_total`:                                          fmt.Sprint(2 + 13 + len(b.Users) + 1),
		`kitbridge_sink_pending_keys{sink="product"}`:                               "0",
		`kitbridge_sink_dead_keys{sink="product"}`:                                  "0",
		`kitbridge_sink_oldest_pending_seconds{sink="product"}`:                     "0",
		`kitbridge_sink_up{sink="product"}`:                                         "1",
		`kitbridge_deliveries_total{outcome="dead",sink="product"}`:                 "0",
		`kitbridge_database_up`:                                                     "1",
		`kitbridge_sessions`:                                                        "0",
	} {
		if got[name] != want {
			t.Errorf("%s %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{`kitbridge_deliveries_total{outcome="done",sink="product"}`, "process_resident_memory_bytes", "go_goroutines"} {
		if got[name] == "" || got[name] == "0" {
			t.Errorf("%s %q, want more than 0", name, got[name])
		}
	}
	for name := range got {
		for _, secret := range personalOf(b) {
			if secret != "" && strings.Contains(name, secret) {
				t.Errorf("%s names %q", name, secret)
			}
		}
	}
}

// personalOf is what tells a buyer or its people from others.
func personalOf(b *market.Buyer) []string {
	all := []string{b.TenantID, b.Code, b.Name, b.InstanceID, b.AppID, b.ClientID, "orphan"}
	for _, u := range b.Users {
		all = append(all, u.UserName, u.Name, u.Mobile, u.Email)
	}
	for _, d := range b.Departments {
		all = append(all, d.Name)
	}
	return all
}

// TestRetention: bodies are kept as long as the configuration says and no longer; the rest
// of the journal stays.
func TestRetention(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	b := market.DemoBuyers()[0]
	if err := w.send(t.Context(), b.Binding()...); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		retention time.Duration
		kept      bool
	}{{90 * day, true}, {0, false}} {
		w.bridge.config.Journal.Retention = c.retention
		w.bridge.forgetBodies(t.Context())
		items := w.list(t, "journal", url.Values{})
		if len(items) != len(b.Binding()) {
			t.Errorf("journal has %d pushes, want %d", len(items), len(b.Binding()))
		}
		for _, i := range items {
			if i["body_kept"] != c.kept || i["digest"] == "" || i["applied"] == 0 {
				t.Errorf("after %s: %v, want body kept: %t", c.retention, i, c.kept)
			}
		}
	}
}
