package main

import (
	"context"
	"errors"

	"github.com/kitbridge/kitbridge/internal/console"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// api is what the admin API reads and does.
func (b *bridge) api() console.API {
	return console.API{
		Lists: map[string]func(context.Context, console.Query) (any, error){
			"tenants":     listOf(b.store.ListTenants),
			"departments": listOf(b.store.ListDepartments),
			"users":       listOf(b.store.ListUsers),
			"parked":      listOf(b.store.ListParked),
			"held":        listOf(b.store.ListHeld),
			"dead":        listOf(b.store.ListDead),
			"journal":     listOf(b.store.ListJournal),
			"sessions":    b.listSessions,
		},
		Decide: b.decide,
		RetryDead: func(ctx context.Context, sink, tenant string) (int, error) {
			n, err := b.store.RetryDead(ctx, sink, orgsync.TenantID(tenant))
			return n, callersFault(err)
		},
		EndSession: func(ctx context.Context, id string) (int, error) {
			n, err := b.store.EndSessionNamed(ctx, id)
			b.auditor().sessionsEnded(ctx, "", "", n)
			return n, callersFault(err)
		},
		EndSessionsOf: func(ctx context.Context, tenant, user, device string) (int, error) {
			n, err := b.store.EndSessionsAt(ctx, sso.TenantID(tenant), store.SessionsOf{User: sso.UserName(user), Device: device})
			b.auditor().sessionsEnded(ctx, sso.TenantID(tenant), sso.UserName(user), n)
			return n, callersFault(err)
		},
	}
}

// listSessions is the list of sessions, which may be narrowed further than others.
func (b *bridge) listSessions(ctx context.Context, q console.Query) (any, error) {
	of := store.SessionsOf{User: sso.UserName(q.User), Device: q.Device}
	return listOf(func(ctx context.Context, p store.Page) (store.List[store.SessionItem], error) {
		return b.store.ListSessions(ctx, of, p)
	})(ctx, q)
}

func listOf[T any](list func(context.Context, store.Page) (store.List[T], error)) func(context.Context, console.Query) (any, error) {
	return func(ctx context.Context, q console.Query) (any, error) {
		l, err := list(ctx, store.Page{Tenant: orgsync.TenantID(q.Tenant), After: q.After, Limit: q.Limit})
		return l, callersFault(err)
	}
}

// callersFault tells what the caller of the API did wrong from what we did.
func callersFault(err error) error {
	if bad, ok := errors.AsType[*orgsync.FieldError](err); ok {
		return &console.ParameterError{Parameter: bad.Field, Reason: bad.Reason}
	}
	if errors.Is(err, orgsync.ErrNotFound) {
		return &missingError{err}
	}
	return err
}

// missingError is an orgsync.ErrNotFound that the API takes for its own.
type missingError struct{ error }

func (e *missingError) Is(target error) bool { return target == console.ErrNotFound }

// decide approves or rejects what waits under a number, held or from the future.
func (b *bridge) decide(ctx context.Context, id int64, approve bool) (console.Decision, error) {
	scope, err := b.store.WaitingScope(ctx, orgsync.JournalID(id))
	if err != nil {
		return console.Decision{}, callersFault(err)
	}
	how := b.acceptor.Reject
	if approve {
		how = b.acceptor.Approve
	}
	r, err := how(ctx, scope, orgsync.JournalID(id))
	if err == nil {
		b.auditor().heldDecided(ctx, scope.Tenant, orgsync.JournalID(id), approve)
	}
	return console.Decision{
		ID: id, Applied: r.Tally[orgsync.Applied], Stale: r.Tally[orgsync.Stale], Parked: r.Tally[orgsync.Parked],
		Held: r.Tally[orgsync.Held], Refused: r.Tally[orgsync.Refused],
	}, callersFault(err)
}
