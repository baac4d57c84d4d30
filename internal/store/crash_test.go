package store_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestMain lets the test binary be another process on the same database.
func TestMain(m *testing.M) {
	if folder := os.Getenv("STORE_TEST_FOLDER"); folder != "" {
		if err := anotherProcess(context.Background(), folder, os.Getenv("STORE_TEST_URL"), os.Getenv("STORE_TEST_ROLE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// shared is the configuration of a database that several processes open.
func shared(folder, address string) (store.Config, error) {
	ring, err := keyring.Load(filepath.Join(folder, "key"))
	return store.Config{
		URL: address, Migrate: true, Keys: ring, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}, err
}

func newShared(t *testing.T) (string, store.Config) {
	t.Helper()
	folder := t.TempDir()
	if err := newRing(t).WriteNew(filepath.Join(folder, "key")); err != nil {
		t.Fatal(err)
	}
	cfg, err := shared(folder, config(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	return folder, cfg
}

func anotherProcess(ctx context.Context, folder, address, role string) error {
	cfg, err := shared(folder, address)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	if role == "append" {
		return errors.Join(appendMany(ctx, s), s.Close())
	}
	first, err := strconv.Atoi(role)
	if err != nil {
		return err
	}
	for n := first; ; n++ { // until it is killed
		if err := s.Update(ctx, orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error { return writeNumber(tx, n) }); err != nil {
			return err
		}
		fmt.Println(n) // acknowledged
	}
}

const appends = 50

func appendMany(ctx context.Context, s *store.Store) error {
	for range appends {
		if err := s.Update(ctx, orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error {
			instances, err := tx.Instances()
			if err != nil {
				return err
			}
			i := orgsync.InstanceOf(instances, "i")
			i.OrderID += "x"
			return tx.PutInstance(i)
		}); err != nil {
			return err
		}
	}
	return nil
}

// writeNumber writes to several tables what readNumber looks for.
func writeNumber(tx orgsync.Tx, n int) error {
	rec, err := tx.Record(numbered(n))
	if err != nil {
		return err
	}
	name := orgsync.UserName(strconv.Itoa(n))
	return errors.Join(
		tx.PutTenant(orgsync.Tenant{ID: "t", Active: true, Announced: true}),
		tx.PutGrants([]orgsync.Grant{{User: name, Instance: "i", App: "a"}}),
		tx.PutUsers([]orgsync.User{{Name: name, Status: orgsync.StatusEnabled}}),
		tx.MarkDirty([]orgsync.DirtyKey{{Key: orgsync.Key{Kind: orgsync.UserKey, ID: string(name)}, Urgency: orgsync.Fill}}),
		tx.Settle(rec.ID, orgsync.AnswerInvalid, orgsync.Tally{1}),
	)
}

func numbered(n int) orgsync.Push {
	return orgsync.Push{
		Kind: orgsync.AuthSync, Nonce: strconv.Itoa(n), Digest: sha256.Sum256([]byte(strconv.Itoa(n))), Body: make([]byte, 20_000),
		Signed: morning(), Received: morning(),
	}
}

// TestCrash kills a process in the middle of a stream of transactions, again and
// again: what was acknowledged is there, and what was not is there wholly or not at all.
func TestCrash(t *testing.T) {
	t.Parallel()
	folder, cfg := newShared(t)
	s := open(t, cfg)
	if err := s.OpenSinks(t.Context(), []string{"ldap"}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	next := 0
	for round := range 5 {
		last := killAfter(t, folder, cfg.URL, next, 10+7*round)
		s, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatalf("Open after kill -9 = %v", err)
		}
		// One more than acknowledged may have been committed.
		there := 0
		for n := range last + 2 {
			there += readNumber(t, s, n, n <= last)
		}
		status, err := s.Status(t.Context())
		if err != nil || status.Sinks[0].Pending != int64(there) || status.Journal.Accepted() != int64(there) {
			t.Errorf("after %d transactions: %+v, %v", there, status, err)
		}
		closeStore(t, s)
		next = there
	}
}

// killAfter starts a writer and kills it after that many acknowledgements. It returns
// the last number that was acknowledged.
func killAfter(t *testing.T, folder, address string, first, acknowledgements int) int {
	t.Helper()
	cmd := another(t, folder, address, strconv.Itoa(first))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last, lines := first-1, bufio.NewScanner(out)
	for lines.Scan() {
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatalf("line %q", lines.Text())
		}
		if last-first == acknowledgements {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err == nil || last-first < acknowledgements {
		t.Fatalf("the writer ended by itself after %d: %v", last, err)
	}
	return last
}

// readNumber checks that all of the number is there, or nothing, and counts it.
func readNumber(t *testing.T, s *store.Store, n int, must bool) int {
	t.Helper()
	var recorded, granted bool
	roll := errors.New("only reading")
	err := s.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error {
		rec, err := tx.Record(numbered(n))
		recorded = rec.Known && rec.Answer == orgsync.AnswerInvalid && rec.Digest == numbered(n).Digest
		if err != nil {
			return err
		}
		found, err := tx.Grants([]orgsync.UserName{orgsync.UserName(strconv.Itoa(n))})
		granted = len(found) == 1
		return errors.Join(err, roll)
	})
	if !errors.Is(err, roll) {
		t.Fatalf("read %d: %v", n, err)
	}
	users, err := s.View("t").Users(t.Context(), []orgsync.UserName{orgsync.UserName(strconv.Itoa(n))})
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case recorded && granted && len(users) == 1:
		return 1
	case must, recorded, granted, len(users) > 0:
		t.Errorf("number %d (acknowledged: %t): recorded %t, granted %t, user %d", n, must, recorded, granted, len(users))
	}
	return 0
}

// another is a command that runs this binary as another process.
func another(t *testing.T, folder, address, role string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "STORE_TEST_FOLDER="+folder, "STORE_TEST_URL="+address, "STORE_TEST_ROLE="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestTwoProcesses: processes that create, migrate and write one database at the same time
// wait for each other.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	folder, cfg := newShared(t)
	const processes = 3
	var group sync.WaitGroup
	for range processes {
		cmd := another(t, folder, cfg.URL, "append")
		group.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Errorf("process: %v", err)
			}
		})
	}
	group.Wait()
	s := open(t, cfg)
	if err := s.Update(t.Context(), orgsync.Scope{Tenant: "t"}, func(tx orgsync.Tx) error {
		instances, err := tx.Instances()
		if got := len(orgsync.InstanceOf(instances, "i").OrderID); got != processes*appends {
			t.Errorf("%d of %d updates are there", got, processes*appends)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
