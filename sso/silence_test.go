package sso_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// minSecret is the length below which a test's value is no secret, but a word that may stand anywhere.
const minSecret = 12

// hide adds to what the log must never hold.
func (h *house) hide(values ...string) {
	h.secretMu.Lock()
	defer h.secretMu.Unlock()
	for _, value := range values {
		if len(value) >= minSecret {
			h.secrets = append(h.secrets, value)
		}
	}
}

// secretParameters are those of an address that are worth something to who reads them.
func secretParameters() []string {
	return []string{"code", "state", "ticket", "nonce", "code_challenge", "code_verifier", "logout_token", "login_hint", "access_token", "id_token", "refresh_token", "client_secret"}
}

func (h *house) hideQuery(q url.Values) {
	for _, name := range secretParameters() {
		h.hide(q[name]...)
	}
}

// hideRequest hides what a request brings.
func (h *house) hideRequest(r *http.Request) {
	h.hideQuery(r.URL.Query())
	for _, c := range r.Cookies() {
		h.hide(c.Value)
	}
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	h.hide(token)
}

// hideAnswer hides what an answer gives the browser.
func (h *house) hideAnswer(resp *http.Response) {
	for _, c := range resp.Cookies() {
		h.hide(c.Value)
	}
	if location, err := resp.Location(); err == nil {
		h.hideQuery(location.Query())
	}
	h.hide(resp.Header.Get("X-Auth-Assertion"), resp.Header.Get("X-Auth-Session"))
}

// tokenRuns returns what of a log looks like a token that no test knows: 40 hexadecimal digits or more, as those of the auth centre
// are. It is written by hand, as a log may have ten megabytes.
func tokenRuns(log string) []string {
	var found []string
	begin := 0
	for i := 0; i <= len(log); i++ {
		if i < len(log) && hexDigit[log[i]] {
			continue
		}
		if i-begin >= 40 {
			found = append(found, log[begin:i])
		}
		begin = i + 1
	}
	return found
}

var hexDigit = func() (is [256]bool) {
	for _, c := range []byte("0123456789abcdefABCDEF") {
		is[c] = true
	}
	return is
}()

// leaked returns what of secrets and of anything token-like a log holds.
func leaked(log string, secrets []string) []string {
	found := tokenRuns(log)
	for _, mark := range []string{`eyJ`, "Bearer ", "Basic "} { // of a JWT, and of a header
		if strings.Contains(log, mark) {
			found = append(found, mark)
		}
	}
	long := map[string][]string{} // by their beginning: a long test has a hundred thousand of them
	for _, secret := range secrets {
		if len(secret) >= minSecret {
			long[secret[:minSecret]] = append(long[secret[:minSecret]], secret)
		} else if strings.Contains(log, secret) {
			found = append(found, secret)
		}
	}
	for i := range max(0, len(log)-minSecret+1) {
		for _, secret := range long[log[i:i+minSecret]] {
			if strings.HasPrefix(log[i:], secret) {
				found = append(found, secret)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// checkLog is run at the end of every test that has a house, and so over every defect, every advisory and every input of this
// suite, with the log at level debug.
func (h *house) checkLog() {
	h.secretMu.Lock()
	secrets := append([]string{secretA, "secret-b", "access-token-of-the-hostile-provider", "13800000000", "@example.com"}, h.secrets...)
	h.secretMu.Unlock()
	for _, tenant := range []string{tenantA, tenantB} {
		if h.centre != nil {
			form := h.centre.Calls(tenant).LastToken
			for _, name := range secretParameters() {
				if len(form.Get(name)) >= minSecret {
					secrets = append(secrets, form.Get(name))
				}
			}
		}
	}
	log := h.log.String()
	for _, found := range leaked(log, secrets) {
		line := log[strings.LastIndex(log[:strings.Index(log, found)], "\n")+1:]
		line, _, _ = strings.Cut(line, "\n")
		h.t.Errorf("the log holds the secret %.60q: %s", found, line)
	}
}

// TestLeaksAreFound: what checkLog relies on finds each kind of secret.
func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	const session = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF"
	for _, line := range []string{
		`{"msg":"x","cookie":"` + session + `"}`, `{"error":"get https://a.example/?code=0123456789012345678901234567890123456789"}`,
		`{"error":"token eyJhbGciOiJSUzI1NiJ9.e30.x"}`, `{"header":"Bearer x"}`, `{"secret":"` + secretA + `"}`,
	} {
		if found := leaked(line, []string{session, secretA}); len(found) != 1 {
			t.Errorf("leaked(%s) = %q, want the secret", line, found)
		}
	}
	if found := leaked(`{"request_id":"0123456789abcdef","user_digest":"0123456789abcdef","tenant_id":"`+tenantA+`"}`, []string{session}); len(found) != 0 {
		t.Errorf("an ordinary line holds %q", found)
	}
}
