package orgsync

import "slices"

// kept tells which departments the sinks may still hold although the state does not: those
// that stood when their instance ended. A return within the time of a purge finds them, and
// what the first full list after it does not name goes: that absence is inferred from a list,
// so the guard counts it (and once only).
type kept struct {
	instances []Instance // as they were before the list
	of        InstanceID // whose list it is
	others    bool       // it is the first since the tenant as a whole ended, so it speaks for all
}

// keptUntil is what is kept until a full list of the instance comes.
func keptUntil(instances []Instance, lister Instance) kept {
	var ended Version
	for _, i := range instances {
		ended = max(ended, i.Ended)
	}
	first := lister.Listed <= ended
	for _, i := range instances {
		if i.IsBound() && (i.Listed > ended || max(i.Bound, i.Modified) <= ended) {
			first = false // another instance listed since, or never ended
		}
	}
	return kept{instances: withInstance(instances, lister), of: lister.ID, others: first}
}

// goes says whether d, of which the list says nothing, is one of them.
func (k kept) goes(d Department, assertions []Assertion) bool {
	found := false
	for _, a := range assertions {
		i := InstanceOf(k.instances, a.Instance)
		if a.Version > max(i.Ended, d.Denied) && a.Version >= i.Listed {
			return false // said since: it waits for its instance to be bound
		}
		found = found || (a.Instance == k.of || k.others) && a.stoodAtEnd(i, d)
	}
	return found
}

// stoodAtEnd says whether nothing but the end of its instance made the assertion void.
func (a Assertion) stoodAtEnd(i Instance, d Department) bool {
	return a.Version <= i.Ended && a.Version > d.Denied && a.Version >= i.Listed
}

// heldEnds lists the instances of whose end a person has not said yet, or has refused, that the
// sinks may follow it.
func (w *work) heldEnds() ([]InstanceID, error) {
	all, err := w.tx.Deferred()
	if err != nil {
		return nil, err
	}
	var held []InstanceID
	for _, d := range all {
		if d.Wait == WaitGuard && d.Header.Kind == TenantSync && d.Header.Version.Rank() == RankTenantEnd {
			held = append(held, d.Header.Instance)
		}
	}
	return held, nil
}

// isSpared says whether a department that is gone stood when one of these instances ended.
func isSpared(d Department, assertions []Assertion, instances []Instance, held []InstanceID) bool {
	return !d.Live && slices.ContainsFunc(assertions, func(a Assertion) bool {
		return slices.Contains(held, a.Instance) && a.stoodAtEnd(InstanceOf(instances, a.Instance), d)
	})
}
