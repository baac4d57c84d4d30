package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/console"
)

const token = "0123456789abcdef0123456789abcdef"

func config() console.Config {
	return console.Config{
		Token: token, Listen: "127.0.0.1:8081",
		Status:   func(context.Context) (console.Status, error) { return console.Status{}, nil },
		Database: func(context.Context) error { return nil },
		Degraded: func(context.Context) []console.Degraded { return nil },
		API:      api(),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("kitbridge_build_info 1\n"))
		}),
		Logger: slog.New(slog.DiscardHandler),
	}
}

func ask(t *testing.T, cfg console.Config, path string, change func(*http.Request)) (int, string) {
	t.Helper()
	h, err := console.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "127.0.0.1:8081"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func bearer(t string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+t) }
}

func TestStatus(t *testing.T) {
	t.Parallel()
	full := console.Status{
		Sinks:   []console.SinkStatus{{Name: "corp", Pending: 2, Dead: 1, OldestPendingSeconds: 1.5}},
		Tenants: []console.TenantStatus{{TenantID: "t", Name: "晨光", Users: 3, Departments: 2, Parked: 1}},
		Journal: console.JournalStatus{Accepted: 6, Applied: 5, Parked: 1},
	}
	for _, c := range []struct {
		name   string
		status console.Status
		want   string
	}{
		{"nothing yet", console.Status{}, `{"sinks":[],"tenants":[],"journal":{"accepted":0,"applied":0,"stale":0,"parked":0,"held":0,"refused":0}}`},
		{
			"everything", full,
			`{"sinks":[{"name":"corp","pending":2,"dead":1,"oldest_pending_seconds":1.5}],` +
				`"tenants":[{"tenant_id":"t","name":"晨光","users":3,"departments":2,"parked":1,"held":0}],` +
				`"journal":{"accepted":6,"applied":5,"stale":0,"parked":1,"held":0,"refused":0}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := config()
			cfg.Status = func(context.Context) (console.Status, error) { return c.status, nil }
			code, body := ask(t, cfg, "/api/v1/status", bearer(token))
			if code != http.StatusOK || strings.TrimSpace(body) != c.want {
				t.Errorf("GET /api/v1/status = %d %s, want 200 %s", code, body, c.want)
			}
		})
	}
}

func TestAPIIsClosedToStrangers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		token  string
		change func(*http.Request)
		want   int
	}{
		{"no token sent", token, nil, http.StatusUnauthorized},
		{"wrong token", token, bearer(token + "0"), http.StatusUnauthorized},
		{"basic", token, func(r *http.Request) { r.SetBasicAuth("admin", token) }, http.StatusUnauthorized},
		{"API off", "", bearer(""), http.StatusNotFound},
		{"foreign name", token, func(r *http.Request) { bearer(token)(r); r.Host = "evil.example:8081" }, http.StatusMisdirectedRequest},
		{"localhost", token, func(r *http.Request) { bearer(token)(r); r.Host = "LOCALHOST:8081" }, http.StatusOK},
		{"IPv6 loopback", token, func(r *http.Request) { bearer(token)(r); r.Host = "[::1]:8081" }, http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := config()
			cfg.Token = c.token
			if code, body := ask(t, cfg, "/api/v1/status", c.change); code != c.want {
				t.Errorf("GET /api/v1/status = %d %s, want %d", code, body, c.want)
			}
		})
	}
}

func TestErrorsStayInside(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.Status = func(context.Context) (console.Status, error) {
		return console.Status{}, errors.New("dial 10.1.2.3: refused")
	}
	code, body := ask(t, cfg, "/api/v1/status", bearer(token))
	if code != http.StatusServiceUnavailable || strings.Contains(body, "10.1.2.3") {
		t.Errorf("GET /api/v1/status = %d %s, want 503 without the inner error", code, body)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	down := console.Degraded{What: "sink corp", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Why: "connection refused"}
	type answer struct {
		Ready    bool
		Degraded []console.Degraded
	}
	for _, c := range []struct {
		name     string
		database error
		degraded []console.Degraded
		code     int
		want     answer
	}{
		{"all well", nil, nil, http.StatusOK, answer{true, []console.Degraded{}}},
		{"a sink is down", nil, []console.Degraded{down}, http.StatusOK, answer{true, []console.Degraded{down}}},
		{
			"no database", errors.New("disk I/O error"), nil, http.StatusServiceUnavailable,
			answer{false, []console.Degraded{{What: "database", Why: "does not answer; the log says why"}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := config()
			cfg.Database = func(context.Context) error { return c.database }
			cfg.Degraded = func(context.Context) []console.Degraded { return c.degraded }
			code, body := ask(t, cfg, "/readyz", nil)
			var got answer
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); code != c.code || diff != "" {
				t.Errorf("GET /readyz = %d, want %d (-want +got)\n%s", code, c.code, diff)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	if code, body := ask(t, config(), "/healthz", nil); code != http.StatusOK || body != "ok\n" {
		t.Errorf("GET /healthz = %d %q, want 200 ok", code, body)
	}
}

func TestMetricsNeedNoToken(t *testing.T) {
	t.Parallel()
	if code, body := ask(t, config(), "/metrics", nil); code != http.StatusOK || body != "kitbridge_build_info 1\n" {
		t.Errorf("GET /metrics = %d %q, want the handler's", code, body)
	}
}

func TestNewWantsItsParts(t *testing.T) {
	t.Parallel()
	for name, without := range map[string]func(*console.Config){
		"Status":        func(c *console.Config) { c.Status = nil },
		"Database":      func(c *console.Config) { c.Database = nil },
		"Degraded":      func(c *console.Config) { c.Degraded = nil },
		"Lists":         func(c *console.Config) { c.API.Lists = nil },
		"Decide":        func(c *console.Config) { c.API.Decide = nil },
		"RetryDead":     func(c *console.Config) { c.API.RetryDead = nil },
		"EndSession":    func(c *console.Config) { c.API.EndSession = nil },
		"EndSessionsOf": func(c *console.Config) { c.API.EndSessionsOf = nil },
		"Metrics":       func(c *console.Config) { c.Metrics = nil },
		"Logger":        func(c *console.Config) { c.Logger = nil },
	} {
		cfg := config()
		without(&cfg)
		if _, err := console.New(cfg); err == nil {
			t.Errorf("New without %s = nil, want an error", name)
		}
	}
}
