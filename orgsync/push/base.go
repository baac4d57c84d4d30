package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/url"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// BaseVerifier checks the signature of base (lifecycle) calls of the second generation: in the query, the hex of HMAC-SHA256
// under the shared key over key, nonce, timestamp and the hex of HMAC-SHA256 under the same key over the JSON text of the body
// (marketplace access guide, interface description V2.0). It is a pure value and safe for concurrent use.
type BaseVerifier struct {
	// Keys are the shared keys bound to the base interfaces, and to delivery by licence code, which share the address and the
	// formula; newest first, all are accepted. Without keys nothing is checked: the product does it.
	Keys []string
	// Skew is how far the signature's time may be from ours, either way. Zero means [DefaultSkew].
	Skew time.Duration
}

// Verify checks the query and body of a POST at the time now. The error is an [orgsync.FieldError] naming timestamp or nonce if
// one of them is missing, malformed or out of the window, and [ErrSignature] if the signature is missing or no key made it.
//
// A call that comes twice within the window passes twice: base interfaces are idempotent, and what an instance is the product
// knows.
func (v BaseVerifier) Verify(query string, body []byte, now time.Time) error {
	if !hasKey(v.Keys) {
		return nil
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return &orgsync.FieldError{Field: "query", Reason: "is malformed"}
	}
	for _, name := range []string{"timestamp", "nonce"} {
		if len(q[name]) != 1 || q.Get(name) == "" {
			return &orgsync.FieldError{Field: name, Reason: "is missing"}
		}
	}
	nonce, timestamp := q.Get("nonce"), q.Get("timestamp")
	if len(nonce) > maxNonce || !isPrintable(nonce) {
		return &orgsync.FieldError{Field: "nonce", Reason: "is too long or not printable"}
	}
	if _, err := (Verifier{Skew: v.Skew}).within(timestamp, now); err != nil {
		if f, ok := errors.AsType[*orgsync.FieldError](err); ok {
			return &orgsync.FieldError{Field: "timestamp", Reason: f.Reason}
		}
		return err
	}
	want, err := hex.DecodeString(q.Get("signature"))
	if err != nil || len(q["signature"]) != 1 || len(want) != sha256.Size || !v.match(want, nonce+timestamp, body) {
		return ErrSignature
	}
	return nil
}

// match reports whether one of the keys made the signature over some form of the body: as received, or as the guide's sample code
// writes it again, which makes text of numbers and truth values.
func (v BaseVerifier) match(want []byte, prefix string, body []byte) bool {
	forms := []func(io.Writer){func(w io.Writer) { _, _ = w.Write(body) }}
	if doc, err := parse(body); err == nil && doc.root().kind() == objectToken {
		for _, f := range []form{{}, {texts: true}, {keepNulls: true}, {deep: true}, {descending: true}} {
			forms = append(forms, func(w io.Writer) { doc.write(w, f) })
		}
	}
	good := false
	for _, key := range v.Keys {
		if !isKey(key) {
			continue
		}
		for _, write := range forms {
			digest := hmac.New(sha256.New, []byte(key))
			write(digest)
			mac := hmac.New(sha256.New, []byte(key))
			_, _ = io.WriteString(mac, key+prefix+hex.EncodeToString(digest.Sum(nil)))
			good = hmac.Equal(mac.Sum(nil), want) || good
		}
	}
	return good
}
