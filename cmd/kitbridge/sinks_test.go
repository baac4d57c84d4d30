package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

func directorySink(base string) Sink {
	s := defaultSink()
	s.Name, s.Type, s.Tenants = "corp", sinkLDAP, []string{"*"}
	s.URL = []Secret{NewSecret("ldap://127.0.0.1:1")}
	s.BindDN, s.BindPassword, s.BaseDN = "cn=kitbridge,dc=example,dc=org", NewSecret("bind-secret"), base
	return s
}

func TestChangedBaseIsRefused(t *testing.T) {
	t.Parallel()
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	s, err := store.Open(t.Context(), store.Config{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "k.db"), Migrate: true, Keys: ring, Now: time.Now, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := orgsync.NewAcceptor(s, orgsync.Policy{}, nil).Accept(t.Context(), orgsync.Push{
		Kind: orgsync.TenantSync, Nonce: "n", Message: orgsync.Message{Kind: orgsync.TenantSync, Flag: orgsync.FlagAdd, Tenant: "t"},
	}); err != nil {
		t.Fatal(err)
	}
	open := func(base string) error {
		_, closeAll, err := openSinks(t.Context(), Config{Sinks: []Sink{directorySink(base)}}, s, nil, quiet)
		if err == nil {
			err = closeAll()
		}
		return err
	}
	if err := open("ou=new,dc=example,dc=org"); err != nil {
		t.Errorf("a directory that holds nothing of ours yet: %v", err)
	}
	if err := s.Links("corp").Put(t.Context(), "t", []ldapsink.Link{{
		ID: ldapsink.EntryID{Kind: ldapsink.TenantEntry}, UUID: "u", DN: "ou=t,OU=old,dc=example,dc=org",
	}}); err != nil {
		t.Fatal(err)
	}
	if err := open("ou=old,dc=example,dc=org"); err != nil {
		t.Errorf("the same base: %v", err)
	}
	err = open("ou=new,dc=example,dc=org")
	if _, ok := errors.AsType[*usageError](err); !ok || !strings.Contains(err.Error(), "base_dn was changed") {
		t.Errorf("another base = %v, want a fault of the configuration that says so", err)
	}
}

func TestHoldings(t *testing.T) {
	t.Parallel()
	tables := defaultSink()
	tables.Name, tables.Type, tables.Tenants = "product", sinkSQL, []string{"b", "a"}
	tables.URL = []Secret{NewSecret("mysql://user:sql-secret@db:3306/product")}
	both := holdings([]Sink{directorySink("dc=example"), tables})
	for name, text := range both {
		if strings.Contains(text, "secret") {
			t.Errorf("%s: %q holds a secret", name, text)
		}
	}
	other := tables
	other.Tenants = []string{"a", "b"}
	if got := holdings([]Sink{other})["product"]; got != both["product"] {
		t.Errorf("the order of tenants counts: %q, want %q", got, both["product"])
	}
	for what, change := range map[string]func(*Sink){
		"tenants":  func(s *Sink) { s.Tenants = []string{"a"} },
		"prefix":   func(s *Sink) { s.Prefix = "x_" },
		"database": func(s *Sink) { s.URL = []Secret{NewSecret("mysql://user:sql-secret@db:3306/other")} },
	} {
		other := tables
		change(&other)
		if holdings([]Sink{other})["product"] == both["product"] {
			t.Errorf("another %s is not noticed", what)
		}
	}
}

func TestPanicIsSeenAndAnswered(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	h := survivePanics(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("mobile 13800000000") }), slog.New(slog.NewTextHandler(&log, nil)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sso/authz/auth-request", nil))
	body, _ := io.ReadAll(w.Result().Body)
	if w.Code != http.StatusServiceUnavailable || strings.Contains(string(body)+log.String(), "13800000000") {
		t.Errorf("a panic was answered %d %s, logged %s; want 503 and nothing of its value", w.Code, body, log.String())
	}
	if !strings.Contains(log.String(), "a request broke down") || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("log = %s, want an error", log.String())
	}
}
