package sso_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// refusal is what a person and an operator are told about a refused sign-in.
type refusal struct{ code, check string }

// openIDCentreHouse is a house whose auth centre is asked for OpenID Connect.
func openIDCentreHouse(t *testing.T) *house {
	t.Helper()
	return newHouse(t, func(c *sso.Config) {
		s := sso.DefaultSettings(sso.ProfileOIDC)
		s.App, s.AllowInsecureAuthCentres, s.Timeout = appID, true, 2*time.Second
		c.Settings = s
	})
}

// openIDRefusals says what each defect is told as to a client of OpenID Connect. Those that are left out are tolerated.
func openIDRefusals() map[ssotest.Defect]refusal {
	return map[ssotest.Defect]refusal{
		ssotest.CallbackStateMissing: {"tenant_missing", ""}, ssotest.CallbackStateWrong: {"attempt_lost", ""},
		ssotest.CallbackCodeTwice: {"bad_request", ""}, ssotest.CallbackTenant: {"tenant_mismatch", ""},
		ssotest.CallbackError: {"provider_refused", ""}, ssotest.CallbackIssMissing: {"issuer_mismatch", "response.iss"},
		ssotest.CallbackIssWrong: {"issuer_mismatch", "response.iss"},

		ssotest.TokenAccessAbsent: {"provider_error", "token.access_token"}, ssotest.TokenTypeMAC: {"provider_error", "token.token_type"},
		ssotest.TokenErrorIn200: {"code_spent", ""}, ssotest.TokenWrapperIn200: {"provider_error", "token.error"},
		ssotest.TokenForbidden: {"credential_rejected", ""}, ssotest.TokenInvalidClient: {"credential_rejected", ""},
		ssotest.TokenInvalidGrant: {"code_spent", ""}, ssotest.TokenServerError: {"provider_error", "token.status"},
		ssotest.TokenRedirect: {"provider_elsewhere", "token.redirect"}, ssotest.TokenHuge: {"answer_too_long", "token.size"},
		ssotest.TokenHang: {"provider_unreachable", ""}, ssotest.TokenErrorCodeStyle: {"provider_error", "token.status"},
		ssotest.TokenKeyTwice: {"provider_error", "token.duplicate_key"},

		ssotest.UserinfoTenantForeign: {"two_people", "userinfo.tenant"}, ssotest.UserinfoUserMissing: {"identity_incomplete", "identity.userName"},
		ssotest.UserinfoUserNull: {"identity_incomplete", "identity.userName"}, ssotest.UserinfoUserList: {"two_people", "userinfo.userName"},
		ssotest.UserinfoUnauthorized: {"provider_error", "userinfo.status"}, ssotest.UserinfoErrorIn200: {"provider_error", "userinfo.error"},
		ssotest.UserinfoWrapperIn200: {"provider_error", "userinfo.error"}, ssotest.UserinfoNotObject: {"provider_error", "userinfo.form"},
		ssotest.UserinfoHTML: {"provider_error", "userinfo.form"}, ssotest.UserinfoServerError: {"provider_error", "userinfo.status"},
		ssotest.UserinfoRedirect: {"provider_elsewhere", "userinfo.redirect"}, ssotest.UserinfoHuge: {"answer_too_long", "userinfo.size"},
		ssotest.UserinfoHang: {"provider_unreachable", ""}, ssotest.UserinfoSubUnexpected: {"two_people", "userinfo.sub"},
		ssotest.UserinfoWorkbench: {"two_people", "userinfo.sub"}, ssotest.UserinfoSample: {"two_people", "userinfo.sub"},
		ssotest.UserinfoSubMissing: {"two_people", "userinfo.sub"}, ssotest.UserinfoKeyTwice: {"provider_error", "userinfo.duplicate_key"},
		ssotest.UserinfoSignedForeign: {"token_rejected", "userinfo.signature"}, ssotest.UserinfoSignedAudience: {"token_rejected", "userinfo.aud"},
		ssotest.UserinfoSignedIssuer: {"token_rejected", "userinfo.iss"},

		ssotest.IDTokenMissing: {"token_rejected", "id_token.missing"}, ssotest.IDTokenHuge: {"token_rejected", "id_token.size"},
		ssotest.IDTokenIssuer: {"token_rejected", "id_token.iss"}, ssotest.IDTokenAudience: {"token_rejected", "id_token.aud"},
		ssotest.IDTokenAudMissing: {"token_rejected", "id_token.aud"}, ssotest.IDTokenAudMany: {"token_rejected", "id_token.azp"},
		ssotest.IDTokenAzp: {"token_rejected", "id_token.azp"}, ssotest.IDTokenExpired: {"token_rejected", "id_token.exp"},
		ssotest.IDTokenExpMissing: {"token_rejected", "id_token.exp"}, ssotest.IDTokenExpAbsurd: {"token_rejected", "id_token.exp"},
		ssotest.IDTokenIatMissing: {"token_rejected", "id_token.iat"}, ssotest.IDTokenIatFuture: {"token_rejected", "id_token.iat"},
		ssotest.IDTokenIatOld: {"token_rejected", "id_token.iat"}, ssotest.IDTokenIatText: {"token_rejected", "id_token.form"},
		ssotest.IDTokenSubMissing: {"token_rejected", "id_token.sub"}, ssotest.IDTokenSubEmpty: {"token_rejected", "id_token.sub"},
		ssotest.IDTokenNonceWrong: {"token_rejected", "id_token.nonce"}, ssotest.IDTokenNonceMissing: {"token_rejected", "id_token.nonce"},
		ssotest.IDTokenSignature: {"token_rejected", "id_token.signature"}, ssotest.IDTokenKeyUnknown: {"token_rejected", "id_token.signature"},
		ssotest.IDTokenAlgNone: {"token_rejected", "id_token.alg"}, ssotest.IDTokenAlgHS256: {"token_rejected", "id_token.alg"},
		ssotest.IDTokenCritical: {"token_rejected", "id_token.signature"}, ssotest.IDTokenClaimTwice: {"token_rejected", "id_token.duplicate_key"},
		ssotest.IDTokenLogout: {"token_rejected", "id_token.events"}, ssotest.IDTokenTenant: {"two_people", "userinfo.tenant"},

		ssotest.DiscoveryIssuer: {"provider_error", "discovery.issuer"}, ssotest.DiscoveryTokenElsewhere: {"provider_elsewhere", "discovery.token_endpoint"},
		ssotest.DiscoveryKeysElsewhere: {"provider_elsewhere", "discovery.jwks_uri"}, ssotest.DiscoveryKeyTwice: {"provider_error", "discovery.duplicate_key"},
		ssotest.DiscoveryRedirect: {"provider_elsewhere", "discovery.redirect"}, ssotest.DiscoveryHuge: {"answer_too_long", "discovery.size"},
		ssotest.DiscoveryServerError: {"provider_unreachable", "discovery.status"}, ssotest.KeysRedirect: {"provider_elsewhere", "keys.redirect"},
		ssotest.KeysHuge: {"answer_too_long", "keys.size"}, ssotest.KeysEmpty: {"token_rejected", "id_token.signature"},
		ssotest.KeysServerError: {"provider_error", "keys.status"},
	}
}

var shown = regexp.MustCompile(`<dt>[^<]*</dt><dd><code>([a-z_]+)</code></dd>\s*(?:<dt>[^<]*</dt><dd><code>([a-zA-Z_]+\.[a-zA-Z_]+)</code></dd>)?`)

// shownOn reads the codes of a problem page.
func shownOn(page string) refusal {
	m := shown.FindStringSubmatch(page)
	if m == nil {
		return refusal{}
	}
	return refusal{m[1], m[2]}
}

// TestOpenIDDefects switches on every defect of an OpenID provider. Each is refused with its own page and the name of the check,
// which stands in the log, too; or it signs in as exactly the right account.
func TestOpenIDDefects(t *testing.T) {
	t.Parallel()
	refusals := openIDRefusals()
	for _, defect := range append(ssotest.Defects(), ssotest.NoDefect) {
		if defect.CASOnly() {
			continue // TestCASDefects
		}
		t.Run(string(defect), func(t *testing.T) {
			t.Parallel()
			h := openIDCentreHouse(t)
			t.Cleanup(h.centre.Close)
			browser := ssotest.Browser(t)
			place, _, _ := strings.Cut(string(defect), ":")
			if place == "discovery" { // nobody is even sent there
				h.centre.SetDefect(defect)
				wantRefusal(t, h, h.get(browser, "/sso/login?tenant="+tenantA), refusals[defect])
				return
			}
			address := h.start(browser, tenantA, "/")
			h.centre.SetDefect(defect)
			back := h.authorize(browser, address, "zhang.san", "pw1")
			got := h.get(browser, back)
			want, refused := refusals[defect]
			if !refused {
				h.wantSubject(browser, tenantA+"/zhang.san")
			} else {
				wantRefusal(t, h, got, want)
				h.wantSubject(browser, "")
			}
			calls := h.centre.Calls(tenantA)
			if calls.Token > 1 || place == "callback" && calls.Token != 0 {
				t.Errorf("%d token calls", calls.Token)
			}
			h.wantSilentLog(back, calls)
		})
	}
}

func wantRefusal(t *testing.T, h *house, got reply, want refusal) {
	t.Helper()
	if diff := cmp.Diff(want, shownOn(got.body), cmp.AllowUnexported(refusal{})); diff != "" || got.status < 400 {
		t.Errorf("%d, page (-want +got)\n%s\n%s", got.status, diff, h.log)
	}
	if want.check != "" && !strings.Contains(h.log.String(), `"check":"`+want.check+`"`) {
		t.Errorf("the log does not name the check %q:\n%s", want.check, h.log)
	}
}

// The kit's auth centre is no OpenID provider, and its answers are checked under the same names.
func TestKitRefusalsNameTheirCheck(t *testing.T) {
	t.Parallel()
	for defect, want := range map[ssotest.Defect]refusal{
		ssotest.TokenRedirect:         {"provider_elsewhere", "token.redirect"},
		ssotest.TokenHuge:             {"answer_too_long", "token.size"},
		ssotest.TokenKeyTwice:         {"provider_error", "token.duplicate_key"},
		ssotest.UserinfoRedirect:      {"provider_elsewhere", "userinfo.redirect"},
		ssotest.UserinfoHuge:          {"answer_too_long", "userinfo.size"},
		ssotest.UserinfoKeyTwice:      {"provider_error", "userinfo.duplicate_key"},
		ssotest.UserinfoTenantForeign: {"tenant_mismatch", "identity.tenant"},
		ssotest.UserinfoUserMissing:   {"identity_incomplete", "identity.userName"},
	} {
		t.Run(string(defect), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			h.centre.SetDefect(defect)
			browser := ssotest.Browser(t)
			wantRefusal(t, h, h.signIn(browser, tenantA, "zhang.san", "pw1"), want)
			h.wantSubject(browser, "")
		})
	}
}

// A storm of tokens with unknown key ids, of many browsers, is one fetch of keys per pause.
func TestStormOfUnknownKeys(t *testing.T) {
	t.Parallel()
	h := openIDCentreHouse(t)
	good := ssotest.Browser(t)
	h.signIn(good, tenantA, "zhang.san", "pw1")
	h.wantSubject(good, tenantA+"/zhang.san")
	before := h.centre.Calls(tenantA).Keys
	h.centre.SetDefect(ssotest.IDTokenKeyUnknown)
	for window := 1; window <= 2; window++ {
		for range 8 {
			wantRefusal(t, h, h.signIn(ssotest.Browser(t), tenantA, "zhang.san", "pw1"), refusal{"token_rejected", "id_token.signature"})
		}
		if fetched := h.centre.Calls(tenantA).Keys - before; fetched != window {
			t.Errorf("%d fetches after %d pauses, want as many", fetched, window)
		}
		h.clock.advance(31 * time.Second)
	}
	h.centre.SetDefect(ssotest.NoDefect)
	after := ssotest.Browser(t)
	h.signIn(after, tenantA, "zhang.san", "pw1")
	h.wantSubject(after, tenantA+"/zhang.san")
}
