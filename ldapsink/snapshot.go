package ldapsink

import (
	"context"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

// snapshot is the departments of a tenant as one round sees them. The state may change while
// the round reads it; whatever changes is owed again, but a round that believed two answers of
// different moments would do what fits neither: put a department below one that is about to
// move, or a user in no group because the department came only after it was asked for. So the
// first answer about a department holds, and where departments stand follows from these
// answers alone.
type snapshot struct {
	view orgsync.View
	rows map[orgsync.OrgCode]orgsync.Department // the zero value: it is gone
}

// departments returns those of these departments that are live.
func (s *snapshot) departments(ctx context.Context, codes []orgsync.OrgCode) (map[orgsync.OrgCode]orgsync.PlacedDepartment, error) {
	for ask := s.unseen(codes); len(ask) > 0; {
		found, err := s.view.Departments(ctx, ask)
		if err != nil {
			return nil, fmt.Errorf("read departments: %w", err)
		}
		var above []orgsync.OrgCode
		for _, code := range ask {
			d := found[code]
			s.rows[code] = d.Department
			above = append(append(above, d.Path...), d.Parent)
		}
		ask = s.unseen(above)
	}
	return placed(s.rows, codes)
}

// unseen lists those of the codes of which nothing is known yet, each once.
func (s *snapshot) unseen(codes []orgsync.OrgCode) []orgsync.OrgCode {
	var list []orgsync.OrgCode
	asked := map[orgsync.OrgCode]bool{"": true}
	for _, code := range codes {
		if _, seen := s.rows[code]; !seen && !asked[code] {
			asked[code] = true
			list = append(list, code)
		}
	}
	return list
}

// placed says where those of the departments stand that are live: their paths are those of
// their entries. All above them are among the rows, or are gone.
func placed(rows map[orgsync.OrgCode]orgsync.Department, codes []orgsync.OrgCode) (map[orgsync.OrgCode]orgsync.PlacedDepartment, error) {
	lookup := func(code orgsync.OrgCode) (orgsync.Department, bool) {
		d := rows[code]
		return d, d.Live
	}
	placer := orgsync.Placer{Lookup: func(code orgsync.OrgCode) (orgsync.Department, bool, error) {
		d, live := lookup(code)
		return d, live, nil
	}}
	standing := make(map[orgsync.OrgCode]orgsync.PlacedDepartment, len(codes))
	for _, code := range codes {
		d, live := lookup(code)
		if !live {
			continue
		}
		var err error
		if d.Placed, d.Reason, err = placer.Place(d); err != nil {
			return nil, err
		}
		path := orgsync.PathOf(d, lookup)
		if !d.Placed {
			path = belowCycle(path, rows)
		}
		standing[code] = orgsync.PlacedDepartment{Department: d, Path: path}
	}
	return standing, nil
}

// belowCycle cuts a parked path. Departments that are each other's ancestors cannot stand
// below each other: each of them stands at the top, and what hangs from one of them below
// it. If the top of the path names a parent that is itself on the path, everything from
// the top to that parent is such a circle.
func belowCycle(path []orgsync.OrgCode, rows map[orgsync.OrgCode]orgsync.Department) []orgsync.OrgCode {
	parent := rows[path[0]].Parent
	for i, code := range path {
		if code == parent {
			return path[i:]
		}
	}
	return path
}
