//go:build integration

package integration_test

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// notesPage is a page of a product that knows nothing of kitbridge: a form, and a WebSocket whose state it shows.
const notesPage = `<!doctype html><meta charset="utf-8"><title>Notes</title><link rel="icon" href="data:,">
<form method="post" action="/notes?id=1"><input name="title"><textarea name="text"></textarea><button>Save</button></form>
<p id="socket">no socket</p>
<script>
const socket = new WebSocket("ws://" + location.host + "/socket"), show = text => document.getElementById("socket").textContent = text
socket.onopen = () => show("socket open")
socket.onclose = () => show("socket closed")
</script>`

// serveNotes is that product.
func serveNotes(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch {
	case r.URL.Path == "/socket":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // end of the connection
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
	case r.Method == http.MethodPost:
		_ = r.ParseForm()
		_, _ = fmt.Fprintf(w, "<title>Saved</title><link rel=icon href='data:,'><p>saved %s by %s from %s: %s</p>", html.EscapeString(r.RequestURI), html.EscapeString(r.Header.Get("X-Auth-Subject")),
			html.EscapeString(r.Header.Get("Origin")), html.EscapeString(fmt.Sprintf("%q %q", r.PostForm["title"], r.PostForm["text"])))
	default:
		_, _ = io.WriteString(w, notesPage)
	}
}

// socketIs waits until the page says that of its WebSocket. The page may just be on its way.
func (w *window) socketIs(state string) {
	w.t.Helper()
	await(w.t, patience, func() string {
		said, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](`document.getElementById("socket")?.textContent ?? ""`))
		if err == nil && said == "socket "+state {
			return ""
		}
		return fmt.Sprintf("the page says %q (%v), want that the socket is %s", said, err, state)
	})
}

// TestProxyInBrowser: behind kitbridge's own proxy a real browser loses no form when the session ended meanwhile, and a
// WebSocket when its user is removed.
func TestProxyInBrowser(t *testing.T) {
	t.Parallel()
	product := httptest.NewServer(http.HandlerFunc(serveNotes))
	t.Cleanup(product.Close)
	s := startSignIn(t, "proxy: {upstream: \""+product.URL+"\"}")
	s.bind(t, "t1", "zhangsan")
	w := openBrowser(t).open(t, look{language: "en", as: "zhangsan"})
	w.do(chromedp.Navigate(s.publicURL + "/sso/login?tenant=t1&return=/notes"))
	w.socketIs("open")
	w.do(chromedp.SendKeys(chromedp.CSS("input[name=title]"), `A & "B" 张`), chromedp.SendKeys(chromedp.CSS("textarea"), "one\ntwo"))

	public, err := url.Parse(s.publicURL)
	if err != nil {
		t.Fatal(err)
	}
	forget := network.DeleteCookiesParams{Name: "kitbridge-" + public.Port(), URL: s.publicURL}
	if _, err := chromedp.Call(w.ctx, network.DeleteCookies, forget); err != nil {
		t.Fatal(err)
	}
	w.follow(chromedp.Click(chromedp.CSS("button")))
	if at := w.at(); at != "/sso/resend" {
		t.Fatalf("after the form without a session the browser is at %s:\n%s", at, w.text())
	}
	w.shows("You are signed in again", "zhangsan", "Send the form")
	w.keep("sign-in-resend")
	w.follow(chromedp.Click(chromedp.CSS("form button")))
	w.shows("saved /notes?id=1 by t1/zhangsan from "+s.publicURL, `["A & \"B\" 张"] ["one\r\ntwo"]`)

	w.do(chromedp.Navigate(s.publicURL + "/notes"))
	w.socketIs("open")
	s.authorise(t, "t1", "zhangsan", 0, nil)
	w.socketIs("closed")
	if text := w.text(); strings.Contains(text, "open") {
		t.Errorf("the page says %s", text)
	}
}
