//go:build integration

package integration_test

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// site is a website on https of its own, whose name ends in .test.
type site struct {
	*httptest.Server
	url string
}

func startSite(t *testing.T, name string, handler http.Handler) *site {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	return &site{server, "https://" + name + ":" + port}
}

// page is a handler that writes one page.
func page(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><meta charset=utf-8><link rel=icon href='data:,'>"+body)
	}
}

// framing is a page that frames another one and shows what that one says to it.
func framing(address string) http.HandlerFunc {
	return page(`<p id=said>nothing</p><iframe width=900 height=600 src="` + address + `"></iframe>
<script>onmessage = e => document.getElementById("said").textContent = JSON.stringify(e.data)</script>`)
}

// posting is a page that posts a form elsewhere as soon as it is shown.
func posting(address string) http.HandlerFunc {
	return page(`<form method=post action="` + address + `"></form><script>document.forms[0].submit()</script>`)
}

// serveDesk is a product that shows who it is used by, and whose scripts say so to the page around it, with what came of a POST.
func serveDesk(w http.ResponseWriter, r *http.Request) {
	subject := html.EscapeString(r.Header.Get("X-Auth-Subject"))
	if r.Method == http.MethodPost {
		_, _ = io.WriteString(w, "saved by "+subject)
		return
	}
	page(`<p id=who>`+subject+`</p><script>fetch("/save", {method: "POST"}).then(r => r.text()).then(saved =>
parent.postMessage({who: document.getElementById("who").textContent, saved}, "*"))</script>`)(w, r)
}

// TestSignInInsideFrame: a portal on another site frames the product. People sign in inside the frame, with a session that
// only that portal's frames have, and other sites can do nothing with either.
func TestSignInInsideFrame(t *testing.T) {
	t.Parallel()
	centre := startAuthCentre(t)
	var signedInAs atomic.Value
	signedInAs.Store("zhangsan")
	// The auth centre for browsers, on https as the product is: it shows a page that is posted, as a login form is.
	centreSite := startSite(t, "centre.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			posting("")(w, r)
			return
		}
		inner, err := http.NewRequestWithContext(r.Context(), http.MethodGet, centre.url+r.URL.RequestURI(), nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		inner.Header.Set(who, signedInAs.Load().(string))
		answer, err := http.DefaultTransport.RoundTrip(inner)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		answer.Body.Close() //nolint:errcheck // only the address counts
		w.Header().Set("Location", answer.Header.Get("Location"))
		w.WriteHeader(http.StatusFound)
	}))
	product := httptest.NewServer(http.HandlerFunc(serveDesk))
	t.Cleanup(product.Close)

	b := newBridge(t)
	inside, err := url.Parse(b.publicURL)
	if err != nil {
		t.Fatal(err)
	}
	app := startSite(t, "app.test", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(inside)
		r.Out.Host = r.In.Host
	}})
	tile := framing(app.url + "/sso/login?tenant=t1&return=/desk")
	workbench := http.NewServeMux()
	workbench.HandleFunc("/", framing(app.url+"/desk"))
	workbench.HandleFunc("/tile", tile)
	portal := startSite(t, "portal.test", workbench)
	evil := http.NewServeMux()
	evil.HandleFunc("/tile", tile)
	evil.HandleFunc("/save", posting(app.url+"/save"))
	evil.HandleFunc("/logout", posting(app.url+"/sso/logout"))
	evilSite := startSite(t, "evil.test", evil)
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
  embedded: partitioned
  unified_login_url: %q
  authorize_url: %q
proxy: {upstream: %q}
`, inside.Host, app.url, "sqlite:"+filepath.Join(b.dir, "kitbridge.db"), filepath.Join(b.dir, "kitbridge.key"), kitKey, writeCredentialKey(t, b.dir),
		strings.TrimPrefix(b.adminURL, "http://"), adminToken, signInApp, portal.url+"/login", centreSite.url+"/t1/api/v1/oauth2/authorize", product.URL))
	t.Cleanup(func() { s.checkLog(t) })
	s.bind(t, "t1", "zhangsan", "lisi")
	s.employ("t1", "wangwu") // whom no push names
	chromium := openBrowser(t,
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("test-third-party-cookie-phaseout", true), // frames get no cookies but partitioned ones
	)
	w := chromium.open(t, look{language: "en"})
	until := func(w *window, expression, want string) {
		t.Helper()
		await(t, patience, func() string {
			got, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](expression))
			if err != nil || !strings.Contains(got, want) {
				return fmt.Sprintf("%s is %q (%v), want %s\n%s", expression, got, err, want, b.Log())
			}
			return ""
		})
	}
	said, subject := `document.getElementById("said")?.textContent ?? ""`, `document.getElementById("who")?.textContent ?? ""`

	// 1. Inside the portal's frame, as zhangsan: the page, and a POST of its script.
	w.do(chromedp.Navigate(portal.url + "/tile"))
	until(w, said, `{"who":"t1/zhangsan","saved":"saved by t1/zhangsan"}`)
	w.do(chromedp.Navigate(portal.url))
	until(w, said, `"who":"t1/zhangsan"`)
	w.keep("sign-in-framed")

	// 2. In a window of its own nobody is signed in; then somebody else is, and neither disturbs the other.
	w.do(chromedp.Navigate(app.url + "/sso/me"))
	w.shows("unauthenticated")
	signedInAs.Store("lisi")
	w.do(chromedp.Navigate(app.url + "/sso/login?tenant=t1&return=/desk"))
	until(w, subject, "t1/lisi")
	w.do(chromedp.Navigate(portal.url))
	until(w, said, `"who":"t1/zhangsan"`)

	// 3. Another site leads the browser to a form's target, and is nobody there; to a page, and the person is who they are.
	w.do(chromedp.Navigate(evilSite.url + "/save"))
	until(w, "document.body?.innerText ?? ''", "unauthenticated")
	w.do(chromedp.Navigate(evilSite.url + "/logout"))
	until(w, "location.pathname", "/sso/logout")
	w.shows("bad_request")
	w.do(chromedp.Navigate(app.url + "/desk"))
	until(w, subject, "t1/lisi")

	// 4. Cookies are kept by the site around, and all of ours are for frames.
	cookies, err := chromedp.Call(w.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{app.url}})
	if err != nil {
		t.Fatal(err)
	}
	sessions := 0
	for _, c := range cookies.Cookies {
		if c.PartitionKey == nil || c.SameSite != network.CookieSameSiteNone || !c.Secure || !c.HTTPOnly {
			t.Errorf("cookie %s is not partitioned: %+v", c.Name, c)
		}
		if c.Name == "__Host-kitbridge" {
			sessions++
		}
	}
	if sessions != 1 {
		t.Errorf("the window of its own has %d session cookies, want 1", sessions)
	}

	// 5. Our own pages: the portal may show them in its frame, another site may not.
	signedInAs.Store("wangwu")
	for _, tt := range []struct {
		name, around string
		refused      bool
	}{{"portal", portal.url, false}, {"evil", evilSite.url, true}} {
		waiting := chromium.open(t, look{language: "en"})
		before := strings.Count(b.Log(), `"outcome":"pending"`)
		waiting.do(chromedp.Navigate(tt.around + "/tile"))
		await(t, patience, func() string {
			waiting.mu.Lock()
			defer waiting.mu.Unlock()
			refused := strings.Contains(strings.Join(waiting.complaints, "\n"), "frame-ancestors")
			if strings.Count(b.Log(), `"outcome":"pending"`) == before || refused != tt.refused {
				return fmt.Sprintf("around the waiting page %s, refused: %t, want %t; %q", tt.around, refused, tt.refused, waiting.complaints)
			}
			return ""
		})
		waiting.keep("sign-in-framed-pending-" + tt.name)
	}
}
