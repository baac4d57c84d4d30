package ssotest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// The form is for people as well: in their language, and with a style sheet
// that its own policy lets through.
func TestLoginPage(t *testing.T) {
	c, _ := start(t)
	for _, tt := range []struct{ language, want string }{
		{"zh-CN", "用户名"},
		{"en", "User name"},
	} {
		t.Run(tt.language, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, authorizeURL(c, tenantA, "clientA"), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Language", tt.language)
			resp, err := ssotest.Browser(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(body), tt.want) || !strings.Contains(string(body), "晨光制造") {
				t.Errorf("page lacks %q or the enterprise's name:\n%s", tt.want, body)
			}
			_, rest, _ := strings.Cut(string(body), "<style>")
			style, _, _ := strings.Cut(rest, "</style>")
			sum := sha256.Sum256([]byte(style))
			policy := resp.Header.Get("Content-Security-Policy")
			if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
				t.Errorf("policy %q lacks %s", policy, want)
			}
		})
	}
}
