package sso_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// renewing is a house that asks its auth centre again, and what it told of that.
type renewing struct {
	*house
	mu   sync.Mutex
	told []string // under mu: events about sessions, with their outcomes
}

// renewingHouse asks again by the mode. change may alter the configuration further.
func renewingHouse(t *testing.T, mode string, change func(*sso.Config)) *renewing {
	t.Helper()
	r := &renewing{}
	r.house = newHouse(t, func(c *sso.Config) {
		c.Settings.Refresh = mode
		c.Observe = func(e sso.Event) {
			if e.Name == sso.EventSessionEnded || e.Name == sso.EventSessionRefreshed {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.told = append(r.told, strings.TrimSpace(string(e.Name)+" "+e.Outcome+" "+e.Check))
			}
		}
		if change != nil {
			change(c)
		}
	})
	return r
}

func (r *renewing) wantTold(t *testing.T, when string, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.told); diff != "" {
		t.Errorf("%s: told (-want +got)\n%s", when, diff)
	}
	r.told = nil
}

// wantCalls checks how often the auth centre was called in all.
func (r *renewing) wantCalls(t *testing.T, when string, token, userinfo int) {
	t.Helper()
	if got := r.centre.Calls(tenantA); got.Token != token || got.Userinfo != userinfo {
		t.Errorf("%s: %d token calls and %d userinfo calls, want %d and %d", when, got.Token, got.Userinfo, token, userinfo)
	}
}

// signedIn is a browser with a session of zhang.san, who is an administrator.
func (r *renewing) signedIn(t *testing.T) *http.Client {
	t.Helper()
	browser := ssotest.Browser(t)
	r.signIn(browser, tenantA, "zhang.san", "pw1")
	r.wantSubject(browser, tenantA+"/zhang.san")
	return browser
}

// kept are the tokens of the one session.
func (r *renewing) kept(t *testing.T) sso.Tokens {
	t.Helper()
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	for _, s := range r.sessions {
		return s.Tokens
	}
	t.Fatal("there is no session")
	return sso.Tokens{}
}

// held is a store whose first answer to RenewSession is late. Of Decide the answers wait for each other, as many as armed says.
type held struct {
	*memory
	once    sync.Once
	release chan struct{}
	armed   atomic.Int32
	decided sync.WaitGroup
}

func (h *held) Decide(ctx context.Context, key sso.SessionKey, now time.Time) (sso.LiveSession, error) {
	live, err := h.memory.Decide(ctx, key, now)
	if h.armed.Add(-1) >= 0 {
		h.decided.Done()
		h.decided.Wait()
	}
	return live, err
}

func (h *held) RenewSession(ctx context.Context, key sso.SessionKey, turn time.Time, r sso.Renewal) (bool, error) {
	h.once.Do(func() { <-h.release })
	return h.memory.RenewSession(ctx, key, turn, r)
}

// TestParallelRequestsRefreshOnce sends thirty requests at once, to two replicas, with an access token that has run out: one of
// them asks the auth centre, and the others are served before it has an answer.
func TestParallelRequestsRefreshOnce(t *testing.T) {
	t.Parallel()
	port := &held{release: make(chan struct{})}
	var replicas []*sso.RelyingParty
	h := renewingHouse(t, sso.RefreshExpiry, func(c *sso.Config) {
		port.memory = c.Sessions.(*memory)
		c.Sessions = port
		other := *c
		rp, err := sso.New(other)
		if err != nil {
			t.Fatal(err)
		}
		replicas = append(replicas, rp)
	})
	replicas = append(replicas, h.rp)
	browser := h.signedIn(t)
	h.wantCalls(t, "after the sign-in", 1, 1)
	h.clock.advance(2*time.Hour - sso.TokenLeeway - time.Second)
	h.wantSubject(browser, tenantA+"/zhang.san")
	h.wantCalls(t, "before the token runs out", 1, 1)
	h.clock.advance(sso.TokenLeeway + time.Second)
	port.decided.Add(2) // both replicas find that it is time before either takes the turn
	port.armed.Store(2)

	u, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan int, 30)
	var wg sync.WaitGroup
	for i := range cap(served) {
		wg.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sso/authz/auth-request", nil)
			for _, c := range browser.Jar.Cookies(u) {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			replicas[i%2].Handler().ServeHTTP(w, r)
			served <- w.Code
		})
	}
	for n := range cap(served) {
		if n == cap(served)-2 { // were there two who ask, this would not wait for the second for ever
			close(port.release)
		}
		if got := <-served; got != http.StatusOK {
			t.Errorf("answer %d, want 200", got)
		}
	}
	wg.Wait()
	h.wantCalls(t, "after thirty requests", 2, 2)
	if got := h.centre.Calls(tenantA).LastToken; got.Get("grant_type") != "refresh_token" || got.Get("client_secret") != secretA {
		t.Errorf("the token call is a %s", got.Get("grant_type"))
	}
	h.wantTold(t, "after thirty requests", "session_refreshed unchanged")
	h.clock.advance(time.Second)
	h.wantSubject(browser, tenantA+"/zhang.san")
	h.wantCalls(t, "a second later", 2, 2)
	h.clock.advance(2 * time.Hour)
	h.wantSubject(browser, tenantA+"/zhang.san")
	h.wantCalls(t, "when the second token has run out", 3, 3)
}

// TestRefreshAppliesWhatIsSaidNow: claims that changed at the auth centre take effect, in both directions.
func TestRefreshAppliesWhatIsSaidNow(t *testing.T) {
	t.Parallel()
	h := renewingHouse(t, sso.RefreshExpiry, nil)
	h.put(tenantA, "zhang.san", sso.AccountActive, sso.RoleAdmin)
	browser := h.signedIn(t)
	for _, tt := range []struct{ role, told string }{{"user", "changed"}, {"user", "unchanged"}, {"admin", "changed"}} {
		h.centre.PutUser(tenantA, user("zhang.san", "pw1", "张三", tt.role))
		h.clock.advance(2 * time.Hour)
		if _, me := h.me(browser); me["role"] != tt.role {
			t.Errorf("role = %q after the auth centre said %s", me["role"], tt.role)
		}
		h.wantTold(t, "after "+tt.role, "session_refreshed "+tt.told)
	}
}

// TestRefreshRefused: a no of the auth centre ends that session, and no other.
func TestRefreshRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, mode string
		wait       time.Duration
		change     func(*renewing)
		told       string
		calls      [2]int // to the token endpoint and to userinfo, those of the two sign-ins left out
	}{
		{
			"user removed there", sso.RefreshExpiry, 2 * time.Hour,
			func(h *renewing) { h.centre.RemoveUser(tenantA, "zhang.san") }, "session_ended refused",
			[2]int{1, 0},
		},
		{
			"user removed there, found by a probe", sso.RefreshProbe, 10 * time.Minute,
			func(h *renewing) { h.centre.RemoveUser(tenantA, "zhang.san") }, "session_ended refused",
			[2]int{1, 1},
		},
		{
			"another person by that name", sso.RefreshProbe, 10 * time.Minute,
			func(h *renewing) {
				u := user("zhang.san", "pw1", "张三", "admin")
				u.ID = "another-id"
				h.centre.PutUser(tenantA, u)
			}, "session_ended two_people userinfo.id",
			[2]int{0, 1},
		},
		{
			"another tenant", sso.RefreshProbe, 10 * time.Minute,
			func(h *renewing) { h.centre.SetDefect(ssotest.UserinfoTenantForeign) }, "session_ended tenant_mismatch identity.tenant",
			[2]int{0, 1},
		},
		{
			"userinfo refuses a new token, too", sso.RefreshProbe, 10 * time.Minute,
			func(h *renewing) { h.centre.SetDefect(ssotest.UserinfoUnauthorized) }, "session_ended refused userinfo.status",
			[2]int{1, 2},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := renewingHouse(t, tt.mode, nil)
			colleague := ssotest.Browser(t)
			h.signIn(colleague, tenantA, "li.si", "pw2")
			browser := h.signedIn(t)
			tt.change(h)
			h.clock.advance(tt.wait)
			h.wantSubject(browser, "")
			h.wantTold(t, tt.name, tt.told)
			h.wantCalls(t, tt.name, 2+tt.calls[0], 2+tt.calls[1])
			h.centre.SetDefect(ssotest.NoDefect)
			h.wantSubject(colleague, tenantA+"/li.si")
			h.wantSubject(browser, "")
		})
	}
}

// TestRefreshUnanswered: an auth centre that does not answer, or not so that it says anything, ends no session. It is asked again
// after a minute, and for some seconds not about others either. An answer that was lost may have used the refresh token up: then
// the next one is a no.
func TestRefreshUnanswered(t *testing.T) {
	t.Parallel()
	const goesOn, lost = "session_refreshed unchanged", "session_ended refused"
	for _, tt := range []struct {
		defect       ssotest.Defect
		check, later string
	}{
		{ssotest.TokenHang, "", goesOn},
		{ssotest.TokenServerError, "token.status", lost},
		{ssotest.TokenForbidden, "", lost},
		{ssotest.TokenWrapperIn200, "token.error", lost},
		{ssotest.TokenAccessAbsent, "token.access_token", lost},
		{ssotest.TokenHuge, "token.size", lost},
		{ssotest.UserinfoServerError, "userinfo.status", goesOn},
		{ssotest.UserinfoNotObject, "userinfo.form", goesOn},
		{ssotest.UserinfoUserMissing, "identity.userName", goesOn},
		{ssotest.UserinfoRedirect, "userinfo.redirect", goesOn},
	} {
		t.Run(string(tt.defect), func(t *testing.T) {
			t.Parallel()
			h := renewingHouse(t, sso.RefreshProbe, func(c *sso.Config) {
				if tt.defect == ssotest.TokenHang {
					c.Settings.Timeout = 300 * time.Millisecond
				}
			})
			colleague := ssotest.Browser(t)
			h.signIn(colleague, tenantA, "li.si", "pw2")
			browser := h.signedIn(t)
			h.clock.advance(2 * time.Hour)
			h.centre.SetDefect(tt.defect)
			h.wantSubject(browser, tenantA+"/zhang.san")
			h.wantTold(t, "without an answer", strings.TrimSpace("session_refreshed unanswered "+tt.check))
			asked := h.centre.Calls(tenantA)
			h.wantSubject(colleague, tenantA+"/li.si")
			h.clock.advance(14 * time.Second)
			h.wantSubject(browser, tenantA+"/zhang.san")
			h.wantSubject(colleague, tenantA+"/li.si")
			h.wantCalls(t, "while the auth centre is left alone", asked.Token, asked.Userinfo)
			h.wantTold(t, "meanwhile")
			h.centre.SetDefect(ssotest.NoDefect)
			h.clock.advance(time.Minute)
			status, _ := h.me(browser)
			if alive := status == http.StatusOK; alive != (tt.later == goesOn) {
				t.Errorf("/sso/me = %d when it answers again", status)
			}
			h.wantTold(t, "when it answers again", tt.later)
			if got := strings.Count(h.log.String(), "auth centre not heard"); got != 1 {
				t.Errorf("the log says it %d times, want once", got)
			}
		})
	}
}

// TestRefreshTokensAreStoredFirst: what replaces a used refresh token is durable before anything else is asked with it, and goes on
// from there after a crash.
func TestRefreshTokensAreStoredFirst(t *testing.T) {
	t.Parallel()
	h := renewingHouse(t, sso.RefreshExpiry, nil)
	browser := h.signedIn(t)
	before := h.kept(t)
	if before.Access == "" || before.Refresh == "" || before.ClientID != "client-a" || before.Domain != h.centre.Domain(tenantA) {
		t.Fatalf("kept for client %q at %q, want the tokens of the sign-in", before.ClientID, before.Domain)
	}
	h.centre.SetDefect(ssotest.UserinfoServerError) // as a crash before userinfo was read
	h.clock.advance(2 * time.Hour)
	h.wantSubject(browser, tenantA+"/zhang.san")
	after := h.kept(t)
	if after.Access == before.Access || after.Refresh == before.Refresh || after.Access == "" {
		t.Error("the new tokens are not kept")
	}
	h.centre.SetDefect(ssotest.NoDefect)
	h.clock.advance(time.Minute)
	calls := h.centre.Calls(tenantA)
	h.wantSubject(browser, tenantA+"/zhang.san")
	h.wantCalls(t, "the next turn", calls.Token, calls.Userinfo+1)
	if h.kept(t) != after {
		t.Error("a second refresh token was used up")
	}
}

// TestRefreshFollowsTheCredential: a rotated secret is used; tokens of another client or auth centre are sent nowhere, and the session
// goes on until its own limits.
func TestRefreshFollowsTheCredential(t *testing.T) {
	t.Parallel()
	forgotten := "session_refreshed forgotten"
	for _, tt := range []struct {
		name   string
		change func(*renewing)
		told   string
		calls  [2]int
	}{
		{"secret rotated", func(h *renewing) {
			h.centre.PutClient(tenantA, ssotest.Client{AppID: appID, ID: "client-a", Secret: "fresh", RedirectURIs: []string{h.url + "/sso/callback"}})
			h.PutCredential(h.t, tenantA, sso.Credential{App: appID, ClientID: "client-a", Secret: "fresh", Live: true})
		}, "session_refreshed unchanged", [2]int{1, 1}},
		{"another client", func(h *renewing) {
			h.PutCredential(h.t, tenantA, sso.Credential{App: appID, ClientID: "client-z", Secret: "z", Live: true})
		}, forgotten, [2]int{}},
		{"another auth centre", func(h *renewing) {
			h.PutTenant(h.t, sso.Tenant{ID: tenantA, Code: "chenguang", Name: "晨光制造", Domain: h.centre.Domain(tenantB), Live: true})
		}, forgotten, [2]int{}},
		{"no refresh token", func(h *renewing) {
			h.set(func() {
				for _, s := range h.sessions {
					s.Tokens.Refresh = ""
				}
			})
		}, forgotten, [2]int{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := renewingHouse(t, sso.RefreshExpiry, nil)
			browser := h.signedIn(t)
			tt.change(h)
			h.clock.advance(2 * time.Hour)
			h.wantSubject(browser, tenantA+"/zhang.san")
			h.wantTold(t, tt.name, tt.told)
			h.wantCalls(t, tt.name, 1+tt.calls[0], 1+tt.calls[1])
			if got := h.centre.Calls(tenantB); got.Token+got.Userinfo != 0 {
				t.Error("another auth centre was asked")
			}
			if tt.told == forgotten && h.kept(t) != (sso.Tokens{}) {
				t.Error("what is worth nothing is kept")
			}
			h.clock.advance(3 * time.Hour)
			h.wantSubject(browser, tenantA+"/zhang.san")
		})
	}
}

// TestProbe asks userinfo with the access token while that is good, and the token endpoint when it is not.
func TestProbe(t *testing.T) {
	t.Parallel()
	h := renewingHouse(t, sso.RefreshProbe, nil)
	browser := h.signedIn(t)
	token, userinfo := 1, 1
	for range 13 { // over two hours
		h.clock.advance(9 * time.Minute)
		h.wantSubject(browser, tenantA+"/zhang.san")
		h.wantCalls(t, "too early", token, userinfo)
		h.clock.advance(time.Minute)
		h.wantSubject(browser, tenantA+"/zhang.san")
		userinfo++
		if userinfo == 13 { // the access token has run out
			token++
		}
		h.wantCalls(t, "when it is time", token, userinfo)
	}
}

// TestTokensOff: nothing is kept unless it is asked for.
func TestTokensOff(t *testing.T) {
	t.Parallel()
	h := renewingHouse(t, sso.RefreshOff, nil)
	browser := h.signedIn(t)
	if got := h.kept(t); got != (sso.Tokens{}) {
		t.Error("tokens are kept")
	}
	h.clock.advance(7 * time.Hour)
	h.wantSubject(browser, tenantA+"/zhang.san")
	h.wantCalls(t, "later", 1, 1)
}

// TestTokensStayInside: no token reaches the log, a cookie, a header or a page, not even of a sign-in that waits.
func TestTokensStayInside(t *testing.T) {
	t.Parallel()
	h := renewingHouse(t, sso.RefreshProbe, nil)
	h.put(tenantA, "li.si", sso.AccountUnknown, "")
	var seen strings.Builder
	look := func(got reply) reply {
		for _, values := range got.header {
			seen.WriteString(strings.Join(values, "\n"))
		}
		seen.WriteString(got.body)
		return got
	}
	waiting := ssotest.Browser(t)
	if got := look(h.signIn(waiting, tenantA, "li.si", "pw2")); got.header.Get("Location") != "/sso/pending" {
		t.Fatalf("callback = %d to %v, want /sso/pending", got.status, got.location)
	}
	h.put(tenantA, "li.si", sso.AccountActive, sso.RoleUser)
	if got := look(h.get(waiting, "/sso/pending")); got.header.Get("Location") != "/desk?a=1" {
		t.Errorf("pending = %d to %v, want where the person was going", got.status, got.location)
	}
	h.wantSubject(waiting, tenantA+"/li.si")
	for _, defect := range []ssotest.Defect{ssotest.NoDefect, ssotest.UserinfoServerError, ssotest.TokenServerError, ssotest.TokenInvalidGrant} {
		kept := h.kept(t)
		if kept.Access == "" || kept.Refresh == "" {
			t.Fatal("no tokens are kept")
		}
		h.centre.SetDefect(defect)
		h.clock.advance(2 * time.Hour)
		look(h.get(waiting, "/desk"))
		look(h.get(waiting, "/sso/authz/auth-request"))
		for name, secret := range map[string]sso.Secret{"access token": kept.Access, "refresh token": kept.Refresh} {
			if strings.Contains(seen.String(), secret.Reveal()) || strings.Contains(h.log.String(), secret.Reveal()) {
				t.Errorf("%s: the %s is seen from outside", defect, name)
			}
		}
	}
}

// TestLongRequestIsAskedAbout: a connection that stays open keeps no session alive that the auth centre does not stand by.
func TestLongRequestIsAskedAbout(t *testing.T) {
	t.Parallel()
	h := renewingHouse(t, sso.RefreshProbe, nil)
	browser := h.signedIn(t)
	began, ended := make(chan struct{}), make(chan error, 1)
	long := httptest.NewServer(h.rp.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		ended <- context.Cause(r.Context())
	})))
	t.Cleanup(long.Close)
	u, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, long.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		for _, c := range browser.Jar.Cookies(u) {
			r.AddCookie(c)
		}
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	})
	<-began
	h.centre.RemoveUser(tenantA, "zhang.san")
	h.clock.advance(10 * time.Minute)
	select {
	case err := <-ended:
		if !errors.Is(err, sso.ErrNoSession) {
			t.Errorf("it ended by %v, want that there is no session", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
		long.CloseClientConnections()
	}
	wg.Wait()
	h.wantTold(t, "while it was open", "session_ended refused")
}

// The modules of the conformance suite about refresh tokens, and what else a refreshed ID token must not differ in (OpenID Connect
// Core, section 12.2).
func TestConformanceRefresh(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*hostile)
		// told is the outcome and the check.
		told string
	}{
		{"oidcc-client-test-refresh-token", func(*hostile) {}, "session_refreshed unchanged"},
		{"oidcc-client-test-refresh-token-invalid-issuer", func(o *hostile) { o.claims["iss"] = "https://evil.example" }, "session_ended token_rejected id_token.iss"},
		{"oidcc-client-test-refresh-token-invalid-sub", func(o *hostile) { o.claims["sub"] = "other" }, "session_ended two_people id_token.sub"},
		{"the other sub in userinfo, too", func(o *hostile) { o.claims["sub"], o.userinfo["sub"] = "other", "other" }, "session_ended two_people id_token.sub"},
		{"another audience", func(o *hostile) { o.claims["aud"] = "other" }, "session_ended token_rejected id_token.aud"},
		{"another authorized party", func(o *hostile) { o.claims["azp"] = "other" }, "session_ended token_rejected id_token.azp"},
		{"the nonce of the sign-in again", func(o *hostile) { o.claims["nonce"] = o.nonce }, "session_refreshed unchanged"},
		{"another nonce", func(o *hostile) { o.claims["nonce"] = "other" }, "session_ended token_rejected id_token.nonce"},
		{"expired", func(o *hostile) { o.claims["exp"] = o.claims["iat"].(int64) - 3600 }, "session_ended token_rejected id_token.exp"},
		{"another key", func(o *hostile) { o.signWith = newKey(o.t) }, "session_ended token_rejected id_token.signature"},
		{"no ID token", func(o *hostile) { o.more["id_token"] = "" }, "session_refreshed unchanged"},
		{"no ID token, another sub in userinfo", func(o *hostile) { o.more["id_token"], o.userinfo["sub"] = "", "other" }, "session_ended two_people userinfo.sub"},
		{"no new refresh token", func(o *hostile) { delete(o.more, "refresh_token") }, "session_refreshed unchanged"},
		{"role lowered", func(o *hostile) { o.claims["role"] = "user" }, "session_refreshed changed"},
		{"refused", func(o *hostile) { o.more = map[string]any{"error": "invalid_grant"} }, "session_ended refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			o.more = map[string]any{"refresh_token": "rt-1", "expires_in": 300}
			h := renewingHouse(t, sso.RefreshExpiry, func(c *sso.Config) {
				c.Settings = sso.DefaultSettings(sso.ProfileOIDC)
				c.Settings.AllowInsecureAuthCentres, c.Settings.Refresh = true, sso.RefreshExpiry
			})
			h.PutTenant(t, sso.Tenant{ID: tenantA, Code: "chenguang", Name: "晨光制造", Issuer: o.URL, Live: true})
			browser := ssotest.Browser(t)
			o.signIn(h.house, browser, nil)
			h.wantSubject(browser, tenantA+"/zhang.san")
			h.clock.advance(5 * time.Minute)
			now := h.clock.now()
			o.mu.Lock()
			o.more = maps.Clone(o.more)
			o.more["refresh_token"] = "rt-2"
			o.claims = maps.Clone(o.claims)
			o.nonce, _ = o.claims["nonce"].(string)
			delete(o.claims, "nonce")
			o.claims["iat"], o.claims["exp"] = now.Unix(), now.Add(time.Hour).Unix()
			tt.change(o)
			o.mu.Unlock()
			status, me := h.me(browser)
			if over := strings.HasPrefix(tt.told, "session_ended"); over != (status == http.StatusUnauthorized) {
				t.Errorf("/sso/me = %d, want that the session is over: %t\n%s", status, over, h.log)
			}
			if strings.HasSuffix(tt.told, "changed") && status == http.StatusOK {
				want := "admin"
				if tt.name == "role lowered" {
					want = "user"
				}
				if me["role"] != want {
					t.Errorf("role = %q, want %q", me["role"], want)
				}
			}
			if form := o.lastToken(); form.Get("grant_type") != "refresh_token" || form.Get("refresh_token") != "rt-1" || form.Get("client_id") != "client-a" {
				t.Errorf("the token call is %v", form)
			}
			if status == http.StatusOK {
				want := sso.Secret("rt-2")
				if tt.name == "no new refresh token" {
					want = "rt-1"
				}
				if h.kept(t).Refresh != want {
					t.Error("the wrong refresh token is kept")
				}
			}
			h.wantTold(t, tt.name, tt.told)
		})
	}
}

// TestTokensReachTheFurtherHost: tokens wait in the store, and not in the ticket, while a sign-in goes to the host that it began on.
func TestTokensReachTheFurtherHost(t *testing.T) {
	t.Parallel()
	h := newHosts(t, func(c *sso.Config) { c.Settings.Refresh = sso.RefreshExpiry })
	browser, origin := h.browser(), h.at(boundHost)
	address := h.ticketAt(browser, origin, "", "zhang.san", "pw1")
	if len(h.sessions) != 0 || len(h.deposits) != 1 {
		t.Fatalf("%d sessions and tokens of %d, want those of the ticket", len(h.sessions), len(h.deposits))
	}
	h.get(browser, address)
	h.wantAt(browser, origin, tenantA+"/zhang.san")
	if len(h.deposits) != 0 {
		t.Error("the tokens wait still")
	}
	h.clock.advance(2 * time.Hour)
	h.wantAt(browser, origin, tenantA+"/zhang.san")
	if calls := h.centre.Calls(tenantA); calls.Token != 2 || calls.LastToken.Get("grant_type") != "refresh_token" {
		t.Errorf("%d token calls, want a refresh after the sign-in", calls.Token)
	}
}

// rotating gives out a credential with an old secret for a while.
type rotating struct {
	*memory
	stale atomic.Int32
}

func (r *rotating) Credential(ctx context.Context, tenant sso.TenantID) (sso.Credential, error) {
	c, err := r.memory.Credential(ctx, tenant)
	if r.stale.Add(-1) >= 0 {
		c.Secret = "stale"
	}
	return c, err
}

// TestRefreshWhileTheSecretIsRotated: a refresh that was refused for the old secret is made once more with the new one.
func TestRefreshWhileTheSecretIsRotated(t *testing.T) {
	t.Parallel()
	credentials := &rotating{}
	h := renewingHouse(t, sso.RefreshExpiry, func(c *sso.Config) {
		credentials.memory = c.Credentials.(*memory)
		c.Credentials = credentials
	})
	browser := h.signedIn(t)
	h.clock.advance(2 * time.Hour)
	credentials.stale.Store(1)
	h.wantSubject(browser, tenantA+"/zhang.san")
	h.wantTold(t, "with the new secret", "session_refreshed unchanged")
	h.wantCalls(t, "with the new secret", 3, 2)
}
