//go:build integration

package integration_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// TestFurtherHostInBrowser: a real browser goes from a customer's address through the registered one and back, on https, and keeps
// a session of its own on each; another site can begin a sign-in there, and then the person is asked.
func TestFurtherHostInBrowser(t *testing.T) {
	t.Parallel()
	centre := startAuthCentre(t)
	product := httptest.NewServer(http.HandlerFunc(serveDesk))
	t.Cleanup(product.Close)
	b := newBridge(t)
	inside, err := url.Parse(b.publicURL)
	if err != nil {
		t.Fatal(err)
	}
	terminator := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(inside)
		r.Out.Host = r.In.Host
	}}
	app, acme := startSite(t, "app.test", terminator), startSite(t, "acme.test", terminator)
	evil := startSite(t, "evil.test", page(`<a href="`+acme.url+`/sso/login?return=/desk">a prize</a>`))
	s := &signIn{bridge: b, centre: centre}
	b.run(t, fmt.Sprintf(`listen: %q
public_url: %q
database: %q
key_file: %q
marketplace: {keys: {kit: [%q]}, private_key_files: [%q]}
admin: {listen: %q, token: %q}
log: {level: debug}
trusted_proxies: ["127.0.0.1"]
sso:
  app_id: %s
  allow_insecure_auth_centres: true
  hosts: [{host: %q, tenant: t1}]
proxy: {upstream: %q}
`, inside.Host, app.url, "sqlite:"+filepath.Join(b.dir, "kitbridge.db"), filepath.Join(b.dir, "kitbridge.key"), kitKey, writeCredentialKey(t, b.dir),
		strings.TrimPrefix(b.adminURL, "http://"), adminToken, signInApp, strings.TrimPrefix(acme.url, "https://"), product.URL))
	t.Cleanup(func() { s.checkLog(t) })
	s.bind(t, "t1", "zhangsan", "lisi")
	s.bind(t, "t2", "zhangsan")
	w := openBrowser(t,
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors", true),
	).open(t, look{language: "en"})
	be := func(user string) {
		t.Helper()
		headers := network.SetExtraHTTPHeadersParams{Headers: network.Headers{who: user, "Accept-Language": "en"}}
		if _, err := chromedp.Call(w.ctx, network.SetExtraHTTPHeaders, headers); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(origin, subject string) {
		t.Helper()
		w.shows(subject)
		if at, err := chromedp.Run(w.ctx, chromedp.Location()); err != nil || at != origin+"/desk" {
			t.Errorf("the browser is at %s (%v), want %s/desk", at, err, origin)
		}
	}

	be("zhangsan")
	w.do(chromedp.Navigate(acme.url + "/desk")) // to sign in, without a question which enterprise, and back
	shows(acme.url, "t1/zhangsan")
	w.do(chromedp.Navigate(app.url + "/sso/login?tenant=t2&return=/desk"))
	shows(app.url, "t2/zhangsan")
	w.do(chromedp.Navigate(acme.url + "/desk"))
	shows(acme.url, "t1/zhangsan")

	// A link on another site, while the auth centre takes the browser for somebody else.
	be("lisi")
	w.do(chromedp.Navigate(evil.url))
	w.follow(chromedp.Click(chromedp.CSS("a")))
	if at := w.at(); at != "/sso/confirm" {
		t.Fatalf("the link leads to %s, want the question\n%s", at, w.text())
	}
	w.shows("lisi", "zhangsan")
	w.do(chromedp.Navigate(acme.url + "/desk"))
	shows(acme.url, "t1/zhangsan")
	w.do(chromedp.Navigate(acme.url + "/sso/confirm"))
	w.follow(chromedp.Click(chromedp.CSS("form button")))
	shows(acme.url, "t1/lisi")

	// Signing out ends the session of this address, and no other.
	w.do(chromedp.Navigate(acme.url + "/sso/logout"))
	w.do(chromedp.Navigate(acme.url + "/sso/me"))
	w.shows("unauthenticated", acme.url+"/sso/login")
	w.do(chromedp.Navigate(app.url + "/desk"))
	shows(app.url, "t2/zhangsan")
}
