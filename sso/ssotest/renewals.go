package ssotest

import (
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
)

func suiteTokens(n string) sso.Tokens {
	return sso.Tokens{
		Access: sso.Secret("access-" + n), Refresh: sso.Secret("refresh-" + n), Expires: suiteStart().Add(2 * time.Hour),
		ClientID: "client", Domain: "https://auth.example", Issuer: "https://auth.example/oidc", Subject: "主体", Nonce: "nonce",
	}
}

// asked is a session about which its auth centre is to be asked after an hour.
func (s *suite) asked(t *testing.T, name string) (key sso.SessionKey, due time.Time) {
	t.Helper()
	due = suiteStart().Add(time.Hour)
	return s.create(t, name, func(n *sso.NewSession) { n.Tokens, n.Due = suiteTokens("1"), due }), due
}

func (s *suite) wantDue(t *testing.T, key sso.SessionKey, want time.Time, when string) sso.LiveSession {
	t.Helper()
	live, err := s.Decide(t.Context(), key, suiteStart())
	if err != nil || !live.Due.Equal(want) {
		t.Errorf("%s: Due = %v, %v, want %v", when, live.Due, err, want)
	}
	return live
}

// checkTurn lets thirty ask at once: one of them does. If it does not come back, another may once the turn ran out.
func checkTurn(t *testing.T, s *suite) {
	key, due := s.asked(t, "a")
	other, _ := s.asked(t, "b")
	s.wantDue(t, key, due, "at first")
	until := due.Add(time.Minute)
	var wg sync.WaitGroup
	turns := make(chan sso.Tokens, 30)
	for range cap(turns) {
		wg.Go(func() {
			kept, ok, err := s.TakeTurn(t.Context(), key, due, until)
			if err != nil {
				t.Errorf("TakeTurn = %v", err)
			}
			if ok {
				turns <- kept
			} else if kept != (sso.Tokens{}) {
				t.Error("tokens without a turn")
			}
		})
	}
	wg.Wait()
	if len(turns) != 1 {
		t.Fatalf("%d turns, want one", len(turns))
	}
	if got := <-turns; got != suiteTokens("1") {
		t.Errorf("kept = %v until %v for %s, want what the session was created with", got, got.Expires, got.ClientID)
	}
	s.wantDue(t, key, until, "while somebody asks")
	s.wantDue(t, other, due, "another session")
	if _, ok, err := s.TakeTurn(t.Context(), key, until, until.Add(time.Minute)); !ok || err != nil {
		t.Errorf("TakeTurn of one that ran out = %t, %v, want the turn", ok, err)
	}
	if _, ok, err := s.TakeTurn(t.Context(), sha256.Sum256([]byte("gone")), due, until); ok || err != nil {
		t.Errorf("TakeTurn of no session = %t, %v, want none", ok, err)
	}
	s.wantDue(t, s.create(t, "c", nil), time.Time{}, "a session that keeps nothing")
}

func checkRenew(t *testing.T, s *suite) {
	key, due := s.asked(t, "a")
	turn := func(from time.Time) (time.Time, sso.Tokens) {
		t.Helper()
		until := from.Add(time.Minute)
		kept, ok, err := s.TakeTurn(t.Context(), key, from, until)
		if !ok || err != nil {
			t.Fatalf("TakeTurn = %t, %v", ok, err)
		}
		return until, kept
	}
	renew := func(until time.Time, r sso.Renewal) {
		t.Helper()
		if ok, err := s.RenewSession(t.Context(), key, until, r); !ok || err != nil {
			t.Fatalf("RenewSession = %t, %v", ok, err)
		}
	}
	until, _ := turn(due)
	renew(until, sso.Renewal{Due: until, Tokens: suiteTokens("2")}) // before they are used
	before := s.wantDue(t, key, until, "new tokens, the turn goes on")
	said := sso.Said{Role: sso.RoleAdmin, Filled: sso.Profile{Name: "new name"}}
	next := due.Add(2 * time.Hour)
	renew(until, sso.Renewal{Due: next, Said: &said})
	after := s.wantDue(t, key, next, "asked")
	want := before
	want.Due, want.Role, want.Filled = next, said.Role, said.Filled
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("after RenewSession (-want +got)\n%s", diff)
	}
	until, kept := turn(next)
	if kept != suiteTokens("2") {
		t.Error("the new tokens are not kept")
	}
	again := until.Add(time.Minute)
	renew(until, sso.Renewal{Due: again}) // no answer
	s.wantDue(t, key, again, "nothing but a later time")
	if until, kept = turn(again); kept != suiteTokens("2") {
		t.Error("the tokens went with an answer that did not come")
	}
	renew(until, sso.Renewal{}) // nothing is left to ask with
	s.wantDue(t, key, time.Time{}, "never again")
	if kept, _, err := s.TakeTurn(t.Context(), key, time.Time{}, until); err != nil || kept != (sso.Tokens{}) {
		t.Errorf("kept is still there, %v", err)
	}
	if ok, err := s.RenewSession(t.Context(), key, until, sso.Renewal{Over: true}); !ok || err != nil {
		t.Errorf("RenewSession that ends the session = %t, %v", ok, err)
	}
	s.wantLive(t, key, suiteStart(), false, "over by the auth centre's word")
}

// checkDeposit keeps tokens for a sign-in that waits: one of those who come for them at once gets them, and only by their ref.
func checkDeposit(t *testing.T, s *suite) {
	until := suiteStart().AddDate(100, 0, 0)
	for ref, tokens := range map[sso.Handle]sso.Tokens{"a": suiteTokens("a"), "b": suiteTokens("b")} {
		if err := s.Deposit(t.Context(), ref, tokens, until); err != nil {
			t.Fatalf("Deposit = %v", err)
		}
	}
	if err := s.Deposit(t.Context(), "a", suiteTokens("z"), until); err == nil {
		t.Error("Deposit took a ref that exists")
	}
	var wg sync.WaitGroup
	got := make(chan sso.Tokens, 8)
	for range cap(got) {
		wg.Go(func() {
			tokens, err := s.Withdraw(t.Context(), "a")
			if err != nil {
				t.Errorf("Withdraw = %v", err)
			}
			if tokens != (sso.Tokens{}) {
				got <- tokens
			}
		})
	}
	wg.Wait()
	if len(got) != 1 || <-got != suiteTokens("a") {
		t.Error("not exactly one got the tokens of a")
	}
	if tokens, err := s.Withdraw(t.Context(), "b"); err != nil || tokens != suiteTokens("b") {
		t.Errorf("Withdraw of b = %v, want its tokens", err)
	}
	if tokens, err := s.Withdraw(t.Context(), "nobody"); err != nil || tokens != (sso.Tokens{}) {
		t.Errorf("Withdraw of what is not there = %v, want nothing", err)
	}
}

// checkLostTurn has somebody come back when another has the turn: a late no, or late tokens, change nothing.
func checkLostTurn(t *testing.T, s *suite) {
	key, due := s.asked(t, "a")
	first := due.Add(time.Minute)
	second := first.Add(time.Minute)
	for _, turn := range [][2]time.Time{{due, first}, {first, second}} {
		if _, ok, err := s.TakeTurn(t.Context(), key, turn[0], turn[1]); !ok || err != nil {
			t.Fatalf("TakeTurn = %t, %v", ok, err)
		}
	}
	for name, late := range map[string]sso.Renewal{
		"no": {Over: true}, "tokens": {Due: first, Tokens: suiteTokens("9")}, "nothing to ask with": {},
		"claims": {Due: second.Add(time.Hour), Said: &sso.Said{Role: sso.RoleAdmin}},
	} {
		if ok, err := s.RenewSession(t.Context(), key, first, late); ok || err != nil {
			t.Errorf("%s of a lost turn = %t, %v, want that nothing is stored", name, ok, err)
		}
	}
	if live := s.wantDue(t, key, second, "after late answers"); live.Role != sso.RoleUser {
		t.Errorf("role = %s, want that of the sign-in", live.Role)
	}
	kept, _, err := s.TakeTurn(t.Context(), key, second, second.Add(time.Minute))
	if err != nil || kept != suiteTokens("1") {
		t.Errorf("the tokens are not those of the sign-in, %v", err)
	}
	if err := s.EndSession(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.RenewSession(t.Context(), key, second.Add(time.Minute), sso.Renewal{Due: second, Tokens: suiteTokens("3")}); ok || err != nil {
		t.Errorf("RenewSession of a session that was ended = %t, %v, want none", ok, err)
	}
}
