package sso

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// peerTrusted reports whether the other end of the connection is a listed proxy. Nothing else makes its headers credible.
func (rp *RelyingParty) peerTrusted(r *http.Request) bool {
	return len(rp.trusted) > 0 && trustedAddr(peerAddr(r), rp.trusted)
}

func trustedAddr(a netip.Addr, trusted []netip.Prefix) bool {
	return a.IsValid() && slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// peerAddr is the address of the other end of the connection; invalid on a Unix socket.
func peerAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// clientAddr is the address that failures are counted for: the peer's, or what trusted proxies say, read from the right, as
// everything further left was written by somebody we do not know.
func (rp *RelyingParty) clientAddr(r *http.Request) netip.Addr {
	client := peerAddr(r)
	if !trustedAddr(client, rp.trusted) {
		return client
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return client
		}
		if client = a.Unmap().WithZone(""); !trustedAddr(client, rp.trusted) {
			return client
		}
	}
	return client
}

// only returns the value of a header that stands exactly once.
func only(h http.Header, name string) (string, bool) {
	values := h.Values(name)
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}
