package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestSecretStaysSecret prints a secret in every way that a program might by
// mistake, alone and inside other values.
func TestSecretStaysSecret(t *testing.T) {
	t.Parallel()
	const text = "geheim"
	s := NewSecret(text)
	inside := struct {
		Exported   Secret
		unexported Secret
		List       []Secret
		Pointer    *Secret
	}{s, s, []Secret{s}, &s}
	sink := Sink{URL: []Secret{s}, BindPassword: s}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{s, &s, inside, &inside, sink, Config{Database: s}} {
			_, _ = fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("all", "secret", s, "pointer", &s, "inside", inside, "config", sink)
	}
	for name, encode := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal} {
		text, err := encode(sink)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out.Write(text)
	}
	if strings.Contains(out.String(), text) || strings.Contains(out.String(), fmt.Sprintf("%x", text)) {
		t.Errorf("output shows the secret:\n%s", out.String())
	}
	if !strings.Contains(out.String(), redacted) {
		t.Errorf("output has no %s, so nothing was printed:\n%s", redacted, out.String())
	}
	if got := s.Reveal(); got != text {
		t.Errorf("Reveal() = %q, want %q", got, text)
	}
	if got := fmt.Sprint(Secret{}); got != "" {
		t.Errorf("the empty secret prints %q, want nothing", got)
	}
}
