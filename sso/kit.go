package sso

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// kit is the marketplace's profile: authorization code with state, the client secret in the token call's body, and
// userinfo as the only proof (access guide, "OAuth2.0", "token", "userinfo", "logout").
type kit struct {
	settings *Settings
	client   *http.Client
	now      func() time.Time
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

func (k *kit) finish(ctx context.Context, t target, a *attempt, code string) (proof, error) {
	answer, err := redeem(ctx, k.client, k.tokenURL(t), k.settings, t.credential, a, code)
	if err != nil {
		return proof{}, err
	}
	access, _ := answer.text("access_token")
	said, err := k.userinfo(ctx, t, access)
	if err != nil {
		return proof{}, err
	}
	kept := tokensOf(answer, t, k.now())
	kept.Subject = idOf(said)
	return proof{said, kept}, nil
}

func (k *kit) tokenURL(t target) string {
	return expand(k.settings.TokenURL, t.domain, k.settings.App, "")
}

func (k *kit) userinfo(ctx context.Context, t target, access string) (claims, error) {
	return userinfo(ctx, k.client, k.settings, expand(k.settings.UserinfoURL, t.domain, k.settings.App, ""), access)
}

// idOf is the auth centre's own id of a user, which no push knows; empty if it does not say.
func idOf(c claims) string {
	id, _ := c.first("sub", "id", "userId", "user_id")
	return id
}

func (k *kit) refresh(ctx context.Context, t target, token Secret) (claims, error) {
	return refresh(ctx, k.client, k.tokenURL(t), k.settings, t.credential, token)
}

// whois asks userinfo, which is the whole proof here. A user whose id is another one was deleted and made anew, perhaps for
// another person.
func (k *kit) whois(ctx context.Context, t target, kept Tokens, _ claims) (said claims, whole bool, err error) {
	said, err = k.userinfo(ctx, t, kept.Access.Reveal())
	if err != nil {
		return nil, false, err
	}
	if id := idOf(said); id != "" && kept.Subject != "" && id != kept.Subject {
		return nil, false, failed("userinfo.id", ErrTwoPeople)
	}
	return said, true, nil
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
