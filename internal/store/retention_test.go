package store_test

import (
	"crypto/sha256"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestForgetBodies: the bodies go, more of them than one transaction takes, and nothing
// else does.
func TestForgetBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, open(t, config(t)))
	day := func(n int) time.Time { return morning().AddDate(0, 0, n) }
	push := func(n int, body string) (orgsync.Receipt, error) {
		m := grants("i", "app", orgsync.FlagAdd, n)
		nonce := strconv.Itoa(n)
		return w.acceptor.Accept(t.Context(), orgsync.Push{
			Message: m, Kind: m.Kind, Nonce: nonce, Digest: sha256.Sum256([]byte(body)), Body: []byte(body),
			Signed: day(n), Received: day(n),
		})
	}
	const pushes, old = 500, 450
	for n := range pushes {
		if _, err := push(n, "body"); err != nil {
			t.Fatal(err)
		}
	}
	before := journal(t, w)
	for _, want := range []int{old, 0} { // the second time there is none
		if n, err := w.ForgetBodies(t.Context(), day(old)); n != want || err != nil {
			t.Fatalf("ForgetBodies = %d, %v, want %d", n, err, want)
		}
	}
	for n := range before {
		before[n].Body = before[n].ID > old
	}
	if diff := cmp.Diff(before, journal(t, w)); diff != "" {
		t.Errorf("journal (-before with fewer bodies +after):\n%s", diff)
	}
	if r, err := push(0, "body"); err != nil || !r.Repeated {
		t.Errorf("the same push again = %+v, %v, want its answer again", r, err)
	}
	if _, err := push(0, "another body"); !errors.Is(err, orgsync.ErrReplay) {
		t.Errorf("another push under its nonce = %v, want ErrReplay", err)
	}
}

func journal(t *testing.T, w *world) []store.JournalItem {
	t.Helper()
	l, err := w.ListJournal(t.Context(), store.Page{Limit: store.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	return l.Items
}

// TestForgottenBodies: what is not kept any more is not looked for, and a
// message that waits is applied without its body.
func TestForgottenBodies(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	if _, err := w.ForgetBodies(t.Context(), morning().AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	e, err := w.Explain(t.Context(), "t", "u0")
	if err != nil || e.Searched != 0 || e.User.Status != "enabled" {
		t.Errorf("Explain = %+v, %v", e, err)
	}
	held, err := w.ListHeld(t.Context(), store.Page{Tenant: "t"})
	if err != nil || len(held.Items) != 1 {
		t.Fatalf("held = %+v, %v", held, err)
	}
	if _, err := w.acceptor.Approve(t.Context(), orgsync.Scope{Tenant: "t"}, held.Items[0].ID); err != nil {
		t.Errorf("Approve without the body = %v", err)
	}
}
