package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kitbridge/kitbridge/internal/console"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// failsLong is how long a key may fail before somebody should look: what a short outage
// brings about has healed by then.
const failsLong = 10 * time.Minute

// degraded lists what does not work although the process does: a database that takes no writes, sinks that do not answer,
// and keys that they have not taken.
func (b *bridge) degraded(ctx context.Context) []console.Degraded {
	var out []console.Degraded
	if st := b.store.Standstill(); !st.Since.IsZero() {
		out = append(out, console.Degraded{What: "database", Since: st.Since, Why: "takes no writes: " + st.Reason})
	}
	for _, h := range b.dispatcher.Health() {
		if h.Err != nil {
			out = append(out, console.Degraded{What: "sink " + h.Name, Since: h.Since, Why: h.Err.Error()})
		}
	}
	if drifts, err := b.store.Drifts(ctx); err == nil {
		for _, d := range drifts {
			out = append(out, console.Degraded{What: "contents of sink " + d.Sink, Since: d.Compared, Why: driftText(d.Sink, d.Changes)})
		}
	}
	if r, err := readRestoration(ctx, b.store); err == nil && r != nil {
		out = append(out, console.Degraded{What: "database", Since: r.At, Why: gapText(*r)})
	}
	troubles, err := b.store.Troubles(ctx, time.Now().Add(-failsLong))
	if err != nil {
		return out // that our own database does not answer is told by itself
	}
	for _, t := range troubles {
		out = append(out, console.Degraded{What: "keys of sink " + t.Sink, Since: t.Since, Why: troubleText(t)})
	}
	return out
}

func troubleText(t store.Trouble) string {
	var parts []string
	if t.Dead > 0 {
		parts = append(parts, fmt.Sprintf("%d dead: kitbridge dead list says why, and dead retry tries again", t.Dead))
	}
	if t.Failing > 0 {
		parts = append(parts, fmt.Sprintf("%d failing for more than %d minutes: the log's lines \"delivered\" say why", t.Failing, int(failsLong.Minutes())))
	}
	return strings.Join(parts, "; ")
}

// noteSink keeps what is known about a sink where kitbridge status finds it.
func (b *bridge) noteSink(ctx context.Context, h orgsync.SinkHealth) {
	fault := ""
	if h.Err != nil {
		fault = h.Err.Error()
	}
	if err := b.store.NoteSink(ctx, h.Name, fault, h.Since); err != nil && ctx.Err() == nil {
		b.log.WarnContext(ctx, "what a sink answered was not noted", "sink", h.Name, "error", err.Error())
	}
}
