//go:build integration

package integration_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // reads the copies

	"github.com/kitbridge/kitbridge/internal/peers"
)

// blackout is what a disk holds when the power goes: the files of the database at one
// moment, and what had been answered before.
type blackout struct {
	dir      string
	answered []hurried
}

// blackOut copies the database's files. A crash leaves the files as they are at one
// moment, while a copy takes its time; so the bridge stands still (SIGSTOP) until it is
// made. What a real disk had not yet written although it was told to (fsync) no test can
// take away; every commit that is answered waits for that.
//
// withIndex says whether the -shm file comes along, which is never written to the disk
// on purpose. torn adds the beginning of a write that the power cut off.
func blackOut(t *testing.T, b *bridge, st *stream, withIndex, torn bool) blackout {
	t.Helper()
	out := blackout{dir: t.TempDir()}
	st.mu.Lock()
	out.answered = slices.Clone(st.answered)
	st.mu.Unlock()
	if err := syscall.Kill(b.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Kill(b.PID(), syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}()
	names := []string{"kitbridge.db", "kitbridge.db-wal", "kitbridge.key"}
	if withIndex {
		names = append(names, "kitbridge.db-shm")
	}
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if torn && name == "kitbridge.db-wal" {
			tail := make([]byte, 1+mathrand.IntN(3*4096))
			_, _ = rand.Read(tail) // never fails
			content = append(content, tail...)
		}
		if err := os.WriteFile(filepath.Join(out.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestPowerLoss: a bridge that is started on what the disk held at any moment has every
// push that was answered before, whole ones only, and a sound database; the same pushes
// again bring it to the state of one that never lost power.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	const senders, usersPerPush = 4, 5
	server := peers.MariaDB(t)
	b := startBridge(t, "sinks: []\n")
	buyer := newBuyer("t1")
	buyer.departments["d1"] = department{name: "产品部"}
	at := anHourAgo()
	beginning := []message{buyer.tenantSync(flagAdd, at), buyer.allOrgSync(at)}
	for _, m := range beginning {
		if got := b.push(t, m.name, m.body); got.Code != accepted {
			t.Fatalf("%s answered %+v", m.name, got)
		}
	}
	message := func(n int) (message, []string) {
		c := newBuyer("t1")
		var users []string
		for m := range usersPerPush {
			users = append(users, fmt.Sprintf("u%05d-%d", n, m))
			c.users[users[m]] = crashUser(n)
		}
		return c.authorise(flagAdd, at.Add(time.Duration(n)*time.Millisecond), users...), users
	}
	var all stream
	progress := make(chan struct{}, 1)
	var sending sync.WaitGroup
	for range senders {
		sending.Go(func() {
			all.run(t, b, func(n int) hurried {
				m, users := message(n)
				return hurried{signed: signedPush(t, m.name, m.body), users: users}
			}, progress)
		})
	}
	var blackouts []blackout
	for n := range rounds(t, "KITBRIDGE_BLACKOUTS", 6) {
		for range 20 + mathrand.IntN(150) {
			<-progress
		}
		blackouts = append(blackouts, blackOut(t, b, &all, n%2 == 0, n%3 == 2))
	}
	b.Kill()
	sending.Wait()
	if all.refused != nil {
		t.Fatalf("refused: %v", all.refused)
	}
	for n, out := range blackouts {
		s := &scene{bridge: newBridge(t)}
		product := server.Fresh()
		s.tables = openMariaDB(t, product)
		s.dir = out.dir
		s.run(t, s.essentials()+fmt.Sprintf("marketplace: {keys: {kit: [%q]}}\nadmin: {listen: %q, token: %q}\nsinks:\n",
			kitKey, s.adminURL[len("http://"):], adminToken)+sqlSink(product))
		await(t, 30*time.Second, func() string { // the sink is new, and owed everything
			const made = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"
			status := s.status(t)
			if n := readRows(t, s.tables, made)[0][0]; n != "6" || len(status.Sinks) != 1 || status.pending() > 0 {
				return fmt.Sprintf("%s tables, %+v", n, status.Sinks)
			}
			return ""
		})
		there := map[string]bool{}
		for _, row := range readRows(t, s.tables, "SELECT user_name FROM kit_user WHERE tenant_id = ? AND enabled", buyer.id) {
			there[row[0]] = true
		}
		for _, h := range out.answered {
			for _, name := range h.users {
				if !there[name] {
					t.Errorf("blackout %d: %s was answered before, and is lost", n, name)
				}
			}
		}
		for _, h := range slices.Concat(all.answered, all.unanswered) {
			found := len(slices.DeleteFunc(slices.Clone(h.users), func(name string) bool { return !there[name] }))
			if found != 0 && found != usersPerPush {
				t.Errorf("blackout %d: of a push %d users of %d are there: %v", n, found, usersPerPush, h.users)
			}
		}
		if got, want := s.status(t).Journal.Accepted, int64(2+len(there)); got != want {
			t.Errorf("blackout %d: the journal counts %d changes, the state shows %d", n, got, want)
		}
		t.Logf("blackout %d: %d pushes answered before, %d users there", n, len(out.answered), len(there))

		// The marketplace sends everything again, signed anew.
		again := buyer.clone()
		s.deliver(t, beginning...)
		for n := range all.next {
			m, users := message(n + 1)
			s.deliver(t, m)
			for _, name := range users {
				again.users[name] = withStanding(crashUser(n+1), userEnabled)
			}
		}
		await(t, 20*time.Second, func() string { return s.differsInTables(t, again) })
		s.checkFeed(t)
		s.Stop()
		checkSound(t, filepath.Join(out.dir, "kitbridge.db"))
	}
}

// checkSound asks SQLite whether the file is in order.
func checkSound(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	mustEqual(t, "integrity_check of "+file, [][]string{{"ok"}}, readRows(t, db, "PRAGMA integrity_check"))
	if broken := readRows(t, db, "PRAGMA foreign_key_check"); broken != nil {
		t.Errorf("foreign_key_check of %s: %v", file, broken)
	}
}
