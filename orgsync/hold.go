package orgsync

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// futureTolerance is how far ahead of its signature a statement may be dated.
const futureTolerance = 10 * time.Minute

// fromTheFuture says whether the push is dated ahead of its signature, and when it is
// due.
func (p Push) fromTheFuture() (due time.Time, ahead bool) {
	due = p.Message.At
	if p.Message.Stamp.After(due) {
		due = p.Message.Stamp
	}
	signed := p.Signed
	if signed.IsZero() {
		signed = p.Received
	}
	return due, !signed.IsZero() && due.Sub(signed) > futureTolerance
}

// heldError ends a transaction whose message needs a person's yes.
type heldError struct{ reason string }

// Error says why.
func (e *heldError) Error() string { return "held: " + e.reason }

// guard ends the transaction if the message destroys more than is allowed. emptied says
// that it is a list of nothing.
func (w *work) guard(emptied bool) error {
	if w.approved || w.lost == 0 && !emptied {
		return nil
	}
	if emptied {
		return &heldError{"an empty list removes every department"}
	}
	reason, err := w.exceeds()
	if err != nil {
		return err
	}
	if reason != "" {
		return &heldError{reason}
	}
	return w.tx.NoteDestroyed(w.received, w.lost)
}

// exceeds says why what the message destroys needs a person's yes, or nothing.
func (w *work) exceeds() (string, error) {
	recent, err := w.tx.Destroyed(w.received.Add(-time.Hour))
	if err != nil {
		return "", err
	}
	left, err := w.tx.LiveDepartments()
	if err != nil || !w.policy.Guard.Holds(w.lost, recent, left) {
		return "", err
	}
	return fmt.Sprintf("removes or cuts off %d departments (%d more within the hour), %d would remain", w.lost, recent, left), nil
}

// spare says whether what the end of one instance destroys stays in the sinks until a
// person says yes. The end itself is never held: it takes access away.
func (w *work) spare() (bool, error) {
	if w.message.Kind != TenantSync || w.message.Flag != FlagRemove || w.approved || w.lost == 0 {
		return false, nil
	}
	reason, err := w.exceeds()
	if err != nil {
		return false, err
	}
	if reason == "" {
		return false, w.tx.NoteDestroyed(w.received, w.lost)
	}
	w.tally[Applied]--
	return true, w.wait(Deferred{Wait: WaitGuard, Reason: reason, Content: w.message.listing()})
}

// hold sets the message aside for a person, unless a person has refused the same
// content before.
func (w *work) hold(held *heldError) error {
	all, err := w.tx.Deferred()
	if err != nil {
		return err
	}
	content := w.message.listing()
	for _, d := range all {
		if d.Rejected && d.Content == content {
			w.tally[Refused] += w.message.count()
			return nil
		}
	}
	w.complete = true // or it would not have been held
	if err := w.supersede(); err != nil {
		return err
	}
	return w.wait(Deferred{Wait: WaitGuard, Reason: held.reason, Content: content})
}

// wait sets the message aside.
func (w *work) wait(d Deferred) error {
	d.Journal, d.Header, d.Message = w.journal, w.message.Header(), w.message
	w.tally[d.Wait.verdict()] += w.message.count()
	return w.tx.Defer(d)
}

// listing is what a message lists, whatever its time and order.
func (m Message) listing() [32]byte {
	departments := slices.Clone(m.Departments)
	slices.SortFunc(departments, func(a, b DepartmentChange) int { return cmp.Compare(a.Code, b.Code) })
	text, err := json.Marshal(struct {
		Kind        Kind
		Flag        Flag
		Instance    InstanceID
		Departments []DepartmentChange
	}{m.Kind, m.Flag, m.Instance, departments})
	if err != nil {
		panic(err) // plain strings always marshal
	}
	return sha256.Sum256(text)
}

// supersede gives up what is held and older than this message about the same thing.
func (w *work) supersede() error {
	all, err := w.tx.Deferred()
	if err != nil {
		return err
	}
	for _, d := range all {
		if !w.supersedes(d) {
			continue
		}
		w.tallyOf(d.Journal).move(d.Wait.verdict(), Stale, d.Header.Changes)
		if err := w.tx.Undefer(d.Journal); err != nil {
			return err
		}
	}
	return nil
}

// supersedes says whether this message makes an older one that is held superfluous: what
// that one says is said anew, and the sinks are owed nothing for it any more.
func (w *work) supersedes(d Deferred) bool {
	m, older := w.message, d.Header
	if d.Rejected || d.Wait == WaitFuture || w.version <= older.Version || m.Instance != older.Instance {
		return false
	}
	switch {
	case m.Kind == AllOrgSync && w.complete:
		return older.Kind == AllOrgSync // a removal counts for other instances too
	case m.Kind == SingleOrgSync:
		return older.Kind == SingleOrgSync && older.Department == m.Departments[0].Code &&
			(older.Version.Rank() != RankRemove || w.removes() || w.reasserts)
	case m.Kind != TenantSync || older.Kind != TenantSync:
		return false
	case d.Wait == WaitGuard: // of an end, what the sinks are to lose; only a return spares it
		return m.Flag == FlagAdd
	default:
		return m.Enterprise.Domain != nil || m.Flag == FlagRemove
	}
}

// holdsHost sets the address of an auth centre aside if it is on another host than the
// tenant's, the tenant has a credential that could be sent there, and nobody vouched for
// the host. It does not matter whether the address would show now: another instance may
// end. The rest of the message applies.
func (w *work) holdsHost(before Tenant, was Instance, instances []Instance) (bool, error) {
	domain := w.message.Enterprise.Domain
	if w.approved || domain == nil || w.message.Flag == FlagRemove || before.Domain == "" || was.Domain.Version >= w.version {
		return false, nil
	}
	from, to := domainHost(before.Domain), domainHost(*domain)
	if from == to || w.vouched(to) {
		return false, nil
	}
	credentials, err := w.tx.Credentials()
	if err != nil {
		return false, err
	}
	for _, c := range credentials {
		if c.IsLive(InstanceOf(instances, c.Instance)) {
			if err := w.supersede(); err != nil {
				return false, err
			}
			return true, w.wait(Deferred{Wait: WaitHost, Reason: "moves the auth centre from " + from + " to " + to})
		}
	}
	return false, nil
}

func (w *work) vouched(host string) bool {
	for _, known := range w.policy.Hosts {
		if host == known || strings.HasSuffix(host, "."+known) {
			return true
		}
	}
	return false
}

// domainHost is the host of a domainName, which may lack a scheme.
func domainHost(domain string) string {
	domain = strings.TrimSpace(domain)
	if !strings.Contains(domain, "://") {
		domain = "https://" + domain
	}
	u, err := url.Parse(domain)
	if err != nil {
		return domain
	}
	return strings.ToLower(u.Hostname())
}
