package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

func (w *world) keys(t *testing.T) []ringKey {
	t.Helper()
	var l keyList
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "keys", "list", "--json")), &l); err != nil {
		t.Fatal(err)
	}
	return l.Keys
}

// TestKeysRotate: beside a running bridge, which goes on with the new key as soon as it has
// looked, and reads what the old one sealed.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := startWorld(t)
	b, other := market.DemoBuyers()[0], market.DemoBuyers()[1]
	if err := w.send(ctx, b.Binding()...); err != nil {
		t.Fatal(err)
	}
	before := w.keys(t)
	if len(before) != 1 || before[0].Values != 2 || before[0].Use != "seals" { // a secret, and the key of its messages
		t.Fatalf("keys = %+v", before)
	}
	look := func() {
		t.Helper()
		var log strings.Builder
		r := newReloader(w.bridge.inForce, func() reading { return read(w.config, lookup()) }, nil, new(slog.LevelVar), slog.New(slog.NewTextHandler(&log, nil)))
		ring, err := keyring.Load(filepath.Join(filepath.Dir(w.config), "kitbridge.key"))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.bridge.ring.follow(ctx, w.bridge.store, ring); err != nil {
			t.Fatal(err)
		}
		if now := r.read(); now.err != nil || !sameRing(now.ring, ring) {
			t.Errorf("a look at the configuration finds %v, %v, want the ring of the file", now.ring, now.err)
		}
	}
	if got := w.command(t, exitOK, "keys", "rotate"); !strings.Contains(got, " seals now; back ") {
		t.Errorf("keys rotate = %q", got)
	}
	look()
	if err := w.send(ctx, append(other.Binding(), b.Binding()...)...); err != nil {
		t.Fatal(err)
	}
	after := w.keys(t)
	if len(after) != 2 || after[1].Fingerprint != before[0].Fingerprint || after[1].Use != "opens" || after[0].Values == 0 || after[1].Values == 0 {
		t.Errorf("after the rotation keys = %+v", after)
	}
	if got := w.command(t, exitOK, "keys", "rotate", "--reseal"); !strings.Contains(got, "values are sealed anew") {
		t.Errorf("keys rotate --reseal = %q", got)
	}
	resealed := w.keys(t)
	if resealed[1].Values != 0 || resealed[0].Values != 4 {
		t.Errorf("after --reseal keys = %+v, want all with the new one", resealed)
	}
	if err := w.send(ctx, b.AddUser(market.User{UserName: "neu", Name: "新", OrgCode: "10000"})); err != nil {
		t.Fatal(err)
	}
	w.command(t, exitOK, "explain", "neu@chenguang") // its journal can be read
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestKeysForReplicas: a prepared key seals nothing until it is used.
func TestKeysForReplicas(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	if err := w.send(t.Context(), market.DemoBuyers()[0].Binding()...); err != nil {
		t.Fatal(err)
	}
	w.command(t, exitFailed, "keys", "rotate", "--use")
	w.command(t, exitConfig, "keys", "rotate", "--use", "--prepare")
	old := w.keys(t)[0].Fingerprint
	w.command(t, exitOK, "keys", "rotate", "--prepare")
	prepared := w.keys(t)
	if len(prepared) != 2 || prepared[0].Fingerprint != old || prepared[1].LearntAt.IsZero() {
		t.Fatalf("after --prepare keys = %+v", prepared)
	}
	w.command(t, exitFailed, "keys", "rotate", "--prepare")
	w.command(t, exitOK, "keys", "rotate", "--use")
	if used := w.keys(t); used[0].Fingerprint != prepared[1].Fingerprint || used[1].Fingerprint != old {
		t.Errorf("after --use keys = %+v", used)
	}
	w.command(t, exitFailed, "keys", "rotate", "--use")
}

// TestReloadFollowsTheRing: a ring that cannot be taken over leaves all as it was, and is
// looked at again.
func TestReloadFollowsTheRing(t *testing.T) {
	t.Parallel()
	first, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	second, err := first.Added(true)
	if err != nil {
		t.Fatal(err)
	}
	cfg := defaultConfig()
	current := reading{config: cfg, ring: first}
	now := reading{config: cfg, ring: second}
	var log strings.Builder
	installed := 0
	r := newReloader(current, func() reading { return now }, func(push.Settings) { installed++ }, new(slog.LevelVar), slog.New(slog.NewTextHandler(&log, nil)))
	var followed []*keyring.Ring
	fails := true
	r.follow = func(_ context.Context, ring *keyring.Ring) error {
		if fails {
			return context.DeadlineExceeded
		}
		followed = append(followed, ring)
		return nil
	}
	r.look(t.Context())
	r.look(t.Context()) // it stayed so
	if installed != 0 || !strings.Contains(log.String(), "the key file is not taken over") {
		t.Errorf("a ring that is not taken over: installed %d times, log %s", installed, log.String())
	}
	fails = false
	r.look(t.Context())
	r.look(t.Context())
	r.look(t.Context())
	if installed != 1 || !slices.Equal(followed, []*keyring.Ring{second}) || !strings.Contains(log.String(), "key_file") {
		t.Errorf("installed %d times, followed %v, log %s", installed, followed, log.String())
	}
}
