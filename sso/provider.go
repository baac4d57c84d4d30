package sso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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

// provider is a discovered OpenID provider.
type provider struct {
	*oidc.Provider
	keys        oidc.KeySet
	endSession  string
	sendsIssuer bool
}

// providers discovers and remembers providers, one entry per issuer: one that is dead delays only its own tenants.
type providers struct {
	settings *Settings
	client   *http.Client
	now      func() time.Time

	mu    sync.Mutex
	known map[string]*providerEntry // under mu
}

type providerEntry struct {
	mu sync.Mutex
	// The rest is under mu, which is held while discovering, so that many sign-ins make one discovery.
	provider *provider
	err      error
	at       time.Time
}

// get returns the provider of issuer. The error is ErrInsecureDomain, ErrProviderUnreachable or ErrProviderAnswer.
func (ps *providers) get(ctx context.Context, issuer string) (*provider, error) {
	ps.mu.Lock()
	if len(ps.known) >= maxProviders {
		ps.known = nil
	}
	if ps.known == nil {
		ps.known = map[string]*providerEntry{}
	}
	e := ps.known[issuer]
	if e == nil {
		e = &providerEntry{}
		ps.known[issuer] = e
	}
	ps.mu.Unlock()

	e.mu.Lock()
	defer e.mu.Unlock()
	age := ps.now().Sub(e.at)
	if e.provider != nil && age < providerAge || e.err != nil && age < providerRetry {
		return e.provider, e.err
	}
	// A browser that hangs up must not make the discovery fail for the others; the client's own timeout ends it.
	fresh, err := ps.discover(context.WithoutCancel(ctx), issuer)
	e.at = ps.now()
	if err != nil && e.provider != nil {
		e.at = e.at.Add(providerRetry - providerAge) // an outage does not undo what is known; ask again soon
		return e.provider, nil
	}
	e.provider, e.err = fresh, err
	return fresh, err
}

func (ps *providers) discover(ctx context.Context, issuer string) (*provider, error) {
	base, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("discover: %w", ErrInsecureDomain)
	}
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, ps.client), issuer)
	if err != nil {
		return nil, discoveryError(err)
	}
	var meta struct {
		UserInfo    string `json:"userinfo_endpoint"`
		JWKS        string `json:"jwks_uri"`
		EndSession  string `json:"end_session_endpoint"`
		SendsIssuer bool   `json:"authorization_response_iss_parameter_supported"`
	}
	var document json.RawMessage
	if err := errors.Join(p.Claims(&meta), p.Claims(&document)); err != nil {
		return nil, failed("discovery.form", ErrProviderAnswer)
	}
	if _, err := decodeClaims(document); err != nil {
		return nil, malformed("discovery", err)
	}
	for _, e := range []struct {
		name, address string
		needed        bool
	}{
		{"authorization_endpoint", p.Endpoint().AuthURL, true},
		{"token_endpoint", p.Endpoint().TokenURL, true},
		{"jwks_uri", meta.JWKS, true},
		{"userinfo_endpoint", meta.UserInfo, false},
		{"end_session_endpoint", meta.EndSession, false},
	} {
		switch {
		case e.address == "" && e.needed:
			return nil, failed("discovery."+e.name, ErrProviderAnswer)
		case e.address != "" && !ps.mayStandAt(base, e.address):
			return nil, failed("discovery."+e.name, ErrElsewhere)
		}
	}
	return &provider{
		Provider:    p,
		keys:        newKeySet(ctx, meta.JWKS, ps.client, ps.now),
		endSession:  meta.EndSession,
		sendsIssuer: meta.SendsIssuer,
	}, nil
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
