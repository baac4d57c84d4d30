package sso_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// The service templates that the tests go through.
const (
	marked = "{callback}?tenant={tenantId}"
	glued  = "{callback}&tenant={tenantId}"
	bound  = "{callback}?tenant={tenantId}&state={state}"
)

// casHouse is a house whose auth centres speak CAS.
func casHouse(t *testing.T, template string, change func(*sso.Settings)) *house {
	t.Helper()
	h := newHouse(t, func(c *sso.Config) {
		c.Settings = sso.DefaultSettings(sso.ProfileCAS)
		c.Settings.App = appID
		c.Settings.AllowInsecureAuthCentres = true
		c.Settings.Timeout = 500 * time.Millisecond
		c.Settings.ServiceTemplate = template
		if change != nil {
			change(&c.Settings)
		}
	})
	t.Cleanup(h.centre.Close)
	return h
}

func TestCAS(t *testing.T) {
	t.Parallel()
	for _, template := range []string{marked, glued, bound} {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			h := casHouse(t, template, nil)
			browser := ssotest.Browser(t)
			login, err := url.Parse(h.start(browser, "chenguang", "/desk?a=1"))
			if err != nil {
				t.Fatal(err)
			}
			service := login.Query().Get("service")
			if !strings.HasPrefix(service, h.url+"/sso/callback") || !strings.Contains(service, "tenant="+tenantA) {
				t.Errorf("service = %q, want the callback with the tenant", service)
			}
			back := h.authorize(browser, login.String(), "zhang.san", "pw1")
			got := h.get(browser, back)
			if got.status != http.StatusSeeOther || got.header.Get("Location") != "/desk?a=1" {
				t.Fatalf("callback = %d to %q, want 303 to /desk?a=1\n%s\n%s", got.status, got.header.Get("Location"), got.body, h.log)
			}
			if _, me := h.me(browser); me["sub"] != tenantA+"/zhang.san" || me["role"] != "admin" {
				t.Errorf("/sso/me = %v", me)
			}
			// A reload validates nothing a second time, and a stranger gets nothing from the address.
			if got := h.get(browser, back); got.status != http.StatusSeeOther {
				t.Errorf("reload = %d, want it to go on", got.status)
			}
			h.get(ssotest.Browser(t), back)
			if calls := h.centre.Calls(tenantA); calls.Token != 0 || calls.Userinfo != 0 || calls.Validate > 2 {
				t.Errorf("calls = %+v, want validations only", calls)
			}
			out := h.get(browser, "/sso/logout")
			if want := h.centre.Domain(tenantA) + "/api/v1/cas/logout?service=" + url.QueryEscape(h.url+"/sso/signed-out"); out.header.Get("Location") != want {
				t.Errorf("logout leads to %q, want %q", out.header.Get("Location"), want)
			}
			h.wantSubject(browser, "")
			if u, err := url.Parse(back); err != nil || strings.Contains(h.log.String(), u.Query().Get("ticket")) {
				t.Errorf("the log holds the ticket (%v):\n%s", err, h.log)
			}
		})
	}
}

// TestCASDefects switches on every defect of serviceValidate: each signs in as the right account or not at all, with one call.
func TestCASDefects(t *testing.T) {
	t.Parallel()
	tolerated := []ssotest.Defect{
		ssotest.CASJSON, ssotest.CASJSONLists, ssotest.CASNoNamespace, ssotest.CASUnboundPrefix, ssotest.CASAttributesNone,
	}
	for _, defect := range ssotest.Defects() {
		if !strings.HasPrefix(string(defect), "cas:") {
			continue
		}
		t.Run(string(defect), func(t *testing.T) {
			t.Parallel()
			h := casHouse(t, bound, nil)
			h.put(tenantA, "admin", sso.AccountActive, sso.RoleAdmin) // whom the defects would like to be
			browser := ssotest.Browser(t)
			address := h.start(browser, tenantA, "/")
			h.centre.SetDefect(defect)
			back := h.authorize(browser, address, "zhang.san", "pw1")
			got := h.get(browser, back)
			want := ""
			switch {
			case slices.Contains(tolerated, defect):
				want = tenantA + "/zhang.san"
			case defect == ssotest.CASComment: // it is nobody: comments do not cut a name short
				if got.header.Get("Location") != "/sso/pending" {
					t.Errorf("callback = %d to %v, want the waiting page of admin.zhang.san", got.status, got.location)
				}
			case got.status < 400:
				t.Errorf("callback = %d to %v, want a refusal", got.status, got.location)
			}
			h.wantSubject(browser, want)
			if calls := h.centre.Calls(tenantA); calls.Validate != 1 {
				t.Errorf("%d validations, want one", calls.Validate)
			}
			u, err := url.Parse(back)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{u.Query().Get("ticket"), u.Query().Get("state"), "zhang.san", "hostname"} {
				if strings.Contains(h.log.String(), secret) {
					t.Errorf("the log holds %q:\n%s", secret, h.log)
				}
			}
		})
	}
}

// ticketFor makes an address of the callback as a portal's tile would open it, with a ticket of the user.
func (h *house) ticketFor(tenant, service, name, password string) string {
	h.t.Helper()
	address := h.centre.Domain(tenant) + "/api/v1/cas/login?" + url.Values{"service": {service}}.Encode()
	return h.authorize(ssotest.Browser(h.t), address, name, password)
}

func TestCASUnsolicitedTicket(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, template, policy string
		wantTo                 string // prefix of where the callback leads
		validations            int
		subject                string
	}{
		{"asks, as nothing can be bounced", marked, "bounce", "/sso/confirm", 1, ""},
		{"asks", marked, "confirm", "/sso/confirm", 1, ""},
		{"accepts", marked, "accept", "/", 1, tenantA + "/zhang.san"},
		{"bounces", bound, "bounce", "http://", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := casHouse(t, tt.template, func(s *sso.Settings) { s.Unsolicited = tt.policy })
			browser := ssotest.Browser(t)
			// What the portal puts into the service is kept byte for byte, odd spelling included.
			back := h.ticketFor(tenantA, h.url+"/sso/callback?x=%7e+&tenant="+tenantA, "zhang.san", "pw1")
			got := h.get(browser, back)
			if !strings.HasPrefix(got.header.Get("Location"), tt.wantTo) {
				t.Errorf("callback = %d to %q, want %s…\n%s", got.status, got.header.Get("Location"), tt.wantTo, h.log)
			}
			if got := h.centre.Calls(tenantA).Validate; got != tt.validations {
				t.Errorf("%d validations, want %d", got, tt.validations)
			}
			h.wantSubject(browser, tt.subject)
		})
	}
}

// TestCASTicketIsBoundToItsServiceAndTenant moves tickets to where they were not made for.
func TestCASTicketIsBoundToItsServiceAndTenant(t *testing.T) {
	t.Parallel()
	h := casHouse(t, marked, func(s *sso.Settings) { s.Unsolicited = "accept" })
	ours := func(tenant string) string { return h.url + "/sso/callback?tenant=" + tenant }
	ticket := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("ticket")
	}
	stolen := ticket(h.ticketFor(tenantA, h.url+"/other/product", "zhang.san", "pw1"))
	for name, address := range map[string]string{
		"of another product":        ours(tenantA) + "&ticket=" + stolen,
		"of another tenant":         ours(tenantB) + "&ticket=" + ticket(h.ticketFor(tenantA, ours(tenantA), "zhang.san", "pw1")),
		"tenant changed on the way": ours(tenantA) + "&ticket=" + ticket(h.ticketFor(tenantA, ours(tenantB), "zhang.san", "pw1")),
		"two tenants":               ours(tenantA) + "&tenant_id=" + tenantB + "&ticket=ST-1",
		"two tickets":               ours(tenantA) + "&ticket=ST-1&ticket=ST-2",
		"a proxy's":                 ours(tenantA) + "&ticket=PT-1",
		"none that anybody made":    ours(tenantA) + "&ticket=ST-1",
	} {
		browser := ssotest.Browser(t)
		if got := h.get(browser, address); got.status < 400 {
			t.Errorf("%s: callback = %d to %v, want a refusal", name, got.status, got.location)
		}
		h.wantSubject(browser, "")
	}
}

// TestCASAttemptThatAForeignPageBeganAsks: without a state in the response, an attacker could begin an attempt in somebody's
// browser and deliver a ticket of their own.
func TestCASAttemptThatAForeignPageBeganAsks(t *testing.T) {
	t.Parallel()
	h := casHouse(t, marked, nil)
	browser := ssotest.Browser(t)
	address := h.start(browser, tenantA, "/desk", "Sec-Fetch-Site", "cross-site")
	got := h.get(browser, h.authorize(browser, address, "zhang.san", "pw1"))
	if got.header.Get("Location") != "/sso/confirm" {
		t.Errorf("callback = %d to %v, want the question", got.status, got.location)
	}
	h.wantSubject(browser, "")
}

// TestCASTwoTenantsAtOnce: a ticket finishes the attempt at its own tenant, whichever was begun last.
func TestCASTwoTenantsAtOnce(t *testing.T) {
	t.Parallel()
	h := casHouse(t, marked, nil)
	browser := ssotest.Browser(t)
	first := h.authorize(browser, h.start(browser, tenantA, "/a"), "zhang.san", "pw1")
	h.clock.advance(time.Second)
	second := h.authorize(browser, h.start(browser, tenantB, "/b"), "zhang.san", "pw9")
	for address, want := range map[string][2]string{first: {tenantA, "/a"}, second: {tenantB, "/b"}} {
		if got := h.get(browser, address); got.header.Get("Location") != want[1] {
			t.Errorf("callback = %d to %v, want %s", got.status, got.location, want[1])
		}
		h.wantSubject(browser, want[0]+"/zhang.san")
	}
}

// TestReadValidationRefuses lists what no auth centre has to say, and what two readers could take differently.
func TestReadValidationRefuses(t *testing.T) {
	t.Parallel()
	const success = `<authenticationSuccess><user>u</user></authenticationSuccess>`
	for name, body := range map[string]string{
		"a harmless document type": `<!DOCTYPE serviceResponse><serviceResponse>` + success + `</serviceResponse>`,
		"a style sheet":            `<?xml version="1.0"?><?xml-stylesheet href="x"?><serviceResponse>` + success + `</serviceResponse>`,
		"attributes twice":         `<serviceResponse><authenticationSuccess><user>u</user><attributes/><attributes/></authenticationSuccess></serviceResponse>`,
		"a user with elements":     `<serviceResponse><authenticationSuccess><user>u<b/></user></authenticationSuccess></serviceResponse>`,
		"text behind":              `<serviceResponse>` + success + `</serviceResponse>x`,
		"two roots":                `<serviceResponse>` + success + `</serviceResponse><serviceResponse/>`,
		"no answer":                `<serviceResponse/>`,
		"another root":             `<response>` + success + `</response>`,
		"not closed":               `<serviceResponse>` + success,
		"too deep":                 strings.Repeat("<serviceResponse>", 9) + strings.Repeat("</serviceResponse>", 9),
		"too much":                 `<serviceResponse><authenticationSuccess>` + strings.Repeat("<a/>", 600) + `<user>u</user></authenticationSuccess></serviceResponse>`,
		"JSON: both":               `{"serviceResponse":{"authenticationSuccess":{"user":"u"},"authenticationFailure":{}}}`,
		"JSON: neither":            `{"serviceResponse":{}}`,
		"JSON: a key twice":        `{"serviceResponse":{"authenticationSuccess":{"user":"u","user":"v"}}}`,
		"JSON: success twice":      `{"serviceResponse":{"authenticationSuccess":{"user":"u"},"authenticationSuccess":{"user":"v"}}}`,
		"JSON: proxied":            `{"serviceResponse":{"authenticationSuccess":{"user":"u","proxies":["https://evil.example"]}}}`,
		"JSON: a list of users":    `{"serviceResponse":{"authenticationSuccess":{"user":["u","v"]}}}`,
		"nothing":                  ``,
		"text":                     `yes\nu\n`,
	} {
		if got, err := sso.ReadValidation([]byte(body)); !errors.Is(err, sso.ErrProviderAnswer) && !errors.Is(err, sso.ErrIdentity) {
			t.Errorf("%s: %v, %v; want a refusal", name, got, err)
		}
	}
}

func TestServiceTemplateFaults(t *testing.T) {
	t.Parallel()
	for _, template := range []string{
		"", "https://evil.example/?tenant={tenantId}", "{callback}.evil.example", "{callback}?a={b}", "{callback}?x=1#f",
		"{callback}?tenant={tenantId}&s={state}", "{callback}? x", "{callback}\n",
	} {
		c := config(t, newMemory(), time.Now)
		c.Settings = sso.DefaultSettings(sso.ProfileCAS)
		c.Settings.ServiceTemplate = template
		if _, err := sso.New(c); err == nil || !strings.Contains(err.Error(), "service_template") {
			t.Errorf("service_template %q: %v, want a fault", template, err)
		}
	}
}

// FuzzReadValidation: whatever an auth centre answers is one person, or an error of ours.
func FuzzReadValidation(f *testing.F) {
	for _, seed := range []string{
		`<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas"><cas:authenticationSuccess><cas:user>u</cas:user><cas:attributes><cas:role>admin</cas:role></cas:attributes></cas:authenticationSuccess></cas:serviceResponse>`,
		`<serviceResponse><authenticationFailure code="INVALID_TICKET">no</authenticationFailure></serviceResponse>`,
		`{"serviceResponse":{"authenticationSuccess":{"user":"u","attributes":{"role":["admin"]}}}}`,
		`{"serviceResponse":{"authenticationFailure":{"code":"INVALID_TICKET"}}}`,
		`<a><!-- --><![CDATA[x]]></a>`, `<?xml version="1.0"?><a/>`, `</a>`, "\xEF\xBB\xBF<a/>",
		`{"serviceResponse":{"authenticationSuccess":{"user":"u","user":"v"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := sso.ReadValidation(body)
		if err != nil {
			if !errors.Is(err, sso.ErrProviderAnswer) && !errors.Is(err, sso.ErrCodeSpent) && !errors.Is(err, sso.ErrIdentity) {
				t.Errorf("ReadValidation = %v, want an error that has a page", err)
			}
			return
		}
		if user, _, _, err := sso.Identify(got, tenantA); err == nil && user == "" {
			t.Error("somebody without a name came in")
		}
	})
}
