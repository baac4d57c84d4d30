package store_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// movable is a clock that a test moves on.
type movable struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (m *movable) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.ahead)
}

func (m *movable) advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ahead += d
}

// fillUp writes numbers until one is refused and returns it.
func fillUp(t *testing.T, s *store.Store, first int) (refused int, err error) {
	t.Helper()
	for n := first; n < first+10_000; n++ {
		if err := s.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error { return writeNumber(tx, n) }); err != nil {
			return n, err
		}
	}
	t.Fatal("a small disk took everything")
	return 0, nil
}

// TestDiskFull: what does not fit is an ErrUnavailable and not there at all, what was
// acknowledged stays, the store says that it takes no writes, and when there is room again
// it goes on by itself.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		disk := peers.NewDisk(t, 4)
		cfg := config(t)
		cfg.URL = "sqlite:" + filepath.Join(disk.Dir(), "kitbridge.db")
		testDiskFull(t, cfg, disk)
		var sound string
		query(t, cfg, "PRAGMA integrity_check", &sound)
		if sound != "ok" {
			t.Errorf("integrity_check = %s", sound)
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		database, disk := peers.PostgreSQL(t).FreshOn(32)
		cfg := config(t)
		cfg.URL = database.URL
		testDiskFull(t, cfg, disk)
	})
}

func testDiskFull(t *testing.T, cfg store.Config, disk *peers.Disk) {
	t.Helper()
	var clock movable
	cfg.Now = clock.now
	s := open(t, cfg)
	if err := s.OpenSinks(t.Context(), []string{"ldap"}); err != nil {
		t.Fatal(err)
	}
	standsStill := func() bool { return !s.Standstill().Since.IsZero() }

	next := 0
	for range 3 {
		if standsStill() {
			t.Fatalf("Standstill = %+v before the disk is full", s.Standstill())
		}
		disk.Fill()
		refused, err := fillUp(t, s, next)
		if !errors.Is(err, orgsync.ErrUnavailable) || !strings.Contains(err.Error(), "full") && !strings.Contains(err.Error(), "No space left") {
			t.Errorf("Update on a full disk = %v, want an ErrUnavailable that says so", err)
		}
		if got := s.Standstill(); got.Since.IsZero() || !strings.Contains(got.Reason, "full; make room") {
			t.Errorf("Standstill on a full disk = %+v", got)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("Ping = %v: what only reads goes on", err)
		}
		clock.advance(time.Hour)
		s.EndStandstill(t.Context())
		if strings.HasPrefix(cfg.URL, "sqlite:") && !standsStill() {
			t.Error("the standstill is over while the disk is full")
		}
		disk.Free()
		there := 0
		for n := range refused {
			there += readNumber(t, s, n, true)
		}
		if there += readNumber(t, s, refused, false); there != refused {
			t.Errorf("%d numbers are there, want %d", there, refused)
		}
		if err := s.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error { return writeNumber(tx, refused) }); err != nil {
			t.Fatalf("Update when there is room = %v", err)
		}
		next = refused + 1
		s.EndStandstill(t.Context())
		if standsStill() {
			t.Errorf("Standstill = %+v although there is room", s.Standstill())
		}
	}
	status, err := s.Status(t.Context())
	if err != nil || status.Sinks[0].Pending != int64(next) || status.Journal.Accepted() != int64(next) {
		t.Errorf("after %d transactions: %+v, %v", next, status, err)
	}
}
