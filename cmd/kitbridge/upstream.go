package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// upstreamTimeout is how long the product may take for a base call: as long as the
// marketplace waits (access guide, FAQ on interface debugging).
const upstreamTimeout = 20 * time.Second

// upstream is the product's own endpoint for base (lifecycle) calls. They are signed over
// what was sent, and so is the answer to V1; so both pass byte for byte. It is safe for
// concurrent use.
type upstream struct {
	address   *url.URL
	via       string // our name in the header Via; different in every process
	maxBody   int64  // of an answer, in bytes
	timeout   time.Duration
	transport http.RoundTripper
	log       *slog.Logger
}

// newUpstream returns the endpoint at an address. It calls nobody yet.
func newUpstream(address string, maxBody int64, log *slog.Logger) (*upstream, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("marketplace.base_upstream: %w", err)
	}
	return &upstream{
		address: u, via: "kitbridge-" + rand.Text(), maxBody: maxBody, timeout: upstreamTimeout, log: log,
		transport: &http.Transport{
			// A connection for each call: on a kept one that the product has just
			// closed, Go would send a GET again, and newInstance of V1 is a GET.
			DisableKeepAlives:      true,
			DisableCompression:     true, // the body passes as the product wrote it
			MaxResponseHeaderBytes: maxHeaderBytes,
			DialContext:            (&net.Dialer{Timeout: upstreamTimeout / 4}).DialContext,
			TLSHandshakeTimeout:    upstreamTimeout / 4,
		},
	}, nil
}

// forward hands one call to the product and its answer back. An error says that nothing
// was written: the product did not answer, or at greater length than a message may have.
// Its text holds nothing of the query, which is signed.
func (u *upstream) forward(w http.ResponseWriter, r *http.Request, body []byte) error {
	started := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), u.timeout)
	defer cancel()
	if strings.Contains(strings.Join(r.Header.Values("Via"), ","), u.via) {
		return fmt.Errorf("marketplace.base_upstream leads back to this bridge: %w", orgsync.ErrUnavailable)
	}
	response, err := u.transport.RoundTrip(u.request(ctx, r, body))
	if err != nil {
		return fmt.Errorf("product does not answer base calls (marketplace.base_upstream): %w: %w", orgsync.ErrUnavailable, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode < http.StatusOK { // net/http reads such ones and will not write them
		return fmt.Errorf("product answers a base call with status %d: %w", response.StatusCode, orgsync.ErrUnavailable)
	}
	// The whole answer, before the first byte is passed on: half of one is worse than none.
	answer, err := io.ReadAll(io.LimitReader(response.Body, u.maxBody+1))
	if err != nil {
		return fmt.Errorf("product's answer to a base call breaks off: %w: %w", orgsync.ErrUnavailable, err)
	}
	if int64(len(answer)) > u.maxBody {
		return fmt.Errorf("product's answer to a base call is longer than marketplace.max_body: %w", orgsync.ErrUnavailable)
	}
	header := endToEnd(response.Header)
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	_, _ = w.Write(answer) // the peer may be gone; it will ask again
	u.log.LogAttrs(ctx, slog.LevelInfo, "base call forwarded",
		slog.String("method", r.Method), slog.Int("status", response.StatusCode),
		slog.Int("bytes", len(body)), slog.Int("answer_bytes", len(answer)),
		slog.String("elapsed", time.Since(started).String()))
	return nil
}

// request is the call as the product gets it.
func (u *upstream) request(ctx context.Context, r *http.Request, body []byte) *http.Request {
	address := *u.address
	address.ForceQuery = address.ForceQuery || r.URL.ForceQuery
	switch {
	case address.RawQuery == "":
		address.RawQuery = r.URL.RawQuery
	case r.URL.RawQuery != "":
		address.RawQuery += "&" + r.URL.RawQuery
	}
	header := endToEnd(r.Header)
	for name := range header {
		if isProxys(name) {
			delete(header, name)
		}
	}
	header.Add("Via", "1.1 "+u.via) // RFC 9110, section 7.6.3; and how a loop is seen
	if _, given := header["User-Agent"]; !given {
		header["User-Agent"] = nil // no name of Go's
	}
	out := &http.Request{
		Method: r.Method, URL: &address, Host: address.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
	}
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body)) // without GetBody: never sent twice
	}
	return out.WithContext(ctx)
}

// endToEnd copies a header without what belongs to one connection (RFC 9110, section
// 7.6.1).
func endToEnd(h http.Header) http.Header {
	out := h.Clone()
	for _, names := range h.Values("Connection") {
		for name := range strings.SplitSeq(names, ",") {
			out.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{
		"Connection", "Expect", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade",
	} {
		out.Del(name)
	}
	return out
}

// isProxys says whether a header is one that the product believes of a proxy, or that a
// browser's visitor of our origin brings along: no stranger may state it through us. CGI
// and its heirs read every character but letters and digits as one, so X_Auth_User is
// X-Auth-User.
func isProxys(name string) bool {
	plain := strings.Map(func(c rune) rune {
		switch {
		case 'A' <= c && c <= 'Z':
			return c | 0x20
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			return c
		default:
			return '-'
		}
	}, name)
	switch plain {
	case "cookie", "forwarded", "x-real-ip", "x-rewrite-url":
		return true
	default:
		return strings.HasPrefix(plain, "x-auth-") || strings.HasPrefix(plain, "x-forwarded-") || strings.HasPrefix(plain, "x-original-")
	}
}

// baseOf is what answers base calls, nil where the product has nothing for them.
func baseOf(m Marketplace, log *slog.Logger) (func(http.ResponseWriter, *http.Request, []byte) error, error) {
	if m.BaseUpstream == "" {
		return nil, nil //nolint:nilnil // no function is a value that push.Config knows
	}
	u, err := newUpstream(m.BaseUpstream, int64(m.MaxBody), log)
	if err != nil {
		return nil, err
	}
	return u.forward, nil
}
