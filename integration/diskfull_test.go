//go:build integration

package integration_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// retryable is the code by which the marketplace sends a push again (fault of ours).
const retryable = "000005"

// TestDiskFull: on a full disk of our own a push is answered with the code that makes it
// come again, never as taken; what was taken before stays and is delivered; /readyz says
// so; and when there is room all goes on by itself. So it is with a full disk of a
// product's SQLite file, which keeps no push from being taken.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	own, products := peers.NewDisk(t, 6), peers.NewDisk(t, 6)
	server := peers.MariaDB(t)
	s := &scene{bridge: newBridge(t), tables: openMariaDB(t, server.Product())}
	s.run(t, fmt.Sprintf(`listen: %q
public_url: %q
database: %q
key_file: %q
marketplace: {keys: {kit: [%q]}}
admin: {listen: %q, token: %q}
sinks:
%s  - {name: small, type: sql, url: %q}
`, strings.TrimPrefix(s.publicURL, "http://"), s.publicURL, "sqlite:"+filepath.Join(own.Dir(), "kitbridge.db"),
		filepath.Join(s.dir, "kitbridge.key"), kitKey, strings.TrimPrefix(s.adminURL, "http://"), adminToken,
		sqlSink(server.Product()), "sqlite:"+filepath.Join(products.Dir(), "product.db")))
	b := newBuyer("t1")
	at := anHourAgo()
	s.deliver(t, b.tenantSync(flagAdd, at))
	s.quiet(t)
	stated := int64(1)
	push := func(n int) (answer, signed) {
		c := newBuyer("t1")
		for m := range 20 {
			c.users[fmt.Sprintf("u%05d-%d", n, m)] = crashUser(n)
		}
		m := c.authorise(flagAdd, at.Add(time.Duration(n)*time.Millisecond), sortedKeys(c.users)...)
		p := signedPush(t, m.name, m.body)
		got := s.mustSend(t, p)
		if got.Code == accepted {
			for name := range c.users {
				b.users[name] = withStanding(crashUser(n), userEnabled)
			}
			stated += 20
		}
		return got, p
	}
	degraded := func(what string) {
		t.Helper()
		await(t, 20*time.Second, func() string {
			if code, got := s.ready(t); code != http.StatusOK || got != what {
				return fmt.Sprintf("GET /readyz = %d, degraded %q, want 200 and %q", code, got, what)
			}
			return ""
		})
	}
	equal := func() {
		t.Helper()
		await(t, 20*time.Second, func() string { return s.differsInTables(t, b) })
	}

	own.Fill()
	n := 0
	var refused signed
	for refused.body == nil {
		n++
		switch got, p := push(n); {
		case got.Code == retryable:
			refused = p
		case got.Code != accepted || n == 2000:
			t.Fatalf("push %d on a full disk answered %+v, want %s at last", n, got, retryable)
		}
	}
	for range 5 {
		if got := s.mustSend(t, refused); got.Code != retryable {
			t.Errorf("the same again answered %+v, want %s", got, retryable)
		}
	}
	degraded("database")
	if !strings.Contains(s.Log(), "the database takes no writes") || !strings.Contains(s.Log(), "its disk is full") {
		t.Error("the log does not say that the disk is full")
	}
	own.Free()
	if got := s.mustSend(t, refused); got.Code != accepted {
		t.Errorf("the same again, with room, answered %+v", got)
	}
	for m := range 20 {
		b.users[fmt.Sprintf("u%05d-%d", n, m)] = withStanding(crashUser(n), userEnabled)
	}
	stated += 20
	equal()
	degraded("")
	s.quiet(t)

	products.Fill()
	for range 20 {
		if n++; n > 0 {
			if got, _ := push(n); got.Code != accepted {
				t.Fatalf("push %d with a full disk of a product answered %+v", n, got)
			}
		}
	}
	equal() // the other sink has everything
	degraded("sink small")
	products.Free()
	s.quiet(t)
	degraded("")
	if got := s.status(t).Journal; got.Accepted != stated || got.Applied != stated {
		t.Errorf("journal %+v, want %d accepted and applied", got, stated)
	}
	for _, sink := range s.status(t).Sinks {
		if sink.Dead != 0 {
			t.Errorf("sink %s has %d dead keys", sink.Name, sink.Dead)
		}
	}
	s.Stop()
	checkSound(t, filepath.Join(own.Dir(), "kitbridge.db"))
	checkSound(t, filepath.Join(products.Dir(), "product.db"))
}
