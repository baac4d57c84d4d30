package sso

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// maxRedirects is how often one call may be redirected, where it may be at all.
const maxRedirects = 3

// newClient returns a client that talks to auth centres. Their addresses come from tenants, so it refuses to dial
// what is not public, follows no redirect unless the settings say so, decompresses nothing and reads at most maxBody bytes of
// an answer.
func newClient(s *Settings) *http.Client {
	guard := guardOf(s)
	dialer := &net.Dialer{Timeout: s.Timeout, Control: guard.control}
	return &http.Client{
		Timeout: s.Timeout,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if !s.FollowRedirects || !staysHome(r, via) {
				return http.ErrUseLastResponse // a 3xx is then an unusable answer
			}
			r.Header.Del("Referer") // it may hold a ticket
			return nil
		},
		Transport: &cappedTransport{maxBody: s.MaxBody, next: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns:           100,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        30 * time.Second,
			TLSHandshakeTimeout:    s.Timeout,
		}},
	}
}

// staysHome reports whether a redirected call is still the same question to the same server. Secrets and tokens go along, so
// another scheme, host or port is elsewhere; and a POST that became a GET has lost what it asked.
func staysHome(r *http.Request, via []*http.Request) bool {
	first := via[0]
	return len(via) <= maxRedirects && r.Method == first.Method && r.URL.User == nil &&
		r.URL.Scheme == first.URL.Scheme && strings.EqualFold(r.URL.Host, first.URL.Host)
}

// dialGuard judges the address that is really dialled, after name resolution, so that a name which resolves differently
// the second time (DNS rebinding) gains nothing.
type dialGuard struct {
	loopback, private bool
	allowed           []netip.Prefix
}

func guardOf(s *Settings) dialGuard {
	return dialGuard{loopback: s.AllowInsecureAuthCentres, private: s.AllowPrivateAddresses, allowed: s.PrivateNetworks}
}

// allowsHost refuses, before any browser is sent there, a host that is an address which would not be dialled.
func (g dialGuard) allowsHost(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return g.allows(ip)
	}
	host = strings.TrimSuffix(host, ".")
	return g.loopback || host != "localhost" && !strings.HasSuffix(host, ".localhost")
}

func (g dialGuard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !g.allows(ap.Addr()) {
		return fmt.Errorf("dial: address is not public: %w", ErrInsecureDomain)
	}
	return nil
}

// allows reports whether ip may be dialled.
func (g dialGuard) allows(ip netip.Addr) bool {
	ip = ip.Unmap()
	if isMetadata(ip) {
		return false
	}
	if g.loopback && ip.IsLoopback() || g.private && ip.IsPrivate() {
		return true
	}
	for _, prefix := range g.allowed {
		if prefix.Contains(ip) {
			return true
		}
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, prefix := range specialPurpose() {
		if prefix.Contains(ip) {
			return false
		}
	}
	return true
}

// isMetadata reports whether ip may be where a cloud tells its machines their secrets: link-local, or one of the addresses that
// Alibaba, AWS, Azure, Google and Oracle use beside that. No setting permits it.
func isMetadata(ip netip.Addr) bool {
	switch ip.String() {
	case "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::23", "fd00:ec2::254", "fd20:ce::254":
		return true
	}
	return ip.IsLinkLocalUnicast()
}

// specialPurpose lists the ranges of the IANA special-purpose registries (RFC 6890) that netip has no word for, and those
// that embed an IPv4 address.
func specialPurpose() [14]netip.Prefix {
	v4 := func(a, b, c, d byte, bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c, d}), bits)
	}
	v6 := func(a, b, c, d byte, bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{a, b, c, d}), bits)
	}
	return [14]netip.Prefix{
		v4(0, 0, 0, 0, 8), v4(100, 64, 0, 0, 10), v4(192, 0, 0, 0, 24), v4(192, 0, 2, 0, 24), v4(198, 18, 0, 0, 15),
		v4(198, 51, 100, 0, 24), v4(203, 0, 113, 0, 24), v4(240, 0, 0, 0, 4),
		v6(0, 0, 0, 0, 32),          // ::/32: IPv4-compatible and the like
		v6(0, 0x64, 0xFF, 0x9B, 32), // NAT64
		v6(0x20, 0x01, 0, 0, 32),    // Teredo
		v6(0x20, 0x01, 0x0D, 0xB8, 32),
		v6(0x20, 0x02, 0, 0, 16), // 6to4
		v6(0xFE, 0xC0, 0, 0, 10), // site-local, deprecated
	}
}

// cappedTransport ends answers that are longer than maxBody with an error.
type cappedTransport struct {
	maxBody int64
	next    http.RoundTripper
}

func (t *cappedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err //nolint:wrapcheck // a RoundTripper passes errors through
	}
	resp.Body = &cappedBody{ReadCloser: resp.Body, left: t.maxBody}
	return resp, nil
}

type cappedBody struct {
	io.ReadCloser
	left int64
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrAnswerTooLong
	}
	return n, err //nolint:wrapcheck // io.Reader passes io.EOF through
}

// answer is what an auth centre said.
type answer struct {
	status int
	// media is the media type, without parameters.
	media string
	body  []byte
}

// fetch sends a request and reads the whole answer. Errors never hold the request's or the answer's body.
func fetch(ctx context.Context, client *http.Client, r *http.Request) (answer, error) {
	resp, err := client.Do(r.WithContext(ctx)) //nolint:gosec // every address is judged when it is dialled
	if err != nil {
		return answer{}, unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if errors.Is(err, ErrAnswerTooLong) {
		return answer{}, ErrAnswerTooLong
	}
	if err != nil {
		return answer{}, unreachable(err)
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // what cannot be read is no type that matters
	return answer{resp.StatusCode, media, body}, nil
}

// unreachable translates an error of the client, without the query of its address, which may hold a ticket. A refused address
// keeps its own kind.
func unreachable(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		address, _, _ := strings.Cut(failed.URL, "?")
		err = &url.Error{Op: failed.Op, URL: address, Err: failed.Err}
	}
	if errors.Is(err, ErrInsecureDomain) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrProviderUnreachable, err)
}
