package sso_test

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// signedIn is a relying party without a network, so that it can stand in a bubble of synctest, and one request that has a
// live session there.
func signedIn(t *testing.T) (m *memory, ask func() int) {
	t.Helper()
	m = newMemory()
	m.PutTenant(t, sso.Tenant{ID: tenantA, Live: true})
	m.PutCredential(t, tenantA, sso.Credential{App: appID, Live: true})
	m.PutAccount(t, tenantA, appID, "zhang.san", sso.Account{Status: sso.AccountActive})
	handler := newRP(t, config(t, m, time.Now)).Handler()
	id := strings.Repeat("A", 43)
	if err := m.CreateSession(t.Context(), sso.NewSession{
		Key: sha256.Sum256([]byte(id)), Tenant: tenantA, App: appID, User: "zhang.san",
		Created: time.Now(), Expires: time.Now().Add(time.Hour), Idle: time.Hour,
	}); err != nil {
		t.Fatal(err)
	}
	return m, func() int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sso/authz/auth-request", nil)
		r.Header.Set("Cookie", "__Host-kitbridge="+id)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if subject := w.Header().Get("X-Auth-Subject"); (w.Code == http.StatusOK) != (subject == tenantA+"/zhang.san") {
			t.Errorf("answer %d with subject %q", w.Code, subject)
		}
		return w.Code
	}
}

// set changes a hook of the memory.
func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// TestPanicInADecisionLetsNobodyIn: neither the request that asked, nor one that waited for it, nor the next.
func TestPanicInADecisionLetsNobodyIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, ask := signedIn(t)
		m.set(func() { m.before = func() { time.Sleep(100 * time.Millisecond); panic("a fault of the store") } })
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic did not reach the server")
				}
			}()
			ask()
		})
		synctest.Wait()
		m.set(func() { m.before = nil })
		wg.Go(func() {
			if got := ask(); got != http.StatusServiceUnavailable {
				t.Errorf("who waited for it = %d, want 503", got)
			}
		})
		wg.Wait()
		if got := ask(); got != http.StatusOK || m.decides != 2 {
			t.Errorf("the next = %d after %d queries, want 200 after a query of its own", got, m.decides)
		}
	})
}

// TestDecisionIsNeverOld lets queries take longer than a decision may be used: nobody is answered from those, neither who
// asked nor who waited.
func TestDecisionIsNeverOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, ask := signedIn(t)
		m.set(func() { m.before = func() { time.Sleep(600 * time.Millisecond) } })
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if got := ask(); got != http.StatusOK {
					t.Errorf("answer %d, want 200", got)
				}
			})
			synctest.Wait()
		}
		m.set(func() { m.before = nil }) // the first query is slow, and the next is not
		wg.Wait()
		if m.decides != 2 {
			t.Errorf("%d queries, want the old answer thrown away and one more", m.decides)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		m, ask := signedIn(t)
		m.set(func() { m.before = func() { time.Sleep(600 * time.Millisecond) } })
		if got := ask(); got != http.StatusServiceUnavailable {
			t.Errorf("with queries that are always too slow = %d, want 503", got)
		}
	})
}

// TestBusyWriterDelaysNoDecision: while the one writer is busy, the request whose touch is due waits 100 ms at most, those
// beside it not at all, and nobody tries again for some seconds.
func TestBusyWriterDelaysNoDecision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, ask := signedIn(t)
		m.set(func() {
			m.touching = func(ctx context.Context) error {
				select {
				case <-time.After(3 * time.Second):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		time.Sleep(time.Minute)
		timed := func(most time.Duration) {
			t.Helper()
			began := time.Now()
			if got := ask(); got != http.StatusOK {
				t.Errorf("answer %d, want 200", got)
			}
			if took := time.Since(began); took > most {
				t.Errorf("the answer took %v, want at most %v", took, most)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() { timed(100 * time.Millisecond) })
		synctest.Wait()
		timed(0)
		wg.Wait()
		for range 8 { // four seconds, each time with a new query
			time.Sleep(500 * time.Millisecond)
			timed(0)
		}
		if m.touches != 1 {
			t.Errorf("%d touches, want the failed one remembered", m.touches)
		}
		m.set(func() { m.touching = nil })
		time.Sleep(time.Second)
		timed(0)
		if m.touches != 2 {
			t.Errorf("%d touches, want another after some seconds", m.touches)
		}
	})
}

// TestDecisionAgeBeginsBeforeTheQuery lets a query take a while: that counts.
func TestDecisionAgeBeginsBeforeTheQuery(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	h.clock.advance(time.Second)
	h.set(func() { h.before = func() { h.clock.advance(400 * time.Millisecond) } })
	h.wantSubject(browser, tenantA+"/zhang.san")
	h.set(func() { h.before = nil })
	h.clock.advance(99 * time.Millisecond)
	before := h.decides
	h.wantSubject(browser, tenantA+"/zhang.san")
	if h.decides != before {
		t.Error("an answer of 499 ms was not reused")
	}
	h.clock.advance(time.Millisecond)
	h.wantSubject(browser, tenantA+"/zhang.san")
	if h.decides == before {
		t.Error("an answer of half a second was reused")
	}
}
