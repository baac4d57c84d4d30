package orgsync

import (
	"slices"
	"strings"
)

// MaxDepth is how many levels a tree may have. What is deeper is parked: no directory
// takes such names.
const MaxDepth = 200

// Placer says of departments whether they can be reached from the top, and if not why.
// Its answers are a pure function of the rows, so they do not depend on the order in
// which the rows came; each row is looked at once, however many ask for it. It is for one
// goroutine and for rows that do not change meanwhile.
type Placer struct {
	// Lookup returns false for a department of which nothing was heard.
	Lookup func(OrgCode) (Department, bool, error)

	spots map[OrgCode]spot
}

// spot is where a department stands.
type spot struct {
	depth  int    // 1 at the top; 0: nowhere
	reason string // why it is nowhere
}

// Place returns whether the department can be reached, and else the reason. A department
// that is not live has neither.
func (p *Placer) Place(d Department) (placed bool, reason string, err error) {
	if !d.Live {
		return false, "", nil
	}
	if p.spots == nil {
		p.spots = make(map[OrgCode]spot)
	}
	trail, end, err := p.climb(d)
	if err != nil {
		return false, "", err
	}
	for _, code := range slices.Backward(trail) {
		if end.reason == "" {
			end.depth++
			if end.depth > MaxDepth {
				end = spot{reason: "too many levels"}
			}
		}
		p.spots[code] = end
	}
	s := p.spots[d.Code]
	return s.depth > 0, s.reason, nil
}

// climb walks up until it comes to somewhere known, and returns the way there.
func (p *Placer) climb(d Department) (trail []OrgCode, end spot, err error) {
	at := make(map[OrgCode]int)
	for {
		if s, ok := p.spots[d.Code]; ok {
			return trail, s, nil
		}
		if first, ok := at[d.Code]; ok {
			return trail, spot{reason: "cycle " + cycleText(trail[first:])}, nil
		}
		at[d.Code] = len(trail)
		trail = append(trail, d.Code)
		if d.Parent == "" {
			return trail, spot{}, nil
		}
		parent, ok, err := p.Lookup(d.Parent)
		switch {
		case err != nil:
			return nil, spot{}, err
		case !ok:
			return trail, spot{reason: "parent unknown: " + string(d.Parent)}, nil
		case !parent.Live:
			return trail, spot{reason: "parent deleted: " + string(d.Parent)}, nil
		}
		d = parent
	}
}

// cycleShown is how many departments of a cycle are named.
const cycleShown = 5

// cycleText writes A→B→A, from the first in byte order; of a long cycle the beginning.
func cycleText(cycle []OrgCode) string {
	first := slices.Index(cycle, slices.Min(cycle))
	parts := make([]string, 0, cycleShown+2)
	for n := range min(len(cycle), cycleShown) {
		parts = append(parts, string(cycle[(first+n)%len(cycle)]))
	}
	if len(cycle) > cycleShown {
		parts = append(parts, "…")
	}
	return strings.Join(append(parts, string(cycle[first])), "→")
}
