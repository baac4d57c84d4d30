package main

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands for every secret that is printed, logged or encoded.
const redacted = "[redacted]"

// Secret is a text that no formatter, logger or encoder shows: fmt with any
// verb, slog, JSON, text and YAML all give a placeholder, also inside structs.
// The zero value is the empty secret.
type Secret struct {
	// A pointer, because fmt does not call methods of unexported fields: printed
	// from inside a foreign struct, it is an address and not the text.
	text *string
}

// NewSecret returns text as a Secret.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal returns the text. Hand it only to what needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Equal reports whether both hold the same text; not in constant time.
func (s Secret) Equal(o Secret) bool { return s.Reveal() == o.Reveal() }

// String returns a placeholder, or nothing for an empty secret.
func (s Secret) String() string {
	if s.Reveal() == "" {
		return ""
	}
	return redacted
}

// Format writes the placeholder whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns the placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the placeholder; JSON and YAML encoders use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
