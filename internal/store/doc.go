// Package store is our own database: the journal, the registers and projections of
// package orgsync, what the sinks are owed, and the sessions of package sso.
//
// # Vocabulary
//
//   - A scope is a tenant in a realm. Every row belongs to one.
//   - A data key seals the bodies of one scope's pushes; it is sealed by the key ring
//     and destroyed with the tenant. Client secrets are sealed by the ring itself.
//   - A lane is what one sink is owed for one tenant; it is leased to one worker.
//
// # Flow
//
//	Update ─▶ a transaction, on the disk before it returns
//	Claim, Renew, Finish, TouchSession ─▶ a transaction, atomic but not awaited by the
//	         disk of SQLite: what a power loss takes back is done again
//	View, Decide, Tenant, Account, Status ─▶ readers, each as of its last commit
//
// # SQLite
//
// One file in WAL mode with synchronous=FULL. There is one connection that writes and
// a pool that reads. Several processes on one machine may open the same file, and wait
// for each other; a file on a network file system is not supported
// (https://sqlite.org/wal.html, "all processes must be on the same host").
//
// # PostgreSQL
//
// Any number of processes share one database. A transaction holds the row of its scope,
// so the statements about one tenant stand in line and those about another do not wait.
// Isolation is READ COMMITTED; what concerns all tenants, the list of sinks and the ring,
// has a row of its own that is held in the same way. Lanes are leased row by row, and
// found by polling. There is no lock of a session, no advisory lock and no LISTEN, which
// poolers and distributed databases that speak the protocol do not have.
// Everything is read from the primary. The statements are those of SQLite, translated
// where the two differ (dialect.go).
//
// # What it does not do
//
// It holds no rules. What a statement means, which grant is live, where a department
// stands: all that is decided by pure functions of package orgsync over the rows that
// are read here.
package store
