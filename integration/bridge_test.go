//go:build integration

package integration_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

const (
	kitKey     = "TestKitAccessKey0000000000000002"           // signs the pushes to every bridge
	adminToken = "an-admin-token-of-more-than-32-characters!" // opens the API of every bridge
)

// bridge is a running kitbridge. Its Process stops, kills and starts it again
// with the same configuration, database and ports.
type bridge struct {
	*peers.Process
	publicURL string // marketplace and sign-in
	adminURL  string // console, API, health
	dir       string // configuration, database and key file
	http      *http.Client
}

// startBridge runs `kitbridge serve` and returns when it is healthy. The
// configuration begins with addresses, files, the marketplace's keys and the
// admin token; rest is what the test adds: sinks, sso and so on, from column 0.
func startBridge(t testing.TB, rest string) *bridge {
	t.Helper()
	b := newBridge(t)
	b.run(t, b.essentials()+fmt.Sprintf(`marketplace:
  keys: {kit: [%q]}
  private_key_files: [%q]
admin: {listen: %q, token: %q}
`, kitKey, writeCredentialKey(t, b.dir), strings.TrimPrefix(b.adminURL, "http://"), adminToken)+rest)
	return b
}

// newBridge chooses addresses and a directory for a bridge that is yet to run.
func newBridge(t testing.TB) *bridge {
	t.Helper()
	return &bridge{
		publicURL: "http://" + localAddress(t),
		adminURL:  "http://" + localAddress(t),
		dir:       t.TempDir(),
		http:      &http.Client{Timeout: 20 * time.Second}, // as long as the marketplace waits
	}
}

// essentials are the first lines of every configuration.
func (b *bridge) essentials() string {
	return fmt.Sprintf("listen: %q\npublic_url: %q\ndatabase: %q\nkey_file: %q\n", strings.TrimPrefix(b.publicURL, "http://"),
		b.publicURL, "sqlite:"+filepath.Join(b.dir, "kitbridge.db"), filepath.Join(b.dir, "kitbridge.key"))
}

// run starts the bridge with a configuration. before stands before the command
// on its line, such as env and a variable.
func (b *bridge) run(t testing.TB, config string, before ...string) {
	t.Helper()
	file := filepath.Join(b.dir, "kitbridge.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Process = peers.Run(t, peers.Program{
		Name:  "kitbridge",
		Args:  append(before, binary, "serve", "--config", file),
		Dir:   b.dir,
		Ready: b.healthy,
	})
}

// healthy asks both listeners.
func (b *bridge) healthy(ctx context.Context) error {
	for _, url := range []string{b.publicURL, b.adminURL} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", nil)
		if err != nil {
			return err
		}
		response, err := b.http.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close() //nolint:errcheck // only the status counts
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s/healthz: %s", url, response.Status)
		}
	}
	return nil
}

// localAddress returns a free address on loopback.
func localAddress(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(peers.FreePort(t)))
}

// await repeats compare until it finds no difference, and fails the test with
// the last one when the time is over.
func await(t testing.TB, within time.Duration, compare func() (diff string)) {
	t.Helper()
	awaitEvery(t, 20*time.Millisecond, within, compare)
}

// awaitEvery is await for a comparison that costs more, and so is made less often.
func awaitEvery(t testing.TB, every, within time.Duration, compare func() (diff string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		diff := compare()
		if diff == "" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still different after %v (-want +got):\n%s", within, diff)
		}
	}
}
