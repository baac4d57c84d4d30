package console

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Config is what the admin listener needs. All fields but Token are required.
type Config struct {
	// Token is the API's bearer token; empty turns the API off.
	Token string
	// Listen is the address the listener has; its host may stand in the Host header, as
	// may localhost and any loopback address.
	Listen string
	// Status reads the counts.
	Status func(ctx context.Context) (Status, error)
	// Database says whether our own database answers.
	Database func(ctx context.Context) error
	// Degraded lists what does not work although the process does.
	Degraded func(ctx context.Context) []Degraded
	// API is what the JSON API reads and does.
	API API
	// Metrics answers GET /metrics.
	Metrics http.Handler
	Logger  *slog.Logger
}

// Degraded is one thing that does not work.
type Degraded struct {
	What  string    `json:"what"`
	Since time.Time `json:"since,omitzero"`
	Why   string    `json:"why"`
}

// Status is the answer of GET /api/v1/status. Journal counts are of changes.
type Status struct {
	Sinks   []SinkStatus   `json:"sinks"`
	Tenants []TenantStatus `json:"tenants"`
	Journal JournalStatus  `json:"journal"`
	// Restored says that the database is a restored one of which pushes may be missing,
	// until somebody settles it; absent if it is not.
	Restored *Restored `json:"restored,omitempty"`
}

// Restored is the gap after a restore: pushes between LastPushAt and At may be missing.
type Restored struct {
	At         time.Time        `json:"at"`
	LastPushAt time.Time        `json:"last_push_at,omitzero"`
	FoundBy    string           `json:"found_by"`
	Tenants    []RestoredTenant `json:"tenants"`
}

// RestoredTenant is a tenant that was there at a restore.
type RestoredTenant struct {
	TenantID    string    `json:"tenant_id"`
	Name        string    `json:"name"`
	LastPushAt  time.Time `json:"last_push_at,omitzero"`
	PushedSince bool      `json:"pushed_since"`
}

// SinkStatus is what one sink is owed. Pending leaves out dead keys and keys of tenants
// that were not announced; keys in back-off are in.
type SinkStatus struct {
	Name                 string  `json:"name"`
	Pending              int64   `json:"pending"`
	Dead                 int64   `json:"dead"`
	OldestPendingSeconds float64 `json:"oldest_pending_seconds"`
	// Fault is why the sink does not answer, FaultSince since when; absent while it does.
	Fault      string    `json:"fault,omitempty"`
	FaultSince time.Time `json:"fault_since,omitzero"`
	// Closed: the sink is not ours to write, the fault says why.
	Closed bool `json:"closed,omitempty"`
	// Drift is how many changes would have made it equal when all of it was compared last.
	Drift int64 `json:"drift,omitempty"`
}

// TenantStatus is how much of a tenant there is. Users are the enabled ones.
type TenantStatus struct {
	TenantID    string `json:"tenant_id"`
	Name        string `json:"name"`
	Users       int64  `json:"users"`
	Departments int64  `json:"departments"`
	Parked      int64  `json:"parked"`
	Held        int64  `json:"held"`
}

// JournalStatus counts changes by their verdict; Accepted is the sum of the others.
type JournalStatus struct {
	Accepted int64 `json:"accepted"`
	Applied  int64 `json:"applied"`
	Stale    int64 `json:"stale"`
	Parked   int64 `json:"parked"`
	Held     int64 `json:"held"`
	Refused  int64 `json:"refused"`
}

// New returns the handler of the admin listener.
func New(cfg Config) (http.Handler, error) {
	c := &console{Config: cfg}
	if cfg.Status == nil || cfg.Database == nil || cfg.Degraded == nil || cfg.Metrics == nil || cfg.Logger == nil || !c.complete() {
		return nil, errors.New("console: Status, Database, Degraded, API, Metrics and Logger are required")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", Health)
	mux.HandleFunc("GET /readyz", c.ready)
	mux.Handle("GET /metrics", cfg.Metrics)
	c.routes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusNotFound, "not_found", "there is nothing here; see /healthz, /readyz, /metrics and /api/v1/status")
	})
	return c.knownHost(mux), nil
}

type console struct{ Config }

// Health answers that the process lives, and nothing else.
func Health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n"))
}

// knownHost refuses requests under a foreign name (DNS rebinding).
func (c *console) knownHost(next http.Handler) http.Handler {
	own, _, _ := net.SplitHostPort(c.Listen)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		ip := net.ParseIP(host)
		if host != "localhost" && host != strings.ToLower(own) && (ip == nil || !ip.IsLoopback()) {
			problem(w, http.StatusMisdirectedRequest, "unknown_host", "this listener does not answer under that name; use its address")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// authorized lets only the bearer of the token through.
func (c *console) authorized(next func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	want := sha256.Sum256([]byte(c.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.Token == "" {
			problem(w, http.StatusNotFound, "api_off", "the API is off; set admin.token to turn it on")
			return
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(token))
		if !ok || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="kitbridge"`)
			problem(w, http.StatusUnauthorized, "unauthorized", "send the token of admin.token as Authorization: Bearer …")
			return
		}
		if err := next(w, r); err != nil {
			c.failed(w, r, err)
		}
	})
}

func (c *console) status(r *http.Request) (any, error) {
	s, err := c.Status(r.Context())
	// A script must find lists, not null.
	s.Sinks = append([]SinkStatus{}, s.Sinks...)
	s.Tenants = append([]TenantStatus{}, s.Tenants...)
	return s, err
}

const readyTimeout = 2 * time.Second

// ready answers 503 while no traffic should come: our database does not answer. A sink
// that is down only degrades: pushes are accepted and people sign in all the same.
func (c *console) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	answer := struct {
		Ready    bool       `json:"ready"`
		Degraded []Degraded `json:"degraded"`
	}{true, append([]Degraded{}, c.Degraded(ctx)...)}
	code := http.StatusOK
	if err := c.Database(ctx); err != nil {
		c.Logger.ErrorContext(ctx, "not ready", "error", err.Error())
		answer.Ready, code = false, http.StatusServiceUnavailable
		answer.Degraded = append(answer.Degraded, Degraded{What: "database", Why: "does not answer; the log says why"})
	}
	write(w, code, answer)
}

func problem(w http.ResponseWriter, code int, kind, what string) {
	write(w, code, map[string]string{"error": kind, "message": what})
}

func write(w http.ResponseWriter, code int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the peer went away; there is nobody to tell
}
