package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// API is what the JSON API does beside reading the counts. The functions are called by
// several goroutines at a time. An error of theirs that is an [ErrNotFound] or a
// [ParameterError] is the caller's fault and told; every other one is ours and only
// logged.
type API struct {
	// Lists are served as GET /api/v1/<name>. What a list returns is written as it is;
	// it must be bounded.
	Lists map[string]func(ctx context.Context, q Query) (any, error)
	// Decide approves or rejects the message that waits under a number.
	Decide func(ctx context.Context, id int64, approve bool) (Decision, error)
	// RetryDead makes dead keys due again and says how many; an empty name means all.
	RetryDead func(ctx context.Context, sink, tenant string) (int, error)
	// EndSession ends the session with the id of a list, EndSessionsOf those of a tenant:
	// of that user and begun with that device, where these are not empty. Both say how
	// many there were.
	EndSession    func(ctx context.Context, id string) (int, error)
	EndSessionsOf func(ctx context.Context, tenant, user, device string) (int, error)
}

// Query says which part of a list is wanted.
type Query struct {
	Tenant string // empty: all
	User   string // of sessions only; empty: all
	Device string // of sessions only; empty: all
	After  string // the next of the page before
	Limit  int    // 0: as many as the list thinks right
}

// Decision is what became of a message that waited, in changes.
type Decision struct {
	ID      int64 `json:"id"`
	Applied int64 `json:"applied"`
	Stale   int64 `json:"stale"`
	Parked  int64 `json:"parked"`
	Held    int64 `json:"held"`
	Refused int64 `json:"refused"`
}

// ErrNotFound says that what the caller names does not exist.
var ErrNotFound = errors.New("not found")

// ParameterError says which parameter of a request is wrong and why.
type ParameterError struct {
	Parameter string
	Reason    string
}

// Error names the parameter and the reason.
func (e *ParameterError) Error() string { return e.Parameter + ": " + e.Reason }

const maxParameter = 1024 // bytes

func (c *console) complete() bool {
	a := c.API
	return len(a.Lists) > 0 && a.Decide != nil && a.RetryDead != nil && a.EndSession != nil && a.EndSessionsOf != nil
}

func (c *console) routes(mux *http.ServeMux) {
	c.handle(mux, map[string]action{http.MethodGet: c.status}, "/api/v1/status")
	for name, list := range c.API.Lists {
		known := []string{"tenant", "after", "limit"}
		methods := map[string]action{}
		if name == "sessions" {
			known = append(known, "user", "device")
			methods[http.MethodDelete] = c.endSessionsOf
		}
		methods[http.MethodGet] = listAction(list, known)
		c.handle(mux, methods, "/api/v1/"+name)
	}
	for word, approve := range map[string]bool{"approve": true, "reject": false} {
		c.handle(mux, map[string]action{http.MethodPost: c.decide(approve)}, "/api/v1/held/{id}/"+word)
	}
	c.handle(mux, map[string]action{http.MethodPost: c.retryDead}, "/api/v1/dead/retry")
	c.handle(mux, map[string]action{http.MethodDelete: c.endSession}, "/api/v1/sessions/{id}")
}

// action serves one request with what it answers.
type action func(r *http.Request) (any, error)

// handle serves a path of the API by method, to the bearer of the token only.
func (c *console) handle(mux *http.ServeMux, methods map[string]action, path string) {
	allowed := make([]string, 0, len(methods))
	for method := range methods {
		allowed = append(allowed, method)
	}
	slices.Sort(allowed)
	mux.Handle(path, c.authorized(func(w http.ResponseWriter, r *http.Request) error {
		act, ok := methods[r.Method]
		if !ok {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			problem(w, http.StatusMethodNotAllowed, "method_not_allowed", "use "+strings.Join(allowed, " or "))
			return nil
		}
		answer, err := act(r)
		if err != nil {
			return err
		}
		write(w, http.StatusOK, answer)
		return nil
	}))
}

// failed answers an error. What is the caller's fault is told; ours is logged.
func (c *console) failed(w http.ResponseWriter, r *http.Request, err error) {
	if bad, ok := errors.AsType[*ParameterError](err); ok {
		write(w, http.StatusBadRequest, map[string]string{
			"error": "bad_parameter", "parameter": bad.Parameter, "message": bad.Parameter + " " + bad.Reason,
		})
		return
	}
	if errors.Is(err, ErrNotFound) {
		problem(w, http.StatusNotFound, "not_found", err.Error())
		return
	}
	c.Logger.ErrorContext(r.Context(), "admin request failed", "path", r.URL.Path, "error", err.Error())
	problem(w, http.StatusServiceUnavailable, "unavailable", "the database does not answer; the log says why")
}

// parameters reads the query. Each parameter must be known, stand once and be short.
func parameters(r *http.Request, known ...string) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &ParameterError{"query", "cannot be read: write special characters as %XX"}
	}
	given := make(map[string]string, len(values))
	for name, all := range values {
		switch {
		case !slices.Contains(known, name):
			return nil, &ParameterError{clip(name), "is not known here; " + knownText(known)}
		case len(all) > 1:
			return nil, &ParameterError{name, "is given more than once"}
		case len(all[0]) > maxParameter:
			return nil, &ParameterError{name, "is too long"}
		}
		given[name] = all[0]
	}
	return given, nil
}

func knownText(known []string) string {
	if len(known) == 0 {
		return "there are no parameters"
	}
	return "known are " + strings.Join(known, ", ")
}

// clip shortens what a stranger wrote.
func clip(s string) string {
	const longest = 64
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.ToValidUTF8(s, "")
}

func listAction(list func(context.Context, Query) (any, error), known []string) action {
	return func(r *http.Request) (any, error) {
		given, err := parameters(r, known...)
		if err != nil {
			return nil, err
		}
		q := Query{Tenant: given["tenant"], User: given["user"], Device: given["device"], After: given["after"]}
		if text, ok := given["limit"]; ok {
			if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
				return nil, &ParameterError{"limit", "is not a number between 1 and 1000"}
			}
		}
		return list(r.Context(), q)
	}
}

func (c *console) decide(approve bool) action {
	return func(r *http.Request) (any, error) {
		if _, err := parameters(r); err != nil {
			return nil, err
		}
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil || id < 1 {
			return nil, &ParameterError{"id", "is not a number of the list of what is held"}
		}
		decision, err := c.API.Decide(r.Context(), id, approve)
		if err == nil {
			c.Logger.InfoContext(r.Context(), "held message decided", "journal_id", id, "approved", approve)
		}
		return decision, err
	}
}

func (c *console) retryDead(r *http.Request) (any, error) {
	given, err := parameters(r, "sink", "tenant")
	if err != nil {
		return nil, err
	}
	n, err := c.API.RetryDead(r.Context(), given["sink"], given["tenant"])
	return map[string]int{"retried": n}, err
}

func (c *console) endSession(r *http.Request) (any, error) {
	if _, err := parameters(r); err != nil {
		return nil, err
	}
	n, err := c.API.EndSession(r.Context(), r.PathValue("id"))
	if err == nil && n == 0 {
		err = fmt.Errorf("session: %w", ErrNotFound)
	}
	return map[string]int{"ended": n}, err
}

func (c *console) endSessionsOf(r *http.Request) (any, error) {
	given, err := parameters(r, "tenant", "user", "device")
	if err != nil {
		return nil, err
	}
	if given["tenant"] == "" {
		return nil, &ParameterError{"tenant", "is missing"}
	}
	for _, name := range []string{"user", "device"} {
		if value, named := given[name]; named && value == "" { // a script's empty variable must not end everybody's
			return nil, &ParameterError{name, "is empty; leave it out to end all sessions of the tenant"}
		}
	}
	n, err := c.API.EndSessionsOf(r.Context(), given["tenant"], given["user"], given["device"])
	return map[string]int{"ended": n}, err
}
