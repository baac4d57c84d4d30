package main

import (
	"io"
	"net/http"
)

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
