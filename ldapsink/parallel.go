package ldapsink

import (
	"context"
	"sync"
)

// each calls fn for every item, at most n at a time, and returns the first error, which
// also ends the others. It returns when all calls have.
func each[T any](ctx context.Context, n int, items []T, fn func(context.Context, T) error) error {
	if len(items) == 1 {
		return fn(ctx, items[0])
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	work := make(chan T)
	for range min(n, len(items)) {
		wg.Go(func() {
			for item := range work {
				if err := fn(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	func() {
		defer close(work)
		for _, item := range items {
			select {
			case work <- item:
			case <-ctx.Done():
				return
			}
		}
	}()
	wg.Wait()
	return context.Cause(ctx)
}
