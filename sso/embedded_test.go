package sso_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
	"github.com/kitbridge/kitbridge/templates"
)

const embeddedOrigin = "https://app.example"

// framed is a relying party for frames, on https.
type framed struct {
	*memory
	t      *testing.T
	rp     *sso.RelyingParty
	centre *ssotest.Centre
}

func newFramed(t *testing.T) *framed {
	t.Helper()
	m := newMemory()
	c := config(t, m, time.Now)
	c.Settings.App, c.Settings.Embedded, c.Settings.AllowInsecureAuthCentres = appID, true, true
	c.Settings.Rules = []sso.Rule{{Path: "/public", Allow: sso.Allow{Public: true}}}
	c.TrustedProxies = loopback()
	f := &framed{memory: m, t: t, rp: newRP(t, c)}
	f.centre = ssotest.Start(t, ssotest.Config{Now: time.Now, SigningKey: firstKey(), Tenants: []ssotest.Tenant{{
		ID: tenantA, Code: "chenguang", Name: "晨光制造", Users: []ssotest.User{user("zhang.san", "pw1", "张三", "admin")},
		Clients: []ssotest.Client{{AppID: appID, ID: "client-a", Secret: secretA, RedirectURIs: []string{embeddedOrigin + "/sso/callback"}}},
	}}})
	f.PutTenant(t, sso.Tenant{ID: tenantA, Code: "chenguang", Name: "晨光制造", Domain: f.centre.Domain(tenantA), Live: true})
	f.PutCredential(t, tenantA, sso.Credential{App: appID, ClientID: "client-a", Secret: secretA, Live: true})
	f.PutAccount(t, tenantA, appID, "zhang.san", sso.Account{Status: sso.AccountActive, Role: sso.RoleAdmin})
	return f
}

// frame is what browsers say of a frame that another site's page leads to one of ours.
func frame() []string {
	return []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}
}

// ask sends a request through the middleware or to our own pages. headers are pairs.
func (f *framed) ask(method, target, cookie string, headers ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), method, embeddedOrigin+target, http.NoBody)
	r.Header.Set("Accept", "text/html")
	r.RemoteAddr, r.RequestURI = "127.0.0.1:1", target
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	if strings.HasPrefix(target, "/sso/") {
		f.rp.Handler().ServeHTTP(w, r)
	} else {
		f.rp.Require(http.HandlerFunc(echo)).ServeHTTP(w, r)
	}
	return w
}

// signIn signs in inside a frame, step by step as browsers do, and returns the answer of the callback.
func (f *framed) signIn(cookie string) *httptest.ResponseRecorder {
	f.t.Helper()
	began := f.ask("GET", "/sso/login?tenant="+tenantA+"&return=/desk", cookie, frame()...)
	back, err := f.centre.SignIn(f.t.Context(), ssotest.Browser(f.t), began.Header().Get("Location"), "zhang.san", "pw1")
	if err != nil {
		f.t.Fatal(err)
	}
	u := mustParse(f.t, back)
	attempts := cookieHeader(began.Result().Cookies())
	if cookie != "" {
		attempts += "; " + cookie
	}
	w := f.ask("GET", u.RequestURI(), attempts, frame()...)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/desk" {
		f.t.Fatalf("callback in a frame = %d to %s\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
	return w
}

func TestEmbeddedCookies(t *testing.T) {
	t.Parallel()
	f := newFramed(t)
	w := f.ask("GET", "/desk", "", frame()...)
	if w.Code != http.StatusFound || w.Header().Get("Location") != embeddedOrigin+"/sso/login?return=%2Fdesk" {
		t.Fatalf("a frame without a session = %d to %s, want to sign in", w.Code, w.Header().Get("Location"))
	}
	for _, w := range []*httptest.ResponseRecorder{f.ask("GET", "/sso/login?tenant="+tenantA, "", frame()...), f.signIn("")} {
		n := 0
		for _, c := range w.Result().Cookies() {
			if c.Name == "__Host-kitbridge" && c.MaxAge < 0 {
				continue // the one of before, which was another
			}
			n++
			if !c.Secure || !c.HttpOnly || !c.Partitioned || c.SameSite != http.SameSiteNoneMode || c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-kitbridge") {
				t.Errorf("cookie %s is not for frames: %s", c.Name, c.Raw)
			}
		}
		if n == 0 {
			t.Error("no cookie at all")
		}
	}
	c := config(t, newMemory(), time.Now)
	c.PublicURL, c.Settings.Embedded = "http://app.example", true
	if _, err := sso.New(c); err == nil || !strings.Contains(err.Error(), "embedded: needs an https public_url") {
		t.Errorf("New over http = %v, want a fault", err)
	}
}

// TestEmbeddedTwins: the session cookie of the other setting is another cookie for the browser, which sends both; it ends where a
// session begins or ends.
func TestEmbeddedTwins(t *testing.T) {
	t.Parallel()
	f := newFramed(t)
	twins := func(w *httptest.ResponseRecorder) (list []string) {
		for _, c := range w.Result().Cookies() {
			if c.Name == "__Host-kitbridge" {
				kind := map[bool]string{true: "partitioned", false: "plain"}[c.Partitioned]
				list = append(list, kind+map[bool]string{true: " ends", false: " set"}[c.MaxAge < 0])
			}
		}
		return list
	}
	in := f.signIn("")
	if diff := cmp.Diff([]string{"plain ends", "partitioned set"}, twins(in)); diff != "" {
		t.Errorf("sign-in (-want +got)\n%s", diff)
	}
	out := f.ask("POST", "/sso/logout", sessionOf(in), "Sec-Fetch-Site", "same-origin")
	if diff := cmp.Diff([]string{"plain ends", "partitioned ends"}, twins(out)); diff != "" {
		t.Errorf("logout (-want +got)\n%s", diff)
	}
	// Back to cookies that are not for frames: two different values are believed to be nobody's, until the next sign-in.
	c := config(t, f.memory, time.Now)
	c.Settings.App, c.Settings.AllowInsecureAuthCentres = appID, true
	f.rp = newRP(t, c)
	two := "__Host-kitbridge=" + strings.Repeat("a", 43) + "; __Host-kitbridge=" + strings.Repeat("b", 43)
	if diff := cmp.Diff([]string{"partitioned ends", "plain set"}, twins(f.signIn(two))); diff != "" {
		t.Errorf("sign-in with both, frames off (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"plain set"}, twins(f.signIn(""))); diff != "" {
		t.Errorf("sign-in, frames off (-want +got)\n%s", diff)
	}
}

// sessionOf is the session cookie that an answer sets.
func sessionOf(w *httptest.ResponseRecorder) string {
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-kitbridge" && c.Value != "" {
			return c.Name + "=" + c.Value
		}
	}
	return ""
}

// TestEmbeddedReach: what SameSite=Lax kept other sites' pages from is decided as nobody's, on every face.
func TestEmbeddedReach(t *testing.T) {
	t.Parallel()
	f := newFramed(t)
	cookie := sessionOf(f.signIn(""))
	says := func(site, mode, dest, origin string) []string {
		var h []string
		for name, value := range map[string]string{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, "Origin": origin} {
			if value != "" {
				h = append(h, name, value)
			}
		}
		return h
	}
	const evil = "https://evil.example"
	for _, tt := range []struct {
		name, method string
		headers      []string
		in           bool
	}{
		{"a page of ours loads", "GET", says("same-origin", "navigate", "document", ""), true},
		{"typed", "GET", says("none", "navigate", "document", ""), true},
		{"a script of ours", "POST", says("same-origin", "cors", "empty", embeddedOrigin), true},
		{"a form of ours in a frame", "POST", says("same-origin", "navigate", "iframe", embeddedOrigin), true},
		{"a sibling host, as with Lax", "POST", says("same-site", "navigate", "document", "https://www.example"), true},
		{"another site frames a page", "GET", says("cross-site", "navigate", "iframe", ""), true},
		{"another site links to a page", "GET", says("cross-site", "navigate", "document", ""), true},
		{"another site looks at a page", "HEAD", says("cross-site", "navigate", "document", ""), true},
		{"another site posts a form", "POST", says("cross-site", "navigate", "document", evil), false},
		{"another site posts a form into a frame", "POST", says("cross-site", "navigate", "iframe", evil), false},
		{"a sandboxed frame posts", "POST", says("cross-site", "navigate", "iframe", "null"), false},
		{"another site's script", "GET", says("cross-site", "cors", "empty", evil), false},
		{"another site's script without CORS", "POST", says("cross-site", "no-cors", "empty", evil), false},
		{"another site's picture", "GET", says("cross-site", "no-cors", "image", ""), false},
		{"another site's WebSocket", "GET", says("cross-site", "websocket", "empty", evil), false},
		{"another site's deletion", "DELETE", says("cross-site", "cors", "empty", evil), false},
		{"an older browser loads a page", "GET", nil, true},
		{"an older browser posts ours", "POST", says("", "", "", embeddedOrigin), true},
		{"an older browser posts another site's", "POST", says("", "", "", evil), false},
		{"an older browser posts nobody's", "POST", says("", "", "", "null"), false},
		{"two origins", "POST", append(says("", "", "", embeddedOrigin), "Origin", evil), false},
		{"a program", "POST", nil, true},
		{"a new word", "POST", says("sideways", "navigate", "document", evil), false},
	} {
		want := map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[tt.in]
		subject := map[bool]string{true: tenantA + "/zhang.san"}[tt.in]
		got := f.ask(tt.method, "/orders", cookie, tt.headers...)
		if got.Code != want {
			t.Errorf("%s: middleware = %d, want %d", tt.name, got.Code, want)
		}
		if got = f.ask(tt.method, "/public", cookie, tt.headers...); got.Code != http.StatusOK || tt.method != "HEAD" && strings.Contains(got.Body.String(), "zhang.san") != tt.in {
			t.Errorf("%s: a public path = %d, names them: %t", tt.name, got.Code, !tt.in)
		}
		original := []string{"X-Original-Method", tt.method, "X-Original-Host", "app.example", "X-Original-Uri", "/orders"}
		forwarded := []string{"X-Forwarded-Method", tt.method, "X-Forwarded-Host", "app.example", "X-Forwarded-Uri", "/orders", "X-Forwarded-Proto", "https"}
		for face, w := range map[string]*httptest.ResponseRecorder{
			"auth-request": f.ask("GET", "/sso/authz/auth-request", cookie, append(original, tt.headers...)...),
			"forward-auth": f.ask("GET", "/sso/authz/forward-auth", cookie, append(forwarded, tt.headers...)...),
			"ext-authz":    f.ask(tt.method, "/sso/authz/ext-authz/orders", cookie, tt.headers...),
		} {
			if w.Code != want || w.Header().Get("X-Auth-Subject") != subject {
				t.Errorf("%s: %s = %d for %q, want %d for %q", tt.name, face, w.Code, w.Header().Get("X-Auth-Subject"), want, subject)
			}
		}
	}
}

// TestEmbeddedReachOfStrangers: a web server that is not listed is not believed what the method is; then only what reads for sure
// passes.
func TestEmbeddedReachOfStrangers(t *testing.T) {
	t.Parallel()
	f := newFramed(t)
	cookie := sessionOf(f.signIn(""))
	c := config(t, f.memory, time.Now)
	c.Settings.App, c.Settings.Embedded = appID, true
	f.rp = newRP(t, c)
	if w := f.ask("GET", "/sso/authz/auth-request", cookie, append(frame(), "X-Original-Method", "POST")...); w.Code != http.StatusOK {
		t.Errorf("a frame = %d, want 200", w.Code)
	}
	if w := f.ask("GET", "/sso/authz/auth-request", cookie, append(frame(), "Origin", "https://evil.example")...); w.Code != http.StatusUnauthorized {
		t.Errorf("a form that another site posts = %d, want 401", w.Code)
	}
}

// TestEmbeddedPages: another site's page can neither sign anybody out nor in, nor change who is signed in.
func TestEmbeddedPages(t *testing.T) {
	t.Parallel()
	f := newFramed(t)
	in := f.signIn("")
	cookie := sessionOf(in)
	began := f.ask("GET", "/sso/login?tenant="+tenantA, "", frame()...)
	attempt := cookieHeader(began.Result().Cookies())
	state := mustParse(t, began.Header().Get("Location")).Query().Get("state")
	hidden := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}
	post := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Origin", "https://evil.example"}
	for _, tt := range []struct {
		name, method, target, cookie string
		headers                      []string
		want                         int
	}{
		{"logout posted", "POST", "/sso/logout", cookie, post, 400},
		{"logout as a picture", "GET", "/sso/logout", cookie, hidden, 400},
		{"logout as a link or a frame", "GET", "/sso/logout", cookie, frame(), 200}, // a question
		{"login as a picture", "GET", "/sso/login?tenant=" + tenantA, cookie, hidden, 400},
		{"callback as a picture", "GET", "/sso/callback?code=c&state=" + state, attempt, hidden, 400},
		{"confirm posted", "POST", "/sso/confirm", cookie, post, 400},
		{"pending as a picture", "GET", "/sso/pending", cookie, hidden, 400},
		{"who is it", "GET", "/sso/me", cookie, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Origin", "https://evil.example"}, 401},
	} {
		w := f.ask(tt.method, tt.target, tt.cookie, tt.headers...)
		if w.Code != tt.want || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s = %d with cookies %v, want %d and none\n%s", tt.name, w.Code, w.Header()["Set-Cookie"], tt.want, w.Body)
		}
	}
	if w := f.ask("GET", "/sso/me", cookie, "Sec-Fetch-Site", "same-origin"); w.Code != http.StatusOK {
		t.Errorf("afterwards /sso/me = %d, want 200", w.Code)
	}
	if calls := f.centre.Calls(tenantA).Token; calls != 1 {
		t.Errorf("%d token calls, want that of the sign-in", calls)
	}
	// Another site frames a sign-in while somebody else is signed in: the question comes first.
	f.centre.PutUser(tenantA, user("li.si", "pw2", "李四", "user"))
	f.PutAccount(t, tenantA, appID, "li.si", sso.Account{Status: sso.AccountActive, Role: sso.RoleUser})
	began = f.ask("GET", "/sso/login?tenant="+tenantA, cookie, frame()...)
	back, err := f.centre.SignIn(t.Context(), ssotest.Browser(t), began.Header().Get("Location"), "li.si", "pw2")
	if err != nil {
		t.Fatal(err)
	}
	w := f.ask("GET", mustParse(t, back).RequestURI(), cookieHeader(began.Result().Cookies())+"; "+cookie, frame()...)
	if w.Header().Get("Location") != "/sso/confirm" || sessionOf(w) != "" {
		t.Errorf("a framed switch = %d to %s, want the question", w.Code, w.Header().Get("Location"))
	}
}

// TestFramesAreForEmbedded: where nobody may sign in inside frames, a frame without a session is told so and not redirected.
func TestFramesAreForEmbedded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	if got := h.get(ssotest.Browser(t), "/desk", frame()...); got.status != http.StatusUnauthorized {
		t.Errorf("a frame = %d, want 401", got.status)
	}
	pages, err := templates.New("https://portal.example", "https://*.centre.example")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := pages.SignedOut(w, templates.English, templates.SignedOutPage{SignIn: "/"}); err != nil {
		t.Fatal(err)
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "; frame-ancestors https://portal.example https://*.centre.example") || w.Header().Get("X-Frame-Options") != "" {
		t.Errorf("a page for frames has the policy %q and X-Frame-Options %q", policy, w.Header().Get("X-Frame-Options"))
	}
}
