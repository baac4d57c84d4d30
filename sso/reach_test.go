package sso_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
)

// TestReachAuthCentre: only a sign of life is asked for, and no address is called that a
// sign-in would not call.
func TestReachAuthCentre(t *testing.T) {
	t.Parallel()
	var asked []string
	centre := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.Header().Set("Date", "Sat, 21 Nov 2026 08:00:00 GMT")
		http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
	}))
	defer centre.Close()
	development := sso.DefaultSettings(sso.ProfileKit)
	development.AllowInsecureAuthCentres = true
	clock, err := development.ReachAuthCentre(t.Context(), centre.URL+"/api/x")
	if err != nil || !clock.Equal(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("ReachAuthCentre() = %v, %v", clock, err)
	}
	if len(asked) != 1 || asked[0] != "HEAD /" {
		t.Errorf("it was asked %v, want HEAD / once", asked)
	}
	strict := sso.DefaultSettings(sso.ProfileKit)
	for _, domain := range []string{centre.URL, "https://127.0.0.1", "https://10.0.0.1", "https://localhost", "ftp://x", ""} {
		if _, err := strict.ReachAuthCentre(t.Context(), domain); !errors.Is(err, sso.ErrInsecureDomain) {
			t.Errorf("ReachAuthCentre(%q) = %v, want ErrInsecureDomain", domain, err)
		}
	}
	if len(asked) != 1 {
		t.Errorf("an address that must not be called was called: %v", asked)
	}
	if _, err := development.ReachAuthCentre(t.Context(), "http://127.0.0.1:1"); !errors.Is(err, sso.ErrProviderUnreachable) {
		t.Errorf("nobody there: %v, want ErrProviderUnreachable", err)
	}
}
