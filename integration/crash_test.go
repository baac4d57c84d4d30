//go:build integration

package integration_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// hurried is a push under way, and the users it is about.
type hurried struct {
	signed
	users []string
}

// stream sends pushes until one gets no answer, and keeps account.
type stream struct {
	mu         sync.Mutex
	next       int
	answered   []hurried
	unanswered []hurried
	refused    []answer
}

// run is one sender. It ends when the bridge does not answer. Each answer is
// also told to progress.
func (st *stream) run(t *testing.T, b *bridge, make func(n int) hurried, progress chan<- struct{}) {
	for {
		st.mu.Lock()
		st.next++
		n := st.next
		st.mu.Unlock()
		h := make(n)
		_, got, err := b.post(t.Context(), h.signed)
		st.mu.Lock()
		switch {
		case err != nil:
			st.unanswered = append(st.unanswered, h)
		case got.Code == accepted:
			st.answered = append(st.answered, h)
		default:
			st.refused = append(st.refused, got)
		}
		st.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case progress <- struct{}{}:
		default:
		}
	}
}

// TestCrash kills the bridge in the middle of a stream of pushes, again and
// again: whatever was acknowledged is there, what was not is there wholly or not
// at all, and the same again completes it. KITBRIDGE_CRASHES says how often, if not 8
// times.
func TestCrash(t *testing.T) {
	t.Parallel()
	const senders, usersPerPush = 4, 5
	s := startScene(t, peers.Slapd(t, peers.SlapdOptions{MemberOf: true}).URL(), peers.MariaDB(t).Product())
	b := newBuyer("t1")
	b.departments["d1"] = department{name: "产品部"}
	at := anHourAgo()
	s.deliver(t, b.tenantSync(flagAdd, at), b.allOrgSync(at))
	stated := int64(2)
	s.allowOldSignatures(t) // in the end the same is sent again, and many rounds take a while

	push := func(n int) hurried {
		// A copy: senders work side by side.
		c := newBuyer("t1")
		var h hurried
		for m := range usersPerPush {
			name := fmt.Sprintf("u%05d-%d", n, m)
			h.users = append(h.users, name)
			c.users[name] = crashUser(n)
		}
		m := c.authorise(flagAdd, at.Add(time.Duration(n)*time.Millisecond), h.users...)
		h.signed = signedPush(t, m.name, m.body)
		return h
	}
	var all stream
	for range rounds(t, "KITBRIDGE_CRASHES", 8) {
		progress := make(chan struct{}, 1)
		var sending sync.WaitGroup
		for range senders {
			sending.Go(func() { all.run(t, s.bridge, push, progress) })
		}
		for range 1 + rand.IntN(60) {
			<-progress
		}
		s.Kill()
		sending.Wait()
		s.Start()
	}
	if all.refused != nil {
		t.Fatalf("refused: %v", all.refused)
	}
	t.Logf("%d pushes answered, %d cut off", len(all.answered), len(all.unanswered))

	// What was acknowledged is there.
	for _, h := range all.answered {
		for _, name := range h.users {
			b.users[name] = withStanding(crashUserNamed(name), userEnabled)
		}
		stated += usersPerPush
	}
	// A directory takes its time for many users.
	patience := 30*time.Second + time.Duration(all.next*usersPerPush)*20*time.Millisecond
	await(t, patience, func() string {
		if n := s.status(t).pending(); n > 0 {
			return fmt.Sprintf("%d keys pending", n)
		}
		return ""
	})
	got := s.status(t).Journal
	if low, high := stated, stated+int64(usersPerPush*len(all.unanswered)); got.Accepted < low || got.Accepted > high {
		t.Errorf("%d changes accepted, want %d acknowledged and at most %d that were cut off", got.Accepted, low, high-low)
	}
	there := map[string]bool{}
	for _, row := range readRows(t, s.tables, "SELECT user_name FROM kit_user WHERE tenant_id = ? AND enabled", b.id) {
		there[row[0]] = true
	}
	for _, h := range all.unanswered {
		n := 0
		for _, name := range h.users {
			if there[name] {
				n++
				b.users[name] = withStanding(crashUserNamed(name), userEnabled)
			}
		}
		if n != 0 && n != len(h.users) {
			t.Errorf("of a push that was cut off %d users of %d are there: %v", n, len(h.users), h.users)
		}
	}
	s.settles(t, patience, b)

	// The marketplace sends again what was cut off.
	for _, h := range all.unanswered {
		if got := s.mustSend(t, h.signed); got.Code != accepted {
			t.Errorf("the same again answered %+v", got)
		}
		for _, name := range h.users {
			b.users[name] = withStanding(crashUserNamed(name), userEnabled)
		}
		stated += usersPerPush
	}
	s.settles(t, patience, b)
	want := got
	want.Accepted, want.Applied = stated, stated
	mustEqual(t, "journal in the end", want, s.status(t).Journal)
}

// allowOldSignatures holds from the next start on at the latest.
func (b *bridge) allowOldSignatures(t *testing.T) {
	t.Helper()
	file := filepath.Join(b.dir, "kitbridge.yaml")
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config = bytes.Replace(config, []byte("marketplace:\n"), []byte("marketplace:\n  clock_skew: 1h\n"), 1)
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
}

// crashUser is whom the n-th push is about.
func crashUser(n int) user {
	return user{name: fmt.Sprintf("第%d号", n), orgCode: "d1", role: []string{"user", "admin"}[n%2], email: fmt.Sprintf("u%d@example.com", n)}
}

func crashUserNamed(name string) user {
	var n int
	_, _ = fmt.Sscanf(name, "u%d-", &n) // the test made the name
	return crashUser(n)
}

func withStanding(u user, st standing) user {
	u.standing = st
	return u
}
