package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

const tokensFormat = 1

const (
	takeTurn       = "UPDATE session SET due = ? WHERE id = ? AND due = ?"
	selectTokens   = "SELECT tokens FROM session WHERE id = ?" //nolint:gosec // the name of a column
	selectRenewing = "SELECT data FROM session WHERE id = ? AND due = ?" + lockRow
	updateDue      = "UPDATE session SET due = ? WHERE id = ?"
	updateTokens   = "UPDATE session SET tokens = ? WHERE id = ?"
	updateSaid     = "UPDATE session SET data = ? WHERE id = ?"
)

// TakeTurn implements [sso.Sessions]. A power loss may take the turn back, and then
// nobody has it.
func (s *Store) TakeTurn(ctx context.Context, key sso.SessionKey, due, until time.Time) (sso.Tokens, bool, error) {
	var sealed []byte
	var mine bool
	err := s.writer.inTx(ctx, soft, func(ctx context.Context, c conn) error {
		mine = false
		n, err := c.exec(ctx, takeTurn, millis(until), key[:], millis(due))
		if err != nil || n == 0 {
			return err
		}
		mine = true
		sealed, err = one(collect(ctx, c, scanBytes, selectTokens, key[:]))
		return err
	})
	if err != nil || !mine {
		return sso.Tokens{}, false, wrapped("take the turn to ask about a session", err)
	}
	t, err := s.openTokens(key, sealed)
	return t, err == nil, err
}

// RenewSession implements [sso.Sessions].
func (s *Store) RenewSession(ctx context.Context, key sso.SessionKey, turn time.Time, r sso.Renewal) (bool, error) {
	var mine bool
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		mine = false
		data, err := one(collect(ctx, c, scanBytes, selectRenewing, key[:], millis(turn)))
		if errors.Is(err, orgsync.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		mine = true
		return s.renew(ctx, c, key, data, r)
	})
	return err == nil && mine, wrapped("renew session", err)
}

// renew changes the session, whose row the transaction holds.
func (s *Store) renew(ctx context.Context, c conn, key sso.SessionKey, data []byte, r sso.Renewal) error {
	if r.Over {
		_, err := c.exec(ctx, deleteSession, key[:])
		return err
	}
	change := func(query string, value any) error {
		_, err := c.exec(ctx, query, value, key[:])
		return err
	}
	if r.Said != nil {
		d, err := decodeSession(data)
		if err != nil {
			return err
		}
		d.role, d.filled = r.Said.Role, r.Said.Filled
		if err := change(updateSaid, d.encode()); err != nil {
			return err
		}
	}
	if r.Due.IsZero() || r.Tokens != (sso.Tokens{}) {
		sealed := s.sealTokens(key, r.Tokens)
		if r.Due.IsZero() {
			sealed = nil
		}
		if err := change(updateTokens, sealed); err != nil {
			return err
		}
	}
	return change(updateDue, millis(r.Due))
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// sealTokens is what is kept of a session, sealed; NULL if that is nothing.
func (s *Store) sealTokens(key sso.SessionKey, t sso.Tokens) any {
	if t == (sso.Tokens{}) {
		return nil
	}
	return s.keys.Seal(encodeTokens(t), tokensPlace(key))
}

func encodeTokens(t sso.Tokens) []byte {
	e := make(encoder, 0, 512)
	e.number(tokensFormat)
	for _, text := range []string{t.Access.Reveal(), t.Refresh.Reveal(), t.ClientID, t.Domain, t.Issuer, t.Subject, t.Nonce} {
		e.text(text)
	}
	e.moment(t.Expires)
	return e
}

// openTokens is the inverse of sealTokens.
func (s *Store) openTokens(key sso.SessionKey, sealed []byte) (sso.Tokens, error) {
	if len(sealed) == 0 {
		return sso.Tokens{}, nil
	}
	return s.decodeTokens(sealed, tokensPlace(key))
}

func (s *Store) decodeTokens(sealed, place []byte) (sso.Tokens, error) {
	plain, err := s.keys.Open(sealed, place)
	if err != nil {
		return sso.Tokens{}, fmt.Errorf("tokens: %w", err)
	}
	d := decode(plain, tokensFormat)
	t := sso.Tokens{
		Access: sso.Secret(d.text()), Refresh: sso.Secret(d.text()),
		ClientID: d.text(), Domain: d.text(), Issuer: d.text(), Subject: d.text(), Nonce: d.text(), Expires: d.moment(),
	}
	return t, d.end("tokens")
}

// tokensPlace binds sealed tokens to their session.
func tokensPlace(key sso.SessionKey) []byte {
	var e encoder
	e.text("session.tokens")
	e.bytes(key[:])
	return e
}

const (
	selectSealedTokens = "SELECT id, tokens FROM session WHERE tokens IS NOT NULL ORDER BY id" //nolint:gosec // the name of a column
	resealTokens       = "UPDATE session SET tokens = ? WHERE id = ? AND tokens = ?"
)

// sealedTokens lists what the ring has sealed of sessions.
func (s *Store) sealedTokens(ctx context.Context) ([]sealedValue, error) {
	return collect(ctx, s.readers, func(rows *sql.Rows) (v sealedValue, err error) {
		var id []byte
		if err := rows.Scan(&id, &v.sealed); err != nil {
			return v, err
		}
		v.session = (*sso.SessionKey)(id)
		return v, nil
	}, selectSealedTokens)
}
