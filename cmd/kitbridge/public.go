package main

import (
	"net/http"
	"strings"

	"github.com/kitbridge/kitbridge/internal/console"
)

// newPublic is what answers on the public listener. It is no ServeMux: one would redirect
// requests whose paths it can clean, and a decision must be about the path as it was sent.
// rest answers at every path that is not ours.
func newPublic(path string, marketplace, signIn, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch at := r.URL.Path; {
		case at == "/healthz":
			getOnly(console.Health)(w, r)
		case at == path || strings.HasPrefix(at, path+"/"):
			marketplace.ServeHTTP(w, r)
		case strings.HasPrefix(at, "/sso/"):
			signIn.ServeHTTP(w, r)
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

// getOnly refuses every method but GET and HEAD.
func getOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		next(w, r)
	}
}
