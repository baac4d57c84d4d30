package store_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// onServer is the configuration of a store on a server of the test's own.
func onServer(t *testing.T, server *peers.DatabaseServer) store.Config {
	t.Helper()
	return store.Config{
		URL: server.Product().URL, Migrate: true, Keys: newRing(t), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
}

// TestServerIsLost stops, kills and starts PostgreSQL in the middle of a stream of
// transactions: who asks meanwhile learns that it is unavailable, what was acknowledged is
// there, the rest is there wholly or not at all, and all goes on by itself.
func TestServerIsLost(t *testing.T) {
	t.Parallel()
	server := peers.PostgreSQL(t)
	s := open(t, onServer(t, server))
	if err := s.OpenSinks(t.Context(), []string{"ldap"}); err != nil {
		t.Fatal(err)
	}
	var acknowledged atomic.Int64
	var lost atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for n := 0; ctx.Err() == nil; {
			err := s.Update(ctx, orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error {
				// One that was committed and not acknowledged is known when it comes again.
				if rec, err := tx.Record(numbered(n)); err != nil || rec.Known {
					return err
				}
				return writeNumber(tx, n)
			})
			switch {
			case err == nil:
				n++
				acknowledged.Store(int64(n))
			case errors.Is(err, orgsync.ErrUnavailable):
				lost.Add(1)
			case ctx.Err() == nil:
				t.Errorf("Update = %v, want nil or ErrUnavailable", err)
				return
			}
		}
	})
	grows := func(what string) {
		t.Helper()
		from := acknowledged.Load()
		wait(t, what, func() bool { return acknowledged.Load() > from+20 })
	}
	grows("the first transactions")
	for n, end := range []func(){server.Stop, server.Kill, server.Stop} {
		end()
		from := lost.Load()
		wait(t, "the loss to be noticed", func() bool { return lost.Load() > from })
		if err := s.Ping(t.Context()); !errors.Is(err, orgsync.ErrUnavailable) {
			t.Errorf("Ping without a server = %v, want ErrUnavailable", err)
		}
		if _, err := s.Claim(t.Context(), "ldap", morning(), morning(), 1); !errors.Is(err, orgsync.ErrUnavailable) {
			t.Errorf("Claim without a server = %v, want ErrUnavailable", err)
		}
		server.Start()
		grows("transactions after start " + strconv.Itoa(n+1))
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("Ping after a start = %v", err)
		}
	}
	stop()
	group.Wait()
	there := int64(0)
	for n := range int(acknowledged.Load()) + 1 {
		there += int64(readNumber(t, s, n, int64(n) < acknowledged.Load()))
	}
	status, err := s.Status(t.Context())
	if err != nil || status.Sinks[0].Pending != there {
		t.Errorf("after %d transactions: %+v, %v", there, status, err)
	}
}

func TestOpenPostgreSQLRefuses(t *testing.T) {
	t.Parallel()
	server := peers.PostgreSQL(t)
	cfg := onServer(t, server)
	refused := func(name string, cfg store.Config, is error, says string) {
		t.Helper()
		for how, opens := range map[string]func(context.Context, store.Config) (*store.Store, error){"Open": store.Open, "OpenReading": store.OpenReading} {
			s, err := opens(t.Context(), cfg)
			if err == nil {
				_ = s.Close()
			}
			if err == nil || is != nil && !errors.Is(err, is) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), peers.DatabasePassword) {
				t.Errorf("%s: %s = %v, want %v and %q", name, how, err, is, says)
			}
		}
	}
	with := func(change func(*url.URL)) store.Config {
		u, err := url.Parse(cfg.URL)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		c := cfg
		c.URL = u.String()
		return c
	}
	cfg.Migrate = false
	const command = "run kitbridge migrate --config FILE"
	refused("an empty database", cfg, store.ErrSchema, command)
	if have, want, err := store.SchemaVersions(t.Context(), cfg.URL); have != 0 || want == 0 || err != nil {
		t.Errorf("SchemaVersions of an empty database = %d, %d, %v", have, want, err)
	}
	cfg.Migrate = true
	closeStore(t, open(t, cfg))
	cfg.Migrate = false
	closeStore(t, open(t, cfg)) // nothing to migrate
	if have, want, err := store.SchemaVersions(t.Context(), cfg.URL); have != want || err != nil {
		t.Errorf("SchemaVersions after migrating = %d, %d, %v", have, want, err)
	}
	change(t, cfg, "DELETE FROM goose_db_version WHERE version_id > 1")
	refused("an old schema", cfg, store.ErrSchema, command)
	change(t, cfg, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)")
	refused("a newer schema", cfg, store.ErrSchema, "use the newer program")
	refused("a database that is not there", with(func(u *url.URL) { u.Path = "/nothing" }), nil, "does not exist")
	refused("an address that cannot be read", with(func(u *url.URL) { u.RawQuery = "sslmode=perhaps" }), nil, "no readable address")
	server.Stop()
	refused("no server", cfg, orgsync.ErrUnavailable, "")
	if fresh, err := store.IsNew(cfg.URL); fresh || err != nil {
		t.Errorf("IsNew = %t, %v, want false: nobody but an operator makes its key", fresh, err)
	}
}
