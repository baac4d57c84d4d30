package sso_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	h.wantSubject(browser, "")

	authorize, err := url.Parse(h.start(browser, "chenguang", "/desk?a=1")) // by tenantCode
	if err != nil {
		t.Fatal(err)
	}
	q := authorize.Query()
	if state := q.Get("state"); len(state) != 64 || strings.Trim(state, "0123456789abcdef") != "" {
		t.Errorf("state = %q, want 64 hex digits", state)
	}
	q.Del("state")
	want := url.Values{"response_type": {"code"}, "client_id": {"client-a"}, "redirect_uri": {h.url + "/sso/callback"}, "scope": {"get_user_info"}}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Errorf("authorize request (-want +got)\n%s", diff)
	}

	got := h.get(browser, h.authorize(browser, authorize.String(), "zhang.san", "pw1"))
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/desk?a=1" {
		t.Fatalf("callback = %d to %q, want 303 to /desk?a=1\n%s", got.status, got.header.Get("Location"), got.body)
	}
	status, me := h.me(browser)
	wantMe := map[string]string{
		"sub": tenantA + "/zhang.san", "tenant": tenantA, "userName": "zhang.san", "name": "synced zhang.san", "role": "admin",
		"organizationCode": "10000", "email": "zhang.san@example.com", "mobile": "13800000000",
	}
	if diff := cmp.Diff(wantMe, me); status != http.StatusOK || diff != "" {
		t.Errorf("/sso/me = %d (-want +got)\n%s", status, diff)
	}
	calls := h.centre.Calls(tenantA)
	wantToken := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"client-a"}, "client_secret": {secretA}, "redirect_uri": {h.url + "/sso/callback"},
	}
	calls.LastToken.Del("code")
	if diff := cmp.Diff(wantToken, calls.LastToken); diff != "" || calls.Token != 1 || calls.Userinfo != 1 {
		t.Errorf("%d token calls, %d userinfo calls (-want +got)\n%s", calls.Token, calls.Userinfo, diff)
	}
}

func TestSessionIDIsNewAtEachSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	seen := map[string]bool{}
	for range 3 {
		h.signIn(browser, tenantA, "zhang.san", "pw1")
		got := h.do(browser, http.MethodGet, "/sso/authz/auth-request", nil)
		if id := got.header.Get("X-Auth-Session"); id == "" || seen[id] {
			t.Errorf("X-Auth-Session = %q, want a new one", id)
		} else {
			seen[id] = true
		}
	}
	if len(h.sessions) != 1 {
		t.Errorf("%d sessions are left, want only the last", len(h.sessions))
	}
}

func TestPlantedSessionIDIsWorthNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	u, _ := url.Parse(h.url)
	planted := &http.Cookie{Name: "kitbridge-" + u.Port(), Value: strings.Repeat("A", 43), Path: "/"}
	browser.Jar.SetCookies(u, []*http.Cookie{planted})
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	h.wantSubject(browser, tenantA+"/zhang.san")
	thief := ssotest.Browser(t)
	thief.Jar.SetCookies(u, []*http.Cookie{planted})
	h.wantSubject(thief, "")
}

func TestRoleIsTheLowerOfBoth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		synced sso.Role
		defect ssotest.Defect
		want   string
	}{
		{"both admin", sso.RoleAdmin, ssotest.NoDefect, "admin"},
		{"synced user", sso.RoleUser, ssotest.NoDefect, "user"},
		{"synced unknown", sso.RoleUnknown, ssotest.NoDefect, "admin"},
		{"auth centre says nothing", sso.RoleAdmin, ssotest.UserinfoSample, "admin"},
		{"neither says", sso.RoleUnknown, ssotest.UserinfoSample, "user"},
		{"auth centre says root", sso.RoleAdmin, ssotest.UserinfoRoleRoot, "user"},
		{"auth centre says Admin", sso.RoleAdmin, ssotest.UserinfoRoleCase, "user"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			h.put(tenantA, "zhang.san", sso.AccountActive, tt.synced)
			h.centre.SetDefect(tt.defect)
			browser := ssotest.Browser(t)
			h.signIn(browser, tenantA, "zhang.san", "pw1")
			if _, me := h.me(browser); me["role"] != tt.want {
				t.Errorf("role = %q, want %q", me["role"], tt.want)
			}
		})
	}
}

// TestDefects switches on every defect of the auth centre: each either signs in as exactly the right account, or not at all,
// with at most one token call and nothing secret in the log.
func TestDefects(t *testing.T) {
	t.Parallel()
	tolerated := map[ssotest.Defect]bool{
		ssotest.TokenExpiresQuoted: true, ssotest.TokenExpiresAbsent: true, ssotest.TokenExpiresEmpty: true,
		ssotest.TokenRefreshAbsent: true, ssotest.TokenTypeLower: true, ssotest.TokenPlainText: true,
		ssotest.UserinfoNumericID: true, ssotest.UserinfoSnakeCase: true, ssotest.UserinfoWorkbench: true,
		ssotest.UserinfoSample: true, ssotest.UserinfoTenantMissing: true, ssotest.UserinfoRoleRoot: true,
		ssotest.UserinfoRoleCase: true, ssotest.UserinfoControl: true, ssotest.UserinfoLong: true,
		ssotest.UserinfoSubUnexpected: true, ssotest.UserinfoTenantIsDomain: true,
	}
	noCall := map[ssotest.Defect]bool{
		ssotest.CallbackStateMissing: true, ssotest.CallbackStateWrong: true, ssotest.CallbackCodeTwice: true,
		ssotest.CallbackTenant: true, ssotest.CallbackError: true,
	}
	for _, defect := range ssotest.Defects() {
		if defect.OpenIDOnly() || defect.CASOnly() {
			continue // a client of this profile does not see them; see TestOpenIDDefects and TestCASDefects
		}
		t.Run(string(defect), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, func(c *sso.Config) { c.Settings.Timeout = 500 * time.Millisecond })
			t.Cleanup(h.centre.Close)
			browser := ssotest.Browser(t)
			address := h.start(browser, tenantA, "/")
			h.centre.SetDefect(defect)
			back := h.authorize(browser, address, "zhang.san", "pw1")
			got := h.get(browser, back)
			want := ""
			if tolerated[defect] {
				want = tenantA + "/zhang.san"
			} else if got.status < 400 && (got.location == nil || !strings.Contains(got.location.String(), "/oauth2/authorize")) {
				t.Errorf("callback = %d to %v, want a refusal", got.status, got.location)
			}
			h.wantSubject(browser, want)
			calls := h.centre.Calls(tenantA)
			if max := 1; calls.Token > max || noCall[defect] && calls.Token > 0 {
				t.Errorf("%d token calls", calls.Token)
			}
			if strings.Contains(got.body, "<script") || strings.Contains(got.body, "<b>") {
				t.Errorf("the page shows what the auth centre said:\n%s", got.body)
			}
			h.wantSilentLog(back, calls)
			if log := h.log.String(); want == "" && !noCall[defect] && !strings.Contains(log, string(tenantA)) {
				t.Errorf("the log does not say which tenant's auth centre is at fault:\n%s", log)
			}
		})
	}
}

// wantSilentLog greps the log for what must not be there.
func (h *house) wantSilentLog(callback string, calls ssotest.Calls) {
	h.t.Helper()
	log := h.log.String()
	secrets := []string{secretA, "secret-b", "zhang.san", "张三", "13800000000", "example.com", calls.LastToken.Get("code"), "Bearer"}
	if u, err := url.Parse(callback); err == nil {
		secrets = append(secrets, u.Query().Get("code"), u.Query().Get("state"))
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(log, secret) {
			h.t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
	if log == "" {
		h.t.Error("the log is empty")
	}
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		change  func(*house)
		unknown string
		status  int
		want    string
	}{
		{"disabled", func(h *house) { h.put(tenantA, "zhang.san", sso.AccountDisabled, "") }, "pending", 403, "user_disabled"},
		{"revoked", func(h *house) { h.put(tenantA, "zhang.san", sso.AccountRevoked, "") }, "pending", 403, "access_revoked"},
		{"removed", func(h *house) { h.put(tenantA, "zhang.san", sso.AccountRemoved, "") }, "pending", 403, "user_removed"},
		{"removed, jit", func(h *house) { h.put(tenantA, "zhang.san", sso.AccountRemoved, "") }, "jit", 403, "user_removed"},
		{"unknown, deny", func(h *house) { h.put(tenantA, "zhang.san", sso.AccountUnknown, "") }, "deny", 403, "user_unknown"},
		{"tenant removed", func(h *house) { h.PutTenant(h.t, sso.Tenant{ID: tenantA}) }, "pending", 403, "tenant_gone"},
		{"unbound", func(h *house) {
			h.PutCredential(h.t, tenantA, sso.Credential{App: appID, ClientID: "client-a", Secret: secretA})
		}, "pending", 403, "app_not_bound"},
		{"client replaced meanwhile", func(h *house) {
			h.PutCredential(h.t, tenantA, sso.Credential{App: appID, ClientID: "client-x", Secret: secretA, Live: true})
		}, "pending", 400, "attempt"},
		{"store down", func(h *house) { h.setFault(errors.New("disk on fire")) }, "pending", 503, "unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, func(c *sso.Config) { c.Settings.UnknownUser = tt.unknown })
			browser := ssotest.Browser(t)
			back := h.authorize(browser, h.start(browser, tenantA, "/"), "zhang.san", "pw1")
			tt.change(h)
			got := h.get(browser, back)
			if got.status != tt.status {
				t.Errorf("callback = %d, want %d", got.status, tt.status)
			}
			if len(h.sessions) != 0 {
				t.Error("a session was made")
			}
			if got.status == http.StatusForbidden && tt.name != "tenant removed" && !strings.Contains(got.body, "晨光制造") {
				t.Errorf("the page does not name the organisation:\n%s", got.body)
			}
			if tt.name == "store down" && strings.Contains(got.body, "fire") {
				t.Error("the page shows an internal error")
			}
			if log := h.log.String(); !strings.Contains(log, tt.want) {
				t.Errorf("the log does not say %q:\n%s", tt.want, log)
			}
		})
	}
}

func TestSecretRotatedDuringSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	back := h.authorize(browser, h.start(browser, tenantA, "/"), "zhang.san", "pw1")
	h.PutCredential(t, tenantA, sso.Credential{App: appID, ClientID: "client-a", Secret: "rotated", Live: true})
	h.centre.PutClient(tenantA, ssotest.Client{AppID: appID, ID: "client-a", Secret: "rotated", RedirectURIs: []string{h.url + "/sso/callback"}})
	h.get(browser, back)
	h.wantSubject(browser, tenantA+"/zhang.san")
}

func TestJustInTimeUserHasNoMoreThanRoleUser(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.Settings.UnknownUser = "jit" })
	h.put(tenantA, "zhang.san", sso.AccountUnknown, "")
	h.mu.Lock()
	h.marks = map[accountKey]int{}
	h.mu.Unlock()
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1") // admin at the auth centre
	if _, me := h.me(browser); me["role"] != "user" || me["name"] != "synced zhang.san" {
		t.Errorf("/sso/me = %v, want role user", me)
	}
}

func TestPendingPageContinuesByItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.put(tenantA, "zhang.san", sso.AccountUnknown, "")
	browser := ssotest.Browser(t)
	got := h.signIn(browser, tenantA, "zhang.san", "pw1")
	if got.header.Get("Location") != "/sso/pending" {
		t.Fatalf("callback = %d to %v, want /sso/pending", got.status, got.location)
	}
	if got := h.get(browser, "/sso/pending"); got.status != http.StatusOK || !strings.Contains(got.body, "refresh") {
		t.Errorf("pending = %d, want a page that asks again\n%s", got.status, got.body)
	}
	h.wantSubject(browser, "")
	h.put(tenantA, "zhang.san", sso.AccountActive, sso.RoleUser)
	if got := h.get(browser, "/sso/pending"); got.header.Get("Location") != "/desk?a=1" {
		t.Errorf("pending after the push = %d to %v, want /desk?a=1", got.status, got.location)
	}
	h.wantSubject(browser, tenantA+"/zhang.san")
	if calls := h.centre.Calls(tenantA); calls.Token != 1 {
		t.Errorf("%d token calls, want 1", calls.Token)
	}

	late := ssotest.Browser(t)
	h.put(tenantA, "li.si", sso.AccountUnknown, "")
	h.signIn(late, tenantA, "li.si", "pw2")
	h.clock.advance(11 * time.Minute)
	h.put(tenantA, "li.si", sso.AccountActive, "")
	if got := h.get(late, "/sso/pending"); got.status != http.StatusBadRequest {
		t.Errorf("pending after eleven minutes = %d, want 400", got.status)
	}
	h.wantSubject(late, "")
}

func TestRevocationEndsSessions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		revoke func(*house)
	}{
		{"disabled", func(h *house) { h.put(tenantA, "zhang.san", sso.AccountDisabled, "") }},
		{"removed", func(h *house) { h.put(tenantA, "zhang.san", sso.AccountRemoved, "") }},
		{"tenant removed", func(h *house) { h.PutTenant(h.t, sso.Tenant{ID: tenantA}) }},
		{"unbound", func(h *house) { h.PutCredential(h.t, tenantA, sso.Credential{App: appID}) }},
		{"disabled and enabled again", func(h *house) {
			h.put(tenantA, "zhang.san", sso.AccountDisabled, "")
			h.put(tenantA, "zhang.san", sso.AccountActive, "")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			browser, colleague := ssotest.Browser(t), ssotest.Browser(t)
			h.signIn(browser, tenantA, "zhang.san", "pw1")
			h.signIn(colleague, tenantB, "zhang.san", "pw9")
			h.wantSubject(browser, tenantA+"/zhang.san")
			tt.revoke(h)
			h.clock.advance(500 * time.Millisecond)
			h.wantSubject(browser, "")
			h.wantSubject(colleague, tenantB+"/zhang.san")
		})
	}
}

func TestDemotionIsFeltAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	h.signIn(browser, tenantA, "zhang.san", "pw1")
	h.put(tenantA, "zhang.san", sso.AccountActive, sso.RoleUser)
	h.clock.advance(500 * time.Millisecond)
	if _, me := h.me(browser); me["role"] != "user" {
		t.Errorf("role = %q after the demotion, want user", me["role"])
	}
}

func TestParallelDeliveryRedeemsOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	browser := ssotest.Browser(t)
	back := h.authorize(browser, h.start(browser, tenantA, "/desk"), "zhang.san", "pw1")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := h.get(browser, back); got.status != http.StatusSeeOther && got.status != http.StatusBadRequest {
				t.Errorf("callback = %d", got.status)
			}
		})
	}
	wg.Wait()
	if calls := h.centre.Calls(tenantA); calls.Token != 1 || calls.Userinfo != 1 {
		t.Errorf("%d token calls and %d userinfo calls, want one each", calls.Token, calls.Userinfo)
	}
	h.wantSubject(browser, tenantA+"/zhang.san")
	if got := h.get(browser, back); got.status != http.StatusSeeOther || got.header.Get("Location") != "/desk" {
		t.Errorf("reload = %d to %v, want to go on to /desk", got.status, got.location)
	}
	if calls := h.centre.Calls(tenantA); calls.Token != 1 {
		t.Errorf("%d token calls after a reload, want 1", calls.Token)
	}
}

// deliveries are ports that let something happen when the account is looked up, and refuse what was cancelled.
type deliveries struct {
	*memory
	once   sync.Once
	during func()
}

func (d *deliveries) Account(ctx context.Context, tenant sso.TenantID, app sso.AppID, user sso.UserName) (sso.Account, error) {
	d.once.Do(d.during)
	return d.memory.Account(ctx, tenant, app, user)
}

func (d *deliveries) CreateSession(ctx context.Context, s sso.NewSession) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.memory.CreateSession(ctx, s)
}

// noticed is a context that tells when somebody is about to wait for its end.
type noticed struct {
	context.Context
	waits func()
}

func (n noticed) Done() <-chan struct{} {
	n.waits()
	return n.Context.Done()
}

// TestParallelDeliveryMakesOneSession delivers a callback several times while the first delivery is under way, whose browser
// hangs up. All are answered with one session.
func TestParallelDeliveryMakesOneSession(t *testing.T) {
	t.Parallel()
	d := &deliveries{}
	h := newHouse(t, func(c *sso.Config) {
		d.memory = c.Sessions.(*memory)
		c.Accounts, c.Sessions = d, d
	})
	browser := ssotest.Browser(t)
	back := h.authorize(browser, h.start(browser, tenantA, "/desk"), "zhang.san", "pw1")
	u, _ := url.Parse(h.url)
	deliver := func(ctx context.Context) string {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, back, nil)
		for _, c := range browser.Jar.Cookies(u) {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		h.rp.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/desk" {
			t.Errorf("callback = %d to %q, want /desk", w.Code, w.Header().Get("Location"))
		}
		for _, c := range w.Result().Cookies() {
			if c.Name == "kitbridge-"+u.Port() {
				return c.Value
			}
		}
		return ""
	}
	ctx, hangUp := context.WithCancel(t.Context())
	var wg, waiting sync.WaitGroup
	ids := make([]string, 8)
	d.during = func() {
		for i := range ids[1:] {
			waiting.Add(1)
			wg.Go(func() { ids[i+1] = deliver(noticed{t.Context(), sync.OnceFunc(waiting.Done)}) })
		}
		waiting.Wait() // a delivery that comes when this one is over is told so, and none of these is
		hangUp()
	}
	ids[0] = deliver(ctx)
	wg.Wait()
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) != 1 || len(h.sessions) != 1 {
		t.Fatalf("%d ids and %d sessions, want one", len(ids), len(h.sessions))
	}
	got := h.do(ssotest.Browser(t), http.MethodGet, "/sso/authz/auth-request", nil, "Cookie", "kitbridge-"+u.Port()+"="+ids[0])
	if got.status != http.StatusOK {
		t.Errorf("with the session = %d, want 200", got.status)
	}
}

func TestAwkwardUserNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, name := range []string{"%61dmin", "a/b", ",admin", "管理员", "a+b", "../x", "a%2Fb", "A b", `"`, "<b>"} {
		h.centre.PutUser(tenantA, user(name, "pw", "", "user"))
		h.put(tenantA, sso.UserName(name), sso.AccountActive, sso.RoleUser)
		browser := ssotest.Browser(t)
		h.signIn(browser, tenantA, name, "pw")
		h.wantSubject(browser, tenantA+"/"+name)
		got := h.do(browser, http.MethodGet, "/sso/authz/auth-request", nil).header.Get("X-Auth-Subject")
		if decoded, err := url.PathUnescape(got); err != nil || decoded != tenantA+"/"+name || strings.ContainsAny(got, "+, ") {
			t.Errorf("X-Auth-Subject = %q, decodes to %q, want %q", got, decoded, tenantA+"/"+name)
		}
	}
}

// TestNoRedirectIsFollowed: neither the code nor the secret nor the token goes where an auth centre points.
func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/api/v1/oauth2/token", "/api/v1/oauth2/userinfo"} {
		var elsewhere atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.URL.Path, "/elsewhere"):
				elsewhere.Add(1)
				_, _ = io.WriteString(w, `{"access_token":"x","userName":"zhang.san"}`)
			case r.URL.Path == path:
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			default:
				_, _ = io.WriteString(w, `{"access_token":"x"}`)
			}
		}))
		t.Cleanup(server.Close)
		h := newHouse(t, nil)
		h.PutTenant(t, sso.Tenant{ID: tenantA, Domain: server.URL, Live: true})
		browser := ssotest.Browser(t)
		u, err := url.Parse(h.start(browser, tenantA, "/"))
		if err != nil {
			t.Fatal(err)
		}
		got := h.get(browser, "/sso/callback?code=c&state="+u.Query().Get("state"))
		if got.status != http.StatusBadGateway || elsewhere.Load() != 0 {
			t.Errorf("%s redirects: callback = %d after %d requests elsewhere, want 502 and none", path, got.status, elsewhere.Load())
		}
		h.wantSubject(browser, "")
	}
}

// TestRightEndsDuringSignIn takes the right away between admission and session.
func TestRightEndsDuringSignIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		ends   func(*house)
		status int
		result string
	}{
		{"user removed", func(h *house) { h.put(tenantA, "zhang.san", sso.AccountRemoved, sso.RoleAdmin) }, http.StatusForbidden, "user_removed"},
		{"application unbound", func(h *house) {
			h.PutCredential(h.t, tenantA, sso.Credential{App: appID, ClientID: "client-a", Secret: secretA})
		}, http.StatusForbidden, "app_not_bound"},
		{"user forgotten, who would have to wait", func(h *house) {
			h.put(tenantA, "zhang.san", sso.AccountUnknown, sso.RoleUnknown)
		}, http.StatusUnauthorized, "attempt_lost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			h.creating = func() { tt.ends(h) }
			browser := ssotest.Browser(t)
			got := h.signIn(browser, tenantA, "zhang.san", "pw1")
			if got.status != tt.status || !strings.Contains(h.log.String(), `"result":"`+tt.result+`"`) {
				t.Errorf("callback = %d, want %d and result %s in the log:\n%s", got.status, tt.status, tt.result, h.log)
			}
			h.PutCredential(t, tenantA, sso.Credential{App: appID, ClientID: "client-a", Secret: secretA, Live: true})
			h.put(tenantA, "zhang.san", sso.AccountActive, sso.RoleAdmin) // perhaps another person
			h.wantSubject(browser, "")
		})
	}
}
