package sso

import (
	"errors"
	"net/http"
	"time"
)

// Face names a way in which requests are decided about. Names are stable: they stand in metrics.
type Face string

// The faces.
const (
	FaceAuthRequest Face = "auth_request"
	FaceForwardAuth Face = "forward_auth"
	FaceExtAuthz    Face = "ext_authz"
	FaceProxy       Face = "proxy"
	FaceMiddleware  Face = "middleware"
)

// Faces returns all of them.
func Faces() []Face {
	return []Face{FaceAuthRequest, FaceForwardAuth, FaceExtAuthz, FaceProxy, FaceMiddleware}
}

// Outcome is what came of a decision about a request. Names are stable: they stand in metrics.
type Outcome string

// The outcomes.
const (
	// OutcomeAllowed: somebody who is signed in was let through.
	OutcomeAllowed Outcome = "allowed"
	// OutcomePublic: nobody in particular was let through, by a rule that allows it.
	OutcomePublic Outcome = "public"
	// OutcomeSignedOut: there is no live session; answered 401, or sent to sign in.
	OutcomeSignedOut Outcome = "signed_out"
	// OutcomeForbidden: the rules do not allow it; answered 403.
	OutcomeForbidden Outcome = "forbidden"
	// OutcomeUnavailable: nothing is known; answered 503.
	OutcomeUnavailable Outcome = "unavailable"
)

// Outcomes returns all of them.
func Outcomes() []Outcome {
	return []Outcome{OutcomeAllowed, OutcomePublic, OutcomeSignedOut, OutcomeForbidden, OutcomeUnavailable}
}

// Decided is one decision about a request. It names nobody.
type Decided struct {
	Face    Face
	Outcome Outcome
	// Elapsed is how long the decision took, without what came of it.
	Elapsed time.Duration
}

// outcomeFor names what came of judge.
func outcomeFor(d *decision, err error) Outcome {
	switch {
	case err == nil && d.identity == (Identity{}):
		return OutcomePublic
	case err == nil:
		return OutcomeAllowed
	case errors.Is(err, ErrNoSession):
		return OutcomeSignedOut
	case errors.Is(err, ErrForbidden):
		return OutcomeForbidden
	}
	return OutcomeUnavailable
}

// judgeFor is judge for a face, and tells what came of it.
func (rp *RelyingParty) judgeFor(face Face, r *http.Request, a asked) (*decision, error) {
	if rp.decided == nil {
		return rp.judge(r, a)
	}
	began := rp.now()
	d, err := rp.judge(r, a)
	rp.decided(Decided{face, outcomeFor(d, err), rp.now().Sub(began)})
	return d, err
}
