package sso

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/kitbridge/kitbridge/templates"
)

const (
	// dialTimeout is how long the product may take to accept a connection.
	dialTimeout = 5 * time.Second
	// upstreamIdle is how long a connection to the product is kept unused: shorter than what products keep theirs for (Node and
	// Apache 5 s, Tomcat 20 s), as a request on one that the product just closes may fail.
	upstreamIdle = 4 * time.Second
	// upstreamConns is how many connections are kept unused: as many as were in use at once, so that none is made anew.
	upstreamConns = 4096
	// maxUpstreamHeader bounds the header of an answer, in bytes.
	maxUpstreamHeader = 256 << 10
	// clientPatience is how long a browser may take to send or to take the next piece of a body.
	clientPatience = time.Minute
	// troubleEvery is how often at most the log says that the product does not answer.
	troubleEvery = 10 * time.Second
)

// proxy stands before a product.
type proxy struct {
	rp       *RelyingParty
	upstream *url.URL
	reverse  *httputil.ReverseProxy

	mu      sync.Mutex
	trouble time.Time // under mu: when the log last said that the product does not answer
}

// Proxy returns a reverse proxy in front of the product at upstream, an origin. It lets through what [RelyingParty.Require]
// lets through, and watches over it in the same way.
//
// The product gets the path and the query as they were sent, the Host of the public address (or of the further host it came to), the identity headers, and
// X-Forwarded-For, -Host, -Proto and X-Real-IP of ours; of the client's headers neither such, in whatever spelling, nor
// others that could redirect a request inside a product. WebSockets pass, if their Origin is that host's; other upgrades do
// not. Bodies stream in both directions, without a limit in time as long as they move. A product that cannot be reached is
// answered 502, and nothing but an unused connection found closed makes a request be sent twice.
func (rp *RelyingParty) Proxy(upstream *url.URL) http.Handler {
	p := &proxy{rp: rp, upstream: &url.URL{Scheme: upstream.Scheme, Host: upstream.Host}}
	p.reverse = &httputil.ReverseProxy{
		Rewrite: p.rewrite, ModifyResponse: p.answered, ErrorHandler: p.failed, BufferPool: new(buffers),
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:    dialTimeout,
			MaxIdleConnsPerHost:    upstreamConns,
			IdleConnTimeout:        upstreamIdle,
			ExpectContinueTimeout:  time.Second,
			DisableCompression:     true, // a body passes as the product wrote it
			MaxResponseHeaderBytes: maxUpstreamHeader,
		},
		ErrorLog: slog.NewLogLogger(rp.log.Handler(), slog.LevelDebug),
	}
	return rp.require(FaceProxy, http.HandlerFunc(p.serve))
}

// serve forwards a request that was let through.
func (p *proxy) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace { // neither is about a path of the product
		writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"error": "method_not_allowed"})
		return
	}
	if upgrade := r.Header.Get("Upgrade"); upgrade != "" {
		switch {
		case !strings.EqualFold(upgrade, "websocket") || len(r.Header["Upgrade"]) > 1:
			r.Header.Del("Upgrade") // an HTTP/2 connection (h2c) would carry requests that nobody decided about
		case !ownOrigin(p.rp.site(r), r.Header["Origin"]):
			writeJSON(w, http.StatusForbidden, map[string]string{"error": "foreign_origin"})
			return
		}
	}
	p.reverse.ServeHTTP(patientWriter(w, r, p.rp.now), r)
}

// ownOrigin reports whether a WebSocket is opened by a page of ours, or by no page: browsers send cookies along with those of
// sibling hosts, and no CORS rule protects WebSockets (RFC 6455, section 10.2).
func ownOrigin(s *site, origins []string) bool {
	return len(origins) == 0 || len(origins) == 1 && strings.EqualFold(origins[0], s.origin.String())
}

// rewrite makes the request that the product gets. Hop-by-hop headers, and what Connection lists, are gone already.
func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	out := pr.Out
	out.URL.Scheme, out.URL.Host = p.upstream.Scheme, p.upstream.Host
	out.URL.RawQuery = pr.In.URL.RawQuery // as it was sent: nothing is decided about it
	origin := p.rp.site(pr.In).origin
	out.Host = origin.Host
	for name := range out.Header {
		if isProxyName(name) {
			delete(out.Header, name)
		}
	}
	peer := peerAddr(pr.In)
	way := ""
	if peer.IsValid() {
		way = peer.String()
	}
	if trustedAddr(peer, p.rp.trusted) {
		way = strings.Join(append(pr.In.Header["X-Forwarded-For"], way), ", ")
	}
	client := ""
	if addr := p.rp.clientAddr(pr.In); addr.IsValid() {
		client = addr.String()
	}
	out.Header["X-Forwarded-For"] = []string{way}
	out.Header["X-Real-Ip"] = []string{client}
	out.Header["X-Forwarded-Host"] = []string{origin.Host}
	out.Header["X-Forwarded-Proto"] = []string{origin.Scheme}
}

// isProxyName reports whether a product may read a header as the word of a proxy before it, or as a command to take the
// request for another one.
func isProxyName(name string) bool {
	if foldsTo(name, "x-forwarded-") || foldsTo(name, "x-original-") {
		return true
	}
	for _, known := range [...]string{"forwarded", "x-real-ip", "x-rewrite-url", "x-client-ip", "true-client-ip", "proxy", "http2-settings", "x-forwarded"} {
		if foldsTo(name, known) && foldHeader(name) == known {
			return true
		}
	}
	return false
}

// answered takes out of an answer what would change our own cookies.
func (p *proxy) answered(resp *http.Response) error {
	lines := resp.Header["Set-Cookie"]
	if len(lines) == 0 {
		return nil
	}
	kept := make([]string, 0, len(lines))
	for _, line := range lines {
		name, _, _ := strings.Cut(strings.TrimLeft(line, "= \t"), "=") // "=a=b" comes back as "a=b"
		if name, _, _ = strings.Cut(name, ";"); !p.rp.cookies.own(strings.TrimSpace(name)) {
			kept = append(kept, line)
		}
	}
	resp.Header["Set-Cookie"] = kept
	return nil
}

// failed answers where the product did not.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	cause := context.Cause(r.Context())
	switch {
	case errors.Is(cause, ErrNoSession), errors.Is(cause, ErrForbidden), errors.Is(cause, ErrUnavailable): // it ended meanwhile
		p.rp.deny(w, r, p.rp.askedDirectly(r), cause)
		return
	case cause != nil: // the browser is gone
		panic(http.ErrAbortHandler)
	}
	p.say(r.Context(), err)
	if !isPageLoad(r.Method, r.Header, p.rp.settings.Embedded) {
		writeJSON(w, http.StatusBadGateway, map[string]string{"error": "product_unreachable"})
		return
	}
	here := p.rp.site(r)
	page := templates.ProblemPage{Reason: templates.ProductUnreachable, Retry: here.address(here.returnOr(r.RequestURI), nil)}
	_ = p.rp.pages.Problem(w, http.StatusBadGateway, templates.Locale(r), page) // the browser is gone
}

// say logs that the product does not answer, not for each request.
func (p *proxy) say(ctx context.Context, err error) {
	now := p.rp.now()
	p.mu.Lock()
	quiet := now.Sub(p.trouble) < troubleEvery
	if !quiet {
		p.trouble = now
	}
	p.mu.Unlock()
	if !quiet {
		p.rp.log.WarnContext(ctx, "product does not answer", slog.String("upstream", p.upstream.String()), slog.Any("error", err))
	}
}

// buffers are what bodies are copied through.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }
