//go:build integration

package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// serverOf returns the path of a web server's program.
func serverOf(t *testing.T, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} { // not in everybody's PATH
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed, and this test needs it: apt-get install %s", name, name)
	return ""
}

// runFront runs a web server in the foreground until the test ends.
func runFront(t *testing.T, address, dir string, args ...string) {
	t.Helper()
	peers.Run(t, peers.Program{
		Name: filepath.Base(args[0]), Args: args, Dir: dir,
		Ready: func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	})
}

// write puts files into a directory.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// startCaddy runs Caddy with the configuration of docs/sign-in.md; what is changed are the addresses, and that it speaks plain
// HTTP.
func startCaddy(t *testing.T, kitbridge, product string) string {
	t.Helper()
	address, dir := localAddress(t), t.TempDir()
	_, port, _ := strings.Cut(address, ":")
	names := "http://" + address + ", " + hostOfFirst + ":" + port + ", " + hostOfSecond + ":" + port + " {"
	site := strings.NewReplacer("127.0.0.1:8080", kitbridge, "127.0.0.1:9000", product, "app.example.com {", names).Replace(snippet(t, "Caddyfile"))
	write(t, dir, map[string]string{"Caddyfile": "{\n\tadmin off\n}\n" + site})
	runFront(t, address, dir, "env", "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, serverOf(t, "caddy"), "run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile")
	return address
}

// startHAProxy does so for HAProxy.
func startHAProxy(t *testing.T, kitbridge, product string) string {
	t.Helper()
	address, dir := localAddress(t), t.TempDir()
	change := strings.NewReplacer(
		"127.0.0.1:8080", kitbridge, "127.0.0.1:9000", product, `{ "https" }`, `{ "http" }`,
		"/etc/haproxy/kitbridge.lua", filepath.Join(dir, "kitbridge.lua"),
		"bind :443 ssl crt /etc/ssl/app.example.com.pem alpn h2,http/1.1", "bind "+address,
	)
	write(t, dir, map[string]string{"haproxy.cfg": change.Replace(snippet(t, "haproxy.cfg")), "kitbridge.lua": change.Replace(snippet(t, "kitbridge.lua"))})
	runFront(t, address, dir, serverOf(t, "haproxy"), "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
	return address
}

// startApache does so for Apache, whose upstream is kitbridge.
func startApache(t *testing.T, kitbridge, _ string) string {
	t.Helper()
	address, dir := localAddress(t), t.TempDir()
	site := strings.NewReplacer(
		"127.0.0.1:8080", kitbridge, "*:443", address, "    SSLEngine on\n", "",
		"    SSLCertificateFile    /etc/ssl/app.example.com.pem\n", "", "    SSLCertificateKeyFile /etc/ssl/app.example.com.key\n", "",
	).Replace(snippet(t, "apache.conf"))
	main := "ServerName localhost\nServerRoot " + dir + "\nDefaultRuntimeDir " + dir + "\nPidFile " + dir + "/pid\nErrorLog /dev/stderr\nListen " + address + "\n"
	for _, module := range []string{"mpm_event", "authz_core", "headers", "proxy", "proxy_http"} {
		main += "LoadModule " + module + "_module /usr/lib/apache2/modules/mod_" + module + ".so\n"
	}
	if os.Geteuid() == 0 {
		main += "User www-data\nGroup www-data\n"
	}
	write(t, dir, map[string]string{"apache.conf": main + site})
	runFront(t, address, dir, serverOf(t, "apache2"), "-d", dir, "-f", filepath.Join(dir, "apache.conf"), "-DFOREGROUND")
	return address
}

// arrived is what the product got.
type arrived struct {
	URI      string
	Identity map[string]string
}

// TestFronts runs the web servers of docs/sign-in.md, as it tells to set them up, between browsers, kitbridge and a product.
func TestFronts(t *testing.T) {
	t.Parallel()
	product := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(arrived{r.RequestURI, identitySeen(r.Header)})
	}))
	t.Cleanup(product.Close)
	at := strings.TrimPrefix(product.URL, "http://")
	s := startSignIn(t, furtherHosts, "  rules:", "    - {path: /open/, allow: public}", "    - {path: /admin/, allow: {role: admin}}", "proxy: {upstream: \""+product.URL+"\"}")
	s.bind(t, "t1", "zhangsan", "boss")
	kitbridge := strings.TrimPrefix(s.publicURL, "http://")
	for name, start := range map[string]func() string{
		"nginx":   func() string { return startNginx(t, kitbridge, at, "") },
		"caddy":   func() string { return startCaddy(t, kitbridge, at) },
		"haproxy": func() string { return startHAProxy(t, kitbridge, at) },
		"apache":  func() string { return startApache(t, kitbridge, at) },
		"none":    func() string { return kitbridge }, // kitbridge's own proxy
		"traefik": func() string { return playTraefik(t, kitbridge, at) },
		"envoy":   func() string { return playEnvoy(t, kitbridge, at) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front := "http://" + start()
			checkFront(t, s, front, leftOut(name))
			if header, refused := refusedBy(name); refused {
				if got := s.visitor(t, "zhangsan").get(front+"/open/x", header, "X-Auth-Role"); got.status < 400 || got.status >= 500 {
					t.Errorf("a request with %s is answered with %d, want a refusal", header, got.status)
				}
			}
		})
	}
}

// checkFront asks through a web server. A client's headers that leftOut names are not sent.
func checkFront(t *testing.T, s *signIn, front string, leftOut func(name, value string) bool) {
	t.Helper()
	host := strings.TrimPrefix(s.publicURL, "http://") // what browsers send, as public_url says
	spoofed := func() map[string]string {
		headers := spoofed()
		maps.DeleteFunc(headers, leftOut)
		return headers
	}
	spoofs := func() []string {
		var kept []string
		for pair := range slices.Chunk(spoofs(), 2) {
			if !leftOut(pair[0], pair[1]) {
				kept = append(kept, pair...)
			}
		}
		return kept
	}
	script := spoofed()
	script["X-Requested-With"] = "XMLHttpRequest"
	for _, tt := range []struct {
		name, method, path string
		headers            map[string]string
		status             int
		location           string
	}{
		{"page load", "GET", "/orders?a=1&b=2", spoofed(), 302, s.publicURL + "/sso/login?return=" + url.QueryEscape("/orders?a=1&b=2")},
		{"script", "GET", "/orders", script, 401, ""},
		{"form", "POST", "/orders", spoofed(), 401, ""},
		{"sign-in page", "GET", "/sso/login", spoofed(), 200, ""},
		{"of a rule", "GET", "/admin/x", script, 401, ""},
	} {
		if status, location := request(t, tt.method, front+tt.path, host, tt.headers); status != tt.status || location != tt.location {
			t.Errorf("%s: %s %s = %d to %q, want %d to %q", tt.name, tt.method, tt.path, status, location, tt.status, tt.location)
		}
	}
	for _, path := range []string{"/open/..%2fadmin/", "/open;x/../admin/", "/open/%2e%2e/admin/", "/%2e/open/x", "/OPEN/x", "/open/%00"} {
		if status := askRaw(t, front, path); status < 400 || status >= 500 {
			t.Errorf("%s = %d, want a refusal", path, status)
		}
	}
	nobody := s.visitor(t, "zhangsan")
	checkArrived(t, nobody.get(front+"/open/a%20b?x=%2F&y", spoofs()...), "/open/a%20b?x=%2F&y", "")
	user := s.visitor(t, "zhangsan").signedIn("t1")
	checkArrived(t, user.get(front+"/orders/%E5%BC%A0?a=b%20c", spoofs()...), "/orders/%E5%BC%A0?a=b%20c", "zhangsan")
	checkArrived(t, user.get(front+"/open/x", spoofs()...), "/open/x", "zhangsan")
	if got := user.get(front+"/admin/users", spoofs()...); got.status != http.StatusForbidden {
		t.Errorf("a user at /admin/users = %d, want 403\n%s", got.status, got.body)
	}
	checkArrived(t, s.visitor(t, "boss").signedIn("t1").get(front+"/admin/users", spoofs()...), "/admin/users", "boss")

	// The same product under an address of its customer.
	far := s.visitor(t, "zhangsan").through(func() string { return front })
	if got := far.get(hostOfFirst+"/orders?a=1", "Accept", "text/html"); got.location != hostOfFirst+"/sso/login?return=%2Forders%3Fa%3D1" {
		t.Errorf("page load on a further host = %d to %s", got.status, got.location)
	}
	if got := far.get(far.ticket(hostOfFirst, "")); got.location != "/orders?a=1" {
		t.Errorf("enter = %d to %s\n%s", got.status, got.location, got.body)
	}
	checkArrived(t, far.get(hostOfFirst+"/orders?a=1", spoofs()...), "/orders?a=1", "zhangsan")
	if got := far.get(hostOfSecond+"/orders", "X-Requested-With", "XMLHttpRequest"); got.status != http.StatusUnauthorized {
		t.Errorf("on another tenant's host = %d, want 401", got.status)
	}
}

// checkArrived looks at what reached the product: the address as it was sent, the identity of kitbridge, and nothing of the
// client's.
func checkArrived(t *testing.T, got reply, uri, user string) {
	t.Helper()
	var seen arrived
	if err := json.Unmarshal([]byte(got.body), &seen); err != nil || got.status != http.StatusOK {
		t.Errorf("%s as %q = %d (%v)\n%s", uri, user, got.status, err, got.body)
		return
	}
	if seen.URI != uri {
		t.Errorf("%s arrived as %s", uri, seen.URI)
	}
	said := map[string]string{}
	for _, name := range []string{"X-Auth-Subject", "X-Auth-User", "X-Auth-Role"} {
		if value := seen.Identity[name]; value != "" {
			said[name] = value
		}
	}
	want := map[string]string{}
	if user != "" {
		want = map[string]string{"X-Auth-Subject": "t1/" + user, "X-Auth-User": user, "X-Auth-Role": map[bool]string{true: "admin", false: "user"}[user == "boss"]}
	} else if len(seen.Identity) > 0 {
		t.Errorf("%s: nobody has %v", uri, seen.Identity)
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("%s: identity at the product (-want +got):\n%s", uri, diff)
	}
	if all := fmt.Sprint(seen.Identity); strings.Contains(all, "evil") {
		t.Errorf("%s: the client's own word arrived: %s", uri, all)
	}
}

// askRaw sends a path exactly as it is written and returns the status.
func askRaw(t *testing.T, front, path string) int {
	t.Helper()
	u, err := url.Parse(front)
	if err != nil {
		t.Fatal(err)
	}
	r := (&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: u.Scheme, Host: u.Host, Opaque: path}, Header: http.Header{}}).WithContext(t.Context())
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	response.Body.Close() //nolint:errcheck // the status tells
	return response.StatusCode
}
