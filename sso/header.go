package sso

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// The identity headers. All of them are always sent, empty if unknown: a name that is left out would let a client's own
// copy through in proxies that only overwrite what they are given.
const (
	headerSubject   = "X-Auth-Subject"
	headerUser      = "X-Auth-User"
	headerTenant    = "X-Auth-Tenant"
	headerName      = "X-Auth-Name"
	headerRole      = "X-Auth-Role"
	headerOrg       = "X-Auth-Org"
	headerEmail     = "X-Auth-Email"
	headerMobile    = "X-Auth-Mobile"
	headerSession   = "X-Auth-Session"
	headerAssertion = "X-Auth-Assertion"
	headerTest      = "X-Auth-Test"
)

// identityHeader is a header ready to be sent; the value is shared between requests and must not be changed.
type identityHeader struct {
	name  string
	value []string
}

// identityHeaders are the headers of an identity; those of the zero Identity, which is nobody, are all empty.
func identityHeaders(id Identity, assertion string) []identityHeader {
	test := ""
	if id.Test {
		test = "1"
	}
	subject := ""
	if id.Tenant != "" {
		subject = id.Subject()
	}
	h := func(name, value string) identityHeader { return identityHeader{name, []string{encodeHeader(value)}} }
	return []identityHeader{
		h(headerSubject, subject), h(headerUser, string(id.User)), h(headerTenant, string(id.Tenant)),
		h(headerName, id.Name), h(headerRole, string(id.Role)), h(headerOrg, id.OrgCode),
		h(headerEmail, id.Email), h(headerMobile, id.Mobile), h(headerSession, id.Session),
		h(headerAssertion, assertion), h(headerTest, test),
	}
}

// encodeHeader writes every byte outside 0x21–0x7E and each '%', '+' and ',' as %XX. Decoding once gives the value back, in
// every language's percent-decoder: '+' is encoded for those that read it as a space, ',' for those that split lists.
func encodeHeader(value string) string {
	clean := true
	for _, c := range []byte(value) {
		clean = clean && plainHeaderByte(c)
	}
	if clean {
		return value
	}
	var b strings.Builder
	for _, c := range []byte(value) {
		if plainHeaderByte(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func plainHeaderByte(c byte) bool {
	return 0x21 <= c && c <= 0x7E && c != '%' && c != '+' && c != ','
}

// foldHeader is the name of a header as anything behind us may read it: small letters, and every other character one. CGI
// and its heirs make X_Auth_User and X.Auth.User one variable with X-Auth-User.
func foldHeader(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'A' <= c && c <= 'Z':
			return c | 0x20
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			return c
		}
		return '-'
	}, name)
}

// foldsTo reports whether the folded name begins with prefix. It costs nothing where names are of ASCII, as those that a server
// hands on are.
func foldsTo(name, prefix string) bool {
	for i := range len(prefix) {
		if i == len(name) {
			return false
		}
		c := name[i]
		switch {
		case c >= utf8.RuneSelf: // several bytes are one character
			return strings.HasPrefix(foldHeader(name), prefix)
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		default:
			c = '-'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// isIdentityName reports whether a header name may be read as one of the identity headers.
func isIdentityName(name string) bool {
	name = strings.TrimSpace(name)
	if len(name) > 64 || !foldsTo(name, "x-auth-") {
		return false
	}
	switch strings.TrimPrefix(foldHeader(name), "x-auth-") {
	case "subject", "user", "tenant", "name", "role", "org", "email", "mobile", "session", "assertion", "test":
		return true
	}
	return false
}

// stripIdentity removes a client's copies of the identity headers in every spelling, and from the Connection header, which
// would make a proxy behind us drop ours. Trailers go altogether: net/http fills them in after this check was made. r is a
// copy with headers of its own.
func stripIdentity(r *http.Request) {
	r.Trailer = nil
	for name := range r.Header {
		if isIdentityName(name) {
			delete(r.Header, name)
		}
	}
	listed := r.Header["Connection"]
	if len(listed) == 0 {
		return
	}
	var kept []string
	for _, line := range listed {
		for token := range strings.SplitSeq(line, ",") {
			if token = strings.TrimSpace(token); token != "" && !isIdentityName(token) {
				kept = append(kept, token)
			}
		}
	}
	delete(r.Header, "Connection")
	if len(kept) > 0 {
		r.Header["Connection"] = []string{strings.Join(kept, ", ")}
	}
}

// isPageLoad reports whether a request is a top-level navigation, the only thing that a redirect to a login page helps; where
// people may sign in inside frames, or a frame's.
// Scripts, images and prefetches get a 401 instead. Browsers say what they do in Sec-Fetch-*; for the others Accept and
// X-Requested-With must do.
func isPageLoad(method string, h http.Header, embedded bool) bool {
	return method == http.MethodGet && navigates(h, embedded)
}

// navigates reports whether a request, whatever its method, is to show a page, at the top level or (embedded) in a frame.
func navigates(h http.Header, embedded bool) bool {
	if isPrefetch(h) || strings.EqualFold(h.Get("Upgrade"), "websocket") {
		return false
	}
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" {
		dest := h.Get("Sec-Fetch-Dest")
		framed := embedded && (dest == "iframe" || dest == "frame")
		return mode == "navigate" && (dest == "document" || dest == "" || framed)
	}
	return h.Get("X-Requested-With") == "" && strings.Contains(h.Get("Accept"), "text/html")
}

// isPrefetch reports whether a browser or a scanner only looks ahead.
func isPrefetch(h http.Header) bool {
	return strings.Contains(h.Get("Sec-Purpose"), "prefetch") || strings.EqualFold(h.Get("Purpose"), "prefetch") ||
		strings.EqualFold(h.Get("X-Moz"), "prefetch")
}

// isReached reports whether another site's page reaches into this one, other than by leading the browser to a page of it: what
// SameSite=Lax keeps cookies away from. Where the method is not known (""), a navigation that only reads is one without Origin. Browsers
// older than Sec-Fetch-Site say in Origin who posts.
func isReached(method string, h http.Header, to *site) bool {
	origins := h["Origin"]
	switch h.Get("Sec-Fetch-Site") {
	case "same-origin", "same-site", "none":
		return false
	case "":
		return !ownOrigin(to, origins)
	}
	reads := method == http.MethodGet || method == http.MethodHead || method == "" && len(origins) == 0
	return !reads || h.Get("Sec-Fetch-Mode") != "navigate"
}

// isPart reports whether a browser loads a part of a page, such as a picture, and goes nowhere.
func isPart(h http.Header) bool {
	mode := h.Get("Sec-Fetch-Mode")
	return mode != "" && mode != "navigate"
}

// fromHere reports whether a form may be obeyed: no page of another origin sent it. Where a browser does not say Sec-Fetch-Site,
// Go compares hosts only; a page of our host that came without TLS is anybody's.
func fromHere(r *http.Request, to *site) bool {
	if to.posts.Check(r) != nil {
		return false
	}
	scheme, _, _ := strings.Cut(r.Header.Get("Origin"), "://")
	return r.Header.Get("Sec-Fetch-Site") != "" || to.origin.Scheme != "https" || !strings.EqualFold(scheme, "http")
}

// isForeign reports whether another site's page may have caused the request.
func isForeign(r *http.Request, ownHost string) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default: // cross-site, and same-site: a sibling host is not us
		return true
	}
	referrer := r.Header.Get("Referer") // browsers older than Sec-Fetch-Site, and plain http
	if referrer == "" {
		return false
	}
	_, rest, _ := strings.Cut(referrer, "://")
	host, _, _ := strings.Cut(rest, "/")
	return !strings.EqualFold(host, ownHost)
}
