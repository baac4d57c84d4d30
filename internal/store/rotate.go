package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

const (
	selectRing          = "SELECT fingerprint, seen_at FROM ring_key"
	selectSealedKeys    = "SELECT realm, tenant, data_key FROM scope WHERE data_key IS NOT NULL ORDER BY id"
	selectSealedClients = `SELECT c.realm, c.tenant, k.instance, k.app, k.client_secret FROM credential k
	JOIN scope c ON c.id = k.scope WHERE length(k.client_secret) > 0 ORDER BY c.id, k.instance, k.app`
	resealClient = "UPDATE credential SET client_secret = ? WHERE scope = ? AND instance = ? AND app = ? AND client_secret = ?"
	resealKey    = "UPDATE scope SET data_key = ? WHERE id = ? AND data_key = ?"
)

// LearnKeys remembers the keys of a ring, durably. A ring that lacks a key which was in use
// here is an [ErrKeys]. What a new key seals may be written only after that: a process that
// does not have the key then knows.
func (s *Store) LearnKeys(ctx context.Context, ring Keys) error { return s.learnKeys(ctx, ring) }

// RingKeys are the fingerprints of the keys that were ever in use, with when they were
// learnt.
func (s *Store) RingKeys(ctx context.Context) (map[string]time.Time, error) {
	type row struct {
		print string
		seen  int64
	}
	rows, err := collect(ctx, s.readers, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.print, &r.seen)
	}, selectRing)
	known := make(map[string]time.Time, len(rows))
	for _, r := range rows {
		known[r.print] = timeOf(r.seen)
	}
	return known, err
}

// sealedValue is one value that the ring has sealed.
type sealedValue struct {
	scope    orgsync.Scope
	instance orgsync.InstanceID
	app      orgsync.AppID
	secret   bool            // else a data key
	session  *sso.SessionKey // tokens of that session, and none of the above
	sealed   []byte
}

func (v sealedValue) place() []byte {
	if v.session != nil {
		return tokensPlace(*v.session)
	}
	if v.secret {
		return secretPlace(v.scope, v.instance, v.app)
	}
	return dataKeyPlace(v.scope)
}

// sealedValues lists everything that the ring has sealed.
func (s *Store) sealedValues(ctx context.Context) ([]sealedValue, error) {
	keys, err := collect(ctx, s.readers, func(rows *sql.Rows) (v sealedValue, err error) {
		return v, rows.Scan(&v.scope.Realm, &v.scope.Tenant, &v.sealed)
	}, selectSealedKeys)
	if err != nil {
		return nil, err
	}
	secrets, err := collect(ctx, s.readers, func(rows *sql.Rows) (v sealedValue, err error) {
		v.secret = true
		return v, rows.Scan(&v.scope.Realm, &v.scope.Tenant, &v.instance, &v.app, &v.sealed)
	}, selectSealedClients)
	if err != nil {
		return nil, err
	}
	tokens, err := s.sealedTokens(ctx)
	return slices.Concat(keys, secrets, tokens), err
}

// CountSealed counts the sealed values by what name says of each.
func (s *Store) CountSealed(ctx context.Context, name func(sealed []byte) string) (map[string]int, error) {
	all, err := s.sealedValues(ctx)
	if err != nil {
		return nil, fmt.Errorf("count sealed values: %w", err)
	}
	counts := map[string]int{}
	for _, v := range all {
		counts[name(v.sealed)]++
	}
	return counts, nil
}

// Reseal seals anew what due says of its sealed form, each value in a transaction of its own,
// and says how many there were. It may be cut off and called again, beside others that write.
func (s *Store) Reseal(ctx context.Context, due func(sealed []byte) bool) (int, error) {
	all, err := s.sealedValues(ctx)
	if err != nil {
		return 0, fmt.Errorf("reseal: %w", err)
	}
	total := 0
	for _, v := range all {
		if !due(v.sealed) {
			continue
		}
		n, err := s.reseal(ctx, v)
		if err != nil {
			return total, fmt.Errorf("reseal: %w", err)
		}
		total += n
	}
	return total, nil
}

// reseal replaces a value if nobody else did.
func (s *Store) reseal(ctx context.Context, v sealedValue) (int, error) {
	plain, err := s.keys.Open(v.sealed, v.place())
	if err != nil {
		return 0, err
	}
	fresh := s.keys.Seal(plain, v.place())
	var n int64
	err = s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if v.session != nil {
			n, err = c.exec(ctx, resealTokens, fresh, v.session[:], v.sealed)
			return err
		}
		id, err := openScope(ctx, c, v.scope)
		if err != nil {
			return err
		}
		if v.secret {
			n, err = c.exec(ctx, resealClient, fresh, id, string(v.instance), string(v.app), v.sealed)
		} else {
			n, err = c.exec(ctx, resealKey, fresh, id, v.sealed)
		}
		return err
	})
	return int(n), err
}
