package market

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf16"
)

// SignedForm is the text of a body that a V2 signature is made over. The
// access guide says that parameters are sorted by name, its examples and its
// sample code differ; a receiver has to take both.
type SignedForm int

const (
	// RawBody signs the bytes that are sent.
	RawBody SignedForm = iota
	// SortedBody signs the form of [Sorted], and sends the body as it was.
	SortedBody
)

// Sign returns x-sign of the kit interfaces, generation V2: one HMAC-SHA256
// over key, nonce, timestamp and payload, in lower-case hex (access guide,
// signature V2). timestamp is the text of the header.
func Sign(key, nonce, timestamp string, payload []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(key + nonce + timestamp))
	mac.Write(payload)
	return hex.EncodeToString(mac.Sum(nil))
}

// Sorted returns the sorted compact form of a JSON object: top-level members
// ascending by the UTF-16 code units of their names, those that are null
// dropped, without blanks; what is nested keeps its order. It is what the
// platform's sample project serialises (a Java TreeMap).
func Sorted(body []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, fmt.Errorf("sort body: %w", err)
	}
	maps.DeleteFunc(members, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	names := slices.SortedFunc(maps.Keys(members), func(a, b string) int {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
	})
	var out bytes.Buffer
	out.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			out.WriteByte(',')
		}
		quoted, err := compactJSON(name)
		if err != nil {
			return nil, err
		}
		out.Write(quoted)
		out.WriteByte(':')
		if err := json.Compact(&out, members[name]); err != nil {
			return nil, fmt.Errorf("sort body: %w", err)
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}
