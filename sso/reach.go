package sso

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// ReachAuthCentre asks the auth centre of that domainName for nothing but a sign of life,
// under the same rules as a sign-in would: it dials no address that a sign-in would not. It
// returns the time by the auth centre's clock, zero if it does not tell. Whatever HTTP status
// it answers with, it is there. The error is [ErrInsecureDomain] or [ErrProviderUnreachable].
func (s Settings) ReachAuthCentre(ctx context.Context, domain string) (time.Time, error) {
	u, err := s.auth(domain)
	if err != nil {
		return time.Time{}, err
	}
	client := newClient(&s)
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, u.Scheme+"://"+u.Host+"/", nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("auth centre: %w", ErrInsecureDomain)
	}
	answer, err := client.Do(r)
	if err != nil {
		return time.Time{}, unreachable(err)
	}
	_ = answer.Body.Close() // an answer to HEAD has none
	clock, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return time.Time{}, nil //nolint:nilerr // it is there, and does not tell the time
	}
	return clock, nil
}

// CheckAddress judges the address of an auth centre, domainName or issuer, as each sign-in does, without a call. The error is
// [ErrInsecureDomain].
func (s Settings) CheckAddress(address string) error {
	_, err := s.auth(address)
	return err
}

// auth returns the normalised address of an auth centre that may be called.
func (s *Settings) auth(address string) (*url.URL, error) {
	u, err := ParseDomain(address, s.AllowInsecureAuthCentres)
	if err != nil || !guardOf(s).allowsHost(u.Hostname()) {
		return nil, ErrInsecureDomain
	}
	return u, nil
}

// CheckDiscovery reads the discovery document of an auth centre as a sign-in by profile oidc would: of issuer or, if that is
// empty, of the one that the settings give at domain. There is nothing to read by other profiles, and where all endpoints are
// set. The error says which check failed.
func (s Settings) CheckDiscovery(ctx context.Context, domain, issuer string) error {
	u, err := s.auth(domain)
	if err != nil {
		return err
	}
	if s.Profile != ProfileOIDC {
		return nil
	}
	at := origin{domain: u.String(), issuer: issuer}
	if at.issuer == "" {
		at.issuer = expand(s.Issuer, at.domain, s.App, "")
	}
	client := newClient(&s)
	defer client.CloseIdleConnections()
	ps := &providers{settings: &s, client: client}
	_, err = ps.discover(ctx, at.issuer, ps.set(at.domain))
	return err
}
