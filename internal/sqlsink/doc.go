// Package sqlsink keeps tables in the product's own database equal to the state, so
// that a product in any language finds its tenants, departments and users by SQL.
//
// # Vocabulary
//
//   - A row is what one of the tables kit_tenant, kit_department, kit_user and
//     kit_grant should hold or holds. It is a comparable value, updated_at left out.
//   - A change is what one [orgsync.Key] needs: steps that insert, update or delete
//     rows. It is found by comparing the rows that are there with the rows wanted.
//   - The feed is the table kit_change: one row per change, numbered without gaps.
//
// # Flow
//
//	keys ─ View, tables ─▶ have, want ─ diff ─▶ changes ── none: nothing is locked, nothing written
//	                                              │
//	                                              ▼ at most 500 keys per transaction
//	   lock kit_meta ─ read again ─ diff ─ write ─ read back ─ feed ─ commit
//
// The state is read under the lock, so that of two processes the one that comes later
// writes what is newer. The lock is also what makes the feed complete: whoever has read
// up to number n finds everything else above n.
//
// # What it does not do
//
// It touches no other table and no column that it did not make: the product may add
// columns that need no value, indexes and foreign keys. It does not retry: the
// dispatcher of package orgsync does.
package sqlsink
