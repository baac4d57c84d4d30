package sso

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// When an auth centre is asked again about a person who is signed in: [Settings].Refresh.
const (
	// RefreshOff: never. Tokens are forgotten once userinfo was read.
	RefreshOff = "off"
	// RefreshExpiry: when the access token has run out, with the refresh token.
	RefreshExpiry = "refresh"
	// RefreshProbe: also every [Settings].ProbeEvery in between, with the access token.
	RefreshProbe = "probe"
)

const (
	// usualTokenLife is the access guide's, for answers that do not tell theirs.
	usualTokenLife = 2 * time.Hour
	minTokenLife   = time.Second
	maxTokenLife   = 30 * 24 * time.Hour
	// tokenLeeway is how long before its end an access token is not used any more: a call takes a while.
	tokenLeeway = 5 * time.Second
	// maxToken bounds a token that is kept, in bytes.
	maxToken = 16 << 10
)

// proof is what an auth centre answered to a code: what it says of the person, and with what it can be asked again.
type proof struct {
	claims claims
	tokens Tokens
}

// identify reads who the person is.
func (p proof) identify(to target) (verified, error) {
	v, err := identify(p.claims, to.tenant, to.way.settings)
	v.Tokens = p.tokens
	return v, err
}

// tokensOf takes the tokens out of the answer of a token endpoint. Those too long to keep are left out.
func tokensOf(answer claims, t target, now time.Time) Tokens {
	kept := func(name string) Secret {
		text, ok := answer.text(name)
		if !ok || len(text) > maxToken {
			return ""
		}
		return Secret(text)
	}
	return Tokens{
		Access: kept("access_token"), Refresh: kept("refresh_token"), Expires: now.Add(lifeOf(answer)).Truncate(time.Millisecond),
		ClientID: t.credential.ClientID, Domain: t.domain, Issuer: t.issuer,
	}
}

// lifeOf is how long an access token is good. The guides send a number or a text; one that is neither says nothing.
func lifeOf(answer claims) time.Duration {
	text, ok := answer.text("expires_in")
	seconds, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || !(seconds > 0) { // not a number is not greater either
		return usualTokenLife
	}
	life := time.Duration(min(seconds, maxTokenLife.Seconds()) * float64(time.Second))
	return max(life, minTokenLife)
}

// renewed is what is kept after a refresh: what was not given anew stays (RFC 6749, section 6).
func (t Tokens) renewed(fresh Tokens) Tokens {
	fresh.Subject, fresh.Nonce = t.Subject, t.Nonce
	if fresh.Refresh == "" {
		fresh.Refresh = t.Refresh
	}
	return fresh
}

// good reports whether the access token may be used now.
func (t Tokens) good(now time.Time) bool {
	return t.Access != "" && now.Add(tokenLeeway).Before(t.Expires)
}

// dueAt returns when the auth centre is to be asked next, or the zero time if there will be nothing to ask with.
func (s *Settings) dueAt(t Tokens, now time.Time) time.Time {
	due := t.Expires
	switch probe := now.Add(s.ProbeEvery); {
	case s.Refresh == RefreshProbe && t.Access != "" && probe.Add(tokenLeeway).Before(t.Expires):
		due = probe
	case t.Refresh == "" || s.Refresh == RefreshOff || s.Refresh == "":
		return time.Time{}
	case s.Refresh == RefreshProbe && t.Access == "":
		due = probe
	}
	return later(due, now.Add(minTokenLife)).Truncate(time.Millisecond)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// keep fills in what a new session keeps to ask again with.
func (s *Settings) keep(n *NewSession, t Tokens) {
	if due := s.dueAt(t, n.Created); !due.IsZero() {
		n.Tokens, n.Due = t, due
	}
}

// refresh exchanges a refresh token (RFC 6749, section 6; access guide, "refresh"). It makes one call: a refresh token may be
// good only once.
func refresh(ctx context.Context, client *http.Client, endpoint string, s *Settings, c Credential, token Secret) (claims, error) {
	return askToken(ctx, client, endpoint, s, c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.Reveal()}})
}
