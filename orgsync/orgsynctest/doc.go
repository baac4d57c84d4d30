// Package orgsynctest holds what every implementation of the ports of package orgsync
// must pass, and a store in memory that passes it.
//
//   - [TestStore] is the suite for an [orgsync.Store] with its [orgsync.Lanes] and
//     [orgsync.View].
//   - [NewMemory] is a store without a disk: for tests of whatever stands on a store,
//     and for comparing a real one with.
//
// It holds no rules: what a change means is decided in package orgsync.
package orgsynctest
