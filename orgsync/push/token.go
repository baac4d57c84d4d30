package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// The headers of the first generation (marketplace access guide, interface description
// V1.0, authToken and Body-Sign). Header names ignore case on the way in; on the way out
// Go writes HeaderBodySign over HTTP/1.1 as it stands here, which is how the debugging
// page spells it.
const (
	HeaderAuthToken = "Authtoken" // authToken, as Go spells it
	HeaderBodySign  = "Body-Sign"
)

// The candidates of the first generation, in the order in which they are tried.
const (
	// CandidateBlanksDropped leaves fields out whose value is empty or only blanks, as
	// the sample code of the kit interfaces does.
	CandidateBlanksDropped Candidate = "v1_blanks_dropped"
	// CandidateBlanksKept signs them too, as the base interfaces of V1 do.
	CandidateBlanksKept Candidate = "v1_blanks_kept"
)

// maxToken is the longest authToken, in bytes: 44 characters, each percent-encoded.
const maxToken = 3 * 44

// TokenVerifier checks the signature of kit pushes of the first generation: authToken is
// the base64 of HMAC-SHA256 under key and the body's timeStamp, put together, over the
// body's fields as k=v, sorted by name and joined by & (access guide, V1.0, authToken of
// POST interfaces). It is a pure value and safe for concurrent use.
type TokenVerifier struct {
	// Keys are the shared keys of the vendor, newest first; all are accepted, so that
	// they can be rotated. An empty key is ignored. Without keys nothing is accepted.
	Keys []string
}

// Verify checks a request. The error is [ErrSignature] if the token is missing or no key
// made it, and an [orgsync.FieldError] if the body is no JSON object or has no timeStamp,
// without which no token can be computed.
//
// The guide states no time window, and its pages differ on the zone of timeStamp, so
// none is checked. What bounds a replay is Verified.Nonce: it is made of the token, so
// that the journal takes each signed text once for good. Verified.Signed is zero: the
// token does not say when it was made.
func (v TokenVerifier) Verify(h http.Header, body []byte) (Verified, error) {
	if !hasKey(v.Keys) {
		return Verified{}, errNoKey("v1")
	}
	token, err := single(h, HeaderAuthToken, "authToken")
	if err != nil {
		return Verified{}, ErrSignature
	}
	want, ok := readToken(token)
	if !ok {
		return Verified{}, ErrSignature
	}
	doc, err := parse(body)
	if err != nil {
		return Verified{}, &orgsync.FieldError{Field: fieldBody, Reason: err.Error()}
	}
	if doc.root().kind() != objectToken {
		return Verified{}, &orgsync.FieldError{Field: fieldBody, Reason: "is not a JSON object"}
	}
	stamp, _ := doc.root().member(fieldTimeStamp).scalar()
	if stamp == "" {
		return Verified{}, &orgsync.FieldError{Field: fieldTimeStamp, Reason: "is missing or unreadable"}
	}
	for _, c := range []struct {
		candidate  Candidate
		keepBlanks bool
	}{{CandidateBlanksDropped, false}, {CandidateBlanksKept, true}} {
		key, ok := matchMAC(want, v.Keys,
			func(key string) hash.Hash { return hmac.New(sha256.New, []byte(key+stamp)) },
			func(w io.Writer) { doc.writeFlat(w, c.keepBlanks) })
		if ok {
			// Of the bytes, not of the header: the token has several spellings.
			nonce := "v1:" + base64.StdEncoding.EncodeToString(want)
			return Verified{Candidate: c.candidate, Nonce: nonce, KeyIndex: key}, nil
		}
	}
	return Verified{}, ErrSignature
}

// readToken reads the base64 of an authToken as it stands there or URL-decoded; a blank
// is a plus sign that was decoded once too often (access guide, FAQ on interface
// debugging). None of these characters is a digit of base64 otherwise.
func readToken(s string) ([]byte, bool) {
	if len(s) > maxToken {
		return nil, false
	}
	if strings.Contains(s, "%") {
		unescaped, err := url.PathUnescape(s) // a path, not a query: + stays +
		if err != nil {
			return nil, false
		}
		s = unescaped
	}
	s = strings.TrimRight(strings.ReplaceAll(s, " ", "+"), "=")
	mac, err := base64.RawStdEncoding.DecodeString(s)
	return mac, err == nil && len(mac) == sha256.Size
}

// writeFlat writes the document's members as k=v, joined by &, in the order of Java's
// TreeMap. Numbers and booleans stand there as they are written, and so do lists and
// objects: V1 sends those as texts, and what is not signed must not be believed. A null
// is no value.
func (d *document) writeFlat(w io.Writer, keepBlanks bool) {
	members := unique(d.root())
	slices.SortFunc(members, func(a, b member) int { return compareUTF16(a.name, b.name) })
	first := true
	for _, m := range members {
		if m.body.kind() == nullToken {
			continue
		}
		text, ok := m.body.scalar()
		if !ok {
			text = string(m.body.literal())
		}
		if !keepBlanks && strings.TrimSpace(text) == "" {
			continue
		}
		if !first {
			_, _ = io.WriteString(w, "&")
		}
		first = false
		_, _ = io.WriteString(w, m.name+"="+text)
	}
}

// bodySign is the header Body-Sign of an answer of the first generation, over the very
// bytes that are written and under the key alone (access guide, V1.0, Body-Sign). The
// debugging page compares it to the letter, the blank included.
func bodySign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write(body)
	return `sign_type="HMAC-SHA256", signature= "` + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + `"`
}

// keyAt is the key in that place or, without one there, the newest; "" if there is none.
func (v TokenVerifier) keyAt(i int) string {
	if i >= 0 && i < len(v.Keys) {
		return v.Keys[i]
	}
	if i := slices.IndexFunc(v.Keys, isKey); i >= 0 {
		return v.Keys[i]
	}
	return ""
}

func isKey(key string) bool { return key != "" }

func hasKey(keys []string) bool { return slices.ContainsFunc(keys, isKey) }

// errNoKey says that a generation is off.
func errNoKey(generation string) error {
	return fmt.Errorf("no key is configured (marketplace.keys.%s): %w", generation, ErrSignature)
}
