package store_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMigrationsArePaired: both databases have every version, so that one number says
// what a program needs.
func TestMigrationsArePaired(t *testing.T) {
	t.Parallel()
	names := func(folder string) (names []string) {
		entries, err := os.ReadDir("migration/" + folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	if diff := cmp.Diff(names("sqlite"), names("postgres")); diff != "" {
		t.Errorf("migrations (-sqlite +postgres):\n%s", diff)
	}
}
