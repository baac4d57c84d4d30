package sso

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// claims is a JSON object as an auth centre sent it: keys in their exact spelling, values unread.
type claims map[string]json.RawMessage

// errKeyTwice means that a JSON object has a key twice.
var errKeyTwice = errors.New("a key stands twice")

// decodeClaims reads one JSON object. A key that stands twice is refused, since two readers may take different ones.
func decodeClaims(body []byte) (claims, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("%w: not a JSON object", ErrProviderAnswer)
	}
	c := claims{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: malformed JSON", ErrProviderAnswer)
		}
		key, _ := token.(string)
		if _, twice := c[key]; twice {
			return nil, fmt.Errorf("%w: %w", ErrProviderAnswer, errKeyTwice)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("%w: malformed JSON", ErrProviderAnswer)
		}
		c[key] = value
	}
	if _, err := dec.Token(); err != nil || dec.More() {
		return nil, fmt.Errorf("%w: malformed JSON", ErrProviderAnswer)
	}
	return c, nil
}

// text returns a claim as text. Numbers count as text, since ids are sent as either; null and an absent claim are empty. ok
// is false for every other type.
func (c claims) text(key string) (value string, ok bool) {
	raw := bytes.TrimSpace(c[key])
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return "", true
	}
	switch {
	case raw[0] == '"':
		ok = json.Unmarshal(raw, &value) == nil
		return value, ok
	case raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9':
		return string(raw), true
	}
	return "", false
}

// list returns a claim that is a list of texts; else nothing.
func (c claims) list(key string) []string {
	var texts []string
	if json.Unmarshal(c[key], &texts) != nil {
		return nil
	}
	return texts
}

// isTrue reports whether a claim is true. Some providers send the word.
func (c claims) isTrue(key string) bool {
	raw := string(bytes.TrimSpace(c[key]))
	return raw == "true" || raw == `"true"`
}

// first returns the first non-empty text among the spellings of one thing; ok is false if one of them is no text.
func (c claims) first(keys ...string) (value string, ok bool) {
	for _, key := range keys {
		value, ok := c.text(key)
		if value != "" || !ok {
			return value, ok
		}
	}
	return "", true
}

// soft is first for what may be left out: text that is too long or holds control characters counts as absent.
func (c claims) soft(keys ...string) string {
	value, ok := c.first(keys...)
	if !ok || !tidy(value, 256) {
		return ""
	}
	return value
}

// tidy reports whether text is at most limit bytes of valid UTF-8 without control characters.
func tidy(text string, limit int) bool {
	return len(text) <= limit && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// failure returns the error code of an answer that reports a failure, or "". The second and third forms are those of the
// organisation-account service and of the workbench's gateway, whose answers may have status 200.
func (c claims) failure() string {
	code, ok := c.first("error", "error_code")
	if !ok || code == "" && string(bytes.TrimSpace(c["success"])) == "false" {
		return "unnamed"
	}
	return code
}
