package ssotest

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// maxForm bounds the forms of strangers.
const maxForm = 64 << 10

// plainState is the alphabet that the access guide gives state (chapter
// "OAuth2.0 protocol API"). RFC 6749 would allow more; a relying party must
// not count on it.
var plainState = regexp.MustCompile(`^[A-Za-z0-9]*$`)

// authorize shows the login form, takes it, and sends the browser back with a
// code once it has a session (access guide, "OAuth2.0 protocol API"; RFC
// 6749, section 4.1).
func (c *Centre) authorize(w http.ResponseWriter, r *http.Request, re *realm) {
	c.count(re, func(calls *Calls) { calls.Authorize++ })
	q := r.URL.Query()
	client, fault := c.checkAuthorize(re, q)
	if fault != "" {
		// Never a redirect to an address that was not registered.
		c.login.show(w, r, http.StatusBadRequest, loginView{Realm: re.name, Fault: fault})
		return
	}
	if r.Method == http.MethodPost {
		c.takeLogin(w, r, re, "/api/v1/oauth2/authorize")
		return
	}
	user, ok := c.signedIn(r, re)
	if !ok {
		c.login.show(w, r, http.StatusOK, loginView{Realm: re.name})
		return
	}
	code := c.issue(grant{
		kind: codeGrant, realm: re, userName: user.UserName, clientID: client.ID, redirectURI: q.Get("redirect_uri"),
		openID: asksOpenID(q), nonce: q.Get("nonce"), challenge: q.Get("code_challenge"),
	}, codeLife)
	answer := url.Values{"code": {code}}
	if asksOpenID(q) {
		answer.Set("iss", re.issuer()) // RFC 9207
	}
	if state := q.Get("state"); state != "" {
		answer.Set("state", state)
	}
	c.currentDefect().spoilCallback(answer)
	redirect(w, r, q.Get("redirect_uri"), answer)
}

// checkAuthorize returns the client of an authorization request, or what is
// wrong with it.
func (c *Centre) checkAuthorize(re *realm, q url.Values) (Client, string) {
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge"} {
		if len(q[name]) > 1 {
			return Client{}, name + " stands twice"
		}
	}
	c.mu.Lock()
	client, ok := re.clients[q.Get("client_id")]
	c.mu.Unlock()
	switch {
	case !ok:
		return Client{}, "unknown client_id"
	case !slices.Contains(client.RedirectURIs, q.Get("redirect_uri")):
		return Client{}, "redirect_uri is not registered"
	case q.Get("response_type") != "code":
		return Client{}, "response_type is not code"
	case !asksOpenID(q) && q.Get("scope") != "" && q.Get("scope") != "get_user_info":
		return Client{}, "scope is neither get_user_info nor has openid"
	case q.Has("code_challenge") && q.Get("code_challenge_method") != "S256":
		return Client{}, "code_challenge_method is not S256"
	case !plainState.MatchString(q.Get("state")):
		return Client{}, "state has other characters than letters and digits"
	}
	return client, ""
}

// takeLogin answers the login form at path: a session, and the same address again.
func (c *Centre) takeLogin(w http.ResponseWriter, r *http.Request, re *realm, path string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	account := strings.TrimSpace(r.PostFormValue("username"))
	user, ok := c.authenticate(re, account, r.PostFormValue("password"))
	if !ok {
		c.login.show(w, r, http.StatusUnauthorized, loginView{Realm: re.name, Account: account, Wrong: true})
		return
	}
	c.beginSession(w, re, user)
	//nolint:gosec // G710: a path of ours, only the query is the browser's
	http.Redirect(w, r, re.domain.Path+path+"?"+r.URL.RawQuery, http.StatusSeeOther)
}

// sessionCookie is the browser's session at one tenant's auth centre: the
// path keeps tenants on one host apart.
const sessionCookie = "auth_centre"

func (c *Centre) beginSession(w http.ResponseWriter, re *realm, u User) {
	id := c.issue(grant{kind: sessionGrant, realm: re, userName: u.UserName}, sessionLife)
	http.SetCookie(w, re.cookie(id, int(sessionLife.Seconds())))
}

func (re *realm) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // G124: Secure wherever the domain is https
		Name: sessionCookie, Value: value, Path: re.domain.Path + "/", MaxAge: maxAge,
		HttpOnly: true, Secure: re.domain.Scheme == "https", SameSite: http.SameSiteLaxMode,
	}
}

// signedIn returns the user whose session the browser has at this tenant.
func (c *Centre) signedIn(r *http.Request, re *realm) (User, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return User{}, false
	}
	_, user, ok := c.find(cookie.Value, sessionGrant, re)
	return user, ok
}

func (c *Centre) count(re *realm, add func(*Calls)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&re.calls)
}

// redirect sends the browser to a registered address, with more parameters
// behind those the address has itself.
func redirect(w http.ResponseWriter, r *http.Request, to string, q url.Values) {
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, to+sep+q.Encode(), http.StatusFound) //nolint:gosec // G710: callers pass registered addresses only
}
