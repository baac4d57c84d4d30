package orgsync

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Policy is what an operator decides about accepting.
type Policy struct {
	// Guard bounds destruction.
	Guard Guard
	// Hosts are hosts that an auth centre may move to without a person's yes; each
	// stands for everything below it too.
	Hosts []string
}

// Acceptor takes verified pushes in. It is safe for concurrent use.
type Acceptor struct {
	store  Store
	policy Policy
	wake   func()
}

// NewAcceptor returns an acceptor over the store. wake, which may be nil, is called
// after each commit that may have made keys dirty; it must not block.
func NewAcceptor(store Store, policy Policy, wake func()) *Acceptor {
	if wake == nil {
		wake = func() {}
	}
	return &Acceptor{store: store, policy: policy, wake: wake}
}

// Receipt says what became of a push.
type Receipt struct {
	ID     JournalID
	Answer Answer
	Tally  Tally
	// Repeated: the very same push was recorded before; this is its answer again.
	Repeated bool
}

// Accept journals the push, applies it to the state and marks what the sinks owe
// themselves, all in one transaction. When it returns without an error, that is
// durable; the answer may be given. The same push again gets the same answer and
// changes nothing; another body under a known nonce is ErrReplay. Any other error means
// that nothing was written.
func (a *Acceptor) Accept(ctx context.Context, p Push) (Receipt, error) {
	version := p.Message.version() // outside the transaction: it hashes all that is said
	receipt, err := a.accept(ctx, p, version, nil)
	if held, ok := errors.AsType[*heldError](err); ok {
		// What it would have destroyed was taken back with the transaction.
		receipt, err = a.accept(ctx, p, version, held)
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("accept %s: %w", p.Kind, err)
	}
	a.wake()
	return receipt, nil
}

func (a *Acceptor) accept(ctx context.Context, p Push, v Version, held *heldError) (Receipt, error) {
	scope := Scope{Realm: p.Message.Realm, Tenant: p.Message.Tenant}
	var receipt Receipt
	err := a.store.Update(ctx, scope, func(tx Tx) error {
		var err error
		receipt, err = a.take(tx, p, v, held)
		return err
	})
	return receipt, err
}

// take is the transaction. held, if not nil, says why the push must wait.
func (a *Acceptor) take(tx Tx, p Push, v Version, held *heldError) (Receipt, error) {
	// 1. The journal. From here on the nonce is taken.
	rec, err := tx.Record(p)
	if err != nil {
		return Receipt{}, err
	}
	if rec.Known {
		if rec.Digest != p.Digest {
			return Receipt{}, ErrReplay
		}
		return Receipt{ID: rec.ID, Answer: rec.Answer, Repeated: true}, nil
	}
	// 2. The registers, the projections, the dirty keys.
	w := a.newWork(tx, p.Message, v, rec.ID, p.Received)
	due, future := p.fromTheFuture()
	switch {
	case p.Refused != nil:
		w.tally[Refused] = max(1, p.Message.count())
	case held != nil:
		err = w.hold(held)
	case future:
		err = w.wait(Deferred{Wait: WaitFuture, Due: due, Reason: "dated " + due.Format(time.RFC3339)})
	default:
		err = w.apply()
	}
	if err != nil {
		return Receipt{}, err
	}
	// 3. The verdicts and the answer. With the commit all three become true at once.
	r := Receipt{ID: rec.ID, Answer: answerTo(p.Refused), Tally: w.tally}
	if err := tx.Settle(rec.ID, r.Answer, w.tally); err != nil {
		return Receipt{}, err
	}
	return r, w.countEarlier()
}

func (w *work) countEarlier() error {
	if w.earlier == (Tally{}) {
		return nil
	}
	return w.tx.Count(w.earlier)
}

// count is how many changes the message counts for: an empty full list says a lot, an
// empty authSync nothing.
func (m Message) count() int64 {
	if m.Kind == AuthSync {
		return int64(len(m.Users))
	}
	return int64(max(1, m.Changes()))
}

func answerTo(refused error) Answer {
	switch {
	case refused == nil:
		return AnswerOK
	case errors.Is(refused, ErrSecret):
		return AnswerSecret
	default:
		return AnswerInvalid
	}
}

// work is one message being applied.
type work struct {
	tx      Tx
	message Message
	version Version
	journal JournalID

	tally   Tally // verdicts of this push's changes
	earlier Tally // changes of earlier pushes that get another verdict

	markAll bool  // every department is looked at by the sinks, but those that a held end spares
	kept    *kept // what a full list takes from the sinks that the state lost before; nil: nothing

	denied map[OrgCode]Version // when departments were removed that this message removes, or asserts since

	policy   Policy
	received time.Time
	approved bool // a person said yes: neither guard nor host holds it
	complete bool // a full list that says something by its silence
	// reasserts: a singleOrgSync that shows, as its instance is bound.
	reasserts bool
	lost      int // departments that the message destroys, or takes the place of
}

func (a *Acceptor) newWork(tx Tx, m Message, v Version, id JournalID, received time.Time) *work {
	return &work{
		tx: tx, message: m, version: v, journal: id, policy: a.policy, received: received,
		// Nobody would say yes to a debugging message, and it reaches no sink.
		approved: m.Realm == Test,
	}
}

func (w *work) apply() error {
	m := w.message
	if reason := m.badKey(); reason != "" {
		return w.parkWhole(reason)
	}
	if void, err := w.void(); void || err != nil {
		return err
	}
	switch m.Kind {
	case TenantSync:
		return w.tenant()
	case ApplicationSync:
		return w.application()
	case AuthSync:
		return w.users()
	default:
		return w.departments()
	}
}

// badKey names the key of the message itself that cannot be one, if any.
func (m Message) badKey() string {
	for _, k := range []struct {
		field string
		err   error
	}{
		{"tenantId", CheckKey(string(m.Tenant))},
		{"instanceId", checkOptionalKey(string(m.Instance))},
		{"appId", checkOptionalKey(string(m.App))},
	} {
		if k.err != nil {
			return k.field + " " + k.err.Error()
		}
	}
	return ""
}

// parkWhole sets the message aside: its own key is bad, so no register is its.
func (w *work) parkWhole(reason string) error {
	for position := range w.message.count() {
		if err := w.parkBad(int(position), TenantKey, string(w.message.Tenant), reason); err != nil {
			return err
		}
	}
	return nil
}

// parkBad sets one change aside for good: no register can be its.
func (w *work) parkBad(position int, kind KeyKind, key, reason string) error {
	w.tally[Parked]++
	return w.tx.Park([]ParkedChange{{
		ID:      fmt.Sprintf("journal/%d/%d", w.journal, position),
		Journal: w.journal, Version: w.version.at(position), Kind: kind, Key: key,
		Instance: w.message.Instance, Reason: reason,
	}})
}

// tallyOf is where a change with that journal id is counted.
func (w *work) tallyOf(id JournalID) *Tally {
	if id == w.journal {
		return &w.tally
	}
	return &w.earlier
}

// unpark gives a parked change its verdict.
func (w *work) unpark(c ParkedChange, to Verdict) error {
	w.tallyOf(c.Journal).move(Parked, to, 1)
	return w.tx.Unpark([]string{c.ID})
}

// park sets a change aside that was counted as applied.
func (w *work) park(c ParkedChange) error {
	w.tallyOf(c.Journal).move(Applied, Parked, 1)
	return w.tx.Park([]ParkedChange{c})
}

func (w *work) count(news bool) {
	if news {
		w.tally[Applied]++
	} else {
		w.tally[Stale]++
	}
}

// registerID names a register as a parked change does.
func registerID(kind string, parts ...string) string {
	id := kind
	for _, p := range parts {
		id += "/" + url.PathEscape(p)
	}
	return id
}

func (w *work) application() error {
	m := w.message
	c, err := w.tx.Credential(m.Instance, m.App)
	if err != nil {
		return err
	}
	news := c.apply(m.Client, m.Flag, w.version)
	w.count(news)
	return w.tx.PutCredential(c)
}
