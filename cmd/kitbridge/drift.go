package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// drifter is a sink that is compared from time to time.
type drifter struct {
	config Sink
	sink   wholeSink
}

// driftersOf is the sink as one that is compared, if it is a directory.
func driftersOf(cfg Config, s orgsync.Sink) []drifter {
	for _, c := range cfg.Sinks {
		if whole, ok := wholeOf(s); ok && c.Name == s.Name() && c.Type != sinkSQL {
			return []drifter{{c, whole}}
		}
	}
	return nil
}

// driftPoll is how often it is looked whether something is due to be compared, at most.
const driftPoll = time.Minute

// watchDrift compares each tenant with a sink every reconcile_every, until ctx ends. Of
// several replicas one does.
func (b *bridge) watchDrift(ctx context.Context, d drifter) {
	tick := time.NewTicker(max(time.Second, min(driftPoll, d.config.ReconcileEvery/4)))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			due, err := b.store.DueToCompare(ctx, d.config.Name, now.Add(-d.config.ReconcileEvery))
			for _, tenant := range due {
				if err == nil {
					err = b.compare(ctx, d, tenant)
				}
			}
			if err != nil && ctx.Err() == nil {
				b.log.WarnContext(ctx, "not compared", "sink", d.config.Name, "error", publicText(err))
			}
		}
	}
}

// publicText is what of an error may be logged: it names no entry.
func publicText(err error) string {
	var public interface{ Public() string }
	if errors.As(err, &public) {
		return public.Public()
	}
	if errors.Is(err, orgsync.ErrUnavailable) {
		return "the directory did not answer"
	}
	return "kitbridge plan says why"
}

// compare looks whether the sink holds what the state says of a tenant that it is owed
// nothing of. What differs is reported, or repaired if that is configured.
func (b *bridge) compare(ctx context.Context, d drifter, tenant orgsync.TenantID) error {
	view, err := inventoryOf(b.store, tenant)
	if err != nil {
		return err
	}
	name := d.config.Name
	guard := guardOf(b.config)
	err = withLane(ctx, b.store, name, tenant, busyPoll, func(ctx context.Context, pending bool) error {
		if pending {
			return nil // it is about to change; next time
		}
		found, err := d.sink.plan(ctx, view, wholeOptions{guard: guard})
		if err != nil {
			return err
		}
		if len(found.Operations) > 0 {
			// What the state became while it was read is no drift.
			if pending, err = b.store.Pending(ctx, name, tenant); err != nil || pending {
				return err
			}
		}
		left, err := b.settleDrift(ctx, d, view, found)
		if noted := b.store.NoteCompared(ctx, name, tenant, time.Now(), left); noted != nil {
			return noted
		}
		return err
	})
	if errors.Is(err, store.ErrBusy) || errors.Is(err, orgsync.ErrNotFound) {
		return nil // next time
	}
	return err
}

// settleDrift tells what differs and repairs it if it may. It returns how many changes are
// left to do.
func (b *bridge) settleDrift(ctx context.Context, d drifter, view orgsync.Inventory, found comparison) (left int, err error) {
	n := len(found.Operations)
	if n == 0 {
		return 0, nil
	}
	about := []slog.Attr{
		slog.String("sink", d.config.Name), slog.String("tenant_id", string(found.Tenant)), slog.Int("changes", n), slog.String("kinds", countsOf(found.Operations)),
	}
	if d.config.OnDrift != "repair" || found.Held != "" {
		if found.Held != "" {
			about = append(about, slog.String("held", found.Held))
		}
		b.log.LogAttrs(ctx, slog.LevelWarn, "the sink was changed by somebody else; kitbridge plan shows what, reconcile heals it", about...)
		return n, nil
	}
	done, err := d.sink.reconcile(ctx, view, wholeOptions{guard: guardOf(b.config), only: found.Digest})
	if err != nil {
		return n, err
	}
	if len(done.Reports) > len(found.Reports) {
		b.log.LogAttrs(ctx, slog.LevelWarn, "the sink was changed by somebody else, and could not be repaired entirely", about...)
		return len(done.Reports) - len(found.Reports), nil
	}
	b.log.LogAttrs(ctx, slog.LevelWarn, "the sink was changed by somebody else, and was repaired", about...)
	return 0, nil
}

// driftText says what differs and what to do.
func driftText(sink string, changes int64) string {
	return fmt.Sprintf("%s differs from the state in %d places: somebody else changed it; kitbridge plan --sink %s shows them, reconcile heals them", sink, changes, sink)
}
