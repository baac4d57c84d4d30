package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectScope = "SELECT id FROM scope WHERE realm = ? AND tenant = ?"
	insertScope = "INSERT INTO scope (realm, tenant) VALUES (?, ?) RETURNING id"
)

// tx is one transaction on one scope.
type tx struct {
	s     *Store
	ctx   context.Context //nolint:containedctx // the transaction's own: it ends with it
	c     conn
	scope orgsync.Scope
	id    int64 // of the scope
}

// Update implements [orgsync.Store]. Transactions of all tenants stand in one line.
func (s *Store) Update(ctx context.Context, scope orgsync.Scope, fn func(orgsync.Tx) error) error {
	return s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		t := &tx{s: s, ctx: ctx, c: c, scope: rowScope(scope)}
		var err error
		if t.id, err = openScope(ctx, c, t.scope); err != nil {
			return err
		}
		return fn(t)
	})
}

// rowScope gives everything whose tenant cannot be a key – it is journalled and counted,
// and changes nothing else – one scope together.
func rowScope(scope orgsync.Scope) orgsync.Scope {
	if orgsync.CheckKey(string(scope.Tenant)) != nil {
		scope.Tenant = ""
	}
	return scope
}

// openScope returns the scope's number, and gives it one if it has none.
func openScope(ctx context.Context, c conn, scope orgsync.Scope) (int64, error) {
	id, err := findScope(ctx, c, scope)
	if errors.Is(err, orgsync.ErrNotFound) {
		id, err = one(collect(ctx, c, scanNumber, insertScope, scope.Realm, string(scope.Tenant)))
	}
	if err != nil {
		return 0, fmt.Errorf("tenant: %w", err)
	}
	return id, nil
}

func findScope(ctx context.Context, q querier, scope orgsync.Scope) (int64, error) {
	return one(collect(ctx, q, scanNumber, selectScope, scope.Realm, string(scope.Tenant)))
}
