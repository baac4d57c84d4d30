package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
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
	left, err := leftIn(ctx, s, c)
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

// leftIn lists the tenants of which a directory holds something and for which it is not meant.
func leftIn(ctx context.Context, s *store.Store, c Sink) ([]orgsync.TenantID, error) {
	if c.Type == sinkSQL || slices.Contains(c.Tenants, "*") {
		return nil, nil
	}
	linked, err := s.LinkedTenants(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	var left []orgsync.TenantID
	for _, id := range linked {
		t, err := s.View(id).Tenant(ctx)
		if err != nil {
			return nil, err
		}
		if !allowTenants(c.Tenants)(t) {
			left = append(left, id)
		}
	}
	return left, nil
}

// leftSink is the JSON form of a sink that is not meant for a tenant any more. Fields are only
// ever added.
type leftSink struct {
	// Since is when that was found, DeletedFrom when what it holds begins to be deleted; both
	// are absent until serve or reconcile noted it.
	Since       *time.Time `json:"since,omitempty"`
	DeletedFrom *time.Time `json:"deleted_from,omitempty"`
}

func leftOf(w ldapsink.Whole) *leftSink {
	switch {
	case !w.IsLeft:
		return nil
	case w.LeftAt.IsZero():
		return &leftSink{}
	}
	return &leftSink{&w.LeftAt, &w.DeletedFrom}
}

// String says it in words.
func (l leftSink) String() string {
	const text = "this sink is not meant for the tenant any more (sinks[].tenants): its people are disabled, "
	if l.Since == nil {
		return text + "and deleted purge_after later"
	}
	return text + fmt.Sprintf("since %s, and deleted from %s on", l.Since.Format(time.RFC3339), l.DeletedFrom.Format(time.RFC3339))
}
