package orgsync

import (
	"encoding/json"
	"fmt"
	"time"
)

// Wait is why an accepted message has not been applied yet.
type Wait uint8

// The reasons for waiting.
const (
	// WaitFuture: it is dated in the future. It is parked until it is due.
	WaitFuture Wait = iota + 1
	// WaitGuard: it would destroy more than the guard allows. A person decides.
	WaitGuard
	// WaitHost: it moves the auth centre to a host that nobody vouched for. A person
	// decides; until then no secret goes there.
	WaitHost
)

// String returns the reason in one word.
func (w Wait) String() string {
	switch w {
	case WaitFuture:
		return "future"
	case WaitGuard:
		return "guard"
	case WaitHost:
		return "host"
	default:
		return fmt.Sprintf("wait(%d)", uint8(w))
	}
}

// verdict is how the changes of a waiting message are counted.
func (w Wait) verdict() Verdict {
	if w == WaitFuture {
		return Parked
	}
	return Held
}

// Header is what is asked of a waiting message while others arrive.
type Header struct {
	Version  Version
	Kind     Kind
	Instance InstanceID
	// Department is the first one's code: a singleOrgSync has no other.
	Department OrgCode
	// Changes is how many changes it counts for.
	Changes int64
}

// Header returns the header of the message.
func (m Message) Header() Header {
	h := Header{Version: m.version(), Kind: m.Kind, Instance: m.Instance, Changes: m.count()}
	if len(m.Departments) > 0 {
		h.Department = m.Departments[0].Code
	}
	return h
}

// Deferred is an accepted message that has not been applied.
type Deferred struct {
	Journal JournalID
	Header  Header
	// Message is what it says. A rejected one has none any more.
	Message Message
	Wait    Wait
	// Due is when a message from the future is applied by itself.
	Due time.Time
	// Reason is for people: numbers and host names, nobody's name.
	Reason string
	// Content tells full lists apart by what they list, whatever their time.
	Content [32]byte
	// Rejected: a person said no. It is kept so that the same content stays refused.
	Rejected bool
}

// Due names a message from the future that is due.
type Due struct {
	Scope   Scope
	Journal JournalID
}

// Guard bounds what may be destroyed without a person's yes, counted per tenant over an
// hour: held is what is more than Count and more than Percent of what there is, or more
// than Max, or everything where there were at least five. The zero value holds every
// destruction.
type Guard struct {
	Count, Percent, Max int
}

// DefaultGuard returns the bounds that suit most: 50 and 30 %, 1000.
func DefaultGuard() Guard { return Guard{Count: 50, Percent: 30, Max: 1000} }

// guardFew is how few of a kind may vanish altogether.
const guardFew = 5

// Holds decides whether removing now of a kind, of which left would remain and recent
// were removed within the hour, needs a person's yes.
func (g Guard) Holds(now, recent, left int) bool {
	if now == 0 {
		return false
	}
	total := now + recent
	before := total + left
	return total > g.Max ||
		total > g.Count && 100*total > g.Percent*before ||
		left == 0 && before >= guardFew
}

// messageText is how a message is kept. It holds the client secret in clear, so it must
// be sealed.
type messageText struct {
	Message
	Secret string
}

// EncodeMessage writes a message so that [DecodeMessage] reads it back, client secret
// included: whoever stores the text must seal it.
func EncodeMessage(m Message) ([]byte, error) {
	t := messageText{Message: m, Secret: string(m.Client.Secret)}
	t.Client.Secret = ""
	return json.Marshal(t) //nolint:gosec // the caller seals it
}

// DecodeMessage reads what [EncodeMessage] wrote.
func DecodeMessage(text []byte) (Message, error) {
	var t messageText
	if err := json.Unmarshal(text, &t); err != nil {
		return Message{}, fmt.Errorf("stored message: %w", err)
	}
	t.Client.Secret = Secret(t.Secret)
	return t.Message, nil
}
