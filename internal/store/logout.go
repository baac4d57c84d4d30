package store

import (
	"context"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/sso"
)

const (
	// What counts once is remembered in one table: logout tokens, and tickets between hosts.
	deleteSpent = "DELETE FROM logout_token WHERE until <= ?"
	insertSpent = "INSERT INTO logout_token (token, until) VALUES (?, ?) ON CONFLICT (token) DO NOTHING"
	// With subject and session: that session, and those of the subject of which the
	// auth centre did not say which they are.
	deleteNamed = `DELETE FROM session WHERE scope IN (SELECT id FROM scope WHERE tenant = ?)
	AND subject = ? AND provider_session IN (?, '')`
	deleteSubject         = "DELETE FROM session WHERE scope IN (SELECT id FROM scope WHERE tenant = ?) AND subject = ?"
	deleteProviderSession = "DELETE FROM session WHERE scope IN (SELECT id FROM scope WHERE tenant = ?) AND provider_session = ?"
)

// LogOut implements [sso.Sessions].
func (s *Store) LogOut(ctx context.Context, l sso.Logout) (int, error) {
	var ended int64
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		ended = 0
		if err := s.spend(ctx, c, l.Token, l.Until); err != nil {
			return err
		}
		for _, tenant := range l.Tenants {
			query, args := deleteNamed, []any{string(tenant), string(l.Subject), string(l.Session)}
			switch {
			case l.Subject == "" && l.Session == "":
				continue
			case l.Session == "":
				query, args = deleteSubject, args[:2]
			case l.Subject == "":
				query, args = deleteProviderSession, []any{string(tenant), string(l.Session)}
			}
			n, err := c.exec(ctx, query, args...)
			if err != nil {
				return err
			}
			ended += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("log out: %w", err)
	}
	return int(ended), nil
}

// SpendTicket implements [sso.Sessions].
func (s *Store) SpendTicket(ctx context.Context, ticket sso.Handle, until time.Time) error {
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		return s.spend(ctx, c, ticket, until)
	})
	if err != nil {
		return fmt.Errorf("spend ticket: %w", err)
	}
	return nil
}

// spend remembers what counts once, and forgets what is too old to be believed anyway.
func (s *Store) spend(ctx context.Context, c conn, what sso.Handle, until time.Time) error {
	if _, err := c.exec(ctx, deleteSpent, s.now().UnixMilli()); err != nil {
		return err
	}
	fresh, err := c.exec(ctx, insertSpent, string(what), until.UnixMilli())
	if err == nil && fresh == 0 {
		return sso.ErrReplayed
	}
	return err
}
