package sso_test

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestTenantsAreNeverMixed has two tenants with the same code and a user of the same name: at two auth centres, at two of which no
// push names one, and as two clients of one issuer.
func TestTenantsAreNeverMixed(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T) (*house, map[string]string){
		"two pushed tenants": func(t *testing.T) (*house, map[string]string) {
			t.Helper()
			h := newHouse(t, nil)
			for _, id := range []string{tenantA, tenantB} {
				h.PutTenant(t, sso.Tenant{ID: sso.TenantID(id), Code: "same", Name: "同名", Domain: h.centre.Domain(id), Live: true})
			}
			return h, map[string]string{tenantA: "pw1", tenantB: "pw9"}
		},
		"a static and a pushed tenant": func(t *testing.T) (*house, map[string]string) {
			t.Helper()
			h := staticHouse(t, nil)
			h.PutTenant(t, sso.Tenant{ID: tenantB, Code: "same", Name: "同名", Domain: h.centre.Domain(tenantB), Live: true})
			acme := h.acme()
			acme.Code, acme.Name = "same", "同名"
			h.useStatic(acme)
			return h, map[string]string{tenantA: "pw1", tenantB: "pw9"}
		},
		"two clients at one issuer": func(t *testing.T) (*house, map[string]string) {
			t.Helper()
			h := newHouse(t, func(c *sso.Config) {
				c.Settings = sso.DefaultSettings(sso.ProfileOIDC)
				c.Settings.AllowInsecureAuthCentres = true
			})
			var clients []sso.StaticTenant
			for _, id := range []string{"one", "two"} {
				h.centre.PutClient(tenantA, ssotest.Client{AppID: appID, ID: "client-" + id, Secret: "secret-" + id, RedirectURIs: []string{h.url + "/sso/callback"}, Tenant: id})
				clients = append(clients, sso.StaticTenant{
					ID: sso.TenantID(id), Code: "same", Name: "同名", Issuer: h.centre.Domain(tenantA) + "/api/v1/oauth2",
					ClientID: "client-" + id, Secret: sso.Secret("secret-" + id),
				})
			}
			h.useStatic(clients...)
			return h, map[string]string{"one": "pw1", "two": "pw1"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, passwords := prepare(t)
			interleave(t, h, passwords)
		})
	}
}

// interleave takes 10 000 steps of sign-ins that are under way at the same time, in several browsers: begun, finished, delivered to the
// wrong browser, sent on with the other tenant's name, and with the code of another sign-in under this one's state. After
// each step everybody is who they were, or who they just signed in as.
func interleave(t *testing.T, h *house, passwords map[string]string) {
	t.Helper()
	type callback struct {
		browser         int
		tenant, address string
	}
	tenants := slices.Sorted(maps.Keys(passwords))
	browsers := make([]*http.Client, 4)
	subjects := make([]string, len(browsers))
	for i := range browsers {
		browsers[i] = ssotest.Browser(t)
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	var under []callback
	finished, switched, injected := 0, 0, 0
	for step := range 10_000 {
		h.clock.advance(2 * time.Second) // so that failures are never too many within a minute
		b := random.IntN(len(browsers))
		if len(under) < 4 || random.IntN(3) == 0 && len(under) < 40 {
			tenant := tenants[random.IntN(2)]
			address := h.authorize(browsers[b], h.start(browsers[b], tenant, "/"), "zhang.san", passwords[tenant])
			under = append(under, callback{b, tenant, address})
			continue
		}
		at := random.IntN(len(under))
		c := under[at]
		wrong := false
		switch random.IntN(5) {
		case 0: // in a browser that did not begin it
			wrong = b != c.browser
		case 1: // with the other tenant's name
			other := tenants[0]
			if c.tenant == other {
				other = tenants[1]
			}
			b, c.address, wrong = c.browser, c.address+"&"+url.Values{"tenant": {other}}.Encode(), true
		case 2: // with the code of a sign-in at the other tenant
			b = c.browser
			from := under[random.IntN(len(under))]
			if from.tenant != c.tenant {
				c.address, wrong = withCodeOf(t, c.address, from.address), true
				injected++
			}
		default:
			b = c.browser
		}
		h.get(browsers[b], c.address)
		_, me := h.me(browsers[b])
		switch got := me["sub"]; {
		case got == subjects[b]:
		case !wrong && got == c.tenant+"/zhang.san":
			if subjects[b] != "" {
				switched++
			}
			subjects[b] = got
		default:
			t.Fatalf("seed %d, step %d: browser %d is %q, was %q; the callback was of browser %d at %s (tampered with: %v)",
				seed, step, b, got, subjects[b], c.browser, c.tenant, wrong)
		}
		if !wrong {
			finished++
			under = slices.Delete(under, at, at+1)
		}
	}
	if finished < 1000 || switched < 100 {
		t.Errorf("%d sign-ins finished, %d of them changed the tenant: too few to say anything", finished, switched)
	}
	if calls := h.centre.Calls(tenantA).Token + h.centre.Calls(tenantB).Token; calls > finished+injected {
		t.Errorf("%d token calls for %d sign-ins and %d foreign codes", calls, finished, injected)
	}
}

// withCodeOf puts the code of one callback into another.
func withCodeOf(t *testing.T, address, from string) string {
	t.Helper()
	a, err := url.Parse(address)
	b, err2 := url.Parse(from)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	q := a.Query()
	q.Set("code", b.Query().Get("code"))
	a.RawQuery = q.Encode()
	return a.String()
}
