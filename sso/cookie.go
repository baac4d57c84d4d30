package sso

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/sessions"
)

// cookies knows the names and the attributes of all our cookies.
//
// On https the names begin with __Host-, so that no sibling host can plant one. On plain http, for development, they carry
// the port instead, since cookies ignore ports.
type cookies struct {
	base   string // name of the session cookie, and beginning of all others
	secure bool
	// partitioned cookies are sent inside frames of other sites, and are other cookies below each of those (CHIPS).
	partitioned bool
}

func newCookies(publicURL *url.URL, embedded bool) cookies {
	if publicURL.Scheme == "https" {
		return cookies{base: "__Host-kitbridge", secure: true, partitioned: embedded}
	}
	port := publicURL.Port()
	if port == "" {
		port = "80"
	}
	return cookies{base: "kitbridge-" + port}
}

func (c cookies) name(suffix string) string { return c.base + "-" + suffix }

// own reports whether name is one of ours: the product behind us has no business with them.
func (c cookies) own(name string) bool {
	return name == c.base || strings.HasPrefix(name, c.base+"-")
}

// options are the attributes of a cookie that lives for age (0 = until the browser closes, negative = ends now).
func (c cookies) options(age time.Duration) *sessions.Options {
	o := &sessions.Options{Path: "/", MaxAge: int(age / time.Second), Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if age < 0 {
		o.MaxAge = -1
	}
	if c.partitioned {
		o.SameSite, o.Partitioned = http.SameSiteNoneMode, true
	}
	return o
}

// dropTwin ends the cookie of this name that was set while frames were allowed, if they are not now, or the reverse: browsers keep
// both apart and send both, and of two values none is believed. It comes before the new one, for browsers that do not.
func (c cookies) dropTwin(w http.ResponseWriter, r *http.Request, name string) {
	if !c.secure || !c.partitioned && len(r.CookiesNamed(name)) < 2 {
		return
	}
	c.partitioned = !c.partitioned
	c.clear(w, name)
}

func (c cookies) set(w http.ResponseWriter, name, value string, age time.Duration) {
	http.SetCookie(w, sessions.NewCookie(name, value, c.options(age)))
}

func (c cookies) clear(w http.ResponseWriter, name string) { c.set(w, name, "", -1) }

// value returns the one value of a cookie. Two different values under one name are none: a name that is not protected by
// __Host- can be planted, and the first one need not be ours.
func (c cookies) value(r *http.Request, name string) string {
	value, found := "", false
	for _, line := range r.Header["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			named, text, _ := strings.Cut(textproto.TrimString(part), "=")
			if textproto.TrimString(named) != name {
				continue
			}
			text, ok := cookieValue(text)
			switch {
			case !ok:
			case found && text != value:
				return ""
			default:
				value, found = text, true
			}
		}
	}
	return value
}

// cookieValue is the value of a cookie as net/http reads it; ok is false if that leaves the cookie out.
func cookieValue(text string) (value string, ok bool) {
	if len(text) > 1 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	for _, c := range []byte(text) {
		if c < ' ' || c >= 0x7F || c == '"' || c == ';' || c == '\\' {
			return "", false
		}
	}
	return text, true
}

// strip removes our cookies from a request that is passed on.
func (c cookies) strip(h http.Header) {
	var kept []string
	for _, line := range h["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			part = strings.TrimSpace(part)
			name, _, _ := strings.Cut(part, "=")
			if part != "" && !c.own(strings.TrimSpace(name)) {
				kept = append(kept, part)
			}
		}
	}
	if len(kept) == 0 {
		h.Del("Cookie")
		return
	}
	h["Cookie"] = []string{strings.Join(kept, "; ")}
}

// expireProduct ends the product's own cookies, so that no session of its own outlives a change of user.
func (c cookies) expireProduct(w http.ResponseWriter, names []string) {
	for _, name := range names {
		old := http.Cookie{ //nolint:gosec // it only deletes: the attributes that matter are name and path
			Name: name, Path: "/", MaxAge: -1, Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		}
		http.SetCookie(w, &old)
		if c.partitioned { // the product's own may be either
			old.SameSite, old.Partitioned = http.SameSiteNoneMode, true
			http.SetCookie(w, &old)
		}
	}
}
