package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/kitbridge/kitbridge/sso"
)

// signIn is what a configuration makes of the sign-in: what answers below /sso/, and what
// stands before a product behind us, in this process or at an address.
type signIn struct {
	pages   http.Handler
	protect func(product http.Handler) http.Handler
	proxy   func(upstream *url.URL) http.Handler
}

// profileCAS is accepted by the configuration and not built yet.
const profileCAS = "cas"

// newSignIn returns the sign-in of the relying party. A profile that is not built, for which
// relying is nil, is refused: everything below /sso/, and the product behind it.
func newSignIn(c SSO, relying *sso.RelyingParty) signIn {
	if relying == nil {
		no := refusal(http.StatusServiceUnavailable, "profile_not_built",
			"sso.profile "+c.Profile+" is not built yet in this version of kitbridge, so nobody can sign in.",
			"本版本的 kitbridge 尚未实现 sso.profile "+c.Profile+"，暂时无法登录。")
		return signIn{pages: no, protect: func(http.Handler) http.Handler { return no }, proxy: func(*url.URL) http.Handler { return no }}
	}
	return signIn{pages: relying.Handler(), protect: relying.Require, proxy: relying.Proxy}
}

// refusal answers everything with status: JSON for programs, a plain page for browsers.
func refusal(status int, code, en, zh string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/sso/authz/") && strings.Contains(r.Header.Get("Accept"), "text/html") {
			plainPage(w, status, zh+"\n\n"+en+"\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "message": en})
	})
}

// welcome answers at the root of a bridge that has no product behind it: who opens it sees
// that it runs and where the product belongs.
func welcome(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	getOnly(func(w http.ResponseWriter, _ *http.Request) { plainPage(w, http.StatusOK, greeting) })(w, r)
}

const greeting = `kitbridge is running.

Your product belongs behind your web server, which asks kitbridge who is signed in:
see docs/sign-in.md. Sign in at /sso/login.

kitbridge 正在运行。

您的产品应位于 Web 服务器之后，由它向 kitbridge 询问登录者是谁：见 docs/sign-in.md。登录入口：/sso/login。
`

// plainPage writes text for a person.
func plainPage(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
