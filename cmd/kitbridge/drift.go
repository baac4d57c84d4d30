package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
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

const (
	// driftPoll is how often it is looked whether something is due to be compared, at most.
	driftPoll = time.Minute
	// comparingLease is how long a comparison stays with a process that died at it.
	comparingLease = 10 * time.Minute
	// wayPoll is how often a comparison that holds a lane looks whether somebody waits for it,
	// and mostWays how often in a row it makes way.
	wayPoll, mostWays = 200 * time.Millisecond, 3
	// mostDrift is how many users may differ for it to be drift, which is planned in memory. Of
	// more only the number is told, and a repair is left to the lanes, part by part.
	mostDrift = 20_000
)

// errMakeWay ends work on a tenant for which something was pushed meanwhile.
var errMakeWay = errors.New("the lane is needed")

// watchDrift compares each tenant with a sink every reconcile_every, until ctx ends. Of
// several replicas one does.
func (b *bridge) watchDrift(ctx context.Context, d drifter) {
	tick := time.NewTicker(max(time.Second, min(driftPoll, d.config.ReconcileEvery/4)))
	defer tick.Stop()
	ways := map[orgsync.TenantID]int{} // how often in a row each made way
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			before := now.Add(-d.config.ReconcileEvery)
			due, err := b.store.DueToCompare(ctx, d.config.Name, before)
			if err == nil && len(due) > 0 { // what is to be deleted by now is no drift
				err = expireIn(ctx, b.store, d.config, now)
			}
			b.noteNotCompared(ctx, d, err)
			for _, tenant := range due {
				err := b.compare(ctx, d, tenant, before, ways[tenant] < mostWays)
				if errors.Is(err, errMakeWay) {
					ways[tenant]++
					continue
				}
				delete(ways, tenant)
				b.noteNotCompared(ctx, d, err)
				if ctx.Err() != nil || errors.Is(err, orgsync.ErrUnavailable) {
					break // the others would fare no better
				}
			}
		}
	}
}

func (b *bridge) noteNotCompared(ctx context.Context, d drifter, err error) {
	if err != nil && ctx.Err() == nil {
		b.log.WarnContext(ctx, "not compared", "sink", d.config.Name, "error", publicText(err))
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

// compare looks whether the sink holds what the state says of a tenant, unless it was compared
// since before, or is being. While it is only read its lane goes on; what seems to differ is
// looked at again, and repaired, with the lane at rest. makesWay: what is pushed meanwhile
// goes first, and the error is errMakeWay.
func (b *bridge) compare(ctx context.Context, d drifter, tenant orgsync.TenantID, before time.Time, makesWay bool) error {
	now := time.Now()
	until := now.Add(comparingLease)
	ours, err := b.store.TakeComparison(ctx, d.config.Name, tenant, before, now, until)
	if err != nil || !ours {
		return err
	}
	noted, err := b.compareNow(ctx, d, tenant, makesWay)
	if !noted {
		// It is due again at once. After a crash before this line it is when the lease ends.
		err = errors.Join(err, b.store.DropComparison(context.WithoutCancel(ctx), d.config.Name, tenant, until))
	}
	if errors.Is(err, store.ErrBusy) || errors.Is(err, orgsync.ErrNotFound) {
		return nil // next time
	}
	return err
}

// compareNow says whether what was found is recorded.
func (b *bridge) compareNow(ctx context.Context, d drifter, tenant orgsync.TenantID, makesWay bool) (noted bool, err error) {
	view, err := inventoryOf(b.store, tenant)
	if err != nil {
		return false, err
	}
	name, options := d.config.Name, wholeOptions{guard: guardOf(b.config), most: mostDrift}
	found, err := d.sink.plan(ctx, view, options)
	if err != nil {
		if pending, _ := b.store.Pending(ctx, name, tenant); pending {
			return false, nil // perhaps the lane moved what was being read; next time
		}
		if many, ok := errors.AsType[*ldapsink.TooManyError](err); ok {
			return true, b.settleMany(ctx, d, tenant, many.Users)
		}
		return false, err
	}
	if len(found.Operations) == 0 {
		return true, b.store.NoteCompared(ctx, name, tenant, time.Now(), 0)
	}
	found = comparison{} // it may be large
	err = withLane(ctx, b.store, name, tenant, busyPoll, func(ctx context.Context, pending bool) error {
		if pending {
			return nil // it is about to change; next time
		}
		return b.unlessNeeded(ctx, name, tenant, makesWay, func(ctx context.Context) error {
			if found, err = d.sink.plan(ctx, view, options); err != nil {
				return err
			}
			if len(found.Operations) > 0 {
				// What the state became while it was read is no drift.
				if pending, err = b.store.Pending(ctx, name, tenant); err != nil || pending {
					return err
				}
			}
			left, err := b.settleDrift(ctx, d, view, found)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if failed := b.store.NoteCompared(ctx, name, tenant, time.Now(), left); failed != nil {
				return failed
			}
			noted = true
			return err
		})
	})
	return noted, err
}

// unlessNeeded calls do, and ends it with an errMakeWay as soon as the sink is owed something
// of the tenant.
func (b *bridge) unlessNeeded(ctx context.Context, sink string, tenant orgsync.TenantID, makesWay bool, do func(context.Context) error) error {
	if !makesWay {
		return do(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watch sync.WaitGroup
	stop := make(chan struct{})
	watch.Go(func() { // ends with do
		tick := time.NewTicker(wayPoll)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				if pending, err := b.store.Pending(ctx, sink, tenant); err == nil && pending {
					cancel(errMakeWay)
					return
				}
			}
		}
	})
	err := do(ctx)
	close(stop)
	watch.Wait()
	if err != nil && errors.Is(context.Cause(ctx), errMakeWay) {
		return errMakeWay
	}
	return err
}

// settleMany tells that so many users differ. To repair that the lane looks at everything once
// more; what is left then is found the next time.
func (b *bridge) settleMany(ctx context.Context, d drifter, tenant orgsync.TenantID, users int) error {
	name := d.config.Name
	if err := b.store.NoteCompared(ctx, name, tenant, time.Now(), users); err != nil {
		return err
	}
	log := b.log.With("sink", name, "tenant_id", string(tenant), "users", users)
	if d.config.OnDrift != "repair" {
		log.WarnContext(ctx, "the sink was changed by somebody else; kitbridge plan shows what, reconcile heals it")
		return nil
	}
	if err := b.store.OweTenant(ctx, name, tenant); err != nil {
		return err
	}
	log.WarnContext(ctx, "the sink was changed by somebody else, so much that everything is looked at again")
	return nil
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
	done, err := d.sink.reconcile(ctx, view, wholeOptions{guard: guardOf(b.config), most: mostDrift, only: found.Digest})
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
