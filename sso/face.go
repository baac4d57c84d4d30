package sso

import (
	"net/http"
	"strings"
)

// extAuthzPrefix is what Envoy puts before the path it asks about.
const extAuthzPrefix = ssoPrefix + "/authz/ext-authz"

// asked is the request that a decision is about, as one face tells it. Each face reads only what its own kind of proxy sets:
// another's header would be the client's.
type asked struct {
	// site is what it was sent to.
	site   *site
	method string
	// path is escaped, as the product gets it, without the query.
	path string
	// target is where a sign-in comes back to; always acceptable.
	target string
	// known is set if method, host and path come from somebody we believe, each of them once.
	known bool
}

// told is the method, or "" if nobody who is believed named it.
func (a asked) told() string {
	if a.known {
		return a.method
	}
	return ""
}

// askedDirectly is for a request that reaches the product through us: what is decided about is what next in line sees.
func (rp *RelyingParty) askedDirectly(r *http.Request) asked {
	a := asked{site: rp.site(r), method: r.Method, path: r.URL.EscapedPath(), target: "/", known: true}
	if r.Method == http.MethodGet {
		a.target = a.site.returnOr(r.RequestURI)
	}
	return a
}

// askedForwarded reads what Traefik, Caddy and HAProxy say: X-Forwarded-Method, -Host and -Uri. Where a sign-in comes back to
// is taken from them if X-Forwarded-Proto, too, is ours.
func (rp *RelyingParty) askedForwarded(r *http.Request) asked {
	if !rp.peerTrusted(r) {
		return rp.stranger(r)
	}
	host, hostOK := only(r.Header, "X-Forwarded-Host")
	uri, uriOK := only(r.Header, "X-Forwarded-Uri")
	scheme, schemeOK := only(r.Header, "X-Forwarded-Proto")
	ours := schemeOK && strings.EqualFold(scheme, rp.sites.public.origin.Scheme)
	return rp.askedFor(r, "X-Forwarded-Method", host, uri, hostOK && uriOK, ours)
}

// askedOriginal reads what nginx is told to say: X-Original-Method, -Host and -URI; or, as ingress-nginx does by itself,
// X-Original-Method and the whole X-Original-URL in place of the other two.
func (rp *RelyingParty) askedOriginal(r *http.Request) asked {
	if !rp.peerTrusted(r) {
		return rp.stranger(r)
	}
	host, hostOK := only(r.Header, "X-Original-Host")
	uri, uriOK := only(r.Header, "X-Original-Uri")
	if whole := r.Header["X-Original-Url"]; len(whole) > 0 {
		mixed := len(whole) > 1 || len(r.Header["X-Original-Host"])+len(r.Header["X-Original-Uri"]) > 0
		_, rest, found := strings.Cut(whole[0], "://")
		slash := strings.IndexByte(rest, '/')
		if hostOK = found && slash > 0 && !mixed; hostOK {
			host, uri = rest[:slash], rest[slash:]
		}
		uriOK = hostOK
	}
	return rp.askedFor(r, "X-Original-Method", host, uri, hostOK && uriOK, true)
}

// askedBelow reads what Envoy sends: the request itself without its body, its path behind the prefix.
func (rp *RelyingParty) askedBelow(r *http.Request) asked {
	if !rp.peerTrusted(r) {
		return rp.stranger(r)
	}
	uri := strings.TrimPrefix(r.RequestURI, extAuthzPrefix) // the very bytes that Envoy sends to the product
	if !strings.HasPrefix(uri, "/") {
		uri = "/" + uri
	}
	a := rp.askedFor(r, "", r.Host, uri, r.Host != "", true)
	a.method, a.known = r.Method, a.path != ""
	return a
}

// isExtAuthz reports whether Envoy asks.
func isExtAuthz(r *http.Request) bool {
	rest, below := strings.CutPrefix(r.RequestURI, extAuthzPrefix)
	return below && (rest == "" || rest[0] == '/' || rest[0] == '?')
}

// stranger is what a peer says whom nobody listed: nothing that is believed.
func (rp *RelyingParty) stranger(r *http.Request) asked {
	return asked{site: rp.site(r), method: http.MethodGet, target: "/"}
}

// askedFor puts together what a listed proxy says. complete says whether host and uri each stood once; returning, whether the
// sign-in may come back to uri, which it does if host is ours.
func (rp *RelyingParty) askedFor(r *http.Request, methodHeader, host, uri string, complete, returning bool) asked {
	a := rp.stranger(r)
	method, methodOK := only(r.Header, methodHeader)
	if methodOK {
		a.method = method
	}
	if !complete || !validHost(host) || !strings.HasPrefix(uri, "/") {
		return a
	}
	a.path, _, _ = strings.Cut(uri, "?")
	a.known = methodOK
	if a.site = rp.sites.of(host); returning && a.site.owns(host) {
		a.target = a.site.returnOr(uri)
	}
	return a
}

// validHost reports whether text is a host with or without a port, in the form of a Host header.
func validHost(text string) bool {
	host, port := text, ""
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		host, port = text[:i], text[i+1:]
	}
	for _, c := range []byte(port) {
		if c < '0' || c > '9' {
			return false
		}
	}
	if inner, v6 := strings.CutPrefix(host, "["); v6 {
		host = strings.TrimSuffix(inner, "]")
		return strings.Contains(host, ":") && plainHost(host)
	}
	return plainHost(host)
}
