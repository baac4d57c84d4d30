package sso_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
	"github.com/kitbridge/kitbridge/templates"
)

const (
	tenantA = "3f0c9a51e2b94d6c8f7a10b2c3d4e5f6"
	tenantB = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
	appID   = "kitapp"
	secretA = "s3cr3t-A-of-tenant+a/="
)

// clock is a clock that tests turn.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// lockedBuffer is where the log goes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// house is a product behind its sign-in, two buyers, and their auth centre.
type house struct {
	*memory
	t      *testing.T
	clock  *clock
	log    *lockedBuffer
	centre *ssotest.Centre
	rp     *sso.RelyingParty
	config sso.Config // of rp
	url    string

	secretMu sync.Mutex
	secrets  []string // under secretMu: what the log must never hold

	proxyOnce sync.Once
	proxyURL  string // of a server with the reverse proxy before echo
}

// proxied is the address of a reverse proxy with the product behind it.
func (h *house) proxied() string {
	h.proxyOnce.Do(func() {
		product := httptest.NewServer(http.HandlerFunc(echo))
		h.t.Cleanup(product.Close)
		h.proxyURL = h.proxyTo(product.URL)
	})
	return h.proxyURL
}

// proxyTo starts a reverse proxy before a product until the test ends.
func (h *house) proxyTo(product string) string {
	h.t.Helper()
	u, err := url.Parse(product)
	if err != nil {
		h.t.Fatal(err)
	}
	server := httptest.NewServer(h.rp.Proxy(u))
	h.t.Cleanup(server.Close)
	return server.URL
}

func ring() [][]byte { return [][]byte{bytes.Repeat([]byte{7}, 32)} }

func user(name, password, shown, role string) ssotest.User {
	return ssotest.User{UserName: name, Password: password, Name: shown, Role: role, OrgCode: "10000", Email: name + "@example.com", Mobile: "13800000000"}
}

// newHouse starts everything. change may alter the configuration.
func newHouse(t *testing.T, change func(*sso.Config)) *house {
	t.Helper()
	h := &house{memory: newMemory(), t: t, clock: &clock{at: time.Now().Truncate(time.Second)}, log: &lockedBuffer{}}
	t.Cleanup(h.checkLog)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/sso/") {
			h.rp.Handler().ServeHTTP(w, r)
			return
		}
		h.rp.Require(http.HandlerFunc(echo)).ServeHTTP(w, r)
	}))
	h.url = "http://" + server.Listener.Addr().String()
	callback := h.url + "/sso/callback"
	client := func(id, secret string) []ssotest.Client {
		return []ssotest.Client{{AppID: appID, ID: id, Secret: secret, RedirectURIs: []string{callback}}}
	}
	h.centre = ssotest.Start(t, ssotest.Config{Now: h.clock.now, SigningKey: firstKey(), Tenants: []ssotest.Tenant{
		{ID: tenantA, Code: "chenguang", Name: "晨光制造", Clients: client("client-a", secretA), Users: []ssotest.User{
			user("zhang.san", "pw1", "张三", "admin"), user("li.si", "pw2", "李四", "user"), user("%61dmin", "pw3", "", "user"),
		}},
		{ID: tenantB, Code: "yuanhang", Name: "远航物流", Clients: client("client-b", "secret-b"), Users: []ssotest.User{
			user("zhang.san", "pw9", "张三丰", "user"),
		}},
	}})
	for id, name := range map[sso.TenantID][3]string{
		tenantA: {"chenguang", "晨光制造", "client-a:" + secretA}, tenantB: {"yuanhang", "远航物流", "client-b:secret-b"},
	} {
		clientID, secret, _ := strings.Cut(name[2], ":")
		h.PutTenant(t, sso.Tenant{ID: id, Code: name[0], Name: name[1], Domain: h.centre.Domain(string(id)), Live: true})
		h.PutCredential(t, id, sso.Credential{App: appID, ClientID: clientID, Secret: sso.Secret(secret), Live: true})
	}
	h.put(tenantA, "zhang.san", sso.AccountActive, sso.RoleAdmin)
	h.put(tenantA, "li.si", sso.AccountActive, sso.RoleUser)
	h.put(tenantA, "%61dmin", sso.AccountActive, sso.RoleUser)
	h.put(tenantB, "zhang.san", sso.AccountActive, sso.RoleUser)

	settings := sso.DefaultSettings(sso.ProfileKit)
	settings.App = appID
	settings.AllowInsecureAuthCentres = true
	settings.UnifiedLoginURL = h.centre.UnifiedLoginURL()
	settings.Timeout = 2 * time.Second
	pages, err := templates.New()
	if err != nil {
		t.Fatal(err)
	}
	c := sso.Config{
		PublicURL: h.url, Settings: settings, Keys: ring(),
		Tenants: h.memory, Credentials: h.memory, Accounts: h.memory, Sessions: h.memory,
		Pages: pages, Logger: slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: h.clock.now,
	}
	if change != nil {
		change(&c)
	}
	h.config = c
	if h.rp, err = sso.New(c); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return h
}

func (h *house) put(tenant sso.TenantID, user sso.UserName, status sso.AccountStatus, role sso.Role) {
	h.PutAccount(h.t, tenant, appID, user, sso.Account{Status: status, Role: role, Profile: sso.Profile{Name: "synced " + string(user), OrgCode: "10000"}})
}

// echo is the product: it answers with the headers it got.
func echo(w http.ResponseWriter, r *http.Request) {
	id, ok := sso.FromContext(r.Context())
	_ = json.NewEncoder(w).Encode(map[string]any{"header": r.Header, "trailer": r.Trailer, "uri": r.RequestURI, "host": r.Host, "subject": id.Subject(), "ok": ok})
}

// reply is an answer with its body read.
type reply struct {
	status   int
	header   http.Header
	body     string
	location *url.URL
}

// get asks for an address or path with a browser's navigation headers, plus pairs of further headers.
func (h *house) get(browser *http.Client, address string, headers ...string) reply {
	h.t.Helper()
	return h.do(browser, http.MethodGet, address, nil, append([]string{"Accept", "text/html"}, headers...)...)
}

func (h *house) do(browser *http.Client, method, address string, form url.Values, headers ...string) reply {
	h.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = h.url + address
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(h.t.Context(), method, address, body)
	if err != nil {
		h.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	resp, err := browser.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	h.hideRequest(r)
	h.hideAnswer(resp)
	location, _ := resp.Location()
	return reply{resp.StatusCode, resp.Header, string(text), location}
}

// start begins a sign-in and returns the address of the authorize page.
func (h *house) start(browser *http.Client, tenant, returnTo string, headers ...string) string {
	h.t.Helper()
	got := h.get(browser, "/sso/login?"+url.Values{"tenant": {tenant}, "return": {returnTo}}.Encode(), headers...)
	if got.status != http.StatusFound || got.location == nil {
		h.t.Fatalf("login = %d, want a redirect\n%s", got.status, got.body)
	}
	return got.location.String()
}

// authorize signs in at the auth centre and returns the callback address, unopened.
func (h *house) authorize(browser *http.Client, address, name, password string) string {
	h.t.Helper()
	back, err := h.centre.SignIn(h.t.Context(), browser, address, name, password)
	if err != nil {
		h.t.Fatalf("sign in at the auth centre: %v", err)
	}
	return back
}

// signIn does the whole of it, and returns the callback's answer.
func (h *house) signIn(browser *http.Client, tenant, name, password string) reply {
	h.t.Helper()
	return h.get(browser, h.authorize(browser, h.start(browser, tenant, "/desk?a=1"), name, password))
}

// me returns the status and the decoded answer of /sso/me.
func (h *house) me(browser *http.Client) (int, map[string]string) {
	h.t.Helper()
	got := h.do(browser, http.MethodGet, "/sso/me", nil)
	var me map[string]string
	if err := json.Unmarshal([]byte(got.body), &me); err != nil {
		h.t.Fatalf("/sso/me is no JSON: %v\n%s", err, got.body)
	}
	return got.status, me
}

// wantSubject checks who the browser is signed in as; empty = nobody.
func (h *house) wantSubject(browser *http.Client, want string) {
	h.t.Helper()
	status, me := h.me(browser)
	if got := me["sub"]; got != want || want == "" && status != http.StatusUnauthorized {
		h.t.Errorf("/sso/me = %d, subject %q, want %q", status, got, want)
	}
}

// cookieOf is the Cookie header of a browser's session.
func (h *house) cookieOf(browser *http.Client) string {
	h.t.Helper()
	u, err := url.Parse(h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, c := range browser.Jar.Cookies(u) {
		if c.Name == "kitbridge-"+u.Port() {
			return c.Name + "=" + c.Value
		}
	}
	h.t.Fatal("no session cookie")
	return ""
}

// cookies is the Cookie header of a browser.
func (h *house) cookies(browser *http.Client) string {
	h.t.Helper()
	u, err := url.Parse(h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	var all []string
	for _, c := range browser.Jar.Cookies(u) {
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; ")
}
