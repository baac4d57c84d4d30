package sso_test

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
)

// TestHostsAreNeverMixed takes 1000 steps of sign-ins that are under way at the same time, in several browsers, on three hosts, at two
// tenants with a user of the same name: addresses with codes and tickets are opened in the wrong browser, on the wrong host and
// twice. After each step the browser is on every host who it was, or who just signed in there.
func TestHostsAreNeverMixed(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	passwords := map[string]string{tenantA: "pw1", tenantB: "pw9"}
	type underWay struct {
		browser        int
		origin, tenant string
		address        string // of the callback or, once that was opened, of the ticket
		over           bool
	}
	origins := []string{h.url, h.at(openHost), h.at(boundHost)}
	type place struct {
		browser int
		origin  string
	}
	subjects := map[place]string{}
	browsers := make([]*http.Client, 3)
	for i := range browsers {
		browsers[i] = h.browser()
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	var under []underWay
	tickets, entered, wrong := 0, 0, 0
	for step := range 1000 {
		h.clock.advance(time.Second)
		b := random.IntN(len(browsers))
		if len(under) < 3 || random.IntN(4) == 0 && len(under) < 12 {
			u := underWay{browser: b, origin: origins[random.IntN(3)], tenant: []string{tenantA, tenantB}[random.IntN(2)]}
			q := url.Values{"tenant": {u.tenant}, "return": {"/"}}
			if u.origin == h.at(boundHost) {
				u.tenant, q = tenantA, nil
			}
			var authorize string
			if u.origin == h.url {
				authorize = h.start(browsers[b], u.tenant, "/")
			} else {
				authorize = h.startAt(browsers[b], u.origin, q)
			}
			u.address = h.authorize(browsers[b], authorize, "zhang.san", passwords[u.tenant])
			under = append(under, u)
			continue
		}
		at := random.IntN(len(under))
		u := under[at]
		address, in := u.address, u.browser
		switch random.IntN(5) {
		case 0:
			in = b
		case 1:
			to := origins[random.IntN(3)]
			for _, from := range origins {
				if rest, ok := strings.CutPrefix(address, from); ok {
					address = to + rest
					break
				}
			}
		}
		meant := in == u.browser && address == u.address
		got := h.get(browsers[in], address)
		switch to := got.header.Get("Location"); {
		case strings.Contains(to, "/sso/enter?ticket="):
			if !strings.HasPrefix(to, u.origin) {
				t.Fatalf("step %d (seed %d): a sign-in that began at %s leads to %s", step, seed, u.origin, to)
			}
			tickets++
			under[at].address = to
		case begins(got): // else the person was signed in already, and goes on
			if !meant || u.over {
				t.Fatalf("step %d (seed %d): %s of browser %d signs browser %d in (over: %t)", step, seed, address, u.browser, in, u.over)
			}
			under[at].over = true
			subjects[place{in, u.origin}] = u.tenant + "/zhang.san"
			entered++
			if random.IntN(2) == 0 { // else it is opened again later
				under = slices.Delete(under, at, at+1)
			}
		case meant: // too old, or over
			under = slices.Delete(under, at, at+1)
		default:
			wrong++
		}
		for _, origin := range origins {
			if _, sub := h.meAt(browsers[in], origin); sub != subjects[place{in, origin}] {
				t.Fatalf("step %d (seed %d): browser %d at %s is %q, want %q", step, seed, in, origin, sub, subjects[place{in, origin}])
			}
		}
	}
	t.Logf("%d tickets, %d sign-ins, %d addresses opened elsewhere", tickets, entered, wrong)
	if tickets < 50 || entered < 50 || wrong < 50 {
		t.Errorf("%d tickets, %d sign-ins, %d addresses opened elsewhere: too little was tried", tickets, entered, wrong)
	}
}

// begins reports whether an answer gives the browser a session.
func begins(got reply) bool {
	return slices.ContainsFunc(got.header["Set-Cookie"], func(line string) bool {
		name, rest, _ := strings.Cut(line, "=")
		value, _, _ := strings.Cut(rest, ";")
		return strings.Count(name, "-") == 1 && len(value) == 43
	})
}

// FuzzHost: whatever stands in a Host header, spelling it in another case, with a dot or with a port means the same site.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"acme.example", "ACME.example.:443", "[::1]:80", "", ".", ":", "]:", "acme.example\x00", "xn--fiq228c.example", "app.example"} {
		f.Add(seed)
	}
	rp := newRP(f, func() sso.Config {
		c := config(f, newMemory(), time.Now)
		c.Settings.Hosts = []sso.Host{{Name: "acme.example"}, {Name: "192.0.2.7"}, {Name: "[2001:db8::7]"}}
		return c
	}())
	f.Fuzz(func(t *testing.T, host string) {
		name, further := sso.SiteOf(rp, host)
		if further && !slices.Contains([]string{"acme.example", "192.0.2.7", "[2001:db8::7]"}, name) || !further && name != "app.example" {
			t.Errorf("%q is %q, %t", host, name, further)
		}
		for _, spelled := range []string{strings.ToUpper(host), host + ":8443", host + "."} {
			if again, _ := sso.SiteOf(rp, spelled); further && again != name && !strings.Contains(host, ":") && !strings.HasSuffix(host, ".") {
				t.Errorf("%q is %q, but %q is %q", host, name, spelled, again)
			}
		}
		if parsed, ok := sso.ParseHost(host); ok {
			if again, ok := sso.ParseHost(parsed); !ok || again != parsed {
				t.Errorf("ParseHost(%q) = %q, and of that %q, %t", host, parsed, again, ok)
			}
		}
	})
}
