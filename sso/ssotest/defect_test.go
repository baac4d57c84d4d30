package ssotest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// observation is what a relying party can see of one whole sign-in.
type observation struct {
	Callback, Token, Userinfo, CAS string
}

// observe goes through a sign-in at a centre with a defect and writes down
// what it sees, random values replaced.
func observe(t *testing.T, c *ssotest.Centre, d ssotest.Defect, bearer string) observation {
	t.Helper()
	ticket := casTicket(t, c)
	code := signIn(t, c, ssotest.Browser(t), authorizeURL(c, tenantA, "clientA"), "zhangsan", "pw-张三").Get("code")
	c.SetDefect(d)
	defer c.SetDefect(ssotest.NoDefect)
	q := signIn(t, c, ssotest.Browser(t), authorizeURL(c, tenantA, "clientA"), "zhangsan", "pw-张三")
	base := c.Domain(tenantA) + "/api/v1/oauth2/"
	return observation{
		Callback: strings.ReplaceAll(q.Encode(), "code="+q.Get("code"), "code=CODE"),
		Token:    maskToken(fetch(t, http.MethodPost, base+"token", codeForm("clientA", "secretA", code), "")),
		Userinfo: fetch(t, http.MethodGet, base+"userinfo", nil, bearer),
		CAS:      validate(t, c, callback, ticket),
	}
}

// casTicket signs in by CAS and returns the ticket.
func casTicket(t *testing.T, c *ssotest.Centre) string {
	t.Helper()
	address := c.Domain(tenantA) + "/api/v1/cas/login?" + url.Values{"service": {callback}}.Encode()
	return signIn(t, c, ssotest.Browser(t), address, "zhangsan", "pw-张三").Get("ticket")
}

func validate(t *testing.T, c *ssotest.Centre, service, ticket string) string {
	t.Helper()
	q := url.Values{"service": {service}, "ticket": {ticket}, "format": {"XML"}}
	return fetch(t, http.MethodGet, c.Domain(tenantA)+"/api/v1/cas/p3/serviceValidate?"+q.Encode(), nil, "")
}

// A ticket is for one use and for one service, byte for byte.
func TestTicket(t *testing.T) {
	c, clk := start(t)
	wantFailure := func(got, code, when string) {
		t.Helper()
		if !strings.Contains(got, `authenticationFailure code="`+code+`"`) {
			t.Errorf("%s: %s, want %s", when, got, code)
		}
	}
	ticket := casTicket(t, c)
	if got := validate(t, c, callback, ticket); !strings.Contains(got, "<cas:user>zhangsan</cas:user>") {
		t.Errorf("validation = %s, want the user", got)
	}
	wantFailure(validate(t, c, callback, ticket), "INVALID_TICKET", "second use")
	wantFailure(validate(t, c, callback+"?", casTicket(t, c)), "INVALID_SERVICE", "another service")
	ticket = casTicket(t, c)
	clk.t = clk.t.Add(time.Minute)
	wantFailure(validate(t, c, callback, ticket), "INVALID_TICKET", "too late")
}

// fetch returns an answer as one line: status, type, redirect, body.
func fetch(t *testing.T, method, address string, form url.Values, bearer string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := ssotest.Browser(t).Do(req)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		return "no answer"
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	text := string(body)
	if len(text) > 1<<20 {
		text = "huge"
	}
	return strings.Join([]string{resp.Status, resp.Header.Get("Content-Type"), resp.Header.Get("Location"), text}, " | ")
}

// Each defect shows at the place its name says, and nowhere else, and is gone
// when it is taken back.
func TestEachDefectShows(t *testing.T) {
	c, _ := start(t)
	bearer := accessToken(t, c)
	well := observe(t, c, ssotest.NoDefect, bearer)
	seen := map[observation]ssotest.Defect{}
	for _, d := range ssotest.Defects() {
		t.Run(string(d), func(t *testing.T) {
			got := observe(t, c, d, bearer)
			place, _, _ := strings.Cut(string(d), ":")
			if shown := got.Callback != well.Callback; shown != (place == "callback") {
				t.Errorf("callback shows a defect = %v: %s", shown, got.Callback)
			}
			if shown := got.Token != well.Token; shown != (place == "token") {
				t.Errorf("token shows a defect = %v: %s", shown, got.Token)
			}
			if shown := got.Userinfo != well.Userinfo; shown != (place == "userinfo") {
				t.Errorf("userinfo shows a defect = %v: %s", shown, got.Userinfo)
			}
			if shown := got.CAS != well.CAS; shown != (place == "cas") {
				t.Errorf("serviceValidate shows a defect = %v: %s", shown, got.CAS)
			}
			if other, ok := seen[got]; ok {
				t.Errorf("looks like %q", other)
			}
			seen[got] = d
		})
	}
	if diff := cmp.Diff(well, observe(t, c, ssotest.NoDefect, bearer)); diff != "" {
		t.Errorf("after the last defect (-want +got):\n%s", diff)
	}
}

// maskToken replaces the random parts of a token answer.
func maskToken(text string) string {
	for _, name := range []string{`"access_token":"`, `"refresh_token":"`} {
		before, after, ok := strings.Cut(text, name)
		if !ok {
			continue
		}
		_, rest, _ := strings.Cut(after, `"`)
		text = before + name + "VALUE\"" + rest
	}
	return text
}

// Close lets a hanging request go, so that a test can end.
func TestCloseEndsHanging(t *testing.T) {
	c, _ := start(t)
	c.SetDefect(ssotest.UserinfoHang)
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Domain(tenantA)+"/api/v1/oauth2/userinfo", nil)
		if err != nil {
			return
		}
		if resp, err := ssotest.Browser(t).Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	c.Close()
	c.Close()
	<-done
}
