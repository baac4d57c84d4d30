package sso

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// The private doors of the tests.

// ReturnPath is returnPath.
func ReturnPath(text string, publicURL *url.URL) (string, bool) { return returnPath(text, publicURL) }

// EncodeHeader is encodeHeader.
func EncodeHeader(value string) string { return encodeHeader(value) }

// IsIdentityName is isIdentityName.
func IsIdentityName(name string) bool { return isIdentityName(name) }

// IsPageLoad is isPageLoad.
func IsPageLoad(method string, h http.Header) bool { return isPageLoad(method, h, false) }

// MayDial judges an address as the dialer does.
func MayDial(s Settings, address string) error { return guardOf(&s).control("tcp", address, nil) }

// MayFollow reports whether a client that follows redirects follows this one.
func MayFollow(r *http.Request, via []*http.Request) bool { return staysHome(r, via) }

// IdentifyBy is Identify with settings, of a tenant with a code.
func IdentifyBy(c Claims, tenant TenantID, code string, s Settings) (UserName, Role, error) {
	v, err := identify(c, Tenant{ID: tenant, Code: code}, &s)
	return v.User, v.Role, err
}

// Claims is what an auth centre says.
type Claims = claims

// DecodeClaims is decodeClaims.
func DecodeClaims(body []byte) (Claims, error) { return decodeClaims(body) }

// Identify returns what identify makes of claims.
func Identify(c Claims, tenant TenantID) (UserName, Role, Profile, error) {
	v, err := identify(c, Tenant{ID: tenant}, &Settings{})
	return v.User, v.Role, v.Profile, err
}

// LowerRole is lowerRole.
func LowerRole(a, b Role) Role { return lowerRole(a, b) }

// Admit returns the name of admit's verdict.
func Admit(t Tenant, c Credential, a Account, unknownUser string, allowTest bool) string {
	return admit(t, c, a, unknownUser, allowTest).String()
}

// OutcomeStatus is the status an error is answered with; 500 has no row.
func OutcomeStatus(err error) int { return outcomeOf(err).status }

// OpenAttempt opens a sealed attempt as findAttempt does, and reports whether that is one.
func OpenAttempt(rp *RelyingParty, state, sealed string) bool {
	r := &http.Request{Header: http.Header{}}
	r.AddCookie(&http.Cookie{Name: rp.cookies.attemptName(state), Value: sealed})
	_, err := rp.findAttempt(r, state)
	return err == nil
}

// AttemptName is the name of the cookie of the attempt with this state.
func AttemptName(rp *RelyingParty, state string) string { return rp.cookies.attemptName(state) }

// SealAttempt seals an attempt.
func SealAttempt(rp *RelyingParty, state string, now time.Time) string {
	sealed, err := rp.sealer.seal(rp.cookies.attemptName(state), attempt{State: state, Started: now.Unix()})
	if err != nil {
		panic(err)
	}
	return sealed
}

// ClientAddr is the address failures are counted for.
func ClientAddr(rp *RelyingParty, r *http.Request) netip.Addr { return rp.clientAddr(r) }

// CheckIDToken is checkIDToken.
func CheckIDToken(c Claims, audience []string, clientID, nonce, policy string, now time.Time) error {
	return checkIDToken(c, audience, clientID, nonce, policy, now)
}

// JoinClaims is joinClaims.
func JoinClaims(idToken, info Claims) (Claims, error) { return joinClaims(idToken, info) }

// CanonicalPath is canonicalPath.
func CanonicalPath(escaped string) (string, bool) { return canonicalPath(escaped) }

// WithoutParameters is withoutParameters.
func WithoutParameters(path string) string { return withoutParameters(path) }

// FoldPath is foldPath.
func FoldPath(path string) string { return foldPath(path) }

// ChooseRule returns what rules say about a request.
func ChooseRule(list []Rule, methods []string, escaped string) (Allow, error) {
	rs, err := newRules(list)
	if err != nil {
		return Allow{}, err
	}
	allow, err := rs.choose(methods, escaped)
	if err != nil {
		return Allow{}, err
	}
	return *allow, nil
}

// DecisionAge is how old a decision may be.
const DecisionAge = decisionAge

// OwnHost reports whether a valid host is the public address's.
func OwnHost(rp *RelyingParty, host string) bool {
	return validHost(host) && rp.sites.public.owns(host)
}

// SiteOf returns the name of the site that a host means, and whether it is a further one.
func SiteOf(rp *RelyingParty, host string) (name string, further bool) {
	s := rp.sites.of(host)
	return s.name, s.further
}

// ReadValidation is readValidation.
func ReadValidation(body []byte) (Claims, error) { return readValidation(body) }

// DeviceOf is deviceOf.
func DeviceOf(userAgent string, from netip.Addr) string { return deviceOf(userAgent, from) }

// DueAt is dueAt.
func DueAt(s Settings, t Tokens, now time.Time) time.Time { return s.dueAt(t, now) }

// LifeOf is lifeOf.
func LifeOf(answer Claims) time.Duration { return lifeOf(answer) }

// Hear is LiveSession.hear.
func Hear(s LiveSession, c Claims, whole bool) (*Said, error) {
	return s.hear(c, whole, Tenant{ID: s.Tenant}, &Settings{})
}

// TokenLeeway is how long before its end an access token is not used any more.
const TokenLeeway = tokenLeeway

// CookieOf is the value of the session cookie of a relying party at https.
func CookieOf(r *http.Request) string {
	return newCookies(&url.URL{Scheme: "https"}, false).value(r, "__Host-kitbridge")
}

// Discover reads a discovery document and returns where its endpoints are, and whether it is believed.
func Discover(issuer string, document []byte, transport http.RoundTripper) (endpoints []string, err error) {
	s := DefaultSettings(ProfileOIDC)
	ps := &providers{settings: &s, client: &http.Client{Transport: transport}, now: time.Now}
	p, err := ps.discover(context.Background(), issuer, provider{})
	if err != nil {
		return nil, err
	}
	return []string{p.authorize, p.token, p.userinfo, p.endSession}, nil
}

// ReadToken is readToken of an answer with this status.
func ReadToken(status int, body []byte) (Claims, error) {
	return readToken(answer{status: status, body: body})
}

// ReadUserinfo is readUserinfo.
func ReadUserinfo(body []byte) (Claims, error) { return readUserinfo(body) }

// Text is text.
func (c claims) Text(key string) (string, bool) { return c.text(key) }

// FormFields is formFields, as pairs.
func FormFields(body string) ([][2]string, bool) {
	fields, ok := formFields(body)
	var pairs [][2]string
	for _, f := range fields {
		pairs = append(pairs, [2]string{f.Name, f.Value})
	}
	return pairs, ok
}

// SessionCookies is how a session would be looked for in a Cookie header: its id, or "".
func SessionCookies(rp *RelyingParty, header string) string {
	r := &http.Request{Header: http.Header{"Cookie": {header}}}
	value := rp.cookies.value(r, rp.cookies.base)
	if _, ok := sessionKey(value); !ok {
		return ""
	}
	return value
}

// StripCookies is what of a Cookie header the product gets.
func StripCookies(rp *RelyingParty, header string) string {
	h := http.Header{"Cookie": {header}}
	rp.cookies.strip(h)
	return h.Get("Cookie")
}

// FoldsTo is foldsTo.
func FoldsTo(name, prefix string) bool { return foldsTo(name, prefix) }

// FoldHeader is foldHeader.
func FoldHeader(name string) string { return foldHeader(name) }
