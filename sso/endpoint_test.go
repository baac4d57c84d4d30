package sso_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestRedirects sends each call on: where it stays on its server it is followed, if the operator allows that; elsewhere nobody ever
// hears of it.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var strangers atomic.Int32
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) }))
	t.Cleanup(stranger.Close)
	const discovery = "/.well-known/openid-configuration"
	for _, tt := range []struct {
		name  string
		path  string
		moves []redirect // one after the other; "HOST" stands for the provider, "ELSEWHERE" for a stranger
		good  bool
	}{
		{"discovery, 302", discovery, []redirect{{302, "/moved" + discovery}}, true},
		{"keys, 301, absolute", "/keys", []redirect{{301, "HOST/moved/keys"}}, true},
		{"token, 307", "/token", []redirect{{307, "/moved/token"}}, true},
		{"token, 308", "/token", []redirect{{308, "/moved/token"}}, true},
		{"token, 303: the POST would be a GET", "/token", []redirect{{303, "/moved/token"}}, false},
		{"token, 302: the POST would be a GET", "/token", []redirect{{302, "/moved/token"}}, false},
		{"userinfo, 302", "/userinfo", []redirect{{302, "/moved/userinfo"}}, true},
		{"userinfo, three times", "/userinfo", []redirect{{302, "/x1"}, {302, "/x2"}, {302, "/moved/userinfo"}}, true},
		{"userinfo, four times", "/userinfo", []redirect{{302, "/x1"}, {302, "/x2"}, {302, "/x3"}, {302, "/moved/userinfo"}}, false},
		{"userinfo, in a circle", "/userinfo", []redirect{{302, "/userinfo"}}, false},
		{"discovery, elsewhere", discovery, []redirect{{302, "ELSEWHERE" + discovery}}, false},
		{"keys, elsewhere", "/keys", []redirect{{302, "ELSEWHERE/keys"}}, false},
		{"token, elsewhere", "/token", []redirect{{307, "ELSEWHERE/token"}}, false},
		{"userinfo, elsewhere", "/userinfo", []redirect{{302, "ELSEWHERE/userinfo"}}, false},
		{"userinfo, elsewhere at the second", "/userinfo", []redirect{{302, "/x1"}, {302, "ELSEWHERE/userinfo"}}, false},
		{"userinfo, with a password", "/userinfo", []redirect{{302, "http://u:p@HOSTNAME/moved/userinfo"}}, false},
		{"userinfo, another scheme", "/userinfo", []redirect{{302, "https://HOSTNAME/moved/userinfo"}}, false},
	} {
		for _, follow := range []bool{true, false} {
			t.Run(tt.name+map[bool]string{true: ", followed", false: ", not followed"}[follow], func(t *testing.T) {
				t.Parallel()
				o := newHostile(t)
				h := oidcHouse(t, o.URL, func(s *sso.Settings) { s.FollowRedirects = follow })
				address := strings.NewReplacer("HOSTNAME", strings.TrimPrefix(o.URL, "http://"), "HOST", o.URL, "ELSEWHERE", stranger.URL)
				path := tt.path
				for _, move := range tt.moves {
					move.to = address.Replace(move.to)
					o.redirects[path] = move
					path = move.to
				}
				browser := ssotest.Browser(t)
				want := ""
				if tt.good && follow {
					want = tenantA + "/zhang.san"
				}
				login := h.get(browser, "/sso/login?tenant="+tenantA)
				if tt.path == discovery && want == "" {
					if login.status != http.StatusBadGateway {
						t.Errorf("login = %d to %v, want 502", login.status, login.location)
					}
					return
				}
				if login.location == nil {
					t.Fatalf("login = %d\n%s", login.status, login.body)
				}
				got := o.answer(h, browser, login.location, nil)
				if want == "" && (got.status != http.StatusBadGateway || !strings.Contains(h.log.String(), `.redirect"`)) {
					t.Errorf("callback = %d, want 502 and the check's name in the log\n%s", got.status, h.log)
				}
				h.wantSubject(browser, want)
				if t.Failed() {
					t.Log(h.log)
				}
			})
		}
	}
	t.Cleanup(func() {
		if n := strangers.Load(); n != 0 {
			t.Errorf("%d calls reached another host", n)
		}
	})
}

// TestMayFollow judges what the test servers, which are not https, cannot show.
func TestMayFollow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, to string
		want     bool
	}{
		{"https://a.example/x", "https://a.example/y", true},
		{"https://a.example/x", "https://A.example/y", true},
		{"https://a.example/x", "http://a.example/y", false},
		{"https://a.example/x", "https://a.example:8443/y", false},
		{"https://a.example/x", "https://b.example/y", false},
		{"https://a.example/x", "https://a.example.evil.example/y", false},
		{"https://a.example/x", "https://sub.a.example/y", false},
		{"https://a.example/x", "https://u@a.example/y", false},
		{"https://a.example/x", "https://a.example@evil.example/y", false},
		{"https://a.example/x", "https://169.254.169.254/", false},
	} {
		from, to := httptest.NewRequest(http.MethodGet, tt.from, nil), httptest.NewRequest(http.MethodGet, tt.to, nil)
		to.URL, _ = url.Parse(tt.to)
		if got := sso.MayFollow(to, []*http.Request{from}); got != tt.want {
			t.Errorf("%s to %s: followed = %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
}

// TestPrivateAddresses: the guard is the dialer's, so it holds for names, too, and for the address that check tries.
func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	for _, allow := range []bool{false, true} {
		c := config(t, newMemory(), nil)
		m := newMemory()
		m.PutTenant(t, sso.Tenant{ID: "t", Domain: "https://10.255.255.1", Live: true})
		m.PutTenant(t, sso.Tenant{ID: "m", Domain: "https://169.254.169.254", Live: true})
		for _, id := range []sso.TenantID{"t", "m"} {
			m.PutCredential(t, id, sso.Credential{App: "a", ClientID: "c", Secret: "s", Live: true})
		}
		c = config(t, m, (&clock{}).now)
		c.Settings.AllowPrivateAddresses = allow
		handler := newRP(t, c).Handler()
		status := func(tenant string) int {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sso/login?tenant="+tenant, nil))
			return w.Code
		}
		if got, want := status("t"), map[bool]int{false: http.StatusForbidden, true: http.StatusFound}[allow]; got != want {
			t.Errorf("allowed %v: login at 10.255.255.1 = %d, want %d", allow, got, want)
		}
		if got := status("m"); got != http.StatusForbidden {
			t.Errorf("allowed %v: login at a metadata service = %d, want 403", allow, got)
		}
	}
}

// TestEndpointsThatAreSet: what the settings name replaces what is discovered, on any host, and with all of it nothing is discovered.
func TestEndpointsThatAreSet(t *testing.T) {
	t.Parallel()
	const document = "/.well-known/openid-configuration"
	for _, tt := range []struct {
		name       string
		meta       map[string]any
		set        func(s *sso.Settings, base string)
		discovered bool
	}{
		{"key set", map[string]any{"jwks_uri": "https://evil.example/keys"}, func(s *sso.Settings, base string) { s.JWKSURL = base + "/moved/keys" }, true},
		{"key set of a document without one", map[string]any{"jwks_uri": nil}, func(s *sso.Settings, _ string) { s.JWKSURL = "{domain}/moved/keys" }, true},
		{"userinfo", map[string]any{"userinfo_endpoint": "https://evil.example/u"}, func(s *sso.Settings, base string) {
			s.UserinfoURL, s.JWKSURL = base+"/moved/userinfo", base+"/keys"
		}, true},
		{"endpoints without a key set count for nothing", nil, func(s *sso.Settings, _ string) {
			kit := sso.DefaultSettings(sso.ProfileKit)
			s.AuthorizeURL, s.TokenURL, s.UserinfoURL = kit.AuthorizeURL, kit.TokenURL, kit.UserinfoURL
		}, true},
		{"everything", map[string]any{"issuer": "https://evil.example"}, func(s *sso.Settings, base string) {
			s.AuthorizeURL, s.TokenURL, s.UserinfoURL, s.JWKSURL = base+"/authorize", base+"/token", base+"/userinfo", base+"/keys"
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			for key, value := range tt.meta {
				o.meta[key] = value
			}
			h := oidcHouse(t, o.URL, func(s *sso.Settings) { tt.set(s, o.URL) })
			browser := ssotest.Browser(t)
			o.signIn(h, browser, nil)
			h.wantSubject(browser, tenantA+"/zhang.san")
			if _, asked := o.asked[document]; asked != tt.discovered {
				t.Errorf("the discovery document was read: %v, want %v", asked, tt.discovered)
			}
			o.signIn(h, browser, func(o *hostile, _ url.Values) { o.signWith = newKey(t) })
			if t.Failed() {
				t.Log(h.log)
			}
		})
	}
	o := newHostile(t)
	h := oidcHouse(t, o.URL, func(s *sso.Settings) { s.JWKSURL = o.URL + "/moved/keys" })
	o.keys["k2"] = newKey(t)
	browser := ssotest.Browser(t)
	if got := o.signIn(h, browser, func(o *hostile, _ url.Values) { o.signWith = newKey(t) }); got.status != http.StatusBadGateway {
		t.Errorf("a token that no key of the set signed: %d, want 502", got.status)
	}
	if _, asked := o.asked["/keys"]; asked {
		t.Error("the discovered key set was read beside the one that is set")
	}
}

func TestUserinfoHeaders(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{"Authorization"}, {"X-OrgID-Authorization"}, {"Authorization", "X-OrgID-Authorization"}} {
		o := newHostile(t)
		h := oidcHouse(t, o.URL, func(s *sso.Settings) { s.UserinfoHeaders = names })
		browser := ssotest.Browser(t)
		o.signIn(h, browser, nil)
		h.wantSubject(browser, tenantA+"/zhang.san")
		for _, name := range []string{"Authorization", "X-OrgID-Authorization"} {
			want := ""
			if strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
				want = "Bearer access-token-of-the-hostile-provider"
			}
			if got := o.asked["/userinfo"].Get(name); got != want {
				t.Errorf("%v: %s = %q, want %q", names, name, got, want)
			}
		}
	}
}
