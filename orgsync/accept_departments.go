package orgsync

// departments applies a singleOrgSync or an allOrgSync.
func (w *work) departments() error {
	m := w.message
	instances, err := w.tx.Instances()
	if err != nil {
		return err
	}
	i := InstanceOf(instances, m.Instance)
	codes, complete, err := w.parkBadCodes()
	if err != nil {
		return err
	}
	if w.removes() {
		err = w.deny(codes)
	} else {
		err = w.assert(i, codes)
	}
	if err != nil {
		return err
	}
	if err := w.denyBefore(i); err != nil {
		return err
	}
	w.complete = complete
	before := keptUntil(instances, i)
	raised := m.Kind == AllOrgSync && complete && raise(&i.Listed, w.version)
	emptied := raised && len(m.Departments) == 0
	if len(m.Departments) == 0 {
		w.count(raised)
	}
	if raised {
		// The list is silent about all others, so all are looked at.
		if err := w.tx.PutInstance(i); err != nil {
			return err
		}
		instances = withInstance(instances, i)
		if codes, err = w.tx.Codes(); err != nil {
			return err
		}
		// The sinks kept what stood when the tenant ended. Now it is known what came back,
		// by this instance or another, so the rest may go.
		if w.markAll = hasEnded(instances); w.markAll {
			w.kept = &before
		}
	}
	if err := w.reprojectDepartments(instances, codes, true); err != nil {
		return err
	}
	if err := w.guard(emptied); err != nil {
		return err
	}
	return w.supersede()
}

// parkBadCodes sets elements aside whose code cannot be a key, and says whether the
// list is whole: only a whole list says something by its silence.
func (w *work) parkBadCodes() (codes []OrgCode, complete bool, err error) {
	complete = !w.message.Incomplete && !w.message.AddOnly
	if w.message.Incomplete {
		if err := w.parkBad(0, DepartmentKey, "", "the list could not be read to its end"); err != nil {
			return nil, false, err
		}
	}
	seen := make(map[OrgCode]bool, len(w.message.Departments))
	for n, d := range w.message.Departments {
		bad := CheckKey(string(d.Code))
		if bad == nil && !w.removes() {
			bad = checkOptionalKey(string(d.Parent))
		}
		switch {
		case bad != nil:
			complete = false
			if err := w.parkBad(n+1, DepartmentKey, string(d.Code), "orgCode or parentCode "+bad.Error()); err != nil {
				return nil, false, err
			}
		case !seen[d.Code]:
			seen[d.Code] = true
			codes = append(codes, d.Code)
		}
	}
	return codes, complete, nil
}

// removes says whether the message is the explicit removal of a department. Removals
// are never refused or parked for what else they say.
func (w *work) removes() bool {
	return w.message.Kind == SingleOrgSync && w.message.Flag == FlagRemove
}

// deny notes an explicit removal, which reprojectDepartments records. It counts for all instances and stays for good.
func (w *work) deny(codes []OrgCode) error {
	have, err := w.tx.Departments(codes)
	if err != nil {
		return err
	}
	w.denied = make(map[OrgCode]Version, len(codes))
	for _, code := range codes {
		news := w.version > have[code].Denied
		if news {
			w.denied[code] = w.version
		}
		w.count(news)
	}
	return nil
}

// denyBefore notes the held removals of a department that is now asserted anew. They
// destroy nothing any more, and what other instances said before them must not reappear
// when this one takes its word back.
func (w *work) denyBefore(i Instance) error {
	if w.message.Kind != SingleOrgSync || w.removes() || !i.IsBound() {
		return nil
	}
	w.reasserts = true
	all, err := w.tx.Deferred()
	if err != nil {
		return err
	}
	w.denied = make(map[OrgCode]Version)
	for _, d := range all {
		if code := d.Header.Department; w.supersedes(d) && d.Header.Version.Rank() == RankRemove {
			w.denied[code] = max(w.denied[code], d.Header.Version)
		}
	}
	return nil
}

// assert records what the message says about each department.
func (w *work) assert(i Instance, codes []OrgCode) error {
	have, err := w.tx.Assertions(codes)
	if err != nil {
		return err
	}
	rows, err := w.tx.Departments(codes)
	if err != nil {
		return err
	}
	mine := make(map[OrgCode]Assertion, len(codes))
	for _, code := range codes {
		for _, a := range have[code] {
			if a.Instance == i.ID {
				mine[code] = a
			}
		}
	}
	var news []Assertion
	for n, d := range w.message.Departments {
		a, v := mine[d.Code], w.version.at(n+1)
		if CheckKey(string(d.Code)) != nil || checkOptionalKey(string(d.Parent)) != nil {
			continue // parked already
		}
		wins := v > a.Version
		w.count(wins && v > max(i.Ended, rows[d.Code].Denied) && v > i.Listed)
		if wins {
			mine[d.Code] = Assertion{
				Instance: i.ID, Code: d.Code, Version: v, Name: dropControls(d.Name), Parent: d.Parent, Journal: w.journal,
			}
		}
	}
	for _, code := range codes {
		if mine[code].Journal == w.journal {
			news = append(news, mine[code])
		}
	}
	return w.tx.PutAssertions(news)
}

// reprojectDepartments derives these departments anew, places them and whatever
// stands below them, and, if told to, makes their keys dirty.
func (w *work) reprojectDepartments(instances []Instance, codes []OrgCode, mark bool) error {
	if len(codes) == 0 {
		return nil
	}
	assertions, err := w.tx.Assertions(codes)
	if err != nil {
		return err
	}
	rows, err := w.tx.Departments(codes)
	if err != nil {
		return err
	}
	if rows == nil {
		rows = make(map[OrgCode]Department)
	}
	var held []InstanceID
	if w.markAll {
		if held, err = w.heldEnds(); err != nil {
			return err
		}
	}
	p := placement{tx: w.tx, rows: rows, dirty: make(map[OrgCode]bool)}
	var changed []Department
	for _, code := range codes {
		was, known := rows[code]
		is := was
		is.Code = code
		is.Denied = max(is.Denied, w.denied[code])
		is = ProjectDepartment(is, instances, assertions[code])
		if w.markAll && known && !isSpared(is, assertions[code], instances, held) {
			p.rows[code] = is
			p.dirty[code] = true
		}
		if w.kept != nil && known && !was.Live && !is.Live && w.kept.goes(is, assertions[code]) {
			w.lost++
		}
		if known && is == was || !known && is.Denied == "" && len(assertions[code]) == 0 {
			continue
		}
		changed = append(changed, is)
		p.rows[code] = is
		p.dirty[code] = true
		if was.Live && !is.Live {
			w.lost++
		}
		if !known || is.Live != was.Live || is.Parent != was.Parent {
			p.moved = append(p.moved, code)
		}
	}
	if err := w.tx.PutDepartments(changed); err != nil {
		return err
	}
	if err := w.judgeAssertions(instances, codes, assertions, p.rows); err != nil {
		return err
	}
	return w.place(&p, mark)
}

// judgeAssertions keeps a parked change for each assertion that waits for its instance
// to be bound.
func (w *work) judgeAssertions(
	instances []Instance, codes []OrgCode, assertions map[OrgCode][]Assertion, rows map[OrgCode]Department,
) error {
	var ids []string
	for _, code := range codes {
		for _, a := range assertions[code] {
			ids = append(ids, assertionID(a))
		}
	}
	parked, err := w.tx.Parked(ids)
	if err != nil {
		return err
	}
	for _, code := range codes {
		for _, a := range assertions[code] {
			was, isParked := parked[assertionID(a)]
			d := rows[code]
			waits := a.waits(InstanceOf(instances, a.Instance), d)
			if isParked && waits && was.Version == a.Version {
				continue
			}
			if isParked {
				verdict := Stale
				if d.Live && d.Journal == was.Journal {
					verdict = Applied
				}
				if err := w.unpark(was, verdict); err != nil {
					return err
				}
			}
			if !waits {
				continue
			}
			if err := w.park(ParkedChange{
				ID: assertionID(a), Journal: a.Journal, Version: a.Version, Kind: DepartmentKey,
				Key: string(code), Instance: a.Instance, Reason: ReasonUnbound,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func assertionID(a Assertion) string {
	return registerID("assertion", string(a.Instance), string(a.Code))
}
