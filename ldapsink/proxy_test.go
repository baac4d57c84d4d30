package ldapsink_test

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between the sink and slapd. It forwards so many requests of a connection,
// has the next one carried out, and keeps its answer back: once it cuts the connection and
// then serves the others well, or it falls silent.
type proxy struct {
	addr    string
	stall   bool
	busy    map[int]byte  // result codes with which it answers so many requests of a connection itself
	reached chan struct{} // closed when an answer is kept back
	once    sync.Once
}

// wasCut says whether it came to that.
func (p *proxy) wasCut() bool {
	select {
	case <-p.reached:
		return true
	default:
		return false
	}
}

// busyAt answers the i-th request of each connection with a result code of its own, while
// the server never hears of it.
func busyAt(t *testing.T, target string, busy map[int]byte) *proxy {
	return startProxyWith(t, &proxy{busy: busy}, target, 1<<30)
}

func cutAfter(t *testing.T, target string, n int) *proxy { return startProxy(t, target, n, false) }

func stallAfter(t *testing.T, target string, n int) *proxy { return startProxy(t, target, n, true) }

func startProxy(t *testing.T, target string, n int, stall bool) *proxy {
	t.Helper()
	return startProxyWith(t, &proxy{stall: stall}, target, n)
}

func startProxyWith(t *testing.T, p *proxy, target string, n int) *proxy {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr, p.reached = l.Addr().String(), make(chan struct{})
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { _ = l.Close() })
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer client.Close() //nolint:errcheck // it is over
				p.forward(client, target, n)
			})
		}
	})
	return p
}

// keepBack says whether the answer to a connection's i-th request is kept back.
func (p *proxy) keepBack(i, n int) bool {
	first := false
	if i > n {
		p.once.Do(func() { close(p.reached); first = true })
		return first || p.stall
	}
	return false
}

// forward passes one request at a time, as the sink sends them.
func (p *proxy) forward(client net.Conn, target string, n int) {
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // it is over
	requests, answers := bufio.NewReader(client), bufio.NewReader(server)
	for i := 1; ; i++ {
		request, asked, err := readMessage(requests)
		if err != nil {
			return
		}
		if code, ok := p.busy[i]; ok {
			p.once.Do(func() { close(p.reached) })
			if _, err := client.Write(refusal(request, asked, code)); err != nil {
				return
			}
			continue
		}
		if _, err := server.Write(request); err != nil {
			return
		}
		for done := false; !done; {
			answer, operation, err := readMessage(answers)
			if err != nil {
				return
			}
			done = operation != searchResultEntry
			if done && p.keepBack(i, n) {
				if p.stall {
					_, _ = io.Copy(io.Discard, client) // until the sink gives up
				}
				return
			}
			if _, err := client.Write(answer); err != nil {
				return
			}
		}
	}
}

// refusal is an answer to the request: a result code, no name and no words (RFC 4511,
// section 4.1.9).
func refusal(request []byte, asked, code byte) []byte {
	head := 2
	if request[1] >= 0x80 {
		head += int(request[1] & 0x7f)
	}
	number := request[head : head+2+int(request[head+1])]
	answers := map[byte]byte{0x63: 0x65, 0x4a: 0x6b} // search, delete: the others follow by one
	tag, ok := answers[asked]
	if !ok {
		tag = asked + 1
	}
	operation := append([]byte{tag, 7}, 0x0a, 1, code, 4, 0, 4, 0)
	body := append(append([]byte{}, number...), operation...)
	return append([]byte{0x30, byte(len(body))}, body...)
}

// searchResultEntry is the tag of an answer after which more follow, RFC 4511, section 4.5.2.
const searchResultEntry = 0x64

// readMessage reads one LDAPMessage, a BER sequence of a message number and an operation,
// and the operation's tag.
func readMessage(r *bufio.Reader) ([]byte, byte, error) {
	head, err := r.Peek(2)
	if err != nil {
		return nil, 0, err
	}
	length, size := int(head[1]), 2
	if more := length & 0x7f; length >= 0x80 { // the long form
		if head, err = r.Peek(2 + more); err != nil {
			return nil, 0, err
		}
		length, size = 0, 2+more
		for _, b := range head[2:] {
			length = length<<8 | int(b)
		}
	}
	message := make([]byte, size+length)
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, 0, err
	}
	number := message[size:]
	return message, number[2+int(number[1])], nil
}
