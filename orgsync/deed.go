package orgsync

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Deed is what a sink remembers about the bridge that keeps it: whose it is, and how far
// the state had come that was last written to it. A sink that nobody owns has the zero
// Deed.
type Deed struct {
	Owner string // the id of a bridge
	Mark  Mark
}

// Mark is a point in the history of a state: Changes changes had been made to it, the
// last of them in the era Era. No clock is asked. The zero Mark is before everything.
type Mark struct {
	Era     string
	Changes int64
}

// String is the mark as sinks keep it, empty for the zero Mark.
func (m Mark) String() string {
	if m == (Mark{}) {
		return ""
	}
	return m.Era + ":" + strconv.FormatInt(m.Changes, 10)
}

// ParseMark reads what String wrote.
func ParseMark(s string) (Mark, error) {
	if s == "" {
		return Mark{}, nil
	}
	era, number, ok := strings.Cut(s, ":")
	n, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || n < 0 {
		return Mark{}, fmt.Errorf("%q is no mark of a state: %w", clip(s), ErrInvalid)
	}
	return Mark{Era: era, Changes: n}, nil
}

// Era is a stretch of a history, from a start of the bridge to the next. Its id is random,
// so that two copies of one database, each used by itself, tell their marks apart.
type Era struct {
	ID string
	// Begin is how many changes had been made before.
	Begin int64
}

// History is the past of a state as its database knows it.
type History struct {
	Bridge  string // the bridge's id
	Eras    []Era  // in their order; before the first is an era without a name
	Changes int64  // how many there have been
}

// Now is the mark of the state as it is.
func (h History) Now() Mark {
	if len(h.Eras) == 0 {
		return Mark{Changes: h.Changes}
	}
	return Mark{Era: h.Eras[len(h.Eras)-1].ID, Changes: h.Changes}
}

// Includes says whether the state went through the mark: it was made from this history
// and not from one that went on from an older copy of it, or further.
func (h History) Includes(m Mark) bool {
	begin, end, found := int64(0), h.Changes, m.Era == ""
	for _, e := range h.Eras {
		if found {
			end = e.Begin
			break
		}
		if e.ID == m.Era {
			begin, found = e.Begin, true
		}
	}
	return found && begin <= m.Changes && m.Changes <= end
}

// Standing is how a sink's deed stands to a bridge that is to write there.
type Standing int

// The zero Standing is none.
const (
	// StandingOurs: the sink is nobody's yet or ours, and as far as we knew it to be.
	StandingOurs Standing = iota + 1
	// StandingBehind: the sink is ours and went back to an older state of ours: it was
	// restored from a copy of its own.
	StandingBehind
	// StandingAhead: the sink is ours by name, but was written from a state that ours is
	// not made from: ours was restored from a copy, or another copy is in use.
	StandingAhead
	// StandingForeign: the sink belongs to another bridge.
	StandingForeign
)

// Judge says how a deed found in a sink stands to the bridge. seen is the furthest mark
// that the bridge remembers to have found there.
func (h History) Judge(found Deed, seen Mark) Standing {
	switch {
	case found.Owner != "" && found.Owner != h.Bridge:
		return StandingForeign
	case !h.Includes(found.Mark):
		return StandingAhead
	case found.Mark.Changes < seen.Changes:
		return StandingBehind
	default:
		return StandingOurs
	}
}

// ClosedError says that a sink is not ours to write: it stays as it is until a person
// lets this bridge take it over. It is an [ErrUnavailable]: what the sink is owed stays
// owed.
type ClosedError struct {
	Sink     string
	Standing Standing // StandingAhead or StandingForeign
	Owner    string   // the bridge that the sink names
	Bridge   string   // this one
}

// Error says why, and what to do.
func (e *ClosedError) Error() string { return e.Public() }

// Public says the same: bridges' ids name nobody.
func (e *ClosedError) Public() string {
	if e.Standing == StandingForeign {
		return fmt.Sprintf("closed: it belongs to bridge %s, this is bridge %s; nothing is written to it. If the other bridge is gone for good, "+
			"stop it and run: kitbridge take-over %s", clip(e.Owner), e.Bridge, e.Sink)
	}
	return fmt.Sprintf("closed: it holds what this database does not know: the database was restored from an older copy, or another copy of it is in use. "+
		"Nothing is written to it. Stop the other copy if there is one, have the marketplace push again what was pushed since the copy was made, "+
		"then run: kitbridge take-over %s", e.Sink)
}

// Is makes it an [ErrUnavailable].
func (e *ClosedError) Is(target error) bool { return target == ErrUnavailable }

// Registrar answers for the bridge when a sink asks whether it may be written. found is
// what the sink holds now. It returns the deed that stands for the state as it is, which
// the sink is to keep from now on; a [ClosedError] if the sink must not be written; or
// another error if the state cannot be read. A sink asks before it writes and keeps the
// deed with what it writes. It must be safe for concurrent use.
type Registrar func(ctx context.Context, found Deed) (Deed, error)

// SoleOwner is the [Registrar] of a bridge whose state has no history: it takes sinks that
// are nobody's, keeps those that are its own and refuses others.
func SoleOwner(sink, bridge string) Registrar {
	return func(_ context.Context, found Deed) (Deed, error) {
		if found.Owner != "" && found.Owner != bridge {
			return Deed{}, &ClosedError{Sink: sink, Standing: StandingForeign, Owner: found.Owner, Bridge: bridge}
		}
		return Deed{Owner: bridge, Mark: found.Mark}, nil
	}
}
