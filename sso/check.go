package sso

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// checkError is an error with the name of the check that something of an auth centre did not pass, such as "id_token.iat". Names
// are stable: they stand on the page, in the log and in docs/sign-in.md.
type checkError struct {
	name string
	kind error
}

// failed is an error of a kind, with the name of the check.
func failed(name string, kind error) error { return &checkError{name, kind} }

// Error names the check and the kind.
func (c *checkError) Error() string { return c.name + ": " + c.kind.Error() }

// Unwrap returns the kind.
func (c *checkError) Unwrap() error { return c.kind }

// checkOf returns the name of the check that an error is about, or "".
func checkOf(err error) string {
	if c, ok := errors.AsType[*checkError](err); ok {
		return c.name
	}
	return ""
}

// malformed is the error for an answer whose JSON could not be used. place says which answer it was.
func malformed(place string, err error) error {
	if errors.Is(err, errKeyTwice) {
		return failed(place+".duplicate_key", err)
	}
	return failed(place+".form", err)
}

// checkAnswer refuses what no answer may be: a redirect, since a secret or a token would follow it to a host that nobody named.
func checkAnswer(place string, got answer, err error) error {
	switch {
	case errors.Is(err, ErrAnswerTooLong):
		return failed(place+".size", err)
	case err != nil:
		return fmt.Errorf("%s: %w", place, err)
	case got.status >= http.StatusMultipleChoices && got.status < http.StatusBadRequest:
		return failed(place+".redirect", ErrElsewhere)
	}
	return nil
}

// errTokenRefused is the answer of an auth centre that the access token is no good, any more or at all.
var errTokenRefused = fmt.Errorf("access token refused: %w", ErrProviderAnswer)

// errKeysLate is the signature of a token that could not be looked at, since the keys were fetched a moment ago.
var errKeysLate = fmt.Errorf("keys not fetched again so soon: %w", ErrToken)

// tokenFault says which check of go-oidc a JWT failed. The library's texts quote the token, so they stay out of ours.
func tokenFault(place string, err error) error {
	if _, expired := errors.AsType[*oidc.TokenExpiredError](err); expired {
		return failed(place+".exp", ErrToken)
	}
	text := err.Error()
	for _, row := range []struct {
		has, check string
		kind       error
	}{
		{"fetching keys oidc: get keys failed: 3", "keys.redirect", ErrElsewhere},
		{"fetching keys oidc: get keys failed: ", "keys.status", ErrProviderAnswer},
		{"fetching keys unable to read response body: " + ErrAnswerTooLong.Error(), "keys.size", ErrAnswerTooLong},
		{"fetching keys oidc: failed to decode keys", "keys.form", ErrProviderAnswer},
		{errKeysPaused.Error(), place + ".signature", errKeysLate},
		{"fetching keys ", "keys.unreachable", ErrProviderUnreachable},
		{"failed to verify signature", place + ".signature", ErrToken},
		{"unexpected signature algorithm", place + ".alg", ErrToken},
		{"by a different provider", place + ".iss", ErrToken},
		{"expected audience", place + ".aud", ErrToken},
		{"nbf (not before)", place + ".nbf", ErrToken},
	} {
		if strings.Contains(text, row.has) {
			return failed(row.check, row.kind)
		}
	}
	return failed(place+".form", ErrToken)
}

// discoveryError translates an error of oidc.NewProvider, whose text may hold the whole answer.
func discoveryError(err error) error {
	if _, mismatch := errors.AsType[*oidc.IssuerMismatchError](err); mismatch {
		return failed("discovery.issuer", ErrProviderAnswer)
	}
	var transport interface{ Timeout() bool } // *url.Error, and nothing else here
	if errors.As(err, &transport) {
		return unreachable(err)
	}
	status, _, ok := strings.Cut(err.Error(), ":")
	switch {
	case strings.Contains(err.Error(), ErrAnswerTooLong.Error()):
		return failed("discovery.size", ErrAnswerTooLong)
	case strings.HasPrefix(err.Error(), "unable to read response body"):
		return failed("discovery.unreachable", ErrProviderUnreachable)
	case !ok || len(status) > 64:
	case strings.HasPrefix(status, "3"):
		return failed("discovery.redirect", ErrElsewhere)
	case strings.HasPrefix(status, "5"):
		return failed("discovery.status", ErrProviderUnreachable)
	case strings.HasPrefix(status, "4"):
		return failed("discovery.status", ErrProviderAnswer)
	}
	return failed("discovery.form", ErrProviderAnswer)
}
