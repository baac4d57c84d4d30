package orgsynctest_test

import (
	"testing"

	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	orgsynctest.TestStore(t, func(*testing.T) orgsynctest.Store { return orgsynctest.NewMemory() })
}
