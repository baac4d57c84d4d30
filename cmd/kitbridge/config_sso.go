package main

import (
	"net/netip"
	"time"
)

// SSO is the relying party's part of the configuration. Fields that are empty
// here and have a default per profile (Scope, Nonce, PKCE, IDToken, ServiceTemplate; with
// other profiles than kit the addresses, too) are filled by finishProfile. The kit defaults follow the marketplace access guide's pages on
// OAuth2.0 login; those of oidc follow OpenID Connect Core 1.0 and RFC 9700.
type SSO struct {
	// Profile is the protocol that the buyers' auth centres speak.
	Profile string `yaml:"profile" enum:"kit oidc cas"`
	// AppID is the appId of the application credential; empty: the tenant's only app.
	AppID string `yaml:"app_id"`

	// UnifiedLoginURL is the marketplace's page that finds out a person's tenant; {appId} is replaced.
	UnifiedLoginURL string `yaml:"unified_login_url" kind:"template"`
	// AuthorizeURL, TokenURL, UserinfoURL, LogoutURL, Issuer and JWKSURL are
	// addresses at an auth centre; {domain} is its origin, {return} a percent-encoded address.
	// With oidc, those that are empty come from discovery.
	AuthorizeURL string `yaml:"authorize_url" kind:"template"`
	TokenURL     string `yaml:"token_url" kind:"template"`
	UserinfoURL  string `yaml:"userinfo_url" kind:"template"`
	LogoutURL    string `yaml:"logout_url" kind:"template"`
	Issuer       string `yaml:"issuer" kind:"template"`
	// ServiceTemplate is the service address of profile cas.
	ServiceTemplate string `yaml:"service_template"`
	JWKSURL         string `yaml:"jwks_url" kind:"template"`

	// Scope is what an authorization request asks for. Default: get_user_info (kit), openid (oidc).
	Scope []string `yaml:"scope"`
	// ClientAuth is where the client secret goes: request body (post) or HTTP Basic.
	ClientAuth string `yaml:"client_auth" enum:"post basic"`
	// TokenBody is how the token request is written.
	TokenBody string `yaml:"token_body" enum:"form multipart"`
	// TokenRedirectURI says whether the token request repeats redirect_uri.
	TokenRedirectURI string `yaml:"token_redirect_uri" enum:"auto always never"`
	// TenantParams are the callback's parameters that may name the tenant, in order.
	TenantParams []string `yaml:"tenant_params"`
	// StateAlphabet is the alphabet of state; the unified page mangles more than hex.
	StateAlphabet string `yaml:"state_alphabet" enum:"hex"`
	// Nonce, PKCE and IDToken: default if_echoed, off, if_present (kit); required, s256, required (oidc).
	Nonce   string `yaml:"nonce" enum:"required if_echoed off"`
	PKCE    string `yaml:"pkce" enum:"off s256"`
	IDToken string `yaml:"id_token" enum:"required if_present ignore"`
	// SigningAlgs are the ID token signature algorithms that are accepted; never HS* or none.
	SigningAlgs []string `yaml:"signing_algs" enum:"RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"`
	// UserinfoHeaders are the headers that carry the access token.
	UserinfoHeaders []string `yaml:"userinfo_headers" enum:"Authorization X-OrgID-Authorization"`
	// UserClaim and RoleClaim name the claims of user name and role; empty: the kit's names.
	UserClaim string `yaml:"user_claim"`
	RoleClaim string `yaml:"role_claim"`
	// TenantClaim says whether a claim that names the tenant may hold its code.
	TenantClaim string `yaml:"tenant_claim" enum:"id id_or_code"`
	// HTTP limits the calls to auth centres.
	HTTP SSOHTTP `yaml:"http"`

	// Hosts are further hosts that serve /sso/; one may be bound to a tenant.
	Hosts []SSOHost `yaml:"hosts"`
	// AuthCentres says which auth centres are accepted and may be dialled.
	AuthCentres AuthCentres `yaml:"auth_centres"`
	Session     SSOSession  `yaml:"session"`
	// Refresh says when auth centres are asked again about people who are signed in.
	Refresh SSORefresh `yaml:"refresh"`
	// UnknownUser is what happens to a verified person of whom no push has told.
	UnknownUser string `yaml:"unknown_user" enum:"pending jit deny"`
	// Unsolicited is what happens to a code that no attempt of this browser asked for.
	Unsolicited string `yaml:"unsolicited" enum:"bounce confirm accept"`
	// Embedded allows sessions inside the workbench's frame (partitioned cookies).
	Embedded string `yaml:"embedded" enum:"off partitioned"`
	// TestTenants says whether tenants of the marketplace's debugging (testFlag 1) may sign in.
	TestTenants string `yaml:"test_tenants" enum:"deny allow"`
	// ProductCookies are cookies of the product that are expired at sign-in and logout.
	ProductCookies []string  `yaml:"product_cookies"`
	Assertion      Assertion `yaml:"assertion"`
	// Rules decide by path and method, the first that matches, for all faces.
	Rules []Rule `yaml:"rules"`
	// Chooser is how a person finds their company when no link names it.
	Chooser string `yaml:"chooser" enum:"search list off"`
	// Tenants are customers from outside the marketplace.
	Tenants []StaticTenant `yaml:"tenants"`
	// AllowInsecureAuthCentres permits http:// and loopback auth centres. For development only.
	AllowInsecureAuthCentres bool `yaml:"allow_insecure_auth_centres"`
}

// SSOHTTP limits calls to auth centres.
type SSOHTTP struct {
	Timeout time.Duration `yaml:"timeout"`
	// MaxBody is the greatest answer that is read, in bytes.
	MaxBody ByteSize `yaml:"max_body" min:"1024" max:"67108864"`
	// FollowRedirects lets a call be redirected within its scheme and host.
	FollowRedirects bool `yaml:"follow_redirects"`
	// AllowPrivateAddresses lets any auth centre resolve to a private network; prefer auth_centres.private_networks.
	AllowPrivateAddresses bool `yaml:"allow_private_addresses"`
}

// SSOHost is a further host that serves /sso/.
type SSOHost struct {
	// Host is what browsers send: with a port, if that is not the standard one.
	Host string `yaml:"host" kind:"site"`
	// Tenant binds the host to one tenant (id or code); empty: any.
	Tenant string `yaml:"tenant"`
}

// AuthCentres says which auth centres are trusted how far.
type AuthCentres struct {
	// Hosts are accepted without a person's yes when a push changes a tenant's auth centre.
	// A name also covers everything below it.
	Hosts []string `yaml:"hosts" kind:"host"`
	// PrivateNetworks may be dialled although they are private.
	PrivateNetworks []netip.Prefix `yaml:"private_networks"`
}

// SSOSession is how long a session lives.
type SSOSession struct {
	// Idle ends a session without a request for that long.
	Idle time.Duration `yaml:"idle"`
	// Absolute ends any session that long after sign-in.
	Absolute time.Duration `yaml:"absolute"`
}

// SSORefresh is when an auth centre is asked again about somebody who is signed in.
type SSORefresh struct {
	// Mode: off; refresh, when the access token has run out; probe, also every Every in between.
	Mode string `yaml:"mode" enum:"off refresh probe"`
	// Every is how often a probe is made of a session in use.
	Every time.Duration `yaml:"every"`
}

// Assertion is the signed identity that the product may verify.
type Assertion struct {
	// Audience is the aud claim. Default: PublicURL.
	Audience string `yaml:"audience"`
	Alg      string `yaml:"alg" enum:"ES256 RS256"`
}

// Rule says who may send which requests.
type Rule struct {
	// Path is the path that the rule covers.
	Path string `yaml:"path"`
	// Methods are HTTP methods; none: all.
	Methods []string `yaml:"methods"`
	Allow   Allow    `yaml:"allow"`
}

// Allow is who a rule lets in. Exactly one of Public, SignedIn or the
// restrictions (which imply a signed-in person) is given.
type Allow struct {
	Public   bool
	SignedIn bool
	// Role is user or admin; empty: any.
	Role string `yaml:"role" enum:"user admin"`
	// Tenants and Orgs are ids or codes of which one must match; none: any.
	Tenants []string `yaml:"tenant" single:"ok"`
	Orgs    []string `yaml:"org" single:"ok"`
}

// StaticTenant is a customer from outside the marketplace, or what is different about
// one that it pushes.
type StaticTenant struct {
	ID           string `yaml:"id"`
	Code         string `yaml:"code"`
	Name         string `yaml:"name"`
	Issuer       string `yaml:"issuer" kind:"url"`
	ClientID     string `yaml:"client_id"`
	ClientSecret Secret `yaml:"client_secret,secret"`

	// The rest are keys of SSO; what is given here counts for this tenant.
	Profile          string     `yaml:"profile" enum:"kit oidc cas"`
	AuthorizeURL     string     `yaml:"authorize_url" kind:"template"`
	TokenURL         string     `yaml:"token_url" kind:"template"`
	UserinfoURL      string     `yaml:"userinfo_url" kind:"template"`
	LogoutURL        string     `yaml:"logout_url" kind:"template"`
	ServiceTemplate  string     `yaml:"service_template"`
	JWKSURL          string     `yaml:"jwks_url" kind:"template"`
	Scope            []string   `yaml:"scope"`
	ClientAuth       string     `yaml:"client_auth" enum:"post basic"`
	TokenBody        string     `yaml:"token_body" enum:"form multipart"`
	TokenRedirectURI string     `yaml:"token_redirect_uri" enum:"auto always never"`
	Nonce            string     `yaml:"nonce" enum:"required if_echoed off"`
	PKCE             string     `yaml:"pkce" enum:"off s256"`
	SigningAlgs      []string   `yaml:"signing_algs" enum:"RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"`
	UserinfoHeaders  []string   `yaml:"userinfo_headers" enum:"Authorization X-OrgID-Authorization"`
	UserClaim        string     `yaml:"user_claim"`
	RoleClaim        string     `yaml:"role_claim"`
	TenantClaim      string     `yaml:"tenant_claim" enum:"id id_or_code"`
	UnknownUser      string     `yaml:"unknown_user" enum:"pending jit deny"`
	Unsolicited      string     `yaml:"unsolicited" enum:"bounce confirm accept"`
	Session          SSOSession `yaml:"session"`
	Refresh          SSORefresh `yaml:"refresh"`
}

func defaultSSO() SSO {
	return SSO{ //nolint:gosec // addresses with the word token, no credentials
		Profile:          "kit",
		UnifiedLoginURL:  "https://macroverse.huaweicloud.com/unified-login/#/portal-login?ind=UNOP&appId={appId}",
		AuthorizeURL:     "{domain}/api/v1/oauth2/authorize",
		TokenURL:         "{domain}/api/v1/oauth2/token",
		UserinfoURL:      "{domain}/api/v1/oauth2/userinfo",
		LogoutURL:        "{domain}/api/v1/logout?redirect_url={return}",
		Issuer:           "{domain}/api/v1/oauth2",
		ClientAuth:       "post",
		TokenBody:        "form",
		TokenRedirectURI: "auto",
		TenantParams:     []string{"tenant", "tenant_id", "tenantId"},
		StateAlphabet:    "hex",
		SigningAlgs:      []string{"RS256", "RS384", "RS512"},
		UserinfoHeaders:  []string{"Authorization"},
		TenantClaim:      "id",
		HTTP:             SSOHTTP{Timeout: 10 * time.Second, MaxBody: 1 << 20},
		Session:          SSOSession{Idle: 8 * time.Hour, Absolute: 24 * time.Hour},
		Refresh:          SSORefresh{Mode: "off", Every: 10 * time.Minute},
		UnknownUser:      "pending",
		Unsolicited:      "bounce",
		Embedded:         "off",
		TestTenants:      "deny",
		Assertion:        Assertion{Alg: "ES256"},
		Chooser:          "search",
	}
}
