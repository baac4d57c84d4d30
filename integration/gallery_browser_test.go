//go:build integration

package integration_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Names as long as the marketplace allows and enterprises have.
const (
	longCompany = "华东精密制造与智能装备（集团）股份有限公司第二事业部数字化转型推进办公室"
	longPerson  = "阿卜杜热合曼·买买提明·吐尔逊江"
	longUser    = "abudureheman.maimaitiming.tuerxunjiang@digital.example.com"
)

// TestGalleryInBrowser keeps a picture of every page that people see, in both languages, on a phone and in the dark, with long
// names, and fails if one is wider than its window.
func TestGalleryInBrowser(t *testing.T) {
	t.Parallel()
	s, b := startOrders(t), openBrowser(t)
	s.hide(longPerson)
	for _, tenant := range []string{"long", "longer"} {
		s.introduce(t, tenant, longCompany, s.centre.domain(tenant))
		s.rotate(t, tenant)
		for _, name := range []string{longUser, "neu", "aus"} {
			s.employ(tenant, name)
			s.centre.with(tenant, func(c *centreTenant) { c.users[name]["name"] = longPerson })
		}
		s.authorise(t, tenant, longUser, 1, map[string]any{"name": longPerson})
		s.authorise(t, tenant, "aus", 1, map[string]any{"name": longPerson, "enable": "false"})
	}
	for name, l := range map[string]look{
		"zh-phone":      {language: "zh-CN,zh;q=0.9", width: 360, height: 740},
		"zh-phone-dark": {language: "zh-CN", width: 360, height: 740, dark: true},
		"en":            {language: "en-GB,en;q=0.9"},
		"en-small":      {language: "en", width: 320, height: 568},
	} {
		t.Run(name, func(t *testing.T) { gallery(b.open(t, l), s, name, strings.HasPrefix(l.language, "zh")) })
	}
}

func gallery(w *window, s *signIn, name string, chinese bool) {
	keep := func(page, zh, en string) {
		w.t.Helper()
		if !chinese {
			zh = en
		}
		w.shows(zh)
		w.keep("gallery-" + page + "-" + name)
		inside := `(({left, right}) => left >= 16 && right <= innerWidth - 16)(document.querySelector("main").getBoundingClientRect())`
		if fits, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool](inside)); err != nil || !fits {
			w.t.Errorf("%s has no margin on both sides (%v)", page, err)
		}
	}
	as := func(user string) {
		l := w.look
		l.as = user
		w.wear(l)
	}
	login := func(tenant string) {
		w.do(chromedp.Navigate(s.publicURL + "/sso/login?return=/desk&tenant=" + tenant))
	}

	w.do(chromedp.Navigate(s.publicURL + "/sso/login?return=/desk"))
	keep("chooser", "请选择您所在的企业", "Which organisation are you from?")
	w.do(chromedp.SendKeys(chromedp.CSS("input[name=q]"), "华东精密"))
	w.follow(chromedp.Click(chromedp.CSS("button")))
	keep("chooser-found", longCompany, longCompany)
	w.do(chromedp.Navigate(s.publicURL + "/sso/login?q=" + strings.Repeat("xyz", 20)))
	keep("chooser-nothing", "没有找到", "No organisation")

	as("neu")
	login("long")
	keep("pending", "正在准备您的账号", "Your account")
	as("aus")
	login("long")
	keep("disabled", "您的账号已停用", "switched off")
	as(longUser)
	login("long")
	w.seesSoon("at /desk")
	// A sign-in that another page began, at another enterprise.
	w.do(chromedp.Navigate(s.centre.url+"/elsewhere"), chromedp.Evaluate[chromedp.Void](
		"document.body.innerHTML = '<a href=\""+s.publicURL+"/sso/login?return=/desk&tenant=longer\">in</a>'"))
	w.follow(chromedp.Click(chromedp.CSS("a")))
	keep("switch", "以此账号登录？", "Sign in with this account?")
	w.do(chromedp.Navigate(s.centre.url+"/elsewhere"), chromedp.Evaluate[chromedp.Void](
		"document.body.innerHTML = '<a href=\""+s.publicURL+"/sso/logout\">out</a>'"))
	w.follow(chromedp.Click(chromedp.CSS("a")))
	keep("confirm-sign-out", "确定退出登录？", "Sign out?")
	w.do(chromedp.Navigate(s.publicURL + "/sso/signed-out"))
	keep("signed-out", "您已退出登录", "signed out")
	w.do(chromedp.Navigate(s.publicURL + "/sso/nowhere"))
	keep("not-found", "页面不存在", "no such page")
}
