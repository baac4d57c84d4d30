// Package peers runs the real servers that tests talk to: OpenLDAP, 389 Directory
// Server, an Active Directory domain controller (Samba), MariaDB and PostgreSQL,
// each as a private process on loopback with its data in a temporary directory. A
// machine's own instances are left alone.
//
//	dir := peers.Slapd(t, peers.SlapdOptions{MemberOf: true})
//	conn, err := ldap.DialURL(dir.URL())
//
// The directory servers have the same base, accounts and passwords, so that a test
// can be written once for all of them: [Slapd], [DS389], [Samba].
//
// A server can be stopped, killed and started again; it comes back on the same
// port with the same data, so that a test can take a directory away in the
// middle of its work. Everything ends with the test, and on Linux also with the
// test process, however that dies.
//
// What goes wrong on the way to a server and under it can be had too: a [Wire] is slow,
// hangs, or ends connections; a [Disk] is small and can be filled.
//
// A server that is not installed fails the test with the name of the Debian
// package that holds it. It is never a skip: a test that did not run must not
// look like one that passed.
//
// The package decides nothing about kitbridge and imports none of it. Only
// tests import it.
package peers
