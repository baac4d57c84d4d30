package sso_test

import (
	"crypto/rsa"
	"net/http"
	"net/url"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// module is one of the OpenID Foundation's conformance suite for relying parties, by its name there: what the provider does, and
// what has to come of it.
type module struct {
	name   string
	change func(*hostile, url.Values)
	// settings, if not nil, are changed before the start.
	settings func(*sso.Settings)
	// check is the check that refuses; empty = the sign-in succeeds.
	check string
	// also, if not nil, looks further.
	also func(t *testing.T, h *house, o *hostile, browser *http.Client)
}

// claim changes a claim of the ID token; nil takes it away.
func claim(name string, value any) func(*hostile, url.Values) {
	return func(o *hostile, _ url.Values) {
		if o.claims[name] = value; value == nil {
			delete(o.claims, name)
		}
	}
}

// basicModules are those of the Basic RP profile.
func basicModules(t *testing.T) []module {
	return []module{
		{name: "oidcc-client-test"},
		{name: "oidcc-client-test-invalid-iss", change: claim("iss", "https://evil.example"), check: "id_token.iss"},
		{name: "oidcc-client-test-missing-sub", change: claim("sub", nil), check: "id_token.sub"},
		{name: "oidcc-client-test-invalid-aud", change: claim("aud", "other"), check: "id_token.aud"},
		{name: "oidcc-client-test-missing-iat", change: claim("iat", nil), check: "id_token.iat"},
		{name: "oidcc-client-test-kid-absent-single-jwks", change: func(o *hostile, _ url.Values) { delete(o.header, "kid") }},
		{name: "oidcc-client-test-kid-absent-multiple-jwks", change: func(o *hostile, _ url.Values) { // either outcome passes there
			o.keys = map[string]*rsa.PrivateKey{"k1": o.keys["k1"], "k2": newKey(t)}
			delete(o.header, "kid")
		}},
		{name: "oidcc-client-test-idtoken-sig-rs256", change: func(o *hostile, _ url.Values) { o.header["alg"] = "RS256" }},
		{name: "oidcc-client-test-idtoken-sig-none", change: func(o *hostile, _ url.Values) { o.header["alg"] = "none" }, check: "id_token.alg"},
		{
			name:   "oidcc-client-test-invalid-sig-rs256",
			change: func(o *hostile, _ url.Values) { o.signWith = newKey(t) }, check: "id_token.signature",
		},
		{name: "oidcc-client-test-userinfo-invalid-sub", change: func(o *hostile, _ url.Values) { o.userinfo["sub"] = "other" }, check: "userinfo.sub"},
		{name: "oidcc-client-test-nonce-invalid", change: claim("nonce", "other"), check: "id_token.nonce"},
		{
			name:     "oidcc-client-test-scope-userinfo-claims",
			settings: func(s *sso.Settings) { s.Scope = []string{"openid", "profile", "email", "phone"} },
			change: func(o *hostile, _ url.Values) {
				o.userinfo["email"], o.userinfo["phone_number"] = "z@example.com", "13800000000"
			},
			also: func(t *testing.T, h *house, _ *hostile, browser *http.Client) {
				t.Helper()
				if _, me := h.me(browser); me["email"] != "z@example.com" || me["mobile"] != "13800000000" {
					t.Errorf("/sso/me = %v, want e-mail and phone of userinfo", me)
				}
			},
		},
		{
			name:     "oidcc-client-test-client-secret-basic",
			settings: func(s *sso.Settings) { s.ClientAuth = "basic" },
			also: func(t *testing.T, _ *house, o *hostile, _ *http.Client) {
				t.Helper()
				if o.basic != [2]string{"client-a", url.QueryEscape(secretA)} { // RFC 6749, section 2.3.1
					t.Error("the token call does not authenticate with HTTP Basic")
				}
			},
		},
	}
}

// configModules are those of the Config RP profile.
func configModules(t *testing.T) []module {
	rotate := func(o *hostile) {
		o.keys = map[string]*rsa.PrivateKey{"k2": newKey(t)}
		o.signWith = o.keys["k2"]
	}
	return []module{
		{name: "oidcc-client-test-discovery-openid-config"}, // the browser was sent to the endpoint of the document
		{
			name: "oidcc-client-test-discovery-jwks-uri-keys",
			also: func(t *testing.T, _ *house, o *hostile, _ *http.Client) {
				t.Helper()
				if o.keyCalls != 1 {
					t.Errorf("the keys were fetched %d times, want once", o.keyCalls)
				}
			},
		},
		{name: "oidcc-client-test-idtoken-sig-none", change: func(o *hostile, _ url.Values) { o.header["alg"] = "none" }, check: "id_token.alg"},
		{
			name: "oidcc-client-test-signing-key-rotation-just-before-signing",
			change: func(o *hostile, _ url.Values) {
				rotate(o)
				o.header["kid"] = "k2"
			},
		},
		{
			name: "oidcc-client-test-signing-key-rotation",
			also: func(t *testing.T, h *house, o *hostile, _ *http.Client) {
				t.Helper()
				second := ssotest.Browser(t)
				o.signIn(h, second, func(o *hostile, _ url.Values) {
					rotate(o)
					o.header["kid"] = "k2"
				})
				h.wantSubject(second, tenantA+"/zhang.san")
			},
		},
	}
}

func TestConformanceBasicRP(t *testing.T)  { t.Parallel(); runModules(t, basicModules(t)) }
func TestConformanceConfigRP(t *testing.T) { t.Parallel(); runModules(t, configModules(t)) }

func runModules(t *testing.T, modules []module) {
	t.Helper()
	for _, m := range modules {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			h := oidcHouse(t, o.URL, m.settings)
			browser := ssotest.Browser(t)
			got := o.signIn(h, browser, m.change)
			if m.check != "" {
				if on := shownOn(got.body); on.check != m.check || got.status < 400 {
					t.Errorf("callback = %d, page names check %q, want %q", got.status, on.check, m.check)
				}
				h.wantSubject(browser, "")
			} else {
				h.wantSubject(browser, tenantA+"/zhang.san")
			}
			if m.also != nil {
				m.also(t, h, o, browser)
			}
		})
	}
}

// The module of the Config RP profile in which nobody gets as far as the authorization endpoint.
func TestConformanceDiscovery(t *testing.T) {
	t.Parallel()
	t.Run("oidcc-client-test-discovery-issuer-mismatch", func(t *testing.T) {
		t.Parallel()
		o := newHostile(t)
		o.meta["issuer"] = "https://evil.example"
		h := oidcHouse(t, o.URL, nil)
		got := h.get(ssotest.Browser(t), "/sso/login?tenant="+tenantA)
		if on := shownOn(got.body); got.status != http.StatusBadGateway || on.check != "discovery.issuer" {
			t.Errorf("login = %d, page names check %q", got.status, on.check)
		}
	})
}

// The module of third-party-initiated login: a portal sends the browser with the issuer and where to go (OpenID Connect Core,
// section 4). Where to go is judged like every return target.
func TestConformanceThirdPartyLogin(t *testing.T) {
	t.Parallel()
	t.Run("oidcc-client-test-3rd-party-init-login", func(t *testing.T) {
		t.Parallel()
		o := newHostile(t)
		h := oidcHouse(t, o.URL, nil)
		for target, want := range map[string]string{"/desk?a=1": "/desk?a=1", "https://evil.example/": "/", `/x/../\evil.example`: "/"} {
			browser := ssotest.Browser(t)
			start := h.get(browser, "/sso/login?"+url.Values{"iss": {o.URL}, "login_hint": {"zhang"}, "target_link_uri": {target}}.Encode())
			if start.location == nil || start.location.Query().Get("login_hint") != "zhang" {
				t.Fatalf("login = %d to %v, want the authorization endpoint with the hint", start.status, start.location)
			}
			got := o.answer(h, browser, start.location, nil)
			if to := got.header.Get("Location"); to != want {
				t.Errorf("target_link_uri %q leads to %q, want %q", target, to, want)
			}
			h.wantSubject(browser, tenantA+"/zhang.san")
		}
		if got := h.get(ssotest.Browser(t), "/sso/login?iss=https://evil.example"); got.status != http.StatusForbidden {
			t.Errorf("login of an unknown issuer = %d, want 403", got.status)
		}
	})
}
