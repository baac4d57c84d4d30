package orgsync

import (
	"fmt"
	"time"
)

// JournalID numbers the pushes of a store in the order in which they were accepted.
type JournalID int64

// Push is one verified request together with what it says.
type Push struct {
	Message Message
	// Refused is set when the signature was good but the message cannot be
	// understood (an ErrInvalid or ErrSecret). It is journalled and changes nothing.
	Refused error

	Kind   Kind   // the interface that was called
	Nonce  string // unique per kind
	Digest [32]byte
	// Body is the request's body with the client secret cut out.
	Body []byte
	// Signed is the time of the signature, Received ours.
	Signed, Received time.Time
	// Candidate names the form of the body that the signature matched.
	Candidate string
}

// Verdict is what became of a change. Each change has exactly one at any time.
type Verdict uint8

// The verdicts.
const (
	Applied Verdict = iota // it is part of the state
	Stale                  // something newer was known
	Parked                 // accepted, not yet placeable
	Held                   // waits for a person's yes
	Refused                // understood by nobody; answered as an error
	verdictCount
)

// String returns the verdict's name in the API.
func (v Verdict) String() string {
	switch v {
	case Applied:
		return "applied"
	case Stale:
		return "stale"
	case Parked:
		return "parked"
	case Held:
		return "held"
	case Refused:
		return "refused"
	default:
		return fmt.Sprintf("verdict(%d)", uint8(v))
	}
}

// Tally counts changes by their verdict. In a difference the numbers may be negative.
type Tally [verdictCount]int64

// Accepted is the sum: every change that was accepted has one verdict.
func (t Tally) Accepted() int64 {
	var n int64
	for _, c := range t {
		n += c
	}
	return n
}

// move gives n changes another verdict.
func (t *Tally) move(from, to Verdict, n int64) {
	t[from] -= n
	t[to] += n
}

// Answer is what the peer is told. It is stored with the push, because the same push
// again gets the same answer.
type Answer uint8

// The answers; package push has their codes and texts.
const (
	AnswerOK Answer = iota
	AnswerInvalid
	AnswerSecret
)

// ParkedChange is a change that is accepted and not yet placeable. ID names its
// register, so that there is at most one for each; a change whose own key is bad has
// an ID of its own.
type ParkedChange struct {
	ID       string
	Journal  JournalID
	Version  Version
	Kind     KeyKind // UserKey or DepartmentKey
	Key      string  // the user name or department code as sent
	Instance InstanceID
	Reason   string
}

// Reasons for parking that rules refer to. The others are texts of [Place].
const (
	ReasonUnbound        = "instance not bound"
	ReasonChangedRemoved = "changed after removal"
)
