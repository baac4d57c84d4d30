package sso_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutToken signs a logout token for client-a and u1, changed by change.
func (o *hostile) logoutToken(h *house, change func(*hostile)) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := h.clock.now()
	o.header = map[string]any{"alg": "RS256", "kid": "k1", "typ": "logout+jwt"}
	o.claims = map[string]any{
		"iss": o.URL, "sub": "u1", "aud": "client-a", "exp": now.Add(2 * time.Minute).Unix(), "iat": now.Unix(), "jti": "j-1",
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	o.bend, o.payload, o.hmacKey = nil, "", nil
	if change != nil {
		change(o)
	}
	return o.sign()
}

// backchannel posts a logout token as an auth centre does.
func (h *house) backchannel(form url.Values, contentType ...string) reply {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url+"/sso/backchannel-logout", strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header["Content-Type"] = append(contentType, "application/x-www-form-urlencoded")
	resp, err := ssotest.Browser(h.t).Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: string(body)}
}

// TestBackchannelLogoutTokens goes through the modules of the conformance suite's back-channel logout and further faults: what is
// good ends the session, and nothing else does.
func TestBackchannelLogoutTokens(t *testing.T) {
	t.Parallel()
	set := func(name string, value any) func(*hostile) {
		return func(o *hostile) {
			if value == nil {
				delete(o.claims, name)
				return
			}
			o.claims[name] = value
		}
	}
	head := func(name string, value any) func(*hostile) { return func(o *hostile) { o.header[name] = value } }
	late := func(name string, d time.Duration) func(*hostile) {
		return func(o *hostile) { o.claims[name] = o.claims["iat"].(int64) + int64(d/time.Second) }
	}
	for _, tt := range []struct {
		name   string
		change func(*hostile)
		good   bool
	}{
		{"rp-backchannel-rpinitlogout", nil, true},
		{"typ is JWT", head("typ", "JWT"), true},
		{"typ is absent", func(o *hostile) { delete(o.header, "typ") }, true},
		{"aud is an array", set("aud", []string{"other", "client-a"}), true},
		{"sid unknown to us", set("sid", "s-9"), true},
		{"alg-none", head("alg", "none"), false},
		{"wrong-alg", func(o *hostile) { o.header["alg"] = "HS256"; o.hmacKey = []byte(secretA) }, false},
		{"wrong signature", func(o *hostile) { o.signWith = newKey(t) }, false},
		{"no-event", set("events", nil), false},
		{"wrong-event", set("events", map[string]any{"http://example.com/event": map[string]any{}}), false},
		{"event is null", set("events", map[string]any{logoutEvent: nil}), false},
		{"event is a text", set("events", map[string]any{logoutEvent: "yes"}), false},
		{"events is a list", set("events", []string{logoutEvent}), false},
		{"with-nonce", set("nonce", "n"), false},
		{"wrong-aud", set("aud", "other"), false},
		{"missing aud", set("aud", nil), false},
		{"wrong-iss", set("iss", "https://evil.example"), false},
		{"missing iss", set("iss", nil), false},
		{"missing iat", set("iat", nil), false},
		{"iat two years ago", late("iat", -2*365*24*time.Hour), false},
		{"iat in the future", late("iat", time.Hour), false},
		{"missing exp", set("exp", nil), false},
		{"expired", late("exp", -2*time.Minute), false},
		{"missing jti", set("jti", nil), false},
		{"jti is empty", set("jti", ""), false},
		{"neither sub nor sid", set("sub", nil), false},
		{"sub is a number", set("sub", 1), false},
		{"typ of an access token", head("typ", "at+jwt"), false},
		{"an ID token", func(o *hostile) {
			delete(o.claims, "events")
			o.claims["nonce"], o.header["typ"] = "n", "JWT"
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			h := oidcHouse(t, o.URL, nil)
			browser := ssotest.Browser(t)
			o.signIn(h, browser, nil)
			h.wantSubject(browser, tenantA+"/zhang.san")
			got := h.backchannel(url.Values{"logout_token": {o.logoutToken(h, tt.change)}})
			want, subject := http.StatusBadRequest, tenantA+"/zhang.san"
			if tt.good {
				want, subject = http.StatusOK, ""
			}
			if got.status != want || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("logout = %d, Cache-Control %q, want %d and no-store\n%s", got.status, got.header.Get("Cache-Control"), want, h.log)
			}
			h.clock.advance(sso.DecisionAge)
			h.wantSubject(browser, subject)
			if strings.Contains(h.log.String(), "u1") || strings.Contains(h.log.String(), "j-1") || strings.Contains(h.log.String(), "eyJ") {
				t.Errorf("the log holds the token or whom it is about:\n%s", h.log)
			}
		})
	}
}

// TestBackchannelLogoutRequests: what is not one token in a form is refused whatever the token is, and none of it uses it up.
func TestBackchannelLogoutRequests(t *testing.T) {
	t.Parallel()
	o := newHostile(t)
	h := oidcHouse(t, o.URL, nil)
	browser := ssotest.Browser(t)
	o.signIn(h, browser, nil)
	token := o.logoutToken(h, nil)
	doubled := strings.Replace(token, ".", ".e30.", 1)
	for name, got := range map[string]reply{
		"twice":          h.backchannel(url.Values{"logout_token": {token, token}}),
		"empty":          h.backchannel(url.Values{}),
		"content type":   h.backchannel(url.Values{"logout_token": {token}}, "text/plain"),
		"1 MB":           h.backchannel(url.Values{"logout_token": {token}, "x": {strings.Repeat("x", 1<<20)}}),
		"in the query":   h.do(ssotest.Browser(t), http.MethodPost, "/sso/backchannel-logout?"+url.Values{"logout_token": {token}}.Encode(), url.Values{}),
		"four parts":     h.backchannel(url.Values{"logout_token": {doubled}}),
		"a million dots": h.backchannel(url.Values{"logout_token": {"eyJ" + strings.Repeat(".", 60000)}}),
	} {
		if got.status != http.StatusBadRequest {
			t.Errorf("%s: logout = %d, want 400", name, got.status)
		}
	}
	if got := h.get(ssotest.Browser(t), "/sso/backchannel-logout?"+url.Values{"logout_token": {token}}.Encode()); got.status != http.StatusMethodNotAllowed && got.status != http.StatusNotFound {
		t.Errorf("GET = %d, want a refusal", got.status)
	}
	h.wantSubject(browser, tenantA+"/zhang.san")

	// A store that fails says no, and the auth centre may say it again.
	h.setFault(errors.New("disk"))
	if got := h.backchannel(url.Values{"logout_token": {token}}); got.status != http.StatusBadRequest || !strings.Contains(got.body, "temporarily_unavailable") {
		t.Errorf("with a failing store: %d %s, want 400 that says it is temporary", got.status, got.body)
	}
	h.setFault(nil)
	if got := h.backchannel(url.Values{"logout_token": {token}}); got.status != http.StatusOK {
		t.Errorf("logout = %d, want 200\n%s", got.status, h.log)
	}
	// The same token ends nothing a second time.
	again := ssotest.Browser(t)
	o.signIn(h, again, nil)
	if got := h.backchannel(url.Values{"logout_token": {token}}); got.status != http.StatusBadRequest {
		t.Errorf("replay = %d, want 400", got.status)
	}
	h.clock.advance(sso.DecisionAge)
	h.wantSubject(again, tenantA+"/zhang.san")
}

// TestBackchannelLogoutEndsAllSessionsOfASubject, in this tenant: two tenants at one issuer have one client each, and the word for one
// client does not reach the other's people, though the subject has the same name.
func TestBackchannelLogoutEndsAllSessionsOfASubject(t *testing.T) {
	t.Parallel()
	o := newHostile(t)
	h := oidcHouse(t, o.URL, nil)
	h.PutTenant(t, sso.Tenant{ID: tenantB, Issuer: o.URL, Live: true})
	browsers := []*http.Client{ssotest.Browser(t), ssotest.Browser(t), ssotest.Browser(t)}
	for i, sid := range []string{"s-1", "s-2", ""} {
		o.signIn(h, browsers[i], func(o *hostile, _ url.Values) {
			o.claims = maps.Clone(o.claims)
			if sid != "" {
				o.claims["sid"] = sid
			}
			o.userinfo["sid"] = "s-of-userinfo" // names nothing
		})
		h.wantSubject(browsers[i], tenantA+"/zhang.san")
	}
	jti := 0
	say := func(change func(*hostile)) {
		t.Helper()
		jti++
		token := o.logoutToken(h, func(o *hostile) { o.claims["jti"] = string(rune('a' + jti)); change(o) })
		if got := h.backchannel(url.Values{"logout_token": {token}}); got.status != http.StatusOK {
			t.Fatalf("logout = %d, want 200\n%s", got.status, h.log)
		}
		h.clock.advance(sso.DecisionAge)
	}
	say(func(o *hostile) { o.claims["aud"] = "client-b" })
	say(func(o *hostile) { o.claims["sub"], o.claims["sid"] = "somebody-else", "s-1" })
	say(func(o *hostile) { delete(o.claims, "sub"); o.claims["sid"] = "s-of-userinfo" })
	for _, browser := range browsers {
		h.wantSubject(browser, tenantA+"/zhang.san")
	}
	say(func(o *hostile) { delete(o.claims, "sub"); o.claims["sid"] = "s-2" })
	h.wantSubject(browsers[0], tenantA+"/zhang.san")
	h.wantSubject(browsers[1], "")
	h.wantSubject(browsers[2], tenantA+"/zhang.san")
	say(func(*hostile) {})
	for _, browser := range browsers {
		h.wantSubject(browser, "")
	}
}

// TestBackchannelLogoutIsOfProfileOIDC: the other profiles know no logout tokens.
func TestBackchannelLogoutIsOfProfileOIDC(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	if got := h.backchannel(url.Values{"logout_token": {"x"}}); got.status != http.StatusNotFound {
		t.Errorf("POST /sso/backchannel-logout = %d, want 404", got.status)
	}
}

// FuzzBackchannelLogout: whatever strangers post, it is 400.
func FuzzBackchannelLogout(f *testing.F) {
	m := newMemory()
	c := config(f, m, time.Now)
	c.Settings = sso.DefaultSettings(sso.ProfileOIDC)
	handler := newRP(f, c).Handler()
	header, _ := json.Marshal(map[string]string{"alg": "none"})
	for _, seed := range []string{"logout_token=a.b.c", "logout_token=" + string(header), "logout_token=e30.e30.e30", "%", "logout_token=eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2EuZXhhbXBsZSJ9."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://app.example/sso/backchannel-logout", io.NopCloser(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := &statusWriter{header: http.Header{}}
		if handler.ServeHTTP(w, r); w.status != http.StatusBadRequest {
			t.Errorf("%q = %d, want 400", body, w.status)
		}
	})
}

type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header         { return w.header }
func (w *statusWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *statusWriter) WriteHeader(status int)      { w.status = status }
