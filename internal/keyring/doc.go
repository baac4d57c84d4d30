// Package keyring holds the keys that seal what must not be read in our own
// database (client secrets, message bodies) and that protect cookies.
//
// A ring is a short list of 256-bit keys, newest first. The newest seals; every
// one of them opens, so that a key can be replaced without sealing everything
// anew. Keys live in one file of their own, outside the database, which only
// remembers their fingerprints: whoever steals the database alone reads nothing.
//
// The file is text, one key a line, newest first; blank lines and lines that
// start with # are skipped:
//
//	kitbridge-key-v1:<32 bytes in standard base64>
//
// A key is never used directly. For each purpose a sub-key is derived from it by
// HKDF-SHA-256 (RFC 5869), so that cookies and the database never share one.
// Sealing is AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; a key is
// good for 2^32 sealed values, far beyond what a bridge writes in its life.
//
// The package does not choose where the file stands, nor when a key is replaced.
package keyring
