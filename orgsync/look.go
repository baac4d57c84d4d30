package orgsync

import "context"

// watch greets a sink and then looks at it from time to time, until ctx ends, so that one
// to which nothing is owed is known to be down, closed to us or restored, too.
func (d *Dispatcher) watch(ctx context.Context, name string, r Reachable, g *gate) {
	d.greet(ctx, name, r, g)
	failed := false
	for {
		sleep(ctx, d.LookEvery)
		if ctx.Err() != nil {
			return
		}
		err := reach(ctx, r)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.shut(ctx, name, g, err)
		case failed && g.open():
			// What only writing shows to be wrong is told by who writes.
			d.Logger.InfoContext(ctx, "sink answers again", "sink", name)
			d.notice(ctx, SinkHealth{Name: name})
		}
		failed = err != nil
	}
}

func reach(ctx context.Context, r Reachable) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	return r.Reach(ctx)
}
