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
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestTenantsAreNeverMixed takes 10 000 steps of sign-ins that are under way at the same time, in several browsers, at two tenants with
// the same code and a user of the same name: begun, finished, delivered to the wrong browser, and sent on with the other tenant's
// name. After each step everybody is who they were, or who they just signed in as.
func TestTenantsAreNeverMixed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	passwords := map[string]string{tenantA: "pw1", tenantB: "pw9"}
	for id := range passwords {
		h.PutTenant(t, sso.Tenant{ID: sso.TenantID(id), Code: "same", Name: "同名", Domain: h.centre.Domain(id), Live: true})
	}
	type callback struct {
		browser         int
		tenant, address string
	}
	browsers := make([]*http.Client, 4)
	subjects := make([]string, len(browsers))
	for i := range browsers {
		browsers[i] = ssotest.Browser(t)
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	var under []callback
	finished, switched := 0, 0
	for step := range 10_000 {
		h.clock.advance(2 * time.Second) // so that failures are never too many within a minute
		b := random.IntN(len(browsers))
		if len(under) < 4 || random.IntN(3) == 0 && len(under) < 40 {
			tenant := []string{tenantA, tenantB}[random.IntN(2)]
			address := h.authorize(browsers[b], h.start(browsers[b], tenant, "/"), "zhang.san", passwords[tenant])
			under = append(under, callback{b, tenant, address})
			continue
		}
		at := random.IntN(len(under))
		c := under[at]
		wrong := false
		switch random.IntN(4) {
		case 0: // in a browser that did not begin it
			wrong = b != c.browser
		case 1: // with the other tenant's name
			other := strings.NewReplacer(tenantA, tenantB, tenantB, tenantA).Replace(c.tenant)
			b, c.address, wrong = c.browser, c.address+"&"+url.Values{"tenant": {other}}.Encode(), true
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
	if calls := h.centre.Calls(tenantA).Token + h.centre.Calls(tenantB).Token; calls > finished {
		t.Errorf("%d token calls for %d sign-ins", calls, finished)
	}
}
