package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
)

// TestRowsOfOneStatement: of two rows with one key the later is written, and no other row
// is lost, whatever its number. Those between 0xD800 and 0xDFFF, and those above 0x10FFFF,
// are no letters and were once all taken for one.
func TestRowsOfOneStatement(t *testing.T) {
	t.Parallel()
	ids, names, err := store.KeptPersons(
		[]int64{7, 55296, 55297, 57343, 65533, 1_114_111, 1_114_112, 2_000_000, 7},
		[]string{"old", "b", "c", "d", "e", "f", "g", "h", "new"},
	)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any([]int64{55296, 55297, 57343, 65533, 1_114_111, 1_114_112, 2_000_000, 7}), ids); diff != "" {
		t.Errorf("numbers (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(any([]string{"b", "c", "d", "e", "f", "g", "h", "new"}), names); diff != "" {
		t.Errorf("names (-want +got)\n%s", diff)
	}
}
