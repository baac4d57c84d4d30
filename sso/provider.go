package sso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// providerAge is how long a discovery document is believed.
	providerAge = time.Hour
	// providerRetry is how long a failed discovery is not repeated.
	providerRetry = 15 * time.Second
	// keyFetchPause is how long after a fetch of keys that helped nobody the next one waits.
	keyFetchPause = 30 * time.Second
	// maxProviders bounds the cache; with more issuers the cache starts anew.
	maxProviders = 4096
)

// provider is an OpenID provider: its endpoints, discovered or set, of which userinfo and endSession may be "".
type provider struct {
	authorize, token, userinfo, jwks, endSession string
	keys                                         oidc.KeySet
	sendsIssuer                                  bool
}

// providers discovers and remembers providers, one entry per issuer: one that is dead delays only its own tenants.
type providers struct {
	settings *Settings
	client   *http.Client
	now      func() time.Time

	mu    sync.Mutex
	known map[origin]*providerEntry // under mu
}

type providerEntry struct {
	mu sync.Mutex
	// The rest is under mu, which is held while discovering, so that many sign-ins make one discovery.
	provider *provider
	err      error
	at       time.Time
}

// get returns the provider at at. The error is ErrInsecureDomain, ErrProviderUnreachable or ErrProviderAnswer.
func (ps *providers) get(ctx context.Context, at origin) (*provider, error) {
	set := ps.set(at.domain)
	if ps.settings.JWKSURL == "" || !strings.Contains(ps.settings.AuthorizeURL+ps.settings.TokenURL+ps.settings.UserinfoURL+ps.settings.JWKSURL, "{domain}") {
		at.domain = "" // many tenants of one issuer share what is known of it
	}
	ps.mu.Lock()
	if len(ps.known) >= maxProviders {
		ps.known = nil
	}
	if ps.known == nil {
		ps.known = map[origin]*providerEntry{}
	}
	e := ps.known[at]
	if e == nil {
		e = &providerEntry{}
		ps.known[at] = e
	}
	ps.mu.Unlock()

	e.mu.Lock()
	defer e.mu.Unlock()
	age := ps.now().Sub(e.at)
	if e.provider != nil && age < providerAge || e.err != nil && age < providerRetry {
		return e.provider, e.err
	}
	// A browser that hangs up must not make the discovery fail for the others; the client's own timeout ends it.
	fresh, err := ps.discover(context.WithoutCancel(ctx), at.issuer, set)
	e.at = ps.now()
	if err != nil && e.provider != nil {
		e.at = e.at.Add(providerRetry - providerAge) // an outage does not undo what is known; ask again soon
		return e.provider, nil
	}
	e.provider, e.err = fresh, err
	return fresh, err
}

// set returns the endpoints that the settings name beside a key set.
func (ps *providers) set(domain string) provider {
	s := ps.settings
	if s.JWKSURL == "" {
		return provider{}
	}
	at := func(template string) string { return expand(template, domain, s.App, "") }
	return provider{authorize: at(s.AuthorizeURL), token: at(s.TokenURL), userinfo: at(s.UserinfoURL), jwks: at(s.JWKSURL)}
}

// discover completes what is set by the issuer's discovery document, if anything that is needed is missing.
func (ps *providers) discover(ctx context.Context, issuer string, p provider) (*provider, error) {
	if p.authorize == "" || p.token == "" || p.jwks == "" {
		if err := ps.readDocument(ctx, issuer, &p); err != nil {
			return nil, err
		}
	}
	p.keys = newKeySet(ctx, p.jwks, ps.client, ps.now)
	return &p, nil
}

// readDocument fills in what p lacks from the discovery document of issuer.
func (ps *providers) readDocument(ctx context.Context, issuer string, p *provider) error {
	base, err := url.Parse(issuer)
	if err != nil {
		return fmt.Errorf("discover: %w", ErrInsecureDomain)
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, ps.client), issuer)
	if err != nil {
		return discoveryError(err)
	}
	var meta struct {
		UserInfo    string `json:"userinfo_endpoint"`
		JWKS        string `json:"jwks_uri"`
		EndSession  string `json:"end_session_endpoint"`
		SendsIssuer bool   `json:"authorization_response_iss_parameter_supported"`
	}
	var document json.RawMessage
	if err := errors.Join(found.Claims(&meta), found.Claims(&document)); err != nil {
		return failed("discovery.form", ErrProviderAnswer)
	}
	if _, err := decodeClaims(document); err != nil {
		return malformed("discovery", err)
	}
	for _, e := range []struct {
		name, address string
		into          *string
		needed        bool
	}{
		{"authorization_endpoint", found.Endpoint().AuthURL, &p.authorize, true},
		{"token_endpoint", found.Endpoint().TokenURL, &p.token, true},
		{"jwks_uri", meta.JWKS, &p.jwks, true},
		{"userinfo_endpoint", meta.UserInfo, &p.userinfo, false},
		{"end_session_endpoint", meta.EndSession, &p.endSession, false},
	} {
		switch {
		case *e.into != "": // the operator's word
		case e.address == "" && e.needed:
			return failed("discovery."+e.name, ErrProviderAnswer)
		case e.address != "" && !ps.mayStandAt(base, e.address):
			return failed("discovery."+e.name, ErrElsewhere)
		default:
			*e.into = e.address
		}
	}
	p.sendsIssuer = meta.SendsIssuer
	return nil
}

// mayStandAt reports whether a discovered endpoint is on the issuer's own scheme and host, or on a host that was listed.
// The library does not look, and the client secret goes there.
func (ps *providers) mayStandAt(base *url.URL, endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.User != nil || u.Fragment != "" || u.Scheme != base.Scheme {
		return false
	}
	return u.Host == base.Host || slices.Contains(ps.settings.EndpointHosts, u.Host)
}
