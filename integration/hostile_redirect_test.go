//go:build integration

package integration_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// redirectTricks are the samples of addresses that an attacker would like somebody to be sent to, for a product at origin, and what
// comes of gluing the pieces of such addresses together.
func redirectTricks(t *testing.T, origin string) (samples, glued []string) {
	t.Helper()
	file, err := os.Open("../sso/testdata/redirects.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // only read
	scheme, host, _ := strings.Cut(origin, "://")
	own := strings.NewReplacer("{origin}", origin, "{host}", host, "{scheme}", scheme)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, err := strconv.Unquote(lines.Text()); err == nil {
			samples = append(samples, own.Replace(text))
		}
	}
	if len(samples) < 130 {
		t.Fatalf("%d samples", len(samples))
	}
	for _, before := range []string{"", "/", "/x/", "/x", origin, origin + "/", "/x?a=", "/x#"} {
		for _, trick := range []string{"/", "//", `\`, `/\`, "/.", "/..", "/../", "%2f", "%5c", "%09", "%0a", ";", "@", ":", "?", "#", "%2e%2e/", "/;/", ":80", "%40"} {
			for _, after := range []string{"", "/", "evil.example", "/evil.example", `\evil.example`, "@evil.example", "/%2e%2e//evil.example", "..//evil.example"} {
				glued = append(glued, before+trick+after)
			}
		}
	}
	return samples, glued
}

// TestRedirectsInABrowser asks for every trick as the place that a sign-in comes back to, at each endpoint that takes one. Wherever the
// bridge would send a browser is given to the URL parser of a browser (WHATWG URL, which Node has): it is the bridge's own origin.
func TestRedirectsInABrowser(t *testing.T) {
	t.Parallel()
	s := startSignIn(t, "  chooser: list")
	s.bind(t, "t1", "zhangsan")
	v := s.visitor(t, "zhangsan")
	v.signedIn("t1")
	v.get("/sso/logout")
	host := strings.TrimPrefix(s.publicURL, "http://")
	var locations []string
	accepted := map[string]bool{}
	keep := func(location string) {
		locations = append(locations, location)
		if u, err := url.Parse(location); err == nil {
			if back := u.Query().Get("return"); back != "" && !accepted[back] {
				accepted[back] = true
				locations = append(locations, back)
			}
		}
	}
	samples, glued := redirectTricks(t, s.publicURL)
	for i, trick := range append(samples, glued...) {
		if plainHeader(trick) {
			got := v.get("/sso/authz/forward-auth", "Accept", "text/html", "X-Forwarded-Method", "GET", "X-Forwarded-Proto", "http", "X-Forwarded-Host", host, "X-Forwarded-Uri", trick)
			if got.status != http.StatusFound {
				t.Errorf("page load of %q = %d", trick, got.status)
			}
			keep(got.location)
		}
		if i >= len(samples) {
			continue
		}
		value := url.QueryEscape(trick)
		for _, address := range []string{"/sso/callback?return=" + value, "/sso/logout?return=" + value + "&redirect_url=" + value} {
			keep(v.get(address).location)
		}
		// The chooser's links carry what was accepted.
		for _, link := range strings.Split(v.get("/sso/login?tenant=&return="+value).body, `href="`)[1:] {
			link, _, _ = strings.Cut(link, `"`)
			if !strings.HasPrefix(link, "https://macroverse.huaweicloud.com/unified-login/") {
				keep(strings.ReplaceAll(link, "&amp;", "&"))
			}
		}
	}
	// What was accepted ends a sign-in as it stands.
	followed := 0
	for back := range accepted {
		if followed++; followed > 40 {
			break
		}
		if got := v.get(v.callback("t1", back)); got.location != back {
			t.Errorf("return=%q ended at %q", back, got.location)
		}
	}
	if len(accepted) < 20 {
		t.Errorf("only %d targets were accepted: this shows little", len(accepted))
	}
	checkWithNode(t, s.publicURL, locations)
}

// checkWithNode lets Node read locations as a browser does that is at origin.
func checkWithNode(t *testing.T, origin string, locations []string) {
	t.Helper()
	const script = `
let text = ''
process.stdin.on('data', (piece) => { text += piece }).on('end', () => {
  const { origin, locations } = JSON.parse(text)
  for (const location of locations) {
    const to = new URL(location, origin + '/sso/login')
    if (to.origin !== origin || to.username || to.password) console.log(JSON.stringify(location) + ' leads to ' + to.href)
  }
  for (const evil of ['//evil.example', '/\\evil.example', '/\t/evil.example', 'javascript:alert(1)']) {
    if (new URL(evil, origin + '/sso/login').origin === origin) console.log('this parser does not know ' + evil)
  }
})`
	text, err := json.Marshal(map[string]any{"origin": origin, "locations": locations})
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "-e", script)
	node.Stdin = bytes.NewReader(text)
	out, err := node.CombinedOutput()
	if err != nil {
		t.Fatalf("node (apt-get install nodejs): %v: %s", err, out)
	}
	if len(out) > 0 {
		t.Errorf("of %d addresses:\n%s", len(locations), out)
	}
}

// TestPublicListenerShowsNothing: what is for operators is on the admin listener only (CVE-2022-24797 and its like), whatever Host,
// spelling or forwarded header somebody asks with.
func TestPublicListenerShowsNothing(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	s.bind(t, "t1", "zhangsan")
	v := s.visitor(t, "zhangsan")
	v.signedIn("t1")
	for _, path := range []string{
		"/metrics", "/debug/pprof/", "/debug/vars", "/api/v1/status", "/api/v1/sessions", "/api/v1/users", "/readyz", "/console", "/admin", "/sso/metrics", "/sso/../metrics", "//metrics", "/sso/%2e%2e/api/v1/status",
		"/.git/config", "/kitbridge.yaml", "/kitbridge.db", "/sso/..%2fkitbridge.yaml",
	} {
		for _, headers := range [][]string{nil, {"X-Forwarded-Host", "127.0.0.1:8081"}, {"X-Original-URL", "/metrics"}, {"X-Rewrite-URL", "/metrics"}} {
			got := v.get(path, headers...)
			if got.status == http.StatusOK || strings.Contains(got.body, "kitbridge_") || strings.Contains(got.body, "zhangsan") {
				t.Errorf("%s %q = %d\n%s", path, headers, got.status, got.body)
			}
		}
	}
}
