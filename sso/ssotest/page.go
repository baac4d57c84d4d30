package ssotest

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"regexp"

	"github.com/kitbridge/kitbridge/templates"
)

//go:embed login.html
var loginHTML string

// loginPage is the form of the auth centre, and its only page.
type loginPage struct {
	page   *template.Template
	policy string
}

// loginView is what the form shows.
type loginView struct {
	Chinese bool
	// Realm is the enterprise's name; empty on the unified login page.
	Realm string
	// Account stays in its field after a wrong password.
	Account string
	// Wrong: user name and password do not fit.
	Wrong bool
	// SignedOut: nobody is signed in, and there is nothing to sign in to.
	SignedOut bool
	// Fault is told instead of the form.
	Fault string
}

func newLoginPage() (*loginPage, error) {
	page, err := template.New("login").Parse(loginHTML)
	if err != nil {
		return nil, fmt.Errorf("parse login page: %w", err)
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(loginHTML)
	sum := sha256.Sum256([]byte(style[1]))
	// No form-action: browsers would hold it against the way back to the
	// application.
	policy := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
	return &loginPage{page: page, policy: policy}, nil
}

func (p *loginPage) show(w http.ResponseWriter, r *http.Request, status int, v loginView) {
	v.Chinese = templates.Locale(r) == templates.Chinese
	var body bytes.Buffer
	if err := p.page.Execute(&body, v); err != nil {
		http.Error(w, "login page", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.policy)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the browser went away: nothing to do
}
