package peers

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
)

// FreePort returns a TCP port of 127.0.0.1 that nobody listened on a moment
// ago. It lies below the range from which systems choose the local ports of
// outgoing connections (on Linux 32768 and up), so a server that is stopped
// for a while can have it back. The same process is never given a port twice
// before all had their turn; another process may still take it first.
func FreePort(tb testing.TB) int {
	tb.Helper()
	port, err := freePort(context.WithoutCancel(tb.Context()))
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

// turn counts the ports that this process tried, from a place of its own, so that two
// servers of parallel tests do not meet.
var turn = func() *atomic.Uint32 { //nolint:gochecknoglobals // parallel tests share the machine's ports
	var t atomic.Uint32
	t.Store(rand.Uint32N(1 << 16)) //nolint:gosec // a port is no secret
	return &t
}()

func freePort(ctx context.Context) (int, error) {
	const lowest, count = 20000, 12000
	for range 100 {
		port := lowest + int(turn.Add(1))%count
		var lc net.ListenConfig
		listener, err := lc.Listen(ctx, "tcp4", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err != nil {
			continue // taken; the next one is elsewhere
		}
		if err := listener.Close(); err != nil {
			return 0, err
		}
		return port, nil
	}
	return 0, errors.New("no free port on 127.0.0.1 in a hundred tries")
}

// loopback is where every server of this package listens.
const loopback = "127.0.0.1"
