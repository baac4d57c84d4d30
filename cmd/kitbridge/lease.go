package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// wholeLease is how long a lane stays with a process that died while it compared.
	wholeLease = 10 * time.Second
	// busyFor is how long a command waits for a lane that another process works on.
	busyFor, busyPoll = 30 * time.Second, 100 * time.Millisecond
)

// errLost ends work whose lease was lost.
var errLost = errors.New("another process took over meanwhile; what was done is done, run it again for the rest")

// withLane calls do while the lane of the tenant and sink is ours: no other process, and no
// other part of this one, hands the sink anything of the tenant. pending says that it is
// owed something. A lane that is busy is waited for as long as patience says.
func withLane(
	ctx context.Context, s *store.Store, sink string, tenant orgsync.TenantID, patience time.Duration, do func(ctx context.Context, pending bool) error,
) error {
	lane, pending, err := claimWhole(ctx, s, sink, tenant, patience)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var keeper sync.WaitGroup
	stop := make(chan struct{})
	keeper.Go(func() { // ends with do
		tick := time.NewTicker(wholeLease / 4)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ctx.Done():
				return
			case now := <-tick.C:
				if err := s.Renew(ctx, lane, now.Add(wholeLease)); errors.Is(err, orgsync.ErrNotFound) {
					cancel(errLost)
					return
				}
			}
		}
	})
	err = do(ctx, pending)
	close(stop)
	keeper.Wait()
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errLost) {
		err = cause
	}
	finish, end := context.WithTimeout(context.WithoutCancel(ctx), wholeLease)
	defer end()
	return errors.Join(err, s.Finish(finish, lane, nil))
}

func claimWhole(ctx context.Context, s *store.Store, sink string, tenant orgsync.TenantID, patience time.Duration) (orgsync.Lane, bool, error) {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(busyPoll)
	defer tick.Stop()
	for {
		now := time.Now()
		lane, pending, err := s.ClaimWhole(ctx, sink, tenant, now, now.Add(wholeLease))
		if !errors.Is(err, store.ErrBusy) {
			return lane, pending, err
		}
		select {
		case <-wait.Done():
			return lane, false, fmt.Errorf("tenant %s, sink %s: %w; try again later", visible(string(tenant)), sink, store.ErrBusy)
		case <-tick.C:
		}
	}
}
