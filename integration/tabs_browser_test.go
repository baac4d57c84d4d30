//go:build integration

package integration_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestTabsInBrowser: tabs, the back button and a change of accounts, at an auth centre with a password form and a session of its
// own.
func TestTabsInBrowser(t *testing.T) {
	t.Parallel()
	d, b := startDemo(t), openBrowser(t)
	for name, tell := range map[string]func(*window, *demo){
		"two tabs at once": twoTabs, "back after sign-in": backAfterSignIn, "another account": anotherAccount,
		"many tabs": manyTabs,
	} {
		t.Run(name, func(t *testing.T) { tell(b.open(t, look{language: "zh-CN"}), d) })
	}
}

// twoTabs: both were begun before either is finished, for two enterprises.
func twoTabs(w *window, d *demo) {
	other := w.tab()
	w.choose(d, chenguang)
	other.choose(d, chenguang)
	w.enter("zhangsan", "zhangsan-demo")
	w.shows(greeting)
	other.enter("zhangsan", "zhangsan-demo")
	other.shows(greeting)
	w.do(chromedp.Reload())
	w.shows(greeting)
	w.quiet()
	other.quiet()
}

// manyTabs: of more tabs than attempts are kept, the oldest is told what to do, and the newest ones work.
func manyTabs(w *window, d *demo) {
	tabs := []*window{w}
	for range 6 {
		tabs = append(tabs, w.tab())
	}
	for _, tab := range tabs {
		tab.choose(d, chenguang)
	}
	w.enter("zhangsan", "zhangsan-demo") // its attempt was given up
	w.shows("此次登录不属于当前浏览器", "attempt_lost")
	w.keep("attempt-lost-zh")
	last := tabs[len(tabs)-1]
	last.do(chromedp.Reload()) // the auth centre knows them by now
	last.seesSoon(greeting)
	w.follow(chromedp.Click(chromedp.CSS("a.button")))
	w.seesSoon(greeting)
	last.quiet()
}

// backAfterSignIn: the button leads through pages that have done their work, and always to the product.
func backAfterSignIn(w *window, d *demo) {
	w.choose(d, chenguang)
	w.enter("zhangsan", "zhangsan-demo")
	w.shows(greeting)
	w.back() // to the form of the auth centre, which has a session now
	w.seesSoon(greeting)
	w.back()
	w.seesSoon(greeting)
	w.do(chromedp.Navigate(d.url))
	w.shows(greeting)
	w.quiet()
}

// anotherAccount: a link on another site begins a sign-in while somebody is signed in. They are asked, and told who is who.
func anotherAccount(w *window, d *demo) {
	w.choose(d, chenguang)
	elsewhere, err := chromedp.Run(w.ctx, chromedp.Location())
	if err != nil {
		w.t.Fatal(err)
	}
	w.enter("zhangsan", "zhangsan-demo")
	w.shows(greeting)
	link := func() {
		script := fmt.Sprintf("document.body.innerHTML = '<a href=%ssso/login?tenant=yuanhang&return=/>in</a>'", d.url)
		w.do(chromedp.Navigate(withoutQuery(elsewhere)), chromedp.Evaluate[chromedp.Void](script))
		w.follow(chromedp.Click(chromedp.CSS("a")))
	}
	link()
	w.enter("zhangsan", "zhangsan-demo")
	w.shows("以此账号登录？", "已有其他用户登录", yuanhang, chenguang) // both are called 张三
	w.keep("confirm-switch-zh")
	w.follow(chromedp.Click(chromedp.CSS("a.button")))
	w.shows(greeting) // still the first one

	link() // the auth centre answers at once
	w.shows("以此账号登录？")
	w.follow(chromedp.Click(chromedp.CSS("form button")))
	w.shows("张三 · 上海调度站 · user", yuanhang)
	w.quiet("400") // the auth centre, asked for nothing
}
