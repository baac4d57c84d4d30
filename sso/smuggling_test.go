package sso_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// TestUserNamesThroughFaces: whatever a user is called, the product is told exactly that, by every face, in headers that decode once,
// with every decoder, and in the assertion.
func TestUserNamesThroughFaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.TrustedProxies = loopback() })
	names := []string{
		"%61dmin", "a/b", ",admin", "管理员", "admin", "Admin", "a+b", "a b", "../x", "a%2Fb", "%2561dmin", "%", "%00", `"`, "<b>", "a,b", "a;b", "a=b", "a&b", "a|b", "a\\b", "a@b",
		"é", "e\u0301", "ａｄｍｉｎ", "admin\u200b", "\u202eadmin", "ß", "K", "\u212a", tenantB + "/zhang.san", "😀", strings.Repeat("长", 64),
	}
	seen := map[string]string{}
	for _, name := range names {
		h.centre.PutUser(tenantA, user(name, "pw", "", "user"))
		h.put(tenantA, sso.UserName(name), sso.AccountActive, sso.RoleUser)
		cookie := h.sessionCookie(tenantA, name, "pw")
		for _, f := range faces() {
			_, identity := f.ask(h, asks{"GET", "/desk", cookie, spoofed()})
			subject := identity.Get("X-Auth-Subject")
			for header, want := range map[string]string{"X-Auth-Subject": tenantA + "/" + name, "X-Auth-User": name} {
				sent := identity[header]
				if len(sent) != 1 || strings.ContainsFunc(sent[0], func(c rune) bool { return c <= ' ' || c > '~' || c == '+' || c == ',' }) {
					t.Errorf("%s: %s of %q = %q", f.name, header, name, sent)
					continue
				}
				byPath, err := url.PathUnescape(sent[0])
				byForm, formErr := url.QueryUnescape(sent[0])
				if byPath != want || byForm != want || err != nil || formErr != nil {
					t.Errorf("%s: %s of %q = %q, which decodes to %q and %q (%v, %v)", f.name, header, name, sent[0], byPath, byForm, err, formErr)
				}
			}
			if other, twice := seen[subject]; twice && other != name {
				t.Errorf("%s: %q and %q have the subject %q", f.name, name, other, subject)
			}
			seen[subject] = name
			var claims map[string]any
			decode(t, strings.Split(identity.Get("X-Auth-Assertion"), ".")[1], &claims)
			if claims["sub"] != tenantA+"/"+name || claims["userName"] != name {
				t.Errorf("%s: the assertion of %q is of %v, %v", f.name, name, claims["sub"], claims["userName"])
			}
		}
	}
	if len(seen) != len(names) {
		t.Errorf("%d subjects of %d people", len(seen), len(names))
	}
}

// smuggled are a client's headers that a product, or a server in between, could take for ours, for a proxy's, or for another request.
// Each value has the word evil in it, or the address of another host.
func smuggled() []string {
	pairs := []string{
		"Forwarded", `for=198.51.100.7;host=evil.example;proto=https`, "X-Forwarded-For", "198.51.100.7", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "evil", "X-Forwarded-Port", "evil",
		"X-Forwarded-Prefix", "/evil", "X-Forwarded-Uri", "/evil", "X-Forwarded-Method", "EVIL", "X-Forwarded-Server", "evil.example", "X-Forwarded-Ssl", "evil", "X-Forwarded-Scheme", "evil",
		"X-Forwarded", "evil", "X-Original-URL", "/evil", "X-Original-URI", "/evil", "X-Original-Host", "evil.example", "X-Original-Method", "EVIL", "X-Original-Forwarded-For", "198.51.100.7",
		"X-Rewrite-URL", "/evil", "X-Real-IP", "198.51.100.7", "X-Client-IP", "198.51.100.7", "True-Client-IP", "198.51.100.7", "Proxy", "http://evil.example",
	}
	for _, name := range identityNames() {
		upper, under := strings.ToUpper(name), strings.ReplaceAll(name, "-", "_")
		for _, spelling := range []string{
			name, upper, strings.ToLower(name), under, strings.ToUpper(under), strings.ToLower(under), strings.Replace(name, "-", "_", 1), strings.ReplaceAll(name, "-", "."),
			strings.ReplaceAll(name, "-", "~"), strings.ReplaceAll(name, "-", "!"), strings.ReplaceAll(name, "-", "'"), strings.ReplaceAll(name, "-", "|"),
		} {
			pairs = append(pairs, spelling, "evil")
		}
		pairs = append(pairs, name, "evil,admin", "Connection", name, "Connection", strings.ToLower(under)+", "+name)
	}
	return pairs
}

// TestSmuggledHeaders: whatever of them a client sends, signed in or not, through whatever face, the product is told who it is by us,
// once, and by nobody else.
func TestSmuggledHeaders(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	want := "pass " + tenantA + "/li.si"
	for _, f := range faces() {
		got, identity := f.ask(h, asks{"GET", "/desk", "", smuggled()})
		if said := h.outcome(got, identity); said != "401" && !strings.HasPrefix(said, "login") {
			t.Errorf("%s without a session = %s", f.name, said)
		}
		got, identity = f.ask(h, asks{"GET", "/desk", cookie, smuggled()})
		if said := h.outcome(got, identity); said != want {
			t.Errorf("%s with a session = %s, want %s", f.name, said, want)
		}
		for name, values := range identity {
			all := strings.Join(values, ",")
			ours := f.name != "middleware" || sso.IsIdentityName(name)
			if ours && (strings.Contains(strings.ToLower(all), "evil") || strings.Contains(all, "198.51.100.7")) {
				t.Errorf("%s: %s = %q", f.name, name, values)
			}
		}
	}
}

// TestFoldedHeaders: lines that continue another one, blanks before the colon and bare line ends make no header of ours.
func TestFoldedHeaders(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	for _, address := range []string{h.url, h.proxied()} {
		for name, lines := range map[string]string{
			"folded":               "X-Folded: a\r\n X-Auth-Role: admin\r\n",
			"folded with a tab":    "X-Folded: a\r\n\tX-Auth-Role: admin\r\n",
			"folded at once":       " X-Auth-Role: admin\r\n",
			"blank before colon":   "X-Auth-Role : admin\r\n",
			"tab before colon":     "X-Auth-Role\t: admin\r\n",
			"bare line feed":       "X-Folded: a\nX-Auth-Role: admin\r\n",
			"bare carriage return": "X-Folded: a\rX-Auth-Role: admin\r\n",
			"NUL in the name":      "X-Auth-Role\x00: admin\r\n",
			"NUL in the value":     "X-Folded: a\x00X-Auth-Role: admin\r\n",
			"not ASCII":            "X-Auth-Rol\u00e9: admin\r\n",
			"no name":              ": admin\r\n",
			"no colon":             "X-Auth-Role\r\n",
			"two lengths":          "Content-Length: 0\r\nContent-Length: 5\r\n\r\n12345",
			"length and chunks":    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
			"chunks twice":         "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
			"a hidden request":     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\nX-Auth-Role: admin\r\n",
		} {
			status, role := h.verbatim(address, "GET /desk HTTP/1.1\r\nHost: "+h.host()+"\r\nConnection: close\r\nCookie: "+cookie+"\r\n"+lines+"\r\n")
			refused := status == http.StatusBadRequest || status == http.StatusNotImplemented || status == http.StatusUnauthorized // the last where it spoils the cookie
			if !refused && (status != http.StatusOK || !slices.Equal(role, []string{"user"})) {
				t.Errorf("%s at %s = %d, the product sees role %q", name, address, status, role)
			}
		}
	}
}

// verbatim sends bytes and returns the status of the first answer, and the X-Auth-Role that the product got.
func (h *house) verbatim(address, text string) (int, []string) {
	h.t.Helper()
	conn, err := new(net.Dialer).DialContext(h.t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // read to the end
	if _, err := io.WriteString(conn, text); err != nil {
		h.t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil {
		h.t.Fatal(err)
	}
	status := 0
	if _, err := fmt.Sscanf(string(all), "HTTP/1.1 %d", &status); err != nil {
		h.t.Fatalf("no answer: %q", all)
	}
	_, body, _ := strings.Cut(string(all), "\r\n\r\n")
	if n := strings.IndexByte(body, '{'); n > 0 {
		body = body[n:] // behind the length of a chunk
	}
	var seen seenByProduct
	_ = json.NewDecoder(strings.NewReader(body)).Decode(&seen) // of a refusal there is none
	return status, seen.Header["X-Auth-Role"]
}

// TestPeersThatAreNotBelieved: on a Unix socket there is no address, so nobody is a listed proxy; an IPv4 address inside an IPv6 one
// is that IPv4 address.
func TestPeersThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	h := newHouse(t, ruled)
	question := http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Host": {"app.example"}, "X-Forwarded-Uri": {"/public"}}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h.rp.Handler())
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	socket := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", listener.Addr().String())
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://socket/sso/authz/forward-auth", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = question.Clone()
	resp, err := socket.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("over a Unix socket = %d, want 403", resp.StatusCode)
	}
	for remote, want := range map[string]int{
		"127.0.0.1:1": 200, "[::ffff:127.0.0.1]:1": 200, "[::1]:1": 200, "[::1%lo]:1": 200, "203.0.113.9:1": 403, "[::ffff:203.0.113.9]:1": 403, "@": 403, "": 403, "127.0.0.1": 403, "localhost:1": 403,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sso/authz/forward-auth", nil)
		r.RemoteAddr = remote
		r.Header = question.Clone()
		w := httptest.NewRecorder()
		if h.rp.Handler().ServeHTTP(w, r); w.Code != want {
			t.Errorf("peer %q = %d, want %d", remote, w.Code, want)
		}
	}
}

// TestClaimsThroughFaces: what an auth centre says of a person beside the name stays inside its own header.
func TestClaimsThroughFaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *sso.Config) { c.TrustedProxies = loopback() })
	h.PutAccount(t, tenantA, appID, "li.si", sso.Account{Status: sso.AccountActive, Role: sso.RoleUser, Profile: sso.Profile{Name: "张三, \"Zhang\" %0d%0aX-Auth-Role:+admin"}})
	h.centre.SetDefect(ssotest.UserinfoControl)
	cookie := h.sessionCookie(tenantA, "li.si", "pw2")
	for _, f := range faces() {
		_, identity := f.ask(h, asks{"GET", "/desk", cookie, nil})
		for name, want := range map[string]string{"X-Auth-Name": "张三, \"Zhang\" %0d%0aX-Auth-Role:+admin", "X-Auth-Org": "", "X-Auth-Role": "user"} {
			if decoded, err := url.PathUnescape(identity.Get(name)); err != nil || decoded != want || len(identity[name]) != 1 {
				t.Errorf("%s: %s = %q, decodes to %q (%v), want %q", f.name, name, identity[name], decoded, err, want)
			}
		}
	}
}
