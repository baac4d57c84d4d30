package ssotest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Defects of ID tokens.
//
//nolint:gosec // G101: descriptions, no credentials
const (
	IDTokenMissing      Defect = "id_token: missing"
	IDTokenHuge         Defect = "id_token: 128 KiB"
	IDTokenIssuer       Defect = "id_token: iss of another provider"
	IDTokenAudience     Defect = "id_token: aud of another client"
	IDTokenAudMissing   Defect = "id_token: no aud"
	IDTokenAudMany      Defect = "id_token: two audiences and no azp"
	IDTokenAzp          Defect = "id_token: azp of another client"
	IDTokenExpired      Defect = "id_token: expired"
	IDTokenExpMissing   Defect = "id_token: no exp"
	IDTokenExpAbsurd    Defect = "id_token: exp is 1e300"
	IDTokenIatMissing   Defect = "id_token: no iat"
	IDTokenIatFuture    Defect = "id_token: iat is tomorrow"
	IDTokenIatOld       Defect = "id_token: iat is two days ago"
	IDTokenIatText      Defect = "id_token: iat is a text"
	IDTokenSubMissing   Defect = "id_token: no sub"
	IDTokenSubEmpty     Defect = "id_token: sub is empty"
	IDTokenNonceWrong   Defect = "id_token: nonce of another sign-in"
	IDTokenNonceMissing Defect = "id_token: no nonce"
	IDTokenSignature    Defect = "id_token: signed with another key"
	IDTokenKeyUnknown   Defect = "id_token: kid of nobody"
	IDTokenAlgNone      Defect = "id_token: alg is none"
	IDTokenAlgHS256     Defect = "id_token: HS256 with the client secret"
	IDTokenCritical     Defect = "id_token: a critical header that nobody knows"
	IDTokenClaimTwice   Defect = "id_token: sub stands twice"
	IDTokenLogout       Defect = "id_token: a logout token"
	IDTokenTenant       Defect = "id_token: tenant of another enterprise"
)

// Defects of the OpenID documents.
const (
	DiscoveryIssuer          Defect = "discovery: issuer of another provider"
	DiscoveryTokenElsewhere  Defect = "discovery: token endpoint on another host"
	DiscoveryKeysElsewhere   Defect = "discovery: keys on another host"
	DiscoveryKeyTwice        Defect = "discovery: token_endpoint stands twice"
	DiscoveryRedirect        Defect = "discovery: redirect to another host"
	DiscoveryHuge            Defect = "discovery: 8 MiB"
	DiscoveryServerError     Defect = "discovery: 500"
	KeysRedirect             Defect = "keys: redirect to another host"
	KeysHuge                 Defect = "keys: 8 MiB"
	KeysEmpty                Defect = "keys: none"
	KeysServerError          Defect = "keys: 500"
	foreignIssuer                   = "https://elsewhere.invalid/api/v1/oauth2"
	hugeToken                       = 128 << 10
	tomorrow, twoDaysEarlier        = 24 * time.Hour, -48 * time.Hour
)

// openIDDefects show to clients that ask for scope openid, and to no others.
func openIDDefects() []Defect {
	return []Defect{
		CallbackIssMissing, CallbackIssWrong,
		IDTokenMissing, IDTokenHuge, IDTokenIssuer, IDTokenAudience, IDTokenAudMissing, IDTokenAudMany, IDTokenAzp, IDTokenExpired,
		IDTokenExpMissing, IDTokenExpAbsurd, IDTokenIatMissing, IDTokenIatFuture, IDTokenIatOld, IDTokenIatText, IDTokenSubMissing,
		IDTokenSubEmpty, IDTokenNonceWrong, IDTokenNonceMissing, IDTokenSignature, IDTokenKeyUnknown, IDTokenAlgNone,
		IDTokenAlgHS256, IDTokenCritical, IDTokenClaimTwice, IDTokenLogout, IDTokenTenant,
		UserinfoSubMissing, UserinfoSigned, UserinfoSignedForeign, UserinfoSignedAudience, UserinfoSignedIssuer,
		DiscoveryIssuer, DiscoveryTokenElsewhere, DiscoveryKeysElsewhere, DiscoveryKeyTwice, DiscoveryRedirect, DiscoveryHuge,
		DiscoveryServerError, KeysRedirect, KeysHuge, KeysEmpty, KeysServerError,
	}
}

// OpenIDOnly reports whether a defect shows only to clients that ask for scope openid.
func (d Defect) OpenIDOnly() bool { return slices.Contains(openIDDefects(), d) }

// CASOnly reports whether a defect shows only to clients of CAS.
func (d Defect) CASOnly() bool { return strings.HasPrefix(string(d), "cas:") }

// Name returns the defect's text as one word for a command line, such as "token-no-expires-in". Names are unique.
func (d Defect) Name() string {
	words := strings.FieldsFunc(strings.ToLower(string(d)), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(words, "-")
}

// signedUserinfos are the defects with a JWT in place of a JSON object.
func signedUserinfos() []Defect {
	return []Defect{UserinfoSigned, UserinfoSignedForeign, UserinfoSignedAudience, UserinfoSignedIssuer}
}

func (d Defect) spoilSigned(t *jwt) {
	switch d {
	case UserinfoSignedForeign:
		t.key = t.foreign
	case UserinfoSignedAudience:
		t.claims["aud"] = "another-client"
	case UserinfoSignedIssuer:
		t.claims["iss"] = foreignIssuer
	default:
	}
}

func (d Defect) spoilIDToken(t *jwt) {
	switch d {
	case IDTokenMissing:
		t.absent = true
	case IDTokenHuge:
		t.claims["padding"] = strings.Repeat("x", hugeToken)
	case IDTokenSignature:
		t.key = t.foreign
	case IDTokenKeyUnknown:
		t.header["kid"] = "../../nobody"
	case IDTokenAlgNone:
		t.header["alg"] = "none"
	case IDTokenAlgHS256:
		t.header["alg"] = "HS256"
	case IDTokenCritical:
		t.header["crit"], t.header["urn:example:unknown"] = []string{"urn:example:unknown"}, true
	case IDTokenClaimTwice:
		t.twice = "sub"
	case IDTokenLogout:
		t.claims["events"] = map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
	case IDTokenTenant:
		t.claims["tenant"] = foreignTenant
	default:
		d.spoilTimes(t.claims)
		d.spoilParties(t.claims)
	}
}

func (d Defect) spoilTimes(claims map[string]any) {
	iat, _ := claims["iat"].(int64)
	switch d {
	case IDTokenExpired:
		claims["exp"] = iat - 600
	case IDTokenExpMissing:
		delete(claims, "exp")
	case IDTokenExpAbsurd:
		claims["exp"] = 1e300
	case IDTokenIatMissing:
		delete(claims, "iat")
	case IDTokenIatFuture:
		claims["iat"] = iat + int64(tomorrow/time.Second)
	case IDTokenIatOld:
		claims["iat"] = iat + int64(twoDaysEarlier/time.Second)
	case IDTokenIatText:
		claims["iat"] = "now"
	default:
	}
}

func (d Defect) spoilParties(claims map[string]any) {
	switch d {
	case IDTokenIssuer:
		claims["iss"] = foreignIssuer
	case IDTokenAudience:
		claims["aud"] = "another-client"
	case IDTokenAudMissing:
		delete(claims, "aud")
	case IDTokenAudMany:
		claims["aud"] = []any{claims["aud"], "another-client"}
	case IDTokenAzp:
		claims["azp"] = "another-client"
	case IDTokenSubMissing:
		delete(claims, "sub")
	case IDTokenSubEmpty:
		claims["sub"] = ""
	case IDTokenNonceWrong:
		claims["nonce"] = "0123456789abcdef0123456789abcdef"
	case IDTokenNonceMissing:
		delete(claims, "nonce")
	default:
	}
}

func (d Defect) spoilDiscovery(a *reply) {
	switch d {
	case DiscoveryIssuer:
		a.members["issuer"] = foreignIssuer
	case DiscoveryTokenElsewhere:
		a.members["token_endpoint"] = elsewhere
	case DiscoveryKeysElsewhere:
		a.members["jwks_uri"] = elsewhere
	case DiscoveryKeyTwice:
		a.twice = "token_endpoint"
	case DiscoveryRedirect:
		*a = reply{status: http.StatusFound, raw: []byte{}, location: elsewhere}
	case DiscoveryHuge:
		a.raw = []byte(strings.Repeat(" ", hugeBody))
	case DiscoveryServerError:
		*a = *refuse(http.StatusInternalServerError, "server_error", "Internal error")
	default:
	}
}

func (d Defect) spoilKeys(a *reply) {
	switch d {
	case KeysRedirect:
		*a = reply{status: http.StatusFound, raw: []byte{}, location: elsewhere}
	case KeysHuge:
		a.raw = []byte(strings.Repeat(" ", hugeBody))
	case KeysEmpty:
		a.members["keys"] = []any{}
	case KeysServerError:
		*a = *refuse(http.StatusInternalServerError, "server_error", "Internal error")
	default:
	}
}
