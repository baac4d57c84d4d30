package sso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"
)

const (
	// renewTimeout ends the asking about a session, whose calls have timeouts of their own. turnAge is how long the turn is kept for
	// it: longer, so that nobody asks while another may still be asking.
	renewTimeout = 40 * time.Second
	turnAge      = time.Minute
	// renewRetry is when a session is asked about again after an auth centre gave no answer that says anything.
	renewRetry = time.Minute
	// outagePause is how long an auth centre that did not answer is not asked about other sessions either: each of them keeps a
	// person waiting.
	outagePause = 15 * time.Second
)

// Outcomes of [EventSessionRefreshed] and [EventSessionEnded].
const (
	refreshUnchanged  = "unchanged"
	refreshChanged    = "changed"
	refreshUnanswered = "unanswered"
	refreshForgotten  = "forgotten"
	endedRefused      = "refused"
	endedTwoPeople    = "two_people"
	endedToken        = "token_rejected"
	endedTenant       = "tenant_mismatch"
)

// errTurnLost means that another process has the turn by now, or that the session is over.
var errTurnLost = errors.New("the turn to ask about the session is lost")

// renewed asks the auth centre about the person of a decision, if that is due and nobody else is asking. It reports whether it
// did: then the decision has to be made anew. Who comes meanwhile is answered by the decision as it is.
func (rp *RelyingParty) renewed(ctx context.Context, d *decision) bool {
	due := d.live.Due
	if due.IsZero() {
		return false
	}
	way := rp.wayOf(d.live.Tenant)
	if way.settings.Refresh == RefreshOff {
		return false
	}
	now := rp.now()
	asker, can := way.profile.(renewer)
	if !can || now.Before(due) || rp.outages.last(d.live.Domain, now) || !d.renewing.CompareAndSwap(false, true) {
		return false
	}
	// Who hangs up must not lose an answer: a refresh token may be good only once.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTimeout)
	defer cancel()
	r := &renewal{rp: rp, asker: asker, settings: way.settings, key: d.key, live: d.live, turn: now.Add(turnAge).Truncate(time.Millisecond)}
	taking, stop := context.WithTimeout(ctx, touchTimeout)
	kept, mine, err := rp.sessions.port.TakeTurn(taking, d.key, due, r.turn)
	stop()
	if err != nil {
		rp.log.WarnContext(ctx, "session not asked about", slog.Any("error", err))
	}
	if err != nil || !mine {
		return false // it is due still, or another's; the decision holds
	}
	defer rp.decider.forget(d.key, nil)
	r.settle(ctx, r.ask(ctx, kept))
	return true
}

// renewal is the asking about one session. Its turn is held by this process.
type renewal struct {
	rp       *RelyingParty
	asker    renewer
	key      SessionKey
	live     LiveSession
	turn     time.Time
	kept     Tokens
	settings *Settings
	said     *Said // what is to be stored; nil until the auth centre answered
}

// ask asks the auth centre, by the access token while that is good, and stores what it was given before that counts:
//
//  1. A refresh token is exchanged. After a crash here the answer is lost, and what comes of using the token again is the auth
//     centre's choice.
//  2. The new tokens are stored. After a crash the next turn goes on with them.
//  3. Who the person is now is asked. That changes nothing, and is done again after a crash.
func (r *renewal) ask(ctx context.Context, kept Tokens) error {
	r.kept = kept
	to, err := r.target(ctx)
	if err != nil {
		return err
	}
	var answer claims
	for asked := false; ; asked = true {
		if asked || !r.kept.good(r.rp.now()) {
			if answer, err = r.refresh(ctx, to); err != nil {
				return err
			}
		}
		said, whole, err := r.asker.whois(ctx, to, r.kept, answer)
		if errors.Is(err, errTokenRefused) && answer == nil && r.kept.Refresh != "" {
			continue // it ran out early: a refresh tells whether that is all
		}
		if err != nil {
			return err
		}
		r.said, err = r.live.hear(said, whole, to.tenant, r.settings)
		return err
	}
}

// errMoved means that what is kept is good for another auth centre or client than the tenant's of now.
var errMoved = errors.New("the auth centre or the client is another one now")

// target returns where to ask: the auth centre and the client that the tokens are of, and no other.
func (r *renewal) target(ctx context.Context) (target, error) {
	to, err := r.rp.settledTarget(ctx, r.live.Tenant)
	if err != nil {
		return target{}, err
	}
	k := r.kept
	if to.domain != k.Domain || to.issuer != k.Issuer || to.credential.ClientID != k.ClientID || to.credential.App != r.live.App {
		return target{}, errMoved
	}
	return to, nil
}

// refresh does steps 1 and 2.
func (r *renewal) refresh(ctx context.Context, to target) (claims, error) {
	if r.kept.Refresh == "" {
		return nil, errMoved // nothing is left to ask with
	}
	answer, err := r.asker.refresh(ctx, to, r.kept.Refresh)
	if errors.Is(err, ErrClientRejected) {
		again, aerr := r.target(ctx)
		if aerr == nil && again.credential.Secret != to.credential.Secret { // it was rotated a moment ago
			answer, err = r.asker.refresh(ctx, again, r.kept.Refresh)
		}
	}
	if err != nil {
		return nil, err
	}
	r.kept = r.kept.renewed(tokensOf(answer, to, r.rp.now()))
	ok, err := r.rp.sessions.port.RenewSession(ctx, r.key, r.turn, Renewal{Due: r.turn, Tokens: r.kept})
	if err == nil && !ok {
		err = errTurnLost
	}
	return answer, portErrorOr(err, errTurnLost)
}

// portErrorOr is portError for everything but one kind.
func portErrorOr(err, kind error) error {
	if errors.Is(err, kind) {
		return err
	}
	return portError(err)
}

// settle stores what came of asking, and tells of it.
func (r *renewal) settle(ctx context.Context, err error) {
	if errors.Is(err, errTurnLost) {
		return
	}
	rp, now := r.rp, r.rp.now()
	event := Event{Name: EventSessionRefreshed, Check: checkOf(err), Tenant: r.live.Tenant, User: r.live.User, Solicited: true}
	var result Renewal
	switch over := endedBy(err); {
	case err == nil:
		event.Outcome = refreshUnchanged
		if *r.said != (Said{r.live.Role, r.live.Filled}) {
			event.Outcome, result.Said = refreshChanged, r.said
		}
		result.Due = r.settings.dueAt(r.kept, now)
	case over != "":
		event.Name, event.Outcome, result.Over = EventSessionEnded, over, true
	case errors.Is(err, errMoved):
		event.Outcome = refreshForgotten
	default: // nothing was said: the session goes on, until its own limits if it stays so
		event.Outcome, result.Due = refreshUnanswered, now.Add(renewRetry).Truncate(time.Millisecond)
		if rp.outages.begin(r.live.Domain, now) {
			rp.log.WarnContext(ctx, "auth centre not heard about a session", slog.String("tenant_id", string(r.live.Tenant)), slog.Any("error", err))
		}
	}
	ok, err := rp.sessions.port.RenewSession(ctx, r.key, r.turn, result)
	if err != nil { // the turn runs out, and the next one asks again
		rp.log.WarnContext(ctx, "session not renewed", slog.Any("error", err))
		return
	}
	if ok && rp.observe != nil {
		rp.observe(event)
	}
}

// endedBy says how an error ends a session, or "" if it does not: whether the auth centre said no, or said something that it could
// not say about this person.
func endedBy(err error) string {
	switch {
	case errors.Is(err, errKeysLate): // it was not looked at
		return ""
	case errors.Is(err, ErrCodeSpent), errors.Is(err, errTokenRefused):
		return endedRefused
	case errors.Is(err, ErrTwoPeople):
		return endedTwoPeople
	case errors.Is(err, ErrToken):
		return endedToken
	case errors.Is(err, ErrTenantMismatch):
		return endedTenant
	}
	return ""
}

// hear is what an auth centre says now of the person of a session. What an answer that is not whole leaves out stays as it was; of a
// whole one, an administrator who is not called one any more is none.
func (s LiveSession) hear(c claims, whole bool, t Tenant, by *Settings) (*Said, error) {
	spellings := by.userNameClaims()
	name, ok := c.first(spellings...)
	if ok && name != "" && UserName(name) != s.User {
		return nil, failed("identity.userName", ErrTwoPeople)
	}
	if ok && name == "" && !whole { // the ID token of the sign-in had it
		quoted, err := json.Marshal(string(s.User))
		if err != nil {
			return nil, fmt.Errorf("user name: %w", err)
		}
		c = maps.Clone(c)
		c[spellings[0]] = quoted
	}
	v, err := identify(c, t, by)
	if err != nil {
		return nil, err
	}
	said := &Said{Role: v.Role, Filled: v.Profile}
	if said.Role == RoleUnknown {
		said.Role = s.Role
		if whole && s.Role == RoleAdmin {
			said.Role = RoleUser
		}
	}
	if !whole {
		said.Filled = said.Filled.fill(s.Filled)
	}
	return said, nil
}
