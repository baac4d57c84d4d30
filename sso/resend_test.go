package sso_test

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// formProduct answers with the body it gets.
func formProduct(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_ = json.NewEncoder(w).Encode(map[string]string{"method": r.Method, "uri": r.RequestURI, "body": string(body)})
}

// post sends a form as a browser does from a page of ours; pairs of headers come in place of or beside its own.
func (h *house) post(browser *http.Client, address, body string, headers ...string) reply {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html", "Origin": h.url,
		"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
	} {
		r.Header.Set(name, value)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := browser.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	text, _ := io.ReadAll(resp.Body)
	location, _ := resp.Location()
	return reply{resp.StatusCode, resp.Header, string(text), location}
}

// fieldsOf reads the form of the page.
func fieldsOf(t *testing.T, page string) (action string, fields [][2]string) {
	t.Helper()
	found := regexp.MustCompile(`<form action="([^"]*)" method="post"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no form in\n%s", page)
	}
	for _, f := range regexp.MustCompile(`(?s)<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		fields = append(fields, [2]string{html.UnescapeString(f[1]), html.UnescapeString(f[2])})
	}
	return html.UnescapeString(found[1]), fields
}

// TestFormSurvivesSignIn: what was typed is not lost when the session was over, and goes out once, by a click.
func TestFormSurvivesSignIn(t *testing.T) {
	t.Parallel()
	for _, face := range []string{"middleware", "proxy"} {
		t.Run(face, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			server := httptest.NewServer(h.rp.Require(http.HandlerFunc(formProduct)))
			t.Cleanup(server.Close)
			address := server.URL
			if face == "proxy" {
				product := httptest.NewServer(http.HandlerFunc(formProduct))
				t.Cleanup(product.Close)
				address = h.proxyTo(product.URL)
			}
			browser := ssotest.Browser(t)
			body := "title=A+%26+B&text=%E5%BC%A0%0D%0A%3Cb%3E%22&title=&csrf=s3cret-token"
			got := h.post(browser, address+"/notes?id=1", body)
			if got.status != http.StatusSeeOther || got.header.Get("Location") != h.url+"/sso/login?return=%2Fsso%2Fresend" {
				t.Fatalf("without a session = %d to %v\n%s", got.status, got.location, got.body)
			}
			u, _ := url.Parse(h.url)
			for _, c := range browser.Jar.Cookies(u) {
				if strings.Contains(c.Value, "s3cret") || len(c.Value) > 4000 {
					t.Errorf("cookie %s = %s", c.Name, c.Value)
				}
			}
			if got := h.get(browser, "/sso/resend"); got.status != http.StatusSeeOther || !strings.HasSuffix(got.location.String(), "/sso/login?return=%2Fsso%2Fresend") {
				t.Errorf("the form before the sign-in = %d to %v", got.status, got.location)
			}
			back := h.get(browser, h.authorize(browser, h.start(browser, tenantA, "/sso/resend"), "li.si", "pw2"))
			if back.status != http.StatusSeeOther || back.header.Get("Location") != "/sso/resend" {
				t.Fatalf("callback = %d to %q", back.status, back.header.Get("Location"))
			}
			if got := h.do(browser, http.MethodHead, "/sso/resend", nil); got.status != http.StatusNoContent {
				t.Errorf("HEAD = %d, want 204 and the form kept", got.status)
			}
			page := h.get(browser, "/sso/resend")
			action, fields := fieldsOf(t, page.body)
			want := [][2]string{{"title", "A & B"}, {"text", "张\r\n<b>\""}, {"title", ""}, {"csrf", "s3cret-token"}}
			if diff := cmp.Diff(want, fields); diff != "" || action != "/notes?id=1" || !strings.Contains(page.body, "li.si") {
				t.Fatalf("the page sends to %q (-want +got):\n%s", action, diff)
			}
			if page.header.Get("Referrer-Policy") != "same-origin" {
				t.Errorf("Referrer-Policy = %q: the product could not see the form's origin", page.header.Get("Referrer-Policy"))
			}
			var again []string
			for _, f := range fields {
				again = append(again, url.QueryEscape(f[0])+"="+url.QueryEscape(f[1]))
			}
			var seen map[string]string
			answer := h.post(browser, address+action, strings.Join(again, "&"))
			if err := json.Unmarshal([]byte(answer.body), &seen); err != nil || seen["body"] != body || seen["uri"] != "/notes?id=1" || seen["method"] != "POST" {
				t.Errorf("the product got %v (%v), want POST /notes?id=1 %s", seen, err, body)
			}
			if got := h.get(browser, "/sso/resend"); got.status != http.StatusSeeOther || got.header.Get("Location") != "/" {
				t.Errorf("the form a second time = %d to %q, want it gone", got.status, got.header.Get("Location"))
			}
			if strings.Contains(h.log.String(), "s3cret-token") {
				t.Error("the log holds what was typed")
			}
		})
	}
}

// TestFormsThatAreNotKept are answered 401, and the browser gets no cookie.
func TestFormsThatAreNotKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for name, tt := range map[string]struct {
		target, body string
		headers      []string
	}{
		"too long":            {"/x", "a=" + strings.Repeat("b", 2<<10), nil},
		"a file":              {"/x", "--b--", []string{"Content-Type", "multipart/form-data; boundary=b"}},
		"JSON":                {"/x", "{}", []string{"Content-Type", "application/json"}},
		"another charset":     {"/x", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded; charset=gbk"}},
		"bytes of another":    {"/x", "a=%D5%C5", nil},
		"a NUL":               {"/x", "a=%00", nil},
		"broken encoding":     {"/x", "a=%zz", nil},
		"a script":            {"/x", "a=b", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}},
		"an old script":       {"/x", "a=b", []string{"Sec-Fetch-Mode", "", "X-Requested-With", "XMLHttpRequest"}},
		"a frame":             {"/x", "a=b", []string{"Sec-Fetch-Dest", "iframe"}},
		"another site":        {"/x", "a=b", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}},
		"a sibling":           {"/x", "a=b", []string{"Sec-Fetch-Site", "same-site"}},
		"another origin":      {"/x", "a=b", []string{"Origin", "https://evil.example"}},
		"no origin":           {"/x", "a=b", []string{"Sec-Fetch-Site", "", "Origin", ""}},
		"a hidden origin":     {"/x", "a=b", []string{"Origin", "null"}},
		"an ambiguous target": {"/x//y", "a=b", nil},
		"compressed":          {"/x", "a=b", []string{"Content-Encoding", "gzip"}},
	} {
		got := h.post(ssotest.Browser(t), h.url+tt.target, tt.body, tt.headers...)
		if got.status != http.StatusUnauthorized || len(got.header["Set-Cookie"]) != 0 {
			t.Errorf("%s = %d, cookies %q, want 401 and none", name, got.status, got.header["Set-Cookie"])
		}
	}
	old := h.post(ssotest.Browser(t), h.url+"/x", "a=b", "Sec-Fetch-Site", "", "Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "")
	if old.status != http.StatusSeeOther {
		t.Errorf("a browser without Sec-Fetch, but with an Origin = %d, want the form kept", old.status)
	}
}

// TestFormExpires: after a quarter of an hour nobody remembers what it was; a cookie of another name or key is no form.
func TestFormExpires(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	kept := h.post(browser, h.url+"/notes", "a=b").header["Set-Cookie"]
	i := slices.IndexFunc(kept, func(line string) bool { return strings.Contains(line, "-form=") })
	if i < 0 || !strings.Contains(kept[i], "HttpOnly") || !strings.Contains(kept[i], "SameSite=Lax") {
		t.Fatalf("cookies %q", kept)
	}
	sealed, _, _ := strings.Cut(kept[i], ";")
	h.signIn(browser, tenantA, "li.si", "pw2")
	session := h.sessionCookie(tenantA, "li.si", "pw2")
	h.clock.advance(15*time.Minute + time.Second)
	if got := h.raw("GET", "/sso/resend", "Cookie", session+"; "+sealed); got.status != http.StatusSeeOther || got.header.Get("Location") != "/" {
		t.Errorf("an old form = %d to %q", got.status, got.header.Get("Location"))
	}
	other := newHouse(t, func(c *sso.Config) { c.Keys = [][]byte{[]byte(strings.Repeat("x", 32))} })
	name, value, _ := strings.Cut(sealed, "=")
	name = strings.Replace(name, strings.Split(h.host(), ":")[1], strings.Split(other.host(), ":")[1], 1)
	if got := other.raw("GET", "/sso/resend", "Cookie", other.sessionCookie(tenantA, "li.si", "pw2")+"; "+name+"="+value); got.header.Get("Location") != "/" {
		t.Errorf("a form sealed elsewhere = %d to %q", got.status, got.header.Get("Location"))
	}
}
