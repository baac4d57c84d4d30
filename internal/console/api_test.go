package console_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/console"
)

// api says back what it was asked.
func api() console.API {
	echo := func(_ context.Context, q console.Query) (any, error) {
		switch q.Tenant {
		case "nobody":
			return nil, fmt.Errorf("list: tenant: %w", console.ErrNotFound)
		case "broken":
			return nil, errors.New("disk I/O error at /var/lib")
		}
		if q.Limit > 1000 {
			return nil, fmt.Errorf("list: %w", &console.ParameterError{Parameter: "limit", Reason: "is not a number between 1 and 1000"})
		}
		return map[string]any{"items": []string{q.Tenant + q.User + q.Device}, "next": q.After, "limit": q.Limit}, nil
	}
	return console.API{
		Lists: map[string]func(context.Context, console.Query) (any, error){"users": echo, "held": echo, "dead": echo, "sessions": echo},
		Decide: func(_ context.Context, id int64, approve bool) (console.Decision, error) {
			if id == 404 {
				return console.Decision{}, fmt.Errorf("waiting message 404: %w", console.ErrNotFound)
			}
			d := console.Decision{ID: id, Refused: 2}
			if approve {
				d = console.Decision{ID: id, Applied: 2}
			}
			return d, nil
		},
		RetryDead: func(_ context.Context, sink, tenant string) (int, error) { return len(sink) + len(tenant), nil },
		EndSession: func(_ context.Context, id string) (int, error) {
			if id == "bad" {
				return 0, &console.ParameterError{Parameter: "id", Reason: "is not the id of a session"}
			}
			return len(id) - 1, nil
		},
		EndSessionsOf: func(_ context.Context, tenant, user, device string) (int, error) {
			return len(tenant) + len(user) + len(device), nil
		},
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path string
		code         int
		want         string
	}{
		{"GET", "/api/v1/users", 200, `{"items":[""],"limit":0,"next":""}`},
		{"GET", "/api/v1/users?tenant=t%2F1&after=x&limit=7", 200, `{"items":["t/1"],"limit":7,"next":"x"}`},
		{"GET", "/api/v1/users?tenant=", 200, `{"items":[""],"limit":0,"next":""}`},
		{"GET", "/api/v1/users?limit=0", 400, `{"error":"bad_parameter","message":"limit is not a number between 1 and 1000","parameter":"limit"}`},
		{"GET", "/api/v1/users?limit=", 400, `{"error":"bad_parameter","message":"limit is not a number between 1 and 1000","parameter":"limit"}`},
		{"GET", "/api/v1/users?limit=x", 400, `{"error":"bad_parameter","message":"limit is not a number between 1 and 1000","parameter":"limit"}`},
		{"GET", "/api/v1/users?limit=1001", 400, `{"error":"bad_parameter","message":"limit is not a number between 1 and 1000","parameter":"limit"}`},
		{"GET", "/api/v1/users?limt=5", 400, `{"error":"bad_parameter","message":"limt is not known here; known are tenant, after, limit","parameter":"limt"}`},
		{"GET", "/api/v1/users?tenant=a&tenant=b", 400, `{"error":"bad_parameter","message":"tenant is given more than once","parameter":"tenant"}`},
		{"GET", "/api/v1/users?after=" + strings.Repeat("x", 1025), 400, `{"error":"bad_parameter","message":"after is too long","parameter":"after"}`},
		{"GET", "/api/v1/users?tenant=%zz", 400, `{"error":"bad_parameter","message":"query cannot be read: write special characters as %XX","parameter":"query"}`},
		{"GET", "/api/v1/users?tenant=nobody", 404, `{"error":"not_found","message":"list: tenant: not found"}`},
		{"GET", "/api/v1/users?tenant=broken", 503, `{"error":"unavailable","message":"the database does not answer; the log says why"}`},
		{"POST", "/api/v1/users", 405, `{"error":"method_not_allowed","message":"use GET"}`},
		{"GET", "/api/v1/journals", 404, `{"error":"not_found","message":"there is nothing here; see /healthz, /readyz, /metrics and /api/v1/status"}`},

		{"POST", "/api/v1/held/7/approve", 200, `{"id":7,"applied":2,"stale":0,"parked":0,"held":0,"refused":0}`},
		{"POST", "/api/v1/held/7/reject", 200, `{"id":7,"applied":0,"stale":0,"parked":0,"held":0,"refused":2}`},
		{"GET", "/api/v1/held/7/approve", 405, `{"error":"method_not_allowed","message":"use POST"}`},
		{"POST", "/api/v1/held/404/approve", 404, `{"error":"not_found","message":"waiting message 404: not found"}`},
		{"POST", "/api/v1/held/-1/approve", 400, `{"error":"bad_parameter","message":"id is not a number of the list of what is held","parameter":"id"}`},
		{"POST", "/api/v1/held/x/reject", 400, `{"error":"bad_parameter","message":"id is not a number of the list of what is held","parameter":"id"}`},
		{"POST", "/api/v1/held/7/reject?tenant=t", 400, `{"error":"bad_parameter","message":"tenant is not known here; there are no parameters","parameter":"tenant"}`},

		{"POST", "/api/v1/dead/retry", 200, `{"retried":0}`},
		{"POST", "/api/v1/dead/retry?sink=corp&tenant=t", 200, `{"retried":5}`},

		{"DELETE", "/api/v1/sessions/ab", 200, `{"ended":1}`},
		{"DELETE", "/api/v1/sessions/a", 404, `{"error":"not_found","message":"session: not found"}`},
		{"DELETE", "/api/v1/sessions/bad", 400, `{"error":"bad_parameter","message":"id is not the id of a session","parameter":"id"}`},
		{"DELETE", "/api/v1/sessions?tenant=t&user=u", 200, `{"ended":2}`},
		{"DELETE", "/api/v1/sessions?tenant=tt", 200, `{"ended":2}`},
		{"DELETE", "/api/v1/sessions?tenant=tt&device=ddd", 200, `{"ended":5}`},
		{"DELETE", "/api/v1/sessions?tenant=t&device=", 400, `{"error":"bad_parameter","message":"device is empty; leave it out to end all sessions of the tenant","parameter":"device"}`},
		{"GET", "/api/v1/sessions?user=u&device=d", 200, `{"items":["ud"],"limit":0,"next":""}`},
		{"GET", "/api/v1/users?user=u", 400, `{"error":"bad_parameter","message":"user is not known here; known are tenant, after, limit","parameter":"user"}`},
		{"DELETE", "/api/v1/sessions?tenant=t&user=", 400, `{"error":"bad_parameter","message":"user is empty; leave it out to end all sessions of the tenant","parameter":"user"}`},
		{"DELETE", "/api/v1/sessions", 400, `{"error":"bad_parameter","message":"tenant is missing","parameter":"tenant"}`},
		{"GET", "/api/v1/sessions", 200, `{"items":[""],"limit":0,"next":""}`},
		{"POST", "/api/v1/sessions", 405, `{"error":"method_not_allowed","message":"use DELETE or GET"}`},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			t.Parallel()
			h, err := console.New(config())
			if err != nil {
				t.Fatal(err)
			}
			for _, withToken := range []bool{true, false} {
				r := httptest.NewRequest(c.method, c.path, nil)
				r.Host = "127.0.0.1:8081"
				if withToken {
					bearer(token)(r)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				body := strings.TrimSpace(w.Body.String())
				switch {
				case withToken && (w.Code != c.code || body != c.want):
					t.Errorf("%d %s, want %d %s", w.Code, body, c.code, c.want)
				case !withToken && c.code != http.StatusNotFound && w.Code != http.StatusUnauthorized:
					t.Errorf("without the token %d %s, want 401", w.Code, body)
				}
				if w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
					t.Errorf("Content-Type = %q", w.Header().Get("Content-Type"))
				}
			}
		})
	}
}

// TestDecisionsAreLogged: who asks later why a list was applied finds it.
func TestDecisionsAreLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	cfg := config()
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	code, body := ask(t, cfg, "/api/v1/held/7/approve", func(r *http.Request) { r.Method = http.MethodPost; bearer(token)(r) })
	if code != http.StatusOK || !strings.Contains(log.String(), "journal_id=7 approved=true") {
		t.Errorf("approve = %d %s, log %q", code, body, log.String())
	}
}
