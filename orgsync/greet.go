package orgsync

import (
	"context"
	"time"
)

// reachTimeout is how long a sink may take to answer that it is there.
const reachTimeout = 20 * time.Second

// greet tries a sink at start until it answered once, to this or to a delivery: somebody who
// just set it up wants to know before the first push comes. It logs one line about it.
func (d *Dispatcher) greet(ctx context.Context, name string, r Reachable, g *gate) {
	for {
		err := reach(ctx, r)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			if g.open() {
				d.Logger.InfoContext(ctx, "sink answers again", "sink", name)
			} else {
				d.Logger.InfoContext(ctx, "sink answers", "sink", name)
			}
			d.notice(ctx, SinkHealth{Name: name})
			return
		}
		sleep(ctx, d.shut(ctx, name, g, err))
		if _, down := g.fault(); down == nil {
			return // a delivery got through
		}
	}
}

// shut records that a sink did not answer and says how long to leave it alone.
func (d *Dispatcher) shut(ctx context.Context, name string, g *gate, err error) time.Duration {
	_, before := g.fault()
	pause, news := g.close(err, d.Now())
	if news {
		d.Logger.WarnContext(ctx, "sink does not answer", "sink", name, "error", err.Error())
	}
	if before == nil || before.Error() != err.Error() {
		since, _ := g.fault()
		d.notice(ctx, SinkHealth{Name: name, Since: since, Err: err})
	}
	return pause
}

func (d *Dispatcher) notice(ctx context.Context, h SinkHealth) {
	if d.Notice != nil {
		d.Notice(ctx, h)
	}
}
