package store_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/sso"
)

// TestTurnOfReplicas: of two processes that share a database one gets the turn, again and again.
func TestTurnOfReplicas(t *testing.T) {
	t.Parallel()
	one, two := replicas(t)
	one.admit(t, "u")
	due := morning()
	key := one.session(t, func(n *sso.NewSession) { n.Due, n.Tokens = due, sso.Tokens{Access: "a", Refresh: "r"} })
	for n := range 20 {
		until := due.Add(time.Minute)
		type turn struct {
			mine bool
			err  error
		}
		got := make(chan turn, 2)
		for _, w := range []*world{one, two} {
			go func() {
				_, mine, err := w.TakeTurn(t.Context(), key, due, until)
				got <- turn{mine, err}
			}()
		}
		a, b := <-got, <-got
		if a.err != nil || b.err != nil || a.mine == b.mine {
			t.Fatalf("round %d: %+v and %+v, want one with the turn", n, a, b)
		}
		due = until
	}
}

// TestTokensAreSealed: whoever has the database only reads no token, and a key that is rotated out reads none either.
func TestTokensAreSealed(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	first := newRing(t)
	ring, err := first.Added(true)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Keys = first
	s := open(t, cfg)
	w := newWorld(t, s)
	w.admit(t, "u")
	kept := sso.Tokens{Access: "the-access-token", Refresh: "the-refresh-token", Expires: morning(), ClientID: "client", Nonce: "the-nonce"}
	key := w.session(t, func(n *sso.NewSession) { n.Due, n.Tokens = morning(), kept })
	closeStore(t, s)

	stored := func() (sealed string) {
		t.Helper()
		behind(t, cfg, func(db *sql.DB) error {
			return db.QueryRowContext(t.Context(), "SELECT tokens FROM session").Scan(&sealed)
		})
		return sealed
	}
	before := stored()
	for _, secret := range []string{"the-access-token", "the-refresh-token", "the-nonce"} {
		if before == "" || strings.Contains(before, secret) {
			t.Errorf("%q stands in the database", secret)
		}
	}
	cfg.Keys = ring
	s = open(t, cfg)
	newest := ring.Fingerprints()[0]
	counts, err := s.CountSealed(t.Context(), keyring.SealedBy)
	if err != nil || counts[newest] != 0 || counts[first.Fingerprints()[0]] == 0 {
		t.Errorf("CountSealed = %v, %v, want the tokens among what the old key has sealed", counts, err)
	}
	n, err := s.Reseal(t.Context(), func(sealed []byte) bool { return keyring.SealedBy(sealed) != newest })
	if err != nil || n != counts[first.Fingerprints()[0]] || stored() == before || keyring.SealedBy([]byte(stored())) != newest {
		t.Errorf("Reseal = %d, %v, want the tokens among %v", n, err, counts)
	}
	got, mine, err := s.TakeTurn(t.Context(), key, morning(), morning().Add(time.Minute))
	if err != nil || !mine || got != kept {
		t.Errorf("TakeTurn after that = %t, %v, want the same tokens", mine, err)
	}
	// Tokens that somebody moved to another session open nothing there.
	other := newWorld(t, s).session(t, func(n *sso.NewSession) { n.Due = morning() })
	change(t, cfg, "UPDATE session SET tokens = (SELECT tokens FROM session WHERE tokens IS NOT NULL) WHERE tokens IS NULL")
	if got, mine, err := s.TakeTurn(t.Context(), other, morning(), morning().Add(time.Minute)); err == nil || mine || got != (sso.Tokens{}) {
		t.Errorf("TakeTurn with another session's tokens = %t, %v, want an error", mine, err)
	}
}
