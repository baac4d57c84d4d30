package sso_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
)

// fuzzed is a relying party without a network, with one tenant whose auth centre nobody can reach; every call to it is counted.
func fuzzed(f *testing.F, change func(*sso.Config)) (*memory, *sso.RelyingParty, http.Handler) {
	f.Helper()
	m := newMemory()
	m.PutTenant(f, sso.Tenant{ID: tenantA, Code: "chenguang", Name: "晨光制造", Domain: "https://auth.example", Live: true})
	m.PutCredential(f, tenantA, sso.Credential{App: appID, ClientID: "client-a", Secret: secretA, Live: true})
	m.PutAccount(f, tenantA, appID, "li.si", sso.Account{Status: sso.AccountActive})
	c := config(f, m, time.Now)
	c.Settings.App = appID
	if change != nil {
		change(&c)
	}
	rp := newRP(f, c)
	return m, rp, rp.Handler()
}

// serve answers one request that may be anything that net/http lets through.
func serve(t *testing.T, handler http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code >= 500 && w.Code != http.StatusBadGateway {
		t.Fatalf("%s %s = %d", r.Method, r.RequestURI, w.Code)
	}
	if w.Code == http.StatusOK && w.Header().Get("X-Auth-Subject") != "" {
		t.Fatalf("%s %q signs in as %q", r.Method, r.RequestURI, w.Header().Get("X-Auth-Subject"))
	}
	for _, line := range w.Header()["Set-Cookie"] {
		if strings.HasPrefix(line, "__Host-kitbridge=") && !strings.HasPrefix(line, "__Host-kitbridge=;") {
			t.Fatalf("%s %q makes a session", r.Method, r.RequestURI)
		}
	}
	return w
}

// request is a GET of a query as it stands; nil if no server would read it.
func request(t *testing.T, path, query string) *http.Request {
	t.Helper()
	u, err := url.ParseRequestURI(path + "?" + query)
	if err != nil || strings.ContainsAny(query, " \r\n") {
		return nil
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://app.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL, r.RequestURI, r.RemoteAddr = u, u.RequestURI(), "203.0.113.9:1"
	return r
}

// FuzzSessionCookie: no Cookie header is a session but that of the session, and none of ours reaches the product.
func FuzzSessionCookie(f *testing.F) {
	_, rp, handler := fuzzed(f, nil)
	for _, seed := range []string{
		"", "__Host-kitbridge=", "__Host-kitbridge=" + strings.Repeat("A", 43), "__Host-kitbridge=a; __Host-kitbridge=b", "a=b;__Host-kitbridge-a-00=x; theme=dark",
		`__Host-kitbridge="` + strings.Repeat("A", 43) + `"`, " =;;; =x;\x00=\xff", "__Host-kitbridge =x", "__HOST-KITBRIDGE=x", strings.Repeat("a=b;", 3001),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		r := request(t, "/sso/authz/auth-request", "")
		r.Header.Set("Cookie", cookie)
		if w := serve(t, handler, r); w.Code != http.StatusUnauthorized {
			t.Errorf("cookie %q = %d, want 401", cookie, w.Code)
		}
		if id := sso.SessionCookies(rp, cookie); id != "" && (len(id) != 43 || !strings.Contains(cookie, id)) {
			t.Errorf("cookie %q is read as the session %q", cookie, id)
		}
		left := sso.StripCookies(rp, cookie)
		for part := range strings.SplitSeq(left, ";") {
			name, _, _ := strings.Cut(part, "=")
			if name = strings.TrimSpace(name); name == "__Host-kitbridge" || strings.HasPrefix(name, "__Host-kitbridge-") {
				t.Errorf("of cookie %q the product gets %q", cookie, left)
			}
		}
		if again := sso.StripCookies(rp, left); again != left {
			t.Errorf("cookie %q is stripped to %q and then to %q", cookie, left, again)
		}
	})
}

// FuzzCallback: whatever a stranger's browser brings back, it is refused or begins a sign-in of our own, and nothing is written.
func FuzzCallback(f *testing.F) {
	m, _, handler := fuzzed(f, nil)
	for _, seed := range []string{
		"", "code=x", "code=x&state=" + strings.Repeat("0", 64), "code=x&tenant=" + tenantA, "error=access_denied&state=x", "code=x&tenant=" + tenantA + "&state=portal", "ticket=ST-1&tenant=" + tenantA,
		"code=a&code=b", "%63ode=x", "code=%zz", "a;b", "tenant=" + tenantA + "&tenantId=b", "code=x&iss=https://evil.example", "code=%0d%0aSet-Cookie:a=b&tenant=%00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := request(t, "/sso/callback", query)
		if r == nil {
			return
		}
		w := serve(t, handler, r)
		switch location := w.Header().Get("Location"); {
		case w.Code >= 400 && location == "":
		case w.Code == http.StatusFound && strings.HasPrefix(location, "https://auth.example/api/v1/oauth2/authorize?"): // a bounce
		case w.Code == http.StatusFound && (location == "https://app.example/sso/login" || strings.HasPrefix(location, "https://app.example/sso/login?")):
		default:
			t.Errorf("callback %q = %d to %q", query, w.Code, location)
		}
		if len(m.sessions) != 0 || m.ends != 0 {
			t.Errorf("callback %q wrote something", query)
		}
	})
}

// FuzzLogin: a link to our sign-in leads to the auth centre of a tenant that we know, with what we ask and nothing of the link's but
// a hint, or to a page of ours.
func FuzzLogin(f *testing.F) {
	_, _, handler := fuzzed(f, nil)
	for _, seed := range []string{
		"", "tenant=" + tenantA, "tenant=chenguang&return=/desk", "iss=https://auth.example/api/v1/oauth2&target_link_uri=https://app.example/x&login_hint=zhang", "q=%E6%99%A8%E5%85%89", "tenant=&q=x",
		"tenant=" + tenantA + "&scope=admin&redirect_uri=https://evil.example&state=x", "tenant=a&tenant=b", "return=//evil.example", "iss=https://evil.example", "login_hint=%0d%0a&tenant=" + tenantA, "a;b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := request(t, "/sso/login", query)
		if r == nil {
			return
		}
		w := serve(t, handler, r)
		location := w.Header().Get("Location")
		if w.Code != http.StatusFound {
			if location != "" || strings.Contains(w.Body.String(), "<script") {
				t.Errorf("login %q = %d to %q\n%s", query, w.Code, location, w.Body)
			}
			return
		}
		u, err := url.Parse(location)
		if err != nil || !strings.HasPrefix(location, "https://auth.example/api/v1/oauth2/authorize?") {
			t.Fatalf("login %q leads to %q", query, location)
		}
		asked := u.Query()
		for name, want := range map[string]string{"client_id": "client-a", "redirect_uri": "https://app.example/sso/callback", "response_type": "code", "scope": "get_user_info"} {
			if got := asked[name]; len(got) != 1 || got[0] != want {
				t.Errorf("login %q asks for %s = %q", query, name, got)
			}
		}
		if len(asked) != 5 || len(asked.Get("state")) != 64 {
			t.Errorf("login %q asks for %v", query, asked)
		}
	})
}

// FuzzForwarded: with rules, who is nobody passes only where the path that was asked about, however a server may read it, is the
// public one; and a sign-in comes back to our own host only.
func FuzzForwarded(f *testing.F) {
	_, _, handler := fuzzed(f, func(c *sso.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
		c.Settings.Rules = []sso.Rule{{Path: "/public", Allow: sso.Allow{Public: true}}, {Path: "/admin", Allow: sso.Allow{Role: sso.RoleAdmin}}}
	})
	for _, seed := range [][4]string{
		{"GET", "app.example", "/public/x", "https"},
		{"GET", "app.example", "/desk?a=1", "https"},
		{"POST", "app.example", "/public", "http"},
		{"GET", "evil.example", "/desk", "https"},
		{"GET", "app.example", "//evil.example", "https"},
		{"GET", "app.example", "/public/%2e%2e/admin", "https"},
		{"get", "app.example:443", "/public;x", "https"},
		{"GET", "app.example\x00", "/public", ""},
		{"GET", "[::1]:1", "/PUBLIC", "HTTPS"},
		{"", "", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, method, host, uri, proto string) {
		for _, face := range []string{"Forwarded", "Original"} {
			path := "/sso/authz/forward-auth"
			if face == "Original" {
				path = "/sso/authz/auth-request"
			}
			r := request(t, path, "")
			r.Header = http.Header{
				"X-" + face + "-Method": {method}, "X-" + face + "-Host": {host}, "X-" + face + "-Uri": {uri}, "X-" + face + "-Proto": {proto}, "Accept": {"text/html"},
			}
			w := serve(t, handler, r)
			if w.Code == http.StatusOK {
				asked, _, _ := strings.Cut(uri, "?")
				plain, err := url.PathUnescape(asked)
				if err != nil || plain != "/public" && !strings.HasPrefix(plain, "/public/") || strings.Contains(plain+"/", "/../") || strings.Contains(plain+"/", "/./") || strings.Contains(plain, "//") || strings.ContainsAny(plain, "\\\x00#?") {
					t.Errorf("%s: %q %q %q passes as public", face, method, host, uri)
				}
			}
			if location := w.Header().Get("Location"); location != "" {
				u, err := url.Parse(location)
				back := ""
				if err == nil {
					back = u.Query().Get("return")
				}
				if !strings.HasPrefix(location, "https://app.example/sso/login") || back != "" && (back != uri || leaves("https://app.example", back) || !strings.HasPrefix(strings.ToLower(host), "app.example")) {
					t.Errorf("%s: %q %q %q leads to %q", face, method, host, uri, location)
				}
			}
		}
	})
}

// FuzzIDToken: claims that are accepted name one person, one client and a time, and are not a logout token.
func FuzzIDToken(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	for _, seed := range []string{
		`{"iss":"i","sub":"u1","aud":"c","exp":1700003600,"iat":1700000000,"nonce":"n"}`, `{"sub":"u1","aud":["c","d"],"azp":"c","exp":1e10,"iat":1.7e9,"nonce":"n"}`, `{"sub":"u1","sub":"u2"}`,
		`{"sub":1,"aud":[],"exp":"1","iat":null,"nonce":[]}`, `{"events":{},"sub":"u1","aud":"c","exp":1700003600,"iat":1700000000,"nonce":"n"}`, `[]`, `{"sub":"\ud800","aud":{"c":1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := sso.DecodeClaims(body)
		if err != nil {
			return
		}
		if err := sso.CheckIDToken(c, []string{"c"}, "c", "n", "required", now); err != nil {
			if !errors.Is(err, sso.ErrToken) {
				t.Errorf("%q: %v, want an error that has a page", body, err)
			}
			return
		}
		var said struct {
			Sub, Nonce, Azp string
			Iat, Exp        float64
			Events          json.RawMessage
		}
		exact := map[string]json.RawMessage{}
		if err := json.Unmarshal(body, &exact); err != nil {
			t.Fatalf("%q was accepted, and is no JSON object: %v", body, err)
		}
		for name, to := range map[string]any{"sub": &said.Sub, "nonce": &said.Nonce, "iat": &said.Iat, "exp": &said.Exp} {
			if err := json.Unmarshal(exact[name], to); err != nil {
				t.Fatalf("%q was accepted, and %s is %s", body, name, exact[name])
			}
		}
		_, logout := exact["events"]
		if said.Sub == "" || said.Nonce != "n" || logout || said.Iat < float64(now.Add(-11*time.Minute).Unix()) || said.Iat > float64(now.Add(2*time.Minute).Unix()) || said.Exp > 1<<40 {
			t.Errorf("%q was accepted", body)
		}
	})
}

// FuzzUserinfo: an answer of userinfo, alone or beside an ID token, is about one person whose name can stand in a header, or it is
// an error of ours.
func FuzzUserinfo(f *testing.F) {
	for _, seed := range []string{
		`{"sub":"u1","userName":"zhang.san","tenant":"t","role":"admin","organizationCode":"10000"}`, `{"userName":1001,"id":1}`, `{"userName":"%61dmin","name":"张三"}`, `{"error":"x"}`, `{"success":false}`,
		`{"userName":"a","tenant":"x"}`, `{"userName":["a"]}`, `{"user_name":"a","username":"b"}`, "{\"userName\":\"\xff\"}", `{"userName":"a\u0000"}`, `<html>`, ``, `{"a":1,"a":2}`, "\xef\xbb\xbf{}",
	} {
		f.Add([]byte(seed))
	}
	idToken, err := sso.DecodeClaims([]byte(`{"sub":"u1","tenant":"t","userName":"zhang.san"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		info, err := sso.ReadUserinfo(body)
		if err != nil {
			if !errors.Is(err, sso.ErrProviderAnswer) {
				t.Errorf("%q: %v, want an error that has a page", body, err)
			}
			return
		}
		if user, role, profile, err := sso.Identify(info, "t"); err == nil {
			header := sso.EncodeHeader(string(user))
			back, err := url.PathUnescape(header)
			if user == "" || len(user) > 256 || err != nil || back != string(user) || strings.ContainsAny(header, "\r\n ,+\x00") || role != "" && role != sso.RoleUser && role != sso.RoleAdmin {
				t.Errorf("%q is %q, %q", body, user, role)
			}
			if strings.ContainsAny(profile.Name+profile.OrgCode+profile.Email+profile.Mobile, "\r\n\x00") {
				t.Errorf("%q is %+v", body, profile)
			}
			if role == sso.RoleAdmin && !bytes.Contains(body, []byte("admin")) && !bytes.Contains(body, []byte(`\u00`)) {
				t.Errorf("%q is an admin", body)
			}
		}
		if joined, err := sso.JoinClaims(idToken, info); err == nil {
			if user, _, _, err := sso.Identify(joined, "t"); err == nil && user != "zhang.san" {
				t.Errorf("%q makes zhang.san %q", body, user)
			}
		} else if !errors.Is(err, sso.ErrTwoPeople) {
			t.Errorf("%q: %v, want an error that has a page", body, err)
		}
	})
}

// FuzzTokenAnswer: an answer of a token endpoint is a bearer token, or an error of ours.
func FuzzTokenAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"a","token_type":"Bearer","expires_in":7200}`, `{"access_token":"a","expires_in":"7200"}`, `{"error":"invalid_grant"}`, `{"access_token":"a","error":"x"}`, `access_token=a`, ``, `{"access_token":{}}`,
		`{"access_token":"a","access_token":"b"}`, `{"access_token":"a","token_type":"mac"}`,
	} {
		f.Add(200, []byte(seed))
		f.Add(400, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		c, err := sso.ReadToken(status, body)
		if err != nil {
			if !errors.Is(err, sso.ErrProviderAnswer) && !errors.Is(err, sso.ErrCodeSpent) && !errors.Is(err, sso.ErrClientRejected) {
				t.Errorf("%d %q: %v, want an error that has a page", status, body, err)
			}
			return
		}
		token, ok := c.Text("access_token")
		kind, kindOK := c.Text("token_type")
		if status != http.StatusOK || !ok || token == "" || !kindOK || kind != "" && !strings.EqualFold(kind, "Bearer") {
			t.Errorf("%d %q was taken for the token %q of type %q", status, body, token, kind)
		}
	})
}

// document answers every request with one body.
type document []byte

func (d document) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(d))}, nil
}

// FuzzDiscovery: a document that is believed is its issuer's own and names endpoints on the issuer's own host only.
func FuzzDiscovery(f *testing.F) {
	const issuer = "https://auth.example/api"
	good := `{"issuer":"` + issuer + `","authorization_endpoint":"` + issuer + `/authorize","token_endpoint":"` + issuer + `/token","jwks_uri":"` + issuer + `/keys","userinfo_endpoint":"` + issuer + `/me","end_session_endpoint":"` + issuer + `/bye"}`
	for _, seed := range []string{
		good, strings.Replace(good, "auth.example/api/token", "evil.example/token", 1), strings.Replace(good, `"token_endpoint"`, `"Token_Endpoint"`, 1), strings.TrimSuffix(good, "}") + `,"TOKEN_ENDPOINT":"https://evil.example/"}`,
		strings.TrimSuffix(good, "}") + `,"token_endpoint":"https://evil.example/"}`, `{"issuer":"` + issuer + `"}`, `[]`, `{}`, `null`, strings.Replace(good, "https://auth.example/api/me", "//evil.example/me", 1),
		strings.Replace(good, "https://auth.example/api/bye", "javascript:alert(1)", 1), strings.Replace(good, "https://auth.example/api/me", "https://auth.example@evil.example/", 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		endpoints, err := sso.Discover(issuer, body, document(body))
		if err != nil {
			if sso.OutcomeStatus(err) == http.StatusInternalServerError {
				t.Errorf("%q: %v, want an error that has a page", body, err)
			}
			return
		}
		for i, endpoint := range endpoints {
			u, err := url.Parse(endpoint)
			if endpoint == "" && i >= 2 {
				continue
			}
			if err != nil || u.Scheme != "https" || u.Host != "auth.example" || u.User != nil {
				t.Errorf("%q was believed, with the endpoint %q", body, endpoint)
			}
		}
	})
}

// FuzzForm: a form that is kept is given back as it was sent.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"", "a=b", "a=b&a=c&=d", "a=%E5%BC%A0%0D%0A", "a=%00", "a=%0A", "a=%zz", "a+b=c+d", "&&", "a=%FF", "a;b=c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		fields, ok := sso.FormFields(body)
		if !ok {
			return
		}
		var again []string
		for _, field := range fields {
			again = append(again, url.QueryEscape(field[0])+"="+url.QueryEscape(field[1]))
		}
		once, ok := sso.FormFields(strings.Join(again, "&"))
		if !ok || len(once) != len(fields) {
			t.Fatalf("%q is kept as %q and given back as %q", body, fields, once)
		}
		for i := range once {
			if once[i] != fields[i] || strings.Contains(once[i][1], "\x00") || once[i][0] == "" {
				t.Errorf("%q is kept as %q and given back as %q", body, fields, once)
			}
		}
	})
}
