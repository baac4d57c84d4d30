package sso_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// boundHost is for people of tenant A only, openHost for anybody.
const boundHost, openHost = "acme.test", "more.test"

// newHosts is a house that two further hosts lead to.
func newHosts(t *testing.T, change func(*sso.Config)) *house {
	t.Helper()
	return newHouse(t, func(c *sso.Config) {
		_, port, _ := strings.Cut(strings.TrimPrefix(c.PublicURL, "http://"), ":")
		c.Settings.Hosts = []sso.Host{{Name: boundHost + ":" + port, Tenant: tenantA}, {Name: openHost + ":" + port}}
		if change != nil {
			change(c)
		}
	})
}

// at is the origin of a further host.
func (h *house) at(host string) string {
	_, port, _ := strings.Cut(h.host(), ":")
	return "http://" + host + ":" + port
}

// browser is one for which all names ending in .test are this house.
func (h *house) browser() *http.Client {
	b := ssotest.Browser(h.t)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if name, _, _ := net.SplitHostPort(address); strings.HasSuffix(strings.TrimSuffix(name, "."), ".test") {
			address = h.host()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	h.t.Cleanup(transport.CloseIdleConnections)
	b.Transport = transport
	return b
}

// startAt begins a sign-in on a further host and returns the address of the authorize page.
func (h *house) startAt(browser *http.Client, origin string, q url.Values, headers ...string) string {
	h.t.Helper()
	got := h.get(browser, origin+"/sso/login?"+q.Encode(), headers...)
	if got.status != http.StatusFound || got.location == nil || !strings.HasPrefix(got.location.String(), h.url+"/sso/login?handover=") {
		h.t.Fatalf("login on %s = %d to %v, want the public address\n%s", origin, got.status, got.location, got.body)
	}
	if got = h.get(browser, got.location.String()); got.status != http.StatusFound || got.location.Path == "/sso/login" {
		h.t.Fatalf("login at the public address = %d to %v, want the auth centre\n%s", got.status, got.location, got.body)
	}
	return got.location.String()
}

// ticketAt signs in up to the ticket, and returns the address that it is in.
func (h *house) ticketAt(browser *http.Client, origin, tenant, name, password string, headers ...string) string {
	h.t.Helper()
	authorize := h.startAt(browser, origin, url.Values{"tenant": {tenant}, "return": {"/desk?a=1"}}, headers...)
	got := h.get(browser, h.authorize(browser, authorize, name, password))
	if got.status != http.StatusSeeOther || !strings.HasPrefix(got.header.Get("Location"), origin+"/sso/enter?ticket=") {
		h.t.Fatalf("callback = %d to %v, want a ticket for %s\n%s", got.status, got.location, origin, got.body)
	}
	return got.location.String()
}

// meAt returns the status and the subject of /sso/me on a host.
func (h *house) meAt(browser *http.Client, origin string) (int, string) {
	h.t.Helper()
	got := h.do(browser, http.MethodGet, origin+"/sso/me", nil)
	_, after, _ := strings.Cut(got.body, `"sub":"`)
	sub, _, _ := strings.Cut(after, `"`)
	return got.status, sub
}

func (h *house) wantAt(browser *http.Client, origin, want string) {
	h.t.Helper()
	if status, got := h.meAt(browser, origin); got != want || (want == "") != (status == http.StatusUnauthorized) {
		h.t.Errorf("%s/sso/me = %d, subject %q, want %q", origin, status, got, want)
	}
}

// TestFurtherHost: a sign-in that begins on a further host passes through the registered callback and ends where it began, with a
// session of that host alone.
func TestFurtherHost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ host, tenant string }{
		"bound":            {boundHost, ""},
		"bound, and named": {boundHost, tenantA},
		"bound, by code":   {boundHost, "chenguang"},
		"open":             {openHost, tenantA},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var events []sso.Event
			h := newHosts(t, func(c *sso.Config) { c.Observe = func(e sso.Event) { events = append(events, e) } })
			browser, origin := h.browser(), h.at(tt.host)
			address := h.ticketAt(browser, origin, tt.tenant, "zhang.san", "pw1")
			h.wantAt(browser, origin, "")
			got := h.get(browser, address)
			if got.status != http.StatusSeeOther || got.header.Get("Location") != "/desk?a=1" {
				t.Errorf("enter = %d to %q, want 303 to /desk?a=1\n%s", got.status, got.header.Get("Location"), got.body)
			}
			h.wantAt(browser, origin, tenantA+"/zhang.san")
			h.wantAt(browser, h.url, "")
			if left := cookieHeader(append(browser.Jar.Cookies(mustParse(t, origin)), browser.Jar.Cookies(mustParse(t, h.url))...)); strings.Contains(left, "-a-") {
				t.Errorf("attempts are left over: %s", left)
			}
			if page := h.get(browser, origin+"/desk?a=1"); page.status != http.StatusOK || !strings.Contains(page.body, tenantA+"/zhang.san") {
				t.Errorf("the product on %s = %d\n%s", tt.host, page.status, page.body)
			}
			if calls := h.centre.Calls(tenantA).Token; calls != 1 {
				t.Errorf("%d token calls, want 1", calls)
			}
			if len(events) != 1 || events[0].Name != sso.EventSignIn || events[0].Tenant != tenantA {
				t.Errorf("events %+v, want one sign-in", events)
			}
			u, _ := url.Parse(address)
			if strings.Contains(h.log.String(), u.Query().Get("ticket")) || !strings.Contains(h.log.String(), `"host":"`+tt.host+`"`) {
				t.Errorf("the log holds the ticket, or does not name the host:\n%s", h.log)
			}
		})
	}
}

// TestHostLookup: a host is the same however it is spelled, and one that nobody configured is the public address.
func TestHostLookup(t *testing.T) {
	t.Parallel()
	rp, err := sso.New(func() sso.Config {
		c := config(t, newMemory(), time.Now)
		c.Settings.Hosts = []sso.Host{{Name: "Acme.Example"}, {Name: "xn--fiq228c.example:8443"}, {Name: "192.0.2.7"}, {Name: "[2001:DB8::7]:8443"}}
		return c
	}())
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"acme.example": "acme.example", "ACME.eXaMpLe": "acme.example", "acme.example.": "acme.example", "acme.example:443": "acme.example",
		"acme.example:8443": "acme.example", "ACME.EXAMPLE.:443": "acme.example", "XN--FIQ228C.example": "xn--fiq228c.example",
		"192.0.2.7:80": "192.0.2.7", "[2001:db8::7]": "[2001:db8::7]", "[2001:db8::7]:443": "[2001:db8::7]",
		"app.example": "", "other.example": "", "acme.example.evil.example": "", "evilacme.example": "", "acme.example..": "", ".acme.example": "",
		"acme.example@evil.example": "", "acme.example\x00": "", "中.example": "", "": "", ":443": "", "192.0.2.70": "", "2001:db8::7": "",
	} {
		name, further := sso.SiteOf(rp, host)
		if want == "" && (further || name != "app.example") || want != "" && (!further || name != want) {
			t.Errorf("host %q is taken for %q (further: %t), want %q", host, name, further, want)
		}
	}
}

// TestHostFaults: hosts that cannot be are named, all at once.
func TestHostFaults(t *testing.T) {
	t.Parallel()
	c := config(t, newMemory(), time.Now)
	for _, name := range []string{"", "a b", "*.example", "https://a.example", "a.example/", "a.example:", "a.example:x", "a..example", "-", ".", ":1", "[::1", "u@a.example"} {
		if _, ok := sso.ParseHost(name); ok && name != "-" {
			t.Errorf("ParseHost(%q) takes it for a host", name)
		}
	}
	c.Settings.Hosts = []sso.Host{{Name: "a b"}, {Name: "APP.example."}, {Name: "a.example"}, {Name: "a.example:444"}, {Name: "b.example", Tenant: "\n"}}
	_, err := sso.New(c)
	for _, want := range []string{`"a b" is no host name`, "app.example stands there twice", "a.example stands there twice", "the tenant of b.example"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want a fault with %q", err, want)
		}
	}
}
