package sso

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ProfileName names the protocol spoken with auth centres.
type ProfileName string

// The profiles. A later one is a further row of [DefaultSettings] and an implementation of the profile interface.
const (
	// ProfileKit is the marketplace's OAuth 2.0 with userinfo (access guide, WEB login V2).
	ProfileKit ProfileName = "kit"
	// ProfileOIDC is OpenID Connect Core with an ID token.
	ProfileOIDC ProfileName = "oidc"
	// ProfileCAS is CAS 3 with the marketplace's attributes (access guide, "CAS protocol API").
	ProfileCAS ProfileName = "cas"
)

// Settings is what an operator may set about sign-in. Take [DefaultSettings] and change what differs. In URL templates
// `{domain}` is the normalised address of the tenant's auth centre, `{appId}` the configured App, and `{return}` the
// percent-encoded address to come back to.
type Settings struct {
	Profile ProfileName
	// App is the application this process serves; empty is allowed while each tenant has only one.
	App AppID
	// UnifiedLoginURL is the marketplace's own login page, used where no tenant is known. Empty, or with `{appId}` while App
	// is empty: not offered.
	UnifiedLoginURL string
	// AuthorizeURL, TokenURL, UserinfoURL and LogoutURL are endpoints. With profile oidc they and JWKSURL come from discovery, unless
	// JWKSURL is set: then each that is set replaces the discovered one and may stand on any host, and with AuthorizeURL and
	// TokenURL nothing is discovered. LogoutURL replaces the discovered one in any case. Profile cas has its login page as AuthorizeURL and serviceValidate as UserinfoURL.
	AuthorizeURL, TokenURL, UserinfoURL, LogoutURL string
	// JWKSURL is the key set of profile oidc.
	JWKSURL string
	// ServiceTemplate is the service address of profile cas: `{callback}` with the tenant as `{tenantId}` behind it. With
	// `&state={state}` at its end a ticket is bound to the attempt that asked for it; servers that compare the whole address
	// refuse that.
	ServiceTemplate string
	// Issuer is the issuer of profile oidc. A tenant with an issuer of its own does not use it.
	Issuer string
	// Scope is sent with authorization requests.
	Scope []string
	// ClientAuth is how the client authenticates at the token endpoint: "post" or "basic".
	ClientAuth string
	// TokenBody is how the token call is written: "form" (URL-encoded) or "multipart".
	TokenBody string
	// TokenRedirectURI says whether redirect_uri is repeated at the token endpoint: "auto" (if it was sent to authorize),
	// "always" or "never".
	TokenRedirectURI string
	// TenantParams are the names under which a callback may name its tenant.
	TenantParams []string
	// Unsolicited says what to do with a code that this browser did not ask for: "bounce" (start an attempt of our own;
	// within a minute of such an attempt, confirm), "confirm" (ask the person) or "accept" (vulnerable to login CSRF).
	Unsolicited string
	// Nonce is "required", "if_echoed" or "off"; PKCE is "s256" or "off". Profile oidc only.
	Nonce, PKCE string
	// SigningAlgs are the accepted algorithms of ID tokens. Symmetric ones and none are never accepted.
	SigningAlgs []string
	// UserinfoHeaders are the names of the headers that carry the access token, each with the word Bearer before it.
	UserinfoHeaders []string
	// UserClaim names the one claim that is the user name, and RoleClaim the one that is the role; empty: the access guide's
	// names. An email is a user name only if the auth centre verified it.
	UserClaim, RoleClaim string
	// TenantClaim says what a claim that names the tenant holds: its "id", or "id_or_code".
	TenantClaim string
	// UnknownUser says what happens to a verified user whom no push has named: "pending" (wait for the push), "jit" (come
	// in with role user) or "deny".
	UnknownUser string
	// AllowTestTenants lets the marketplace's debug tenants in; their sessions carry X-Auth-Test: 1.
	AllowTestTenants bool
	// ProductCookies are names of cookies of the product, expired at sign-in and logout.
	ProductCookies []string
	// Rules say who may send which requests, the first that covers one; what none covers is for whoever is signed in. With
	// any rule, the decision endpoints answer only listed proxies that say exactly which request they ask about.
	Rules []Rule
	// Chooser is what a stranger may see of the tenants: "search", "list" or "off".
	Chooser string
	// SessionIdle and SessionAbsolute end a session; positive.
	SessionIdle, SessionAbsolute time.Duration
	// Refresh says when the auth centre is asked again about a person who is signed in: RefreshOff, RefreshExpiry or RefreshProbe.
	// With RefreshProbe it is asked at least every ProbeEvery that somebody uses the session.
	Refresh    string
	ProbeEvery time.Duration
	// AllowInsecureAuthCentres allows http and loopback addresses, for development only.
	AllowInsecureAuthCentres bool
	// Embedded lets people sign in inside a frame of another site: cookies are SameSite=None, Partitioned, which takes https.
	// What SameSite=Lax kept other sites' pages from is then refused by what browsers say of a request.
	Embedded bool
	// Hosts are further hosts that serve /sso/, each with sessions of its own.
	Hosts []Host
	// EndpointHosts are hosts, with port if any, that discovered endpoints may stand on beside the issuer's own.
	EndpointHosts []string
	// PrivateNetworks may be dialled although they are private.
	PrivateNetworks []netip.Prefix
	// AssertionAudience is the aud of X-Auth-Assertion; empty means the public URL.
	AssertionAudience string
	// AssertionAlg is how X-Auth-Assertion is signed: "ES256" or "RS256".
	AssertionAlg string
	// AllowPrivateAddresses permits private addresses (RFC 1918, RFC 4193) everywhere; PrivateNetworks is narrower. Addresses of
	// metadata services and link-local ones are never dialled.
	AllowPrivateAddresses bool
	// FollowRedirects lets an auth centre redirect a call within its own scheme and host, three times at most.
	FollowRedirects bool
	// Timeout bounds each call to an auth centre; MaxBody bounds its answer, in bytes.
	Timeout time.Duration
	MaxBody int64
}

// DefaultSettings returns the defaults of a profile, one row per profile. It panics for a name that is no profile.
func DefaultSettings(profile ProfileName) Settings {
	s := Settings{ //nolint:gosec // addresses, not credentials
		Profile:          profile,
		UnifiedLoginURL:  "https://macroverse.huaweicloud.com/unified-login/#/portal-login?ind=UNOP&appId={appId}",
		AuthorizeURL:     "{domain}/api/v1/oauth2/authorize",
		TokenURL:         "{domain}/api/v1/oauth2/token",
		UserinfoURL:      "{domain}/api/v1/oauth2/userinfo",
		LogoutURL:        "{domain}/api/v1/logout?redirect_url={return}",
		Issuer:           "{domain}/api/v1/oauth2",
		Scope:            []string{"get_user_info"},
		ClientAuth:       "post",
		TokenBody:        "form",
		TokenRedirectURI: "auto",
		TenantParams:     []string{"tenant", "tenant_id", "tenantId"},
		Unsolicited:      "bounce",
		Nonce:            "off",
		PKCE:             "off",
		SigningAlgs:      []string{"RS256", "RS384", "RS512"},
		UserinfoHeaders:  []string{"Authorization"},
		TenantClaim:      "id",
		UnknownUser:      "pending",
		Chooser:          "search",
		AssertionAlg:     algES256,
		SessionIdle:      8 * time.Hour,
		SessionAbsolute:  24 * time.Hour,
		Refresh:          RefreshOff,
		ProbeEvery:       10 * time.Minute,
		Timeout:          10 * time.Second,
		MaxBody:          1 << 20,
	}
	switch profile {
	case ProfileKit:
	case ProfileOIDC:
		s.Scope = []string{"openid"}
		s.Nonce, s.PKCE = "required", "s256"
		s.TokenRedirectURI = "always"
		s.AuthorizeURL, s.TokenURL, s.UserinfoURL, s.LogoutURL = "", "", "", ""
	case ProfileCAS:
		s.AuthorizeURL = "{domain}/api/v1/cas/login"
		s.UserinfoURL = "{domain}/api/v1/cas/p3/serviceValidate"
		s.LogoutURL = "{domain}/api/v1/cas/logout?service={return}"
		s.ServiceTemplate = "{callback}?tenant={tenantId}"
	default:
		panic("sso: no such profile: " + string(profile))
	}
	return s
}

// validate reports every fault of s at once.
func (s *Settings) validate() error {
	var faults []error
	oneOf := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			faults = append(faults, fmt.Errorf("%s: %q is none of %s", key, value, strings.Join(allowed, ", ")))
		}
	}
	oneOf("profile", string(s.Profile), string(ProfileKit), string(ProfileOIDC), string(ProfileCAS))
	oneOf("client_auth", s.ClientAuth, "post", "basic")
	oneOf("token_body", s.TokenBody, "form", "multipart")
	oneOf("tenant_claim", s.TenantClaim, "id", "id_or_code")
	oneOf("token_redirect_uri", s.TokenRedirectURI, "auto", "always", "never")
	oneOf("unsolicited", s.Unsolicited, "bounce", "confirm", "accept")
	oneOf("nonce", s.Nonce, "required", "if_echoed", "off")
	oneOf("pkce", s.PKCE, "s256", "off")
	oneOf("unknown_user", s.UnknownUser, "pending", "jit", "deny")
	oneOf("chooser", s.Chooser, "search", "list", "off")
	oneOf("assertion.alg", s.AssertionAlg, algES256, algRS256)
	oneOf("refresh.mode", s.Refresh, RefreshOff, RefreshExpiry, RefreshProbe)
	for _, alg := range s.SigningAlgs {
		oneOf("signing_algs", alg, "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA")
	}
	for _, name := range s.UserinfoHeaders {
		oneOf("userinfo_headers", name, "Authorization", "X-OrgID-Authorization")
	}
	if len(s.SigningAlgs) == 0 || len(s.TenantParams) == 0 || len(s.UserinfoHeaders) == 0 {
		faults = append(faults, errors.New("signing_algs, tenant_params, userinfo_headers: must not be empty"))
	}
	if s.ProbeEvery < time.Second {
		faults = append(faults, errors.New("refresh.every: must be a second or more"))
	}
	if s.SessionIdle <= 0 || s.SessionAbsolute <= 0 || s.Timeout <= 0 || s.MaxBody <= 0 {
		faults = append(faults, errors.New("session.idle, session.absolute, http.timeout, http.max_body: must be positive"))
	}
	if !isToken(string(s.App)) {
		faults = append(faults, errors.New("app_id: letters, digits, '-' and '_' only"))
	}
	if s.Profile == ProfileCAS {
		if err := CheckServiceTemplate(s.ServiceTemplate); err != nil {
			faults = append(faults, fmt.Errorf("service_template: %w", err))
		}
	}
	for key, template := range s.templates() {
		if err := checkTemplate(template, s.AllowInsecureAuthCentres); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", key, err))
		}
	}
	return errors.Join(faults...)
}

// templates returns the URL templates that are set, by their configuration key.
func (s *Settings) templates() map[string]string {
	all := map[string]string{
		"unified_login_url": s.UnifiedLoginURL, "authorize_url": s.AuthorizeURL, "token_url": s.TokenURL,
		"userinfo_url": s.UserinfoURL, "logout_url": s.LogoutURL, "issuer": s.Issuer, "jwks_url": s.JWKSURL,
	}
	for key, template := range all {
		if template == "" {
			delete(all, key)
		}
	}
	return all
}

// checkTemplate expands a template with harmless values and looks at what comes out.
func checkTemplate(template string, insecure bool) error {
	u, err := url.Parse(expand(template, "https://a.example", "app", "https://b.example/"))
	if err != nil || u.Host == "" || u.User != nil {
		return errors.New("is no URL")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !insecure) {
		return errors.New("must be https")
	}
	if strings.ContainsAny(strings.NewReplacer("{domain}", "", "{appId}", "", "{return}", "").Replace(template), "{}") {
		return errors.New("knows only {domain}, {appId} and {return}")
	}
	return nil
}

// expand replaces the placeholders of a URL template. Plain replacement keeps `{appId}` inside a fragment, where url.Values
// would put it before the '#'; app is a token, and returnURL is escaped here.
func expand(template, domain string, app AppID, returnURL string) string {
	return strings.NewReplacer("{domain}", domain, "{appId}", string(app), "{return}", url.QueryEscape(returnURL)).Replace(template)
}

// isToken reports whether text needs no escaping anywhere in a URL. Empty text is one.
func isToken(text string) bool {
	for _, c := range []byte(text) {
		if !isAlnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
