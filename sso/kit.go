package sso

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// kit is the marketplace's profile: authorization code with state, the client secret in the token call's body, and
// userinfo as the only proof (access guide, "OAuth2.0", "token", "userinfo", "logout").
type kit struct {
	settings *Settings
	client   *http.Client
}

func (k *kit) start(_ context.Context, t target, a *attempt) (string, error) {
	return withQuery(expand(k.settings.AuthorizeURL, t.domain, k.settings.App, ""), url.Values{
		"response_type": {"code"},
		"client_id":     {t.credential.ClientID},
		"redirect_uri":  {a.RedirectURI},
		"scope":         {strings.Join(k.settings.Scope, " ")},
		"state":         {a.State},
	}), nil
}

func (k *kit) finish(ctx context.Context, t target, a *attempt, code string) (claims, error) {
	token, err := redeem(ctx, k.client, expand(k.settings.TokenURL, t.domain, k.settings.App, ""), k.settings, t.credential, a, code)
	if err != nil {
		return nil, err
	}
	access, _ := token.text("access_token")
	return userinfo(ctx, k.client, expand(k.settings.UserinfoURL, t.domain, k.settings.App, ""), access)
}

func (k *kit) checkIssuer(_ context.Context, a *attempt, iss string) error {
	return checkIssuerHost(a, iss, k.settings.AllowInsecureAuthCentres)
}

// checkIssuerHost compares hosts: the access guide names no issuer, so only the address of the auth centre is known.
func checkIssuerHost(a *attempt, iss string, insecure bool) error {
	if iss == "" {
		return nil
	}
	want, err := url.Parse(a.Domain)
	if err != nil {
		return failed("response.iss", ErrIssuerMismatch)
	}
	if got, err := ParseDomain(iss, insecure); err != nil || got.Scheme != want.Scheme || got.Host != want.Host {
		return failed("response.iss", ErrIssuerMismatch)
	}
	return nil
}

func (k *kit) logoutURL(_ context.Context, t target, returnURL, _ string) string {
	return expandLogout(k.settings, t, returnURL)
}

// expandLogout is the configured logout address of an auth centre, or "".
func expandLogout(s *Settings, t target, returnURL string) string {
	if s.LogoutURL == "" || t.domain == "" {
		return ""
	}
	return expand(s.LogoutURL, t.domain, s.App, returnURL)
}
