package store

import (
	"context"
	"errors"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

const (
	insertDeposit  = "INSERT INTO deposit (ref, tokens, until) VALUES (?, ?, ?)"
	selectDeposit  = "SELECT tokens FROM deposit WHERE ref = ? AND until > ?"
	deleteDeposit  = "DELETE FROM deposit WHERE ref = ?"
	deleteDeposits = "DELETE FROM deposit WHERE until <= ?"
	emptyDeposits  = "DELETE FROM deposit"
)

// Deposit implements [sso.Sessions].
func (s *Store) Deposit(ctx context.Context, ref sso.Handle, t sso.Tokens, until time.Time) error {
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		if _, err := c.exec(ctx, deleteDeposits, s.now().UnixMilli()); err != nil {
			return err
		}
		_, err := c.exec(ctx, insertDeposit, string(ref), s.keys.Seal(encodeTokens(t), depositPlace(ref)), until.UnixMilli())
		return err
	})
	return wrapped("keep tokens for a sign-in that waits", err)
}

// Withdraw implements [sso.Sessions].
func (s *Store) Withdraw(ctx context.Context, ref sso.Handle) (sso.Tokens, error) {
	var sealed []byte
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) (err error) {
		sealed, err = one(collect(ctx, c, scanBytes, selectDeposit+lockRow, string(ref), s.now().UnixMilli()))
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, deleteDeposit, string(ref))
		return err
	})
	if errors.Is(err, orgsync.ErrNotFound) {
		return sso.Tokens{}, nil
	}
	if err != nil {
		return sso.Tokens{}, wrapped("find the tokens of a sign-in", err)
	}
	return s.decodeTokens(sealed, depositPlace(ref))
}

// depositPlace binds sealed tokens to what they wait for.
func depositPlace(ref sso.Handle) []byte {
	var e encoder
	e.text("deposit.tokens")
	e.text(string(ref))
	return e
}
