package sso

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/kitbridge/kitbridge/templates"
)

// ssoPrefix is the path below which everything of ours is served.
const ssoPrefix = "/sso"

// The decision endpoints of nginx, and of Traefik, Caddy and HAProxy.
const (
	authRequestPath = ssoPrefix + "/authz/auth-request"
	forwardAuthPath = ssoPrefix + "/authz/forward-auth"
)

// Config is what a [RelyingParty] is made of. All fields but TrustedProxies, Static, Observe and ObserveDecision are required.
type Config struct {
	// PublicURL is what browsers use, without path or query. Nothing about it is ever taken from headers.
	PublicURL string
	// TrustedProxies are the peers whose X-Forwarded-* and X-Original-* headers are believed; none by default.
	TrustedProxies []netip.Prefix
	// Settings are the operator's; begin with [DefaultSettings].
	Settings Settings
	// Static are the tenants that the configuration knows; they may be replaced by [RelyingParty.SetStatic].
	Static []StaticTenant
	// Keys is the key ring, newest first, at least 32 bytes each. The newest seals cookies and signs assertions; all of them
	// open cookies and are published. Every process that serves PublicURL needs the same ring.
	Keys [][]byte

	Tenants     Tenants
	Credentials Credentials
	Accounts    Accounts
	Sessions    Sessions

	Pages  *templates.Pages
	Logger *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// Observe, if not nil, is told of each decision about a sign-in once it is made, by the request's own goroutine.
	Observe func(Event)
	// ObserveDecision, if not nil, is told of each decision about a request, by the request's own goroutine.
	ObserveDecision func(Decided)
}

// RelyingParty signs people in at their tenant's auth centre and tells a product who they are. It is safe for concurrent
// use and needs no closing.
type RelyingParty struct {
	settings    Settings
	sites       sites
	trusted     []netip.Prefix
	rules       rules
	directory   *directory
	tenants     Tenants // these three are the directory
	credentials Credentials
	accounts    Accounts
	pages       *templates.Pages
	log         *slog.Logger
	now         func() time.Time
	observe     func(Event)
	decided     func(Decided)

	cookies  cookies
	sealer   *sealer
	signer   *signer
	sessions *sessionStore
	decider  *decider
	spent    *spentCodes
	failures *failureLimit
	outages  outages
	uncached []string // the value of Cache-Control, shared and never changed
}

// New returns a relying party, or every fault of the configuration at once. It makes no call: an auth centre that is down
// harms nobody but its own tenant, when somebody signs in there.
func New(c Config) (*RelyingParty, error) {
	var faults []error
	public, err := parsePublicURL(c.PublicURL)
	faults = append(faults, err, c.Settings.validate())
	if c.Settings.Embedded && public.Scheme == "http" {
		faults = append(faults, errors.New("embedded: needs an https public_url"))
	}
	all, err := newSites(public, c.Settings.Hosts)
	faults = append(faults, err)
	if c.Tenants == nil || c.Credentials == nil || c.Accounts == nil || c.Sessions == nil || c.Pages == nil || c.Logger == nil || c.Now == nil {
		faults = append(faults, errors.New("sso: a required field of Config is nil"))
	}
	faults = append(faults, validateStatic(c.Static, &c.Settings))
	compiled, err := newRules(c.Settings.Rules)
	faults = append(faults, err)
	sealer, err := newSealer(c.Keys)
	faults = append(faults, err)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	signer, err := newSigner(c.Keys, c.Settings.AssertionAlg, public.String(), c.Settings.AssertionAudience)
	if err != nil {
		return nil, err
	}
	d := &directory{Sessions: c.Sessions, tenants: c.Tenants, credentials: c.Credentials, accounts: c.Accounts, app: c.Settings.App}
	d.configured.Store(newConfigured(newWay(c.Settings, c.Now), c.Static, nil, c.Now))
	rp := &RelyingParty{
		settings: c.Settings, sites: all, trusted: c.TrustedProxies, rules: compiled,
		directory: d, tenants: d, credentials: d, accounts: d,
		pages: c.Pages, log: c.Logger, now: c.Now, observe: c.Observe, decided: c.ObserveDecision,
		cookies: newCookies(public, c.Settings.Embedded), sealer: sealer, signer: signer,
		spent: &spentCodes{now: c.Now}, failures: &failureLimit{now: c.Now},
	}
	rp.sessions = &sessionStore{port: d, cookies: rp.cookies, sites: &rp.sites, now: c.Now}
	rp.decider = &decider{port: d, signer: signer, now: c.Now, log: c.Logger}
	rp.uncached = []string{noStoreValue}
	return rp, nil
}

// wayOf returns how people of a tenant sign in now.
func (rp *RelyingParty) wayOf(tenant TenantID) *way { return rp.directory.configured.Load().of(tenant) }

// parsePublicURL returns an empty address beside an error.
func parsePublicURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || !plainHost(u.Hostname()) {
		return &url.URL{}, errors.New("public_url: an http or https address with a host is needed")
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return &url.URL{}, errors.New("public_url: must have no path and no query")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// Handler serves everything below /sso/. It must get the path as it was sent: an [http.ServeMux] before it would redirect
// requests below /sso/authz/ext-authz/ whose paths it can clean.
func (rp *RelyingParty) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /sso/login", rp.page(rp.serveLogin))
	mux.Handle("GET /sso/callback", rp.page(rp.serveCallback))
	mux.Handle("GET "+enterPath, rp.page(rp.serveEnter))
	mux.Handle("GET /sso/pending", rp.page(rp.servePending))
	mux.Handle("GET /sso/confirm", rp.page(rp.serveConfirm))
	mux.Handle("POST /sso/confirm", rp.page(rp.serveConfirmed))
	mux.Handle("GET /sso/logout", rp.page(rp.serveLogout))
	mux.Handle("POST /sso/logout", rp.page(rp.serveLogout))
	mux.Handle("POST /sso/backchannel-logout", rp.page(rp.serveBackchannel))
	mux.Handle("GET "+resendPath, rp.page(rp.serveResend))
	mux.Handle("GET /sso/signed-out", rp.page(rp.serveSignedOut))
	mux.HandleFunc("GET /sso/me", rp.serveMe)
	authRequest, forwardAuth := rp.authz(FaceAuthRequest, rp.askedOriginal, false), rp.authz(FaceForwardAuth, rp.askedForwarded, true)
	mux.Handle("GET "+authRequestPath, authRequest)
	mux.Handle("GET "+forwardAuthPath, forwardAuth)
	mux.HandleFunc("GET /sso/jwks.json", rp.signer.serveJWKS)
	mux.Handle("/sso/", rp.page(func(http.ResponseWriter, *http.Request, *record) error { return errNotFound }))
	extAuthz, glued := rp.authz(FaceExtAuthz, rp.askedBelow, true), rp.page(rp.serveCallback)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // the mux would come to the same, for a tenth of the answer's price
			switch r.URL.Path {
			case authRequestPath:
				authRequest.ServeHTTP(w, r)
				return
			case forwardAuthPath:
				forwardAuth.ServeHTTP(w, r)
				return
			}
		}
		if isExtAuthz(r) { // what follows is another server's path, which a mux would clean
			extAuthz.ServeHTTP(w, r)
			return
		}
		if isGlued(r) {
			glued.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// site is the one that a request came to.
func (rp *RelyingParty) site(r *http.Request) *site { return rp.sites.of(r.Host) }

// seal seals the value of a cookie of the site that r came to.
func (rp *RelyingParty) seal(r *http.Request, name string, v any) (string, error) {
	return rp.sealer.seal(rp.site(r).purpose(name), v)
}

// open reads a sealed cookie that r brought into v, and reports whether there is one that was sealed for the site it came to.
func (rp *RelyingParty) open(r *http.Request, name string, v any) bool {
	return rp.sealer.open(rp.site(r).purpose(name), rp.cookies.value(r, name), v)
}
