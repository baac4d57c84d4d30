package store_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/sso"
)

func TestRun(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, s)
		w.PutTenant(t, sso.Tenant{ID: "t", Name: "a name to be found", Live: true})
		w.admit(t, "u")
		w.session(t, func(n *sso.NewSession) { n.Created, n.Expires = time.Now(), time.Now().Add(time.Minute) })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		inFile := func(name string) bool {
			content, err := os.ReadFile(path(cfg))
			if err != nil {
				t.Fatal(err)
			}
			return bytes.Contains(content, []byte(name))
		}
		const first, second = "a name to be found", "the next name"
		if inFile(first) {
			t.Error("the name is in the file already: the test shows nothing")
		}
		time.Sleep(2 * time.Second) // of the bubble: nobody waits
		synctest.Wait()
		if !inFile(first) {
			t.Error("what was written is still in the log only")
		}
		time.Sleep(500 * time.Millisecond) // between two rounds
		w.PutTenant(t, sso.Tenant{ID: "t", Name: second, Live: true})
		synctest.Wait()
		if !inFile(second) {
			t.Error("the log was not moved after a commit")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		sessions := 1
		query(t, cfg, "SELECT COUNT(*) FROM session", &sessions)
		if sessions != 0 {
			t.Errorf("%d sessions, want none: the only one has ended", sessions)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		closeStore(t, s)
	})
}

// TestRest: a store that nobody writes to gives memory back, once it was quiet for a while.
func TestRest(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), cfg)
		put(t, err)
		w := newWorld(t, s)
		w.admit(t, "u")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		pages := func() int {
			n, err := s.PagesInMemory()
			put(t, err)
			return n
		}
		time.Sleep(5500 * time.Millisecond) // of the bubble: nobody waits
		w.PutAccount(t, "t", "app", "u", sso.Account{Status: sso.AccountActive})
		time.Sleep(9 * time.Second)
		synctest.Wait()
		before := pages()
		if before == 0 {
			t.Error("no pages in memory: the test shows nothing")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if after := pages(); after > before/4 {
			t.Errorf("%d bytes of pages in memory after a rest, %d before", after, before)
		}
		w.PutAccount(t, "t", "app", "u", sso.Account{Status: sso.AccountActive})
		cancel()
		put(t, <-ended)
		closeStore(t, s)
	})
}
