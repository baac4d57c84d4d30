package sso

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// profile is a protocol spoken with auth centres, in two steps. Both are safe for concurrent use.
type profile interface {
	// start completes a with what its second step will compare (nonce, verifier) and returns where to send the browser.
	start(ctx context.Context, t target, a *attempt) (string, error)
	// finish redeems code at t and returns what the auth centre says about the person. a is nil for a code that nobody
	// asked for. It makes at most one token call.
	finish(ctx context.Context, t target, a *attempt, code string) (proof, error)
	// checkIssuer judges the iss parameter of a response ("" = absent) before any call is made (RFC 9207).
	checkIssuer(ctx context.Context, a *attempt, iss string) error
	// logoutURL returns where a browser ends the auth centre's own session, or "" if nowhere. state is in it if the protocol
	// brings one back to returnURL.
	logoutURL(ctx context.Context, t target, returnURL, state string) string
}

// renewer is a profile whose auth centres can be asked again about a person who is signed in.
type renewer interface {
	// refresh exchanges a refresh token and returns the token endpoint's answer. It makes at most one call.
	refresh(ctx context.Context, t target, token Secret) (claims, error)
	// whois asks about the person. answer is that of refresh, or nil if the access token was still good. whole is false if what
	// the answer does not say may stand as it was.
	whois(ctx context.Context, t target, kept Tokens, answer claims) (c claims, whole bool, err error)
}

// target is the auth centre of one sign-in with the client to use there.
type target struct {
	tenant     Tenant
	credential Credential
	// way is how the tenant's people sign in.
	way *way
	origin
}

// origin is where an auth centre is: domain is its normalised base address, issuer its name in OpenID Connect.
type origin struct{ domain, issuer string }

// attempt is one sign-in under way. It lives in a sealed cookie of the browser that began it, so that strangers write
// nothing to the database. What the second step must find unchanged stands here, not in the state of the world.
type attempt struct {
	State       string   `json:"s"`
	Tenant      TenantID `json:"t"`
	App         AppID    `json:"a"`
	ClientID    string   `json:"c"`
	Domain      string   `json:"d"`
	Issuer      string   `json:"i,omitempty"`
	RedirectURI string   `json:"u"`
	Return      string   `json:"r"`
	Nonce       string   `json:"n,omitempty"`
	Verifier    string   `json:"v,omitempty"`
	LoginHint   string   `json:"-"`
	// Foreign is set if another site's page may have begun the attempt.
	Foreign bool `json:"f,omitempty"`
	// Handover is set if the sign-in began on a further host. Attempts of such a host itself have none: no callback finishes them.
	Handover *handover `json:"h,omitempty"`
	// Started is in Unix seconds.
	Started int64 `json:"b"`
}

// redeem makes the one token call (access guide, "token"; RFC 6749, section 4.1.3) and returns its answer. It is written by
// hand because the documented answers are wider than x/oauth2 reads: expires_in may be text, JSON may call itself
// text/plain, and an error may come with status 200.
func redeem(ctx context.Context, client *http.Client, endpoint string, s *Settings, c Credential, a *attempt, code string) (claims, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}}
	if a != nil && s.TokenRedirectURI != "never" {
		form.Set("redirect_uri", a.RedirectURI)
	}
	if a != nil && a.Verifier != "" {
		form.Set("code_verifier", a.Verifier)
	}
	return askToken(ctx, client, endpoint, s, c, form)
}

// askToken makes a token call with the client's credential and returns its answer.
func askToken(ctx context.Context, client *http.Client, endpoint string, s *Settings, c Credential, form url.Values) (claims, error) {
	if s.ClientAuth == "post" {
		form.Set("client_id", c.ClientID)
		form.Set("client_secret", c.Secret.Reveal())
	}
	media, body := "application/x-www-form-urlencoded", form.Encode()
	if s.TokenBody == "multipart" {
		media, body = multipartForm(form)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(body)) //nolint:gosec // every address is judged when it is dialled
	if err != nil {
		return nil, fmt.Errorf("token call: %w", ErrInsecureDomain)
	}
	r.Header.Set("Content-Type", media)
	r.Header.Set("Accept", "application/json")
	if s.ClientAuth == "basic" { // RFC 6749, section 2.3.1: both are form-encoded first
		pair := url.QueryEscape(c.ClientID) + ":" + url.QueryEscape(c.Secret.Reveal())
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	got, err := fetch(ctx, client, r)
	if err := checkAnswer("token", got, err); err != nil {
		return nil, err
	}
	return readToken(got)
}

// multipartForm writes a form as multipart/form-data (RFC 7578).
func multipartForm(form url.Values) (media, body string) {
	var b strings.Builder
	w := multipart.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(form)) {
		_ = w.WriteField(name, form.Get(name)) // a strings.Builder takes everything
	}
	_ = w.Close()
	return w.FormDataContentType(), b.String()
}

// readToken judges the answer of a token endpoint.
func readToken(got answer) (claims, error) {
	c, err := decodeClaims(got.body)
	code := ""
	if err == nil {
		code = c.failure()
	}
	switch {
	case code == "invalid_grant":
		return nil, fmt.Errorf("token call: %w", ErrCodeSpent)
	case code == "invalid_client", code == "unauthorized_client",
		got.status == http.StatusUnauthorized, got.status == http.StatusForbidden:
		return nil, fmt.Errorf("token call: %w", ErrClientRejected)
	case got.status != http.StatusOK:
		return nil, failed("token.status", fmt.Errorf("status %d: %w", got.status, ErrProviderAnswer))
	case err != nil:
		return nil, malformed("token", err)
	case code != "":
		return nil, failed("token.error", ErrProviderAnswer)
	}
	if token, ok := c.text("access_token"); !ok || token == "" {
		return nil, failed("token.access_token", ErrProviderAnswer)
	}
	if kind, ok := c.text("token_type"); !ok || kind != "" && !strings.EqualFold(kind, "Bearer") {
		return nil, failed("token.token_type", ErrProviderAnswer)
	}
	return c, nil
}

// userinfo reads the userinfo endpoint, whose answer is a JSON object.
func userinfo(ctx context.Context, client *http.Client, s *Settings, endpoint, accessToken string) (claims, error) {
	got, err := askUserinfo(ctx, client, s, endpoint, accessToken)
	if err != nil {
		return nil, err
	}
	return readUserinfo(got.body)
}

// askUserinfo returns what the userinfo endpoint answers with status 200. A server error or a lost answer is retried once: the
// call changes nothing.
func askUserinfo(ctx context.Context, client *http.Client, s *Settings, endpoint, accessToken string) (answer, error) {
	if strings.ContainsFunc(accessToken, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return answer{}, failed("token.access_token", ErrProviderAnswer)
	}
	var got answer
	var err error
	for range 2 {
		r, rerr := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, http.NoBody)
		if rerr != nil {
			return answer{}, fmt.Errorf("userinfo: %w", ErrInsecureDomain)
		}
		r.Header.Set("Accept", "application/json")
		for _, name := range s.UserinfoHeaders {
			r.Header.Set(name, "Bearer "+accessToken)
		}
		if got, err = fetch(ctx, client, r); err == nil && got.status < http.StatusInternalServerError {
			break
		}
	}
	if err := checkAnswer("userinfo", got, err); err != nil {
		return answer{}, err
	}
	switch got.status {
	case http.StatusOK:
		return got, nil
	case http.StatusUnauthorized:
		return answer{}, failed("userinfo.status", fmt.Errorf("status %d: %w", got.status, errTokenRefused))
	default:
		return answer{}, failed("userinfo.status", fmt.Errorf("status %d: %w", got.status, ErrProviderAnswer))
	}
}

// readUserinfo reads the claims of a userinfo answer.
func readUserinfo(body []byte) (claims, error) {
	c, err := decodeClaims(body)
	if err != nil {
		return nil, malformed("userinfo", err)
	}
	switch c.failure() {
	case "":
		return c, nil
	case "unauthorized", "invalid_token", "OrgID.OAUTH.4000", "OrgID.OAUTH.4001", "OrgID.OAUTH.4006":
		return nil, failed("userinfo.error", errTokenRefused)
	default:
		return nil, failed("userinfo.error", ErrProviderAnswer)
	}
}

// withQuery appends parameters to an endpoint that may have a query of its own.
func withQuery(endpoint string, parameters url.Values) string {
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + parameters.Encode()
}
