package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// reportsShown is how many of a tenant's departments and users that a directory cannot hold
// are listed.
const reportsShown = 50

// directory tells what the server can and cannot do, and which of those who are there now it
// could not hold as they should be. It writes nothing. s is nil where there is no database
// yet.
func (d *doctor) directory(ctx context.Context, c Sink, sink *ldapsink.Sink, s *store.Store) {
	area := "sink " + c.Name
	profile, err := sink.Profile(ctx)
	if err != nil {
		return // it was told already
	}
	d.say(area, "server: "+profileText(profile), nil)
	if s == nil {
		return
	}
	tenants, err := selection{}.tenants(ctx, s)
	if err != nil {
		d.say(area, "tenants", err)
		return
	}
	left, err := leftIn(ctx, s, c)
	if err != nil {
		d.say(area, "tenants", err)
		return
	}
	for _, t := range tenants {
		if slices.Contains(left, t.ID) || allowTenants(c.Tenants)(orgsync.Tenant{ID: t.ID, Code: t.Code}) {
			d.fits(ctx, area, wholeDirectory{sink}, s, t)
		}
	}
}

// fits says whether the directory can hold everybody of a tenant.
func (d *doctor) fits(ctx context.Context, area string, sink wholeSink, s *store.Store, t store.TenantItem) {
	what := fmt.Sprintf("tenant %s", t.ID)
	view, err := inventoryOf(s, t.ID)
	if err != nil {
		d.say(area, what, err)
		return
	}
	found, err := sink.plan(ctx, view, wholeOptions{})
	switch {
	case err != nil:
		d.say(area, what, err)
		return
	case found.Left != nil:
		d.warn(area, what, fmt.Sprintf("%s; %s and %s are left", found.Left, countOf(found.Compared.Users, "user"), countOf(found.Compared.Departments, "department")))
	case len(found.Reports) == 0:
		d.say(area, what+": everything fits", nil)
		return
	}
	for n, r := range found.Reports {
		if n == reportsShown {
			d.warn(area, what, fmt.Sprintf("and %d more; kitbridge plan lists them", len(found.Reports)-n))
			return
		}
		d.warn(area, fmt.Sprintf("%s: %s %s", what, r.Kind, r.Name), r.Reason)
	}
}

// profileText says in a line what a server can do, as far as it matters here.
func profileText(p ldapsink.Profile) string {
	parts := []string{fmt.Sprintf("dialect %s (%s)", p.Dialect, p.Server)}
	switch {
	case p.NameBytes > 0:
		parts = append(parts, fmt.Sprintf("an RDN has at most %d bytes", p.NameBytes))
	case p.NameRunes > 0:
		parts = append(parts, fmt.Sprintf("an id has at most %d characters", p.NameRunes))
	}
	if p.DisableBy != "" {
		parts = append(parts, "users are disabled by "+p.DisableBy)
	} else {
		parts = append(parts, "disabled users stand below ou=disabled")
	}
	for _, can := range []struct {
		is      bool
		yes, no string
	}{
		{p.EmptyGroups, "empty groups", "no empty groups"},
		{p.SubtreeRename, "subtrees move", "subtrees do not move"},
		{p.Paged, "paged answers", "no paged answers: the account must have no size limit"},
	} {
		if can.is {
			parts = append(parts, can.yes)
		} else {
			parts = append(parts, can.no)
		}
	}
	return strings.Join(append(parts, "entries are known by "+p.StableID), ", ")
}
