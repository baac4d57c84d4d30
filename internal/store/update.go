package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectScope = "SELECT id FROM scope WHERE realm = ? AND tenant = ?"
	holdScope   = selectScope + lockRow
	insertScope = "INSERT INTO scope (realm, tenant) VALUES (?, ?) ON CONFLICT (realm, tenant) DO NOTHING RETURNING id"
)

// A guard is a row that transactions of several tenants hold against each other. SQLite
// has none, as there is one transaction at a time.
const (
	shareGuard = "SELECT value FROM sequence WHERE name = ?" + lockShared
	takeGuard  = "SELECT value FROM sequence WHERE name = ?" + lockRow
	sinksGuard = "sinks" // shared by who makes dirty, taken by who opens sinks
	keysGuard  = "keys"  // taken by who reads or adds keys of the ring
)

// hold locks a guard until the transaction ends.
func hold(ctx context.Context, c conn, how string, guard any) error {
	_, err := collect(ctx, c, scanNumber, how, guard)
	return err
}

// tx is one transaction on one scope.
type tx struct {
	s     *Store
	ctx   context.Context //nolint:containedctx // the transaction's own: it ends with it
	c     conn
	scope orgsync.Scope
	id    int64 // of the scope

	persons persons
	// begins: it begins an era.
	begins bool
}

// Update implements [orgsync.Store]. On SQLite transactions of all tenants stand in one
// line, on PostgreSQL those of one tenant do.
func (s *Store) Update(ctx context.Context, scope orgsync.Scope, fn func(orgsync.Tx) error) error {
	scope = rowScope(scope)
	leave, err := s.lines.enter(ctx, scope)
	if err != nil {
		return err
	}
	defer leave()
	begins := false
	err = s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		t := &tx{s: s, ctx: ctx, c: c, scope: scope}
		var err error
		if t.id, err = openScope(ctx, c, t.scope); err != nil {
			return err
		}
		if err := fn(t); err != nil {
			return err
		}
		begins = t.begins
		return t.writePersons()
	})
	if err == nil && begins {
		s.begun.Store(true)
	}
	return err
}

// rowScope gives everything whose tenant cannot be a key – it is journalled and counted,
// and changes nothing else – one scope together.
func rowScope(scope orgsync.Scope) orgsync.Scope {
	if orgsync.CheckKey(string(scope.Tenant)) != nil {
		scope.Tenant = ""
	}
	return scope
}

// openScope returns the scope's number, and gives it one if it has none. The scope is
// held against other transactions from here on.
func openScope(ctx context.Context, c conn, scope orgsync.Scope) (int64, error) {
	hold := func(query string) (int64, error) {
		return one(collect(ctx, c, scanNumber, query, scope.Realm, string(scope.Tenant)))
	}
	id, err := hold(holdScope)
	if errors.Is(err, orgsync.ErrNotFound) {
		id, err = hold(insertScope)
	}
	if errors.Is(err, orgsync.ErrNotFound) { // another process was faster
		id, err = hold(holdScope)
	}
	if err != nil {
		return 0, fmt.Errorf("tenant: %w", err)
	}
	return id, nil
}

func findScope(ctx context.Context, q querier, scope orgsync.Scope) (int64, error) {
	return one(collect(ctx, q, scanNumber, selectScope, scope.Realm, string(scope.Tenant)))
}
