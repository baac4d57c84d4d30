package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// The private doors of the tests.

func EncodeGrant(g orgsync.Grant) []byte                 { return encodeGrant(g) }
func DecodeGrant(b []byte, g *orgsync.Grant) error       { return decodeGrant(b, g) }
func EncodeUser(u orgsync.User) []byte                   { return encodeUser(u) }
func DecodeUser(b []byte, u *orgsync.User) error         { return decodeUser(b, u) }
func EncodeInstance(i orgsync.Instance) []byte           { return encodeInstance(i) }
func DecodeInstance(b []byte, i *orgsync.Instance) error { return decodeInstance(b, i) }
func RedactMobile(s string) string                       { return redactMobile(s) }
func RedactEmail(s string) string                        { return redactEmail(s) }

// Checkpoint is what Run does from time to time.
func (s *Store) Checkpoint(ctx context.Context) error { return s.checkpoint(ctx) }

// EndStandstill does at once what Run does every second.
func (s *Store) EndStandstill(ctx context.Context) { s.endStandstill(ctx) }

// Logged is how many pages stand in SQLite's log.
func (s *Store) Logged(ctx context.Context) (int64, error) {
	if s.upkeep == nil {
		return 0, nil
	}
	var busy, frames, moved int64
	err := s.upkeep.QueryRowContext(ctx, "PRAGMA wal_checkpoint(NOOP)").Scan(&busy, &frames, &moved)
	return frames, err
}

// UnrollCrowded is what Run does from time to time.
func (s *Store) UnrollCrowded(ctx context.Context) error { return s.unrollCrowded(ctx) }

// UnrollAll makes rows of all parts.
func (s *Store) UnrollAll(ctx context.Context) error {
	return s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		for {
			ids, err := collect(ctx, c, scanNumber, "SELECT id FROM owed ORDER BY id LIMIT 1")
			if err != nil || len(ids) == 0 {
				return err
			}
			lane, err := one(collect(ctx, c, scanNumber, "SELECT lane FROM owed WHERE id = ?", ids[0]))
			if err != nil {
				return err
			}
			if err := unroll(ctx, c, lane, ids[0]); err != nil {
				return err
			}
		}
	})
}

// InTx runs a transaction that does nothing but call fn.
func (s *Store) InTx(ctx context.Context, isDurable bool, fn func()) error {
	return s.writer.inTx(ctx, durability(isDurable), func(context.Context, conn) error {
		fn()
		return nil
	})
}

const selectPushes = `SELECT j.kind, j.nonce, j.digest, j.body, j.signed_at, j.received_at, j.candidate, c.id, c.realm, c.tenant
	FROM journal j JOIN scope c ON c.id = j.scope ORDER BY j.id`

// Pushes reads the whole journal, bodies opened, in its order.
func (s *Store) Pushes(ctx context.Context) ([]orgsync.Push, error) {
	type row struct {
		push  orgsync.Push
		scope int64
		of    orgsync.Scope
	}
	rows, err := collect(ctx, s.readers, func(rows *sql.Rows) (r row, err error) {
		var nonce, digest []byte
		var signed, received int64
		err = rows.Scan(&r.push.Kind, &nonce, &digest, &r.push.Body, &signed, &received, &r.push.Candidate, &r.scope, &r.of.Realm, &r.of.Tenant)
		r.push.Nonce, r.push.Signed, r.push.Received = string(nonce), time.UnixMilli(signed), time.UnixMilli(received)
		copy(r.push.Digest[:], digest)
		return r, err
	}, selectPushes)
	if err != nil {
		return nil, err
	}
	pushes := make([]orgsync.Push, 0, len(rows))
	for _, r := range rows {
		key, err := s.readDataKey(ctx, r.scope, r.of)
		if err != nil {
			return nil, err
		}
		if r.push.Body, err = key.Open(nil, nil, r.push.Body, bodyPlace(r.push.Kind, r.push.Nonce)); err != nil {
			return nil, err
		}
		pushes = append(pushes, r.push)
	}
	return pushes, nil
}
