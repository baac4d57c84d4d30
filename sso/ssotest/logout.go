package ssotest

import (
	"net/http"
	"net/url"
)

// logout ends the browser's session at the tenant and sends it to
// redirect_url, if that has the origin of an address registered there
// (access guide, "logout").
func (c *Centre) logout(w http.ResponseWriter, r *http.Request, re *realm) {
	c.count(re, func(calls *Calls) { calls.Logout++ })
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		c.drop(cookie.Value)
	}
	http.SetCookie(w, re.cookie("", -1))
	c.leave(w, r, re, r.URL.Query().Get("redirect_url"))
}

// leave sends a browser that was signed out where it asked to go.
func (c *Centre) leave(w http.ResponseWriter, r *http.Request, re *realm, to string) {
	switch {
	case to == "":
		c.login.show(w, r, http.StatusOK, loginView{Realm: re.name, SignedOut: true})
	case !c.ours(re, to):
		c.login.show(w, r, http.StatusBadRequest, loginView{Realm: re.name, Fault: "the address to go to is not registered"})
	default:
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, to, http.StatusFound) //nolint:gosec // G710: has the origin of a registered address
	}
}

// ours reports whether address has the origin of a registered redirect URI.
func (c *Centre) ours(re *realm, address string) bool {
	to, err := url.Parse(address)
	if err != nil || to.Host == "" {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range re.clients {
		for _, registered := range client.RedirectURIs {
			if at, err := url.Parse(registered); err == nil && at.Scheme == to.Scheme && at.Host == to.Host {
				return true
			}
		}
	}
	return false
}
