//go:build integration

package integration_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Real providers answer with pages of their own. What follows walks through them as a browser without scripts would.

// arrival is where a visitor arrived.
type arrival struct {
	reply
	at *url.URL
}

// walk opens an address and follows redirects until somebody shows a page.
func (v *visitor) walk(address string) arrival {
	v.t.Helper()
	return v.arrive(address, v.get(address))
}

// arrive follows the redirects of a reply.
func (v *visitor) arrive(address string, got reply) arrival {
	v.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = v.s.publicURL + address
	}
	at, err := url.Parse(address)
	if err != nil {
		v.t.Fatal(err)
	}
	for hops := 0; got.location != ""; hops++ {
		if hops == 20 {
			v.t.Fatalf("redirected without end, at last to %s", got.location)
		}
		if at, err = at.Parse(got.location); err != nil {
			v.t.Fatalf("redirected to %q: %v", got.location, err)
		}
		for _, secret := range []string{"code", "ticket"} {
			v.s.hide(at.Query().Get(secret))
		}
		got = v.get(at.String())
	}
	return arrival{got, at}
}

// input is a field of a form, as a page declares it.
type input struct{ name, value string }

// form is a form of a page: its address and what it holds.
type form struct {
	action string
	inputs []input
}

// formOf returns the first form of the page that has a field.
func (v *visitor) formOf(p arrival, field string) form {
	v.t.Helper()
	for _, block := range regexp.MustCompile(`(?is)<form\b.*?</form>`).FindAllString(p.body, -1) {
		f := form{action: attribute(block, "action")}
		for _, tag := range regexp.MustCompile(`(?is)<(input|button)\b[^>]*>`).FindAllString(block, -1) {
			if name := attribute(tag, "name"); name != "" {
				f.inputs = append(f.inputs, input{name, attribute(tag, "value")})
			}
		}
		if slices.ContainsFunc(f.inputs, func(i input) bool { return i.name == field }) {
			return f
		}
	}
	v.t.Fatalf("%s (%d) shows no form with %q:\n%s", p.at, p.status, field, p.body)
	return form{}
}

// attribute reads one of an HTML element's start tag, the first in text.
func attribute(text, name string) string {
	tag, _, _ := strings.Cut(text, ">")
	m := regexp.MustCompile(`(?is)\b` + name + `\s*=\s*("([^"]*)"|'([^']*)')`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[2] + m[3])
}

// fill sends the form of a page that has a field, with these values in place of what stands there.
func (v *visitor) fill(p arrival, field string, values map[string]string) arrival {
	v.t.Helper()
	f := v.formOf(p, field)
	content := url.Values{}
	for _, i := range f.inputs {
		content.Set(i.name, i.value)
	}
	for name, value := range values {
		content.Set(name, value)
	}
	to, err := p.at.Parse(f.action)
	if err != nil {
		v.t.Fatal(err)
	}
	if f.action == "" || f.action == "#" {
		to = p.at
	}
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, to.String(), strings.NewReader(content.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", to.Scheme+"://"+to.Host)
	response, err := v.http.Do(r)
	if err != nil {
		v.t.Fatalf("POST %s: %v", to, err)
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatalf("POST %s: %v", to, err)
	}
	return v.arrive(to.String(), reply{response.StatusCode, response.Header.Get("Location"), response.Header, string(body)})
}

// ends fails the test unless the way ended at an address of the bridge, with or without a query.
func (v *visitor) ends(p arrival, want string) {
	v.t.Helper()
	got := strings.TrimPrefix(p.at.String(), v.s.publicURL)
	if withoutQuery(got) != want && got != want {
		v.t.Fatalf("ended at %s (%d), want %s\n%s", p.at, p.status, want, p.body)
	}
}

// refused fails the test unless the bridge shows a page with this code, and signed nobody in.
func (v *visitor) refused(p arrival, code string) {
	v.t.Helper()
	if !strings.HasPrefix(p.at.String(), v.s.publicURL) || !strings.Contains(p.body, "<code>"+code+"</code>") {
		v.t.Errorf("ended at %s (%d), want the bridge's page %s\n%s", p.at, p.status, code, p.body)
	}
	v.is("")
}

// signedOutSoon waits for what an auth centre sends behind the browser's back.
func (v *visitor) signedOutSoon() {
	v.t.Helper()
	await(v.t, 5*time.Second, func() string { return v.subject() })
}

// employed pushes people of whom the auth centre knows already.
func (s *signIn) employed(t *testing.T, tenant string, people ...string) {
	t.Helper()
	for _, name := range people {
		s.authorise(t, tenant, name, 1, nil)
	}
}
