package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// reportsShown is how many of a tenant's departments and users that a directory cannot hold,
// or not with all their values, are listed.
const reportsShown = 50

// directory tells which of those who are there now the server could not hold as they should
// be, and whether the account may write below the tenants' entries. s is nil where there is
// no database yet.
func (d *doctor) directory(ctx context.Context, c Sink, sink *ldapsink.Sink, s *store.Store) {
	area := "sink " + c.Name
	if _, err := sink.Profile(ctx); err != nil || s == nil {
		return // it was told already
	}
	tenants, err := selection{}.tenants(ctx, s)
	if err != nil {
		d.say(area, "tenants", err)
		return
	}
	left, err := leftIn(ctx, s, c, sink)
	if err != nil {
		d.say(area, "tenants", err)
		return
	}
	for _, t := range tenants {
		if slices.Contains(left, t.ID) || allowTenants(c.Tenants)(orgsync.Tenant{ID: t.ID, Code: t.Code}) {
			if err := sink.CheckTenant(ctx, t.ID); err != nil {
				d.say(area, fmt.Sprintf("tenant %s: rights", t.ID), err)
			}
			d.fits(ctx, area, wholeDirectory{sink}, s, t)
		}
	}
}

// tables tells which tenants the tables hold that are not meant for them.
func (d *doctor) tables(ctx context.Context, c Sink, sink *sqlsink.Sink, s *store.Store) {
	area := "sink " + c.Name
	left, err := leftIn(ctx, s, c, sink)
	if err != nil {
		d.say(area, "tenants", err)
		return
	}
	for _, id := range left {
		d.fits(ctx, area, wholeTables{sink}, s, store.TenantItem{ID: id})
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
	found, err := sink.plan(ctx, view, wholeOptions{everybody: true})
	switch {
	case err != nil:
		d.say(area, what, err)
		return
	case found.Left != nil:
		d.warn(area, what, fmt.Sprintf("%s; %s and %s are left", found.Left, countOf(found.Compared.Users, "user"), countOf(found.Compared.Departments, "department")))
	case len(found.Reports)+len(found.leftOut) == 0:
		d.say(area, what+": everything fits", nil)
		return
	}
	for _, of := range []struct {
		list []entryReport
		more string
	}{{found.Reports, "kitbridge plan lists them"}, {found.leftOut, "kitbridge explain says it of one"}} {
		for n, r := range of.list {
			if n == reportsShown {
				d.warn(area, what, fmt.Sprintf("and %d more; %s", len(of.list)-n, of.more))
				break
			}
			d.warn(area, strings.TrimSpace(fmt.Sprintf("%s: %s %s", what, r.Kind, r.Name)), r.Reason)
		}
	}
}
