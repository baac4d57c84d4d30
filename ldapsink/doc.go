// Package ldapsink keeps an LDAP directory equal to the organisation that package
// orgsync describes. It is an [orgsync.Sink] for OpenLDAP, 389 Directory Server and Active
// Directory.
//
// # Vocabulary
//
//   - An [Entry] is what stands in the directory, at its [DN]; its [EntryID] says which
//     thing of the organisation it is. The RDN is made of the stable id (a user name, an
//     orgCode), never of a display name, so that a rename never moves an entry.
//   - A [Want] is what should stand there.
//   - An [Operation] is one write: add, modify, rename (which includes moving a whole
//     subtree) or delete. [WriteLDIF] prints operations as ldapmodify reads them.
//   - A [Link] remembers by a stable id (entryUUID, nsUniqueId, objectGUID) which entries are
//     ours. [Links] keeps them outside the directory, because the directory holds only
//     attributes that were asked for.
//   - A [Profile] is what the server can and cannot do; the plan obeys it.
//   - [Directory] is the small port to a server; the connections of this package are one.
//
// # Flow
//
//	keys ──▶ read: state by View, entries by stable id and entryUUID
//	            │
//	            ▼
//	     desired entries ──▶ [Plan] (pure) ──▶ operations ──▶ execute ──▶ Links
//	                           memberships ──▶ one Modify per group
//
// Access is taken away first: groups are left, then users are disabled or deleted. Then
// come departments, parents before children; users; attributes; memberships. Departments
// that are gone are deleted last, deepest first, and never with anything below them.
//
// Nothing is replayed: whatever was interrupted is read again and planned again, so every
// step may be cut off anywhere.
//
// [Sink.Plan] and [Sink.Reconcile] look at a whole tenant: the state is read once and made
// small, the directory is read in pages, and what is equal is forgotten at once; the rest
// goes the way above.
//
// # Layout
//
//	ou=<tenantId>,<base>
//	├─ ou=people        uid=<userName>           enabled users
//	├─ ou=disabled      uid=<userName>           the others; member of nothing
//	├─ ou=departments   ou=<orgCode>,ou=<parent orgCode>,…
//	├─ ou=pending       ou=<orgCode>             departments that cannot be placed yet
//	├─ ou=groups        cn=<orgCode>             the department's direct users
//	└─ ou=roles         cn=admin, cn=user
//
// # What it does not do
//
// It writes no password: signing in is not by LDAP. It never touches an entry that it did
// not make, nor an attribute that is not its own, and it never deletes recursively. It
// knows nothing of HTTP and of the store.
package ldapsink
