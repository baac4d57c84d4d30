package ssotest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Start runs a centre on a free port of this machine until the test ends.
// cfg.BaseURL is set by it.
func Start(tb testing.TB, cfg Config) *Centre {
	tb.Helper()
	server := httptest.NewUnstartedServer(nil)
	cfg.BaseURL = "http://" + server.Listener.Addr().String()
	c, err := New(cfg)
	if err != nil {
		tb.Fatalf("start auth centre: %v", err)
	}
	server.Config.Handler = c
	server.Start()
	tb.Cleanup(func() {
		c.Close()
		server.Close()
	})
	return c
}

// Browser returns a client that keeps cookies and follows no redirects. Its connections are its own: a test server that closes ends
// those of [http.DefaultTransport] that are idle, and now and then one that is not any more.
func Browser(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatalf("make cookie jar: %v", err)
	}
	return &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ErrLoginRefused says that the auth centre did not take the user name and
// password, or the request that led there.
var ErrLoginRefused = errors.New("auth centre refused the login")

// SignIn does what a person does at the centre: it opens the address that the
// application sent them to, fills in the login form if there is one, and
// returns the address they are sent back to, without opening it. The browser
// must keep cookies and follow no redirects (see [Browser]).
func (c *Centre) SignIn(ctx context.Context, browser *http.Client, address, userName, password string) (string, error) {
	form := ""
	for range 6 {
		status, next, err := visit(ctx, browser, address, form)
		switch {
		case err != nil:
			return "", err
		case next != nil && !c.owns(next):
			return next.String(), nil
		case next != nil:
			address, form = next.String(), ""
			continue
		case status != http.StatusOK || form != "":
			return "", fmt.Errorf("%w: status %d", ErrLoginRefused, status)
		}
		form = url.Values{"username": {userName}, "password": {password}}.Encode()
	}
	return "", errors.New("auth centre redirects in circles")
}

// visit opens an address, or posts a form to it if form is not empty, and
// returns the status and where the answer redirects to, nil if nowhere.
func visit(ctx context.Context, browser *http.Client, address, form string) (int, *url.URL, error) {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if form != "" {
		method, body = http.MethodPost, strings.NewReader(form)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return 0, nil, fmt.Errorf("visit auth centre: %w", err)
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := browser.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("visit auth centre: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0, nil, fmt.Errorf("read auth centre's page: %w", err)
	}
	next, err := answer.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return answer.StatusCode, nil, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read redirect: %w", err)
	}
	return answer.StatusCode, next, nil
}

// owns reports whether the centre itself answers at u.
func (c *Centre) owns(u *url.URL) bool {
	if u.Host == c.base.Host && u.Path == "/unified-login" {
		return true
	}
	for _, re := range c.tenants {
		if u.Host == re.domain.Host && strings.HasPrefix(u.Path, re.domain.Path+"/") {
			return true
		}
	}
	return false
}
