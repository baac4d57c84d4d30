package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// openBridgeOf opens the bridge of a configuration on a new database, with product behind
// it, until the test ends. It returns the warnings of the configuration, too.
func openBridgeOf(t *testing.T, text string, product http.Handler) (*bridge, []Warning) {
	t.Helper()
	cfg, warnings, err := readConfig(filepath.Join(t.TempDir(), configName), []byte(ok+text), lookup())
	if err != nil {
		t.Fatal(err)
	}
	b, err := openBridge(context.Background(), cfg, slog.New(slog.DiscardHandler), product)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	return b, warnings
}

// ask sends a request to the public listener's handler.
func (b *bridge) ask(method, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://app.example.com"+path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	b.public.ServeHTTP(w, r)
	return w
}

// TestUnbuiltFailsClosed: what the sign-in cannot do yet is refused, by a product behind us
// too, and the warning says so.
func TestUnbuiltFailsClosed(t *testing.T) {
	t.Parallel()
	const page, program = "text/html,*/*", "*/*"
	tests := []struct {
		name, config         string
		method, path, accept string
		status               int
		code                 string // of a JSON answer; empty: a page
	}{
		{"cas", "sso: {profile: cas}\n", "GET", "/sso/login", page, 503, ""},
		{"cas", "sso: {profile: cas}\n", "GET", "/sso/callback?ticket=ST-1", page, 503, ""},
		{"cas", "sso: {profile: cas}\n", "GET", "/sso/me", program, 503, "profile_not_built"},
		{"cas", "sso: {profile: cas}\n", "GET", "/sso/authz/auth-request", page, 503, "profile_not_built"},
		{"cas", "sso: {profile: cas}\n", "POST", "/sso/logout", program, 503, "profile_not_built"},
		{"cas", "sso: {profile: cas}\n", "GET", "/product", program, 503, "profile_not_built"},
	}
	product := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the product was reached") })
	bridges := map[string]*bridge{}
	for _, test := range tests {
		if bridges[test.name] == nil {
			b, warnings := openBridgeOf(t, test.config, product)
			bridges[test.name] = b
			if want := "503"; !strings.Contains(warnings[len(warnings)-1].Text, want) {
				t.Errorf("%s: warnings %v do not say that it is answered with %s", test.name, warnings, want)
			}
		}
		t.Run(test.name+" "+test.method+test.path, func(t *testing.T) {
			answer := bridges[test.name].ask(test.method, test.path, test.accept)
			if answer.Code != test.status {
				t.Errorf("status = %d, want %d", answer.Code, test.status)
			}
			if test.code == "" {
				return
			}
			var problem struct{ Error string }
			if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil || problem.Error != test.code {
				t.Errorf("answer = %s, want JSON with error %q", answer.Body, test.code)
			}
		})
	}
}

// TestWelcome: who opens a bridge without a product sees that it runs; nothing else is
// there.
func TestWelcome(t *testing.T) {
	t.Parallel()
	b, _ := openBridgeOf(t, "", nil)
	for path, want := range map[string]int{"/": http.StatusOK, "/?a=b": http.StatusOK, "/index.html": http.StatusNotFound, "/product": http.StatusNotFound} {
		answer := b.ask("GET", path, "text/html")
		if answer.Code != want {
			t.Errorf("GET %s = %d, want %d", path, answer.Code, want)
		}
		if want == http.StatusOK && !strings.Contains(answer.Body.String(), "kitbridge is running") {
			t.Errorf("GET %s = %s", path, answer.Body)
		}
	}
	if answer := b.ask("POST", "/", "*/*"); answer.Code == http.StatusOK {
		t.Errorf("POST / = %d, want a refusal", answer.Code)
	}
}
