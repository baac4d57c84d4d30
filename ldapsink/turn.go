package ldapsink

import (
	"context"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// writeGrace is how long the answer to a write is waited for that nobody wants any more. One
// that is left alone may be carried out after what somebody else wrote meanwhile.
const writeGrace = 2 * time.Second

// enter waits until nobody else in this process works on the tenant – somebody whose lease was
// lost may still be waiting for the answer to a write – and returns the tenant as it is then.
// leave lets the next one in.
func (s *Sink) enter(ctx context.Context, view orgsync.View) (tenant orgsync.Tenant, leave func(), err error) {
	if tenant, err = view.Tenant(ctx); err != nil {
		return tenant, nil, fmt.Errorf("read tenant: %w", err)
	}
	turn := s.turnOf(tenant.ID)
	leave = func() { <-turn }
	select {
	case turn <- struct{}{}:
		return tenant, leave, nil
	default:
	}
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return tenant, nil, ctx.Err()
	}
	if tenant, err = view.Tenant(ctx); err != nil { // it may have changed meanwhile
		leave()
		return tenant, nil, fmt.Errorf("read tenant: %w", err)
	}
	return tenant, leave, nil
}

func (s *Sink) turnOf(tenant orgsync.TenantID) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns == nil {
		s.turns = map[orgsync.TenantID]chan struct{}{}
	}
	if s.turns[tenant] == nil {
		s.turns[tenant] = make(chan struct{}, 1)
	}
	return s.turns[tenant]
}

// linger returns a context that ends so long after ctx, or with end.
func linger(ctx context.Context, grace time.Duration) (late context.Context, end func()) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(grace, func() { cancel(context.Cause(ctx)) })
	})
	return late, func() {
		stop()
		cancel(nil)
	}
}
