package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// holder is a sink that knows itself of which tenants it holds anything; what directories
// hold stands in our database.
type holder interface {
	HeldTenants(ctx context.Context) ([]orgsync.TenantID, error)
}

// leftIn lists the tenants of which a sink holds something and for which it is not meant.
// opened is the sink itself; a directory's may be nil.
func leftIn(ctx context.Context, s *store.Store, c Sink, opened orgsync.Sink) ([]orgsync.TenantID, error) {
	if slices.Contains(c.Tenants, "*") {
		return nil, nil
	}
	held := func() ([]orgsync.TenantID, error) { return s.LinkedTenants(ctx, c.Name) }
	if h, ok := opened.(holder); ok {
		held = func() ([]orgsync.TenantID, error) { return h.HeldTenants(ctx) }
	}
	all, err := held()
	if err != nil {
		return nil, err
	}
	var left []orgsync.TenantID
	for _, id := range all {
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

// knownTenants lists everybody of whom a message told.
func knownTenants(ctx context.Context, s *store.Store) (known []store.TenantItem, err error) {
	err = everyItem(ctx, s.ListTenants, "", func(t store.TenantItem) error {
		known = append(known, t)
		return nil
	})
	return known, err
}

// strangers lists the names among a sink's tenants that are nobody's id or code. As long as
// nobody is known, each may be right.
func strangers(names []string, known []store.TenantItem) []string {
	var unknown []string
	for _, name := range names {
		isThis := func(t store.TenantItem) bool { return string(t.ID) == name || t.Code == name }
		if name != "*" && len(known) > 0 && !slices.ContainsFunc(known, isThis) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

const (
	// tellLeftEvery is how often a sink that does not answer is asked again whom it holds.
	tellLeftEvery = 30 * time.Second
	// namedTenants is how many tenants a line of the log names.
	namedTenants = 10
)

// tellLeft warns of each sink that is not meant for everybody it holds, once: a slip in
// tenants cuts people off and would not be seen otherwise.
func (b *bridge) tellLeft(ctx context.Context) {
	untold := b.warnOfTenants(ctx, b.config.Sinks)
	for len(untold) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(tellLeftEvery):
			untold = b.warnOfLeft(ctx, untold)
		}
	}
}

// warnOfTenants warns of the sinks' tenants, and returns the sinks of which it could not be
// found out whom they hold.
func (b *bridge) warnOfTenants(ctx context.Context, sinks []Sink) (untold []Sink) {
	known, err := knownTenants(ctx, b.store)
	if err != nil {
		return sinks // our own database has a problem, which others tell
	}
	for _, c := range sinks {
		if names := strangers(c.Tenants, known); len(names) > 0 {
			b.log.WarnContext(ctx, "sink is meant for tenants that nobody knows", "sink", c.Name, "tenants", names)
		}
	}
	return b.warnOfLeft(ctx, sinks)
}

func (b *bridge) warnOfLeft(ctx context.Context, sinks []Sink) (untold []Sink) {
	for _, c := range sinks {
		left, err := leftIn(ctx, b.store, c, b.sinks[c.Name])
		switch {
		case err != nil: // that a sink does not answer is told by its lane
			untold = append(untold, c)
		case len(left) > 0:
			b.log.WarnContext(ctx, "sink is not meant for tenants that it holds: their people are disabled there, and deleted after purge_after",
				"sink", c.Name, "count", len(left), "tenant_ids", left[:min(len(left), namedTenants)], "purge_after", c.PurgeAfter.String())
		}
	}
	return untold
}

// strangersText is what check says of a sink's tenants that nobody knows.
func strangersText(names []string) string {
	return fmt.Sprintf("%s: no message has named such a tenant, by id or code; correct it, unless the tenant is still to come",
		strings.Join(names, ", "))
}

// leftSink is the JSON form of a sink that is not meant for a tenant any more. Fields are only
// ever added.
type leftSink struct {
	// Since is when that was found, DeletedFrom when what it holds begins to be deleted. Of a
	// directory both are absent until serve or reconcile noted it; of tables always, as each
	// row has a time of its own.
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
