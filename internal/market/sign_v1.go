package market

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// AuthToken returns authToken of the kit interfaces, generation V1: fields
// sorted by name, blank ones dropped, joined as k=v with &, HMAC-SHA256 under
// key and timeStamp together, in base64 (access guide, authToken V1).
func AuthToken(key, timeStamp string, fields map[string]string) string {
	return base64HMAC(key+timeStamp, joined(fields))
}

func joined(fields map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if value := fields[name]; strings.TrimSpace(value) != "" {
			parts = append(parts, name+"="+value)
		}
	}
	return strings.Join(parts, "&")
}

// BodySign returns the signature that a V1 answer carries in the header
// Body-Sign: over the very bytes of the answer, under the key alone.
func BodySign(key string, body []byte) string { return base64HMAC(key, string(body)) }

func base64HMAC(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// ErrBodySign says that a V1 answer was not signed, or not as the access
// guide wants it.
var ErrBodySign = errors.New("answer is not signed rightly")

// checkBodySign checks the header as the debugging page does: to the letter.
func checkBodySign(key, header string, body []byte) error {
	want := `sign_type="HMAC-SHA256", signature= "` + BodySign(key, body) + `"`
	if !hmac.Equal([]byte(want), []byte(header)) {
		return fmt.Errorf("%w: Body-Sign is %q", ErrBodySign, header)
	}
	return nil
}

// fields are the members as V1 signs them: numbers become decimal texts.
func fields(members []member) map[string]string {
	all := make(map[string]string, len(members))
	for _, m := range members {
		all[m.name] = fmt.Sprint(m.value)
	}
	return all
}
