package sso

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// clockLeeway is how far an auth centre's clock may be off.
	clockLeeway = time.Minute
	// maxTokenAge is how old an ID token may be when it arrives: it was made a moment ago, for us.
	maxTokenAge = 10 * time.Minute
	// maxIDToken bounds an ID token, in bytes.
	maxIDToken = 64 << 10
)

// openID is the profile of standard providers: discovery, ID token, nonce, PKCE and userinfo (OpenID Connect Core 1.0).
type openID struct {
	settings  *Settings
	client    *http.Client
	now       func() time.Time
	providers *providers
}

func (o *openID) start(ctx context.Context, t target, a *attempt) (string, error) {
	p, err := o.providers.get(ctx, t.origin)
	if err != nil {
		return "", err
	}
	q := url.Values{
		"response_type": {"code"},
		"client_id":     {t.credential.ClientID},
		"redirect_uri":  {a.RedirectURI},
		"scope":         {strings.Join(o.settings.Scope, " ")},
		"state":         {a.State},
	}
	if o.settings.Nonce != "off" {
		a.Nonce = randomHex()
		q.Set("nonce", a.Nonce)
	}
	if o.settings.PKCE == "s256" {
		a.Verifier = oauth2.GenerateVerifier()
		q.Set("code_challenge", oauth2.S256ChallengeFromVerifier(a.Verifier))
		q.Set("code_challenge_method", "S256")
	}
	if a.LoginHint != "" {
		q.Set("login_hint", a.LoginHint)
	}
	return withQuery(p.authorize, q), nil
}

func (o *openID) finish(ctx context.Context, t target, a *attempt, code string) (proof, error) {
	if a == nil { // without a nonce of ours an ID token proves nothing about this browser
		return proof{}, fmt.Errorf("unsolicited code: %w", ErrAttemptLost)
	}
	p, err := o.providers.get(ctx, t.origin)
	if err != nil {
		return proof{}, err
	}
	answer, err := redeem(ctx, o.client, p.token, o.settings, t.credential, a, code)
	if err != nil {
		return proof{}, err
	}
	access, _ := answer.text("access_token")
	raw, _ := answer.text("id_token")
	said, err := o.verify(ctx, p, t, raw, access, a.Nonce, o.settings.Nonce)
	if err != nil {
		return proof{}, err
	}
	kept := tokensOf(answer, t, o.now())
	kept.Subject, _ = said.text("sub")
	kept.Nonce, _ = said.text("nonce")
	if p.userinfo != "" {
		info, err := o.userinfo(ctx, p, t, access)
		if err != nil {
			return proof{}, err
		}
		if said, err = joinClaims(said, info); err != nil {
			return proof{}, err
		}
	}
	return proof{said, kept}, nil
}

func (o *openID) refresh(ctx context.Context, t target, token Secret) (claims, error) {
	p, err := o.providers.get(ctx, t.origin)
	if err != nil {
		return nil, err
	}
	return refresh(ctx, o.client, p.token, o.settings, t.credential, token)
}

// whois checks the ID token of a refresh, if there is one, as that of the sign-in, whose subject and nonce it must have (OpenID
// Connect Core, section 12.2), and asks userinfo.
func (o *openID) whois(ctx context.Context, t target, kept Tokens, answer claims) (said claims, whole bool, err error) {
	p, err := o.providers.get(ctx, t.origin)
	if err != nil {
		return nil, false, err
	}
	sub, err := json.Marshal(kept.Subject)
	if err != nil {
		return nil, false, failed("id_token.sub", ErrTwoPeople)
	}
	said = claims{"sub": sub}
	raw, ok := answer.text("id_token")
	if !ok {
		return nil, false, failed("id_token.form", ErrToken)
	}
	if whole = raw != ""; whole {
		// A nonce need not stand in it; one that does must be that of the sign-in.
		if said, err = o.verify(ctx, p, t, raw, kept.Access.Reveal(), kept.Nonce, "if_echoed"); err != nil {
			return nil, false, err
		}
		if got, _ := said.text("sub"); got != kept.Subject {
			return nil, false, failed("id_token.sub", ErrTwoPeople)
		}
	}
	if p.userinfo == "" {
		return said, whole, nil
	}
	info, err := o.userinfo(ctx, p, t, kept.Access.Reveal())
	if err != nil {
		return nil, false, err
	}
	said, err = joinClaims(said, info)
	return said, whole, err
}

// verify checks an ID token: what go-oidc checks (signature, issuer, audience, expiry, not before) and then what it leaves
// to its caller. nonce is the one to be found in it, by the policy.
func (o *openID) verify(ctx context.Context, p *provider, t target, raw, access, nonce, policy string) (claims, error) {
	if raw == "" {
		return nil, failed("id_token.missing", ErrToken)
	}
	token, c, err := o.verifyJWT(ctx, p, t, "id_token", raw, false)
	if err != nil {
		return nil, err
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(access); err != nil {
			return nil, failed("id_token.at_hash", ErrToken)
		}
	}
	return c, checkIDToken(c, token.Audience, t.credential.ClientID, nonce, policy, o.now())
}

// verifyJWT checks what every signed object of a provider has in common, and reads its claims. place names it in errors;
// eternal ones need not expire.
func (o *openID) verifyJWT(ctx context.Context, p *provider, t target, place, raw string, eternal bool) (*oidc.IDToken, claims, error) {
	if len(raw) > maxIDToken {
		return nil, nil, failed(place+".size", ErrToken)
	}
	if !isCompact(raw) {
		return nil, nil, failed(place+".form", ErrToken)
	}
	now := o.now()
	verifier := oidc.NewVerifier(t.issuer, p.keys, &oidc.Config{
		ClientID:             t.credential.ClientID,
		SupportedSigningAlgs: o.settings.SigningAlgs,
		SkipExpiryCheck:      eternal,
		Now:                  func() time.Time { return now.Add(-clockLeeway) },
	})
	token, err := verifier.Verify(oidc.ClientContext(ctx, o.client), raw)
	if err != nil {
		return nil, nil, tokenFault(place, err)
	}
	var body json.RawMessage
	if err := token.Claims(&body); err != nil {
		return nil, nil, failed(place+".form", ErrToken)
	}
	c, err := decodeClaims(body)
	if errors.Is(err, errKeyTwice) {
		return nil, nil, failed(place+".duplicate_key", ErrToken)
	}
	if err != nil {
		return nil, nil, failed(place+".form", ErrToken)
	}
	return token, c, checkRead(place, c, token)
}

// isCompact reports whether raw has the form of a signed token (RFC 7515, section 7.1), and nothing that one reader leaves out.
func isCompact(raw string) bool {
	for _, c := range []byte(raw) {
		if !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return strings.Count(raw, ".") == 2
}

// checkRead sees to it that go-oidc compared the claims that we read: it takes their names in any mixture of small and capital
// letters, and the last one of several, and a time beyond every clock for one that each processor makes another of.
func checkRead(place string, c claims, token *oidc.IDToken) error {
	if iss, ok := c.text("iss"); !ok || iss != token.Issuer {
		return failed(place+".iss", ErrToken)
	}
	if !slices.Equal(c.audience(), token.Audience) {
		return failed(place+".aud", ErrToken)
	}
	if exp, there := c["exp"]; there || !token.Expiry.IsZero() {
		if at, ok := seconds(exp); !ok || at != token.Expiry.Unix() {
			return failed(place+".exp", ErrToken)
		}
	}
	if nbf, there := c["nbf"]; there {
		if _, ok := seconds(nbf); !ok {
			return failed(place+".nbf", ErrToken)
		}
	}
	return nil
}

// userinfo asks who the access token is for. A provider may sign its answer (section 5.3.2): then issuer and audience are in it
// and are checked, too. Whether it is signed is the provider's choice at registration, so either form is read.
func (o *openID) userinfo(ctx context.Context, p *provider, t target, access string) (claims, error) {
	got, err := askUserinfo(ctx, o.client, o.settings, p.userinfo, access)
	if err != nil {
		return nil, err
	}
	if got.media != "application/jwt" {
		return readUserinfo(got.body)
	}
	token, c, err := o.verifyJWT(ctx, p, t, "userinfo", strings.TrimSpace(string(got.body)), true)
	if err != nil {
		return nil, err
	}
	if _, expires := c["exp"]; expires && o.now().After(token.Expiry.Add(clockLeeway)) {
		return nil, failed("userinfo.exp", ErrToken)
	}
	return c, nil
}

// checkIDToken is what OpenID Connect Core, sections 2 and 3.1.3.7, demands beyond go-oidc: a subject, plausible times, an
// authorized party, the nonce; and that the token is no logout token, which go-oidc would accept here.
func checkIDToken(c claims, audience []string, clientID, nonce, policy string, now time.Time) error {
	bad := func(what string) error { return failed("id_token."+what, ErrToken) }
	var sub string
	if err := json.Unmarshal(c["sub"], &sub); err != nil || sub == "" || len(sub) > 255 {
		return bad("sub")
	}
	if _, ok := seconds(c["exp"]); !ok { // go-oidc compared it; but of 1e300 each processor makes another number
		return bad("exp")
	}
	if err := checkIssuedAt("id_token", c, now); err != nil {
		return err
	}
	azp, ok := c.text("azp")
	if !ok || azp != "" && azp != clientID || azp == "" && len(audience) > 1 {
		return bad("azp")
	}
	if !slices.Contains(audience, clientID) {
		return bad("aud")
	}
	if _, logout := c["events"]; logout {
		return bad("events")
	}
	got, ok := c.text("nonce")
	if !ok || got != "" && subtle.ConstantTimeCompare([]byte(got), []byte(nonce)) != 1 || got == "" && policy == "required" {
		return bad("nonce")
	}
	return nil
}

// checkIssuedAt wants a token that was made a moment ago. place names it in errors.
func checkIssuedAt(place string, c claims, now time.Time) error {
	iat, ok := seconds(c["iat"])
	if !ok {
		return failed(place+".iat", ErrToken)
	}
	if age := now.Sub(time.Unix(iat, 0)); age > maxTokenAge || age < -clockLeeway {
		return failed(place+".iat", ErrToken)
	}
	return nil
}

// seconds reads a time in seconds since 1970 that some clock may show.
func seconds(raw json.RawMessage) (int64, bool) {
	var s float64
	if err := json.Unmarshal(raw, &s); err != nil || s < 0 || s > 1<<40 {
		return 0, false
	}
	return int64(s), true
}

// joinClaims adds userinfo to the claims of an ID token. Userinfo is believed only about the same person: its sub must be
// there and equal (section 5.3.2), and what both say of user name and tenant must agree.
func joinClaims(idToken, info claims) (claims, error) {
	want, _ := idToken.text("sub")
	if got, ok := info.text("sub"); !ok || got != want {
		return nil, failed("userinfo.sub", ErrTwoPeople)
	}
	joined := claims{}
	for key, value := range idToken {
		joined[key] = value
	}
	for key, value := range info {
		if key == "sid" {
			continue // of the ID token only: it is what a logout will name
		}
		if key == "tenant" || key == "tenantId" || key == "tenant_id" || key == "userName" {
			a, aok := idToken.text(key)
			b, bok := info.text(key)
			if !aok || !bok || a != "" && b != "" && a != b {
				return nil, failed("userinfo."+key, ErrTwoPeople)
			}
			if b == "" {
				continue
			}
		}
		joined[key] = value
	}
	return joined, nil
}

// checkIssuer compares exactly (RFC 9207, section 2.4). An absent iss is refused if the provider says it sends one.
func (o *openID) checkIssuer(ctx context.Context, a *attempt, iss string) error {
	if iss == a.Issuer {
		return nil
	}
	if iss != "" {
		return failed("response.iss", ErrIssuerMismatch)
	}
	p, err := o.providers.get(ctx, origin{a.Domain, a.Issuer})
	if err != nil {
		return err
	}
	if p.sendsIssuer {
		return failed("response.iss", ErrIssuerMismatch)
	}
	return nil
}

func (o *openID) logoutURL(ctx context.Context, t target, returnURL, state string) string {
	if o.settings.LogoutURL != "" {
		return expand(o.settings.LogoutURL, t.domain, o.settings.App, returnURL)
	}
	if t.issuer == "" {
		return ""
	}
	p, err := o.providers.get(ctx, t.origin)
	if err != nil || p.endSession == "" {
		return ""
	}
	// OpenID Connect RP-Initiated Logout 1.0: client_id stands in for an id_token_hint, since no token is kept.
	return withQuery(p.endSession, url.Values{
		"post_logout_redirect_uri": {returnURL}, "client_id": {t.credential.ClientID}, "state": {state},
	})
}
