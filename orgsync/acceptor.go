package orgsync

import (
	"context"
	"errors"
	"fmt"
	"net/url"
)

// Acceptor takes verified pushes in. It is safe for concurrent use.
type Acceptor struct {
	store Store
	wake  func()
}

// NewAcceptor returns an acceptor over the store. wake, which may be nil, is called
// after each commit that may have made keys dirty; it must not block.
func NewAcceptor(store Store, wake func()) *Acceptor {
	if wake == nil {
		wake = func() {}
	}
	return &Acceptor{store: store, wake: wake}
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
	scope := Scope{Realm: p.Message.Realm, Tenant: p.Message.Tenant}
	var receipt Receipt
	err := a.store.Update(ctx, scope, func(tx Tx) error {
		var err error
		receipt, err = take(tx, p)
		return err
	})
	if err != nil {
		return Receipt{}, fmt.Errorf("accept %s: %w", p.Kind, err)
	}
	a.wake()
	return receipt, nil
}

// take is the transaction.
func take(tx Tx, p Push) (Receipt, error) {
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
	w := &work{tx: tx, message: p.Message, version: p.Message.version(), journal: rec.ID}
	r := Receipt{ID: rec.ID, Answer: answerTo(p.Refused)}
	if p.Refused != nil {
		w.tally[Refused] = int64(max(1, p.Message.Changes()))
	} else if err := w.apply(); err != nil {
		return Receipt{}, err
	}
	// 3. The verdicts and the answer. With the commit all three become true at once.
	if err := tx.Settle(rec.ID, r.Answer, w.tally); err != nil {
		return Receipt{}, err
	}
	if w.earlier != (Tally{}) {
		if err := tx.Count(w.earlier); err != nil {
			return Receipt{}, err
		}
	}
	r.Tally = w.tally
	return r, nil
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

	denied map[OrgCode]bool // departments that this message removes
}

func (w *work) apply() error {
	m := w.message
	if reason := m.badKey(); reason != "" {
		return w.parkWhole(reason)
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
	n := max(1, w.message.Changes())
	for position := range n {
		if err := w.parkBad(position, TenantKey, string(w.message.Tenant), reason); err != nil {
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
