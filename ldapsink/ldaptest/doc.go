// Package ldaptest is an LDAP directory in memory, for the tests of package ldapsink and of
// programs that use it. It is an [ldapsink.Directory] that enforces what OpenLDAP does, and
// answers with the same result codes: schema, syntaxes and matching of values, rules of
// names, the one member that a group must have, moves of subtrees, no deletion above other
// entries, size limits, entryUUID.
//
//	dir := ldaptest.New("dc=example,dc=org", "cn=kitbridge,ou=services,dc=example,dc=org")
//	sink, err := ldapsink.New(ldapsink.Config{Directory: dir, …})
//
// Its own tests run a table of operations here and on a real slapd and compare every result
// and the trees that come of them. [Directory.Fault] makes it fail at will, before a write
// or after it.
//
// It knows no overlays, no access control, no replication and no other schemas than core,
// cosine, nis and inetorgperson, and of these what people keep in directories.
package ldaptest
