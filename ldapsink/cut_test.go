package ldapsink_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// cutter is a directory behind a wire that is cut at one of its writes, when the server has
// carried it out and says so.
type cutter struct {
	ldapsink.Directory
	wire *peers.Wire
	at   int // which write

	mu     sync.RWMutex // nothing else is under way while the wire is cut
	writes int          // under mu
}

// Search implements ldapsink.Directory.
func (c *cutter) Search(ctx context.Context, q ldapsink.Search, yield func(ldapsink.Found) error) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.Directory.Search(ctx, q, yield)
}

// Write implements ldapsink.Directory.
func (c *cutter) Write(ctx context.Context, o ldapsink.Operation) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	if c.writes != c.at {
		return c.Directory.Write(ctx, o)
	}
	c.wire.Cut(0)
	defer c.wire.Heal()
	return c.Directory.Write(ctx, o)
}

func (c *cutter) wasCut() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.writes >= c.at
}

// TestCutAfterWrite: the connection breaks after the server did the n-th write and before it
// could say so, on every kind of server, for many n. The work goes on, and ends as if nothing
// had been: nothing is done twice, nothing is taken for somebody else's.
func TestCutAfterWrite(t *testing.T) {
	t.Parallel()
	for _, kind := range processes() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			dir := kind.start(t)
			cuts, step := 0, func(n int) int { return n + 1 + n/3 }
			if kind.name == "Samba" { // each round takes seconds there
				step = func(n int) int { return 2*n + 1 }
			}
			for n := 1; cutAt(t, kind, dir, n) && !t.Failed(); n = step(n) {
				cuts++
			}
			if cuts < 4 {
				t.Errorf("only %d cuts: they show little", cuts)
			}
		})
	}
}

// cutAt fills a tenant of its own and changes it, with the wire cut at the n-th write. It
// says whether it came to that.
func cutAt(t *testing.T, kind target, dir *peers.Directory, n int) bool {
	t.Helper()
	address, config := secure(t, dir)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	wire := peers.NewWire(t, u.Host)
	if config != nil {
		config = config.Clone()
		config.ServerName = u.Hostname()
	}
	c := &cutter{Directory: behind(t, u.Scheme+"://"+wire.Address(), config), wire: wire, at: n}
	f := emptyFixture(t, dir)
	f.state.tenant.ID = orgsync.TenantID(fmt.Sprintf("cut%d", n))
	f.sink = f.open(func(cfg *ldapsink.Config) { cfg.Directory, cfg.Layout = c, ldapsink.Tree })
	for round := range uint64(3) {
		shuffle(f.state, rand.New(rand.NewPCG(7, round)), 6)
		f.all()
	}
	model{kind: kind, layout: ldapsink.Tree, state: f.state, root: fmt.Sprintf("ou=cut%d,%s", n, peers.BaseDN)}.check(f)
	if whole := f.plan(ldapsink.WholeOptions{}); len(whole.Operations)+len(whole.Reports)+whole.Foreign > 0 {
		t.Errorf("cut at write %d: left to do: %v, %v, %d of others", n, whole.Operations, whole.Reports, whole.Foreign)
	}
	return c.wasCut()
}

// behind is the directory at an address, for the service account.
func behind(t *testing.T, address string, config *tls.Config) ldapsink.Directory {
	t.Helper()
	d, err := ldapsink.NewDirectory(config, peers.ServiceDN, peers.ServicePassword, 10*time.Second, address)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
