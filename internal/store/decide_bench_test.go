package store_test

import (
	"testing"

	"github.com/kitbridge/kitbridge/sso"
)

// BenchmarkDecide reads what one decision of a live session needs, one of a thousand in turn.
func BenchmarkDecide(b *testing.B) {
	w := newWorld(b, open(b, config(b)))
	w.admit(b, "u")
	keys := make([]sso.SessionKey, 1000)
	for i := range keys {
		keys[i] = w.session(b, nil)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := w.Decide(b.Context(), keys[i%len(keys)], morning()); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
