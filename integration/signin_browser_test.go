//go:build integration

package integration_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// ordersPage is a page of a product with a script that asks for data.
const ordersPage = `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Desk</title>
<link rel="icon" href="data:,"><h1>%s at %s</h1><p id="answer">nothing asked</p><a href="/sso/logout">out</a>
<script>
addEventListener("pageshow", (event) => { if (event.persisted) location.reload() });
const show = (text) => { document.getElementById("answer").textContent = text };
async function ask(options) {
  try {
    const r = await fetch("/api/orders", options);
    show("status " + r.status + " " + r.headers.get("Content-Type") + " " + JSON.stringify(await r.json()));
  } catch (e) { show("failed: " + e) }
}
function askTheOldWay() {
  const r = new XMLHttpRequest();
  r.onload = () => show("status " + r.status + " " + r.getResponseHeader("Content-Type") + " " + r.responseText);
  r.onerror = () => show("failed");
  r.open("GET", "/api/orders");
  r.send();
}
</script>`

// serveOrders is that product. It sees to it, as docs/sign-in.md asks, that the back button shows nobody's page to somebody else.
func serveOrders(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/orders" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"orders":7}`)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = fmt.Fprintf(w, ordersPage, html.EscapeString(r.Header.Get("X-Auth-Subject")), html.EscapeString(r.URL.Path))
}

// startOrders is a bridge before that product, with two tenants.
func startOrders(t *testing.T, lines ...string) *signIn {
	t.Helper()
	product := httptest.NewServer(http.HandlerFunc(serveOrders))
	t.Cleanup(product.Close)
	s := startSignIn(t, append(lines, "proxy: {upstream: \""+product.URL+"\"}")...)
	s.bind(t, "t1", "zhangsan", "lisi")
	s.bind(t, "t2", "wangwu")
	return s
}

// seesSoon waits until each text can be read on the page, whatever pages come and go meanwhile.
func (w *window) seesSoon(texts ...string) {
	w.t.Helper()
	await(w.t, patience, func() string {
		page := w.text()
		for _, text := range texts {
			if !strings.Contains(page, text) {
				return fmt.Sprintf("the page does not show %q:\n%s", text, page)
			}
		}
		return ""
	})
}

// back is the button of that name.
func (w *window) back() {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void]("history.back()"))
}

// visits collects the addresses that the window asks for from now on, and that contain part.
func (w *window) visits(part string) func() []string {
	w.t.Helper()
	var mu sync.Mutex
	var seen []string
	err := chromedp.Listen(w.ctx, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok && strings.Contains(e.Request.URL, part) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, e.Request.URL)
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}

// TestSignInInBrowser: what people do with tabs and buttons, and what their browser makes of it.
func TestSignInInBrowser(t *testing.T) {
	t.Parallel()
	s, b := startOrders(t), openBrowser(t)
	enter := func(t *testing.T, l look, path string) *window {
		w := b.open(t, l)
		w.do(chromedp.Navigate(s.publicURL + "/sso/login?tenant=t1&return=" + path))
		w.seesSoon("t1/"+l.as, "at "+path)
		return w
	}
	zhangsan := look{language: "en", as: "zhangsan"}

	t.Run("callback again", func(t *testing.T) {
		w := b.open(t, zhangsan)
		callbacks := w.visits("/sso/callback?")
		w.do(chromedp.Navigate(s.publicURL + "/sso/login?tenant=t1&return=/desk"))
		w.seesSoon("t1/zhangsan at /desk")
		before, _ := s.centre.calls("t1")
		for range 2 {
			w.do(chromedp.Navigate(callbacks()[0]))
			w.shows("t1/zhangsan at /desk")
		}
		if after, _ := s.centre.calls("t1"); after != before {
			t.Errorf("%d more token calls", after-before)
		}
		w.quiet()
	})
	t.Run("refused, and loaded again", func(t *testing.T) {
		s.authorise(t, "t1", "lisi", 2, map[string]any{"enable": "false"})
		w := b.open(t, look{language: "zh-CN", as: "lisi", width: 360, height: 740})
		w.do(chromedp.Navigate(s.publicURL + "/sso/login?tenant=t1&return=/desk"))
		w.shows("您的账号已停用", "user_disabled")
		before, _ := s.centre.calls("t1")
		w.do(chromedp.Reload())
		w.shows("重新登录", "attempt_expired")
		w.keep("callback-reloaded-zh-narrow")
		if after, _ := s.centre.calls("t1"); after != before {
			t.Errorf("%d more token calls", after-before)
		}
		s.authorise(t, "t1", "lisi", 2, map[string]any{"enable": "true"})
		w.quiet("403", "400")
	})
	t.Run("a script whose session ended", func(t *testing.T) {
		w := enter(t, zhangsan, "/desk")
		ask := chromedp.Evaluate[chromedp.Void]("void ask()")
		w.do(ask)
		w.seesSoon(`status 200 application/json {"orders":7}`)
		w.forget(s)
		want := `status 401 application/json {"error":"unauthenticated","login_url":"` + s.publicURL + "/sso/login?return="
		for name, script := range map[string]string{
			"fetch": "void ask()", "a form by fetch": "void ask({method: 'POST', body: new URLSearchParams({a: 1})})",
			"JSON by fetch":  "void ask({method: 'PUT', headers: {'Content-Type': 'application/json'}, body: '{}'})",
			"XMLHttpRequest": "askTheOldWay()",
		} {
			w.do(chromedp.Evaluate[chromedp.Void]("show('')"), chromedp.Evaluate[chromedp.Void](script))
			await(t, patience, func() string {
				if text := w.text(); !strings.Contains(text, want) {
					return name + " saw " + text
				}
				return ""
			})
		}
		w.quiet("401") // and no complaint about another origin
		login, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](`JSON.parse(document.getElementById("answer").textContent.replace(/^[^{]*/, "")).login_url`))
		if err != nil {
			t.Fatal(err)
		}
		w.do(chromedp.Navigate(login))
		w.seesSoon("t1/zhangsan at /desk") // back on the page whose script asked, not at the address of the data
	})
	t.Run("signed out, then back", func(t *testing.T) {
		w := enter(t, zhangsan, "/desk")
		w.follow(chromedp.Click(chromedp.CSS("a")))
		w.back()
		w.seesSoon("Which organisation are you from?") // and not the page of somebody who signed out
		if at := w.at(); at != "/sso/login" {
			t.Errorf("the browser shows %s", at)
		}
	})
	t.Run("pending", func(t *testing.T) {
		s.employ("t1", "xinren")
		w := b.open(t, look{language: "zh-CN", as: "xinren"})
		w.do(chromedp.Navigate(s.publicURL + "/sso/login?tenant=t1&return=/desk"))
		w.shows("正在准备您的账号")
		w.keep("pending-zh")
		began := time.Now()
		s.authorise(t, "t1", "xinren", 1, nil)
		w.seesSoon("t1/xinren at /desk") // nobody touches anything
		t.Logf("the page went on %v after the push", time.Since(began))
		w.quiet()
	})
}

// forget makes the browser lose the session, as one that ended.
func (w *window) forget(s *signIn) {
	w.t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(s.publicURL, "http://"), ":")
	forget := network.DeleteCookiesParams{Name: "kitbridge-" + port, URL: s.publicURL}
	if _, err := chromedp.Call(w.ctx, network.DeleteCookies, forget); err != nil {
		w.t.Fatal(err)
	}
}
