//go:build integration

package integration_test

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// signInApp is the application whose credentials the tenants bind.
const signInApp = "app-signin"

// signIn is a bridge and the auth centres of its tenants.
type signIn struct {
	*bridge
	centre *authCentre

	mu      sync.Mutex
	stamp   time.Time // under mu: of the newest message
	secrets []string  // under mu: what the log must never hold
}

// startSignIn starts both. More lines of the section sso may follow.
func startSignIn(t *testing.T, lines ...string) *signIn {
	t.Helper()
	return startPatientSignIn(t, time.Second, lines...)
}

// startPatientSignIn gives the auth centres more time, as those do that are somebody else's program.
func startPatientSignIn(t *testing.T, patience time.Duration, lines ...string) *signIn {
	t.Helper()
	s := &signIn{centre: startAuthCentre(t)}
	config := append([]string{
		"log: {level: debug}", `trusted_proxies: ["127.0.0.1"]`, "sso:",
		"  app_id: " + signInApp, "  allow_insecure_auth_centres: true", "  http: {timeout: " + patience.String() + "}",
	}, lines...)
	s.bridge = startBridge(t, strings.Join(config, "\n")+"\n")
	t.Cleanup(func() { s.checkLog(t) })
	return s
}

// hide adds to what the log must never hold.
func (s *signIn) hide(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = append(s.secrets, secrets...)
}

// checkLog greps the whole log for secrets.
func (s *signIn) checkLog(t *testing.T) {
	t.Helper()
	s.hide(s.centre.issued...)
	log := s.Log()
	if !strings.Contains(log, `"msg":"sign-in"`) {
		t.Errorf("nothing of the sign-ins is in the log:\n%s", log)
	}
	for _, secret := range s.secrets {
		if i := strings.Index(log, secret); secret != "" && i >= 0 {
			t.Errorf("the log holds the secret %q: …%s…", secret, log[max(0, i-200):min(len(log), i+len(secret)+50)])
		}
	}
}

// deliver sends a message that must be accepted, stamped later than the one
// before. Any goroutine may call it.
func (s *signIn) deliver(t *testing.T, name, tenant string, fields map[string]any) {
	t.Helper()
	s.mu.Lock()
	s.stamp = later(s.stamp)
	stamp := marketTime(s.stamp)
	s.mu.Unlock()
	message := map[string]any{"instanceId": "i-" + tenant, "tenantId": tenant, "testFlag": 0, "timeStamp": stamp}
	if name == "authSync" {
		message["currentSyncTime"] = stamp
	}
	for field, value := range fields {
		message[field] = value
	}
	if got := s.push(t, name, message); got.Code != accepted {
		t.Errorf("%s answered %+v, want %s", name, got, accepted)
	}
}

// later is now, but at least a millisecond after before.
func later(before time.Time) time.Time {
	now := time.Now().Truncate(time.Millisecond)
	if !now.After(before) {
		return before.Add(time.Millisecond)
	}
	return now
}

// bind makes a tenant known, with its credential and its people, each of whom
// the auth centre calls an admin and the marketplace a user unless named boss.
func (s *signIn) bind(t *testing.T, tenant string, people ...string) {
	t.Helper()
	s.introduce(t, tenant, "企业 "+tenant, s.centre.domain(tenant))
	s.rotate(t, tenant)
	for _, name := range people {
		s.employ(tenant, name)
		s.authorise(t, tenant, name, 1, nil)
	}
}

// introduce makes a tenant known, with a department and nobody in it.
func (s *signIn) introduce(t *testing.T, tenant, name, domain string) {
	t.Helper()
	s.deliver(t, "tenantSync", tenant, map[string]any{
		"orderId": "o-" + tenant, "tenantCode": tenant + "-code", "name": name, "domainName": domain, "flag": 1,
	})
	s.deliver(t, "allOrgSync", tenant, map[string]any{
		"orgInfoList": []map[string]any{{"orgCode": "20000", "orgName": "产品部", "parentCode": ""}},
	})
}

// credential gives a tenant the client that is registered for it at its auth centre.
func (s *signIn) credential(t *testing.T, tenant, clientID, secret string) {
	t.Helper()
	s.hide(secret)
	s.deliver(t, "applicationSync", tenant, map[string]any{
		"appId": signInApp, "clientId": clientID, "clientSecret": sealSecret(t, secret), "flag": 1,
	})
}

// rotate gives the tenant a new client secret.
func (s *signIn) rotate(t *testing.T, tenant string) {
	t.Helper()
	secret := "secret-" + rand.Text()
	s.centre.with(tenant, func(c *centreTenant) { c.clientID, c.secret = "client-"+tenant, secret })
	s.credential(t, tenant, "client-"+tenant, secret)
}

// employ makes a person known to the auth centre only.
func (s *signIn) employ(tenant, name string) {
	s.hide("13900000000", "li.lei@example.com", "李雷")
	s.centre.with(tenant, func(c *centreTenant) {
		c.users[name] = map[string]any{
			"id": "idp-1", "userName": name, "name": "李雷", "email": "li.lei@example.com", "mobile": "13900000000", "role": "admin",
			"organizationCode": "99999", "projectName": "企业 " + tenant, "tenant": tenant,
		}
	})
}

// authorise pushes one person. more overwrites fields.
func (s *signIn) authorise(t *testing.T, tenant, name string, flag int, more map[string]any) {
	t.Helper()
	s.hide("19900000001", "zhang.san@example.org", "张三")
	role := "user"
	if name == "boss" {
		role = "admin"
	}
	person := map[string]any{
		"userName": name, "name": "张三", "orgCode": "20000", "role": role, "enable": "true", "mobile": "19900000001", "email": "zhang.san@example.org",
	}
	for field, value := range more {
		person[field] = value
	}
	s.deliver(t, "authSync", tenant, map[string]any{"appId": signInApp, "userList": []map[string]any{person}, "flag": flag})
}

// visitor is a browser with cookies. It follows redirects only when told.
type visitor struct {
	t    *testing.T
	s    *signIn
	jar  *cookiejar.Jar
	http *http.Client
	as   string // who they are at every auth centre
}

// reply is what a visitor gets to see.
type reply struct {
	status   int
	location string
	header   http.Header
	body     string
}

func (s *signIn) visitor(t *testing.T, as string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, s: s, as: as, jar: jar, http: &http.Client{
		Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// get asks for an address, or for a path of the bridge. headers are pairs whose
// names are sent as they are spelt.
func (v *visitor) get(address string, headers ...string) reply {
	v.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = v.s.publicURL + address
	}
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	if strings.HasPrefix(address, v.s.centre.url) {
		r.Header.Set(who, v.as)
	}
	response, err := v.http.Do(r)
	if err != nil {
		v.t.Fatalf("GET %s: %v", address, err)
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatalf("GET %s: %v", address, err)
	}
	for _, cookie := range response.Cookies() {
		if len(cookie.Value) > 8 { // a provider's own may be a mere switch
			v.s.hide(cookie.Value)
		}
	}
	return reply{response.StatusCode, response.Header.Get("Location"), response.Header, string(body)}
}

// begin asks to sign in and returns the address of the auth centre.
func (v *visitor) begin(tenant, returnTo string) (authorize string) {
	v.t.Helper()
	got := v.get("/sso/login?" + url.Values{"tenant": {tenant}, "return": {returnTo}}.Encode())
	if got.status != http.StatusFound || !strings.HasPrefix(got.location, v.s.centre.url) {
		v.t.Fatalf("login = %d to %q, want the auth centre\n%s", got.status, got.location, got.body)
	}
	return got.location
}

// callback begins to sign in, does so at the auth centre and returns the address
// that the browser is sent back to.
func (v *visitor) callback(tenant, returnTo string) string {
	v.t.Helper()
	got := v.get(v.begin(tenant, returnTo))
	if got.status != http.StatusFound {
		v.t.Fatalf("the auth centre answered %d: %s", got.status, got.body)
	}
	u, err := url.Parse(got.location)
	if err != nil {
		v.t.Fatal(err)
	}
	v.s.hide(u.Query().Get("state"))
	return got.location
}

// signIn is the whole way.
func (v *visitor) signIn(tenant string) reply {
	v.t.Helper()
	return v.get(v.callback(tenant, "/orders?a=1"))
}

// signedIn signs in and fails the test if that does not work.
func (v *visitor) signedIn(tenant string) *visitor {
	v.t.Helper()
	if got := v.signIn(tenant); got.status != http.StatusSeeOther || got.location != "/orders?a=1" {
		v.t.Fatalf("callback = %d to %q, want 303 to /orders?a=1\n%s", got.status, got.location, got.body)
	}
	return v
}

// subject is who the bridge takes the visitor for; "" is nobody.
func (v *visitor) subject() string {
	v.t.Helper()
	got := v.get("/sso/me")
	var me struct{ Sub, Error string }
	if err := json.Unmarshal([]byte(got.body), &me); err != nil {
		v.t.Fatalf("/sso/me = %d %q: %v", got.status, got.body, err)
	}
	signedIn := got.status == http.StatusOK && me.Sub != ""
	nobody := got.status == http.StatusUnauthorized && me.Error == "unauthenticated"
	if signedIn == nobody {
		v.t.Fatalf("/sso/me = %d %s", got.status, got.body)
	}
	return me.Sub
}

// is fails the test if the bridge takes the visitor for somebody else.
func (v *visitor) is(want string) {
	v.t.Helper()
	if got := v.subject(); got != want {
		v.t.Errorf("signed in as %q, want %q", got, want)
	}
}
