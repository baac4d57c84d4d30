package orgsync

import "errors"

// Kinds of errors. Match them with errors.Is.
var (
	// ErrInvalid: the peer's message cannot be understood; a repetition is in vain.
	ErrInvalid = errors.New("invalid")
	// ErrReplay: a nonce came back with another body.
	ErrReplay = errors.New("nonce used before with another body")
	// ErrSecret: no configured private key opens the client secret.
	ErrSecret = errors.New("client secret cannot be decrypted")
	// ErrNotFound: there is no such thing.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable: a server of ours does not answer; try again later.
	ErrUnavailable = errors.New("unavailable")
	// ErrRejected: a sink understood and will not take this key as it is; only a
	// change of the data or of the sink helps.
	ErrRejected = errors.New("rejected by the sink")
)

// FieldError says which field of a message is wrong and why. It is an [ErrInvalid].
type FieldError struct {
	Field  string // the wire name, for example tenantId
	Reason string // without the value: it may be personal
}

// Error names the field and the reason.
func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// Is makes a FieldError an ErrInvalid.
func (e *FieldError) Is(target error) bool { return target == ErrInvalid }
