package sso_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/templates"
)

// A product puts its own handler behind Require, and serves /sso/ beside it.
func Example() {
	pages, err := templates.New()
	if err != nil {
		panic(err)
	}
	state := newMemory() // a real program brings its store
	rp, err := sso.New(sso.Config{
		PublicURL: "https://app.example",
		Settings:  sso.DefaultSettings(sso.ProfileKit),
		Keys:      [][]byte{[]byte("32 random bytes, kept in a file.")},
		Tenants:   state, Credentials: state, Accounts: state, Sessions: state,
		Pages: pages, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		panic(err)
	}
	product := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := sso.FromContext(r.Context())
		fmt.Fprintf(w, "你好，%s (%s)", id.Name, id.Role)
	})
	mux := http.NewServeMux()
	mux.Handle("/sso/", rp.Handler())
	mux.Handle("/", rp.Require(product))

	r := httptest.NewRequest(http.MethodGet, "/orders?page=2", nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("X-Auth-User", "root") // worth nothing
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 302 https://app.example/sso/login?return=%2Forders%3Fpage%3D2
}
