package peers

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// FreePort returns a TCP port of 127.0.0.1 that nobody listened on a moment
// ago. It lies below the range from which systems choose the local ports of
// outgoing connections (on Linux 32768 and up), so a server that is stopped
// for a while can have it back. Another process may still take it first: a
// caller that cannot retry lives with odds of one in ten thousand.
func FreePort(tb testing.TB) int {
	tb.Helper()
	port, err := freePort(context.WithoutCancel(tb.Context()))
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

func freePort(ctx context.Context) (int, error) {
	const lowest, count = 20000, 12000
	for range 100 {
		port := lowest + rand.IntN(count) //nolint:gosec // a port is no secret
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
