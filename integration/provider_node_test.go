//go:build integration

package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// nodeProvider is node-oidc-provider, a certified OpenID provider: what the issuer of a customer may be.
type nodeProvider struct {
	*peers.Process
	issuer string
}

// nodeClient is what is registered for one tenant.
type nodeClient map[string]any

// installProvider installs the provider with its exact dependencies.
func installProvider(t *testing.T) (dir string) {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Fatal("npm is not installed, and this test needs it: apt-get install npm")
	}
	dir = t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "provider.js"} {
		text, err := os.ReadFile(filepath.Join("testdata", "oidc-provider", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, map[string]string{name: string(text)})
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}

// startNodeProvider runs it in dir. Accounts are the private claims of each user name; the password is anything.
func startNodeProvider(t *testing.T, dir string, claimsInIDToken bool, accounts map[string]any, clients ...nodeClient) *nodeProvider {
	t.Helper()
	address := localAddress(t)
	p := &nodeProvider{issuer: "http://" + address}
	work := t.TempDir()
	_, port, _ := strings.Cut(address, ":")
	settings, err := json.Marshal(map[string]any{
		"issuer": p.issuer, "port": port, "keys": filepath.Join(work, "keys.json"), "claimsInIDToken": claimsInIDToken,
		"accounts": accounts, "clients": clients,
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, work, map[string]string{"settings.json": string(settings)})
	p.Process = peers.Run(t, peers.Program{
		Name: "oidc-provider", Dir: work,
		Args:  []string{"node", filepath.Join(dir, "provider.js"), filepath.Join(work, "settings.json")},
		Ready: func(ctx context.Context) error { return answers(ctx, p.issuer+"/.well-known/openid-configuration") },
	})
	return p
}

// answers is nil if an address is answered with 200.
func answers(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", address, response.Status)
	}
	return nil
}

// client is a registration for the bridge, with what differs from the usual.
func (s *signIn) client(id string, more nodeClient) nodeClient {
	c := nodeClient{
		"client_id": id, "client_secret": "secret-of-" + id, "redirect_uris": []string{s.publicURL + "/sso/callback"},
		"post_logout_redirect_uris": []string{s.publicURL + "/sso/signed-out"}, "token_endpoint_auth_method": "client_secret_post",
		"backchannel_logout_uri": s.publicURL + "/sso/backchannel-logout", "backchannel_logout_session_required": true,
	}
	for name, value := range more {
		c[name] = value
	}
	return c
}

// at signs in as somebody on the provider's own page, at the issuer of a tenant.
func (v *visitor) at(tenant, name string) arrival {
	v.t.Helper()
	p := v.walk("/sso/login?" + url.Values{"tenant": {tenant}, "return": {"/orders?a=1"}}.Encode())
	if strings.HasPrefix(p.at.String(), v.s.publicURL) {
		return p // the provider knows them already, or the bridge has something to say
	}
	return v.fill(p, "login", map[string]string{"login": name, "password": "any"})
}

// TestNodeProvider signs in at a real OpenID provider.
func TestNodeProvider(t *testing.T) {
	t.Parallel()
	dir := installProvider(t)
	t.Run("several clients", func(t *testing.T) { nodeProviderClients(t, dir) })
	t.Run("basic", func(t *testing.T) { nodeProviderBasic(t, dir) })
}

// nodeProviderClients: each tenant has a client of its own, of one issuer.
func nodeProviderClients(t *testing.T, dir string) {
	t.Helper()
	s := startPatientSignIn(t, 10*time.Second, "  profile: oidc", `  issuer: "{domain}"`, "  signing_algs: [RS256, ES256]")
	provider := startNodeProvider(t, dir, false, map[string]any{
		"zhangsan": map[string]any{"userName": "zhangsan", "tenant": "rs", "role": "admin", "name": "李雷", "organizationCode": "99999"},
		"lisi":     map[string]any{"userName": "lisi", "tenant": "es", "role": "admin"},
		"boss":     map[string]any{"userName": "boss", "tenant": "jwt", "role": "admin"},
		"nameless": map[string]any{"tenant": "rs"},
	},
		s.client("client-rs", nil),
		s.client("client-es", nodeClient{"id_token_signed_response_alg": "ES256"}),
		s.client("client-jwt", nodeClient{"userinfo_signed_response_alg": "RS256"}),
		s.client("client-hs", nodeClient{"id_token_signed_response_alg": "HS256"}),
	)
	for tenant, people := range map[string][]string{"rs": {"zhangsan"}, "es": {"lisi"}, "jwt": {"boss"}, "hs": {"zhangsan"}} {
		s.introduce(t, tenant, "企业 "+tenant, provider.issuer)
		s.credential(t, tenant, "client-"+tenant, "secret-of-client-"+tenant)
		s.employed(t, tenant, people...)
	}
	enter := func(t *testing.T, tenant, name string) *visitor {
		t.Helper()
		v := s.visitor(t, "")
		v.ends(v.at(tenant, name), "/orders?a=1")
		v.is(tenant + "/" + name)
		return v
	}

	t.Run("what is asked for", func(t *testing.T) { checkNodeRequest(t, s.visitor(t, ""), provider) })
	t.Run("signed with RS256", func(t *testing.T) {
		// The provider says admin and another department; what is synced wins.
		checkRole(t, enter(t, "rs", "zhangsan"), "zhangsan", "user")
	})
	t.Run("signed with ES256", func(t *testing.T) { checkRole(t, enter(t, "es", "lisi"), "lisi", "user") })
	t.Run("userinfo signed", func(t *testing.T) { checkRole(t, enter(t, "jwt", "boss"), "boss", "admin") })
	t.Run("signed with the client secret", func(t *testing.T) {
		v := s.visitor(t, "")
		v.refused(v.at("hs", "zhangsan"), "token_rejected")
	})
	t.Run("another tenant's person", func(t *testing.T) {
		v := s.visitor(t, "")
		v.refused(v.at("rs", "lisi"), "tenant_mismatch")
	})
	t.Run("without a user name", func(t *testing.T) {
		v := s.visitor(t, "")
		v.refused(v.at("rs", "nameless"), "identity_incomplete")
	})
	t.Run("iss of another provider", func(t *testing.T) { checkNodeIssuer(t, s.visitor(t, ""), provider) })
	t.Run("sign-out", func(t *testing.T) {
		v := enter(t, "rs", "zhangsan")
		asked := v.walk("/sso/logout")
		v.is("")
		v.ends(v.fill(asked, "xsrf", map[string]string{"logout": "yes"}), "/sso/signed-out")
		if p := v.walk("/sso/login?tenant=rs"); !strings.HasPrefix(p.at.String(), provider.issuer) {
			t.Errorf("after the sign-out the provider sends the browser on to %s, without asking who it is", p.at)
		}
	})
	t.Run("sign-out at the provider", func(t *testing.T) {
		v, other := enter(t, "rs", "zhangsan"), enter(t, "rs", "zhangsan")
		asked := v.walk(provider.issuer + "/session/end")
		v.fill(asked, "xsrf", map[string]string{"logout": "yes"})
		v.signedOutSoon()
		other.is("rs/zhangsan") // its sid is another one
		if log := s.Log(); !strings.Contains(log, `"event":"backchannel_logout"`) {
			t.Error("the log does not tell of the back-channel logout")
		}
	})
	t.Run("wrong client secret", func(t *testing.T) {
		s.introduce(t, "wrong", "企业", provider.issuer)
		s.credential(t, "wrong", "client-rs", "not-the-secret-of-it")
		v := s.visitor(t, "")
		v.refused(v.at("wrong", "zhangsan"), "credential_rejected")
	})
	t.Run("unknown client", func(t *testing.T) {
		s.introduce(t, "stranger", "企业", provider.issuer)
		s.credential(t, "stranger", "client-unknown", "a-secret-of-nobody")
		v := s.visitor(t, "")
		if p := v.walk("/sso/login?tenant=stranger"); p.status != http.StatusBadRequest || !strings.HasPrefix(p.at.String(), provider.issuer) {
			t.Errorf("the provider shows %d at %s, want its own page", p.status, p.at)
		}
		v.is("")
	})
	t.Run("in a browser", func(t *testing.T) { nodeProviderInBrowser(t, s, provider) })
	t.Run("new keys", func(t *testing.T) {
		stays := enter(t, "rs", "zhangsan")
		provider.Stop()
		stays.is("rs/zhangsan") // a provider that is down ends no session
		provider.Start()        // with a new key of each kind
		enter(t, "es", "lisi")
		enter(t, "rs", "zhangsan")
		stays.is("rs/zhangsan")
	})
}

// nodeProviderInBrowser is the whole way with the provider's own pages: in, to another tenant, and out.
func nodeProviderInBrowser(t *testing.T, s *signIn, provider *nodeProvider) {
	t.Helper()
	w := openBrowser(t).open(t, look{language: "en"})
	me := func() string {
		w.do(chromedp.Navigate(s.publicURL + "/sso/me"))
		return w.text()
	}
	w.do(chromedp.Navigate(s.publicURL + "/sso/login?tenant=es&return=/sso/me"))
	w.do(chromedp.SendKeys(chromedp.CSS("input[name=login]"), "lisi"), chromedp.SendKeys(chromedp.CSS("input[name=password]"), "any"))
	w.follow(chromedp.Click(chromedp.CSS("button")))
	if text := me(); !strings.Contains(text, `"sub":"es/lisi"`) {
		t.Errorf("after the sign-in /sso/me says %s", text)
	}
	w.do(chromedp.Navigate(s.publicURL + "/sso/login?tenant=rs")) // the provider answers at once: lisi, who is none of rs
	w.shows("tenant_mismatch")
	if text := me(); !strings.Contains(text, `"sub":"es/lisi"`) {
		t.Errorf("after a refusal elsewhere /sso/me says %s", text)
	}
	w.do(chromedp.Navigate(s.publicURL + "/sso/logout"))
	w.shows("Do you want to sign-out")
	w.follow(chromedp.Click(chromedp.CSS("button[value=yes]")))
	w.shows("signed out")
	if text := me(); !strings.Contains(text, "unauthenticated") {
		t.Errorf("after the sign-out /sso/me says %s", text)
	}
	w.do(chromedp.Navigate(s.publicURL + "/sso/login?tenant=es"))
	if location, err := chromedp.Run(w.ctx, chromedp.Location()); err != nil || !strings.HasPrefix(location, provider.issuer) {
		t.Errorf("after the sign-out the provider sends the browser on to %s, without asking who it is (%v)", location, err)
	}
}

// checkRole looks at what the product gets to know.
func checkRole(t *testing.T, v *visitor, name, role string) {
	t.Helper()
	h := v.get("/sso/authz/auth-request").header
	got := map[string]string{}
	for _, field := range []string{"User", "Role", "Org", "Name"} {
		got[field] = h.Get("X-Auth-" + field)
	}
	want := map[string]string{"User": name, "Role": role, "Org": "20000", "Name": url.PathEscape("张三")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

// checkNodeRequest looks at the authorization request: PKCE, nonce and state are there.
func checkNodeRequest(t *testing.T, v *visitor, provider *nodeProvider) {
	t.Helper()
	got := v.get("/sso/login?tenant=rs")
	u, err := url.Parse(got.location)
	if err != nil || !strings.HasPrefix(got.location, provider.issuer) {
		t.Fatalf("login = %d to %q", got.status, got.location)
	}
	q := u.Query()
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 32 {
			t.Errorf("%s = %q", name, q.Get(name))
		}
		q.Del(name)
	}
	want := url.Values{
		"response_type": {"code"}, "client_id": {"client-rs"}, "redirect_uri": {v.s.publicURL + "/sso/callback"}, "scope": {"openid"},
		"code_challenge_method": {"S256"},
	}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Errorf("authorization request (-want +got):\n%s", diff)
	}
}

// checkNodeIssuer: the provider names itself in its response (RFC 9207). Another name, or none, and nothing is redeemed.
func checkNodeIssuer(t *testing.T, v *visitor, provider *nodeProvider) {
	t.Helper()
	asked := v.walk("/sso/login?tenant=rs")
	f := v.formOf(asked, "login")
	to, err := asked.at.Parse(f.action)
	if err != nil {
		t.Fatal(err)
	}
	content := url.Values{"prompt": {"login"}, "login": {"zhangsan"}, "password": {"any"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to.String(), strings.NewReader(content.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := v.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close() //nolint:errcheck // the header tells
	back := response.Header.Get("Location")
	for hops := 0; strings.HasPrefix(back, provider.issuer) && hops < 5; hops++ {
		back = v.get(back).location
	}
	u, err := url.Parse(back)
	if err != nil || u.Query().Get("iss") != provider.issuer {
		t.Fatalf("the provider sends the browser to %q, want its own name as iss (%v)", back, err)
	}
	for name, change := range map[string]func(url.Values){
		"another": func(q url.Values) { q.Set("iss", "https://elsewhere.example") },
		"none":    func(q url.Values) { q.Del("iss") },
		"twice":   func(q url.Values) { q.Add("iss", provider.issuer) },
	} {
		q := u.Query()
		change(q)
		if got := v.get("/sso/callback?" + q.Encode()); got.status < 400 {
			t.Errorf("%s: callback = %d to %q, want a refusal", name, got.status, got.location)
		}
		v.is("")
	}
	// Nothing was sent, so the code is still good.
	if got := v.get(back); got.status != http.StatusSeeOther {
		t.Errorf("callback = %d to %q after refusals that send nothing", got.status, got.location)
	}
	v.is("rs/zhangsan")
}

// nodeProviderBasic: the other kind of client authentication, and claims in the ID token itself.
func nodeProviderBasic(t *testing.T, dir string) {
	t.Helper()
	s := startPatientSignIn(t, 10*time.Second, "  profile: oidc", `  issuer: "{domain}"`, "  client_auth: basic")
	provider := startNodeProvider(t, dir, true, map[string]any{
		"x-1": map[string]any{"userName": "%61dmin", "tenant": "t1"}, "x-2": map[string]any{"userName": "a/b", "tenant": "t1"},
	}, s.client("client:with+signs", nodeClient{"token_endpoint_auth_method": "client_secret_basic"}))
	s.introduce(t, "t1", "企业", provider.issuer)
	s.credential(t, "t1", "client:with+signs", "secret-of-client:with+signs")
	s.employed(t, "t1", "%61dmin", "a/b")
	for account, name := range map[string]string{"x-1": "%61dmin", "x-2": "a/b"} {
		v := s.visitor(t, "")
		v.ends(v.at("t1", account), "/orders?a=1")
		v.is("t1/" + name)
	}
}
