package orgsync

import (
	"cmp"
	"slices"
	"strings"
)

// Assertion is the register of one department as one instance asserts it, by
// singleOrgSync or by a full list.
type Assertion struct {
	Instance InstanceID
	Code     OrgCode
	Version  Version
	Name     string
	Parent   OrgCode
	Journal  JournalID // the push that carried it
}

// visible says whether the assertion counts once its instance is bound.
func (a Assertion) visible(i Instance, d Department) bool {
	return a.Version >= i.Listed && a.Version > max(i.Ended, d.Denied)
}

// waits says whether the assertion would count if only its instance were bound.
func (a Assertion) waits(i Instance, d Department) bool { return !i.IsBound() && a.visible(i, d) }

// Department is a department of a tenant as it stands now. Live and Placed are
// derived; Denied is the register of the newest explicit removal, which counts for all
// instances.
type Department struct {
	Code   OrgCode
	Denied Version

	Live    bool
	Name    string
	Parent  OrgCode
	Journal JournalID // the push that says so

	// Placed: reachable from the top. A live department that is not is parked, and
	// Reason says why.
	Placed bool
	Reason string
}

// ProjectDepartment derives the department from what the instances assert: live iff
// some bound instance asserts it, not older than that instance's last full list and
// newer than the last explicit denial and the instance's end. Name and parent are the
// newest among those. Placement is not touched; see [Place].
func ProjectDepartment(d Department, instances []Instance, assertions []Assertion) Department {
	var best Assertion
	for _, a := range assertions {
		i := InstanceOf(instances, a.Instance)
		if a.Code != d.Code || !i.IsBound() || !a.visible(i, d) {
			continue
		}
		if a.Version > best.Version {
			best = a
		}
	}
	d.Live = best.Version != ""
	d.Name, d.Parent, d.Journal = best.Name, best.Parent, best.Journal
	return d
}

// PathOf lists the codes from the top down to d, by way of lookup. Of a parked
// department it is what is known: from its last live ancestor down, or the last
// [MaxDepth] levels.
func PathOf(d Department, lookup func(OrgCode) (Department, bool)) []OrgCode {
	path := []OrgCode{d.Code}
	seen := map[OrgCode]bool{d.Code: true}
	for parent := d.Parent; parent != "" && !seen[parent] && len(path) < MaxDepth; {
		p, ok := lookup(parent)
		if !ok || !p.Live {
			break
		}
		path = append(path, parent)
		seen[parent] = true
		parent = p.Parent
	}
	slices.Reverse(path)
	return path
}

func compareKeys[A, B ~string](a1, b1 A, a2, b2 B) int {
	return cmp.Or(strings.Compare(string(a1), string(b1)), strings.Compare(string(a2), string(b2)))
}
