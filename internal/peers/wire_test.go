package peers_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// echo is a server that says what it hears.
func echo(t *testing.T) (address string) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // end of test
	go func() {                     // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// say sends a word and returns what comes back within the time.
func say(t *testing.T, c net.Conn, word string, within time.Duration) (string, error) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte(word)); err != nil {
		return "", err
	}
	got := make([]byte, len(word))
	n, err := io.ReadFull(c, got)
	return string(got[:n]), err
}

func TestWire(t *testing.T) {
	t.Parallel()
	server := echo(t)
	for _, c := range []struct {
		name  string
		worse func(*peers.Wire)
		got   string
		err   error
		slow  time.Duration
	}{
		{"good", func(*peers.Wire) {}, "hello", nil, 0},
		{"slow", func(w *peers.Wire) { w.Slow(100 * time.Millisecond) }, "hello", nil, 100 * time.Millisecond},
		{"hang", (*peers.Wire).Hang, "", os.ErrDeadlineExceeded, 0},
		{"reset", (*peers.Wire).Reset, "", syscall.ECONNRESET, 0},
		{"cut", func(w *peers.Wire) { w.Cut(3) }, "hel", io.ErrUnexpectedEOF, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := peers.NewWire(t, server)
			dial := func() net.Conn {
				var d net.Dialer
				conn, err := d.DialContext(t.Context(), "tcp", w.Address())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() }) //nolint:errcheck // end of test
				return conn
			}
			c.worse(w)
			began := time.Now()
			got, err := say(t, dial(), "hello", 500*time.Millisecond)
			if got != c.got || !errors.Is(err, c.err) || time.Since(began) < c.slow {
				t.Errorf("say = %q, %v after %v, want %q, %v after %v", got, err, time.Since(began), c.got, c.err, c.slow)
			}
			w.Heal()
			if got, err := say(t, dial(), "again", 5*time.Second); got != "again" || err != nil {
				t.Errorf("healed: say = %q, %v", got, err)
			}
		})
	}
}
