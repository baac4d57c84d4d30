package sso_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// sessionAdvisories are about cookies and what they stand for.
func sessionAdvisories() []advisory {
	return []advisory{
		{"CVE-2026-25748: malformed session cookie", func(t *testing.T, h *house) {
			good := h.sessionCookie(tenantA, "li.si", "pw2")
			name, id, _ := strings.Cut(good, "=")
			for _, cookie := range []string{
				name, name + "=", name + "==", name + `="` + id + `x"`, name + "=" + id + id, name + "=%" + id[1:], name + "=\xff\xfe", name + "=" + id[:len(id)-1] + "+",
				name + "=" + strings.ToUpper(id), name + "=null", name + "=undefined", name + "=0", name + "={}", name + "=" + id + "; " + name + "=x", "=" + id, ";;;=;=;", strings.ToUpper(good),
			} {
				h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "401")
			}
			h.wantFaces(t, asks{"GET", "/desk", good, nil}, "pass "+tenantA+"/li.si")
		}},
		{"CVE-2024-24814: 99999999 chunks", func(t *testing.T, h *house) {
			name, _, _ := strings.Cut(h.sessionCookie(tenantA, "li.si", "pw2"), "=")
			for _, cookie := range []string{
				name + "=chunks:99999999", name + "_chunks=99999999; " + name + "_0=x", name + "-a-0=99999999", name + "-0=a; " + name + "-1=b; " + name + "=2",
				strings.Repeat(name+"-a-0123456789abcdef=x; ", 2000) + "x=y", // more than one reads, fewer than a server refuses
			} {
				began := time.Now()
				h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "401")
				for _, path := range []string{"/sso/login?tenant=" + tenantA, "/sso/callback?code=x&state=" + strings.Repeat("0", 64), "/sso/pending", "/sso/confirm", "/sso/resend", "/sso/signed-out"} {
					if got := h.raw("GET", path, "Cookie", cookie, "Accept", "text/html"); got.status >= 500 {
						t.Errorf("%s with cookie %.60q = %d", path, cookie, got.status)
					}
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("cookie %.60q took %v", cookie, took)
				}
			}
		}},
		{"CVE-2026-54789: crafted cookies of a sign-in under way", func(t *testing.T, h *house) {
			state := strings.Repeat("0", 64)
			name := sso.AttemptName(h.rp, state)
			for _, value := range []string{"", "A", "AAAA", strings.Repeat("A", 60), strings.Repeat("A", 4095), strings.Repeat("A", 60000), "!!!!", "%00", "e30", "bnVsbA"} {
				got := h.raw("GET", "/sso/callback?code=x&state="+state, "Cookie", name+"="+value, "Accept", "text/html")
				if on := shownOn(got.body); got.status != http.StatusBadRequest || on.code != "attempt_lost" {
					t.Errorf("attempt %.40q = %d, page %q, want 400 and attempt_lost", value, got.status, on.code)
				}
			}
		}},
		{"CVE-2023-28625, CVE-2025-3891: empty bodies and empty cookies", func(t *testing.T, h *house) {
			for _, path := range []string{"/sso/login", "/sso/callback", "/sso/confirm", "/sso/logout", "/sso/backchannel-logout", "/sso/pending", "/sso/resend", "/sso/me", "/sso/authz/forward-auth", "/desk"} {
				for _, headers := range [][]string{
					{"Content-Length", "0"},
					{"Content-Length", "0", "Content-Type", "application/x-www-form-urlencoded"},
					{"Content-Type", "application/x-www-form-urlencoded"},
					{"Content-Length", "0", "Content-Type", ";"},
					{"Content-Length", "0", "Content-Type", "multipart/form-data"},
					{"Content-Length", "0", "Cookie", ";"},
					{"Content-Length", "0", "Cookie", "="},
				} {
					if got := h.raw("POST", path, headers...); got.status >= 500 || got.status == http.StatusOK {
						t.Errorf("POST %s %q = %d", path, headers, got.status)
					}
				}
			}
		}},
		{"GHSA-f24x-5g9q-753f: old session at the sign-in page", func(t *testing.T, h *house) {
			browser := ssotest.Browser(t)
			h.signIn(browser, tenantA, "li.si", "pw2")
			old := h.cookieOf(browser)
			h.signIn(browser, tenantB, "zhang.san", "pw9")
			fresh := h.cookieOf(browser)
			if old == fresh {
				t.Error("the session kept its id")
			}
			h.clock.advance(sso.DecisionAge)
			h.wantFaces(t, asks{"GET", "/desk", old, nil}, "401")
			h.wantFaces(t, asks{"GET", "/desk", fresh, nil}, "pass "+tenantB+"/zhang.san")
		}},
		{"caddy-security, CVE-2024-21492 to -21500: session that outlives its logout", func(t *testing.T, h *house) {
			browser := ssotest.Browser(t)
			h.signIn(browser, tenantA, "li.si", "pw2")
			cookie := h.cookieOf(browser)
			h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "pass "+tenantA+"/li.si")
			h.get(browser, "/sso/logout")
			h.wantFaces(t, asks{"GET", "/desk", cookie, nil}, "401") // at once, in the process that was told
		}},
		{"caddy-security, CVE-2024-21492 to -21500: weak randomness", func(t *testing.T, h *house) {
			seen := map[string]bool{}
			for range 64 {
				u, err := url.Parse(h.start(ssotest.Browser(t), tenantA, "/"))
				if err != nil {
					t.Fatal(err)
				}
				state := u.Query().Get("state")
				if seen[state] || len(state) != 64 {
					t.Errorf("state %q", state)
				}
				seen[state] = true
			}
		}},
		{"CVE-2021-32791: static parameters of the encryption", func(t *testing.T, h *house) {
			state, now := strings.Repeat("a", 64), h.clock.now()
			first, second := sso.SealAttempt(h.rp, state, now), sso.SealAttempt(h.rp, state, now)
			if first == second || first[:16] == second[:16] {
				t.Error("the same attempt was sealed alike twice")
			}
		}},
	}
}

// signInAdvisories are about the way to the auth centre and back.
func signInAdvisories() []advisory {
	return []advisory{
		{"CVE-2026-19349: state used twice", func(t *testing.T, h *house) {
			browser := ssotest.Browser(t)
			back := h.authorize(browser, h.start(browser, tenantA, "/desk"), "li.si", "pw2")
			jar := h.cookies(browser) // of the attempt, which the callback takes back
			h.get(browser, back)
			h.get(browser, "/sso/logout")
			for name, address := range map[string]string{"the same code": back, "another code": with(t, back, "code", strings.Repeat("c", 40))} {
				got := h.raw("GET", strings.TrimPrefix(address, h.url), "Cookie", jar, "Accept", "text/html")
				if got.status != http.StatusBadRequest || strings.Contains(strings.Join(got.header["Set-Cookie"], "\n"), "kitbridge-"+strings.Split(h.host(), ":")[1]+"=") {
					t.Errorf("the state again with %s = %d\n%s", name, got.status, got.header["Set-Cookie"])
				}
			}
			if calls := h.centre.Calls(tenantA); calls.Token != 1 {
				t.Errorf("%d token calls, want 1", calls.Token)
			}
		}},
		{"CVE-2017-1000069: sign-in that somebody else began", func(t *testing.T, h *house) {
			attacker, victim := ssotest.Browser(t), ssotest.Browser(t)
			back := h.authorize(attacker, h.start(attacker, tenantA, "/"), "li.si", "pw2")
			if got := h.get(victim, back, "Sec-Fetch-Site", "cross-site"); got.status != http.StatusBadRequest {
				t.Errorf("the attacker's callback in another browser = %d, want 400", got.status)
			}
			h.wantSubject(victim, "")
			got := h.get(victim, h.unsolicitedCode(attacker, "li.si@chenguang", "pw2"), "Sec-Fetch-Site", "cross-site")
			if !strings.HasPrefix(got.header.Get("Location"), h.centre.Domain(tenantA)) {
				t.Errorf("the attacker's own code = %d to %q, want a sign-in of the victim's own", got.status, got.header.Get("Location"))
			}
			h.wantSubject(victim, "")
		}},
		{"mod_auth_openidc, ChangeLog 2025: parameters that stand twice", func(t *testing.T, h *house) {
			browser := ssotest.Browser(t)
			back := h.authorize(browser, h.start(browser, tenantA, "/"), "li.si", "pw2")
			u, _ := url.Parse(back)
			for _, more := range []string{
				"&code=x", "&code=" + u.Query().Get("code"), "&state=x", "&state=" + u.Query().Get("state"), "&iss=a&iss=b", "&error=x&error=y", "&tenant=" + tenantA + "&tenant=" + tenantB,
				"&tenant=" + tenantA + "&tenant=" + tenantA, "&%63ode=x",
			} {
				if got := h.get(browser, back+more); got.status != http.StatusBadRequest {
					t.Errorf("callback with %s = %d, want 400", more, got.status)
				}
			}
			for _, query := range []string{"tenant=a&tenant=b", "iss=a&iss=b", "return=/a&return=/b", "target_link_uri=/a&target_link_uri=/b", "login_hint=a&login_hint=b", "q=a&q=b"} {
				if got := h.get(browser, "/sso/login?"+query); got.status != http.StatusBadRequest {
					t.Errorf("login with %s = %d, want 400", query, got.status)
				}
			}
			if calls := h.centre.Calls(tenantA); calls.Token != 0 {
				t.Errorf("%d token calls, want none", calls.Token)
			}
			h.get(browser, back) // none of it used the attempt up
			h.wantSubject(browser, tenantA+"/li.si")
		}},
		{"mod_auth_openidc, ChangeLog 2025: login that chooses its own scopes", func(t *testing.T, h *house) {
			want, err := url.Parse(h.start(ssotest.Browser(t), tenantA, "/"))
			if err != nil {
				t.Fatal(err)
			}
			more := url.Values{
				"scope": {"openid admin offline_access"}, "prompt": {"none"}, "client_id": {"other"}, "redirect_uri": {"https://evil.example/"}, "response_type": {"token"},
				"response_mode": {"fragment"}, "state": {"x"}, "nonce": {"x"}, "code_challenge": {"x"}, "claims": {"{}"}, "request": {"eyJ"}, "acr_values": {"0"}, "max_age": {"1"}, "id_token_hint": {"eyJ"},
			}
			for _, first := range []string{"tenant=" + tenantA, "iss=" + url.QueryEscape(h.centre.Domain(tenantA)+"/api/v1/oauth2")} {
				got := h.get(ssotest.Browser(t), "/sso/login?"+first+"&"+more.Encode())
				if got.location == nil {
					t.Fatalf("login = %d", got.status)
				}
				asked, wanted := got.location.Query(), want.Query()
				for _, q := range []url.Values{asked, wanted} {
					if len(q["state"]) != 1 || len(q.Get("state")) != 64 {
						t.Errorf("state = %q", q["state"])
					}
					q.Del("state")
				}
				if asked.Encode() != wanted.Encode() {
					t.Errorf("authorize is asked for %v, want %v", asked, wanted)
				}
			}
		}},
		{"CVE-2023-44469: address to fetch in a parameter", func(t *testing.T, h *house) {
			var asked atomic.Int32
			canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
			t.Cleanup(canary.Close)
			o := oidcHouse(t, h.centre.Domain(tenantA)+"/api/v1/oauth2", nil)
			for _, house := range []*house{h, o} {
				for _, name := range []string{"request_uri", "iss", "tenant", "target_link_uri", "login_hint", "sector_identifier_uri", "jku", "registration", "logo_uri", "domain"} {
					house.get(ssotest.Browser(t), "/sso/login?"+url.Values{name: {canary.URL}}.Encode())
					house.get(ssotest.Browser(t), "/sso/login?"+url.Values{"tenant": {tenantA}, name + "x": {canary.URL}, name: {canary.URL}}.Encode())
					house.get(ssotest.Browser(t), "/sso/callback?"+url.Values{"code": {"x"}, name: {canary.URL}}.Encode())
					house.get(ssotest.Browser(t), "/sso/logout?"+url.Values{name: {canary.URL}}.Encode())
				}
			}
			if asked.Load() != 0 {
				t.Errorf("a stranger's address was asked %d times", asked.Load())
			}
		}},
		{"CVE-2021-32786: where a logout leads", func(t *testing.T, h *house) {
			browser := signedInBrowser(t, h)
			got := h.get(browser, "/sso/logout?logout=https://evil.example&redirect_url=https://evil.example&post_logout_redirect_uri=https://evil.example")
			want := h.centre.Domain(tenantA) + "/api/v1/logout?redirect_url=" + url.QueryEscape(h.url+"/sso/signed-out")
			if got.header.Get("Location") != want {
				t.Errorf("logout leads to %q, want %q", got.header.Get("Location"), want)
			}
		}},
		{"CVE-2021-32792: script in what pages show", func(t *testing.T, h *house) {
			const script = `"><script>alert(1)</script><a href="javascript:alert(1)`
			h.PutTenant(t, sso.Tenant{ID: "xss", Code: script, Name: script, Domain: "https://auth.example", Live: true})
			h.PutCredential(t, "xss", sso.Credential{App: appID, ClientID: script, Secret: "s", Live: true})
			value := url.QueryEscape(script)
			browser := ssotest.Browser(t)
			for _, path := range []string{
				"/sso/login?q=" + value, "/sso/login?q=script", "/sso/login?tenant=" + value, "/sso/login?iss=" + value, "/sso/login?return=" + value, "/sso/login?login_hint=" + value, "/sso/callback?error=" + value + "&error_description=" + value,
				"/sso/callback?code=" + value + "&state=" + value, "/sso/callback?code=x&tenant=" + value, "/sso/signed-out?x=" + value, "/sso/" + value, "/sso/logout?x=" + value, "/desk?" + value, "/" + value,
			} {
				got := h.get(browser, path)
				if strings.Contains(got.body, "<script") || strings.Contains(got.body, `href="javascript:`) || strings.Contains(got.header.Get("Location"), "<") {
					t.Errorf("%s = %d to %q\n%s", path, got.status, got.header.Get("Location"), got.body)
				}
				if policy := got.header.Get("Content-Security-Policy"); strings.Contains(got.header.Get("Content-Type"), "html") && (!strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe")) {
					t.Errorf("%s has the policy %q", path, policy)
				}
			}
		}},
		{"CVE-2021-32785: format strings", func(t *testing.T, h *house) {
			const format = "%s%n%d%!v(MISSING)%v{{.}}${x}"
			h.centre.PutUser(tenantA, ssotest.User{UserName: format, Password: "pw", Name: format, Role: format, OrgCode: format})
			h.PutAccount(t, tenantA, appID, format, sso.Account{Status: sso.AccountActive})
			browser := ssotest.Browser(t)
			h.signIn(browser, tenantA, format, "pw")
			h.wantSubject(browser, tenantA+"/"+format)
			if _, me := h.me(browser); me["name"] != format || me["role"] != "user" || me["organizationCode"] != format {
				t.Errorf("/sso/me = %v", me)
			}
		}},
		{"mod_auth_openidc, ChangeLog 2025: decompression bomb", func(t *testing.T, _ *house) {
			var bomb bytes.Buffer
			zip := gzip.NewWriter(&bomb)
			_, _ = zip.Write(bytes.Repeat([]byte(" "), 16<<20))
			_, _ = io.WriteString(zip, `{"access_token":"x","userName":"zhang.san"}`)
			_ = zip.Close()
			for _, path := range []string{"/token", "/userinfo"} {
				var asked atomic.Value
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !strings.HasSuffix(r.URL.Path, path) {
						_, _ = io.WriteString(w, `{"access_token":"x"}`)
						return
					}
					asked.Store(r.Header.Get("Accept-Encoding"))
					w.Header().Set("Content-Encoding", "gzip")
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write(bomb.Bytes())
				}))
				t.Cleanup(server.Close)
				h := newHouse(t, nil)
				h.PutTenant(t, sso.Tenant{ID: tenantA, Domain: server.URL, Live: true})
				browser := ssotest.Browser(t)
				began := time.Now()
				got := h.get(browser, "/sso/callback?code=x&state="+stateOf(t, h.start(browser, tenantA, "/")))
				if on := shownOn(got.body); got.status != http.StatusBadGateway || !strings.HasSuffix(on.check, ".form") || asked.Load() != "" {
					t.Errorf("%s in gzip (asked for %q) = %d, %+v", path, asked.Load(), got.status, on)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("%s in gzip took %v", path, took)
				}
				h.wantSubject(browser, "")
			}
		}},
		{"CVE-2025-24358: form of a page without TLS", func(t *testing.T, _ *house) {
			h := newHouse(t, func(c *sso.Config) { c.PublicURL = "https://app.example" })
			for name, tt := range map[string]struct {
				headers []string
				want    int
			}{
				"our own page":                        {[]string{"Origin", "https://app.example"}, http.StatusSeeOther},
				"our own page, by a browser of today": {[]string{"Origin", "null", "Sec-Fetch-Site", "same-origin"}, http.StatusSeeOther},
				"a program":                           {nil, http.StatusSeeOther},
				"the same host without TLS":           {[]string{"Origin", "http://app.example"}, http.StatusBadRequest},
				"another port":                        {[]string{"Origin", "https://app.example:8443"}, http.StatusBadRequest},
				"another site":                        {[]string{"Origin", "https://evil.example"}, http.StatusBadRequest},
				"nobody knows which":                  {[]string{"Origin", "null"}, http.StatusBadRequest},
				"a sibling":                           {[]string{"Origin", "https://x.app.example", "Sec-Fetch-Site", "same-site"}, http.StatusBadRequest},
				"another site, by Sec-Fetch-Site":     {[]string{"Sec-Fetch-Site", "cross-site"}, http.StatusBadRequest},
			} {
				got := h.rawHost("app.example", "POST", "/sso/logout", append(tt.headers, "Content-Length", "0")...)
				if got.status != tt.want {
					t.Errorf("logout by a form of %s = %d, want %d", name, got.status, tt.want)
				}
			}
		}},
		{"logout by a picture", func(t *testing.T, h *house) {
			for name, headers := range map[string][]string{
				"a picture of another site":        {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
				"a picture on a page of ours":      {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
				"a link of a sibling":              {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
				"a link of another site, formerly": {"Referer", "https://evil.example/"},
				"a prefetch":                       {"Sec-Fetch-Site", "same-origin", "Sec-Purpose", "prefetch"},
			} {
				browser := signedInBrowser(t, h)
				h.get(browser, "/sso/logout", headers...)
				if got := h.raw("GET", "/sso/me", "Cookie", h.cookieOf(browser)); got.status != http.StatusOK {
					t.Errorf("%s signed somebody out: %d", name, got.status)
				}
			}
		}},
		{"A. every address of ours is sent as it was judged", func(t *testing.T, h *house) {
			// A cleaning router would make an address of another host of these.
			for _, path := range []string{`/sso/x/../..//evil.example`, `/sso/../\evil.example`, "/sso/..//evil.example/", "/sso/%2e%2e/%2fevil.example", "/sso//evil.example", "/sso/%2e%2e%5cevil.example", "/sso/../%5cevil.example", "/sso/..;//evil.example"} {
				got := h.raw("GET", path, "Accept", "text/html")
				if location := got.header.Get("Location"); location != "" && leaves(h.url, location) {
					t.Errorf("%s leads to %q", path, location)
				}
			}
		}},
	}
}
