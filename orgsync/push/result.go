package push

import (
	"errors"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Errors of the endpoint itself. Match them with errors.Is.
var (
	// ErrTooLarge means that the body is longer than Config.MaxBody.
	ErrTooLarge = errors.New("body is too large")
	// ErrNotServed means that nothing is configured behind the interface called.
	ErrNotServed = errors.New("interface is not served here")
)

// Result is what the peer is told: a code of six digits and a text for people (access
// guide, page result codes; texts as the guide's sample code has them).
type Result struct {
	Code    string `json:"resultCode"`
	Message string `json:"resultMsg"`
}

// codeInternal is the code of a fault of ours.
const codeInternal = "000005"

// row of the table from errors to results.
type row struct {
	err    error
	result Result
	when   string
}

// table is the only place where an error becomes a code. The first row that matches
// counts; docs/protocol.md holds the same table.
func table() []row {
	return []row{
		{ErrSignature, Result{"000001", "token is invalid"}, "the signature is missing, or no configured key made it; or the generation is off, as it has no key"},
		{ErrTooLarge, Result{"000002", "param is invalid: body is too large"}, "the body is longer than `marketplace.max_body`; HTTP status 413"},
		{orgsync.ErrReplay, Result{"000002", "param is invalid: x-nonce was used before"}, "the nonce (V1: the token) came before, with another body"},
		{orgsync.ErrInvalid, Result{"000002", "param is invalid"}, "a header or field is missing, malformed or outside the time window; the text names it"},
		{orgsync.ErrNotFound, Result{"000003", "instance is invalid"}, "there is no such instance; the sync interfaces never answer this"},
		{ErrNotServed, Result{codeInternal, "other inner error: interface is not served here"}, "a base (lifecycle) interface was called and `marketplace.base_upstream` is empty"},
		{orgsync.ErrUnavailable, Result{codeInternal, "other inner error"}, "the database does not answer, or the product where a base call is forwarded to it; send it again"},
		{orgsync.ErrRejected, Result{codeInternal, "other inner error"}, "a fault of ours"},
		{orgsync.ErrSecret, Result{"000101", "something wrong with appSecret"}, "no configured private key opens `clientSecret`"},
	}
}

// maxMessage is the longest resultMsg, in bytes (access guide: String(255)).
const maxMessage = 255

// ResultOf is the result of an error, success for nil. An error that is in no row is a
// fault of ours. The text names the field that is wrong and never holds a value.
func ResultOf(err error) Result {
	if err == nil {
		return Result{"000000", "success."}
	}
	for _, r := range table() {
		if !errors.Is(err, r.err) {
			continue
		}
		if fault, ok := errors.AsType[*orgsync.FieldError](err); ok && r.err == orgsync.ErrInvalid { //nolint:errorlint // asks which row it is
			r.result.Message += ": " + fault.Field + " " + fault.Reason
			r.result.Message = r.result.Message[:min(len(r.result.Message), maxMessage)]
		}
		return r.result
	}
	return Result{codeInternal, "other inner error"}
}
