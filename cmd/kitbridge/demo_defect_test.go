package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

func TestDemoDefectNames(t *testing.T) {
	t.Parallel()
	code, list, _ := runHere(t, "demo", "--defect", "list")
	for _, d := range ssotest.Defects() {
		if !strings.Contains(list, d.Name()+" ") || !strings.Contains(list, string(d)) {
			t.Errorf("demo --defect list leaves out %q", d)
		}
		if got, err := findDefect(d.Name()); got != d || err != nil {
			t.Errorf("findDefect(%q) = %q, %v", d.Name(), got, err)
		}
	}
	if code != exitOK {
		t.Errorf("demo --defect list exits with %d", code)
	}
	for name, want := range map[string]string{"id-token-no-sbu": "did you mean id-token-no-sub?", "x": "kitbridge demo --defect list shows them"} {
		if code, _, stderr := runHere(t, "demo", "--defect", name); code != exitConfig || !strings.Contains(stderr, want) {
			t.Errorf("demo --defect %s = %d, %q, want %q", name, code, stderr, want)
		}
	}
}

// TestDemoDefect signs in at a demonstration whose auth centre is wrong in one way: once by the protocol of the kit, and once by
// OpenID Connect.
func TestDemoDefect(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"id-token-no-sub": "<code>id_token.sub</code>", "userinfo-tenant-of-another-enterprise": "<code>identity.tenant</code>",
		"cas-500": "<code>cas.status</code>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := startDemo(t, name)
			buyer := market.DemoBuyers()[0]
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			browser := &http.Client{Jar: jar, Timeout: 10 * time.Second}
			form, _ := visit(t, browser, http.MethodGet, address+"/sso/login?tenant="+buyer.Code, "")
			_, page := visit(t, browser, http.MethodPost, form, url.Values{
				"username": {buyer.Users[0].UserName}, "password": {buyer.Users[0].Password},
			}.Encode())
			if !strings.Contains(page, want) {
				t.Errorf("the page does not show %s:\n%s", want, page)
			}
		})
	}
}

// startDemo runs a demonstration until the test ends, and returns the product's address.
func startDemo(t *testing.T, defect string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- runDemo(ctx, demoOptions{listen: "127.0.0.1:0", defect: defect}, process{env: lookup(), stdout: w, stderr: io.Discard})
		_ = w.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("demo ended with %v", err)
		}
	})
	address := ""
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); address == "" && strings.HasPrefix(text, "http://") {
			address = strings.TrimSuffix(text, "/")
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			break
		}
	}
	if address == "" {
		t.Fatal("the demonstration prints no address")
	}
	return address
}

// visit follows redirects and returns the last address and its page.
func visit(t *testing.T, browser *http.Client, method, address, form string) (string, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Request.URL.String(), string(page)
}
