package sso

import (
	"context"
	"errors"
	"net/http"

	"github.com/kitbridge/kitbridge/templates"
)

// What the ports return.
var (
	// ErrUnknownTenant means that there is no such tenant.
	ErrUnknownTenant = errors.New("unknown tenant")
	// ErrNoCredential means that the application is not bound to this tenant.
	ErrNoCredential = errors.New("no credential for this tenant")
	// ErrAmbiguousApp means that the tenant has several applications and sso.app_id chooses none.
	ErrAmbiguousApp = errors.New("several applications and none chosen")
	// ErrNoSession means that there is no such live session.
	ErrNoSession = errors.New("no live session")
	// ErrReplayed means that a logout token was obeyed before, or a ticket used.
	ErrReplayed = errors.New("used twice")
	// ErrForbidden means that the rules do not let this person, or anybody, send this request.
	ErrForbidden = errors.New("forbidden by the rules")
	// ErrUnavailable means that the state could not be read, so nothing is known.
	ErrUnavailable = errors.New("unavailable")
)

// What goes wrong in a sign-in. None of their texts holds anything that came from outside.
var (
	// ErrBadRequest means that the request makes no sense as it stands: a parameter is repeated, too long or missing.
	ErrBadRequest = errors.New("bad request")
	// ErrTenantMissing means that nothing tells which tenant a callback belongs to.
	ErrTenantMissing = errors.New("tenant missing")
	// ErrInsecureDomain means that the auth centre's address is one that a client secret must not be sent to.
	ErrInsecureDomain = errors.New("insecure auth centre address")
	// ErrAttemptLost means that this browser holds no attempt with this state.
	ErrAttemptLost = errors.New("no attempt with this state in this browser")
	// ErrAttemptExpired means that the attempt is older than ten minutes, or that its auth centre or client is the tenant's no
	// more.
	ErrAttemptExpired = errors.New("attempt expired")
	// ErrTenantMismatch means that callback, credential and userinfo do not name one tenant.
	ErrTenantMismatch = errors.New("tenants disagree")
	// ErrIssuerMismatch means that the response came from another issuer than the attempt went to (RFC 9207).
	ErrIssuerMismatch = errors.New("issuers disagree")
	// ErrLoop means that the browser completes sign-ins and comes back without a session.
	ErrLoop = errors.New("sign-in loop")
	// ErrRateLimited means that too many callbacks from this address failed.
	ErrRateLimited = errors.New("too many failed callbacks")
	// ErrRefused means that the auth centre, or the user there, said no.
	ErrRefused = errors.New("refused by the auth centre")
	// ErrCodeSpent is the token endpoint's invalid_grant.
	ErrCodeSpent = errors.New("code not accepted")
	// ErrClientRejected is the token endpoint's invalid_client, or its 401 or 403.
	ErrClientRejected = errors.New("credential not accepted")
	// ErrProviderAnswer means that an answer of the auth centre could not be used.
	ErrProviderAnswer = errors.New("unusable answer of the auth centre")
	// ErrAnswerTooLong means that an answer of the auth centre was longer than [Settings].MaxBody.
	ErrAnswerTooLong = errors.New("answer too long")
	// ErrElsewhere means that the auth centre pointed to another host, by a redirect or in its discovery document.
	ErrElsewhere = errors.New("auth centre points elsewhere")
	// ErrProviderUnreachable means that the auth centre did not answer.
	ErrProviderUnreachable = errors.New("auth centre unreachable")
	// ErrToken means that an ID token did not pass the checks of OpenID Connect Core, section 3.1.3.7.
	ErrToken = errors.New("ID token not accepted")
	// ErrTwoPeople means that ID token and userinfo are about different people (OpenID Connect Core, section 5.3.2).
	ErrTwoPeople = errors.New("ID token and userinfo are about different people")
	// ErrIdentity means that the auth centre did not say who the user is.
	ErrIdentity = errors.New("identity incomplete")
)

// outcome is what a browser is told about an error: the page's reason and the HTTP status.
type outcome struct {
	reason templates.Reason
	status int
}

// outcomeOf is the one table from errors to the outside. An error without a row is internal.
func outcomeOf(err error) outcome {
	for _, row := range outcomes() {
		if errors.Is(err, row.err) {
			return row.outcome
		}
	}
	return outcome{templates.Internal, http.StatusInternalServerError}
}

type outcomeRow struct {
	err error
	outcome
}

// outcomes lists the most specific kinds first: an error may wrap several.
func outcomes() []outcomeRow {
	return []outcomeRow{
		{ErrUnavailable, outcome{templates.Unavailable, http.StatusServiceUnavailable}},
		{ErrForbidden, outcome{templates.Forbidden, http.StatusForbidden}},
		{ErrUnknownTenant, outcome{templates.UnknownTenant, http.StatusForbidden}},
		{ErrNoCredential, outcome{templates.AppNotBound, http.StatusForbidden}},
		{ErrAmbiguousApp, outcome{templates.AmbiguousApp, http.StatusForbidden}},
		{ErrNoSession, outcome{templates.AttemptLost, http.StatusUnauthorized}},
		{ErrReplayed, outcome{templates.BadRequest, http.StatusBadRequest}},
		{ErrBadRequest, outcome{templates.BadRequest, http.StatusBadRequest}},
		{ErrTenantMissing, outcome{templates.TenantMissing, http.StatusBadRequest}},
		{ErrInsecureDomain, outcome{templates.InsecureAuthCentre, http.StatusForbidden}},
		{ErrAttemptLost, outcome{templates.AttemptLost, http.StatusBadRequest}},
		{ErrAttemptExpired, outcome{templates.AttemptExpired, http.StatusBadRequest}},
		{ErrTenantMismatch, outcome{templates.TenantMismatch, http.StatusForbidden}},
		{ErrIssuerMismatch, outcome{templates.IssuerMismatch, http.StatusForbidden}},
		{ErrLoop, outcome{templates.Loop, http.StatusForbidden}},
		{ErrRateLimited, outcome{templates.RateLimited, http.StatusTooManyRequests}},
		{ErrRefused, outcome{templates.ProviderRefused, http.StatusForbidden}},
		{ErrCodeSpent, outcome{templates.CodeSpent, http.StatusBadRequest}},
		{ErrClientRejected, outcome{templates.CredentialRejected, http.StatusBadGateway}},
		{ErrTwoPeople, outcome{templates.TwoPeople, http.StatusBadGateway}},
		{ErrToken, outcome{templates.TokenRejected, http.StatusBadGateway}},
		{ErrElsewhere, outcome{templates.ProviderElsewhere, http.StatusBadGateway}},
		{ErrAnswerTooLong, outcome{templates.AnswerTooLong, http.StatusBadGateway}},
		{ErrProviderAnswer, outcome{templates.ProviderError, http.StatusBadGateway}},
		{ErrProviderUnreachable, outcome{templates.ProviderUnreachable, http.StatusBadGateway}},
		{ErrIdentity, outcome{templates.IdentityIncomplete, http.StatusForbidden}},
	}
}

// portError marks an error of a port that none of the port's own kinds explains as ErrUnavailable, so that a fault of the
// store is a 503 and never mistaken for "no".
func portError(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{ErrUnknownTenant, ErrNoCredential, ErrAmbiguousApp, ErrNoSession, ErrUnavailable} {
		if errors.Is(err, known) {
			return err
		}
	}
	if errors.Is(err, context.Canceled) {
		return errors.Join(ErrUnavailable, context.Canceled)
	}
	return errors.Join(ErrUnavailable, err)
}
