package orgsync

import (
	"maps"
	"slices"
)

// placement works out, after departments changed, which of them and of those below
// them can be reached from the top.
type placement struct {
	tx    Tx
	rows  map[OrgCode]Department // what was read or changed so far; a missing row was not read
	gone  map[OrgCode]bool       // read, and nothing is known of it
	moved []OrgCode              // other place than before: what stands below moves along
	dirty map[OrgCode]bool       // must be looked at by the sinks
}

// place writes the placements and gives the changes behind them their verdicts.
func (w *work) place(p *placement, mark bool) error {
	if err := p.followDown(); err != nil {
		return err
	}
	codes := slices.Sorted(maps.Keys(p.dirty))
	if len(codes) == 0 {
		return nil
	}
	var changed []Department
	placer := Placer{Lookup: p.lookup}
	for _, code := range codes {
		d := p.rows[code]
		placed, reason, err := placer.Place(d)
		if err != nil {
			return err
		}
		if d.Live && d.Placed && !placed {
			w.lost++ // it moves to where nobody looks for it
		}
		if d.Placed != placed || d.Reason != reason {
			d.Placed, d.Reason = placed, reason
			p.rows[code] = d
			changed = append(changed, d)
		}
	}
	if err := w.tx.PutDepartments(changed); err != nil {
		return err
	}
	if err := w.judge(p, codes); err != nil || !mark {
		return err
	}
	spared, err := w.spare()
	if err != nil {
		return err
	}
	keys := make([]DirtyKey, 0, len(codes))
	for _, code := range codes {
		urgency := Build
		if !p.rows[code].Live {
			if spared {
				continue
			}
			urgency = Demolish
		}
		keys = append(keys, DirtyKey{Key{Kind: DepartmentKey, ID: string(code)}, urgency})
	}
	return w.tx.MarkDirty(keys)
}

// followDown finds what stands below a department that moved, came or went.
func (p *placement) followDown() error {
	seen := make(map[OrgCode]bool)
	for level := p.moved; len(level) > 0; {
		for _, code := range level {
			seen[code] = true
		}
		children, err := p.tx.Children(level)
		if err != nil {
			return err
		}
		level = level[:0:0]
		for _, c := range children {
			if !seen[c.Code] {
				if _, ok := p.rows[c.Code]; !ok {
					p.rows[c.Code] = c
				}
				p.dirty[c.Code] = true
				level = append(level, c.Code)
			}
		}
	}
	return nil
}

func (p *placement) lookup(code OrgCode) (Department, bool, error) {
	if d, ok := p.rows[code]; ok {
		return d, true, nil
	}
	if p.gone[code] {
		return Department{}, false, nil
	}
	rows, err := p.tx.Departments([]OrgCode{code})
	if err != nil {
		return Department{}, false, err
	}
	d, ok := rows[code]
	if !ok {
		if p.gone == nil {
			p.gone = make(map[OrgCode]bool)
		}
		p.gone[code] = true
		return Department{}, false, nil
	}
	p.rows[code] = d
	return d, true, nil
}

// judge keeps one parked change for each live department that is not placed: the one
// that says where it should be.
func (w *work) judge(p *placement, codes []OrgCode) error {
	ids := make([]string, 0, len(codes))
	for _, code := range codes {
		ids = append(ids, departmentID(code))
	}
	parked, err := w.tx.Parked(ids)
	if err != nil {
		return err
	}
	for n, code := range codes {
		d := p.rows[code]
		was, isParked := parked[ids[n]]
		wants := d.Live && !d.Placed
		if isParked && wants && was.Journal == d.Journal && was.Reason == d.Reason {
			continue
		}
		if isParked {
			verdict := Stale
			if d.Live && was.Journal == d.Journal {
				verdict = Applied
			}
			if err := w.unpark(was, verdict); err != nil {
				return err
			}
		}
		if wants {
			if err := w.park(ParkedChange{
				ID: ids[n], Journal: d.Journal, Kind: DepartmentKey, Key: string(code), Reason: d.Reason,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func departmentID(code OrgCode) string { return registerID("department", string(code)) }
