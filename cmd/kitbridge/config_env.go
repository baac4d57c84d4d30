package main

import (
	"fmt"
	"strings"
)

// expand replaces ${NAME} in text by the variable's value, which is not looked
// at again, and $${ by ${. A dollar sign before anything else stands for itself.
// Its errors never show text, which may be a secret.
func expand(text string, env func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		if !found {
			b.WriteString(text)
			return b.String(), nil
		}
		if head, escaped := strings.CutSuffix(before, "$"); escaped {
			b.WriteString(head + "${")
			text = after
			continue
		}
		b.WriteString(before)
		name, rest, closed := strings.Cut(after, "}")
		if !closed || !isVariable(name) {
			return "", fmt.Errorf("has ${ without the name of a variable and }; write ${NAME}, or $${ for the two characters themselves")
		}
		value, ok := env(name)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set; set it, or write $${%s} for the text itself", name, name)
		}
		b.WriteString(value)
		text = rest
	}
}

// isVariable reports whether name is one that a POSIX shell can set.
func isVariable(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
