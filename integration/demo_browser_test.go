//go:build integration

package integration_test

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is one Chromium for all windows of a test.
type browser struct {
	ctx context.Context
}

// openBrowser starts Chromium. It talks to nobody but the pages it is sent to. more changes how it is started.
func openBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.UserDataDir(t.TempDir()),
	)
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), append(options, more...)...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium (apt-get install chromium): %v", err)
	}
	return &browser{ctx}
}

// look is how a window looks at pages.
type look struct {
	language      string // sent as Accept-Language
	width, height int64
	dark          bool
	as            string // who they are at every auth centre of [startAuthCentre]
}

// window is a browser of its own: nothing is shared with other windows, neither
// cookies nor storage. Its methods fail the test.
type window struct {
	t    *testing.T
	ctx  context.Context
	look look

	mu         sync.Mutex
	complaints []string // under mu: errors and violations on the console
}

// patience bounds each step in the browser.
const patience = 20 * time.Second

func (b *browser) open(t *testing.T, l look) *window {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	return dress(t, ctx, l)
}

// tab opens another tab, with the same cookies.
func (w *window) tab() *window {
	w.t.Helper()
	ctx, end := chromedp.NewContext(w.ctx)
	w.t.Cleanup(end)
	return dress(w.t, ctx, w.look)
}

// dress makes a window look at pages as it should.
func dress(t *testing.T, ctx context.Context, l look) *window { //nolint:revive // the test comes first, as everywhere here
	t.Helper()
	w := &window{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, w.listen); err != nil {
		t.Fatal(err)
	}
	w.wear(l)
	if l.dark {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}
		if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
			t.Fatal(err)
		}
	}
	w.do(chromedp.EmulateViewport(cmp.Or(l.width, 1100), cmp.Or(l.height, 800)))
	return w
}

// wear changes what is sent with every request.
func (w *window) wear(l look) {
	w.t.Helper()
	w.look = l
	headers := network.Headers{"Accept-Language": l.language}
	if l.as != "" {
		headers[who] = l.as
	}
	if _, err := chromedp.Call(w.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: headers}); err != nil {
		w.t.Fatal(err)
	}
}

// listen collects what a developer would see in red or yellow.
func (w *window) listen(event any) {
	var complaint string
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning || e.Entry.Source == log.EntrySourceSecurity {
			complaint = fmt.Sprintf("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, withoutQuery(e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		complaint = "console." + string(e.Type)
	case *runtime.EventExceptionThrown:
		complaint = "exception: " + e.ExceptionDetails.Text
	}
	if complaint != "" {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.complaints = append(w.complaints, complaint)
	}
}

func withoutQuery(address string) string {
	before, _, _ := strings.Cut(address, "?")
	return before
}

// quiet fails the test if the console holds anything but these statuses of pages.
func (w *window) quiet(statuses ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, complaint := range w.complaints {
		if !slices.ContainsFunc(statuses, func(s string) bool { return strings.Contains(complaint, "a status of "+s) }) {
			w.t.Errorf("on the console: %s", complaint)
		}
	}
}

func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.t.Fatalf("in the browser: %v\n%s", err, w.text())
	}
}

// follow does a step that leads to another page, and waits for that one.
func (w *window) follow(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, steps...); err != nil {
		w.t.Fatalf("in the browser: %v\n%s", err, w.text())
	}
}

// text is all that a person can read on the page.
func (w *window) text() string {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

// shows fails the test unless each text can be read on the page.
func (w *window) shows(texts ...string) {
	w.t.Helper()
	page := w.text()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			w.t.Errorf("the page does not show %q:\n%s", text, page)
		}
	}
}

// at returns the path of the page.
func (w *window) at() string {
	w.t.Helper()
	location, err := chromedp.Run(w.ctx, chromedp.Location())
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(location)
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Path
}

// keep writes a picture of the page to the artefacts, and fails the test if the
// page is wider than its window.
func (w *window) keep(name string) {
	w.t.Helper()
	picture, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		w.t.Fatal(err)
	}
	dir := cmp.Or(os.Getenv("KITBRIDGE_ARTEFACTS"), "../artefacts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		w.t.Fatal(err)
	}
	wide, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > window.innerWidth"))
	if err != nil || wide {
		w.t.Errorf("%s is wider than the window (%v)", name, err)
	}
}

// choose opens the product and picks the company from the chooser.
func (w *window) choose(d *demo, company string) {
	w.t.Helper()
	w.do(chromedp.Navigate(d.url))
	w.shows(company)
	w.follow(chromedp.Click(chromedp.Search("//a[contains(., '" + company + "')]")))
}

// enter fills in the form of the auth centre and sends it.
func (w *window) enter(user, password string) {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("input[name=username]").value = ""`), // what was typed before stays there
		chromedp.SendKeys(chromedp.CSS(`input[name=username]`), user),
		chromedp.SendKeys(chromedp.CSS(`input[name=password]`), password))
	w.follow(chromedp.Click(chromedp.CSS(`form button`)))
}

const (
	chenguang = "晨光制造"
	yuanhang  = "远航物流"
	greeting  = "张三 · 产品部 · admin"
)

// TestDemoInBrowser is what a person sees who follows the README.
func TestDemoInBrowser(t *testing.T) {
	t.Parallel()
	d, b := startDemo(t), openBrowser(t)
	stories := []struct {
		name string
		look look
		tell func(*window, *demo)
	}{
		{"in and out", look{language: "zh-CN,zh;q=0.9"}, inAndOut},
		{"another person of the same name, on a phone", look{language: "zh-CN", width: 360, height: 740}, anotherCompany},
		{"wrong password, in English", look{language: "en-GB,en;q=0.9"}, wrongPassword},
		{"disabled user", look{language: "en"}, disabledUser},
		{"by the marketplace's own page", look{language: "zh-CN"}, unifiedPage},
		{"sign-out that another site asks for", look{language: "en"}, foreignSignOut},
		{"in the dark", look{language: "zh-CN", dark: true}, inTheDark},
		{"removed while signed in", look{language: "en", width: 360, height: 740}, removed},
	}
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) { story.tell(b.open(t, story.look), d) })
	}
}

func inAndOut(w *window, d *demo) {
	w.do(chromedp.Navigate(d.url))
	w.shows("请选择您所在的企业", chenguang, yuanhang)
	w.keep("chooser-zh")
	w.choose(d, chenguang)
	w.shows(chenguang, "密码")
	w.keep("auth-centre-zh")
	w.enter("zhangsan", "zhangsan-demo")
	w.shows(greeting, "工单通", "李四", "压力仪表组")
	if at := w.at(); at != "/" {
		w.t.Errorf("signed in at %s, want the page that was asked for", at)
	}
	w.keep("product-zh")
	w.follow(chromedp.Click(chromedp.CSS(`a[href="/sso/logout"]`)))
	w.shows("已退出")
	w.keep("signed-out-zh")
	w.follow(chromedp.Click(chromedp.CSS(`a.button`)))
	w.shows(chenguang, yuanhang) // the chooser: signing out forgets the company
	w.choose(d, chenguang)
	w.shows("密码") // and the auth centre's own session is over as well
	w.quiet()
}

func anotherCompany(w *window, d *demo) {
	w.do(chromedp.Navigate(d.url))
	w.keep("chooser-zh-narrow")
	w.choose(d, yuanhang)
	w.keep("auth-centre-zh-narrow")
	w.enter("zhangsan", "zhangsan-demo")
	w.shows("张三 · 上海调度站 · user", yuanhang, "林海")
	if strings.Contains(w.text(), "李四") {
		w.t.Error("远航物流 sees a colleague of 晨光制造")
	}
	w.keep("product-zh-narrow")
	w.quiet()
}

func wrongPassword(w *window, d *demo) {
	w.do(chromedp.Navigate(d.url))
	w.shows("Which organisation are you from?")
	w.keep("chooser-en")
	w.choose(d, chenguang)
	w.enter("zhangsan", "not-the-password")
	w.shows("Password")
	w.keep("wrong-password-en")
	w.enter("zhangsan", "zhangsan-demo")
	w.shows(greeting)
	w.quiet("401")
}

func disabledUser(w *window, d *demo) {
	w.choose(d, chenguang)
	w.enter("qianduo", "qianduo-demo")
	w.shows("Your account is switched off", "user_disabled", chenguang)
	w.keep("user-disabled-en")
	w.do(chromedp.Navigate(d.url))
	w.shows("Which organisation are you from?") // and not the product
	w.quiet("403")
}

// unifiedPage is the way of somebody who does not know their company's short
// name by heart, and of the vendor's own test (access guide, "WEB login
// sequence"): the code arrives unasked for, and is bounced.
func unifiedPage(w *window, d *demo) {
	w.do(chromedp.Navigate(d.url))
	w.follow(chromedp.Click(chromedp.Search("//a[contains(., '通过云商店统一登录')]")))
	w.keep("unified-login-zh")
	w.enter("linhai@yuanhang", "linhai-demo")
	w.shows("林海 · 运营中心 · admin")
	w.quiet()
}

// foreignSignOut: a link on another site leads to a question, not out.
func foreignSignOut(w *window, d *demo) {
	w.choose(d, chenguang)
	elsewhere, err := chromedp.Run(w.ctx, chromedp.Location())
	if err != nil {
		w.t.Fatal(err)
	}
	w.enter("wangfang", "wangfang-demo")
	w.shows("王芳 · 流量仪表组 · user")
	link := fmt.Sprintf("document.body.innerHTML = '<a href=%ssso/logout>out</a>'", d.url)
	w.do(chromedp.Navigate(withoutQuery(elsewhere)), chromedp.Evaluate[chromedp.Void](link))
	w.follow(chromedp.Click(chromedp.CSS("a")))
	w.keep("confirm-sign-out-en")
	w.do(chromedp.Navigate(d.url))
	w.shows("王芳 · 流量仪表组 · user") // not signed out yet
	w.do(chromedp.Navigate(withoutQuery(elsewhere)), chromedp.Evaluate[chromedp.Void](link))
	w.follow(chromedp.Click(chromedp.CSS("a")))
	w.follow(chromedp.Click(chromedp.CSS("form button")))
	w.shows("signed out")
	w.do(chromedp.Navigate(d.url))
	w.shows("Which organisation are you from?")
	w.quiet("400") // the auth centre, asked for nothing
}

func inTheDark(w *window, d *demo) {
	w.do(chromedp.Navigate(d.url))
	w.keep("chooser-zh-dark")
	w.choose(d, chenguang)
	w.keep("auth-centre-zh-dark")
	w.enter("lisi", "lisi-demo")
	w.shows("李四 · 压力仪表组 · user")
	w.keep("product-zh-dark")
	w.quiet()
}

func removed(w *window, d *demo) {
	w.choose(d, chenguang)
	w.enter("zhangsan", "zhangsan-demo")
	w.shows(greeting)
	shell(w.t, d.command(w.t, "sh", 1))
	acknowledged := time.Now()
	for w.at() == "/" {
		asked := time.Since(acknowledged)
		w.do(chromedp.Reload())
		if asked > time.Second && w.at() == "/" {
			w.t.Fatalf("%v after the acknowledgement the page still shows\n%s", asked, w.text())
		}
	}
	// They are asked to sign in again, at the auth centre they came from. That
	// one still knows them and answers at once, so they learn what happened.
	w.shows("You may no longer use this product", "access_revoked", chenguang)
	w.keep("access-revoked-en-narrow")
	w.quiet("403")
}
