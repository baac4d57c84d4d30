package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

const dataKeySize = 32

const (
	selectRingKeys = "SELECT fingerprint FROM ring_key"
	insertRingKey  = "INSERT INTO ring_key (fingerprint, seen_at) VALUES (?, ?) ON CONFLICT (fingerprint) DO NOTHING"
	selectDataKey  = "SELECT data_key FROM scope WHERE id = ?"
	updateDataKey  = "UPDATE scope SET data_key = ? WHERE id = ?"
)

// learnKeys refuses a ring that lacks a key which was in use here before: what that key
// has sealed could not be read. It remembers the keys of the ring.
func (s *Store) learnKeys(ctx context.Context, keys Keys) error {
	return s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		// Of two processes with different rings on a new database one must find the
		// other's keys.
		if err := hold(ctx, c, takeGuard, keysGuard); err != nil {
			return err
		}
		known, err := collect(ctx, c, scanText, selectRingKeys)
		if err != nil {
			return err
		}
		ring := keys.Fingerprints()
		if err := lacksNone(ring, known); err != nil {
			return err
		}
		for _, print := range ring {
			if slices.Contains(known, print) {
				continue
			}
			if _, err := c.exec(ctx, insertRingKey, print, s.now().UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
}

// lacksNone is an ErrKeys if a key that is known to the database is not in the ring.
func lacksNone(ring, known []string) error {
	for _, print := range known {
		if !slices.Contains(ring, print) {
			return fmt.Errorf("%w: it was sealed with key %s, which the key file lacks", ErrKeys, print)
		}
	}
	return nil
}

// dataKey returns the key that seals the bodies of the transaction's scope, and makes
// one if there is none. It is read each time: a key that was destroyed must not live on
// in a cache.
func (tx *tx) dataKey() (cipher.AEAD, error) {
	rows, err := collect(tx.ctx, tx.c, scanBytes, selectDataKey, tx.id)
	if err != nil {
		return nil, err
	}
	if len(rows) == 1 && rows[0] != nil {
		return tx.s.openDataKey(rows[0], tx.scope)
	}
	key := make([]byte, dataKeySize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	if _, err := tx.c.exec(tx.ctx, updateDataKey, tx.s.keys.Seal(key, dataKeyPlace(tx.scope)), tx.id); err != nil {
		return nil, err
	}
	return newSeal(key)
}

// openDataKey is what the sealed data key of a scope seals with.
func (s *Store) openDataKey(sealed []byte, scope orgsync.Scope) (cipher.AEAD, error) {
	key, err := s.keys.Open(sealed, dataKeyPlace(scope))
	if err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	return newSeal(key)
}

func newSeal(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// dataKeyPlace binds a sealed data key to its scope.
func dataKeyPlace(scope orgsync.Scope) []byte {
	var e encoder
	e.text("scope.data_key")
	e.number(uint64(scope.Realm))
	e.text(string(scope.Tenant))
	return e
}

// bodyPlace binds a sealed body to its push.
func bodyPlace(kind orgsync.Kind, nonce string) []byte {
	var e encoder
	e.text("journal.body")
	e.number(uint64(kind))
	e.text(nonce)
	return e
}

// secretPlace binds a sealed client secret to its credential.
func secretPlace(scope orgsync.Scope, i orgsync.InstanceID, a orgsync.AppID) []byte {
	var e encoder
	e.text("credential.client_secret")
	e.number(uint64(scope.Realm))
	e.text(string(scope.Tenant))
	e.text(string(i))
	e.text(string(a))
	return e
}

func (s *Store) openSecret(sealed []byte, scope orgsync.Scope, i orgsync.InstanceID, a orgsync.AppID) (string, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	plain, err := s.keys.Open(sealed, secretPlace(scope, i, a))
	if err != nil {
		return "", fmt.Errorf("client secret: %w", err)
	}
	return string(plain), nil
}

func scanText(rows *sql.Rows) (string, error) {
	var s string
	err := rows.Scan(&s)
	return s, err
}

func scanBytes(rows *sql.Rows) ([]byte, error) {
	var b []byte
	err := rows.Scan(&b)
	return b, err
}

func scanNumber(rows *sql.Rows) (int64, error) {
	var n int64
	err := rows.Scan(&n)
	return n, err
}

// one returns the only row, or an error that is an orgsync.ErrNotFound.
func one[T any](rows []T, err error) (T, error) {
	var none T
	switch {
	case err != nil:
		return none, err
	case len(rows) == 0:
		return none, orgsync.ErrNotFound
	case len(rows) > 1:
		return none, errors.New("more than one row")
	}
	return rows[0], nil
}
