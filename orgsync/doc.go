// Package orgsync holds the organisation that the marketplace describes – tenants,
// credentials, departments, users – and the rules by which statements about it
// become one state, whatever their order, repetition or delay.
//
// # Vocabulary
//
//   - A [Message] is one verified, decoded push; a change is one statement in it
//     (one tenant, credential, department or user).
//   - The [Version] of a change places it in a total order that is the same on every
//     machine. The state is the replay of all changes in that order.
//   - [Instance], [Credential], [Grant] and [Assertion] are registers: the newest
//     thing said about one key. They only ever grow, which is why order does not
//     matter.
//   - [Tenant], [Department] and [User] are projections: pure functions of the
//     registers, and what a [Sink] holds.
//   - A [Key] names one thing that a sink must hold; a lane works off the keys of one
//     tenant for one sink.
//
// # Flow
//
//	push ──verify, decode──▶ Message
//	                            │  Acceptor: one transaction
//	                            ▼
//	             journal ─ registers ─ projections ─ dirty keys
//	                                                     │  Dispatcher: one lane per tenant and sink
//	                                                     ▼
//	                                           Sink.Converge(View, keys)
//
// A lane never replays operations: it makes key K equal to the state as it is now.
//
// # What it does not do
//
// It speaks no HTTP, no SQL and no LDAP: package push decodes the wire, a [Store]
// keeps the rows, a [Sink] writes the directory. It knows nothing of sign-in.
package orgsync
