package sso

import "strings"

// EventName says what an [Event] is. Names are stable: they stand in audit logs and in metrics.
type EventName string

// The events.
const (
	// EventSignIn: a session was made; another one of that browser, if any, ended. Outcome: admitted or admitted_provisionally.
	EventSignIn EventName = "sign_in"
	// EventSignInWaiting: an identity was verified, and waits: for its account (outcome pending) or the person's yes (confirm).
	EventSignInWaiting EventName = "sign_in_waiting"
	// EventSignInRefused: nobody was let in. Outcome is the code on the page, Check the check that failed, if one did.
	EventSignInRefused EventName = "sign_in_refused"
	// EventSignOut: a session was ended by its own browser, or sessions by the auth centre (outcome backchannel).
	EventSignOut EventName = "sign_out"
	// EventSessionEnded: the auth centre, asked again, did not stand by the person: it refused (outcome refused), or spoke of
	// another one (two_people, tenant_mismatch), or its proof was not valid (token_rejected).
	EventSessionEnded EventName = "session_ended"
	// EventSessionRefreshed: the auth centre was asked again. Outcome: unchanged, changed (what it says of the person), unanswered,
	// or forgotten (nothing is left to ask with). Of these only changed changes something.
	EventSessionRefreshed EventName = "session_refreshed"
	// EventSignOutRefused: a wish to end sessions was refused.
	EventSignOutRefused EventName = "sign_out_refused"
)

// Event is one decision that changed something or turned somebody away. It holds no secret, code or token; of personal data the
// account key only, which is what an operator asks for.
type Event struct {
	Name    EventName
	Outcome string
	// Check names what of the auth centre's word failed, or is empty.
	Check string
	// Tenant and User are empty while they are not known. User is only set once an auth centre named it or a session did.
	Tenant TenantID
	User   UserName
	// RequestID is that of the page and of the log.
	RequestID string
	// Solicited is false for a sign-in that arrived without having been begun here.
	Solicited bool
}

// auditEvent returns the event of a request that is over; ok is false if it changed nothing and refused nobody.
func (e *record) auditEvent(err error) (event Event, ok bool) {
	event = Event{
		Outcome: e.result, Check: e.check, Tenant: e.tenant, User: e.who, RequestID: e.id, Solicited: e.solicited,
	}
	leaving := strings.HasSuffix(e.event, "logout")
	switch {
	case err != nil && leaving:
		event.Name = EventSignOutRefused
	case err != nil:
		event.Name = EventSignInRefused
	case e.event == "backchannel_logout":
		event.Name, event.Outcome = EventSignOut, "backchannel"
	case leaving:
		event.Name = EventSignOut
		ok = e.tenant != "" // else nobody was signed in
		return event, ok
	case e.result == admitted.String() || e.result == admittedProvisionally.String():
		event.Name = EventSignIn
	case e.result == pending.String() || e.result == toConfirm:
		event.Name = EventSignInWaiting
	default:
		return Event{}, false
	}
	return event, true
}

// toConfirm is the result of a sign-in that waits for the person's yes.
const toConfirm = "confirm"
