package ldapsink

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// conflictError is a want that the plan left out.
type conflictError struct{ Conflict }

// Error says what is in the way and what to do.
func (e *conflictError) Error() string {
	switch {
	case e.Kind == NameTaken && e.By == (EntryID{}):
		return fmt.Sprintf("%s: the entry exists and is not ours; rename, move or delete it", e.DN)
	case e.Kind == NameTaken:
		return fmt.Sprintf("%s: folds to %s %q, which has the entry", e.DN, e.By.Kind, e.By.Name)
	case e.Kind == ParentMissing:
		return fmt.Sprintf("%s: not there, so nothing can stand below it", e.DN)
	case e.Kind == ParentBelow:
		return fmt.Sprintf("%s: stands below the entry that is to stand below it", e.DN)
	case e.By == (EntryID{}):
		return fmt.Sprintf("%s: an entry of others; what it stands below is kept until it is gone", e.DN)
	default:
		return fmt.Sprintf("%s: still stands below the entry that is to go", e.DN)
	}
}

// Public says the same without any name.
func (e *conflictError) Public() string {
	switch {
	case e.Kind == NameTaken && e.By == (EntryID{}):
		return "an entry that is not ours has the name; rename, move or delete it"
	case e.Kind == NameTaken:
		return "another one of the same name, to the directory, has the entry"
	case e.Kind == ParentMissing:
		return "the entry above is not there"
	case e.Kind == ParentBelow:
		return "the entry above stands below"
	case e.By == (EntryID{}):
		return "an entry of others stands below one that is to go"
	default:
		return "an entry still stands below one that is to go"
	}
}

// Is makes the conflicts rejections that only a person can end. What hangs on another key
// of ours, as a name that it holds, is tried again: nobody owes this key when that one
// goes.
func (e *conflictError) Is(target error) bool {
	return target == orgsync.ErrRejected && e.By == (EntryID{}) && (e.Kind == NameTaken || e.Kind == ChildrenStay)
}

// sortedIDs lists the ids of a map, in an order that is always the same.
func sortedIDs[V any](m map[EntryID]V) []EntryID {
	return slices.SortedFunc(maps.Keys(m), compareIDs)
}

func compareIDs(a, b EntryID) int {
	return cmp.Or(cmp.Compare(a.Kind.rank(), b.Kind.rank()), strings.Compare(a.Name, b.Name))
}
