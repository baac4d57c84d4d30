package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// ErrSignature means that no configured key made the request's signature, or that the
// request has none. Match it with errors.Is.
var ErrSignature = errors.New("signature is missing or wrong")

// DefaultSkew is how far the clocks may be apart where nothing else is configured: the
// marketplace access guide, interface description V2.0, allows 60 seconds.
const DefaultSkew = 60 * time.Second

// The headers of a signed request (marketplace access guide, interface description V2.0).
const (
	HeaderSign      = "X-Sign"
	HeaderTimestamp = "X-Timestamp"
	HeaderNonce     = "X-Nonce"
)

// maxNonce is the longest nonce, in bytes; the guide's own examples have at most 64.
const maxNonce = 128

// Candidate names a form of the body over which a signature was made. The guide says
// only that parameters are sorted by name, its pages contradict each other, and its
// sample code signs what it wrote again; so every form that some reading allows is
// tried. Each needs the key, which is why trying them gives nothing away.
type Candidate string

// The candidates, in the order in which they are tried.
const (
	// CandidateRaw is the body as received.
	CandidateRaw Candidate = "raw"
	// CandidateSorted is compact, with the body's own names in ascending order and its
	// nulls left out; what is inside keeps its order. The sample code does this.
	CandidateSorted Candidate = "sorted"
	// CandidateSortedNulls is the same with the nulls.
	CandidateSortedNulls Candidate = "sorted_nulls"
	// CandidateDeepSorted is CandidateSorted with the objects inside sorted too.
	CandidateDeepSorted Candidate = "deep_sorted"
	// CandidateDescending is CandidateSorted backwards, as the international guide says.
	CandidateDescending Candidate = "descending"
)

// Verifier checks the signature of kit pushes of the second generation: x-sign is the
// hex of HMAC-SHA256 under the shared key over key, x-nonce, x-timestamp and the JSON
// text of the body, put together without separators. It is a pure value and safe for
// concurrent use.
type Verifier struct {
	// Keys are the shared keys bound to the joint-operation sync interfaces, newest
	// first; all are accepted, so that they can be rotated. An empty key is ignored.
	// Without keys nothing is accepted.
	Keys []string
	// Skew is how far the signature's time may be from ours, either way. Zero means
	// [DefaultSkew].
	Skew time.Duration
}

// Verified is what a good signature tells.
type Verified struct {
	Candidate Candidate
	// Signed is the time of the signature by the peer's clock. V1 has none: zero.
	Signed time.Time
	// Nonce belongs to this message alone; V1's is made of its token.
	Nonce string
	// KeyIndex is the place of the matching key in the verifier's Keys.
	KeyIndex int
}

// Verify checks a request at the time now. The error is an [orgsync.FieldError] naming
// x-timestamp or x-nonce if one of them is missing, malformed or out of the window, and
// [ErrSignature] if the signature is missing or no key made it. A body that is not JSON
// can be signed as it is; Verify does not judge it.
//
// Nonces are not remembered here: the journal refuses one that comes twice with
// different bodies, and only after the signature was found good, so that a stranger
// cannot use nonces up.
func (v Verifier) Verify(h http.Header, body []byte, now time.Time) (Verified, error) {
	if !hasKey(v.Keys) {
		return Verified{}, errNoKey("kit")
	}
	timestamp, err := single(h, HeaderTimestamp, "x-timestamp")
	if err != nil {
		return Verified{}, err
	}
	nonce, err := single(h, HeaderNonce, "x-nonce")
	if err != nil {
		return Verified{}, err
	}
	if len(nonce) > maxNonce || !isPrintable(nonce) {
		return Verified{}, &orgsync.FieldError{Field: "x-nonce", Reason: "is too long or not printable"}
	}
	sign, err := single(h, HeaderSign, "x-sign")
	if err != nil {
		return Verified{}, ErrSignature
	}
	signed, err := v.within(timestamp, now)
	if err != nil {
		return Verified{}, err
	}
	// Reading hex takes both cases: pages of the guide print either.
	want, err := hex.DecodeString(sign)
	if err != nil || len(want) != sha256.Size {
		return Verified{}, ErrSignature
	}
	candidate, key, ok := v.match(want, nonce+timestamp, body)
	if !ok {
		return Verified{}, ErrSignature
	}
	return Verified{Candidate: candidate, Signed: signed, Nonce: nonce, KeyIndex: key}, nil
}

// single returns the only value of a header. Two of them are as bad as none: which one
// counts would be a matter of taste.
func single(h http.Header, name, field string) (string, error) {
	values := h.Values(name)
	if len(values) != 1 || values[0] == "" {
		return "", &orgsync.FieldError{Field: field, Reason: "is missing"}
	}
	return values[0], nil
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// within reads x-timestamp and checks the window. Pages of the guide say seconds and
// milliseconds; the number of digits decides. The window is two-sided as the guide has
// it, while its sample code lets any future time pass.
func (v Verifier) within(timestamp string, now time.Time) (time.Time, error) {
	const digitsOfSeconds, digitsOfMillis, mostDigits = 10, 13, 18
	wrong := func(reason string) (time.Time, error) {
		return time.Time{}, &orgsync.FieldError{Field: "x-timestamp", Reason: reason}
	}
	for i := range len(timestamp) {
		if !isDigit(timestamp[i]) {
			return wrong("is not a number")
		}
	}
	n, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || len(timestamp) > mostDigits {
		return wrong("is too long")
	}
	var signed time.Time
	switch {
	case len(timestamp) == digitsOfSeconds:
		signed = time.Unix(n, 0)
	case len(timestamp) >= digitsOfMillis:
		signed = time.UnixMilli(n)
	default:
		return wrong("is neither seconds nor milliseconds")
	}
	skew := v.Skew
	if skew == 0 {
		skew = DefaultSkew
	}
	if apart := now.Sub(signed); apart > skew || apart < -skew {
		return wrong("is outside the time window")
	}
	return signed.UTC(), nil
}

// match returns the first candidate and key that made the signature.
func (v Verifier) match(want []byte, prefix string, body []byte) (Candidate, int, bool) {
	start := func(key string) hash.Hash {
		mac := hmac.New(sha256.New, []byte(key))
		_, _ = io.WriteString(mac, key+prefix)
		return mac
	}
	try := func(payload func(io.Writer)) (int, bool) { return matchMAC(want, v.Keys, start, payload) }
	if key, ok := try(func(w io.Writer) { _, _ = w.Write(body) }); ok {
		return CandidateRaw, key, true
	}
	doc, err := parse(body)
	if err != nil || doc.root().kind() != objectToken {
		return "", 0, false
	}
	for _, c := range []struct {
		candidate Candidate
		form      form
	}{
		{CandidateSorted, form{}},
		{CandidateSortedNulls, form{keepNulls: true}},
		{CandidateDeepSorted, form{deep: true}},
		{CandidateDescending, form{descending: true}},
	} {
		if key, ok := try(func(w io.Writer) { doc.write(w, c.form) }); ok {
			return c.candidate, key, true
		}
	}
	return "", 0, false
}

// matchMAC writes the payload once into the MAC that start begins for each key, and
// returns the place of the first key that gives want. Each comparison is in constant time.
func matchMAC(want []byte, keys []string, start func(key string) hash.Hash, payload func(io.Writer)) (int, bool) {
	macs := make([]hash.Hash, len(keys))
	writers := make([]io.Writer, 0, len(keys))
	for i, key := range keys {
		if isKey(key) {
			macs[i] = start(key)
			writers = append(writers, macs[i])
		}
	}
	payload(io.MultiWriter(writers...))
	for i, mac := range macs {
		if mac != nil && hmac.Equal(mac.Sum(nil), want) {
			return i, true
		}
	}
	return 0, false
}
