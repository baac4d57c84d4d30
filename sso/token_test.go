package sso_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// tokenInput is something that is wrong with a token, whatever kind of token it is.
type tokenInput struct {
	name   string
	change func(*hostile)
	good   bool
}

// rawClaim writes a claim as it stands here into the JSON of a token, beside those that are right.
func rawClaim(text string) func(*hostile) {
	return func(o *hostile) {
		body, err := json.Marshal(o.claims)
		if err != nil {
			panic(err)
		}
		o.payload = strings.TrimSuffix(string(body), "}") + "," + text + "}"
	}
}

// without takes a claim away and then does as change says.
func without(name string, change func(*hostile)) func(*hostile) {
	return func(o *hostile) {
		delete(o.claims, name)
		change(o)
	}
}

func bent(change func(token string) string) func(*hostile) {
	return func(o *hostile) { o.bend = change }
}

func head(name string, value any) func(*hostile) {
	return func(o *hostile) { o.header[name] = value }
}

// tokenInputs are the inputs of class C that concern any signed token.
func tokenInputs() []tokenInput {
	part := func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) }
	return []tokenInput{
		{"C. as it should be", func(*hostile) {}, true},
		{"C. header that nobody asked for", head("x", "y"), true},

		{"CVE-2025-27144: a million dots", bent(func(string) string { return "eyJhbGciOiJSUzI1NiJ9" + strings.Repeat(".", 1_000_000) }), false},
		{"C. 60 000 dots", bent(func(string) string { return "eyJhbGciOiJSUzI1NiJ9" + strings.Repeat(".", 60_000) }), false},
		{"C. 1 MB", bent(func(token string) string { return token + strings.Repeat("A", 1<<20) }), false},
		{"C. claims of 1 MB", func(o *hostile) { o.claims["padding"] = strings.Repeat("x", 1<<20) }, false},
		{"C. empty", bent(func(string) string { return "" }), false},
		{"C. two dots", bent(func(string) string { return ".." }), false},
		{"C. two parts", bent(func(token string) string { return token[:strings.LastIndex(token, ".")] }), false},
		{"C. four parts", bent(func(token string) string { return token + ".e30" }), false},
		{"C. blanks around it", bent(func(token string) string { return " " + token + "\n" }), false},
		{"C. standard base64", bent(func(token string) string { return strings.Replace(token, ".", "=.", 1) }), false},
		{"CVE-2026-34986: JWE", bent(func(string) string {
			return part(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + "." + part("key") + "." + part("iv") + "." + part("text") + "." + part("tag")
		}), false},
		{"C. JWE without a key", bent(func(string) string { return part(`{"alg":"dir","enc":"A256GCM"}`) + ".." + part("iv") + "..." }), false},
		{"C. JSON serialisation", bent(func(token string) string {
			p := strings.Split(token, ".")
			return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2])
		}), false},

		{"mod_auth_openidc, ChangeLog 2025: alg missing", func(o *hostile) { delete(o.header, "alg") }, false},
		{"C. alg none", head("alg", "none"), false},
		{"C. alg None", head("alg", "None"), false},
		{"C. alg nobody knows", head("alg", "RS257"), false},
		{"C. alg of another family", head("alg", "ES256"), false},
		{"C. alg that is not accepted here", head("alg", "PS256"), false},
		{"C. alg is a list", head("alg", []string{"RS256"}), false},
		{"C. alg is empty", head("alg", ""), false},
		{"C. HS256 with the client secret", func(o *hostile) { o.header["alg"], o.hmacKey = "HS256", []byte(secretA) }, false},
		{"C. crit that nobody knows", func(o *hostile) { o.header["crit"], o.header["urn:x"] = []string{"urn:x"}, 1 }, false},
		{"C. payload not encoded (b64)", func(o *hostile) { o.header["crit"], o.header["b64"] = []string{"b64"}, false }, false},
		{"C. kid is a path", head("kid", "../../x"), false},
		{"C. kid is a command", head("kid", "k1; DROP TABLE keys"), false},
		{"C. kid is a number", head("kid", 1), false},

		{"C. exp is a text", func(o *hostile) { o.claims["exp"] = fmt.Sprint(o.claims["exp"]) }, false},
		{"C. exp is 1e300", without("exp", rawClaim(`"exp":1e300`)), false},
		{"C. exp is beyond 64 bits", without("exp", rawClaim(`"exp":9223372036854775808`)), false},
		{"C. exp is negative", without("exp", rawClaim(`"exp":-1`)), false},
		{"C. exp is null", without("exp", rawClaim(`"exp":null`)), false},
		{"C. exp is a list", without("exp", rawClaim(`"exp":[9999999999]`)), false},
		{"C. nbf is 1e300", rawClaim(`"nbf":1e300`), false},
		{"C. nbf is a text", rawClaim(`"nbf":"0"`), false},
		{"C. nbf is tomorrow", func(o *hostile) { o.claims["nbf"] = o.claims["iat"].(int64) + 86400 }, false},
		{"C. nbf is a moment ago", func(o *hostile) { o.claims["nbf"] = o.claims["iat"].(int64) - 30 }, true},
		{"C. iat is 1e300", without("iat", rawClaim(`"iat":1e300`)), false},
		{"C. iat is null", without("iat", rawClaim(`"iat":null`)), false},
		{"C. clock half a minute ahead", func(o *hostile) { o.claims["iat"] = o.claims["iat"].(int64) + 30 }, true},
		{"C. clock two minutes ahead", func(o *hostile) { o.claims["iat"] = o.claims["iat"].(int64) + 120 }, false},

		{"C. aud is an empty list", func(o *hostile) { o.claims["aud"] = []string{} }, false},
		{"C. aud is empty", func(o *hostile) { o.claims["aud"] = "" }, false},
		{"C. aud is null", without("aud", rawClaim(`"aud":null`)), false},
		{"C. aud is nested", func(o *hostile) { o.claims["aud"] = []any{[]string{"client-a"}} }, false},
		{"C. aud is an object", func(o *hostile) { o.claims["aud"] = map[string]any{"client-a": true} }, false},
		{"C. aud in capital letters", func(o *hostile) { o.claims["aud"] = "CLIENT-A" }, false},
		{"C. iss is a list", func(o *hostile) { o.claims["iss"] = []any{o.claims["iss"]} }, false},
		{"C. iss with a slash", func(o *hostile) { o.claims["iss"] = o.URL + "/" }, false},
		{"C. iss in capital letters", func(o *hostile) { o.claims["iss"] = strings.ToUpper(o.URL) }, false},

		{"C. sub stands twice", rawClaim(`"sub":"u2"`), false},
		{"C. aud stands twice", rawClaim(`"aud":"client-b"`), false},
		{"C. exp stands twice", rawClaim(`"exp":9999999999`), false},
		{"C. aud again in other letters", func(o *hostile) {
			o.claims["aud"] = "client-b"
			rawClaim(`"AUD":"client-a"`)(o)
		}, false},
		{"C. iss again in other letters", func(o *hostile) {
			o.claims["iss"] = "https://evil.example"
			rawClaim(`"ISS":"` + o.URL + `"`)(o)
		}, false},
		{"C. iss again with a long s", func(o *hostile) {
			o.claims["iss"] = "https://evil.example"
			rawClaim(`"i\u017fs":"` + o.URL + `"`)(o)
		}, false},
		{"C. exp again in other letters", func(o *hostile) {
			o.claims["exp"] = o.claims["iat"].(int64) - 3600
			rawClaim(`"Exp":9999999999`)(o)
		}, false},
		{"C. exp in other letters only", without("exp", rawClaim(`"EXP":9999999999`)), false},
		{"C. claims are a list", func(o *hostile) { o.payload = `[{"sub":"u1"}]` }, false},
		{"C. claims are two objects", func(o *hostile) { o.payload = `{}{}` }, false},
		{"C. claims are nested without end", func(o *hostile) {
			o.payload = strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
		}, false},
		{"C. claims are not JSON", func(o *hostile) { o.payload = "sub=u1" }, false},
		{"C. claims with a byte that is not UTF-8", rawClaim("\"x\":\"\xff\""), true},
	}
}

// TestTokens posts every input as an ID token and as a logout token: what is wrong with it in one place is wrong in the other, it is
// refused at once and with little memory, and none of it is logged.
func TestTokens(t *testing.T) {
	t.Parallel()
	for _, tt := range tokenInputs() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			h := oidcHouse(t, o.URL, func(s *sso.Settings) { s.MaxBody = 2 << 20 }) // the size of the answer is not what is tried here
			browser := ssotest.Browser(t)
			began := time.Now()
			got := o.signIn(h, browser, func(o *hostile, _ url.Values) { tt.change(o) })
			want := ""
			if tt.good {
				want = tenantA + "/zhang.san"
			} else if on := shownOn(got.body); got.status != http.StatusBadGateway || on.code != "token_rejected" {
				t.Errorf("as ID token: %d, page %+v, want 502 and token_rejected\n%s", got.status, on, h.log)
			}
			h.wantSubject(browser, want)

			victim := ssotest.Browser(t)
			o.signIn(h, victim, nil)
			h.wantSubject(victim, tenantA+"/zhang.san")
			out := h.backchannel(url.Values{"logout_token": {o.logoutToken(h, tt.change)}})
			status, left := http.StatusBadRequest, tenantA+"/zhang.san"
			if tt.good {
				status, left = http.StatusOK, ""
			}
			if out.status != status {
				t.Errorf("as logout token: %d, want %d\n%s", out.status, status, h.log)
			}
			h.clock.advance(sso.DecisionAge)
			h.wantSubject(victim, left)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestTokenHeadersThatBringAKey: a token's own word about which key to check it with is not asked for.
func TestTokenHeadersThatBringAKey(t *testing.T) {
	t.Parallel()
	forger := newKey(t)
	other := newHostile(t) // serves the forger's key
	other.keys["k1"] = forger
	for name, header := range map[string]any{
		"jku": other.URL + "/keys", "x5u": other.URL + "/keys", "jwk": other.jwks().(map[string]any)["keys"].([]any)[0], "x5c": []string{"MIIB"},
	} {
		t.Run("C. "+name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			h := oidcHouse(t, o.URL, nil)
			browser := ssotest.Browser(t)
			got := o.signIn(h, browser, func(o *hostile, _ url.Values) { o.header[name], o.signWith = header, forger })
			if on := shownOn(got.body); on.code != "token_rejected" {
				t.Errorf("callback = %d, %+v", got.status, on)
			}
			h.wantSubject(browser, "")
			other.mu.Lock()
			defer other.mu.Unlock()
			if other.keyCalls != 0 {
				t.Error("the address in the token was asked")
			}
		})
	}
}

// TestClaims goes through what an auth centre may say about a person, in every type that JSON has, by userinfo of both profiles.
func TestClaims(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10<<10)
	for _, tt := range []struct {
		name  string
		claim string
		value any
		// subject is who signs in, "" for nobody; role and name what is known of them then.
		subject, role, shown string
	}{
		{"C. tenant is a number", "tenant", 7, "", "", ""},
		{"C. tenant is a list", "tenant", []string{tenantA}, "", "", ""},
		{"C. tenant of another client", "tenant", tenantB, "", "", ""},
		{"C. tenant in capital letters", "tenant", strings.ToUpper(tenantA), "", "", ""},
		{"C. tenant with a blank", "tenant", tenantA + " ", "", "", ""},
		{"C. tenant of 10 KB", "tenant", long, "", "", ""},
		{"C. tenant is null", "tenant", nil, "zhang.san", "user", "synced zhang.san"},
		{"C. userName is an object", "userName", map[string]any{}, "", "", ""},
		{"C. userName is true", "userName", true, "", "", ""},
		{"C. userName of 10 KB", "userName", long, "", "", ""},
		{"C. userName with CR and LF", "userName", "zhang.san\r\nX-Auth-Role: admin", "", "", ""},
		{"C. userName with NUL", "userName", "zhang.san\x00", "", "", ""},
		{"C. userName of somebody nobody pushed", "userName", "Zhang.San", "", "", ""},
		{"C. role is a list", "role", []string{"admin"}, "zhang.san", "user", "synced zhang.san"},
		{"C. role is an object", "role", map[string]any{"admin": true}, "zhang.san", "user", "synced zhang.san"},
		{"C. role by case", "role", "Admin", "zhang.san", "user", "synced zhang.san"},
		{"C. role with a blank", "role", "admin ", "zhang.san", "user", "synced zhang.san"},
		{"C. role with a comma", "role", "user,admin", "zhang.san", "user", "synced zhang.san"},
		{"C. role with a bar", "role", "admin|user", "zhang.san", "user", "synced zhang.san"},
		{"C. role of 10 KB", "role", long, "zhang.san", "user", "synced zhang.san"},
		{"C. role is admin", "role", "admin", "zhang.san", "admin", "synced zhang.san"},
		{"C. organizationCode is a list", "organizationCode", []string{"20000"}, "zhang.san", "user", "synced zhang.san"},
		{"C. organizationCode of another department", "organizationCode", "20000", "zhang.san", "user", "synced zhang.san"},
		{"C. name with CR and LF", "name", "x\r\nSet-Cookie: a=b", "zhang.san", "user", "synced zhang.san"},
		{"C. email with a comma and a bar", "email", "a,b|c@example.com", "zhang.san", "user", "synced zhang.san"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newHostile(t)
			h := oidcHouse(t, o.URL, nil)
			browser := ssotest.Browser(t)
			got := o.signIn(h, browser, func(o *hostile, _ url.Values) {
				delete(o.claims, "tenant")
				delete(o.claims, "role")
				o.userinfo["role"] = "user"
				o.userinfo[tt.claim] = tt.value
			})
			want := ""
			if tt.subject != "" {
				want = tenantA + "/" + tt.subject
			}
			h.wantSubject(browser, want)
			if want == "" && got.status < 400 && got.header.Get("Location") != "/sso/pending" {
				t.Errorf("callback = %d to %q", got.status, got.header.Get("Location"))
			}
			if _, me := h.me(browser); me["role"] != tt.role || me["name"] != tt.shown || want != "" && me["organizationCode"] != "10000" {
				t.Errorf("/sso/me = %v", me)
			}
			for name, values := range h.do(browser, http.MethodGet, "/sso/authz/auth-request", nil).header {
				if strings.HasPrefix(name, "X-Auth-") && strings.ContainsAny(strings.Join(values, ""), "\r\n, ") {
					t.Errorf("%s = %q", name, values)
				}
			}
		})
	}
}
