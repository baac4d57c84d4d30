package main

import (
	"context"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
)

// purgeEvery is how often it is looked for what was kept long enough: once an hour, or four
// times in the shortest purge_after, so that a short one is kept to.
func purgeEvery(sinks []Sink) time.Duration {
	every := time.Hour
	for _, c := range sinks {
		if c.PurgeAfter > 0 {
			every = min(every, c.PurgeAfter/4)
		}
	}
	return max(every, time.Second)
}

// expire makes the directories owe what they kept long enough: their lanes delete it.
func (b *bridge) expire(ctx context.Context, now time.Time) {
	for _, c := range b.config.Sinks {
		if c.Type == sinkSQL {
			continue
		}
		if err := expireIn(ctx, b.store, c, now); err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "purge failed", "sink", c.Name, "error", err.Error())
		}
	}
}

// expireIn makes one directory owe the users who were removed purge_after ago, and everything
// of the tenants for which it is not meant: of those that left so long ago it deletes what is
// there, and of one of which it is not known since when, that is noted.
func expireIn(ctx context.Context, s *store.Store, c Sink, now time.Time) error {
	before := now.Add(-c.PurgeAfter)
	if _, err := s.OweExpired(ctx, c.Name, before); err != nil {
		return err
	}
	left, err := leftIn(ctx, s, c, nil)
	if err != nil {
		return err
	}
	for _, tenant := range left {
		at, err := ldapsink.LeftAt(ctx, s.Links(c.Name), tenant)
		if err == nil && !at.After(before) { // the zero time, too
			err = s.OweLinked(ctx, c.Name, tenant)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
