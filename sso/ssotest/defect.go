package ssotest

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// Defect is one way of being wrong. Its text says which.
type Defect string

// NoDefect is an auth centre that does what the access guide says.
const NoDefect Defect = ""

// Defects of the way back from the authorize page.
const (
	CallbackStateMissing Defect = "callback: state missing"
	CallbackStateWrong   Defect = "callback: state wrong"
	CallbackCodeTwice    Defect = "callback: code twice"
	CallbackTenant       Defect = "callback: tenant of another enterprise"
	CallbackError        Defect = "callback: access_denied with HTML in its description"
	CallbackIssMissing   Defect = "callback: iss missing"
	CallbackIssWrong     Defect = "callback: iss of another provider"
)

// Defects of the token endpoint.
//
//nolint:gosec // G101: descriptions, no credentials
const (
	TokenExpiresQuoted  Defect = "token: expires_in is a text"
	TokenExpiresAbsent  Defect = "token: no expires_in"
	TokenExpiresEmpty   Defect = "token: expires_in is the empty text"
	TokenRefreshAbsent  Defect = "token: no refresh_token"
	TokenAccessAbsent   Defect = "token: no access_token"
	TokenTypeLower      Defect = "token: token_type is bearer"
	TokenTypeMAC        Defect = "token: token_type is mac"
	TokenPlainText      Defect = "token: JSON sent as text/plain"
	TokenErrorIn200     Defect = "token: error with status 200"
	TokenWrapperIn200   Defect = "token: a gateway's wrapper with status 200"
	TokenForbidden      Defect = "token: 403 without a body"
	TokenInvalidClient  Defect = "token: invalid_client"
	TokenInvalidGrant   Defect = "token: invalid_grant"
	TokenServerError    Defect = "token: 500"
	TokenRedirect       Defect = "token: redirect to another host"
	TokenHuge           Defect = "token: 8 MiB"
	TokenHang           Defect = "token: no answer"
	TokenErrorCodeStyle Defect = "token: error_code and error_msg instead of error"
	TokenKeyTwice       Defect = "token: access_token stands twice"
)

// Defects of the userinfo endpoint.
const (
	UserinfoNumericID      Defect = "userinfo: id is a number"
	UserinfoSnakeCase      Defect = "userinfo: names in snake_case"
	UserinfoWorkbench      Defect = "userinfo: the workbench's five fields"
	UserinfoSample         Defect = "userinfo: the guide's sample, without tenant, role and department"
	UserinfoTenantMissing  Defect = "userinfo: no tenant"
	UserinfoTenantForeign  Defect = "userinfo: tenant of another enterprise"
	UserinfoRoleRoot       Defect = "userinfo: role is root"
	UserinfoRoleCase       Defect = "userinfo: role is Admin"
	UserinfoUserMissing    Defect = "userinfo: no userName"
	UserinfoUserNull       Defect = "userinfo: userName is null"
	UserinfoUserList       Defect = "userinfo: userName is a list"
	UserinfoControl        Defect = "userinfo: line breaks, commas and NUL in name and department"
	UserinfoLong           Defect = "userinfo: a name of 10 KB"
	UserinfoUnauthorized   Defect = "userinfo: 401"
	UserinfoErrorIn200     Defect = "userinfo: error with status 200"
	UserinfoWrapperIn200   Defect = "userinfo: a gateway's wrapper with status 200"
	UserinfoNotObject      Defect = "userinfo: a list instead of an object"
	UserinfoHTML           Defect = "userinfo: a web page"
	UserinfoServerError    Defect = "userinfo: 500"
	UserinfoRedirect       Defect = "userinfo: redirect to another host"
	UserinfoHuge           Defect = "userinfo: 8 MiB"
	UserinfoHang           Defect = "userinfo: no answer"
	UserinfoSubUnexpected  Defect = "userinfo: a sub that belongs to nobody"
	UserinfoTenantIsDomain Defect = "userinfo: tenantId instead of tenant"
	UserinfoKeyTwice       Defect = "userinfo: userName stands twice"
	UserinfoSubMissing     Defect = "userinfo: no sub"
	UserinfoSigned         Defect = "userinfo: a signed JWT"
	UserinfoSignedForeign  Defect = "userinfo: a JWT signed with another key"
	UserinfoSignedAudience Defect = "userinfo: a JWT for another client"
	UserinfoSignedIssuer   Defect = "userinfo: a JWT of another provider"
)

// Defects of the CAS endpoint that validates tickets.
const (
	CASJSON           Defect = "cas: JSON although XML was asked for"
	CASJSONLists      Defect = "cas: JSON whose attributes are lists of one"
	CASNoNamespace    Defect = "cas: XML without a namespace"
	CASUnboundPrefix  Defect = "cas: XML with a prefix that nothing declares"
	CASBadTicket      Defect = "cas: INVALID_TICKET"
	CASBoth           Defect = "cas: success and failure at once"
	CASTwoSuccesses   Defect = "cas: two successes"
	CASTwoUsers       Defect = "cas: two users"
	CASUserMissing    Defect = "cas: no user and no userName"
	CASUserNames      Defect = "cas: attribute userName twice"
	CASForeignPrefix  Defect = "cas: success in another namespace"
	CASComment        Defect = "cas: a comment inside the user"
	CASEntity         Defect = "cas: an external entity as the user"
	CASBillion        Defect = "cas: entities that grow without end"
	CASProxied        Defect = "cas: the ticket of a proxy"
	CASTenantForeign  Defect = "cas: tenant of another enterprise"
	CASAttributesNone Defect = "cas: no attributes"
	CASHTML           Defect = "cas: a web page"
	CASNested         Defect = "cas: success inside of a failure"
	CASTrailing       Defect = "cas: a second document behind the first"
	CASServerError    Defect = "cas: 500"
	CASRedirect       Defect = "cas: redirect to another host"
	CASHuge           Defect = "cas: 8 MiB"
	CASHang           Defect = "cas: no answer"
)

// Defects returns all of them, without NoDefect.
func Defects() []Defect { return append(plainDefects(), openIDDefects()...) }

// plainDefects show to every client.
func plainDefects() []Defect {
	return []Defect{
		CallbackStateMissing, CallbackStateWrong, CallbackCodeTwice, CallbackTenant, CallbackError,
		TokenExpiresQuoted, TokenExpiresAbsent, TokenExpiresEmpty, TokenRefreshAbsent, TokenAccessAbsent, TokenTypeLower,
		TokenTypeMAC, TokenPlainText, TokenErrorIn200, TokenWrapperIn200, TokenForbidden, TokenInvalidClient,
		TokenInvalidGrant, TokenServerError, TokenRedirect, TokenHuge, TokenHang, TokenErrorCodeStyle,
		UserinfoNumericID, UserinfoSnakeCase, UserinfoWorkbench, UserinfoSample, UserinfoTenantMissing,
		UserinfoTenantForeign, UserinfoRoleRoot, UserinfoRoleCase, UserinfoUserMissing, UserinfoUserNull, UserinfoUserList,
		UserinfoControl, UserinfoLong, UserinfoUnauthorized, UserinfoErrorIn200, UserinfoWrapperIn200, UserinfoNotObject,
		UserinfoHTML, UserinfoServerError, UserinfoRedirect, UserinfoHuge, UserinfoHang, UserinfoSubUnexpected,
		UserinfoTenantIsDomain, UserinfoKeyTwice, TokenKeyTwice,
		CASJSON, CASJSONLists, CASNoNamespace, CASUnboundPrefix, CASBadTicket, CASBoth, CASTwoSuccesses, CASTwoUsers,
		CASUserMissing, CASUserNames, CASForeignPrefix, CASComment, CASEntity, CASBillion, CASProxied, CASTenantForeign,
		CASAttributesNone, CASHTML, CASNested, CASTrailing, CASServerError, CASRedirect, CASHuge, CASHang,
	}
}

const (
	// foreignTenant is nobody's tenantId.
	foreignTenant = "ffffffffffffffffffffffffffffffff"
	// elsewhere is a host that must never be asked (RFC 2606).
	elsewhere = "https://elsewhere.invalid/stolen"
	hugeBody  = 8 << 20
	longName  = 10 << 10
)

func (c *Centre) currentDefect() Defect {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.defect
}

// hang answers nothing until the peer gives up or the centre is closed.
func (c *Centre) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-c.closed:
	}
}

func (d Defect) spoilCallback(q url.Values) {
	switch d {
	case CallbackStateMissing:
		q.Del("state")
	case CallbackStateWrong:
		q.Set("state", "0123456789abcdef0123456789abcdef")
	case CallbackCodeTwice:
		q.Add("code", q.Get("code"))
	case CallbackTenant:
		q.Set("tenant", foreignTenant)
	case CallbackError:
		q.Del("code")
		q.Set("error", "access_denied")
		q.Set("error_description", `<script>alert("no")</script>`)
	case CallbackIssMissing:
		q.Del("iss")
	case CallbackIssWrong:
		if q.Has("iss") {
			q.Set("iss", foreignIssuer)
		}
	default:
	}
}

func (d Defect) spoilToken(a *reply) {
	switch d {
	case TokenExpiresQuoted:
		a.members["expires_in"] = "7200"
	case TokenExpiresAbsent:
		delete(a.members, "expires_in")
	case TokenExpiresEmpty:
		a.members["expires_in"] = ""
	case TokenRefreshAbsent:
		delete(a.members, "refresh_token")
	case TokenAccessAbsent:
		delete(a.members, "access_token")
	case TokenTypeLower:
		a.members["token_type"] = "bearer"
	case TokenTypeMAC:
		a.members["token_type"] = "mac"
	case TokenPlainText:
		a.contentType = "text/plain;charset=UTF-8"
	case TokenErrorIn200:
		*a = *refuse(http.StatusOK, "invalid_grant", "Invalid authorization code")
	case TokenWrapperIn200:
		*a = wrapper()
	case TokenForbidden:
		*a = reply{status: http.StatusForbidden, raw: []byte{}}
	case TokenInvalidClient:
		*a = *refuse(http.StatusBadRequest, "invalid_client", "Bad client credentials")
	case TokenInvalidGrant:
		*a = *refuse(http.StatusBadRequest, "invalid_grant", "Invalid authorization code")
	case TokenServerError:
		*a = *refuse(http.StatusInternalServerError, "server_error", "Internal error")
	case TokenRedirect:
		*a = reply{status: http.StatusTemporaryRedirect, raw: []byte{}, location: elsewhere}
	case TokenKeyTwice:
		a.twice = "access_token"
	case TokenHuge:
		a.raw = bytes.Repeat([]byte(" "), hugeBody)
	case TokenErrorCodeStyle:
		*a = reply{status: http.StatusBadRequest, members: map[string]any{"error_code": "OrgID.OAUTH.4000", "error_msg": "invalid"}}
	default:
	}
}

func (d Defect) spoilUserinfo(a *reply) {
	switch d {
	case UserinfoUnauthorized:
		*a = *refuse(http.StatusUnauthorized, "unauthorized", "Full authentication is required to access this resource")
	case UserinfoErrorIn200:
		*a = *refuse(http.StatusOK, "unauthorized", "Full authentication is required to access this resource")
	case UserinfoWrapperIn200:
		*a = wrapper()
	case UserinfoNotObject:
		a.raw = []byte(`["zhangsan"]`)
	case UserinfoHTML:
		a.raw, a.contentType = []byte("<!doctype html><title>503</title>"), "text/html"
	case UserinfoServerError:
		*a = *refuse(http.StatusInternalServerError, "server_error", "Internal error")
	case UserinfoRedirect:
		*a = reply{status: http.StatusFound, raw: []byte{}, location: elsewhere}
	case UserinfoKeyTwice:
		a.twice = "userName"
	case UserinfoHuge:
		a.raw = bytes.Repeat([]byte(" "), hugeBody)
	default:
		if a.status == http.StatusOK {
			d.spoilClaims(a.members)
		}
	}
}

func (d Defect) spoilClaims(claims map[string]any) {
	switch d {
	case UserinfoNumericID:
		claims["id"], claims["userId"] = 10000017, 10000017
	case UserinfoSnakeCase:
		rename(claims, map[string]string{
			"userId": "user_id", "userName": "user_name", "projectName": "tenant_name", "organizationCode": "organization_code",
			"organizationName": "organization_name",
		})
	case UserinfoWorkbench:
		keep(claims, "userName", "name", "tenant", "organizationCode", "role")
	case UserinfoSample:
		keep(claims, "id", "userName", "name", "email", "mobile")
	case UserinfoTenantMissing:
		delete(claims, "tenant")
	case UserinfoTenantForeign:
		claims["tenant"] = foreignTenant
	case UserinfoTenantIsDomain:
		rename(claims, map[string]string{"tenant": "tenantId"})
	case UserinfoRoleRoot:
		claims["role"] = "root"
	case UserinfoRoleCase:
		claims["role"] = "Admin"
	case UserinfoUserMissing:
		delete(claims, "userName")
	case UserinfoUserNull:
		claims["userName"] = nil
	case UserinfoUserList:
		claims["userName"] = []any{claims["userName"]}
	case UserinfoControl:
		claims["name"] = "张\r\nX-Auth-Role: admin\x00, 三"
		claims["organizationCode"] = "1\r\n2,3"
	case UserinfoLong:
		claims["name"] = string(bytes.Repeat([]byte("x"), longName))
	case UserinfoSubUnexpected:
		claims["sub"] = "somebody-else"
	case UserinfoSubMissing:
		delete(claims, "sub")
	default:
	}
}

// wrapper is an answer seen from a gateway in front of the workbench.
func wrapper() reply {
	return reply{status: http.StatusOK, members: map[string]any{"success": false, "mssg": "system busy", "t": nil}}
}

func rename(m map[string]any, names map[string]string) {
	for from, to := range names {
		m[to] = m[from]
		delete(m, from)
	}
}

func keep(m map[string]any, names ...string) {
	maps.DeleteFunc(m, func(name string, _ any) bool { return !slices.Contains(names, name) })
}
