//go:build integration

package integration_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestDirectoryExpires: on every kind of server, without anybody saying anything, the entry of
// a user who was removed goes purge_after later, and so does what the directory holds of a
// tenant that was taken out of its list, whose people are disabled until then. Put back into the
// list the tenant is as it was.
func TestDirectoryExpires(t *testing.T) {
	t.Parallel()
	for _, k := range directoryKinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			d := k.start(t)
			k.memberOf = false // is looked at elsewhere
			ours, theirs := awkwardBuyer("77777777777777777777777777777777"), awkwardBuyer("88888888888888888888888888888888")
			s := &scene{bridge: startBridge(t, "sinks:\n"+directorySink("corp", d, "people", ", purge_after: 5s"))}
			at := anHourAgo()
			s.deliver(t, append(ours.binding(t, at), theirs.binding(t, at)...)...)
			s.quiet(t)
			conn := dialDirectory(t, d)
			read := func(b *buyer) holding { t.Helper(); return k.readHolding(t, conn, b.id, isTheirs) }
			ourPeople, theirPeople := read(ours), read(theirs)

			removed := time.Now()
			s.deliver(t, ours.withdraw(flagRemove, removed, "sun"))
			s.quiet(t)
			if u, isThere := read(ours).Users["sun"]; !isThere || len(u.Groups) > 0 {
				t.Errorf("after the removal sun is there: %v, in %v", isThere, u.Groups)
			}
			awaitEvery(t, 100*time.Millisecond, 30*time.Second, func() string {
				if _, isThere := read(ours).Users["sun"]; isThere {
					return "sun is still there"
				}
				return ""
			})
			if kept := time.Since(removed); kept < 5*time.Second {
				t.Errorf("sun was kept for %v only", kept)
			}
			delete(ourPeople.Users, "sun")

			s.Stop()
			s.setTenants(t, `["*"]`, `["`+ours.id+`"]`)
			left := time.Now()
			s.Start()
			awaitEvery(t, 50*time.Millisecond, 30*time.Second, func() string { return cmp.Diff(0, len(k.enabled(read(theirs)))) })
			if got := s.command(t, "plan", "--sink", "corp"); !strings.Contains(got, "not meant for the tenant any more") && len(read(theirs).Users) > 0 {
				t.Errorf("plan: %s", got)
			}
			awaitEvery(t, 100*time.Millisecond, 30*time.Second, func() string {
				return cmp.Diff(0, len(readPaged(t, conn, "ou="+theirs.id+",dc=example,dc=org", "1.1")))
			})
			if kept := time.Since(left); kept < 4*time.Second { // it is noted by the second
				t.Errorf("their entries were kept for %v only", kept)
			}
			mustEqual(t, "ours", ourPeople, read(ours))
			s.quiet(t)
			s.exits(t, 0, "plan")

			s.Stop()
			s.setTenants(t, `["`+ours.id+`"]`, `["*"]`)
			s.Start()
			awaitEvery(t, 100*time.Millisecond, 30*time.Second, func() string { return cmp.Diff(theirPeople, read(theirs)) })
			s.quiet(t)
			s.exits(t, 0, "plan")
			s.Stop()
		})
	}
}

// enabled are the users who may work.
func (k directoryKind) enabled(s holding) (names []string) {
	for name, u := range s.Users {
		isOff := u.Off || strings.HasSuffix(u.Place, "< ou=disabled")
		if !isOff || len(u.Groups) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// setTenants changes the list of the only sink.
func (b *bridge) setTenants(t testing.TB, from, to string) {
	t.Helper()
	file := filepath.Join(b.dir, "kitbridge.yaml")
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(strings.Replace(string(text), "tenants: "+from, "tenants: "+to, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
