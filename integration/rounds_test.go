//go:build integration

package integration_test

import (
	"os"
	"strconv"
	"testing"
)

// rounds is how often a test repeats what it does to the bridge: usual, or what the
// environment variable says, for a long run by hand.
func rounds(t testing.TB, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q, want a number of rounds", variable, text)
	}
	return n
}
