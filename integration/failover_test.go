//go:build integration

package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// pairSink is a sink at two servers of one directory.
func pairSink(first, second *peers.Directory) string {
	return strings.Replace(ldapSink("URL"), `"URL"`, fmt.Sprintf("[%q, %q]", first.URL(), second.URL()), 1)
}

// changesTo counts how often the bridge said that it uses that server now.
func (b *bridge) changesTo(d *peers.Directory) int {
	n := 0
	for line := range strings.Lines(b.Log()) {
		if strings.Contains(line, "directory server changed") && strings.Contains(line, fmt.Sprintf(`"server":%q`, d.URL())) {
			n++
		}
	}
	return n
}

// TestFailOver: the first of two servers is killed while pushes flow. The second is used, and
// nothing that was acknowledged is lost, also not what the first one had not passed on. When the
// first is back it is used again, and has everything. Then the same in the middle of a
// reconciliation.
func TestFailOver(t *testing.T) {
	t.Parallel()
	first, second := peers.SlapdMirror(t, peers.SlapdOptions{NoSync: true})
	s := &scene{bridge: startBridge(t, pairSink(first, second)), directory: second.URL()}
	b := smallBuyer("66666666666666666666666666666666")
	at := anHourAgo()
	s.deliver(t, b.binding(t, at)...)
	s.quiet(t)
	push := func(n int) {
		t.Helper()
		names := make([]string, 0, 10)
		for i := range 10 {
			name := fmt.Sprintf("user%04d", 10*n+i)
			b.users[name] = user{name: displayName(n + i), orgCode: []string{"rd", "hq"}[i%2], role: "user", standing: userEnabled}
			names = append(names, name)
		}
		at = at.Add(time.Second)
		s.deliver(t, b.authorise(flagAdd, at, names...), b.withdraw(flagRemove, at.Add(time.Millisecond), names[9]))
	}
	holds := func(d *peers.Directory) func() string {
		return func() string {
			s.directory = d.URL()
			return s.differsInDirectory(t, b)
		}
	}
	const pushes = 60
	for n := range pushes {
		push(n)
		if n == pushes/2 {
			first.Kill()
		}
	}
	await(t, 30*time.Second, holds(second))
	if n := s.changesTo(second); n != 1 {
		t.Errorf("the bridge changed to the second server %d times, want once", n)
	}
	if s.quiet(t); s.status(t).Sinks[0].Dead > 0 {
		t.Error("there are dead keys")
	}

	first.Start()
	await(t, time.Minute, func() string { // 30 seconds after it failed it is tried again
		if s.changesTo(first) == 0 {
			return "the first server is not used again"
		}
		return ""
	})
	push(pushes)
	await(t, 30*time.Second, holds(first))
	second.Kill() // so that what comes now surely goes to the first
	push(pushes + 1)
	await(t, 30*time.Second, holds(first))
	second.Start()
	await(t, 30*time.Second, holds(second))
	s.quiet(t)
	s.Stop()

	// A reconciliation, whose server dies in the middle.
	s.directory = first.URL()
	s.wipe(t, b)
	await(t, 30*time.Second, func() string {
		s.directory = second.URL()
		if n := s.people(t, b); n > 0 {
			return fmt.Sprintf("the second server still has %d", n)
		}
		return ""
	})
	s.directory = first.URL()
	var out output
	_, end := s.begin(t, &out, "reconcile")
	await(t, 30*time.Second, func() string {
		if n := s.people(t, b); n < 20 {
			return fmt.Sprintf("%d are back: %s", n, out.String())
		}
		return ""
	})
	first.Kill()
	if code := end(); code != 0 {
		t.Errorf("exit %d: %s", code, out.String())
	}
	await(t, 30*time.Second, holds(second))
	s.exits(t, 0, "plan")
	first.Start()
	await(t, 30*time.Second, holds(first))
	s.exits(t, 0, "plan")
}
