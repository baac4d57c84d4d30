//go:build integration

package integration_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// identityHeaders are the headers that a product believes.
func identityHeaders() []string {
	var names []string
	for _, name := range []string{"Subject", "User", "Tenant", "Name", "Role", "Org", "Email", "Mobile", "Session", "Assertion", "Test"} {
		names = append(names, "X-Auth-"+name)
	}
	return names
}

// snippet returns the file that docs/sign-in.md tells people to write, so that
// the page and this test cannot drift apart.
func snippet(t *testing.T, file string) string {
	t.Helper()
	return snippetOf(t, "sign-in.md", file)
}

// snippetOf does so for another page.
func snippetOf(t *testing.T, name, file string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "<!-- file: "+file+" -->\n```")
	_, rest, fenced := strings.Cut(rest, "\n")
	text, _, ended := strings.Cut(rest, "\n```\n")
	if !found || !fenced || !ended {
		t.Fatalf("docs/%s has no file %s", name, file)
	}
	return text + "\n"
}

// startNginx runs nginx with the configuration of docs/sign-in.md between
// kitbridge and a product, and returns its address. What is changed are the
// addresses, and that it speaks plain HTTP; locations are added to the server.
func startNginx(t *testing.T, kitbridge, product, locations string) (address string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // not in everybody's PATH
	}
	address = localAddress(t)
	site := strings.NewReplacer(
		"127.0.0.1:8080", kitbridge,
		"127.0.0.1:9000", product,
		"listen 443 ssl;", "listen "+address+";",
		"    ssl_certificate     /etc/ssl/app.example.com.pem;\n", "",
		"    ssl_certificate_key /etc/ssl/app.example.com.key;\n", locations,
	).Replace(snippet(t, "app.conf"))
	dir := t.TempDir()
	main := fmt.Sprintf(`daemon off; master_process off; error_log stderr warn; pid %[1]s/pid;
events {}
http {
    access_log off;
    client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
    include app.conf;
}
`, dir)
	for name, text := range map[string]string{
		"nginx.conf": main, "app.conf": site,
		"kitbridge-headers.conf": snippet(t, "kitbridge-headers.conf"), "kitbridge-fastcgi.conf": snippet(t, "kitbridge-fastcgi.conf"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	peers.Run(t, peers.Program{
		Name: "nginx",
		Args: []string{program, "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf")},
		Dir:  dir,
		Ready: func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	})
	return address
}

// request sends a request, follows no redirect and returns the status and the
// Location. Names of headers are sent as they are spelt here.
func request(t *testing.T, method, url, host string, headers map[string]string) (status int, location string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("a body that is none of kitbridge's business"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for name, value := range headers {
		r.Header[name] = []string{value}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	response.Body.Close() //nolint:errcheck // status and headers tell
	return response.StatusCode, response.Header.Get("Location")
}

// spoofed is what a client sends that would like to be somebody else.
func spoofed() map[string]string {
	headers := map[string]string{"Accept": "text/html"}
	for _, name := range identityHeaders() {
		headers[name] = "evil"
		headers[strings.ToLower(name)] = "evil"
		headers[strings.ReplaceAll(name, "-", "_")] = "evil"
		headers[strings.ReplaceAll(name, "-", ".")] = "evil"
	}
	return headers
}

// TestNginxSignIn: nobody is signed in, so nothing reaches the product.
func TestNginxSignIn(t *testing.T) {
	t.Parallel()
	product := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the product was asked for %s", r.URL)
	}))
	t.Cleanup(product.Close)
	b := startBridge(t, "trusted_proxies: [\"127.0.0.1\"]\n")
	address := "http://" + startNginx(t, strings.TrimPrefix(b.publicURL, "http://"), strings.TrimPrefix(product.URL, "http://"), "")
	host := strings.TrimPrefix(b.publicURL, "http://") // what public_url says, and browsers therefore send
	script := spoofed()
	script["X-Requested-With"] = "XMLHttpRequest"
	tests := []struct {
		name, method, path string
		headers            map[string]string
		wantStatus         int
		wantLocation       string
	}{
		{"page load", http.MethodGet, "/orders?a=1&b=2", spoofed(), http.StatusFound, b.publicURL + "/sso/login?return=" + url.QueryEscape("/orders?a=1&b=2")},
		{"script", http.MethodGet, "/orders", script, http.StatusUnauthorized, ""},
		{"form", http.MethodPost, "/orders", spoofed(), http.StatusUnauthorized, ""},
		{"sign-in page", http.MethodGet, "/sso/login", spoofed(), http.StatusOK, ""},
		{"decision endpoint", http.MethodGet, "/sso/authz/auth-request", spoofed(), http.StatusNotFound, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, location := request(t, tt.method, address+tt.path, host, tt.headers)
			if status != tt.wantStatus || location != tt.wantLocation {
				t.Errorf("%s %s = %d to %q, want %d to %q", tt.method, tt.path, status, location, tt.wantStatus, tt.wantLocation)
			}
		})
	}
}

// TestNginxIdentity: the product sees what kitbridge said, and nothing of what
// the client did, whatever kitbridge leaves empty.
func TestNginxIdentity(t *testing.T) {
	t.Parallel()
	said := map[string]string{"X-Auth-Subject": "t1/zhangsan", "X-Auth-Name": "%E5%BC%A0%E4%B8%89", "X-Auth-Role": "user"}
	kitbridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range identityHeaders() {
			w.Header().Set(name, said[name]) // always all of them, empty if unknown
		}
	}))
	t.Cleanup(kitbridge.Close)
	seen := make(chan map[string]string, 1)
	product := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- identitySeen(r.Header) })
	direct := httptest.NewServer(product)
	t.Cleanup(direct.Close)
	address := startNginx(t, strings.TrimPrefix(kitbridge.URL, "http://"), strings.TrimPrefix(direct.URL, "http://"), fmt.Sprintf(`
    location /php/ {
        auth_request /sso/authz/auth-request;
        auth_request_set $kb_subject $upstream_http_x_auth_subject;
        auth_request_set $kb_name    $upstream_http_x_auth_name;
        auth_request_set $kb_role    $upstream_http_x_auth_role;
        fastcgi_param REQUEST_METHOD $request_method;
        fastcgi_param REQUEST_URI $request_uri;
        fastcgi_param SERVER_PROTOCOL $server_protocol;
        include kitbridge-fastcgi.conf;
        fastcgi_pass %s;
    }
`, serveFastCGI(t, product)))
	tests := []struct {
		name, path string
		want       map[string]string
	}{
		{"signed in", "/orders", said},
		{"by FastCGI", "/php/index.php", said},
		{"where nobody was asked for", "/public/logo.svg", map[string]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, _ := request(t, http.MethodPost, "http://"+address+tt.path, "", spoofed()); status != http.StatusOK {
				t.Fatalf("POST %s = %d", tt.path, status)
			}
			if diff := cmp.Diff(tt.want, <-seen); diff != "" {
				t.Errorf("identity at the product (-want +got):\n%s", diff)
			}
		})
	}
}

// identitySeen is what a product may take for identity headers, in whatever
// spelling, without the empty ones.
func identitySeen(header http.Header) map[string]string {
	seen := map[string]string{}
	for name, values := range header {
		plain := strings.NewReplacer("_", "-", ".", "-").Replace(name)
		if value := strings.Join(values, " AND "); value != "" && strings.HasPrefix(strings.ToLower(plain), "x-auth-") {
			seen[name] = value
		}
	}
	return seen
}

// serveFastCGI serves the product as PHP-FPM would and returns its address.
func serveFastCGI(t *testing.T, product http.Handler) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })        //nolint:errcheck // end of test
	go func() { fcgi.Serve(listener, product) }() //nolint:errcheck // ends with the listener
	return listener.Addr().String()
}
