package sso

import "errors"

// The kinds of failure. Ports return the first group; the second group comes from the profiles. Each has a row in
// reasonOf, which decides what a browser is told.
var (
	// ErrUnknownTenant: there is no such tenant.
	ErrUnknownTenant = errors.New("unknown tenant")
	// ErrNoCredential: the application is not bound to this tenant.
	ErrNoCredential = errors.New("no credential for this tenant")
	// ErrAmbiguousApp: the tenant has several applications and sso.app_id chooses none.
	ErrAmbiguousApp = errors.New("several applications and none chosen")
	// ErrNoSession: there is no such live session.
	ErrNoSession = errors.New("no live session")
	// ErrUnavailable: the state could not be read, so nothing is known.
	ErrUnavailable = errors.New("unavailable")
)
