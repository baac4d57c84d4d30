package sso_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kitbridge/kitbridge/sso"
)

// takeable is a ResponseWriter whose connection can be taken over.
type takeable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (w takeable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// watched is a relying party in a bubble of synctest, with one session and the rule that /admin is for admins.
type watched struct {
	*memory
	rp *sso.RelyingParty
	id string
}

func watch(t *testing.T) *watched {
	t.Helper()
	m := newMemory()
	m.PutTenant(t, sso.Tenant{ID: tenantA, Live: true})
	m.PutCredential(t, tenantA, sso.Credential{App: appID, Live: true})
	m.PutAccount(t, tenantA, appID, "boss", sso.Account{Status: sso.AccountActive, Role: sso.RoleAdmin})
	c := config(t, m, time.Now)
	c.Settings.Rules = []sso.Rule{{Path: "/admin", Allow: sso.Allow{Role: sso.RoleAdmin}}, {Path: "/public", Allow: sso.Allow{Public: true}}}
	w := &watched{memory: m, rp: newRP(t, c), id: strings.Repeat("A", 43)}
	if err := m.CreateSession(t.Context(), sso.NewSession{
		Key: sha256.Sum256([]byte(w.id)), Tenant: tenantA, App: appID, User: "boss", Role: sso.RoleAdmin,
		Created: time.Now(), Expires: time.Now().Add(time.Hour), Idle: time.Hour,
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

// asked is how many queries there were.
func (w *watched) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.decides
}

// run sends a request that runs until its context ends or limit is over, and returns how long that was and why it ended.
func (w *watched) run(t *testing.T, path, upgrade string, limit time.Duration) (time.Duration, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Cookie", "__Host-kitbridge="+w.id)
	if upgrade != "" {
		r.Header.Set("Upgrade", upgrade)
	}
	began := time.Now()
	var took time.Duration
	var why error
	w.rp.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			why = context.Cause(r.Context())
		case <-time.After(limit):
		}
		took = time.Since(began)
	})).ServeHTTP(httptest.NewRecorder(), r)
	if took == 0 {
		t.Errorf("%s was not let through", path)
	}
	return took, why
}

// TestRequestsEndWithTheirSession changes something 700 ms after a long request began, and looks when and why that ends.
func TestRequestsEndWithTheirSession(t *testing.T) {
	t.Parallel()
	const change = 700 * time.Millisecond
	remove := func(t *testing.T, w *watched) {
		w.PutAccount(t, tenantA, appID, "boss", sso.Account{Status: sso.AccountRemoved})
	}
	demote := func(t *testing.T, w *watched) {
		w.PutAccount(t, tenantA, appID, "boss", sso.Account{Status: sso.AccountActive, Role: sso.RoleUser})
	}
	fail := func(_ *testing.T, w *watched) { w.setFault(errors.New("connection refused")) }
	hang := func(_ *testing.T, w *watched) {
		w.set(func() { w.before = func() { time.Sleep(time.Minute) } })
	}
	for _, tt := range []struct {
		name, path, upgrade string
		do                  func(*testing.T, *watched)
		within              time.Duration // after the change; 0 = never
		why                 error
	}{
		{"removed", "/desk", "", remove, 500 * time.Millisecond, sso.ErrNoSession},
		{"removed, on a WebSocket", "/desk", "websocket", remove, 500 * time.Millisecond, sso.ErrNoSession},
		{"removed, on a public page", "/public/x", "", remove, 500 * time.Millisecond, sso.ErrNoSession},
		{"no admin any more", "/admin", "", demote, 500 * time.Millisecond, sso.ErrForbidden},
		{"no admin any more, elsewhere", "/desk", "websocket", demote, 0, nil},
		{"database refuses", "/desk", "", fail, 0, nil},
		{"database refuses, on a WebSocket", "/desk", "websocket", fail, time.Second, sso.ErrUnavailable},
		{"database hangs", "/desk", "", hang, 0, nil},
		{"database hangs, on a WebSocket", "/desk", "websocket", hang, time.Second, sso.ErrUnavailable},
		{"nothing", "/desk", "websocket", func(*testing.T, *watched) {}, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := watch(t)
				time.AfterFunc(change, func() { tt.do(t, w) })
				took, why := w.run(t, tt.path, tt.upgrade, 10*time.Second)
				if tt.within == 0 {
					if took != 10*time.Second || why != nil {
						t.Errorf("ended after %v: %v, want it left alone", took, why)
					}
				} else if took > change+tt.within || took < change || !errors.Is(why, tt.why) {
					t.Errorf("ended after %v: %v, want within %v after %v: %v", took, why, tt.within, change, tt.why)
				}
				time.Sleep(2 * time.Minute) // what hangs comes back
			})
		})
	}
}

// TestTroubleOfAMomentEndsNothing: an upgraded connection survives a question without an answer.
func TestTroubleOfAMomentEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		time.AfterFunc(400*time.Millisecond, func() { w.setFault(errors.New("connection refused")) })
		time.AfterFunc(800*time.Millisecond, func() { w.setFault(nil) })
		if took, why := w.run(t, "/desk", "websocket", 5*time.Second); why != nil {
			t.Errorf("ended after %v: %v", took, why)
		}
	})
}

// TestOneQuestionForManyConnections: whatever number of requests one session runs, it costs two queries a second.
func TestOneQuestionForManyConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		for range 50 {
			go w.run(t, "/desk", "websocket", 10*time.Second) //nolint:errcheck // it tells by itself
		}
		time.Sleep(20 * time.Second)
		before := w.asked()
		if before > 22 {
			t.Errorf("%d queries in ten seconds, want about 20", before)
		}
		time.Sleep(10 * time.Second)
		if w.asked() != before {
			t.Error("ended requests are still asked about")
		}
	})
}

// TestTakenConnectionsAreClosed: a handler that took over its connection and returned is watched on, until the session ends or
// the connection is closed.
func TestTakenConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := watch(t)
			ours, theirs := net.Pipe()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/desk", nil)
			r.Header.Set("Cookie", "__Host-kitbridge="+w.id)
			r.Header.Set("Upgrade", "websocket")
			var taken net.Conn
			w.rp.Require(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				var err error
				if taken, _, err = http.NewResponseController(rw).Hijack(); err != nil {
					t.Error(err)
				}
			})).ServeHTTP(takeable{httptest.NewRecorder(), ours}, r)
			ended := make(chan time.Time, 1)
			go func() {
				_, _ = theirs.Read(make([]byte, 1))
				ended <- time.Now()
			}()
			time.Sleep(3 * time.Second)
			if closes {
				if err := taken.Close(); err != nil {
					t.Error(err)
				}
				<-ended
				asked := w.asked()
				time.Sleep(3 * time.Second)
				if w.asked() != asked {
					t.Error("a closed connection is still asked about")
				}
				return
			}
			select {
			case at := <-ended:
				t.Fatalf("closed at %v, before the session ended", at)
			default:
			}
			removed := time.Now()
			w.PutAccount(t, tenantA, appID, "boss", sso.Account{Status: sso.AccountDisabled})
			if took := (<-ended).Sub(removed); took > 500*time.Millisecond {
				t.Errorf("closed %v after the removal, want half a second at most", took)
			}
		})
	}
}
