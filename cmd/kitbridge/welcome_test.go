package main

import (
	"context"
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
