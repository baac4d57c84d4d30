package store

import (
	"testing"

	"github.com/kitbridge/kitbridge/orgsync"
)

// DataKey is the sealed key of a tenant's bodies, nil if there is none.
func (s *Store) DataKey(tb testing.TB, tenant orgsync.TenantID) []byte {
	tb.Helper()
	key, err := one(collect(tb.Context(), s.readers, scanBytes, "SELECT data_key FROM scope WHERE realm = 0 AND tenant = ?", string(tenant)))
	if err != nil {
		tb.Fatal(err)
	}
	return key
}
