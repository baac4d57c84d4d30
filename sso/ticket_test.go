package sso_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
)

// TestTicket: a ticket is worth nothing but in the browser that began, on the host where it began, once, within a minute, and while
// what was verified still holds.
func TestTicket(t *testing.T) {
	t.Parallel()
	zhang := tenantA + "/zhang.san"
	for _, tt := range []struct {
		name string
		// use opens the ticket's address in some way and returns the answer.
		use    func(h *house, browser *http.Client, address string) reply
		status int
		result string
		// who is signed in at the host afterwards, in the browser that began.
		who string
	}{
		{"as it should be", func(h *house, b *http.Client, address string) reply { return h.get(b, address) }, 303, "admitted", zhang},
		{"in another browser", func(h *house, _ *http.Client, address string) reply {
			other := h.browser()
			defer h.wantAt(other, h.at(openHost), "")
			return h.get(other, address)
		}, 400, "attempt_lost", ""},
		{"in another browser, with an attempt of its own", func(h *house, _ *http.Client, address string) reply {
			other := h.browser()
			h.startAt(other, h.at(openHost), url.Values{"tenant": {tenantA}})
			defer h.wantAt(other, h.at(openHost), "")
			return h.get(other, address)
		}, 400, "attempt_lost", ""},
		{"at the last moment", func(h *house, b *http.Client, address string) reply {
			h.clock.advance(time.Minute)
			return h.get(b, address)
		}, 303, "admitted", zhang},
		{"too late", func(h *house, b *http.Client, address string) reply {
			h.clock.advance(time.Minute + time.Second)
			return h.get(b, address)
		}, 400, "attempt_expired", ""},
		{"too early", func(h *house, b *http.Client, address string) reply {
			h.clock.advance(-10 * time.Second)
			return h.get(b, address)
		}, 400, "attempt_expired", ""},
		{"on another host", func(h *house, b *http.Client, address string) reply {
			h.startAt(b, h.at(boundHost), nil)
			return h.get(b, strings.Replace(address, openHost, boundHost, 1))
		}, 400, "attempt_lost", ""},
		{"at the public address", func(h *house, b *http.Client, address string) reply {
			return h.get(b, strings.Replace(address, h.at(openHost), h.url, 1))
		}, 404, "not_found", ""},
		{"changed", func(h *house, b *http.Client, address string) reply { return h.get(b, address[:len(address)-2]+"xx") }, 400, "attempt_lost", ""},
		{"cut off", func(h *house, b *http.Client, address string) reply { return h.get(b, address[:len(address)-20]) }, 400, "attempt_lost", ""},
		{"none", func(h *house, b *http.Client, _ string) reply { return h.get(b, h.at(openHost)+"/sso/enter") }, 400, "attempt_lost", ""},
		{"far too long", func(h *house, b *http.Client, address string) reply {
			return h.get(b, address+strings.Repeat("A", 9<<10))
		}, 400, "attempt_lost", ""},
		{"twice in the address", func(h *house, b *http.Client, address string) reply {
			return h.get(b, address+"&ticket=x")
		}, 400, "bad_request", ""},
		{"the handover for a ticket", func(h *house, b *http.Client, _ string) reply {
			to := h.get(b, h.at(openHost)+"/sso/login?tenant="+tenantA).location.Query().Get("handover")
			return h.get(b, h.at(openHost)+"/sso/enter?ticket="+to)
		}, 400, "attempt_lost", ""},
		{"posted", func(h *house, b *http.Client, address string) reply {
			return h.do(b, http.MethodPost, address, url.Values{})
		}, 404, "not_found", ""},
		{"after the user was removed", func(h *house, b *http.Client, address string) reply {
			h.put(tenantA, "zhang.san", sso.AccountRemoved, sso.RoleUser)
			return h.get(b, address)
		}, 403, "user_removed", ""},
		{"after the user was removed and another got the name", func(h *house, b *http.Client, address string) reply {
			h.put(tenantA, "zhang.san", sso.AccountRemoved, sso.RoleUser)
			h.put(tenantA, "zhang.san", sso.AccountActive, sso.RoleUser)
			return h.get(b, address)
		}, 400, "attempt_expired", ""},
		{"after the tenant ended", func(h *house, b *http.Client, address string) reply {
			h.PutTenant(h.t, sso.Tenant{ID: tenantA})
			return h.get(b, address)
		}, 403, "tenant_gone", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHosts(t, nil)
			browser := h.browser()
			address := h.ticketAt(browser, h.at(openHost), tenantA, "zhang.san", "pw1")
			got := tt.use(h, browser, address)
			if got.status != tt.status {
				t.Errorf("enter = %d to %v, want %d\n%s", got.status, got.location, tt.status, got.body)
			}
			if tt.result != "not_found" && !strings.Contains(h.log.String(), `"event":"enter","result":"`+tt.result+`"`) {
				t.Errorf("the log has no result %s:\n%s", tt.result, h.log)
			}
			h.wantAt(browser, h.at(openHost), tt.who)
			h.wantAt(browser, h.at(boundHost), "")
			h.wantAt(browser, h.url, "")
		})
	}
}

// TestTicketIsUsedOnce: a second use signs nobody in, and goes on where somebody is signed in already; also where two processes get
// one each.
func TestTicketIsUsedOnce(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	browser, origin := h.browser(), h.at(openHost)
	address := h.ticketAt(browser, origin, tenantA, "zhang.san", "pw1")
	jar := browser.Jar.Cookies(mustParse(t, origin))
	h.get(browser, address)
	if got := h.get(browser, address); got.status != http.StatusSeeOther || got.header.Get("Location") != "/desk?a=1" {
		t.Errorf("reloaded = %d to %q, want to go on", got.status, got.header.Get("Location"))
	}
	h.do(browser, http.MethodPost, origin+"/sso/logout", url.Values{})
	if got := h.get(browser, address); got.status != http.StatusBadRequest {
		t.Errorf("after signing out = %d, want 400", got.status)
	}
	again := h.browser() // with the cookies of before
	again.Jar.SetCookies(mustParse(t, origin), jar)
	if got := h.get(again, address); got.status != http.StatusBadRequest {
		t.Errorf("with the cookies of before = %d to %v, want 400", got.status, got.location)
	}
	h.wantAt(again, origin, "")

	// Another process knows nothing but what the store knows.
	address = h.ticketAt(browser, origin, tenantA, "zhang.san", "pw1")
	jar = browser.Jar.Cookies(mustParse(t, origin))
	uses := map[int]int{}
	for _, rp := range []*sso.RelyingParty{h.rp, newRP(t, h.config)} {
		w := httptest.NewRecorder()
		r := newRequest(t, address, jar)
		rp.Handler().ServeHTTP(w, r)
		uses[w.Code]++
	}
	if diff := cmp.Diff(map[int]int{http.StatusSeeOther: 1, http.StatusBadRequest: 1}, uses); diff != "" {
		t.Errorf("one ticket at two processes (-want +got)\n%s", diff)
	}
}

// TestTicketDeliveredAtOnce: browsers deliver twice; whichever answer they keep holds the one session that is made.
func TestTicketDeliveredAtOnce(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	browser, origin := h.browser(), h.at(openHost)
	address := h.ticketAt(browser, origin, tenantA, "zhang.san", "pw1")
	gate := make(chan struct{})
	h.mu.Lock()
	h.creating = func() { <-gate }
	h.mu.Unlock()
	jar := browser.Jar.Cookies(mustParse(t, origin))
	var wg sync.WaitGroup
	codes := make(chan int, 3)
	for range cap(codes) {
		wg.Go(func() {
			w := httptest.NewRecorder()
			h.rp.Handler().ServeHTTP(w, newRequest(t, address, jar))
			codes <- w.Code
		})
	}
	close(gate)
	wg.Wait()
	close(codes)
	good := 0
	for code := range codes {
		if code == http.StatusSeeOther {
			good++
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if good == 0 || len(h.sessions) != 1 {
		t.Errorf("%d of 3 deliveries were answered with a sign-in, %d sessions; want one session", good, len(h.sessions))
	}
}

// TestNothingIsWrittenForStrangers: what anybody can send to the further host or with a handover changes nothing in the store.
func TestNothingIsWrittenForStrangers(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	browser := h.browser()
	address := h.ticketAt(browser, h.at(openHost), tenantA, "zhang.san", "pw1")
	h.mu.Lock()
	h.obeyed = map[sso.Handle]bool{}
	h.mu.Unlock()
	stranger := h.browser()
	for _, at := range []string{address, h.at(openHost) + "/sso/enter?ticket=x", h.at(boundHost) + "/sso/enter", h.url + "/sso/login?handover=x"} {
		h.get(stranger, at)
		h.do(stranger, http.MethodHead, at, nil)
		h.get(browser, at, "Sec-Purpose", "prefetch")
	}
	h.mu.Lock()
	written := len(h.obeyed) + len(h.sessions) + h.ends
	h.mu.Unlock()
	if written != 0 {
		t.Errorf("strangers wrote %d rows", written)
	}
	if got := h.get(browser, address); got.status != http.StatusSeeOther {
		t.Errorf("and then the browser that began = %d, want 303: looking ahead used the ticket up", got.status)
	}
}

// TestTicketWithoutStore: a store that cannot say whether a ticket was used lets nobody in.
func TestTicketWithoutStore(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	browser := h.browser()
	address := h.ticketAt(browser, h.at(openHost), tenantA, "zhang.san", "pw1")
	h.setFault(errTwice)
	if got := h.get(browser, address); got.status != http.StatusServiceUnavailable {
		t.Errorf("enter = %d, want 503", got.status)
	}
	h.setFault(nil)
	h.wantAt(browser, h.at(openHost), "")
}

// TestHandover: what a further host tells the public address cannot be made, kept or used for another one.
func TestHandover(t *testing.T) {
	t.Parallel()
	h := newHosts(t, nil)
	browser := h.browser()
	login := func(host string) string {
		return h.get(browser, h.at(host)+"/sso/login?tenant="+tenantA).location.Query().Get("handover")
	}
	good := login(openHost)
	for name, sealed := range map[string]string{"none of ours": "x", "changed": good[:len(good)-2] + "xx", "empty": "%20", "a ticket": "ticket"} {
		if got := h.get(browser, "/sso/login?handover="+sealed); got.status != http.StatusBadRequest {
			t.Errorf("%s = %d, want 400", name, got.status)
		}
	}
	if got := h.get(browser, "/sso/login?handover="+good+"&handover="+good); got.status != http.StatusBadRequest {
		t.Errorf("twice = %d, want 400", got.status)
	}
	h.clock.advance(10*time.Minute + time.Second)
	got := h.get(browser, "/sso/login?handover="+good)
	if got.status != http.StatusBadRequest || !strings.Contains(got.body, h.at(openHost)+"/sso/login?tenant="+tenantA) {
		t.Errorf("too old = %d, want 400 and the way back to the further host\n%s", got.status, got.body)
	}
	good = login(openHost)
	other := newRP(t, func() sso.Config { c := h.config; c.Settings.Hosts = c.Settings.Hosts[:1]; return c }())
	w := httptest.NewRecorder()
	other.Handler().ServeHTTP(w, newRequest(t, h.url+"/sso/login?handover="+good, nil))
	if w.Code != http.StatusBadRequest {
		t.Errorf("a host that is configured no more = %d, want 400", w.Code)
	}
	// On a further host itself the parameter means nothing.
	if got := h.get(browser, h.at(boundHost)+"/sso/login?handover="+good); got.status != http.StatusFound || got.location.Host != h.host() {
		t.Errorf("at the other further host = %d to %v, want a sign-in of its own", got.status, got.location)
	}
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// newRequest is a page load with cookies.
func newRequest(t *testing.T, address string, cookies []*http.Cookie) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	r.Header.Set("Accept", "text/html")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// newAnswer is the answer of a house to a request of our pages.
func newAnswer(h *house, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.rp.Handler().ServeHTTP(w, r)
	return w
}

func cookieHeader(cookies []*http.Cookie) string {
	pairs := make([]string, 0, len(cookies))
	for _, c := range cookies {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}
